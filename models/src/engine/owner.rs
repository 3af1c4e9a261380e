//! The thread that owns the model.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        atomic::Ordering,
        mpsc::{Receiver, SyncSender},
    },
    time::Instant,
};

use llama_cpp_2::model::LlamaModel;

use super::{
    EngineOptions, Info, LoadError, Pulse,
    chat::Chat,
    hidden::HiddenStates,
    job::{Complete, Hidden, Job, JobError},
    load,
    ruler::Ruler,
};
use crate::gguf::Header;

/// Loads the model, says so, and works until there are no callers left.
pub(super) fn run(
    options: &EngineOptions,
    pulse: &Pulse,
    inbox: &Receiver<Job>,
    ready: &SyncSender<Result<Info, LoadError>>,
) {
    // An error that nobody receives means that the caller is gone.
    let failed = |e| drop(ready.send(Err(e)));
    let (header, model) = match weights(options) {
        Ok(loaded) => loaded,
        Err(e) => return failed(e),
    };
    let mut owner = match Owner::try_new(&model, options, pulse) {
        Ok(owner) => owner,
        Err(e) => return failed(e),
    };
    let info = owner.info(&header, options);
    tracing::info!(model = %info.name, parameters = info.parameters, context = info.context, "model loaded");
    if ready.send(Ok(info)).is_err() {
        return;
    }
    while let Ok(job) = inbox.recv() {
        owner.guard(job);
    }
}

fn weights(options: &EngineOptions) -> Result<(Header, LlamaModel), LoadError> {
    let header = load::header(&options.path)?;
    load::check_memory(&header, options)?;
    let model = load::model(options)?;
    Ok((header, model))
}

struct Owner<'m> {
    model: &'m LlamaModel,
    pulse: &'m Pulse,
    chat: Chat<'m>,
    hidden: Option<HiddenStates<'m>>,
}

impl<'m> Owner<'m> {
    fn try_new(
        model: &'m LlamaModel,
        options: &EngineOptions,
        pulse: &'m Pulse,
    ) -> Result<Self, LoadError> {
        let ruler = Ruler::of(model);
        let hidden = match options.hidden_context {
            0 => None,
            tokens => Some(HiddenStates::try_new(
                model,
                options,
                tokens,
                ruler.clone(),
            )?),
        };
        Ok(Self {
            model,
            pulse,
            chat: Chat::try_new(model, options, ruler)?,
            hidden,
        })
    }

    fn info(&self, header: &Header, options: &EngineOptions) -> Info {
        let file = options.path.file_stem().unwrap_or_default();
        Info {
            name: file.to_string_lossy().into_owned(),
            parameters: self.model.n_params(),
            bytes: self.model.size(),
            quantization: header.quantization(),
            context: u32::try_from(self.chat.limit()).unwrap_or(u32::MAX),
            trained_context: self.model.n_ctx_train(),
            width: usize::try_from(self.model.n_embd_out()).unwrap_or_default(),
            own_template: self.chat.own_template(),
        }
    }

    /// Does a job; one that panics is dropped, which its caller notices, and the next begins afresh.
    fn guard(&mut self, job: Job) {
        let began = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| self.work(job))).is_err() {
            tracing::error!("a job panicked; the caches are emptied");
            self.chat.clear();
            if let Some(hidden) = &mut self.hidden {
                hidden.clear();
            }
        }
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.pulse.last_job.store(took, Ordering::Relaxed);
        self.pulse.jobs.fetch_sub(1, Ordering::Relaxed);
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Complete(job) => self.complete(*job),
            Job::Hidden(job) => self.hidden(job),
        }
    }

    fn complete(&mut self, job: Complete) {
        let Complete {
            prompt,
            cancel,
            pieces,
            done,
        } = job;
        let pulse = self.pulse;
        let go_on = || !cancel.is_cancelled() && !done.is_closed() && !stopping(pulse);
        let show = |piece: String| {
            if let Some(pieces) = pieces.as_ref().filter(|_| !piece.is_empty()) {
                // The reader may be gone; the answer is still wanted.
                let _ = pieces.send(piece);
            }
        };
        let answer = self.chat.answer(&prompt, pulse, &go_on, &show);
        let _ = done.send(answer);
    }

    fn hidden(&mut self, job: Hidden) {
        let Hidden { text, done } = job;
        let pulse = self.pulse;
        let go_on = || !done.is_closed() && !stopping(pulse);
        let state = match &mut self.hidden {
            Some(hidden) => hidden.state(&text, pulse, &go_on),
            None => Err(JobError::Internal(
                "hidden states are off; set `hidden_context`".into(),
            )),
        };
        let _ = done.send(state);
    }
}

fn stopping(pulse: &Pulse) -> bool {
    pulse.stop.load(Ordering::Relaxed)
}
