//! Stand-ins for everything outside this crate: a worker that says what it is told to, and a host in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    cleared::Cleared,
    conductor::{Conductor, Parts},
    desk::{Desk, DeskError, Question},
    head::states::{Reading, States},
    id::{ApprovalId, TaskId, WorkerId},
    label::Label,
    ledger::{Allowance, Charge, Estimate, Ledger, LedgerError, Spent},
    limits::TaskLimits,
    policy::Policy,
    prompt::{Format, Message, Prompt, Sampling, Speaker},
    route::rule::Rule,
    task::{Effort, Outcome, Task},
    trace::{Decision, Event, Journal, JournalError},
    unit::{MicroDollars, Tokens},
    worker::{Backbone, Call, Finish, Place, Reply, Usage, Worker, WorkerError},
};

/// A weak worker on the board and two strong ones outside, who must not see what is confidential.
pub(crate) const POLICY: &str = r#"
[escalation]
confidential = "redact"
[workers.local]
clearance = "restricted"
strength = 20
[workers.cloud]
clearance = "internal"
strength = 80
skills = ["code", "reasoning"]
price_in = 1.0
price_out = 4.0
[workers.other]
clearance = "internal"
strength = 80
[[dictionaries]]
type = "person"
words = ["Ana Ruiz"]
"#;

/// A task that holds what is confidential and needs skills.
pub(crate) const LOG: &str = "Ana Ruiz (ana@plant.example, +49 171 1234567) saw E42 on press 7. Diagnose the fault and write a script.";

pub(crate) fn id(name: &str) -> WorkerId {
    WorkerId::try_new(name).unwrap()
}

/// What a fake worker does with one call.
pub(crate) enum Line {
    Says(String),
    BreaksOff,
    /// Waits until it is cancelled; gives no states meanwhile.
    Hangs,
}

/// Says its lines in turn and keeps what it was shown.
pub(crate) struct FakeWorker {
    id: WorkerId,
    place: Place,
    lines: Mutex<VecDeque<Line>>,
    pub seen: Mutex<Vec<Prompt>>,
    /// What it gives as a text's states, if any.
    pub states: Mutex<Option<States>>,
}

impl FakeWorker {
    pub fn new(name: &str, place: Place, lines: Vec<Line>) -> Arc<Self> {
        Arc::new(Self {
            id: id(name),
            place,
            lines: Mutex::new(lines.into()),
            seen: Mutex::default(),
            states: Mutex::default(),
        })
    }

    pub fn saying(name: &str, place: Place, lines: &[&str]) -> Arc<Self> {
        let lines = lines.iter().map(|line| Line::Says((*line).to_owned()));
        Self::new(name, place, lines.collect())
    }

    /// Forgets its next line.
    pub fn skip(&self) {
        self.lines.lock().unwrap().pop_front();
    }

    /// Every text it was shown, as one.
    pub fn read(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let prompts = seen.iter().flat_map(|prompt| &prompt.messages);
        prompts
            .map(|message| message.content.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    async fn perform(&self, prompt: Prompt, call: Call) -> Result<Reply, WorkerError> {
        self.seen.lock().unwrap().push(prompt);
        let line = self.lines.lock().unwrap().pop_front();
        let text = match line.unwrap_or_else(|| panic!("{} has no more lines", self.id)) {
            Line::Says(text) => text,
            Line::BreaksOff => {
                return Err(WorkerError::BrokeOff {
                    worker: self.id.clone(),
                    reason: "the connection closed".into(),
                });
            }
            Line::Hangs => {
                call.cancel.cancelled().await;
                return Err(WorkerError::Cancelled);
            }
        };
        if let Some(stream) = &call.stream {
            for piece in text.as_bytes().chunks(3) {
                let piece = String::from_utf8_lossy(piece).into_owned();
                let _ = stream.send(piece).await;
            }
        }
        Ok(Reply {
            text,
            finish: Finish::Stop,
            usage: Usage {
                input: Tokens(100),
                cached: Tokens(0),
                output: Tokens(10),
            },
        })
    }
}

#[async_trait]
impl Worker for FakeWorker {
    fn id(&self) -> &WorkerId {
        &self.id
    }

    fn place(&self) -> Place {
        self.place
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        self.perform(prompt.open(&self.id)?, call).await
    }
}

#[async_trait]
impl Backbone for FakeWorker {
    fn name(&self) -> &str {
        "fake"
    }

    fn parameters(&self) -> u64 {
        1_000
    }

    fn context(&self) -> Tokens {
        Tokens(4_096)
    }

    async fn complete(&self, prompt: Prompt, call: Call) -> Result<Reply, WorkerError> {
        self.perform(prompt, call).await
    }

    async fn hidden(&self, _text: &str) -> Result<Vec<f32>, WorkerError> {
        Ok(vec![0.0])
    }

    async fn hidden_of(&self, _prompt: Prompt) -> Result<Vec<f32>, WorkerError> {
        Ok(vec![0.0])
    }

    async fn states(
        &self,
        _text: &str,
        _reading: &Reading,
        _task: Option<&TaskId>,
    ) -> Result<States, WorkerError> {
        let hangs = matches!(self.lines.lock().unwrap().front(), Some(Line::Hangs));
        if hangs {
            std::future::pending::<()>().await;
        }
        let states = self.states.lock().unwrap().clone();
        states.ok_or_else(|| WorkerError::Unreachable {
            worker: self.id.clone(),
            reason: "it has no states".to_owned(),
        })
    }
}

/// Journal, desk and ledger in memory.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub events: Mutex<Vec<Event>>,
    /// What the person at the desk says; nobody is there if there is nothing.
    pub decision: Mutex<Option<Decision>>,
    pub questions: Mutex<Vec<Question>>,
    pub spent: Mutex<BTreeMap<i64, (Tokens, MicroDollars)>>,
    /// From this event on nothing can be written.
    pub full_after: Mutex<Option<usize>>,
}

#[async_trait]
impl Journal for FakeHost {
    async fn record(&self, _task: &TaskId, event: &Event) -> Result<(), JournalError> {
        let mut events = self.events.lock().unwrap();
        if self
            .full_after
            .lock()
            .unwrap()
            .is_some_and(|most| events.len() >= most)
        {
            return Err(JournalError("the disk is full".into()));
        }
        events.push(event.clone());
        Ok(())
    }
}

#[async_trait]
impl Desk for FakeHost {
    async fn find(
        &self,
        _task: &TaskId,
        step: u8,
        digest: &str,
    ) -> Result<Option<ApprovalId>, DeskError> {
        let questions = self.questions.lock().unwrap();
        let known = questions
            .iter()
            .find(|q| q.step == step && q.digest == digest);
        Ok(known.map(|question| question.id.clone()))
    }

    async fn ask(&self, question: &Question) -> Result<Decision, DeskError> {
        self.questions.lock().unwrap().push(question.clone());
        let decision = self.decision.lock().unwrap().clone();
        decision.ok_or_else(|| DeskError("the desk is empty".into()))
    }
}

#[async_trait]
impl Ledger for FakeHost {
    /// One task of one origin is done on a stage.
    async fn reserve(
        &self,
        estimate: &Estimate,
        allowances: &[Allowance],
    ) -> Result<Charge, LedgerError> {
        let mut spent = self.spent.lock().unwrap();
        let so_far = spent
            .values()
            .fold(Spent::default(), |sum, (tokens, cost)| {
                sum.and(*tokens, *cost)
            });
        for allowance in allowances {
            allowance.check(so_far, estimate)?;
        }
        let charge = i64::try_from(spent.len()).unwrap();
        spent.insert(charge, (estimate.tokens, estimate.cost));
        Ok(Charge(charge))
    }

    async fn settle(
        &self,
        charge: Charge,
        tokens: Tokens,
        cost: MicroDollars,
    ) -> Result<(), LedgerError> {
        self.spent.lock().unwrap().insert(charge.0, (tokens, cost));
        Ok(())
    }
}

/// A conductor among fakes.
pub(crate) struct Stage {
    pub host: Arc<FakeHost>,
    pub conductor: Conductor,
}

impl Stage {
    pub fn new(
        policy: &str,
        workers: &[&Arc<FakeWorker>],
        backbone: Option<&Arc<FakeWorker>>,
    ) -> Self {
        let host = Arc::new(FakeHost::default());
        let workers = workers
            .iter()
            .map(|worker| -> Arc<dyn Worker> { Arc::clone(worker) as _ });
        let conductor = Conductor::try_new(Parts {
            policy: Arc::new(Policy::parse(policy, Path::new(".")).unwrap()),
            workers: workers.collect(),
            backbone: backbone.map(|backbone| Arc::clone(backbone) as _),
            head: None,
            route: Arc::new(Rule),
            journal: Arc::clone(&host) as _,
            desk: Arc::clone(&host) as _,
            ledger: Arc::clone(&host) as _,
            prover: None,
            ultra_min_parameters: 0,
        });
        Self {
            host,
            conductor: conductor.unwrap(),
        }
    }

    pub async fn run(&self, task: &Task) -> Outcome {
        let history = self.events();
        self.conductor
            .run(task, &history, None, CancellationToken::new())
            .await
    }

    pub fn events(&self) -> Vec<Event> {
        self.host.events.lock().unwrap().clone()
    }
}

pub(crate) fn task(model: &str, text: &str) -> Task {
    Task {
        id: TaskId::try_new("t1").unwrap(),
        target: model.parse().unwrap(),
        messages: vec![Message::new(Speaker::User, text)],
        format: Format::Text,
        sampling: Sampling::default(),
        effort: Effort::Medium,
        label: Label::Public,
        from: "test".into(),
        workers: None,
        limits: TaskLimits::default(),
    }
}
