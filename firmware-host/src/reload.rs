//! Following the policy file while the appliance runs.
//!
//! A change of the file, or of a word list that it names, is taken up once two looks, [`EVERY`] apart, agree, since it may still
//! be written; and at once on SIGHUP. It is read and
//! checked as a whole and then adopted as a whole. A file with a mistake changes nothing: the former policy holds, the log,
//! `/readyz`, `/api/board` and `shoal doctor` say so, and the next change is looked at again.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::{signal::unix::Signal, sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{appliance::Appliance, config::Config, store::Moment};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Which policy holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyState {
    /// The file.
    pub file: PathBuf,
    /// Since when the policy in force is in force.
    pub adopted_at: Moment,
    /// Why the file as it is now is not in force.
    pub error: Option<String>,
}

impl PolicyState {
    /// The policy of the start.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            adopted_at: Moment::now(),
            error: None,
        }
    }

    /// What does not work, in a sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.error.as_ref().map(|error| {
            format!("the policy file has a mistake, so the former policy holds: {error}")
        })
    }
}

/// What a file looks like from outside; none where it cannot be seen.
type Look = Vec<Option<(SystemTime, u64)>>;

fn look(files: &[PathBuf]) -> Look {
    let seen = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    };
    files.iter().map(seen).collect()
}

/// The files, and what is known of them.
struct Watched {
    files: Vec<PathBuf>,
    known: Look,
    /// A look that is not what is known, which the next one has to confirm.
    changing: Option<Look>,
}

impl Watched {
    fn new(files: Vec<PathBuf>) -> Self {
        Self {
            known: look(&files),
            files,
            changing: None,
        }
    }

    /// Takes `now` as known, where it is another look and confirms the last one; whether it did.
    fn settles(&mut self, now: Look) -> bool {
        let is_other = now != self.known;
        let is_whole = is_other && self.changing.as_ref() == Some(&now);
        if is_whole {
            self.known = now;
            self.changing = None;
        } else {
            self.changing = is_other.then_some(now);
        }
        is_whole
    }
}

/// Follows the file until told to stop.
pub async fn follow(
    config: Config,
    appliance: Appliance,
    mut hangup: Signal,
    state: watch::Sender<PolicyState>,
    stopping: CancellationToken,
) {
    let files = || files(&config.policy, &appliance.conductor().policy().files);
    let mut watched = Watched::new(files());
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let told = tokio::select! {
            () = stopping.cancelled() => return,
            told = hangup.recv() => told.is_some(),
            _ = tick.tick() => false,
        };
        let now = look(&watched.files);
        if told {
            watched.known = now;
        } else if !watched.settles(now) {
            continue;
        }
        match adopt(&config, &appliance).await {
            Ok(()) => {
                tracing::info!(file = %config.policy.display(), "the policy file is read again and in force");
                state.send_modify(|state| {
                    state.adopted_at = Moment::now();
                    state.error = None;
                });
                watched = Watched::new(files());
            }
            Err(error) => {
                tracing::error!(%error, "the policy file has a mistake; the former policy holds");
                state.send_modify(|state| state.error = Some(error));
            }
        }
    }
}

fn files(policy: &Path, lists: &[PathBuf]) -> Vec<PathBuf> {
    std::iter::once(policy.to_owned())
        .chain(lists.iter().cloned())
        .collect()
}

async fn adopt(config: &Config, appliance: &Appliance) -> Result<(), String> {
    if !config.policy.exists() {
        return Err(format!("{} is missing", config.policy.display()));
    }
    let reading = config.clone();
    let policy = tokio::task::spawn_blocking(move || reading.load_policy())
        .await
        .map_err(|error| error.to_string())?
        .map_err(|fault| fault.to_string())?;
    for warning in config.warnings(&policy) {
        tracing::warn!("{warning}");
    }
    let appliance = appliance.clone();
    tokio::task::spawn_blocking(move || appliance.conductor().adopt(policy))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_still_written_is_taken_once_it_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let [policy, list] = ["policy.toml", "customers.txt"].map(|name| folder.path().join(name));
        std::fs::write(&policy, "version = 1").unwrap();
        let mut watched = Watched::new(vec![policy.clone(), list.clone()]);
        let settles = |watched: &mut Watched| watched.settles(look(&watched.files));
        assert!(!settles(&mut watched));
        // Three times the list has become longer since the last look.
        for written in ["Ar", "Arkwright\nBo", "Arkwright\nBolton\n"] {
            std::fs::write(&list, written).unwrap();
            assert!(!settles(&mut watched), "{written}");
        }
        assert!(settles(&mut watched));
        assert!(!settles(&mut watched));
        // A file that is taken away and comes back as it was meanwhile is no change.
        let known = watched.known.clone();
        assert!(!watched.settles(vec![None, None]));
        assert!(!watched.settles(known.clone()));
        assert!(!watched.settles(known));
    }
}
