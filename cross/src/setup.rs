//! `cargo xtask setup`: what every other command starts with.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::apt;
use crate::machine::Machine;
use crate::model;
use crate::need::Work;
use crate::place::Place;
use crate::tools;
use crate::venv;

/// What the set-up is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The appliance alone.
    Run,
    /// The tests as well, with their clients.
    Test,
    /// The benchmarks, with what they measure against.
    Bench,
}

/// Sets up for the tests too, which need the most.
pub fn command(place: &Place) -> Result<ExitCode> {
    let machine = Machine::here();
    provide(&machine, place, Purpose::Test)?;
    venv::provide(&machine, place)?;
    Ok(ExitCode::SUCCESS)
}

/// Provides the system's packages and the model, whose path it returns.
pub fn provide(machine: &Machine, place: &Place, purpose: Purpose) -> Result<PathBuf> {
    let work = Work {
        fetch: model::is_to_fetch(place) || purpose == Purpose::Bench && tools::are_to_build(place),
        venv: purpose == Purpose::Test && venv::is_to_make(place),
        test: purpose == Purpose::Test,
        ..Work::default()
    };
    apt::provide(machine, work)?;
    model::provide(machine, place)
}
