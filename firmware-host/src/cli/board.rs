//! `shoal board`.

use std::io::Write;

use clap::Args;
use serde_json::json;
use shoal_boards::{Report, Roots};

use super::{config, models, text};
use crate::{
    config::Places,
    exit::{Exit, Fault},
};

/// How to show it.
#[derive(Debug, Args)]
pub struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Detects and shows, with the file of the model that is loaded here, if there is one.
pub fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let report = Report::of(&Roots::default());
    // A board can be looked at before there is a config, or while it is wrong.
    let model = config(places).ok().map(|config| config.model);
    let weights = model
        .filter(|model| model.path.exists())
        .map(|model| models::weights(&model));
    if options.json {
        let mut shown = serde_json::to_value(&report).map_err(Fault::internal)?;
        if let (Some(weights), Some(shown)) = (&weights, shown.as_object_mut()) {
            let found = json!({"path": weights.path, "why": weights.words()});
            shown.insert("weights".to_owned(), found);
        }
        super::json(out, &shown)?;
    } else {
        write!(out, "{report}")?;
        if let Some(weights) = weights {
            write!(
                out,
                "{}",
                text::indent(&format!("weights: {}", weights.words()), "  ")
            )?;
        }
    }
    Ok(Exit::Done)
}
