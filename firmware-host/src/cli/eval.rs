//! `shoal eval`.

mod orchestrate;
pub mod privacy;
pub mod route;
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
    /// What is found of what is sensitive, by the patterns and the sensitivity head together
    Privacy(privacy::Options),
    /// How well the routing head chooses workers, beside simpler choices
    Route(route::Options),
    /// Whether several models together do better here than one
    Orchestrate(orchestrate::Options),
}

/// Measures.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    match action {
        Action::Privacy(options) => privacy::run(places, options, out).await,
        Action::Route(options) => route::run(places, options, out).await,
        Action::Orchestrate(options) => orchestrate::run(places, options, out).await,
    }
}
