//! The llama.cpp engine: one model, one thread that owns it.
//!
//! The owner thread holds the weights and both contexts (the chat's and the hidden states'), takes jobs from a bounded
//! queue, and does one at a time. Callers are async and never touch llama.cpp; a slow reader of a stream waits in its
//! own future and holds up nobody. A later scheduler that decodes several sequences in one batch takes the place of
//! [`owner`]'s loop and changes nothing outside it.
//!
//! What the last job left in the key-value cache is kept, and a prompt that begins alike is read from where it differs
//! ([`Usage::cached`](shoal_conductor::worker::Usage)).

mod chat;
mod grammar;
mod hidden;
mod job;
mod load;
pub(crate) mod log;
mod marks;
mod owner;
mod parts;
mod ruler;
mod sampler;
mod sequence;
mod template;

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use shoal_conductor::{
    id::WorkerId,
    prompt::Prompt,
    unit::Tokens,
    worker::{Backbone, Call, Reply, WorkerError},
};
use tokio::sync::{mpsc, oneshot};

use self::job::{Complete, Hidden, Job, JobError};
pub use self::load::LoadError;

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
    /// Tokens that prompt and answer may have together; at most what the model was trained on.
    pub context: u32,
    /// Tokens of a text whose hidden state is asked for; 0 saves the memory, and then there is no hidden state.
    pub hidden_context: u32,
    /// Tokens read at once, between two looks at whether the caller is still there.
    pub chunk: u32,
    /// Jobs that may wait; one more is told that the engine is overloaded.
    pub queue: usize,
    /// Bytes that the model may take; without it, what the system says is free.
    pub memory: Option<u64>,
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
            context: 4096,
            hidden_context: 1024,
            chunk: 64,
            queue: 16,
            memory: None,
        }
    }
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
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What the owner thread tells while it works.
#[derive(Default)]
struct Pulse {
    /// Batches decoded since the start.
    ticks: AtomicU64,
    /// Jobs that wait or run.
    jobs: AtomicU64,
    /// How long the last job took, in milliseconds.
    last_job: AtomicU64,
    /// Set when the last handle went.
    stop: AtomicBool,
}

impl Engine {
    /// Loads the model and starts its thread. Blocks until the model is ready or has failed.
    pub fn load(options: EngineOptions) -> Result<Self, LoadError> {
        let pulse = Arc::new(Pulse::default());
        let (jobs, inbox) = sync_channel(options.queue.max(1));
        let (ready, loaded) = sync_channel(1);
        let id = options.id.clone();
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
                jobs: Some(jobs),
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

    /// Writes an answer; errors name `id`.
    pub(crate) async fn complete_as(
        &self,
        id: &WorkerId,
        prompt: Prompt,
        call: Call,
    ) -> Result<Reply, WorkerError> {
        if call.cancel.is_cancelled() {
            return Err(WorkerError::Cancelled);
        }
        let (done, reply) = oneshot::channel();
        // Without a bound by type, but it holds at most one entry for each of `max_tokens`.
        let (pieces, written) = mpsc::unbounded_channel();
        let job = Complete {
            prompt,
            cancel: call.cancel.clone(),
            pieces: call.stream.is_some().then_some(pieces),
            done,
        };
        self.submit(id, Job::Complete(Box::new(job)))?;
        let work = async {
            let ((), reply) = tokio::join!(forward(written, call.stream), reply);
            reply
        };
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => Err(WorkerError::Cancelled),
            reply = work => reply.unwrap_or(Err(JobError::broken())).map_err(|e| e.by(id)),
        }
    }

    /// The hidden state of `text`; errors name `id`.
    async fn hidden_as(&self, id: &WorkerId, text: &str) -> Result<Vec<f32>, WorkerError> {
        let (done, state) = oneshot::channel();
        let job = Hidden {
            text: text.to_owned(),
            done,
        };
        self.submit(id, Job::Hidden(job))?;
        let state = state.await;
        state
            .unwrap_or(Err(JobError::broken()))
            .map_err(|e| e.by(id))
    }

    fn submit(&self, id: &WorkerId, job: Job) -> Result<(), WorkerError> {
        let Some(jobs) = &self.shared.jobs else {
            return Err(JobError::broken().by(id));
        };
        // Counted before it is sent, since the owner may be done with it before this returns.
        self.shared.pulse.jobs.fetch_add(1, Ordering::Relaxed);
        jobs.try_send(job).map_err(|error| {
            self.shared.pulse.jobs.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => self.overloaded(id),
                TrySendError::Disconnected(_) => JobError::broken().by(id),
            }
        })
    }

    fn overloaded(&self, id: &WorkerId) -> WorkerError {
        let last = self.shared.pulse.last_job.load(Ordering::Relaxed);
        WorkerError::Overloaded {
            worker: id.clone(),
            retry_after: Some(Duration::from_millis(last.clamp(1_000, 60_000))),
        }
    }
}

fn start(
    options: EngineOptions,
    pulse: Arc<Pulse>,
    inbox: Receiver<Job>,
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
        self.complete_as(&self.shared.id, prompt, call).await
    }

    async fn hidden(&self, text: &str) -> Result<Vec<f32>, WorkerError> {
        self.hidden_as(&self.shared.id, text).await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.pulse.stop.store(true, Ordering::Relaxed);
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the engine's thread had panicked");
        }
    }
}
