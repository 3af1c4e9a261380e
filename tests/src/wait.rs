//! Waiting for a condition, with a deadline that only a fault reaches.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Long enough for a slow and busy machine.
pub const DEADLINE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `condition` gives something.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if Instant::now() > end {
            bail!("{what}: not within {} s", DEADLINE.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
