//! `cargo xtask test`: every test, against the real program.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::build;
use crate::cli::TestArgs;
use crate::machine::Machine;
use crate::place::Place;
use crate::plugin;
use crate::say;
use crate::setup::{self, Purpose};
use crate::venv;

/// Sets up, builds, and tests; the exit code is `cargo test`'s.
pub fn command(place: &Place, args: &TestArgs) -> Result<ExitCode> {
    let machine = Machine::here();
    let model = setup::provide(&machine, place, Purpose::Test)?;
    let python = venv::provide(&machine, place)?;
    if names_package(&args.cargo) {
        build::shoal(place)?;
    } else {
        build::everything(place)?;
    }
    let mut words = words(&args.cargo);
    if args.accelerator {
        plugin::vulkan(&machine, place)?;
        // Cargo's own arguments come before those of the tests.
        words.splice(2..2, ["--features", "shoal-tests/accelerator"]);
    }
    say::step("test", &format!("cargo {}", words.join(" ")));
    let status = build::cargo(place)
        .args(words)
        .env("SHOAL_MODEL", model)
        .env("SHOAL_PYTHON", python)
        .env("SHOAL_BIN", place.shoal())
        .env("SHOAL_PLUGINS", place.plugins())
        .status()
        .context("start cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What Cargo is called with: the whole workspace, unless packages are named.
fn words(args: &[String]) -> Vec<&str> {
    let mut words = vec!["test", "--release"];
    if !names_package(args) {
        words.push("--workspace");
    }
    words.extend(args.iter().map(String::as_str));
    words
}

fn names_package(args: &[String]) -> bool {
    let names = |arg: &String| arg.starts_with("-p") || arg.starts_with("--package");
    args.iter().take_while(|arg| *arg != "--").any(names)
}

#[cfg(test)]
mod tests {
    use super::words;

    fn line(args: &[&str]) -> String {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        words(&args).join(" ")
    }

    #[test]
    fn a_named_package_is_tested_alone() {
        assert_eq!(line(&[]), "test --release --workspace");
        assert_eq!(line(&["-p", "xtask"]), "test --release -p xtask");
        assert_eq!(line(&["--package=xtask"]), "test --release --package=xtask");
        assert_eq!(
            line(&["--", "--nocapture", "-part"]),
            "test --release --workspace -- --nocapture -part"
        );
    }
}
