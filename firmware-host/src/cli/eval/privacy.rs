//! `shoal eval privacy`.

use std::{
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::{Value, json};
use shoal_conductor::{
    detect::{Detectors, Finding},
    head::{
        class::Class,
        cuts,
        example::{Example, Truth},
        score::Score,
        sensitivity::{Cuts, Sensitivity},
        teach::Judged,
    },
    label::Label,
    policy::{Escalation, Policy},
};

use crate::{
    cli::{
        config,
        progress::Progress,
        study::{FOLDS, Parts, Reader, Teaching, examples},
    },
    config::{Config, Places},
    exit::{Exit, Fault},
};

/// How it is measured.
#[derive(Debug, Args)]
pub struct Options {
    /// Files of examples, one JSON object a line
    #[arg(long, value_name = "F", required = true, num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Learn a fresh head from these first
    #[arg(long, value_name = "F", num_args = 1..)]
    train: Vec<PathBuf>,
    /// Judge each of so many parts of the data by a head learnt from the others, and from --train
    #[arg(long, value_name = "N")]
    folds: Option<usize>,
    /// A head's file, in place of the one that the program came with
    #[arg(long, value_name = "F", conflicts_with_all = ["train", "folds"])]
    head: Option<PathBuf>,
    #[command(flatten)]
    teaching: Teaching,
    /// Write what was found in each text to this file, one JSON object a line, with places in characters
    #[arg(long, value_name = "F")]
    found: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The patterns and the labels of a policy.
pub struct Patterns {
    /// What finds them.
    pub detectors: Detectors,
    policy: Policy,
}

/// The patterns that the config's policy gives.
pub fn patterns(config: &Config) -> Result<Patterns, Fault> {
    let policy = config.load_policy()?;
    Ok(Patterns {
        detectors: Detectors::try_new(&policy).map_err(Fault::usage)?,
        policy,
    })
}

impl Patterns {
    /// What may happen at a remote worker to a text with these findings.
    fn escalation(&self, found: &[Finding], pieces: &[(Range<usize>, Class)]) -> Escalation {
        let patterns = found.iter().map(|finding| finding.label);
        let head = pieces
            .iter()
            .map(|(_, class)| self.policy.label_of(&class.kind()));
        let label: Label = patterns.chain(head).collect();
        self.policy.escalation(label)
    }
}

/// Measures.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(places)?;
    let patterns = patterns(&config)?;
    let data = examples(&options.data)?;
    let (train, _) = examples(&options.train)?;
    let began = Instant::now();
    let report = match options.folds {
        None if train.is_empty() => ready(config, &options, patterns, data).await?,
        folds => taught(config, &options, patterns, data, train, folds).await?,
    };
    tracing::info!(seconds = began.elapsed().as_secs(), "measured");
    if options.json {
        crate::cli::json(out, &report)?;
    } else {
        write!(out, "{}", text(&report))?;
    }
    Ok(Exit::Done)
}

/// With a head that is there.
async fn ready(
    config: Config,
    options: &Options,
    patterns: Patterns,
    (data, parts): (Vec<Example>, Parts),
) -> Result<Value, Fault> {
    let bytes = match &options.head {
        Some(path) => std::fs::read(path).map_err(|error| {
            Fault::usage(format!("cannot read the head {}: {error}", path.display()))
        })?,
        None => shoal_conductor::head::SHIPPED.to_vec(),
    };
    let head = Sensitivity::try_from_bytes(&bytes).map_err(Fault::usage)?;
    let backbone = crate::head::fingerprint(&config.model, &head.backbone)?;
    let head = head.for_backbone(&backbone).map_err(Fault::usage)?;
    let mut reader = Reader::open(config, head.reading.clone(), options.teaching.kept()).await?;
    let began = Instant::now();
    let mut school = reader.school(data).await?;
    // What was kept took no time to read.
    let read = (!options.teaching.keeps()).then(|| began.elapsed());
    let found = options.found.clone();
    tokio::task::spawn_blocking(move || {
        school.settle(Some(head.norm.clone()));
        let all = 0..school.len();
        let began = Instant::now();
        let judged: Vec<_> = all.filter_map(|at| school.judged(&head.nets, at)).collect();
        let judging = began.elapsed();
        write_found(found.as_deref(), &judged, &head.cuts, &patterns)?;
        let mut report = report(&judged, &parts, &head.cuts, &patterns);
        if let Some(report) = report.as_object_mut() {
            let per_thousand = |time: Duration| {
                #[expect(clippy::cast_precision_loss, reason = "a number of tokens")]
                let thousands = school.tokens().max(1) as f64 / 1_000.0;
                time.as_secs_f64() * 1_000.0 / thousands
            };
            report.insert(
                "head_ms_per_1000_tokens".to_owned(),
                json!(per_thousand(judging)),
            );
            if let Some(read) = read {
                report.insert(
                    "pass_ms_per_1000_tokens".to_owned(),
                    json!(per_thousand(read)),
                );
            }
        }
        Ok(report)
    })
    .await
    .map_err(Fault::internal)?
}

/// With heads that are learnt now.
async fn taught(
    config: Config,
    options: &Options,
    patterns: Patterns,
    (data, parts): (Vec<Example>, Parts),
    train: Vec<Example>,
    folds: Option<usize>,
) -> Result<Value, Fault> {
    let mut reader =
        Reader::open(config, options.teaching.reading(), options.teaching.kept()).await?;
    let first = data.len();
    let all: Vec<Example> = data.into_iter().chain(train).collect();
    let mut school = reader.school(all).await?;
    drop(reader);
    let plan = options.teaching.plan();
    let found = options.found.clone();
    tokio::task::spawn_blocking(move || {
        school.settle(None);
        let mut progress = Progress::new("folds", folds.map_or(FOLDS, |folds| folds.max(2)));
        let told = |done: usize| progress.set(done);
        if let Some(folds) = folds {
            let (judged, _) = school.crossed(&plan, folds.max(2), |_| true, told);
            let cuts = cuts::choose(&judged, &patterns.detectors);
            let data: Vec<_> = judged
                .into_iter()
                .filter(|judged| judged.at < first)
                .collect();
            write_found(found.as_deref(), &data, &cuts, &patterns)?;
            return Ok(report(&data, &parts, &cuts, &patterns));
        }
        let (judged, nets) = school.crossed(&plan, FOLDS, |at| at >= first, told);
        let cuts = cuts::choose(&judged, &patterns.detectors);
        let data: Vec<_> = (0..first)
            .filter_map(|at| school.judged(&nets, at))
            .collect();
        write_found(found.as_deref(), &data, &cuts, &patterns)?;
        Ok(report(&data, &parts, &cuts, &patterns))
    })
    .await
    .map_err(Fault::internal)?
}

/// Writes what was found in each text, and by what.
fn write_found(
    path: Option<&Path>,
    judged: &[Judged<'_>],
    cuts: &Cuts,
    patterns: &Patterns,
) -> Result<(), Fault> {
    let Some(path) = path else {
        return Ok(());
    };
    let mut lines = String::new();
    for judged in judged {
        let text = judged.example.text.as_str();
        let characters = |bytes: &str| bytes.chars().count();
        let place = |span: &Range<usize>, kind: &str, by: &str| {
            let start = characters(&text[..span.start]);
            let end = start + characters(&text[span.clone()]);
            json!({"start": start, "end": end, "type": kind, "by": by})
        };
        let head = cuts::pieces(judged, cuts);
        let head = head
            .iter()
            .map(|(span, class)| place(span, &class.kind().to_string(), "head"));
        let patterns = patterns.detectors.find(text);
        let patterns = patterns
            .iter()
            .map(|finding| place(&finding.span, &finding.kind.to_string(), "pattern"));
        let found: Vec<Value> = head.chain(patterns).collect();
        lines.push_str(&json!({"id": judged.example.id, "found": found}).to_string());
        lines.push('\n');
    }
    std::fs::write(path, lines)
        .map_err(|error| Fault::usage(format!("cannot write {}: {error}", path.display())))
}

/// The numbers of all, and of each file where there are several.
pub fn report(judged: &[Judged<'_>], parts: &Parts, cuts: &Cuts, patterns: &Patterns) -> Value {
    let mut report = numbers(judged, cuts, patterns);
    if let Some(report) = report.as_object_mut() {
        report.insert("cuts".to_owned(), json!(cuts));
        let files = parts.iter().filter(|_| parts.len() > 1);
        let files: serde_json::Map<String, Value> = files
            .map(|(name, range)| {
                let of = judged.iter().filter(|judged| range.contains(&judged.at));
                (name.clone(), numbers(of, cuts, patterns))
            })
            .collect();
        if !files.is_empty() {
            report.insert("files".to_owned(), files.into());
        }
    }
    report
}

fn numbers<'s: 'j, 'j>(
    judged: impl IntoIterator<Item = &'j Judged<'s>>,
    cuts: &Cuts,
    patterns: &Patterns,
) -> Value {
    let mut score = Score::default();
    let mut asked = 0u32;
    // Of what patterns found where all that is sensitive is known: how many, and how many touch a part of it.
    let (mut matched, mut right) = (0u32, 0u32);
    let (mut bytes, mut searching) = (0, Duration::ZERO);
    for judged in judged {
        let pieces = cuts::pieces(judged, cuts);
        let began = Instant::now();
        let found = patterns.detectors.find(&judged.example.text);
        searching += began.elapsed();
        bytes += judged.example.text.len();
        let masked = cuts::masked(&pieces, &found, &patterns.detectors);
        let escalation = patterns.escalation(&found, &pieces);
        asked += u32::from(escalation == Escalation::Approve);
        if let Truth::Spans(spans) = &judged.example.truth {
            for finding in &found {
                let touches = |(span, _): &(Range<usize>, Class)| {
                    span.start < finding.span.end && finding.span.start < span.end
                };
                matched += 1;
                right += u32::from(spans.iter().any(touches));
            }
        }
        score.add(judged.example, &masked, escalation == Escalation::Never);
    }
    let rows = u32::try_from(score.rows).unwrap_or(u32::MAX);
    let mut report = json!({
        "rows": score.rows,
        "leak_rate": score.leak_rate(),
        "visible": score.visible(),
        "masked_other": score.masked_other(),
        "precision": score.spans().precision(),
        "recall": score.spans().recall(),
        "span_f2": score.spans().f2(),
        "region_f2": score.regions().f2(),
        "kept_rate": score.kept_rate(),
        "asked_rate": f64::from(asked) / f64::from(rows.max(1)),
        "pattern_mb_per_s": megabytes(bytes) / searching.as_secs_f64().max(f64::EPSILON),
    });
    if matched > 0 {
        report["pattern_precision"] = json!(f64::from(right) / f64::from(matched));
    }
    let in_full = Class::ALL.into_iter().filter_map(|class| {
        let share = score.in_full(class)?;
        Some((class.kind().to_string(), json!(share)))
    });
    let in_full: serde_json::Map<String, Value> = in_full.collect();
    if !in_full.is_empty() {
        report["masked_in_full"] = in_full.into();
    }
    report
}

#[expect(clippy::cast_precision_loss, reason = "a length of text")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// The numbers, one a line.
#[must_use]
pub fn text(report: &Value) -> String {
    let mut out = String::new();
    for (name, value) in report.as_object().into_iter().flatten() {
        let value = match value {
            Value::Object(file) if name == "files" => {
                for (name, value) in file {
                    out.push_str(&format!("\n{name}\n{}", text(value)));
                }
                continue;
            }
            Value::Object(classes) if name == "masked_in_full" => {
                let class = |(name, value): (&String, &Value)| {
                    format!("{name} {:.4}", value.as_f64().unwrap_or_default())
                };
                classes.iter().map(class).collect::<Vec<_>>().join(", ")
            }
            value if value.is_f64() => format!("{:.4}", value.as_f64().unwrap_or_default()),
            value => value.to_string(),
        };
        out.push_str(&format!("{name:<17} {value}\n"));
    }
    out
}
