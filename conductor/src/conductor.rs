//! From a task to its outcome.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    desk::Desk,
    detect::{DetectError, Detectors},
    explain::Explanation,
    gate::Gate,
    head::sensitivity::Sensitivity,
    id::WorkerId,
    label::Label,
    ledger::Ledger,
    mini,
    plan::Plan,
    policy::Policy,
    reader::Reader,
    route::Route,
    run::{Job, Mode, Outputs, Run, Start},
    task::{Answer, Failure, Outcome, Target, Task},
    trace::{Event, Journal},
    ultra,
    unit::Millis,
    worker::{Backbone, Place, Usage, Worker},
    workflow::{Access, Role},
};

/// What a conductor is made of.
pub struct Parts {
    /// What may leave, who may read it, what it may cost.
    pub policy: Arc<Policy>,
    /// The pool.
    pub workers: Vec<Arc<dyn Worker>>,
    /// The model on this board that plans, if there is one.
    pub backbone: Option<Arc<dyn Backbone>>,
    /// Finds in a text what patterns cannot, on the backbone's states; `None` is to do without.
    pub head: Option<Arc<Sensitivity>>,
    /// Chooses the turns of `shoal-mini`.
    pub route: Arc<dyn Route>,
    /// Where traces are kept.
    pub journal: Arc<dyn Journal>,
    /// Where people are asked.
    pub desk: Arc<dyn Desk>,
    /// Where the books are kept.
    pub ledger: Arc<dyn Ledger>,
    /// How many weights a backbone must have to plan for `shoal-ultra`.
    pub ultra_min_parameters: u64,
}

/// Runs tasks.
pub struct Conductor {
    pub(crate) parts: Parts,
    gate: Gate,
    reader: Reader,
}

impl Conductor {
    /// Fails where the policy's dictionaries cannot be searched for.
    pub fn try_new(parts: Parts) -> Result<Self, DetectError> {
        let detectors = Arc::new(Detectors::try_new(&parts.policy)?);
        Ok(Self {
            gate: Gate::new(Arc::clone(&parts.policy), Arc::clone(&detectors)),
            reader: Reader::new(detectors, parts.head.clone(), parts.backbone.clone()),
            parts,
        })
    }

    /// The policy that is kept to.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.parts.policy
    }

    /// The pool.
    #[must_use]
    pub fn workers(&self) -> Vec<(WorkerId, Place)> {
        let pool = self.parts.workers.iter();
        pool.map(|worker| (worker.id().clone(), worker.place()))
            .collect()
    }

    /// Does a task. `history` is its trace so far, empty for a new one; what it says was done is not done again.
    ///
    /// `text` receives the answer in pieces, as soon as it is certain that they are the answer; a receiver that went
    /// away ends nothing. Every step is in the journal before it is taken. The time limit of the policy counts from
    /// here, without the time that people take to answer.
    pub async fn run(
        &self,
        task: &Task,
        history: &[Event],
        text: Option<mpsc::Sender<String>>,
        cancel: CancellationToken,
    ) -> Outcome {
        let start = Start {
            task,
            mode: Mode::Live,
            history,
            text,
            cancel,
        };
        let run = self.start(start).await;
        let (number, outputs, streamed) = conduct(&run).await?;
        let Some(output) = outputs.get(&number) else {
            return Err(Failure::NobodyMay {
                reason: "there is no answer".to_owned(),
            });
        };
        if !streamed {
            run.say(output.text.text().to_owned()).await;
        }
        let tally = run.tally();
        Ok(Answer {
            text: output.text.text().to_owned(),
            label: output.text.label(),
            finish: output.finish,
            usage: output.usage,
            orchestration: less(tally.usage, output.usage),
            cost: tally.cost,
            took: run.took(),
        })
    }

    /// What would run where, and why. Calls no worker, asks nobody and records nothing; the backbone may think.
    pub async fn plan(&self, task: &Task) -> Result<Plan, Failure> {
        let start = Start {
            task,
            mode: Mode::Plan,
            history: &[],
            text: None,
            cancel: CancellationToken::new(),
        };
        let run = self.start(start).await;
        let failure = conduct(&run).await.err();
        if let Some(failure @ Failure::UnknownWorker { .. }) = failure {
            return Err(failure);
        }
        let took: Millis = run.took();
        Ok(Plan::new(task, run.into_events(), failure, took))
    }

    /// What is sensitive in a text, and who may read it.
    pub async fn explain(&self, text: &str, declared: Label) -> Explanation {
        let text = self.reader.read(text, declared, None).await;
        Explanation::new(text, declared, &self.gate, &self.parts.workers)
    }

    async fn start<'a>(&'a self, start: Start<'a>) -> Run<'a> {
        Run::new(&self.parts, &self.gate, &self.reader, start).await
    }
}

/// Gives the number of the step that answers, all outputs, and whether the caller has read the answer already.
async fn conduct(run: &Run<'_>) -> Result<(u8, Outputs, bool), Failure> {
    run.open().await?;
    let (number, outputs) = match &run.task.target {
        Target::Mini => mini::conduct(run).await?,
        Target::Ultra => ultra::conduct(run).await?,
        Target::Worker(worker) => one(run, worker).await?,
    };
    Ok((number, outputs, run.has_spoken()))
}

/// One step by the worker that the task names, with the caller's own words.
async fn one(run: &Run<'_>, worker: &WorkerId) -> Result<(u8, Outputs), Failure> {
    let job = Job {
        number: 1,
        role: Role::Worker,
        worker: run.worker(worker)?.id().clone(),
        instruction: None,
        access: Access::TASK,
        answers: true,
        streams: true,
    };
    if run.past.plan(1).is_none() {
        run.record(Event::Planned {
            by: run.task.target.clone(),
            round: 1,
            steps: vec![job.planned("")],
            reason: "the task asks for this worker by name".to_owned(),
            fallback: None,
            usage: Usage::default(),
            took: Millis(0),
        })
        .await?;
    }
    let output = run.step(&job, &Outputs::new()).await?;
    Ok((1, Outputs::from([(1, output)])))
}

fn less(all: Usage, part: Usage) -> Usage {
    use crate::unit::Tokens;
    let minus = |a: Tokens, b: Tokens| Tokens(a.0.saturating_sub(b.0));
    Usage {
        input: minus(all.input, part.input),
        cached: minus(all.cached, part.cached),
        output: minus(all.output, part.output),
    }
}

#[cfg(test)]
mod tests;
