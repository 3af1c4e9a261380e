//! `shoal models prepare`: the form of a model that is fastest here.

use std::{io::Write, path::PathBuf};

use clap::Args;
use serde_json::json;
use shoal_boards::{Report, Roots};
use shoal_models::prepare::{self, AS_DOWNLOADED, Bounds, Note, Outcome, PrepareError, Row, Step};

use crate::{
    cli::text,
    config::{Config, Model},
    exit::{Exit, Fault},
    pool,
    weights::{gain, gain_of},
};

/// What is prepared, and how.
#[derive(Debug, Args)]
pub struct Options {
    /// The file [default: the one that the config names]
    file: Option<PathBuf>,
    /// Measure again, though a preparation that fits is there
    #[arg(long)]
    again: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Prepares and shows the table. Blocks.
pub fn run(config: &Config, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    if options.file.is_none() && !config.model.prepared {
        return off(options.json, out);
    }
    let model = Model {
        path: options.file.unwrap_or_else(|| config.model.path.clone()),
        ..config.model.clone()
    };
    let wish = Wish {
        again: options.again,
        quiet: options.json,
    };
    let outcome = prepare(&model, wish, out).map_err(fault)?;
    if options.json {
        crate::cli::json(out, &as_json(&outcome))?;
    }
    Ok(Exit::Done)
}

fn off(as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    if as_json {
        crate::cli::json(out, &json!({"path": null, "now": false, "note": null}))?;
    } else {
        writeln!(
            out,
            "nothing is prepared, since the config says [model] prepared = false"
        )?;
    }
    Ok(Exit::Done)
}

/// How a preparation is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Whether to measure again.
    pub again: bool,
    /// Whether nothing is printed.
    pub quiet: bool,
}

/// Prepares with the threads and accelerator that will run the model, and tells how it goes.
pub fn prepare(model: &Model, wish: Wish, out: &mut dyn Write) -> Result<Outcome, PrepareError> {
    let board = Report::of(&Roots::default());
    let options = prepare::Options {
        gpu_layers: model.gpu_layers.unwrap_or(board.decision.gpu_layers),
        bounds: Bounds {
            perplexity: model.most_perplexity,
            memory: Some(board.decision.memory_budget.get()).filter(|budget| *budget > 0),
        },
        again: wish.again,
        ..prepare::Options::new(model.threads.unwrap_or(board.decision.threads.into()))
    };
    let name = model.path.file_name().unwrap_or_default().to_string_lossy();
    let outcome = prepare::prepare(&model.path, &options, &mut |step| {
        // A reader that went away does not stop the work.
        let _ = match step {
            _ if wish.quiet => Ok(()),
            Step::Begun(AS_DOWNLOADED) => {
                let threads = options.threads;
                writeln!(
                    out,
                    "measuring {name} on {threads} threads, which takes a minute or some"
                )
            }
            Step::Begun(_) => Ok(()),
            Step::Measured(row) if row.recipe == AS_DOWNLOADED => Ok(()),
            Step::Measured(row) => {
                write!(out, "{}", text::indent(&line(row), "  ")).and_then(|()| out.flush())
            }
        };
    })?;
    if !wish.quiet {
        let _ = write!(out, "{}", shown(&outcome)).and_then(|()| out.flush());
    }
    Ok(outcome)
}

/// One row while the others are still to come.
fn line(row: &Row) -> String {
    let found = [gain_of(row), row.remark.clone()];
    let found: Vec<String> = found.into_iter().flatten().collect();
    format!("{}: {}", row.recipe, found.join("; "))
}

fn shown(outcome: &Outcome) -> String {
    let note = &outcome.note;
    let mut shown = String::new();
    if !outcome.now {
        shown.push_str("an earlier preparation fits; --again measures anew\n");
    }
    shown.push('\n');
    shown.push_str(&text::table(&rows(note)));
    shown.push('\n');
    shown.push_str(&verdict(outcome));
    shown
}

fn rows(note: &Note) -> Vec<Vec<String>> {
    let head = ["", "STORED", "SIZE", "PERPLEXITY", "READ", "WRITE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let speed = |share: Option<f64>| share.map_or("-".to_owned(), |s| format!("{s:.2} x"));
    for row in &note.measured {
        let mark = if row.recipe == note.recipe { "*" } else { "" };
        rows.push(vec![
            mark.to_owned(),
            row.recipe.clone(),
            row.bytes
                .map_or("-".into(), |b| format!("{} MB", b / 1_000_000)),
            row.perplexity
                .map_or("-".into(), |p| format!("{:+.1} %", (p - 1.0) * 100.0)),
            speed(row.prefill),
            speed(row.decode),
        ]);
    }
    rows
}

fn verdict(outcome: &Outcome) -> String {
    let note = &outcome.note;
    let mut said = match gain(note).filter(|_| note.prepared.is_some()) {
        Some(gain) => format!("* {} is taken: {gain}", note.recipe),
        None => {
            "* the download is taken: no other form is clearly faster and good enough".to_owned()
        }
    };
    said.push_str(&format!(
        "\nREAD and WRITE are against the download, which reads {:.0} and writes {:.0} tokens a second on {} threads\n\
         the file to load is {}",
        note.pace.prefill,
        note.pace.decode,
        note.threads,
        outcome.path.display()
    ));
    text::hang(&said, 2)
}

/// For scripts.
pub fn as_json(outcome: &Outcome) -> serde_json::Value {
    json!({"path": outcome.path, "now": outcome.now, "note": outcome.note})
}

/// What a failed preparation ends the program with.
pub fn fault(error: PrepareError) -> Fault {
    match error {
        PrepareError::Load(error) => pool::load_fault(&error),
        PrepareError::Verify(error) => Fault::new(Exit::CorruptModel, error),
        PrepareError::NoSource(_) => Fault::usage(error),
        PrepareError::Busy(_) | PrepareError::NoSpace(_) | PrepareError::NoMemory { .. } => {
            Fault::new(Exit::TryAgain, error)
        }
        PrepareError::Io {
            ref path,
            ref source,
        } => Fault::create(format!("cannot write {}", path.display()), source),
        error => Fault::failed(error),
    }
}

#[cfg(test)]
mod tests {
    use shoal_models::{
        engine::LoadError,
        prepare::{Bytes, Machine, Pace},
    };

    use super::*;

    fn row(recipe: &str, bytes: u64, perplexity: f64, speeds: Option<(f64, f64)>) -> Row {
        Row {
            recipe: recipe.to_owned(),
            bytes: Some(bytes),
            perplexity: Some(perplexity),
            prefill: speeds.map(|speeds| speeds.0),
            decode: speeds.map(|speeds| speeds.1),
            remark: None,
        }
    }

    fn outcome(recipe: &str) -> Outcome {
        let bytes = |bytes| Bytes {
            bytes,
            sha256: "ab".repeat(32),
        };
        Outcome {
            note: Note {
                recipe: recipe.to_owned(),
                threads: 4,
                most_perplexity: 1.02,
                pace: Pace {
                    prefill: 366.4,
                    decode: 147.0,
                },
                machine: Machine {
                    llama: "llama 1".into(),
                    isa: "aarch64 dotprod".into(),
                    accelerated: false,
                },
                source: bytes(98_362_432),
                prepared: (recipe != AS_DOWNLOADED).then(|| bytes(91_738_272)),
                measured: vec![
                    row(AS_DOWNLOADED, 98_362_432, 1.0, Some((1.0, 1.0))),
                    row("q4-0", 91_738_272, 1.0134, Some((4.47, 1.6))),
                    row("iq4-nl", 91_738_272, 1.0311, None),
                    Row {
                        recipe: "q8-0".into(),
                        remark: Some("the disk is full".into()),
                        ..Row::default()
                    },
                ],
            },
            path: "/data/models/m.prepared.gguf".into(),
            now: true,
        }
    }

    #[test]
    fn the_table_says_what_was_measured_and_what_was_taken() {
        insta::assert_snapshot!(shown(&outcome("q4-0")));
    }

    #[test]
    fn that_the_download_is_best_is_said_too() {
        let best = Outcome {
            path: "/data/models/m.gguf".into(),
            now: false,
            ..outcome(AS_DOWNLOADED)
        };
        insta::assert_snapshot!(shown(&best));
    }

    #[test]
    fn a_failure_has_the_exit_code_of_its_kind() {
        let missing = PrepareError::Load(LoadError::Missing("/m.gguf".into()));
        assert_eq!(fault(missing).exit, Exit::NoModel);
        assert_eq!(
            fault(PrepareError::Busy("/m.gguf".into())).exit,
            Exit::TryAgain
        );
        assert_eq!(fault(PrepareError::NoSource("/m".into())).exit, Exit::Usage);
    }
}
