//! The engine side by side with llama.cpp's own tools: `cargo xtask bench engine` builds both and starts this.

use std::{io::Write as _, path::PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;
use shoal_tests::{
    bench::{
        engine::{Case, Comparison},
        llama::Llama,
        ours::Ours,
        table::shown,
    },
    place,
};

/// Measure the engine against llama.cpp's own tools.
#[derive(Parser)]
struct Options {
    /// The folder of llama.cpp's tools
    #[arg(long, value_name = "DIR")]
    tools: PathBuf,
    /// How often each pair is measured
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    /// The model file [default: the appliance's]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The file that the model was prepared from
    #[arg(long, value_name = "FILE")]
    downloaded: Option<PathBuf>,
    /// Threads of both sides [default: the machine's]
    #[arg(long, value_name = "N")]
    threads: Option<u32>,
    /// Measure this alone; may be given several times
    #[arg(long, value_name = "CASE", value_parser = case)]
    case: Vec<Case>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// `cargo bench` says so to each benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn case(name: &str) -> Result<Case, String> {
    Case::named(name).ok_or_else(|| {
        let names = Case::ALL.map(Case::name).join(", ");
        format!("the cases are {names}")
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let cores = std::thread::available_parallelism()?.get();
    let threads = match options.threads {
        Some(threads) => threads,
        None => u32::try_from(cores).context("count the threads")?,
    };
    let llama = Llama::new(&options.tools, threads);
    let about = llama.about()?;
    let model = options.model.map_or_else(place::model, Ok)?;
    let comparison = Comparison {
        ours: Ours::try_new(threads)?,
        llama,
        model,
        downloaded: options.downloaded,
        threads,
        rounds: options.rounds.max(1),
    };
    let cases = match options.case.as_slice() {
        [] => Case::ALL.to_vec(),
        named => named.to_vec(),
    };
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for case in cases {
        writeln!(std::io::stderr(), "  {}", case.name())?;
        let measured = comparison.measure(case).await?;
        rows.extend(measured.rows);
        notes.extend(measured.notes);
    }
    let mut out = std::io::stdout();
    if options.json {
        let object = json!({
            "model": comparison.model,
            "threads": threads,
            "rounds": comparison.rounds,
            "other": about,
            "rows": rows,
            "notes": notes,
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&object)?)?;
        return Ok(());
    }
    let file = comparison.model.file_name().unwrap_or_default();
    let rounds = comparison.rounds;
    writeln!(
        out,
        "\n{}, {threads} threads, the median ratio of {rounds} rounds\n{about}\n",
        file.to_string_lossy()
    )?;
    write!(out, "{}", shown(&rows, &notes))?;
    Ok(())
}
