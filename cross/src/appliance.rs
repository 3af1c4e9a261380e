//! `cargo xtask run`: the appliance and its broker, until someone stops them.

use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, absolute};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::broker;
use crate::build;
use crate::cli::RunArgs;
use crate::machine::Machine;
use crate::model;
use crate::place::Place;
use crate::say;
use crate::setup::{self, Purpose};

/// Seconds after which the preparation tries no further form of the model.
const PREPARE_SECONDS: &str = "45";

/// Sets up, builds, and runs; the exit code is the appliance's.
pub fn command(place: &Place, args: &RunArgs) -> Result<ExitCode> {
    let machine = Machine::here();
    let model = setup::provide(&machine, place, Purpose::Run)?;
    build::shoal(place)?;
    let data = match &args.data {
        Some(folder) => absolute(folder).context("find the data folder")?,
        None => place.data(),
    };
    model::place_in(&data, &model)?;
    prepare(place, &data);
    // From here on signals wait for `supervise`, so that neither child is left.
    let signals = stop_signals()?;
    let _broker = broker::provide(&machine, &data)?;
    let shoal = start(place, &data, &args.serve)?;
    supervise(shoal, signals).map(exit_code)
}

/// Finds the form in which the model is fastest here. That takes up to a
/// minute at the first start and nothing later; the appliance runs without.
fn prepare(place: &Place, data: &Path) {
    say::step(
        "prepare",
        "finding the form in which the model is fastest here; up to a minute at the first start",
    );
    let mut command = Command::new(place.shoal());
    build::clear_own(&mut command);
    let status = command
        .args(["models", "prepare", "--within", PREPARE_SECONDS, "--data"])
        .arg(data)
        .status();
    let reason = match status {
        Ok(status) if status.success() => return,
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    say::step(
        "prepare",
        &format!("failed ({reason}); the model is used as it was downloaded"),
    );
}

fn start(place: &Place, data: &Path, args: &[String]) -> Result<Child> {
    let program = place.shoal();
    let mut command = Command::new(&program);
    build::clear_own(&mut command);
    command
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(args)
        // A group of its own, so that Ctrl-C reaches it once: from here.
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {}", program.display()))
}

/// Signals that ask to stop. Where the person had hang-ups ignored, as `nohup`
/// does, they stay ignored.
fn stop_signals() -> Result<Signals> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut signals = vec![SIGINT, SIGTERM];
    if !ignores_hangup(&status) {
        signals.push(SIGHUP);
    }
    Signals::new(signals).context("listen for signals")
}

/// The mask is in hexadecimal; bit 0 is signal 1, the hang-up.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Passes signals on until the child has ended.
fn supervise(mut child: Child, mut signals: Signals) -> Result<ExitStatus> {
    let id = i32::try_from(child.id()).context("know the appliance's process")?;
    // The thread ends with the program, which is about to end with the child.
    thread::spawn(move || {
        for signal in signals.forever() {
            // It may have ended by itself, which is as good.
            let _sent = kill(Pid::from_raw(id), passed_on(signal));
        }
    });
    child.wait().context("watch the appliance")
}

/// A terminal that went away is a request to stop like any other.
fn passed_on(signal: i32) -> Signal {
    match signal {
        SIGINT => Signal::SIGINT,
        _ => Signal::SIGTERM,
    }
}

/// As a shell tells it: the code, or 128 and the signal's number.
fn exit_code(status: ExitStatus) -> ExitCode {
    let by_signal = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(by_signal).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::{exit_code, ignores_hangup, passed_on};
    use nix::sys::signal::Signal;
    use signal_hook::consts::{SIGHUP, SIGINT};
    use std::process::{Command, ExitCode};

    #[test]
    fn the_exit_code_is_the_childs_as_a_shell_tells_it() {
        let code = |script| exit_code(Command::new("sh").args(["-c", script]).status().unwrap());
        assert_eq!(code("exit 75"), ExitCode::from(75));
        assert_eq!(code("kill -TERM $$"), ExitCode::from(128 + 15));
    }

    #[test]
    fn a_closed_terminal_asks_it_to_stop() {
        assert_eq!(passed_on(SIGINT), Signal::SIGINT);
        assert_eq!(passed_on(SIGHUP), Signal::SIGTERM);
        assert!(!ignores_hangup("SigBlk:\t01\nSigIgn:\t0000000000001006\n"));
        assert!(ignores_hangup("SigIgn:\t0000000000001007\n"));
    }
}
