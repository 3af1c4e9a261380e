//! A new store of what can be read of a damaged one.
//!
//! Each table is read by its row numbers. Where a row cannot be read, the next one that can is looked for at growing
//! distances, so one bad page costs the rows on it and some beside it. A row that refers to one that is lost is left out
//! too. The hash chain goes along as far as it is there: `shoal trace --verify` then names what is missing.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OpenFlags, params_from_iter, types::Value};
use serde::Serialize;

use super::{
    FILE, KeySource, StoreError, backup, chain, schema,
    seal::{self, Sealer},
};

/// In an order in which every row comes after those that it refers to.
const TABLES: [&str; 13] = [
    "setting",
    "key",
    "task",
    "trace",
    "approval",
    "vote",
    "standing",
    "charge",
    "charge_of",
    "outbox",
    "outbox_dropped",
    "link",
    "chain_head",
];

/// Those that never give a number twice.
const NUMBERED: [&str; 6] = ["task", "approval", "vote", "standing", "charge", "outbox"];

/// What became of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Rows that are in the new store.
    pub rows: u64,
    /// Rows that could be read and could not be kept, since what they refer to is lost.
    pub orphans: u64,
    /// Places where something could not be read.
    pub gaps: u64,
}

/// Reads what can be read of the store of a data folder into `target`, which must not exist.
pub fn salvage(data: &Path, target: &Path, key: &KeySource) -> Result<Vec<Table>, StoreError> {
    let source = data.join(FILE);
    let from = Connection::open_with_flags(&source, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|e| StoreError::opening(&source, &e))?;
    from.busy_timeout(schema::BUSY)?;
    let draft = backup::draft(target)?;
    let saved = into(&from, &draft, data, key);
    if saved.is_err() {
        std::fs::remove_file(&draft).ok();
    }
    let saved = saved?;
    backup::publish(&draft, target)?;
    Ok(saved)
}

fn into(
    from: &Connection,
    draft: &Path,
    data: &Path,
    key: &KeySource,
) -> Result<Vec<Table>, StoreError> {
    let master = key.master(data, false)?;
    let sealer = Sealer::new(&master).map_err(|e| StoreError::value("the store's key", &e))?;
    let mut to = Connection::open(draft).map_err(|e| StoreError::opening(draft, &e))?;
    seal::install(&to, &Arc::new(sealer))?;
    schema::migrate(&mut to, draft, &master.check())?;
    to.pragma_update(None, "foreign_keys", true)?;
    let saved = to.transaction()?;
    // What a fresh store has is not what this one had.
    saved.execute_batch("DELETE FROM chain_head; DELETE FROM link; DELETE FROM setting;")?;
    let tables = TABLES.map(|name| table(from, &saved, name));
    let tables = tables.into_iter().collect::<Result<Vec<_>, _>>()?;
    let headless = |table: &Table| table.name == "chain_head" && table.rows == 0;
    if tables.iter().any(headless) {
        // Without its head nobody can prove the chain, so one begins anew over what is left.
        saved.execute_batch("DELETE FROM link")?;
        chain::begin(&saved)?;
    }
    for name in NUMBERED {
        go_on(from, &saved, name)?;
    }
    saved.commit()?;
    Ok(tables)
}

/// Lets numbers go on after the last that was ever given, as far as that is known: the chain may tell of rows that are lost.
fn go_on(from: &Connection, to: &Connection, name: &str) -> Result<(), StoreError> {
    let last = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
    let given: i64 = from.query_row(last, [name], |row| row.get(0)).unwrap_or(0);
    let here: i64 = to.query_row(last, [name], |row| row.get(0))?;
    let linked = "SELECT coalesce(max(max(task, item)), 0) FROM link";
    let linked: i64 = to.query_row(linked, [], |row| row.get(0))?;
    to.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [name])?;
    to.execute(
        "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
        (name, given.max(here).max(linked)),
    )?;
    Ok(())
}

fn table(from: &Connection, to: &Connection, name: &'static str) -> Result<Table, StoreError> {
    let columns = columns(to, name)?;
    let names = columns.join(", ");
    let places = vec!["?"; columns.len() + 1].join(", ");
    let insert = format!("INSERT OR IGNORE INTO {name} (rowid, {names}) VALUES ({places})");
    let mut insert = to.prepare(&insert)?;
    let mut table = Table {
        name,
        rows: 0,
        orphans: 0,
        gaps: 0,
    };
    let select = format!("SELECT rowid, {names} FROM {name} WHERE rowid > ?1 ORDER BY rowid");
    let (mut after, mut tries) = (i64::MIN, 0u32);
    // Each turn reads up to the next damage.
    while let Err(last) = rows(from, &select, columns.len() + 1, after, |row| match insert
        .execute(params_from_iter(row))
    {
        Ok(1) => table.rows += 1,
        _ => table.orphans += 1,
    }) {
        let moved = last.is_some_and(|last| last > after);
        if moved || after == i64::MIN {
            table.gaps += 1;
            tries = 0;
        }
        let step = 1i64 << tries.saturating_sub(ONE_BY_ONE).min(40);
        after = last.unwrap_or(after).max(0).saturating_add(step);
        tries += 1;
        if after > MOST {
            break;
        }
    }
    Ok(table)
}

/// Rows beside a gap that are tried one by one before the steps grow.
const ONE_BY_ONE: u32 = 512;
/// No row has a higher number.
const MOST: i64 = 1 << 40;

/// Hands every row after `after` on; where that breaks off, the number of the last one that was read.
fn rows(
    from: &Connection,
    select: &str,
    columns: usize,
    after: i64,
    mut take: impl FnMut(Vec<Value>),
) -> Result<(), Option<i64>> {
    let mut last = None;
    let mut read = || -> rusqlite::Result<()> {
        let mut select = from.prepare(select)?;
        let mut found = select.query([after])?;
        while let Some(row) = found.next()? {
            let values = (0..columns).map(|at| row.get(at));
            let values = values.collect::<rusqlite::Result<Vec<Value>>>()?;
            last = row.get(0)?;
            take(values);
        }
        Ok(())
    };
    match read() {
        Ok(()) => Ok(()),
        Err(_) => Err(last),
    }
}

fn columns(c: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = select.query_map([table], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}
