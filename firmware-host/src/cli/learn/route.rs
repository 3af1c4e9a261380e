//! `shoal learn route`.

use std::{io::Write, path::PathBuf};

use clap::Args;
use serde_json::json;
use shoal_conductor::head::routing::{Routing, outcome::Table, teach::Lessons};

use crate::{
    cli::{
        config,
        outcomes::{self, Lesson},
    },
    config::Places,
    exit::{Exit, Fault},
};

/// How it is learnt.
#[derive(Debug, Args)]
pub struct Options {
    /// Files of outcomes, one JSON object a line: {"id", "prompt", "scores": {worker: 0 to 1}}
    #[arg(long, value_name = "F", required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Where the head goes
    #[arg(long, value_name = "F", default_value = "routing.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    lesson: Lesson,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Learns a head and writes it.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let mut table = Table::default();
    outcomes::read(&mut table, &options.data)?;
    if table.rows.is_empty() {
        return Err(Fault::usage("there are no outcomes to learn from"));
    }
    let mut reader = options.lesson.reader(config(places)?).await?;
    let looks = outcomes::looks(&mut reader, &table).await?;
    let (backbone, reading) = (reader.backbone.clone(), reader.reading().clone());
    drop(reader);
    let plan = options.lesson.plan();
    let (head, rows) = tokio::task::spawn_blocking(move || {
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        let lessons = Lessons {
            table: &table,
            looks: &looks,
        };
        let judge = lessons.learn(&rows, &plan);
        let head = Routing {
            backbone,
            reading,
            judge,
        };
        (head, rows.len())
    })
    .await
    .map_err(Fault::internal)?;
    let bytes = head.to_bytes();
    crate::cli::write_file(&options.out, &bytes)?;
    let workers: Vec<&String> = head.judge.abilities.keys().collect();
    if options.json {
        let report = json!({
            "file": options.out,
            "bytes": bytes.len(),
            "rows": rows,
            "workers": workers,
            "factors": head.judge.factors,
            "backbone_sha256": head.backbone,
        });
        crate::cli::json(out, &report)?;
    } else {
        writeln!(
            out,
            "{} written: {} bytes, learnt from {rows} prompts, for {} workers",
            options.out.display(),
            bytes.len(),
            workers.len()
        )?;
    }
    Ok(Exit::Done)
}
