//! The outbox's statements.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Class, Fill, Limits, Message, Queued, Wish};
use crate::store::{Moment, StoreError, task};

const FULL: &str = "full";
const AGE: &str = "age";

const COLUMNS: &str = "number, id, class, topic, unseal('outbox:' || topic, payload), retain,
    unseal('outbox:' || topic || ':correlation', correlation),
    unseal('outbox:' || topic || ':properties', properties), keep, created_at";

fn size(c: &Connection) -> Result<Fill, StoreError> {
    let sums: (i64, i64, i64) = c
        .prepare_cached("SELECT messages, bytes, dropped FROM outbox_size")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Fill {
        messages: sums.0.unsigned_abs(),
        bytes: sums.1.unsigned_abs(),
        dropped: sums.2.unsigned_abs(),
        ..Fill::default()
    })
}

/// All that is told of it.
pub(super) fn standing(c: &Connection, now: Moment) -> Result<Fill, StoreError> {
    let mut fill = size(c)?;
    let oldest: Option<Moment> = c
        .prepare_cached("SELECT created_at FROM outbox ORDER BY number LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    fill.oldest_ms = oldest.map_or(0, |oldest| {
        u64::try_from(now.since(oldest).as_millis()).unwrap_or(u64::MAX)
    });
    let mut select = c.prepare_cached("SELECT class, why, messages FROM outbox_dropped")?;
    let rows = select.query_map([], |row| {
        Ok((
            row.get::<_, u8>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, i64>(2)?.unsigned_abs(),
        ))
    })?;
    for row in rows {
        let (class, why, messages) = row?;
        let reasons = fill.dropped_by.of_mut(Class::of(class));
        if why == AGE {
            reasons.age = messages;
        } else {
            reasons.full = messages;
        }
    }
    Ok(fill)
}

/// How much of it goes for no other message.
pub(in crate::store) fn results(c: &Connection) -> Result<Fill, StoreError> {
    let (messages, bytes): (i64, i64) = c
        .prepare_cached("SELECT count(*), coalesce(sum(bytes), 0) FROM outbox WHERE class = 0")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Fill {
        messages: messages.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
        ..Fill::default()
    })
}

/// Takes back what is retained on `topic` and still waits in the backlog.
fn withdraw(c: &Connection, topic: &str) -> Result<(), StoreError> {
    c.prepare_cached(
        "DELETE FROM outbox WHERE retain = 1 AND topic = ?1
         AND number <= (SELECT backlog FROM outbox_size)",
    )?
    .execute([topic])?;
    Ok(())
}

/// Puts a message in, making room by the rules of the outbox; `false` if there is no room for it.
pub(in crate::store) fn push(
    c: &Connection,
    limits: &Limits,
    message: &Message,
    now: Moment,
) -> Result<bool, StoreError> {
    age(c, limits, now)?;
    if message.retain {
        withdraw(c, &message.topic)?;
    }
    let bytes = message.bytes();
    while !fits(&size(c)?, limits, bytes) {
        if let Some(class) = drop_one(c, message.class)? {
            count_dropped(c, class, FULL, 1)?;
            continue;
        }
        if message.class == Class::Result {
            break;
        }
        count_dropped(c, message.class, FULL, 1)?;
        return Ok(false);
    }
    let properties = match message.properties.is_empty() {
        true => None,
        false => Some(task::write("user properties", &message.properties)?),
    };
    let keep = message.keep.map(|keep| keep.as_secs());
    c.prepare_cached(
        "INSERT INTO outbox
             (id, class, topic, payload, retain, correlation, created_at, bytes, properties, keep)
         VALUES (lower(hex(randomblob(8))), ?1, ?2, seal('outbox:' || ?2, ?3), ?4,
                 seal('outbox:' || ?2 || ':correlation', ?5), ?6, ?7,
                 seal('outbox:' || ?2 || ':properties', ?8), ?9)",
    )?
    .execute(params![
        message.class as u8,
        message.topic,
        message.payload,
        message.retain,
        message.correlation,
        now,
        i64::try_from(bytes).unwrap_or(i64::MAX),
        properties,
        keep.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
    ])?;
    Ok(true)
}

fn fits(fill: &Fill, limits: &Limits, bytes: usize) -> bool {
    fill.messages < u64::from(limits.messages)
        && fill.bytes.saturating_add(bytes as u64) <= limits.bytes
}

/// Drops the oldest message of the least worth that may make way for one of `class`.
fn drop_one(c: &Connection, class: Class) -> Result<Option<Class>, StoreError> {
    let least = class.max(Class::Event) as u8;
    let dropped: Option<u8> = c
        .prepare_cached(
            "DELETE FROM outbox WHERE number =
             (SELECT number FROM outbox WHERE class >= ?1 ORDER BY class DESC, number LIMIT 1)
             RETURNING class",
        )?
        .query_row([least], |row| row.get(0))
        .optional()?;
    Ok(dropped.map(Class::of))
}

/// Drops what has waited too long; how many that were.
pub(super) fn age(c: &Connection, limits: &Limits, now: Moment) -> Result<u64, StoreError> {
    let mut all = 0;
    for class in Class::ALL {
        let before = now.before(limits.ages.of(class));
        let dropped = c
            .prepare_cached("DELETE FROM outbox WHERE class = ?1 AND created_at < ?2")?
            .execute(params![class as u8, before])?;
        if dropped > 0 {
            let dropped = u64::try_from(dropped).unwrap_or(u64::MAX);
            count_dropped(c, class, AGE, dropped)?;
            all += dropped;
        }
    }
    Ok(all)
}

fn count_dropped(c: &Connection, class: Class, why: &str, messages: u64) -> Result<(), StoreError> {
    let messages = i64::try_from(messages).unwrap_or(i64::MAX);
    c.prepare_cached("UPDATE outbox_size SET dropped = dropped + ?1")?
        .execute([messages])?;
    c.prepare_cached(
        "INSERT INTO outbox_dropped (class, why, messages) VALUES (?1, ?2, ?3)
         ON CONFLICT (class, why) DO UPDATE SET messages = messages + excluded.messages",
    )?
    .execute(params![class as u8, why, messages])?;
    Ok(())
}

/// Makes a backlog of all that waits; the number of its last message.
pub(super) fn begin(c: &Connection, limits: &Limits, now: Moment) -> Result<i64, StoreError> {
    age(c, limits, now)?;
    c.prepare_cached(
        "DELETE FROM outbox WHERE retain = 1 AND number <
             (SELECT max(number) FROM outbox AS newer WHERE newer.topic = outbox.topic AND newer.retain = 1)",
    )?
    .execute([])?;
    let last = c
        .prepare_cached("SELECT coalesce(max(number), 0) FROM outbox")?
        .query_row([], |row| row.get(0))?;
    set_backlog(c, last)?;
    Ok(last)
}

pub(super) fn set_backlog(c: &Connection, last: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE outbox_size SET backlog = ?1")?
        .execute([last])?;
    Ok(())
}

/// What is wished for: first what is new, then what a backlog holds.
pub(super) fn read(c: &Connection, wish: &Wish) -> Result<Vec<Queued>, StoreError> {
    let aside = task::write("numbers", &wish.aside)?;
    let mut all = Batch::new(wish.bytes);
    all.add(c, "number > ?1", "number", wish.mark, wish.live, &aside)?;
    let live = all.rows.len();
    let left = |all: &Batch| {
        let taken = u32::try_from(all.rows.len() - live).unwrap_or(u32::MAX);
        wish.backlog.saturating_sub(taken)
    };
    let backlog = left(&all);
    all.add(
        c,
        "number <= ?1 AND retain = 1",
        "number DESC",
        wish.mark,
        backlog,
        &aside,
    )?;
    let backlog = left(&all);
    all.add(
        c,
        "number <= ?1 AND retain = 0",
        "number",
        wish.mark,
        backlog,
        &aside,
    )?;
    Ok(all.rows)
}

struct Batch {
    rows: Vec<Queued>,
    bytes: usize,
    most: usize,
    full: bool,
}

impl Batch {
    const fn new(most: usize) -> Self {
        Self {
            rows: Vec::new(),
            bytes: 0,
            most,
            full: false,
        }
    }

    /// `aside` is a JSON array of numbers.
    fn add(
        &mut self,
        c: &Connection,
        which: &str,
        order: &str,
        mark: i64,
        messages: u32,
        aside: &str,
    ) -> Result<(), StoreError> {
        if self.full || messages == 0 {
            return Ok(());
        }
        let mut select = c.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox
             WHERE {which} AND number NOT IN (SELECT value FROM json_each(?3)) ORDER BY {order} LIMIT ?2"
        ))?;
        let mut rows = select.query(params![mark, messages, aside])?;
        while let Some(row) = rows.next()? {
            let queued = queued(row)?;
            self.bytes += queued.message.bytes();
            if self.bytes > self.most && !self.rows.is_empty() {
                self.full = true;
                break;
            }
            self.rows.push(queued);
        }
        Ok(())
    }
}

fn queued(row: &Row<'_>) -> Result<Queued, StoreError> {
    let properties: Option<String> = row.get(7)?;
    let keep: Option<i64> = row.get(8)?;
    Ok(Queued {
        number: row.get(0)?,
        id: row.get(1)?,
        message: Message {
            class: Class::of(row.get(2)?),
            topic: row.get(3)?,
            payload: row.get(4)?,
            retain: row.get(5)?,
            correlation: row.get(6)?,
            properties: properties
                .map(|text| task::parse("user properties", &text))
                .transpose()?
                .unwrap_or_default(),
            keep: keep.map(|seconds| std::time::Duration::from_secs(seconds.unsigned_abs())),
        },
        created_at: row.get(9)?,
    })
}
