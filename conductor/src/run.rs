//! One task in progress: its steps are judged, cleared, called and recorded here, whoever plans them.

mod call;
mod check;
mod pass;
mod past;
mod workers;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use check::Remark;
pub(crate) use past::Past;

use crate::{
    brief::{Assignment, Brief},
    conductor::Parts,
    detect::{Detectors, Finding},
    gate::{Draft, Gate},
    id::WorkerId,
    label::Label,
    pace::Paces,
    policy::{Policy, bounds::Bounds},
    reader::Reader,
    rules::{Rules, Standing},
    task::{Failure, Task},
    text::Labelled,
    trace::{Event, Found, PlannedStep},
    unit::{MicroDollars, Millis},
    vault::{Form, Restorer, Shown, Vault},
    worker::{Finish, Usage},
    workflow::{Access, Role},
};

/// Whether steps are done or only judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Workers are called.
    Live,
    /// Nobody is called, nobody is asked, nothing is recorded durably.
    Plan,
}

/// A step to be done.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// From 1, through the whole task.
    pub number: u8,
    pub role: Role,
    pub worker: WorkerId,
    pub instruction: Option<Labelled>,
    pub access: Access,
    /// Its words may become the answer.
    pub answers: bool,
    /// Its words are the answer for sure, so the caller may read along.
    pub streams: bool,
}

/// What a step gave.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub role: Role,
    pub worker: WorkerId,
    pub text: Labelled,
    pub finish: Finish,
    pub usage: Usage,
}

/// What the steps so far gave, by their number.
pub(crate) type Outputs = BTreeMap<u8, Output>;

/// How a worker's words are to be read.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// The form that they have.
    pub form: Form,
    /// The placeholders that the worker can know.
    pub shown: Shown,
    /// The label that they have at least.
    pub floor: Label,
}

/// What has been spent on a task so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub usage: Usage,
    pub cost: MicroDollars,
    asked: Duration,
}

/// One task in progress.
pub(crate) struct Run<'a> {
    pub parts: &'a Parts,
    /// How long workers take.
    pub paces: &'a Paces,
    /// What it plans by: the rules that were in force when it began.
    pub gate: &'a Gate,
    pub detectors: &'a Detectors,
    pub reader: &'a Reader,
    pub policy: &'a Policy,
    /// What it passes the gate by: the rules that are in force then.
    pub standing: &'a Standing,
    /// What its origin may have.
    pub bounds: Bounds,
    pub task: &'a Task,
    pub mode: Mode,
    pub assignment: Assignment,
    pub past: Past,
    /// Ends what is under way: cancelled with the task, or when one step of several at once has failed.
    pub halt: CancellationToken,
    text: Option<mpsc::Sender<String>>,
    vault: Mutex<Vault>,
    tally: Mutex<Tally>,
    events: Mutex<Vec<Event>>,
    spoken: AtomicBool,
    began: Instant,
}

/// What goes into a [`Run`] apart from the conductor's own parts.
pub(crate) struct Start<'a> {
    pub task: &'a Task,
    pub mode: Mode,
    pub history: &'a [Event],
    pub text: Option<mpsc::Sender<String>>,
    pub cancel: CancellationToken,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Run<'a> {
    pub async fn new(
        parts: &'a Parts,
        paces: &'a Paces,
        rules: &'a Rules,
        standing: &'a Standing,
        reader: &'a Reader,
        start: Start<'a>,
    ) -> Self {
        let began = Instant::now();
        let task = start.task;
        let (gate, detectors) = (&rules.gate, &*rules.detectors);
        let bounds = rules.policy.bounds_of(task);
        let label = task.label.join(bounds.label);
        let read = async |text: &str| {
            let text = Labelled::new(text, label, detectors);
            reader.read(text, detectors, Some(&task.id)).await
        };
        let mut messages = Vec::with_capacity(task.messages.len());
        for message in &task.messages {
            messages.push((message.role, read(&message.content).await));
        }
        let mut along = Vec::new();
        for text in task.format.texts().iter().chain(&task.sampling.stop) {
            along.push(read(text).await);
        }
        let assignment = Assignment {
            messages,
            format: task.format.clone(),
            sampling: task.sampling.clone(),
            frame: along.iter().map(Labelled::label).collect(),
        };
        let past = Past::read(start.history, detectors);
        let mut vault = Vault::default();
        // The gate lets nothing go along that the vault knows, since that cannot be redacted.
        let messages = assignment.messages.iter().map(|(_, text)| text);
        vault.learn(messages.chain(&along));
        let tally = Tally {
            usage: past.usage,
            cost: past.cost,
            asked: Duration::ZERO,
        };
        Self {
            parts,
            paces,
            gate,
            detectors,
            reader,
            policy: &rules.policy,
            standing,
            bounds,
            task,
            mode: start.mode,
            assignment,
            past,
            halt: start.cancel.child_token(),
            text: start.text,
            vault: Mutex::new(vault),
            tally: Mutex::new(tally),
            events: Mutex::new(Vec::new()),
            spoken: AtomicBool::new(false),
            began,
        }
    }

    /// Writes the first line of the trace, unless it is there.
    pub async fn open(&self) -> Result<(), Failure> {
        if self.past.labelled {
            return Ok(());
        }
        let mut found: Vec<Found> = Vec::new();
        for (_, text) in &self.assignment.messages {
            for finding in text.findings() {
                match found.iter_mut().find(|f| f.kind == finding.kind.as_str()) {
                    Some(known) => known.count += 1,
                    None => found.push(Found {
                        kind: finding.kind.to_string(),
                        label: finding.label,
                        count: 1,
                    }),
                }
            }
        }
        self.record(Event::Labelled {
            label: self.assignment.whole().label(),
            declared: self.task.label.join(self.bounds.label),
            found,
        })
        .await
    }

    /// Whether its origin may hand such a task in.
    pub fn within_bounds(&self) -> Result<(), Failure> {
        let label = self.assignment.whole().label();
        match &self.bounds.max_label {
            Some((max, rule)) if label > *max => Err(Failure::NobodyMay {
                reason: format!("its label is {label}, and {rule}"),
            }),
            _ => Ok(()),
        }
    }

    /// Adds a line to the trace, durably if the run is live.
    pub async fn record(&self, event: Event) -> Result<(), Failure> {
        if self.mode == Mode::Plan {
            lock(&self.events).push(event);
            return Ok(());
        }
        let written = self.parts.journal.record(&self.task.id, &event).await;
        written.map_err(|error| Failure::Store {
            reason: error.to_string(),
        })
    }

    /// The lines that a planning run made.
    pub fn into_events(self) -> Vec<Event> {
        self.events
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// `text` with everything found in it, and everything found so far, replaced. For the conductor's own eyes, so
    /// that nothing it writes can hold what redaction took away.
    pub fn masked(&self, text: &Labelled) -> String {
        let mut vault = lock(&self.vault);
        vault.learn([text]);
        let text = vault.recognise(text.clone());
        vault.redact(&text, |_| true, &mut Shown::default())
    }

    /// What a worker wrote, with the placeholders restored that it was shown, and labelled; and what of the restored would
    /// not be found again, such as what now stands in the middle of a word.
    pub async fn put_back(&self, text: &str, reading: Reading) -> (Labelled, Vec<Finding>) {
        let restorer = Restorer::new(reading.form, reading.shown);
        let restored = restorer.whole(text, &lock(&self.vault));
        let text = self.labelled(restored.text, reading.floor).await;
        let mut lost = restored.findings;
        lost.retain(|finding| !text.covers(finding));
        (self.recognised(text.with(lost.clone())), lost)
    }

    /// An instruction with every placeholder of this task restored; as it is, if what was restored would not be found
    /// again. The trace keeps no more of an instruction than its text, and a detector may see in it what it does not see
    /// where the text stands later, so only what the vault finds anywhere counts.
    pub fn told(&self, instruction: &str) -> String {
        let mut vault = lock(&self.vault);
        let restorer = Restorer::new(Form::Text, Shown::all());
        let restored = restorer.whole(instruction, &vault);
        let found = vault.find(&restored.text);
        let known = Labelled::ours(restored.text.as_str()).with(found);
        if restored
            .findings
            .iter()
            .all(|finding| known.covers(finding))
        {
            restored.text
        } else {
            instruction.to_owned()
        }
    }

    /// Labels a text; what was found anywhere in this task is found in it too.
    pub async fn labelled(&self, text: impl Into<String>, floor: Label) -> Labelled {
        self.read(Labelled::new(text, floor, self.detectors)).await
    }

    /// The same for a text in which something was found before.
    pub async fn read(&self, text: Labelled) -> Labelled {
        let (detectors, task) = (self.detectors, Some(&self.task.id));
        self.recognised(self.reader.read(text, detectors, task).await)
    }

    /// A text with what was found anywhere in this task found in it too.
    fn recognised(&self, text: Labelled) -> Labelled {
        let mut vault = lock(&self.vault);
        vault.learn([&text]);
        vault.recognise(text)
    }

    /// The label of the task's text apart from what redaction takes away.
    pub fn floor(&self) -> Label {
        self.assignment.whole().floor()
    }

    /// The prompt of a step, whoever takes it.
    pub fn draft(
        &self,
        role: Role,
        instruction: Option<&Labelled>,
        access: Access,
        answers: bool,
        outputs: &Outputs,
    ) -> Draft {
        let earlier = access
            .iter()
            .filter_map(|source| Some((source, outputs.get(&source)?)))
            .map(|(source, output)| (heading(source, output.role), &output.text));
        let draft = self.assignment.draft(&Brief {
            role,
            instruction,
            access,
            earlier: earlier.collect(),
            answers,
        });
        draft.recognised(&mut lock(&self.vault))
    }

    /// How long the next call may take; an error once the task's time is up.
    pub fn time_left(&self) -> Result<Duration, Failure> {
        let limits = self.policy.limits;
        let worked = self.began.elapsed().saturating_sub(lock(&self.tally).asked);
        let left = Duration::from_millis(limits.task.0).saturating_sub(worked);
        if left.is_zero() {
            return Err(Failure::TimedOut {
                seconds: limits.task.0 / 1_000,
            });
        }
        Ok(left.min(Duration::from_millis(limits.step.0)))
    }

    pub fn tally(&self) -> Tally {
        *lock(&self.tally)
    }

    pub fn spend(&self, usage: Usage, cost: MicroDollars) {
        let mut tally = lock(&self.tally);
        tally.usage = tally.usage + usage;
        tally.cost = tally.cost + cost;
    }

    pub fn took(&self) -> Millis {
        self.began.elapsed().into()
    }

    /// Passes a text to the caller. One that went away is noticed by whoever holds the cancel token.
    pub async fn say(&self, text: String) {
        let listener = self.text.as_ref().filter(|_| !text.is_empty());
        // Whoever went away has read nothing.
        if let Some(listener) = listener
            && listener.send(text).await.is_ok()
        {
            self.spoken.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the caller has read some of the answer.
    pub fn has_spoken(&self) -> bool {
        self.spoken.load(Ordering::Relaxed)
    }

    pub fn is_cancelled(&self) -> Result<(), Failure> {
        if self.halt.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        Ok(())
    }
}

impl Job {
    /// The step as the trace shows it.
    pub fn planned(&self, instruction: impl Into<String>) -> PlannedStep {
        PlannedStep {
            step: self.number,
            role: self.role,
            worker: self.worker.clone(),
            instruction: instruction.into(),
            access: self.access.iter().collect(),
        }
    }
}

fn heading(source: u8, role: Role) -> String {
    match role {
        Role::Thinker => format!("Notes of a colleague who studied the task (step {source})"),
        Role::Worker => format!("What a colleague did in step {source}"),
        Role::Verifier => format!("Remarks of a colleague who checked the answer (step {source})"),
    }
}
