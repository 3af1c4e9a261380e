//! `cargo xtask bench`: measurements side by side, in one run.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::{Path, absolute};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};
use nix::unistd::dup2_stdout;

use crate::broker::Broker;
use crate::build;
use crate::cli::{EngineArgs, QueueArgs};
use crate::machine::Machine;
use crate::place::Place;
use crate::say;
use crate::setup::{self, Purpose};
use crate::tools;

/// Sets up, builds both sides, and measures the engine; the exit code is the
/// driver's.
pub fn engine(place: &Place, args: &EngineArgs) -> Result<ExitCode> {
    let out = if args.json {
        only_for_json()?
    } else {
        Stdio::inherit()
    };
    let machine = Machine::here();
    let model = setup::provide(&machine, place, Purpose::Bench)?;
    let tools = tools::provide(&machine, place)?;
    build::with_bench(place, "engine")?;
    let words = words(args, &tools)?;
    say::step("bench", "both sides in turns; leave the machine alone");
    let status = build::cargo(place)
        .args(["bench", "--quiet", "--workspace", "--bench", "engine", "--"])
        .args(words)
        .env("SHOAL_MODEL", model)
        .env("SHOAL_BIN", place.shoal())
        .stdout(out)
        .status()
        .context("start cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// A mosquitto that saves at each message and drops none, as the store does.
const SAVING: &str = "autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\n";

/// Sets up, builds, starts a mosquitto, and measures the store and the outbox
/// beside it; the exit code is the program's.
pub fn queue(place: &Place, args: &QueueArgs) -> Result<ExitCode> {
    let out = if args.json {
        only_for_json()?
    } else {
        Stdio::inherit()
    };
    let machine = Machine::here();
    setup::provide(&machine, place, Purpose::Run)?;
    build::shoal(place)?;
    let data = place.target.join("bench-queue");
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    let address = free.local_addr().context("find a free port")?;
    drop(free);
    let _broker = Broker::start(&machine, &data.join("mosquitto"), address, SAVING)?;
    say::step("bench", "the store and mosquitto in turns");
    let status = Command::new(place.shoal())
        .args(["bench", "queue", "--data"])
        .arg(&data)
        .args(["--broker", &address.port().to_string()])
        .args(["--tasks", &args.tasks.to_string()])
        .args(args.json.then_some("--json"))
        .stdout(out)
        .status()
        .context("start shoal")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Keeps standard output for the object, and gives it; what is printed from
/// here on, by whatever is started too, goes to standard error.
fn only_for_json() -> Result<Stdio> {
    let out = io::stdout().as_fd().try_clone_to_owned();
    let out = out.context("keep standard output for the JSON object")?;
    dup2_stdout(io::stderr()).context("send all else to standard error")?;
    Ok(out.into())
}

/// What the driver is called with.
fn words(args: &EngineArgs, tools: &Path) -> Result<Vec<OsString>> {
    let mut words: Vec<OsString> = vec!["--tools".into(), tools.into()];
    words.extend(["--rounds".into(), args.rounds.to_string().into()]);
    for (flag, file) in [("--model", &args.model), ("--downloaded", &args.downloaded)] {
        if let Some(file) = file {
            // The driver runs in the folder of its crate.
            let file = absolute(file).with_context(|| format!("find {}", file.display()))?;
            words.extend([flag.into(), file.into()]);
        }
    }
    if let Some(threads) = args.threads {
        words.extend(["--threads".into(), threads.to_string().into()]);
    }
    for case in &args.case {
        words.extend(["--case".into(), case.into()]);
    }
    if args.json {
        words.push("--json".into());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words;
    use crate::cli::EngineArgs;
    use std::path::Path;

    #[test]
    fn the_driver_is_told_what_was_typed() {
        let args = EngineArgs {
            rounds: 2,
            model: Some("/m.gguf".into()),
            downloaded: None,
            threads: Some(4),
            case: vec!["decode".into()],
            json: true,
        };
        let words = words(&args, Path::new("/t")).unwrap();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(
            words.join(" "),
            "--tools /t --rounds 2 --model /m.gguf --threads 4 --case decode --json"
        );
    }
}
