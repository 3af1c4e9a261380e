//! The llama.cpp engine: one model, one thread that owns it.
//!
//! The owner thread holds the weights and the context. Each of its batches has a token (and what may follow it, if it
//! can be guessed) of every answer that is being written, and as much of the prompts still to be read as fits the time
//! that a batch may take, so that many requests run at once and none stutters. What the conductor thinks goes before
//! the steps, and tasks share the rest evenly. Callers are async and never touch llama.cpp; a slow reader of a stream
//! waits in its own future and holds up nobody.
//!
//! What a request leaves is put beside the key-value cache, and back for a prompt that begins alike, which is read from
//! where it differs ([`Usage::cached`](shoal_conductor::worker::Usage)). A hidden state is taken out of the same
//! pass that fills the cache for the answer.
//!
//! [`sequences`] has who holds which cells, [`shelf`] what nobody uses now, [`queue`] whose turn it is, [`step`] what one batch does.

pub(crate) mod batch;
pub(crate) mod context;
mod cores;
mod draft;
mod follow;
mod grammar;
pub(crate) mod heap;
mod job;
mod keep;
pub(crate) mod load;
pub(crate) mod log;
pub(crate) mod mapping;
mod marks;
mod owner;
mod pace;
mod parts;
mod prefix;
mod queue;
mod request;
mod resident;
mod ruler;
mod sampler;
mod sequences;
mod shelf;
mod step;
pub(crate) mod sums;
mod tap;
mod template;
mod threads;
mod twice;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use shoal_conductor::{
    head::states::{Reading, States},
    id::{TaskId, WorkerId},
    prompt::Prompt,
    unit::Tokens,
    worker::{Backbone, Call, Reply, WorkerError},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use self::load::LoadError;
pub(crate) use self::request::Priority;
use self::{
    job::{Job, JobError, Place, Source, Work},
    owner::Message,
    watch::Inflow,
};

/// How to run a model.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Names the engine in the backbone's errors.
    pub id: WorkerId,
    /// The GGUF file.
    pub path: PathBuf,
    /// CPU threads that compute.
    pub threads: u32,
    /// Layers that an accelerator computes; 0 is none.
    pub gpu_layers: u32,
    /// Whether the weights are kept from being dropped or swapped.
    pub lock: bool,
    /// Tokens that prompt and answer may have together; at most what the model was trained on.
    pub context: u32,
    /// Tokens that a text may have whose hidden state is asked for; 0 is no hidden states.
    pub hidden_context: u32,
    /// Tokens that the key-value cache holds, for all requests and the fixed prompts; at least `context`, and
    /// no more than that if the memory does not allow it.
    pub kv_tokens: u32,
    /// Requests that run at once, 1 to 64.
    pub slots: usize,
    /// The most tokens in one batch, at least 32. How many are read is also bounded by the time that they take.
    pub chunk: u32,
    /// Requests that may wait; one more is told that the engine is overloaded.
    pub queue: usize,
    /// Bytes that the model may take; without it, what the system says is free.
    pub memory: Option<u64>,
    /// Whether a prompt that begins like an earlier one is read from where it differs.
    pub prefix_cache: bool,
    /// Whether tokens are guessed from what was said before.
    pub speculation: Speculation,
    /// The folder where the states of fixed prompts outlive a restart.
    pub keep: Option<PathBuf>,
}

impl EngineOptions {
    /// The model at `path`, on all cores and no accelerator, with 4096 tokens of context.
    #[must_use]
    pub fn new(id: WorkerId, path: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            id,
            path: path.into(),
            threads: u32::try_from(cores).unwrap_or(1),
            gpu_layers: 0,
            lock: false,
            context: 4096,
            hidden_context: 1024,
            kv_tokens: 8192,
            slots: 8,
            chunk: 384,
            queue: 16,
            memory: None,
            prefix_cache: true,
            speculation: Speculation::WhereItPays,
            keep: None,
        }
    }
}

/// When tokens are guessed from what was said before. It changes how long an answer takes, and not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speculation {
    /// Never.
    Off,
    /// Where it is faster on this board, as measured while it runs.
    WhereItPays,
    /// Wherever there is a guess.
    Always,
}

/// What a loaded model is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The file's name without its ending, since the name inside is often no name for people.
    pub name: String,
    /// The number of weights.
    pub parameters: u64,
    /// The size of the weights in bytes.
    pub bytes: u64,
    /// How the weights are stored, such as `Q4_1`, if the file says.
    pub quantization: Option<&'static str>,
    /// Tokens that prompt and answer may have together.
    pub context: u32,
    /// Tokens that the key-value cache holds for all requests together.
    pub cells: u32,
    /// The bytes that the key-value cache takes.
    pub cache_bytes: u64,
    /// Tokens it was trained on.
    pub trained_context: u32,
    /// The length of a hidden state.
    pub width: usize,
    /// Whether the file brought the chat template; without one, `ChatML` is used.
    pub own_template: bool,
}

/// A loaded model. Clones share it; when the last is dropped, the thread ends and the memory is given back.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    id: WorkerId,
    info: Info,
    pulse: Arc<Pulse>,
    /// The most jobs that wait or run.
    most: u64,
    inbox: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

/// What the engine can give back when memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// What earlier requests left in the cache.
    Caches,
}

/// What the owner thread tells while it works.
#[derive(Default)]
struct Pulse {
    /// Batches decoded since the start.
    ticks: AtomicU64,
    /// Jobs that wait or run.
    jobs: Arc<AtomicU64>,
    /// Of those, how many run.
    running: AtomicU64,
    /// Jobs that the owner thread has not seen yet.
    inflow: Inflow,
    /// Bytes of what earlier requests left beside the cache.
    shelf: AtomicU64,
    /// How long the last request took, in milliseconds.
    last: AtomicU64,
    /// Set when the last handle went.
    stop: AtomicBool,
}

impl Engine {
    /// Loads the model and starts its thread. Blocks until the model is ready or has failed.
    pub fn load(options: EngineOptions) -> Result<Self, LoadError> {
        let pulse = Arc::new(Pulse::default());
        let (sender, inbox) = channel();
        let (ready, loaded) = sync_channel(1);
        let id = options.id.clone();
        let most = (options.queue.max(1) + options.slots) as u64;
        let thread = start(options, Arc::clone(&pulse), inbox, ready)?;
        let info = match loaded.recv() {
            Ok(answer) => answer?,
            Err(_) => return Err(LoadError::Died),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                id,
                info,
                pulse,
                most,
                inbox: Some(sender),
                thread: Some(thread),
            }),
        })
    }

    /// What the model is.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.shared.info
    }

    /// How many batches were decoded since the start. While there are [`jobs`](Self::jobs) it
    /// grows; if it does not, the engine hangs.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.shared.pulse.ticks.load(Ordering::Relaxed)
    }

    /// How many jobs wait or run.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        self.shared.pulse.jobs.load(Ordering::Relaxed)
    }

    /// How many of them run.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.shared.pulse.running.load(Ordering::Relaxed)
    }

    /// Bytes of keys and values that earlier requests left, beside those in [`Info::cache_bytes`].
    #[must_use]
    pub fn shelf_bytes(&self) -> u64 {
        self.shared.pulse.shelf.load(Ordering::Relaxed)
    }

    /// Gives memory back without ending anything.
    pub fn relieve(&self, relief: Relief) {
        if let Some(inbox) = &self.shared.inbox {
            // Without an owner there is nothing to give back.
            let _ = inbox.send(Message::Relieve(relief));
        }
    }

    /// Writes an answer; errors name `id`.
    pub(crate) async fn complete_as(
        &self,
        id: &WorkerId,
        priority: Priority,
        prompt: Prompt,
        call: Call,
    ) -> Result<Reply, WorkerError> {
        if call.cancel.is_cancelled() {
            return Err(WorkerError::Cancelled);
        }
        let (done, reply) = oneshot::channel();
        // Without a bound by type, but it holds at most one entry for each of `max_tokens`.
        let (pieces, written) = mpsc::unbounded_channel();
        let began = Instant::now();
        let work = Work::Complete {
            prompt: Box::new(prompt),
            pieces: call.stream.is_some().then_some(pieces),
            done,
        };
        let cancel = call.cancel.child_token();
        // Whoever drops this future waits no more.
        let _waits = cancel.clone().drop_guard();
        self.submit(id, priority, call.task, cancel, work)?;
        let answer = async {
            let ((), reply) = tokio::join!(forward(written, call.stream), reply);
            reply
        };
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(WorkerError::Cancelled),
            reply = answer => {
                let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.shared.pulse.last.store(took, Ordering::Relaxed);
                reply.unwrap_or(Err(JobError::broken())).map_err(|e| e.by(id))
            }
        }
    }

    /// The hidden state at the last but one token of `source`; errors name the engine.
    async fn state(&self, source: Source) -> Result<Vec<f32>, WorkerError> {
        let id = &self.shared.id;
        let (done, state) = oneshot::channel();
        let work = Work::Hidden { source, done };
        let cancel = CancellationToken::new();
        let _waits = cancel.clone().drop_guard();
        self.submit(id, Priority::Decision, None, cancel, work)?;
        let state = state.await;
        state
            .unwrap_or(Err(JobError::broken()))
            .map_err(|e| e.by(id))
    }

    fn submit(
        &self,
        id: &WorkerId,
        priority: Priority,
        task: Option<TaskId>,
        cancel: CancellationToken,
        work: Work,
    ) -> Result<(), WorkerError> {
        let Shared {
            inbox, pulse, most, ..
        } = &*self.shared;
        let inbox = inbox.as_ref().ok_or_else(|| JobError::broken().by(id))?;
        let place = Place::try_new(&pulse.jobs, *most).ok_or_else(|| self.overloaded(id))?;
        let job = Job {
            priority,
            task,
            cancel,
            place,
            work,
        };
        pulse.inflow.comes(priority);
        inbox
            .send(Message::Job(job))
            .map_err(|_| JobError::broken().by(id))
    }

    /// A place is free when the next of those that run ends.
    fn overloaded(&self, id: &WorkerId) -> WorkerError {
        let last = self.shared.pulse.last.load(Ordering::Relaxed);
        let running = self.running().max(1);
        WorkerError::Overloaded {
            worker: id.clone(),
            retry_after: Some(Duration::from_millis((last / running).clamp(1_000, 60_000))),
        }
    }
}

fn start(
    options: EngineOptions,
    pulse: Arc<Pulse>,
    inbox: Receiver<Message>,
    ready: SyncSender<Result<Info, LoadError>>,
) -> Result<JoinHandle<()>, LoadError> {
    std::thread::Builder::new()
        .name("shoal-engine".into())
        .spawn(move || owner::run(&options, &pulse, &inbox, &ready))
        .map_err(LoadError::Thread)
}

/// Hands pieces to a reader at the reader's pace; one that went away is no error.
async fn forward(
    mut written: mpsc::UnboundedReceiver<String>,
    stream: Option<mpsc::Sender<String>>,
) {
    let Some(stream) = stream else { return };
    while let Some(piece) = written.recv().await {
        if stream.send(piece).await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Backbone for Engine {
    fn name(&self) -> &str {
        &self.shared.info.name
    }

    fn parameters(&self) -> u64 {
        self.shared.info.parameters
    }

    fn context(&self) -> Tokens {
        Tokens(self.shared.info.context.into())
    }

    async fn complete(&self, prompt: Prompt, call: Call) -> Result<Reply, WorkerError> {
        self.complete_as(&self.shared.id, Priority::Decision, prompt, call)
            .await
    }

    async fn hidden(&self, text: &str) -> Result<Vec<f32>, WorkerError> {
        self.state(Source::Text(text.to_owned())).await
    }

    async fn hidden_of(&self, prompt: Prompt) -> Result<Vec<f32>, WorkerError> {
        self.state(Source::Prompt(Box::new(prompt))).await
    }

    async fn states(
        &self,
        text: &str,
        reading: &Reading,
        task: Option<&TaskId>,
    ) -> Result<States, WorkerError> {
        self.read_twice(text, reading, task).await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.pulse.stop.store(true, Ordering::Relaxed);
        drop(self.inbox.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the engine's thread had panicked");
        }
    }
}
