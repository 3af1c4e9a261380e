//! The durable store: tasks, traces, approvals, the ledger, keys and the outbox, in one SQLite file.
//!
//! # States
//! A task row begins as `accepted` and moves by the events of its trace (`planning`, `running`, `waiting-approval`,
//! back and forth) until one of `done`, `failed`, `cancelled`. A final state never changes, has an outcome and a time,
//! and nothing is added to its trace. An approval is open until one decision is written; the first writer wins, in this
//! process or another. A charge is reserved, then settled once. An outbox row exists until the broker acknowledged it, a
//! newer word on the same retained topic took its place, or a bound of [`outbox`] dropped it, which is counted.
//!
//! # What is one transaction
//! - accepting: the task, its reply address, its first state report;
//! - recording an event: the trace line, the state it leads to, the report of that state;
//! - finishing: the outcome, the final state, the expiry of its open approvals, the reports of all these;
//! - asking and deciding: the approval and its report;
//! - reserving: the sums of the day and of the task and the new charge, so that no two reservations pass the same check.
//!
//! # What is sealed and chained
//! Every text is sealed ([`seal`]) by the statement that writes it, and everything that the record of a task consists of
//! has its link in one hash chain ([`chain`]), written by the same transaction. Nothing is deleted without a link that
//! says so.
//!
//! # What is synced
//! Every transaction, before its caller hears of it (`synchronous=FULL`, write-ahead log). One thread owns the writing
//! connection and commits all that waits at that moment together, each job in its own savepoint, so that many
//! writers share one sync. Reading has its own connection and goes on when writing fails, as on a full disk. Not synced
//! are only the head's copy ([`kept`]), which may be older after a power cut, and what the disk itself holds back.
//!
//! # Recovery
//! SQLite rolls an unfinished transaction back when the file is next opened, so a kill or a power cut at any point, also
//! in the middle of a page of the log, leaves the last committed state. A schema that is older is migrated forward in one
//! transaction a step; a newer one is refused.
//!
//! - Full disk: the transaction is undone and its caller gets [`StoreError::Full`]; reading goes on, and so does writing
//!   once there is room. An end that cannot be written is tried again until it can.
//! - Damage: never repaired silently. Found at the opening it is [`StoreError::Corrupt`] and nothing starts; found later
//!   it is [`StoreError::Damaged`], from when on no task is accepted while what can be read is still answered.
//!   [`Store::verify`] reads it all.
//! - [`backup`] copies a store that is in use; [`salvage`] makes a new one of what can still be read.
//!
//! # Bounds
//! Open tasks by the caller's limit, the outbox by [`outbox::Limits`], finished tasks by [`MAX_FINISHED`] and
//! the bytes of the file by [`Limits::bytes`]: beyond either the oldest finished tasks go, with their traces, though none
//! that ended in the last ten minutes. What policy keeps for so many days goes after them ([`Store::purge`]). Results and
//! questions make way in the outbox for nothing; while they fill it, no task is taken. Charges are kept for
//! [`ledger::KEPT_DAYS`].

mod approval;
mod audit;
pub mod backup;
mod chain;
mod check;
mod clock;
mod error;
mod export;
mod head;
mod kept;
mod key;
pub mod ledger;
mod moment;
pub mod outbox;
mod reader;
mod report;
mod retention;
pub mod salvage;
mod schema;
mod seal;
mod standing;
mod task;
mod trace;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rusqlite::Connection;
use tokio::sync::watch;

pub use approval::{ApprovalRecord, Ballot, DecideOutcome, Vote};
pub use audit::{Audit, Fault, Wrong};
pub use clock::Clock;
pub use error::StoreError;
pub use export::ExportLine;
pub use head::{TaskFilter, TaskHead};
pub use key::{KeyInfo, NewKey, Scope};
pub use moment::Moment;
pub use outbox::{Class, Message};
pub use seal::source::{CREDENTIAL, FILE as KEY_FILE, KeyError, KeySource};
pub use shoal_wire::Reach;
pub use standing::StandingApproval;
pub use task::{Accepting, Insertion, MAX_FINISHED, ReplyTo, TaskRecord};
pub use trace::Entry;

use self::{kept::Keeper, reader::Reader, seal::Sealer, writer::Writer};

/// The file in the data folder.
pub const FILE: &str = "shoal.db";

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the broker.
    pub outbox: outbox::Limits,
    /// Bytes in the file beyond which the oldest finished tasks go.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            outbox: outbox::Limits::default(),
            bytes: 2 << 30,
        }
    }
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    writer: Writer,
    reader: Reader,
    outbox: outbox::Limits,
    max_bytes: u64,
    clock: Clock,
    /// A part of the file was found to be damaged.
    damaged: AtomicBool,
    checked: check::Checked,
    /// Questions that are waited for in this process.
    asking: AtomicUsize,
    tasks: watch::Sender<u64>,
    approvals: watch::Sender<u64>,
    messages: watch::Sender<u64>,
}

impl Store {
    /// Opens the store in the data folder, making both where they are missing: the folder for its owner alone, the
    /// file and its key too.
    pub async fn open(data: &Path) -> Result<Self, StoreError> {
        Self::open_with(data, Limits::default(), KeySource::default()).await
    }

    /// The same, with other limits and the key from another place.
    pub async fn open_with(
        data: &Path,
        limits: Limits,
        key: KeySource,
    ) -> Result<Self, StoreError> {
        Self::open_at(data, limits, key, Clock::default()).await
    }

    /// The same, with the time from another place.
    pub async fn open_at(
        data: &Path,
        limits: Limits,
        key: KeySource,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let data = data.to_owned();
        let opened = tokio::task::spawn_blocking(move || open(&data, &key)).await;
        let opened = opened.map_err(|_| StoreError::Stopped)??;
        Ok(Self {
            inner: Arc::new(Inner {
                path: opened.path,
                writer: Writer::start(opened.writer, opened.keeper)?,
                reader: Reader::new(opened.reader),
                outbox: limits.outbox,
                max_bytes: limits.bytes,
                clock,
                damaged: AtomicBool::new(false),
                checked: check::Checked::default(),
                asking: AtomicUsize::new(0),
                tasks: watch::Sender::new(0),
                approvals: watch::Sender::new(0),
                messages: watch::Sender::new(0),
            }),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Reads the whole file and checks its structure; takes long on a large one.
    pub async fn verify(&self) -> Result<(), StoreError> {
        let path = self.inner.path.clone();
        self.read(move |connection| {
            let verdict: String = connection
                .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
                .map_err(|e| StoreError::opening(&path, &e))?;
            if verdict == "ok" {
                return Ok(());
            }
            Err(StoreError::Corrupt {
                path,
                reason: verdict,
            })
        })
        .await
    }

    /// How many questions to people are waited for.
    #[must_use]
    pub fn asking(&self) -> usize {
        self.inner.asking.load(Ordering::Relaxed)
    }

    /// Changes whenever this process adds to a trace or ends a task.
    #[must_use]
    pub fn task_changes(&self) -> watch::Receiver<u64> {
        self.inner.tasks.subscribe()
    }

    /// Changes whenever this process puts a message into the outbox.
    #[must_use]
    pub fn message_changes(&self) -> watch::Receiver<u64> {
        self.inner.messages.subscribe()
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.noted(self.inner.reader.run(work).await)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.noted(self.inner.writer.run(work).await)
    }

    /// Remembers that the file is damaged.
    fn noted<T>(&self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error @ StoreError::Damaged(_)) = &done
            && !self.inner.damaged.swap(true, Ordering::Relaxed)
        {
            tracing::error!(%error, "no task is accepted from now on");
        }
        done
    }

    /// An error once a part of the file was found to be damaged: writing on could make it worse.
    fn sound(&self) -> Result<(), StoreError> {
        match self.inner.damaged.load(Ordering::Relaxed) {
            true => Err(StoreError::Damaged("found before".to_owned())),
            false => Ok(()),
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> Moment {
        self.inner.clock.now()
    }

    fn tasks_changed(&self) {
        self.inner.tasks.send_modify(|n| *n = n.wrapping_add(1));
        self.messages_changed();
    }

    fn approvals_changed(&self) {
        self.inner.approvals.send_modify(|n| *n = n.wrapping_add(1));
        self.messages_changed();
    }

    fn messages_changed(&self) {
        self.inner.messages.send_modify(|n| *n = n.wrapping_add(1));
    }
}

/// Shows the file alone.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

struct Opened {
    path: PathBuf,
    writer: Connection,
    keeper: Keeper,
    reader: Connection,
}

/// Makes the folder and the file, and opens a connection to write and one to read.
fn open(data: &Path, key: &KeySource) -> Result<Opened, StoreError> {
    make_folder(data)?;
    let path = data.join(FILE);
    make_file(&path)?;
    let opening = |e| StoreError::opening(&path, &e);
    let mut writer = Connection::open(&path).map_err(opening)?;
    schema::configure(&writer, &path)?;
    let known = schema::key_check(&writer, &path)?;
    let master = key.master(data, known.is_none())?;
    if known.is_some_and(|known| known != master.check()) {
        return Err(StoreError::WrongKey { path });
    }
    let sealer = Sealer::new(&master).map_err(|e| StoreError::value("the store's key", &e))?;
    let sealer = Arc::new(sealer);
    seal::install(&writer, &sealer).map_err(opening)?;
    let migrated = schema::migrate(&mut writer, &path, &master.check())?;
    let keeper = Keeper::new(&writer, data.join(kept::FILE), migrated)?;
    let reader = Connection::open(&path).map_err(opening)?;
    schema::prepare_reader(&reader).map_err(opening)?;
    seal::install(&reader, &sealer).map_err(opening)?;
    Ok(Opened {
        path,
        writer,
        keeper,
        reader,
    })
}

#[cfg(unix)]
fn make_folder(data: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|e| StoreError::creating(data, &e))
}

/// SQLite gives its log and index the mode of the database file.
#[cfg(unix)]
fn make_file(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| StoreError::creating(path, &e))?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
        .map_err(|e| StoreError::creating(path, &e))
}

#[cfg(test)]
pub(crate) mod tests;
