//! Where workers and conductors are put to the proof: the pool of the config and a conductor as in the appliance, with books
//! and traces that are kept in memory alone.

mod books;
mod memory;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use shoal_boards::{Report, Roots};
use shoal_conductor::{
    conductor::{Conductor, Parts},
    exercise::{Checked, Exercise},
    id::{TaskId, WorkerId},
    limits::TaskLimits,
    prompt::{Format, Message, Sampling, Speaker},
    route::{Route, learned::Learned},
    task::{Effort, Target, Task},
    trace::Event,
    unit::{MicroDollars, Tokens},
    worker::{Place, Usage},
};
use tokio_util::sync::CancellationToken;

use self::books::{Books, Records};
pub use self::memory::Memory;
use crate::{
    accelerate::Measure,
    config::Config,
    exit::Fault,
    head,
    nowhere::Nowhere,
    pool::Pool,
    sandbox::{self, Sandbox, SandboxError},
};

/// The most tokens of an answer.
const ANSWER: u32 = 256;

/// Runs exercises.
pub struct Ground {
    conductor: Conductor,
    records: Arc<Records>,
    sandbox: Result<Sandbox, SandboxError>,
    /// Whether programs ran well, so that none runs twice.
    ran: Mutex<HashMap<String, bool>>,
}

/// What is asked of whom.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The exercise.
    pub exercise: &'a Exercise,
    /// Who is to do it.
    pub target: Target,
    /// The trace that it begins with, for a plan that is given.
    pub history: Vec<Event>,
    /// Where chance begins; none is to be greedy.
    pub seed: Option<u32>,
}

/// What came of an exercise.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// Whether the answer is right; no answer is not.
    pub right: bool,
    /// What the check looked at.
    pub essence: String,
    /// What the providers asked for it.
    pub cost: MicroDollars,
    /// Tokens read and written by everyone.
    pub tokens: Tokens,
    /// Tokens written, and the time that those who wrote them took.
    pub written: (Tokens, Duration),
    /// From question to answer.
    pub took: Duration,
    /// Whether anything left the board.
    pub left: bool,
    /// Its trace.
    pub events: Vec<Event>,
    /// Why there is no answer.
    pub failure: Option<String>,
}

impl Ground {
    /// Loads the model and makes the workers.
    pub async fn open(config: &Config) -> Result<Self, Fault> {
        let pool = pool(config).await?;
        let route = head::route(config, pool.backbone.as_ref())?;
        Self::on(config, pool, route).await
    }

    /// The same with workers that say again what they said, and a route by the head that the config names, whose roles can be
    /// tried.
    pub async fn rehearsing(config: &Config) -> Result<(Self, Arc<Learned>, Arc<Memory>), Fault> {
        let mut pool = pool(config).await?;
        let learned = head::learned(config, pool.backbone.as_ref())?;
        let learned = learned.ok_or_else(|| {
            Fault::usage(
                "there is no routing head to learn roles for: `shoal learn route` makes one, and routing_head under [conductor] in shoal.toml names it",
            )
        })?;
        let memory = Arc::new(Memory::default());
        pool.workers = pool.workers.into_iter().map(|w| memory.of(w)).collect();
        let ground = Self::on(config, pool, Arc::clone(&learned) as _).await?;
        Ok((ground, learned, memory))
    }

    async fn on(config: &Config, pool: Pool, route: Arc<dyn Route>) -> Result<Self, Fault> {
        let policy = Arc::new(config.load_policy()?);
        let records = Arc::new(Records::default());
        let conductor = Conductor::try_new(Parts {
            policy,
            workers: pool.workers,
            backbone: pool.backbone,
            head: pool.head,
            route,
            journal: records.clone(),
            desk: Arc::new(Nowhere::MEASURE),
            ledger: Arc::new(Books::default()),
            prover: sandbox::prover(config).await?,
            ultra_min_parameters: config.ultra_min_parameters,
        })
        .map_err(Fault::usage)?;
        Ok(Self {
            conductor,
            records,
            sandbox: Sandbox::find().await,
            ran: Mutex::default(),
        })
    }

    /// The pool.
    pub fn workers(&self) -> Vec<(WorkerId, Place)> {
        self.conductor.workers()
    }

    /// Why exercises with tests cannot be checked, if they cannot.
    pub fn lacks(&self) -> Option<&SandboxError> {
        self.sandbox.as_ref().err()
    }

    /// Whether it can be told if an answer to it is right.
    pub fn can_check(&self, exercise: &Exercise) -> bool {
        self.sandbox.is_ok() || !matches!(exercise.check.check(""), Checked::Run(_))
    }

    /// Puts an exercise to a worker or a conductor, and checks the answer.
    pub async fn attempt(&self, ask: Ask<'_>) -> Attempt {
        let Ask {
            exercise,
            target,
            history,
            seed,
        } = ask;
        let sampling = Sampling {
            max_tokens: ANSWER,
            temperature: if seed.is_some() { 0.7 } else { 0.0 },
            top_p: if seed.is_some() { 0.95 } else { 1.0 },
            seed,
            ..Sampling::default()
        };
        let task = Task {
            id: TaskId::fresh(),
            target,
            messages: vec![Message::new(Speaker::User, exercise.prompt.clone())],
            format: Format::Text,
            sampling,
            effort: Effort::Medium,
            label: self.conductor.policy().sources.api,
            from: "cli".to_owned(),
            workers: None,
            limits: TaskLimits::default(),
        };
        let began = Instant::now();
        let cancel = CancellationToken::new();
        let outcome = self.conductor.run(&task, &history, None, cancel).await;
        let took = began.elapsed();
        let events: Vec<Event> = history
            .into_iter()
            .chain(self.records.take(&task.id))
            .collect();
        let mut attempt = Attempt {
            took,
            ..tally(&events)
        };
        match outcome {
            Ok(answer) => {
                attempt.essence = exercise.check.essence(&answer.text);
                attempt.right = self.is_right(exercise, &answer.text).await;
            }
            Err(failure) => attempt.failure = Some(failure.to_string()),
        }
        attempt.events = events;
        attempt
    }

    /// Whether an answer is right.
    pub async fn is_right(&self, exercise: &Exercise, answer: &str) -> bool {
        match (exercise.check.check(answer), &self.sandbox) {
            (Checked::Right, _) => true,
            (Checked::Run(program), Ok(sandbox)) => self.ran(sandbox, program).await,
            (Checked::Wrong | Checked::Run(_), _) => false,
        }
    }

    async fn ran(&self, sandbox: &Sandbox, program: String) -> bool {
        let known = self.all_ran().get(&program).copied();
        if let Some(ran) = known {
            return ran;
        }
        let ran = sandbox.run(&program).await.unwrap_or(false);
        self.all_ran().insert(program, ran);
        ran
    }

    fn all_ran(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.ran.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The workers of a config, on this board.
async fn pool(config: &Config) -> Result<Pool, Fault> {
    let board = tokio::task::spawn_blocking(|| Report::of(&Roots::default()))
        .await
        .map_err(Fault::internal)?;
    Pool::build(config, &board, Measure::Never).await
}

/// What a trace says that was taken.
fn tally(events: &[Event]) -> Attempt {
    let mut all = Attempt::default();
    let mut used = Usage::default();
    for event in events {
        match event {
            Event::Planned { usage, .. } => used = used + *usage,
            Event::Called { place, .. } => all.left |= *place == Place::Remote,
            Event::Answered {
                usage, cost, took, ..
            } => {
                used = used + *usage;
                all.cost = all.cost + *cost;
                all.written.0 = all.written.0 + usage.output;
                all.written.1 += Duration::from_millis(took.0);
            }
            _ => {}
        }
    }
    all.tokens = used.input + used.output;
    all
}
