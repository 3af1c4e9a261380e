//! From config to workers: the engine with the local worker, and those behind an API.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use shoal_boards::{Report, Roots};
use shoal_conductor::{
    cleared::Cleared,
    head::sensitivity::Sensitivity,
    id::WorkerId,
    prompt::Prompt,
    worker::{Backbone, Call, Place, Reply, Worker, WorkerError},
};
use shoal_models::{
    catalogue::{self, Expected, VerifyError},
    egress::{Egress, EgressOptions},
    engine::{self, Engine, EngineOptions, Info, LoadError},
    local::LocalWorker,
    openai::{OpenAiOptions, OpenAiWorker},
    plugin::{self, Search},
    prepare,
    residence::Residence,
    secret::Secret,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::{
    accelerate::{self, Measure},
    appliance::Progress,
    config::{Config, KeySource, LOCAL, Model, WorkerEntry},
    exit::{Exit, Fault},
    head,
    memory::Relief,
    residents,
    weights::used,
};

/// The silence of a provider after which its call is given up; the policy's step time ends it sooner.
const SILENCE: Duration = Duration::from_secs(120);
/// How long a call waits for its turn at a worker before another worker is asked; well below the time that a step has.
const TURN: Duration = Duration::from_secs(20);

/// Everyone who can do a step, and the backbone.
pub struct Pool {
    /// The workers, the local one first.
    pub workers: Vec<Arc<dyn Worker>>,
    /// What the conductor thinks with.
    pub backbone: Option<Arc<dyn Backbone>>,
    /// What finds in a text what patterns cannot, unless the config does without.
    pub head: Option<Arc<Sensitivity>>,
    /// What the model is, or why there is none.
    pub model: Result<Info, Fault>,
    /// What does not work, each in a sentence that anyone may read; the log says more.
    pub degraded: Vec<String>,
    engine: Option<Engine>,
    residence: Option<Residence>,
}

impl Pool {
    /// Loads the model and makes the workers. A model that does not load is an error only where nobody else is there.
    pub async fn build(config: &Config, board: &Report, measure: Measure) -> Result<Self, Fault> {
        let mut degraded = Vec::new();
        let others = others(config, &mut degraded)?;
        let mut options = engine_options(&config.model, board)?;
        options.keep = Some(config.data.join("states"));
        let (all, here) = (config.clone(), board.clone());
        let (choice, loaded) = tokio::task::spawn_blocking(move || {
            let choice = accelerate::choose(&all, &here, measure);
            options.gpu_layers = choice.gpu_layers;
            let loaded = load(&all.model, options, &accelerate::search(&all));
            (choice, loaded)
        })
        .await
        .map_err(Fault::internal)?;
        if choice.refused {
            tracing::warn!(reason = %choice.reason, "the accelerator is not used");
            degraded.push("the accelerator that the config asks for is not used".to_owned());
        } else {
            tracing::info!(layers = choice.gpu_layers, reason = %choice.reason, "where the model's layers go");
        }
        match loaded {
            Ok(engine) => {
                let config_here = config.clone();
                let head = move || head::load(&config_here, Some(&config_here.model));
                let head = tokio::task::spawn_blocking(head)
                    .await
                    .map_err(Fault::internal)??;
                let pool = Self::with_engine(engine, others, degraded);
                Ok(Self { head, ..pool }.with_residents(config, board))
            }
            Err(fault) if others.is_empty() => Err(fault),
            Err(fault) => {
                tracing::warn!(error = %fault, "there is no local model");
                degraded.push(
                    "there is no local model, so what may not leave the board cannot be done"
                        .to_owned(),
                );
                Ok(Self {
                    workers: others,
                    backbone: None,
                    head: head::load(config, None)?,
                    model: Err(fault),
                    degraded,
                    engine: None,
                    residence: None,
                })
            }
        }
    }

    fn with_engine(engine: Engine, others: Vec<Arc<dyn Worker>>, degraded: Vec<String>) -> Self {
        let info = engine.info().clone();
        let backbone: Arc<dyn Backbone> = Arc::new(engine.clone());
        let mut workers = others;
        if let Ok(id) = WorkerId::try_new(LOCAL) {
            workers.insert(0, Arc::new(LocalWorker::new(id, engine.clone())));
        }
        Self {
            workers,
            backbone: Some(backbone),
            head: None,
            model: Ok(info),
            degraded,
            engine: Some(engine),
            residence: None,
        }
    }

    /// The models beside the backbone, in the memory that it leaves.
    fn with_residents(mut self, config: &Config, board: &Report) -> Self {
        let taken = self
            .model
            .as_ref()
            .map_or(0, |info| info.bytes + info.cache_bytes);
        let (residence, workers) = residents::take_in(config, board, taken, &mut self.degraded);
        self.residence = Some(residence);
        self.workers.extend(workers);
        self
    }

    /// How far the engine has come, as long as the process lives.
    pub fn progress(&self) -> Progress {
        let (engine, residence) = (self.engine.clone(), self.residence.clone());
        Arc::new(move || {
            let backbone = engine.as_ref().map_or(0, Engine::ticks);
            backbone + residence.as_ref().map_or(0, Residence::ticks)
        })
    }

    /// What gives the engine's memory back, as long as the process lives.
    pub fn relief(&self) -> Relief {
        let (engine, residence) = (self.engine.clone(), self.residence.clone());
        Arc::new(move |_| {
            if let Some(engine) = &engine {
                engine.relieve(engine::Relief::Caches);
            }
            if let Some(residence) = &residence {
                residence.relieve(engine::Relief::Caches);
            }
        })
    }

    /// What reads a text for what patterns cannot find: the head and the model, or neither where the config does without.
    pub async fn sight(
        config: &Config,
    ) -> Result<(Option<Arc<Sensitivity>>, Option<Arc<dyn Backbone>>), Fault> {
        let config = config.clone();
        let load = move || {
            let head = head::load(&config, Some(&config.model))?;
            let Some(head) = head else {
                return Ok((None, None));
            };
            let board = Report::of(&Roots::default());
            let options = engine_options(&config.model, &board)?;
            let engine = load(&config.model, options, &accelerate::search(&config))?;
            let backbone: Arc<dyn Backbone> = Arc::new(engine);
            Ok((Some(head), Some(backbone)))
        };
        tokio::task::spawn_blocking(load)
            .await
            .map_err(Fault::internal)?
    }

    /// Names and places of the workers that `config` gives, as workers that do nothing: enough to judge a text.
    pub fn named(config: &Config) -> Vec<Arc<dyn Worker>> {
        let local = WorkerId::try_new(LOCAL).ok().map(|id| (id, Place::Board));
        let others = config
            .workers
            .iter()
            .map(|entry| (entry.id.clone(), entry.place));
        let residents = config.residents.iter();
        let residents = residents.map(|resident| (resident.id.clone(), Place::Board));
        local
            .into_iter()
            .chain(residents)
            .chain(others)
            .map(|(id, place)| Arc::new(Named { id, place }) as Arc<dyn Worker>)
            .collect()
    }
}

/// How to run the model: as the config says, else as suits the board.
pub fn engine_options(model: &Model, board: &Report) -> Result<EngineOptions, Fault> {
    let id = WorkerId::try_new(LOCAL).map_err(Fault::internal)?;
    let mut options = EngineOptions::new(id, &model.path);
    options.threads = model.threads.unwrap_or(board.decision.threads.into());
    options.gpu_layers = model.gpu_layers.unwrap_or(board.decision.gpu_layers);
    options.lock = model.lock;
    options.context = model.context.unwrap_or(board.decision.context);
    // For those that run at once.
    options.kv_tokens = options.context.saturating_mul(2);
    Ok(options)
}

/// Checks and loads the model, in its prepared form where that fits, and the plugins that it needs. Blocks.
pub fn load(model: &Model, options: EngineOptions, search: &Search) -> Result<Engine, Fault> {
    check(model)?;
    plugin::load_cpu(search).map_err(|error| Fault::new(Exit::Unavailable, error))?;
    if options.gpu_layers > 0 {
        plugin::load_accelerators(search);
    }
    let prepared = model
        .prepared
        .then(|| prepare::prepared(&model.path, used(model, options.gpu_layers > 0)))
        .flatten();
    if let Some(path) = prepared {
        match Engine::load(EngineOptions {
            path,
            ..options.clone()
        }) {
            Ok(engine) => return Ok(engine),
            Err(error) => {
                tracing::warn!(%error, "the prepared model did not load; the download is used");
            }
        }
    }
    Engine::load(options).map_err(|error| load_fault(&error))
}

/// What a model that does not load ends the program with.
pub fn load_fault(error: &LoadError) -> Fault {
    let exit = match error {
        LoadError::Missing(_) => Exit::NoModel,
        LoadError::BadFile { .. } | LoadError::Rejected { .. } => Exit::CorruptModel,
        LoadError::OutOfMemory { .. } => Exit::TryAgain,
        _ => Exit::Internal,
    };
    Fault::new(exit, with_advice(exit, error))
}

/// Compares the model file with its SHA-256, where the config gives one. Blocks.
pub fn check(model: &Model) -> Result<(), Fault> {
    let Some(sha256) = &model.sha256 else {
        return Ok(());
    };
    let expected = Expected {
        bytes: None,
        sha256: sha256.clone(),
    };
    match catalogue::verify(&model.path, &expected) {
        Ok(_) => Ok(()),
        Err(error) => {
            let exit = match &error {
                VerifyError::Missing(_) => Exit::NoModel,
                VerifyError::Unreadable { .. } => Exit::Denied,
                _ => Exit::CorruptModel,
            };
            Err(Fault::new(exit, with_advice(exit, &error)))
        }
    }
}

fn with_advice(exit: Exit, error: &dyn std::fmt::Display) -> String {
    match exit {
        Exit::NoModel => {
            format!("{error}; put one there, or set [model] path in shoal.toml to where it is")
        }
        _ => error.to_string(),
    }
}

fn others(config: &Config, degraded: &mut Vec<String>) -> Result<Vec<Arc<dyn Worker>>, Fault> {
    let mut workers: Vec<Arc<dyn Worker>> = Vec::with_capacity(config.workers.len());
    for entry in &config.workers {
        match key(entry) {
            Ok(key) => workers.push(remote(entry, key)?),
            Err(error) => {
                tracing::warn!(worker = %entry.id, %error, "a worker has no key and is left out");
                degraded.push("a worker has no key and is left out".to_owned());
            }
        }
    }
    Ok(workers)
}

fn key(entry: &WorkerEntry) -> Result<Option<Secret>, shoal_models::secret::SecretError> {
    match &entry.key {
        KeySource::None => Ok(None),
        KeySource::File(path) => Secret::from_file(path).map(Some),
        KeySource::Env(variable) => Secret::from_env(variable).map(Some),
    }
}

fn remote(entry: &WorkerEntry, key: Option<Secret>) -> Result<Arc<dyn Worker>, Fault> {
    let egress = Egress::try_new(EgressOptions {
        insecure_http: entry.insecure_http,
        extra_ca: entry.ca_file.clone(),
        silence: SILENCE,
        ..EgressOptions::default()
    })
    .map_err(Fault::usage)?;
    let mut options = OpenAiOptions::new(entry.id.clone(), &entry.base_url, &entry.model);
    options.key = key;
    options.place = entry.place;
    options.unsaid_end = entry.npu.is_some();
    let worker = OpenAiWorker::try_new(options, egress).map_err(Fault::usage)?;
    Ok(match entry.max_concurrent {
        Some(calls) => Arc::new(Limited {
            worker,
            permits: Semaphore::new(calls),
        }),
        None => Arc::new(worker),
    })
}

/// A worker that is asked only so many things at once; more wait their turn for a while.
struct Limited<W> {
    worker: W,
    permits: Semaphore,
}

#[async_trait]
impl<W: Worker> Worker for Limited<W> {
    fn id(&self) -> &WorkerId {
        self.worker.id()
    }

    fn place(&self) -> Place {
        self.worker.place()
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        let _permit = turn(&self.permits, self.worker.id(), &call.cancel, TURN).await?;
        self.worker.run(prompt, call).await
    }
}

/// Waits for a turn. Whoever gets none in time has sent nothing, which [`WorkerError::TimedOut`] would not say.
async fn turn<'a>(
    permits: &'a Semaphore,
    worker: &WorkerId,
    cancel: &CancellationToken,
    patience: Duration,
) -> Result<SemaphorePermit<'a>, WorkerError> {
    let permit = tokio::select! {
        () = cancel.cancelled() => return Err(WorkerError::Cancelled),
        permit = tokio::time::timeout(patience, permits.acquire()) => permit,
    };
    // The semaphore is never closed, so it is the time that was up.
    permit
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| WorkerError::Overloaded {
            worker: worker.clone(),
            retry_after: None,
        })
}

/// A name and a place, for judging alone.
struct Named {
    id: WorkerId,
    place: Place,
}

#[async_trait]
impl Worker for Named {
    fn id(&self) -> &WorkerId {
        &self.id
    }

    fn place(&self) -> Place {
        self.place
    }

    async fn run(&self, _: Cleared<Prompt>, _: Call) -> Result<Reply, WorkerError> {
        Err(WorkerError::Unreachable {
            worker: self.id.clone(),
            reason: "nothing is sent while judging".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_gets_no_turn_is_overload_and_not_a_call_that_took_too_long() {
        let permits = Semaphore::new(1);
        let worker = WorkerId::try_new("cloud").unwrap();
        let cancel = CancellationToken::new();
        let turn = || turn(&permits, &worker, &cancel, Duration::from_millis(1));
        let first = turn().await.unwrap();
        let refused = turn().await.unwrap_err();
        assert!(
            matches!(refused, WorkerError::Overloaded { .. }),
            "{refused}"
        );
        assert!(!refused.may_have_run());
        drop(first);
        assert!(turn().await.is_ok());
    }
}
