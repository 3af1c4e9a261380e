//! The tables, and how an older file gets them.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OptionalExtension as _};

use super::{StoreError, chain};

/// How long another process may hold the file before we give up.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The write-ahead log is cut back to this after a burst.
const LOG_BYTES: i64 = 16 * 1024 * 1024;

/// The setting that says that free pages may hold old text.
const SCRUB: &str = "scrub";
/// The setting that says which key opens what is sealed.
const KEY: &str = "key";

/// One step of a migration.
struct Step {
    sql: &'static str,
    /// What SQL alone cannot do, in the same transaction.
    then: fn(&Connection) -> Result<(), StoreError>,
}

/// Each step brings the file from the version of its index to the next. Steps are never changed, only added.
const STEPS: &[Step] = &[
    Step {
        sql: include_str!("schema/1.sql"),
        then: |_| Ok(()),
    },
    Step {
        sql: include_str!("schema/2.sql"),
        then: |_| Ok(()),
    },
    Step {
        sql: include_str!("schema/3.sql"),
        then: chain::begin,
    },
    Step {
        sql: include_str!("schema/4.sql"),
        then: |_| Ok(()),
    },
    Step {
        sql: include_str!("schema/5.sql"),
        then: |_| Ok(()),
    },
    Step {
        sql: include_str!("schema/6.sql"),
        then: chain::rules,
    },
];

/// The version of the schema that this program writes.
pub(super) const VERSION: usize = STEPS.len();

/// Sets the connection up.
pub(super) fn configure(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    pragmas(connection).map_err(|e| StoreError::opening(path, &e))
}

fn pragmas(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // What is purged is written over.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

pub(super) fn prepare_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// What the store says of its key; none where nothing is sealed yet.
pub(super) fn key_check(
    connection: &Connection,
    path: &Path,
) -> Result<Option<String>, StoreError> {
    let read = || -> rusqlite::Result<Option<String>> {
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            return Ok(None);
        }
        connection
            .query_row("SELECT value FROM setting WHERE name = ?1", [KEY], |row| {
                row.get(0)
            })
            .optional()
    };
    read().map_err(|e| StoreError::opening(path, &e))
}

/// Brings the file to our version; `check` is what is to be said of the key. Whether there was anything to do.
pub(super) fn migrate(
    connection: &mut Connection,
    path: &Path,
    check: &str,
) -> Result<bool, StoreError> {
    migrate_to(VERSION, connection, path, check)
}

/// The same, to an older version.
pub(super) fn migrate_to(
    version: usize,
    connection: &mut Connection,
    path: &Path,
    check: &str,
) -> Result<bool, StoreError> {
    let steps = STEPS.get(..version).unwrap_or(STEPS);
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let mut migrated = false;
    loop {
        let step = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(|e| StoreError::opening(path, &e))?;
        let found: i64 = step
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|e| StoreError::opening(path, &e))?;
        if found > known {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                found,
                known,
            });
        }
        let Some(next) = usize::try_from(found).ok().and_then(|at| steps.get(at)) else {
            drop(step);
            scrub(connection)?;
            return Ok(migrated);
        };
        step.execute_batch(next.sql)?;
        (next.then)(&step)?;
        step.execute(
            "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
            [KEY, check],
        )?;
        step.pragma_update(None, "user_version", found + 1)?;
        step.commit()?;
        migrated = true;
    }
}

/// Writes the file anew, so that no free page and no log holds text from before it was sealed. Where the disk has no
/// room for that, the next start tries again.
fn scrub(connection: &Connection) -> Result<(), StoreError> {
    let wanted: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM setting WHERE name = ?1)",
        [SCRUB],
        |row| row.get(0),
    )?;
    if !wanted {
        return Ok(());
    }
    let done = connection.execute_batch("VACUUM").and_then(|()| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    match done {
        Ok(0) => {
            connection.execute("DELETE FROM setting WHERE name = ?1", [SCRUB])?;
        }
        Ok(_) => tracing::warn!(
            "another process reads the store; old text stays in its log until the next start"
        ),
        Err(error) => {
            tracing::warn!(%error, "old text stays in free pages of the store until the next start")
        }
    }
    Ok(())
}
