//! `shoal eval`.

mod orchestrate;
mod verdict;

use std::io::Write;

use clap::Subcommand;

use crate::{
    config::Places,
    exit::{Exit, Fault},
};

/// What is measured.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Whether several models together do better here than one
    Orchestrate(orchestrate::Options),
}

/// Measures.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    match action {
        Action::Orchestrate(options) => orchestrate::run(places, options, out).await,
    }
}
