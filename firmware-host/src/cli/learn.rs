//! `shoal learn`.

mod place;
pub mod roles;
pub mod route;

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use shoal_conductor::head::cuts;

use super::{
    config,
    eval::privacy::{patterns, report, text},
    progress::Progress,
    study::{FOLDS, Reader, Teaching, examples},
};
use crate::{
    config::Places,
    exit::{Exit, Fault},
};

/// What is learnt.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// The sensitivity head, from texts of which it is known what is sensitive in them
    Privacy(Options),
    /// The routing head, from what workers made of prompts
    Route(route::Options),
    /// For the routing head in use, when to think, to verify and to stop, from the reward of whole tasks
    Roles(roles::Options),
}

/// How it is learnt.
#[derive(Debug, Args)]
pub struct Options {
    /// Files of examples, one JSON object a line
    #[arg(long, value_name = "F", required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Where the head goes
    #[arg(long, value_name = "F", default_value = "sensitivity.safetensors")]
    out: PathBuf,
    /// Parts of the data, each judged by a network taught on the others; these networks vote in the head
    #[arg(long, value_name = "N", default_value_t = FOLDS)]
    folds: usize,
    #[command(flatten)]
    teaching: Teaching,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Learns a head and writes it.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    let options = match action {
        Action::Privacy(options) => options,
        Action::Route(options) => return route::run(places, options, out).await,
        Action::Roles(options) => return roles::run(places, options, out).await,
    };
    let config = config(places)?;
    let patterns = patterns(&config)?;
    let mut reader =
        Reader::open(config, options.teaching.reading(), options.teaching.kept()).await?;
    let (data, parts) = examples(&options.data)?;
    let mut school = reader.school(data).await?;
    if school.is_empty() {
        return Err(Fault::usage("there are no examples to learn from"));
    }
    let (reading, backbone) = (reader.reading().clone(), reader.backbone.clone());
    drop(reader);
    let plan = options.teaching.plan();
    let folds = options.folds.clamp(2, 8);
    let (head, rows, held_out) = tokio::task::spawn_blocking(move || {
        school.settle(None);
        let mut progress = Progress::new("folds", folds);
        let (judged, nets) = school.crossed(&plan, folds, |_| true, |done| progress.set(done));
        drop(progress);
        let cuts = cuts::choose(&judged, &patterns.detectors);
        let held_out = report(&judged, &parts, &cuts, &patterns);
        let head = school.head(nets, cuts, reading, backbone);
        (head, school.len(), held_out)
    })
    .await
    .map_err(Fault::internal)?;
    let bytes = head.to_bytes();
    super::write_file(&options.out, &bytes)?;
    if options.json {
        let report = json!({
            "file": options.out,
            "bytes": bytes.len(),
            "rows": rows,
            "backbone_sha256": head.backbone,
            "held_out": held_out,
        });
        super::json(out, &report)?;
    } else {
        writeln!(
            out,
            "{} written: {} bytes, learnt from {rows} texts",
            options.out.display(),
            bytes.len()
        )?;
        writeln!(out, "on texts that it was not taught on:")?;
        write!(out, "{}", text(&held_out))?;
    }
    Ok(Exit::Done)
}
