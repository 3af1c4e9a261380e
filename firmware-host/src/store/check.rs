//! Whether the store works, found out by writing.

use std::time::Duration;

use rusqlite::params;
use tokio::time::{Instant, timeout};

use super::{Moment, Store, StoreError};

/// How long what was found out holds: nobody needs a key to ask, and each answer costs a sync.
const HOLDS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1));
/// How long a write may take.
const PATIENCE: Duration = Duration::from_secs(5);
const SETTING: &str = "checked_at";

/// What was found out last, and when.
pub(super) type Checked = tokio::sync::Mutex<Option<(Instant, Result<(), StoreError>)>>;

impl Store {
    /// Whether it can be written and read; as found out at most ten seconds ago.
    pub async fn check(&self) -> Result<(), StoreError> {
        let mut checked = self.inner.checked.lock().await;
        if let Some((at, found)) = checked.as_ref() {
            let holds = if found.is_ok() { HOLDS.0 } else { HOLDS.1 };
            if at.elapsed() < holds {
                return found.clone();
            }
        }
        let late = |_| Err(StoreError::Busy);
        let found = timeout(PATIENCE, self.probe()).await.unwrap_or_else(late);
        *checked = Some((Instant::now(), found.clone()));
        found
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.sound()?;
        self.write(|c| {
            c.prepare_cached(
                "INSERT INTO setting (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![SETTING, Moment::now().0.to_string()])?;
            Ok(())
        })
        .await?;
        self.read(|c| Ok(c.query_row("SELECT 1", [], |_| Ok(()))?))
            .await
    }
}
