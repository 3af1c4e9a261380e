//! `shoal bench`: how fast this machine does it.

mod engine;

use std::io::Write;

use clap::Subcommand;

use crate::{
    config::Places,
    exit::{Exit, Fault},
};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Measure the engine on a model, without the rest of the appliance
    Engine(engine::Options),
}

/// Measures.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    match action {
        Action::Engine(options) => engine::run(places, options, out).await,
    }
}
