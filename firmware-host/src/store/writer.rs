//! The one thread that writes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{StoreError, kept::Keeper};

/// Jobs that wait; more callers wait for a place.
const QUEUE: usize = 256;
/// Jobs that share one commit at most.
const GROUP: usize = 64;

/// Hands jobs to the writing thread, which ends with the last handle.
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, keeper: Keeper) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || serve(&connection, keeper, queue))
            .map_err(|e| StoreError::Io(e.to_string()))?;
        Ok(Self { jobs })
    }

    /// Returns once the change is on disk. A caller that stops waiting does not undo it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending {
            work: Some(work),
            result: None,
            reply,
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

trait Job: Send {
    /// Does the work; an error undoes it.
    fn work(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Tells the caller, once it is known whether the group was committed.
    fn tell(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F> Job for Pending<T, F>
where
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn work(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let work = self.work.take().ok_or(StoreError::Stopped)?;
        let result = work(connection);
        let kept = result.as_ref().map(drop).map_err(Clone::clone);
        self.result = Some(result);
        kept
    }

    fn tell(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            (_, Some(Err(own))) => Err(own),
            (Err(error), _) => Err(error),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(StoreError::Fault),
        };
        // The caller may have gone away.
        let _ = self.reply.send(result);
    }
}

fn serve(connection: &Connection, mut keeper: Keeper, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            match queue.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        let committed = together(connection, &keeper, &mut group);
        if committed.is_ok() {
            keeper.keep(connection);
        }
        for job in group {
            job.tell(committed.clone());
        }
    }
}

/// One transaction for the whole group. A job that fails undoes itself alone, unless SQLite undid everything.
fn together(
    connection: &Connection,
    keeper: &Keeper,
    group: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let begun = keeper.confess(connection);
    let done = begun
        .and_then(|()| each(connection, group))
        .and_then(|()| Ok(connection.execute_batch("COMMIT")?));
    if done.is_err() && !connection.is_autocommit() {
        // A failed commit leaves the transaction open; the next group needs a fresh one.
        if let Err(error) = connection.execute_batch("ROLLBACK") {
            tracing::error!(%error, "a failed transaction could not be undone");
        }
    }
    done
}

fn each(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    for job in group {
        connection.execute_batch("SAVEPOINT job")?;
        // A job that panics is undone like one that fails, and the thread lives on.
        let done = catch_unwind(AssertUnwindSafe(|| job.work(connection)))
            .unwrap_or(Err(StoreError::Fault));
        if connection.is_autocommit() {
            // A full disk or an input error makes SQLite undo the whole transaction at once.
            return Err(done.err().unwrap_or(StoreError::Stopped));
        }
        connection.execute_batch(match done {
            Ok(()) => "RELEASE job",
            Err(_) => "ROLLBACK TO job; RELEASE job",
        })?;
    }
    Ok(())
}
