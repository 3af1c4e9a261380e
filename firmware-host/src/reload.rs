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

/// Follows the file until told to stop.
pub async fn follow(
    config: Config,
    appliance: Appliance,
    mut hangup: Signal,
    state: watch::Sender<PolicyState>,
    stopping: CancellationToken,
) {
    let mut files = files(
        &config.policy,
        appliance.conductor().policy().files.as_slice(),
    );
    let mut last = look(&files);
    let mut changing: Option<Look> = None;
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let told = tokio::select! {
            () = stopping.cancelled() => return,
            told = hangup.recv() => told.is_some(),
            _ = tick.tick() => false,
        };
        let now = look(&files);
        if !told {
            let is_whole = changing.as_ref() == Some(&now);
            changing = (now != last && !is_whole).then(|| now.clone());
            if now == last || !is_whole {
                continue;
            }
        }
        last = now;
        match adopt(&config, &appliance).await {
            Ok(()) => {
                tracing::info!(file = %config.policy.display(), "the policy file is read again and in force");
                state.send_modify(|state| {
                    state.adopted_at = Moment::now();
                    state.error = None;
                });
                files = self::files(&config.policy, &appliance.conductor().policy().files);
                last = look(&files);
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
