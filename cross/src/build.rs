//! Calling Cargo and other programs.

use std::env;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::place::Place;
use crate::say;

/// Builds the program, as fast as this machine's CPU can run it.
pub fn shoal(place: &Place) -> Result<()> {
    build(place, &["build", "--release", "--package", "shoal"])
}

/// Builds the program with all the tests. By itself it would be built twice:
/// the tests have some of its dependencies with more features.
pub fn everything(place: &Place) -> Result<()> {
    let kinds = ["--workspace", "--bins", "--tests"];
    build(place, &[&["build", "--release"], &kinds[..]].concat())
}

/// Builds the program with the driver of a benchmark, and as the tests do, so
/// that nothing is built twice.
pub fn with_bench(place: &Place, name: &str) -> Result<()> {
    let kinds = ["--workspace", "--bins", "--bench", name];
    build(place, &[&["build", "--release"], &kinds[..]].concat())
}

fn build(place: &Place, args: &[&str]) -> Result<()> {
    say::step("build", &format!("cargo {}", args.join(" ")));
    let status = cargo(place).args(args).status().context("start cargo")?;
    ensure!(status.success(), "cargo build failed with {status}");
    Ok(())
}

/// Runs a command to its end; one that fails is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("start {program}"))?;
    ensure!(status.success(), "{program} failed with {status}");
    Ok(())
}

/// Cargo, in the workspace, as if it were called from a shell.
pub fn cargo(place: &Place) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(&place.root);
    if env::var_os("CARGO_TARGET_DIR").is_some() {
        command.env("CARGO_TARGET_DIR", &place.target);
    }
    clear_own(&mut command);
    command
}

/// Takes out what Cargo set for this program. Some build scripts watch these
/// variables, and would run again after every direct call of Cargo.
pub fn clear_own(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_own) {
            command.env_remove(name);
        }
    }
}

fn is_own(name: &str) -> bool {
    const EXACT: [&str; 6] = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    name.starts_with("CARGO_PKG_") || EXACT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn what_a_person_sets_stays() {
        for name in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_NET_OFFLINE",
            "PATH",
        ] {
            assert!(!is_own(name), "{name}");
        }
        assert!(is_own("CARGO_PKG_VERSION") && is_own("CARGO_MANIFEST_DIR"));
    }
}
