//! Watches memory, and has some given back before the kernel kills the program for it.
//!
//! When memory is short is decided by [`Thresholds`] in `shoal-boards`, from what is left and from how long programs
//! wait for it; what can be given back is known to the engine. This only brings the two together, every second. While
//! memory is critically short, [`crate::appliance`] accepts no task.

use std::{sync::Arc, time::Duration};

use shoal_boards::{Headroom, Roots, Shortage, Thresholds};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Gives back what the engine can do without. Quick, and called again as long as memory is short.
pub type Relief = Arc<dyn Fn(Shortage) + Send + Sync>;

/// How often memory is looked at: a few small files of the kernel's.
pub const EVERY: Duration = Duration::from_secs(1);

/// What is watched, and how.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Where `proc` and `sys` are.
    pub roots: Roots,
    /// The time between two looks.
    pub every: Duration,
    /// When memory is short.
    pub thresholds: Thresholds,
}

/// Watches until cancelled; what is received is how short memory is.
pub fn start(watch: Watch, relief: Relief, cancel: CancellationToken) -> watch::Receiver<Shortage> {
    let (shortage, receiver) = watch::channel(Shortage::None);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(watch.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let before = *shortage.borrow();
            let (watch, relief) = (watch.clone(), relief.clone());
            // Where memory is short, even reading a file of the kernel's may take its time.
            let looked = tokio::task::spawn_blocking(move || look(&watch, before, &*relief)).await;
            let now = looked.unwrap_or(before);
            shortage.send_if_modified(|known| std::mem::replace(known, now) != now);
        }
    });
    receiver
}

/// One look: how short memory is now, after all that could be done was done.
fn look(watch: &Watch, before: Shortage, relief: &(dyn Fn(Shortage) + Send + Sync)) -> Shortage {
    let reading = Headroom::read(&watch.roots);
    let now = watch.thresholds.judge(before, &reading);
    if now != before {
        tell(before, now, &reading);
    }
    // Between its beginning and its end a shortage is known and waited for, and nothing more is taken away.
    let begun = watch.thresholds.begun(&reading);
    if begun > Shortage::None {
        relief(begun);
    }
    now
}

fn tell(before: Shortage, now: Shortage, reading: &Headroom) {
    let percent = reading.percent();
    let waits = reading.pressure.worst().map(|(some, _)| some);
    match now {
        Shortage::None => tracing::info!(percent, waits, "there is enough memory again"),
        Shortage::Low if before == Shortage::Critical => {
            tracing::info!(percent, waits, "memory is still low; caches stay small");
        }
        Shortage::Low => tracing::warn!(percent, waits, "memory is low; caches are dropped"),
        Shortage::Critical => {
            tracing::warn!(
                percent,
                waits,
                "memory is very low; caches are dropped and no new task is accepted"
            );
        }
    }
}

/// What does not work as well, in a sentence for anyone.
#[must_use]
pub const fn words(shortage: Shortage) -> Option<&'static str> {
    match shortage {
        Shortage::None => None,
        Shortage::Low => Some("memory is low, so answers begin later"),
        Shortage::Critical => Some("memory is very low, so no new task is accepted"),
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Mutex};

    use super::*;

    fn left(root: &Path, percent: u32) {
        let folder = root.join("proc");
        std::fs::create_dir_all(&folder).unwrap();
        let fresh = folder.join("fresh");
        std::fs::write(
            &fresh,
            format!("MemTotal: 100 kB\nMemAvailable: {percent} kB\n"),
        )
        .unwrap();
        std::fs::rename(fresh, folder.join("meminfo")).unwrap();
    }

    #[tokio::test]
    async fn what_is_asked_for_grows_with_the_shortage_and_ends_with_it() {
        let root = tempfile::tempdir().unwrap();
        left(root.path(), 50);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let relief: Relief = Arc::new(move |shortage| log.lock().unwrap().push(shortage));
        let watch = Watch {
            roots: Roots::at(root.path()),
            every: Duration::from_millis(1),
            thresholds: Thresholds::default(),
        };
        let cancel = CancellationToken::new();
        let mut seen = start(watch, relief, cancel.clone());
        for (percent, expected) in [
            (7, Shortage::Low),
            (2, Shortage::Critical),
            (90, Shortage::None),
        ] {
            left(root.path(), percent);
            seen.wait_for(|shortage| *shortage == expected)
                .await
                .unwrap();
        }
        cancel.cancel();
        let ended = seen.changed().await;
        assert!(ended.is_err(), "the watch goes on after it was cancelled");
        let mut asked = asked.lock().unwrap().clone();
        asked.dedup();
        assert_eq!(asked, [Shortage::Low, Shortage::Critical]);
    }

    #[test]
    fn between_the_beginning_and_the_end_nothing_more_is_taken_away() {
        let root = tempfile::tempdir().unwrap();
        left(root.path(), 12);
        let watch = Watch {
            roots: Roots::at(root.path()),
            every: EVERY,
            thresholds: Thresholds::default(),
        };
        let never = |shortage: Shortage| panic!("asked for {shortage}");
        assert_eq!(look(&watch, Shortage::Low, &never), Shortage::Low);
        assert_eq!(look(&watch, Shortage::None, &never), Shortage::None);
    }
}
