//! This program, started again to try what may crash.

use std::{
    ffi::OsString,
    io::Read as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::Trial;

/// The most that a trial may print, in bytes.
const MOST: u64 = 64 << 10;

/// How to start a trial.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The program.
    pub program: PathBuf,
    /// Its arguments. It prints one JSON object with the outcome, or fails with a reason on standard error.
    pub arguments: Vec<OsString>,
    /// The time that it has.
    pub limit: Duration,
}

impl Probe {
    /// Runs it. Blocks until it has ended or its time is up.
    pub fn run<T: DeserializeOwned>(&self) -> Trial<T> {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => self.watch(child),
            Err(error) => Trial::Failed {
                reason: format!("{} cannot be started: {error}", self.program.display()),
            },
        }
    }

    fn watch<T: DeserializeOwned>(&self, mut child: Child) -> Trial<T> {
        let said = child.stdout.take().map(read);
        let complained = child.stderr.take().map(read);
        // Its output ends with it, and a crash is seen as soon.
        let printed = match said.map(|said| said.recv_timeout(self.limit)) {
            Some(Ok(printed)) => printed,
            Some(Err(RecvTimeoutError::Timeout)) => {
                end(&mut child);
                return Trial::TimedOut {
                    seconds: self.limit.as_secs(),
                };
            }
            _ => String::new(),
        };
        if let Ok(outcome) = serde_json::from_str(&printed) {
            end(&mut child);
            return Trial::Done(outcome);
        }
        let complaint = complained.and_then(|complained| complained.recv_timeout(self.limit).ok());
        match child.wait() {
            Ok(status) if status.code().is_some() => Trial::Failed {
                reason: last_line(complaint.as_deref().unwrap_or_default())
                    .unwrap_or_else(|| format!("the trial ended with {status}")),
            },
            Ok(status) => Trial::Crashed {
                how: status.to_string(),
            },
            Err(error) => Trial::Failed {
                reason: error.to_string(),
            },
        }
    }
}

/// Once its outcome is known, a driver that hangs at the end must not hold anyone up.
fn end(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
        tracing::debug!(%error, "a trial could not be ended");
    }
}

fn read(from: impl std::io::Read + Send + 'static) -> std::sync::mpsc::Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until it broke is as good as nothing, and is judged as such.
        from.take(MOST).read_to_end(&mut bytes).ok();
        sender
            .send(String::from_utf8_lossy(&bytes).into_owned())
            .ok();
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
        assert_eq!(shell("echo 7", LONG), Trial::Done(7));
        assert_eq!(shell("echo noise >&2; echo 7", LONG), Trial::Done(7));
    }

    #[test]
    fn a_crash_is_a_crash_and_a_complaint_is_passed_on() {
        let crashed = shell("kill -SEGV $$", LONG);
        assert!(
            matches!(&crashed, Trial::Crashed { how } if how.contains("SIGSEGV")),
            "{crashed:?}"
        );
        let failed = shell("echo 'shoal: no accelerator is there' >&2; exit 1", LONG);
        let reason = "no accelerator is there".to_owned();
        assert_eq!(failed, Trial::Failed { reason });
        let silent = shell("exit 3", LONG);
        assert!(matches!(silent, Trial::Failed { .. }), "{silent:?}");
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let hung = shell("exec sleep 600", Duration::from_millis(50));
        assert_eq!(hung, Trial::TimedOut { seconds: 0 });
    }

    #[test]
    fn a_program_that_is_not_there_is_no_panic() {
        let probe = Probe {
            program: "/nowhere/shoal".into(),
            arguments: Vec::new(),
            limit: LONG,
        };
        assert!(matches!(probe.run::<u32>(), Trial::Failed { .. }));
    }
}
