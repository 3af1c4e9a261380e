//! Who is in memory, who waits, and who must go: decisions alone, which [`super`] carries out.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Lease, STAY};
use crate::engine::{Engine, EngineOptions, LoadError, Relief};

/// Bytes in a second that a disk is taken to give before one was measured: an SD card.
const DISK: f64 = 80e6;

pub(super) type Turn = oneshot::Sender<Result<Lease, Arc<LoadError>>>;

/// What is to be done outside the lock.
#[derive(Default)]
pub(super) struct Change {
    pub(super) grants: Vec<Grant>,
    pub(super) load: Option<Load>,
}

/// A call that may begin.
pub(super) struct Grant {
    pub(super) at: usize,
    pub(super) turn: Turn,
    pub(super) engine: Engine,
}

/// A model to load, once those that make room are gone.
pub(super) struct Load {
    pub(super) at: usize,
    pub(super) options: EngineOptions,
    pub(super) unloaded: Vec<Engine>,
}

struct Model {
    options: EngineOptions,
    /// Bytes of the file.
    weights: u64,
    /// Bytes in memory.
    needed: u64,
    engine: Option<Engine>,
    is_loading: bool,
    /// Calls that hold it.
    users: usize,
    loaded: Instant,
    used: Instant,
    /// How long the last loading took.
    took: Option<Duration>,
}

impl Model {
    fn is_in_memory(&self) -> bool {
        self.engine.is_some() || self.is_loading
    }

    /// Whether it has been there so long that others may have its room.
    fn has_stayed(&self) -> bool {
        self.loaded.elapsed() >= self.took.unwrap_or_default() * STAY
    }

    /// Takes the engine out and the batches that it decoded.
    fn unload(&mut self, ticks: &mut u64) -> Option<Engine> {
        let engine = self.engine.take()?;
        *ticks += engine.ticks();
        tracing::info!(model = %self.options.id, "model unloaded");
        Some(engine)
    }
}

/// The memory and those that share it.
pub(super) struct Room {
    budget: u64,
    models: Vec<Model>,
    /// The first to come is first.
    waiting: VecDeque<(usize, Turn)>,
    /// Batches of engines that are gone.
    ticks: u64,
}

impl Room {
    pub(super) fn new(budget: u64) -> Self {
        Self {
            budget,
            models: Vec::new(),
            waiting: VecDeque::new(),
            ticks: 0,
        }
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    /// One more model; gives its number.
    pub(super) fn add(&mut self, mut options: EngineOptions, weights: u64, needed: u64) -> usize {
        options.memory = Some(needed);
        let now = Instant::now();
        self.models.push(Model {
            options,
            weights,
            needed,
            engine: None,
            is_loading: false,
            users: 0,
            loaded: now,
            used: now,
            took: None,
        });
        self.models.len() - 1
    }

    pub(super) fn ticks(&self) -> u64 {
        let engines = self.models.iter().filter_map(|model| model.engine.as_ref());
        self.ticks + engines.map(Engine::ticks).sum::<u64>()
    }

    /// How long it takes until the model is in memory.
    pub(super) fn wait(&self, at: usize) -> Duration {
        match self.models.get(at) {
            Some(model) if model.engine.is_none() => {
                model.took.unwrap_or_else(|| self.guess(model.weights))
            }
            _ => Duration::ZERO,
        }
    }

    /// From how fast the others were loaded.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn guess(&self, bytes: u64) -> Duration {
        let known = self
            .models
            .iter()
            .filter_map(|m| Some((m.weights, m.took?)));
        let (read, took) = known.fold((0.0, 0.0), |(read, took), (weights, time)| {
            (read + weights as f64, took + time.as_secs_f64())
        });
        let rate = if took > 0.0 { read / took } else { DISK };
        Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(Duration::MAX)
    }

    /// A call wants a model.
    pub(super) fn ask(&mut self, at: usize, turn: Turn) -> Change {
        self.waiting.push_back((at, turn));
        self.advance()
    }

    /// A call ended.
    pub(super) fn leave(&mut self, at: usize) -> Change {
        if let Some(model) = self.models.get_mut(at) {
            model.users = model.users.saturating_sub(1);
            model.used = Instant::now();
        }
        self.advance()
    }

    /// A model was loaded, or was not: then those that waited for it are told.
    pub(super) fn loaded(
        &mut self,
        at: usize,
        loaded: Result<Engine, LoadError>,
        took: Duration,
    ) -> Change {
        if let Some(model) = self.models.get_mut(at) {
            model.is_loading = false;
            model.loaded = Instant::now();
            model.used = model.loaded;
            match loaded {
                Ok(engine) => {
                    model.took = Some(took);
                    model.engine = Some(engine);
                }
                Err(error) => {
                    tracing::warn!(model = %model.options.id, %error, "a model was not loaded");
                    self.refuse(at, &Arc::new(error));
                }
            }
        }
        self.advance()
    }

    fn refuse(&mut self, at: usize, error: &Arc<LoadError>) {
        for (wanted, turn) in std::mem::take(&mut self.waiting) {
            if wanted == at {
                let _ = turn.send(Err(Arc::clone(error)));
            } else {
                self.waiting.push_back((wanted, turn));
            }
        }
    }

    /// Gives memory back without ending a call.
    pub(super) fn relieve(&mut self, relief: Relief) -> Vec<Engine> {
        let mut unloaded = Vec::new();
        for model in &mut self.models {
            if model.users == 0 {
                unloaded.extend(model.unload(&mut self.ticks));
            } else if let Some(engine) = &model.engine {
                engine.relieve(relief);
            }
        }
        unloaded
    }

    /// Lets begin who can, and begins to load what the first of the others waits for.
    fn advance(&mut self) -> Change {
        self.waiting.retain(|(_, turn)| !turn.is_closed());
        let next = self.next();
        let leaving = next.map(|at| self.leaving(at)).unwrap_or_default();
        let mut change = Change::default();
        for (at, turn) in std::mem::take(&mut self.waiting) {
            match self.models.get_mut(at) {
                Some(Model {
                    engine: Some(engine),
                    users,
                    ..
                }) if !leaving.contains(&at) => {
                    *users += 1;
                    let engine = engine.clone();
                    change.grants.push(Grant { at, turn, engine });
                }
                _ => self.waiting.push_back((at, turn)),
            }
        }
        if let Some(at) = next {
            change.load = self.load(at);
        }
        change
    }

    /// What the first waits for that waits for a model which is not in memory, unless another is being loaded.
    fn next(&self) -> Option<usize> {
        if self.models.iter().any(|model| model.is_loading) {
            return None;
        }
        let mut wanted = self.waiting.iter().map(|(at, _)| *at);
        wanted.find(|at| self.models.get(*at).is_some_and(|m| !m.is_in_memory()))
    }

    /// Those that make room for a model, the least used first; fewer than needed if the rest may still stay.
    fn leaving(&self, at: usize) -> Vec<usize> {
        let Some(wanted) = self.models.get(at) else {
            return Vec::new();
        };
        let in_memory = self.models.iter().filter(|model| model.is_in_memory());
        let taken: u64 = in_memory.map(|model| model.needed).sum();
        let mut missing = (taken + wanted.needed).saturating_sub(self.budget);
        let is_wanted = |at: usize| self.waiting.iter().any(|(wanted, _)| *wanted == at);
        let mut others: Vec<(usize, &Model)> = self
            .models
            .iter()
            .enumerate()
            .filter(|(other, model)| {
                let is_idle = model.users == 0 && !is_wanted(*other);
                model.engine.is_some() && (is_idle || model.has_stayed())
            })
            .collect();
        others.sort_by_key(|(_, model)| (model.users > 0, model.used));
        let mut leaving = Vec::new();
        for (other, model) in others {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(model.needed);
            leaving.push(other);
        }
        leaving
    }

    /// Takes out those that make room, once nobody uses them, and gives what is to be loaded.
    fn load(&mut self, at: usize) -> Option<Load> {
        let leaving = self.leaving(at);
        let is_used = |at: &usize| self.models.get(*at).is_none_or(|model| model.users > 0);
        let stays = |at: &usize| !leaving.contains(at);
        let taken: u64 = (0..self.models.len())
            .filter(stays)
            .filter_map(|at| self.models.get(at).filter(|model| model.is_in_memory()))
            .map(|model| model.needed)
            .sum();
        let needed = self.models.get(at)?.needed;
        if leaving.iter().any(is_used) || taken + needed > self.budget {
            return None;
        }
        let mut unloaded = Vec::new();
        for other in leaving {
            if let Some(model) = self.models.get_mut(other) {
                unloaded.extend(model.unload(&mut self.ticks));
            }
        }
        let model = self.models.get_mut(at)?;
        model.is_loading = true;
        Some(Load {
            at,
            options: model.options.clone(),
            unloaded,
        })
    }
}
