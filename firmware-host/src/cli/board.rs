//! `shoal board`.

use std::io::Write;

use clap::Args;
use shoal_boards::{Report, Roots};

use crate::exit::{Exit, Fault};

/// How to show it.
#[derive(Debug, Args)]
pub struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Detects and shows.
pub fn run(options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let report = Report::of(&Roots::default());
    if options.json {
        super::json(out, &report)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(Exit::Done)
}
