//! `shoal board`.

mod engine;
mod now;

use std::io::Write;

use clap::Args;
use serde::Serialize;
use shoal_boards::{Report, Roots};

use self::{engine::Engine, now::Now};
use super::{models, text};
use crate::{
    accelerate::Measure,
    config::{Config, Places},
    exit::{Exit, Fault},
};

/// How to show it.
#[derive(Debug, Args)]
pub struct Options {
    /// Measure accelerators against the CPU again; this takes minutes
    #[arg(long)]
    measure: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Everything that is shown.
#[derive(Serialize)]
struct Shown {
    board: shoal_boards::Board,
    decision: shoal_boards::Decision,
    weights: Option<Weights>,
    engine: Option<Engine>,
    now: Now,
}

/// Which file of the model is loaded.
#[derive(Serialize)]
struct Weights {
    path: std::path::PathBuf,
    why: String,
}

impl Weights {
    /// Nothing where there is no model.
    fn look(config: &Config) -> Option<Self> {
        if !config.model.path.exists() {
            return None;
        }
        let found = models::weights(&config.model);
        Some(Self {
            why: found.words(),
            path: found.path,
        })
    }
}

/// Detects and shows.
pub fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let roots = Roots::default();
    let report = Report::of(&roots);
    // A board can be looked at whatever is in the config; `shoal doctor` says what is wrong there.
    let config = Config::load_or_default(places).ok();
    let now = Now::look(&roots, &report.board, config.as_ref());
    let weights = config.as_ref().and_then(Weights::look);
    let measure = match options.measure {
        true => Measure::Again,
        false => Measure::Never,
    };
    let engine = config
        .as_ref()
        .map(|config| Engine::look(config, &report, measure));
    if options.json {
        let Report { board, decision } = report;
        super::json(
            out,
            &Shown {
                board,
                decision,
                weights,
                engine,
                now,
            },
        )?;
    } else {
        writeln!(out, "{report}")?;
        if let Some(weights) = weights {
            let shown = text::indent(&format!("weights: {}", weights.why), "  ");
            write!(out, "{shown}")?;
        }
        if let Some(engine) = engine {
            writeln!(out, "{engine}")?;
        }
        write!(out, "{now}")?;
    }
    Ok(Exit::Done)
}
