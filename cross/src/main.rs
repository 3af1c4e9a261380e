//! The project's own commands: `cargo xtask setup`, `run`, `test`, `bench`, `plugin`
//! and `wire`.
//!
//! They take a bare Debian or Ubuntu with Rust on it to a running appliance:
//! system packages, the default model, the build, a broker. Each step looks
//! first whether it is done already. This program itself compiles with nothing
//! but Rust and a linker, for it is what installs the rest.

mod appliance;
mod apt;
mod bench;
mod broker;
mod build;
mod cli;
mod machine;
mod model;
mod need;
mod place;
mod plugin;
mod say;
mod setup;
mod suite;
mod tools;
mod unavailable;
mod venv;
mod wheel;
mod wire;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Bench, Cli, Command};
use crate::place::Place;
use crate::unavailable::Unavailable;

#[expect(clippy::print_stderr, reason = "the person at the terminal reads it")]
fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = Place::find().and_then(|place| match cli.command {
        Command::Setup => setup::command(&place),
        Command::Run(args) => appliance::command(&place, &args),
        Command::Test(args) => suite::command(&place, &args),
        Command::Bench(Bench::Engine(args)) => bench::engine(&place, &args),
        Command::Bench(Bench::Queue(args)) => bench::queue(&place, &args),
        Command::Plugin { accelerator } => plugin::command(&place, accelerator),
        Command::Wire => wire::command(&place),
    });
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        // 69 is EX_UNAVAILABLE of sysexits.h.
        match error.downcast_ref::<Unavailable>() {
            Some(_) => ExitCode::from(69),
            None => ExitCode::FAILURE,
        }
    })
}
