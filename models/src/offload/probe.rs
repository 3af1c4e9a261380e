//! This program, started again to try what may crash.

use std::{
    ffi::OsString,
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::Trial;

/// The most that is kept of what a trial prints, in bytes.
const MOST: u64 = 64 << 10;

/// How to start a trial.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The program.
    pub program: PathBuf,
    /// Its arguments. It prints one JSON value with the outcome, or fails with a reason on standard error.
    pub arguments: Vec<OsString>,
    /// The time that it has.
    pub limit: Duration,
}

impl Probe {
    /// Runs it. Blocks until it has ended or its time is up.
    pub fn run<T: DeserializeOwned>(&self) -> Trial<T> {
        let cannot = |error| format!("cannot be started ({}: {error})", self.program.display());
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(cannot)?;
        let printed = reading(child.stdout.take());
        let complained = reading(child.stderr.take());
        // Its output ends with it, and a crash is seen as soon.
        let printed = printed.recv_timeout(self.limit);
        let outcome = printed.as_ref().ok();
        let outcome = outcome.and_then(|text| serde_json::from_str(text).ok());
        // A driver that hangs, in the middle or at its end, must not hold anyone up.
        if (outcome.is_some() || printed.is_err())
            && let Err(error) = child.kill()
        {
            tracing::debug!(%error, "a trial could not be ended");
        }
        let status = child.wait().map_err(cannot)?;
        match outcome {
            Some(outcome) => Ok(outcome),
            None if printed.is_err() => {
                Err(format!("did not end within {} s", self.limit.as_secs()))
            }
            None if status.code().is_none() => Err(format!("crashed ({status})")),
            None => {
                let complaint = complained.recv_timeout(self.limit).unwrap_or_default();
                let said = last_line(&complaint).unwrap_or_else(|| status.to_string());
                Err(format!("failed: {said}"))
            }
        }
    }
}

fn reading(from: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            // What was read until it broke is as good as nothing, and is judged as such. The rest is taken so that
            // the trial does not wait for a reader.
            from.by_ref().take(MOST).read_to_end(&mut bytes).ok();
            std::io::copy(&mut from, &mut std::io::sink()).ok();
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        sender.send(text).ok();
    });
    receiver
}

fn last_line(text: &str) -> Option<String> {
    let mut lines = text.lines().rev().map(str::trim);
    let line = lines.find(|line| !line.is_empty())?;
    Some(line.strip_prefix("shoal: ").unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Trial<u32> {
        Probe {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            limit,
        }
        .run()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_printed_is_the_outcome() {
        assert_eq!(shell("echo 7", LONG), Ok(7));
        assert_eq!(shell("echo noise >&2; echo 7", LONG), Ok(7));
    }

    #[test]
    fn a_crash_is_a_crash_and_a_complaint_is_passed_on() {
        let crashed = shell("kill -SEGV $$", LONG).unwrap_err();
        assert!(
            crashed.contains("crashed (signal: 11 (SIGSEGV)"),
            "{crashed}"
        );
        let failed = shell("echo 'shoal: no accelerator is there' >&2; exit 1", LONG);
        assert_eq!(failed, Err("failed: no accelerator is there".to_owned()));
        let silent = shell("exit 3", LONG);
        assert_eq!(silent, Err("failed: exit status: 3".to_owned()));
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let hung = shell("exec sleep 600", Duration::from_millis(50));
        assert_eq!(hung, Err("did not end within 0 s".to_owned()));
    }

    #[test]
    fn a_program_that_is_not_there_is_no_panic() {
        let probe = Probe {
            program: "/nowhere/shoal".into(),
            arguments: Vec::new(),
            limit: LONG,
        };
        let error = probe.run::<u32>().unwrap_err();
        assert!(error.starts_with("cannot be started"), "{error}");
    }
}
