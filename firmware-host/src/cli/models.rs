//! `shoal models`.

mod prepare;
mod pull;

use std::{io::Write, path::PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use shoal_boards::{Report, Roots};
use shoal_models::{
    catalogue::{self, CATALOGUE, Expected},
    gguf::{GgufError, Header},
    prepare::{look, source_of},
};

use super::{config, text};
use crate::{
    config::{Config, Model, Places},
    exit::{Exit, Fault},
    weights::{Weights, used},
};

/// What to do with model files.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// List the model files that are here and those that are known
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model unless it is here, verify it, and store it in the form that is fastest here
    Pull(pull::Options),
    /// Find the form in which a model is fastest on this machine, and keep it beside the file
    Prepare(prepare::Options),
    /// Check that a model file is whole
    Verify {
        /// The file [default: the one that the config names]
        file: Option<PathBuf>,
    },
}

/// Does it.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(places)?;
    match action {
        Action::List { json } => list(&config, json, out),
        Action::Pull(options) => pull::run(&config, options, out).await,
        Action::Prepare(options) => prepare::run(&config, options, out),
        Action::Verify { file } => {
            let model = Model {
                path: file.unwrap_or_else(|| config.model.path.clone()),
                ..config.model
            };
            writeln!(out, "{}", verify(&model)?)?;
            Ok(Exit::Done)
        }
    }
}

fn list(config: &Config, as_json: bool, out: &mut dyn Write) -> Result<Exit, Fault> {
    let folder = config.data.join("models");
    let mut found = catalogue::list(&folder)
        .map_err(|error| Fault::create(format!("cannot list {}", folder.display()), &error))?;
    let weights = weights(&config.model);
    let used = &weights.path;
    for path in [&config.model.path, used] {
        if !found.iter().any(|file| file.path == *path) && path.exists() {
            found.push(catalogue::Found {
                path: path.clone(),
                bytes: std::fs::metadata(path).map_or(0, |data| data.len()),
                header: Header::read(path),
            });
        }
    }
    let here: Vec<Value> = found
        .iter()
        .map(|file| {
            let header = file.header.as_ref();
            json!({
                "path": file.path,
                "bytes": file.bytes,
                "used": file.path == *used,
                "prepared_from": source_of(&file.path),
                "name": header.ok().and_then(Header::name),
                "parameters": header.ok().map(|header| header.parameters),
                "quantization": header.ok().and_then(Header::quantization),
                "error": header.err().map(ToString::to_string),
            })
        })
        .collect();
    if as_json {
        let known: Vec<Value> = CATALOGUE
            .iter()
            .map(|entry| {
                json!({
                    "name": entry.name, "file": entry.file, "bytes": entry.bytes,
                    "sha256": entry.sha256, "licence": entry.licence, "source": entry.source,
                })
            })
            .collect();
        super::json(out, &json!({"here": here, "known": known}))?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![
        ["", "SIZE", "WEIGHTS", "STORED", "FILE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for file in &found {
        let mark = if file.path == *used { "*" } else { "" };
        let (weights, stored) = match &file.header {
            Ok(header) => (
                format!("{} M", header.parameters / 1_000_000),
                header.quantization().unwrap_or("?").to_owned(),
            ),
            Err(error) => ("-".to_owned(), format!("unusable: {error}")),
        };
        rows.push(vec![
            mark.to_owned(),
            format!("{} MB", file.bytes / 1_000_000),
            weights,
            stored,
            file.path.display().to_string(),
        ]);
    }
    if found.is_empty() {
        writeln!(out, "there are no model files in {}", folder.display())?;
    } else {
        write!(out, "{}", text::table(&rows))?;
        writeln!(out, "* is the one in use: {}", weights.words())?;
    }
    writeln!(out, "\nknown models:")?;
    for entry in CATALOGUE {
        writeln!(
            out,
            "  {} ({} MB, {}), from {}",
            entry.file,
            entry.bytes / 1_000_000,
            entry.licence,
            entry.source
        )?;
    }
    Ok(Exit::Done)
}

/// The file that is loaded for this model on this board.
pub fn weights(model: &Model) -> Weights {
    Weights::find(model, accelerated(model))
}

fn accelerated(model: &Model) -> bool {
    // The board is asked only where the config does not say it.
    let board = || Report::of(&Roots::default()).decision.gpu_layers;
    model.gpu_layers.unwrap_or_else(board) > 0
}

/// Compares a prepared file and the download beside it with the note.
fn verify_prepared(model: &Model, source: &std::path::Path) -> Result<String, Fault> {
    let path = model.path.display();
    let corrupt =
        |reason: String| Fault::new(Exit::CorruptModel, format!("{path} is not used: {reason}"));
    match look(source, used(model, accelerated(model))) {
        Ok(Some(note)) => match note.prepared {
            Some(bytes) => Ok(format!(
                "{path} is whole: {} bytes, SHA-256 {}, made from {} as {}",
                bytes.bytes,
                bytes.sha256,
                source.display(),
                note.recipe
            )),
            None => Err(corrupt(
                "the note beside it says that the download is better".into(),
            )),
        },
        Ok(None) => Err(Fault::new(
            Exit::NoModel,
            format!("there is no {path}; run: shoal models prepare"),
        )),
        Err(misfit) => Err(corrupt(misfit.to_string())),
    }
}

/// Reads the header, and compares the SHA-256 where the config or the catalogue has one. Gives a sentence.
pub fn verify(model: &Model) -> Result<String, Fault> {
    let path = &model.path;
    if let Some(source) = source_of(path) {
        return verify_prepared(model, &source);
    }
    let header = Header::read(path).map_err(|error| {
        let missing = matches!(&error, GgufError::Io(io) if io.kind() == std::io::ErrorKind::NotFound);
        if missing {
            Fault::new(
                Exit::NoModel,
                format!(
                    "there is no model file {}; put one there, or set [model] path in shoal.toml to where it is",
                    path.display()
                ),
            )
        } else {
            Fault::new(
                Exit::CorruptModel,
                format!("the model file {} is not usable: {error}", path.display()),
            )
        }
    })?;
    let file = path.file_name().and_then(|name| name.to_str());
    let known = CATALOGUE.iter().find(|entry| Some(entry.file) == file);
    let expected = match (&model.sha256, known) {
        (Some(sha256), _) => Some(Expected {
            bytes: None,
            sha256: sha256.clone(),
        }),
        (None, Some(entry)) => Some(Expected::from(entry)),
        (None, None) => None,
    };
    let Some(expected) = expected else {
        return Ok(format!(
            "{} is a whole GGUF file of {} weights; no SHA-256 is known to compare it with",
            path.display(),
            header.parameters
        ));
    };
    catalogue::verify(path, &expected).map_err(|error| Fault::new(Exit::CorruptModel, error))?;
    Ok(format!(
        "{} is whole: {} bytes, SHA-256 {}",
        path.display(),
        header.bytes,
        expected.sha256
    ))
}
