//! The thread that owns the model: takes jobs in, lets those run whose turn it is, and decodes one batch after another
//! for all of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError},
    },
    time::Duration,
};

use super::{
    EngineOptions, Info, LoadError, Pulse, Relief, heap,
    job::{Job, JobError},
    load, mapping,
    queue::Shares,
    request::Request,
    resident::Resident,
};
use crate::gguf::Header;

/// So long without work is a pause.
const PAUSE: Duration = Duration::from_secs(1);

/// What reaches the thread.
pub(super) enum Message {
    Job(Job),
    Relieve(Relief),
}

/// Loads the model, says so, and works until there are no callers left.
pub(super) fn run(
    options: &EngineOptions,
    pulse: &Pulse,
    inbox: &Receiver<Message>,
    ready: &SyncSender<Result<Info, LoadError>>,
) {
    // An error that nobody receives means that the caller is gone.
    let (resident, info) = match resident(options) {
        Ok(loaded) => loaded,
        Err(e) => return drop(ready.send(Err(e))),
    };
    heap::give_back();
    tracing::info!(model = %info.name, parameters = info.parameters, context = info.context, "model loaded");
    if ready.send(Ok(info)).is_err() {
        return;
    }
    let mut owner = Owner {
        resident,
        waiting: Vec::new(),
        shares: Shares::default(),
        rested: true,
        pulse,
    };
    while owner.hear(inbox) {
        owner.sweep();
        owner.admit();
        owner.step();
        owner.count();
    }
    owner.end();
}

fn resident(options: &EngineOptions) -> Result<(Resident, Info), LoadError> {
    let header = load::header(&options.path)?;
    let room = load::room(&header, options)?;
    let model = Arc::new(load::model(options)?);
    let resident = Resident::try_new(Arc::clone(&model), &header, options, room)?;
    if !options.lock {
        mapping::let_go(&options.path);
    }
    let info = info(&resident, &header, options);
    Ok((resident, info))
}

fn info(resident: &Resident, header: &Header, options: &EngineOptions) -> Info {
    let file = options.path.file_stem().unwrap_or_default();
    let model = &resident.model;
    Info {
        name: file.to_string_lossy().into_owned(),
        parameters: model.n_params(),
        bytes: model.size(),
        quantization: header.quantization(),
        context: u32::try_from(resident.limit()).unwrap_or(u32::MAX),
        cells: u32::try_from(resident.context.cells()).unwrap_or(u32::MAX),
        cache_bytes: header.cache_bytes(resident.context.cells() as u64),
        trained_context: model.n_ctx_train(),
        width: usize::try_from(model.n_embd_out()).unwrap_or_default(),
        own_template: resident.own_template(),
    }
}

struct Owner<'p> {
    resident: Resident,
    waiting: Vec<Request>,
    shares: Shares,
    /// Whether nothing was done since the heap was given back.
    rested: bool,
    pulse: &'p Pulse,
}

impl Owner<'_> {
    /// Takes in what came; waits if there is nothing else to do. False once there are no callers left.
    fn hear(&mut self, inbox: &Receiver<Message>) -> bool {
        if self.is_idle() {
            self.shares.clear();
            match self.rest(inbox) {
                Some(message) => self.take(message),
                None => return false,
            }
        }
        loop {
            match inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => return !self.pulse.stop.load(Ordering::Relaxed),
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Waits for the next message; none once there are no callers left. After a while what work left in the heap is given
    /// back.
    fn rest(&mut self, inbox: &Receiver<Message>) -> Option<Message> {
        if !self.rested {
            match inbox.recv_timeout(PAUSE) {
                Ok(message) => return Some(message),
                Err(RecvTimeoutError::Timeout) => heap::give_back(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            self.rested = true;
        }
        inbox.recv().ok()
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.resident.running.is_empty()
    }

    fn take(&mut self, message: Message) {
        if let Message::Job(job) = &message {
            self.pulse.inflow.is_here(job.priority);
        }
        match message {
            Message::Job(job) if job.cancel.is_cancelled() => {}
            Message::Job(job) => {
                // A hostile prompt must not take the engine down; its caller notices that the job is gone.
                let prepared = catch_unwind(AssertUnwindSafe(|| self.resident.prepare(job)));
                match prepared {
                    Ok(request) => self.waiting.extend(request),
                    Err(_) => tracing::error!("a job panicked before it ran"),
                }
            }
            Message::Relieve(Relief::Caches) => self.resident.evict_idle(),
        }
    }

    /// Lets go of what nobody waits for any more.
    fn sweep(&mut self) {
        for request in self.waiting.extract_if(.., |r| r.cancel.is_cancelled()) {
            request.fail(JobError::Cancelled);
        }
        let running = &mut self.resident.running;
        let gone: Vec<_> = running
            .extract_if(.., |r| r.cancel.is_cancelled())
            .collect();
        for request in gone {
            let seat = request.seat();
            request.fail(JobError::Cancelled);
            self.resident.end(seat);
        }
    }

    /// Starts those whose turn it is, as long as there is room. Whoever does not fit is waited for, so that the small
    /// do not starve the large.
    fn admit(&mut self) {
        let shares = &self.shares;
        self.waiting.sort_by_key(|request| shares.turn(request));
        while let Some(request) = self.waiting.pop() {
            if let Some(request) = self.resident.admit(request) {
                self.waiting.push(request);
                return;
            }
        }
    }

    fn step(&mut self) {
        let there = self.resident.running.iter().chain(&self.waiting);
        self.shares.see(there.map(|request| &request.flow));
        let (resident, shares) = (&mut self.resident, &mut self.shares);
        let inflow = &self.pulse.inflow;
        match catch_unwind(AssertUnwindSafe(|| resident.step(shares, inflow))) {
            Ok(true) => {
                self.rested = false;
                self.pulse.ticks.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => {}
            Err(_) => {
                tracing::error!("a batch panicked; the caches are emptied");
                for request in std::mem::take(&mut resident.running) {
                    request.fail(JobError::broken());
                }
                resident.clear();
            }
        }
        self.waiting.append(&mut resident.put_off);
    }

    fn count(&self) {
        let running = self.resident.running.len() as u64;
        self.pulse.running.store(running, Ordering::Relaxed);
        let shelf = self.resident.shelf.bytes() as u64;
        self.pulse.shelf.store(shelf, Ordering::Relaxed);
    }

    fn end(mut self) {
        let running = std::mem::take(&mut self.resident.running);
        for request in self.waiting.into_iter().chain(running) {
            request.fail(JobError::broken());
        }
    }
}
