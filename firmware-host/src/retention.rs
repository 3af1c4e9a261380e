//! Forgetting what policy says is not to be kept any longer.

use std::time::Duration;

use shoal_conductor::label::Label;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{appliance::Appliance, store::Moment};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Purges at the start and from then on every hour, by the policy that is in force then.
pub async fn keep(appliance: Appliance, stopping: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            _ = tick.tick() => {}
        }
        let days = appliance.conductor().policy().retention;
        for (label, days) in Label::ALL.into_iter().zip(days) {
            let Some(days) = days else { continue };
            let before = Moment::now().before(DAY * u32::from(days));
            let why = format!("retention.{label} = {days}");
            match appliance.store().purge(label, before, &why).await {
                Ok(0) => {}
                Ok(tasks) => tracing::info!(tasks, %label, "purged what was kept long enough"),
                Err(error) => {
                    tracing::warn!(%error, %label, "nothing could be purged; the next hour tries again")
                }
            }
        }
    }
}
