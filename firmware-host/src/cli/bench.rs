//! `shoal bench`: how fast this machine does it.

mod engine;
mod queue;

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
    /// Measure how fast tasks are kept and reports leave
    Queue(queue::Options),
}

/// Measures.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    match action {
        Action::Engine(options) => engine::run(places, options, out).await,
        Action::Queue(options) => queue::run(places, options, out).await,
    }
}
