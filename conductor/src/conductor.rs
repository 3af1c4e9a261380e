//! From a task to its outcome.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    desk::Desk,
    detect::DetectError,
    explain::Explanation,
    head::sensitivity::Sensitivity,
    id::WorkerId,
    label::Label,
    ledger::Ledger,
    mini,
    pace::Paces,
    plan::Plan,
    policy::Policy,
    prover::Prover,
    reader::Reader,
    route::Route,
    rules::{Rules, Standing},
    run::{Job, Mode, Outputs, Run, Start},
    task::{Answer, Failure, Outcome, Target, Task},
    text::Labelled,
    trace::{Event, Journal},
    ultra,
    unit::Millis,
    worker::{Backbone, Place, Usage, Worker},
    workflow::{Access, Role},
};

/// What a conductor is made of.
pub struct Parts {
    /// What may leave, who may read it, what it may cost, to begin with.
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
    /// Runs code in answers, if it is to be run.
    pub prover: Option<Arc<dyn Prover>>,
    /// How many weights a backbone must have to plan for `shoal-ultra`.
    pub ultra_min_parameters: u64,
}

/// Runs tasks.
pub struct Conductor {
    pub(crate) parts: Parts,
    standing: Standing,
    reader: Reader,
    paces: Paces,
}

impl Conductor {
    /// Fails where the policy's dictionaries cannot be searched for.
    pub fn try_new(parts: Parts) -> Result<Self, DetectError> {
        let rules = Rules::try_new(Arc::clone(&parts.policy))?;
        Ok(Self {
            standing: Standing::new(rules),
            reader: Reader::new(parts.head.clone(), parts.backbone.clone()),
            paces: Paces::default(),
            parts,
        })
    }

    /// The policy that is kept to now.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.standing.get().policy)
    }

    /// Keeps to another policy from now on, also at the gates that tasks under way have still to pass. Nothing changes
    /// where its dictionaries cannot be searched for.
    pub fn adopt(&self, policy: Policy) -> Result<(), DetectError> {
        self.standing.set(Rules::try_new(Arc::new(policy))?);
        Ok(())
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
        let rules = self.standing.get();
        let start = Start {
            task,
            mode: Mode::Live,
            history,
            text,
            cancel: cancel.clone(),
        };
        // Reading the task for what is sensitive may take a while, and puts nothing on record.
        let run = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Failure::Cancelled),
            run = self.start(&rules, start) => run,
        };
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
        let rules = self.standing.get();
        let start = Start {
            task,
            mode: Mode::Plan,
            history: &[],
            text: None,
            cancel: CancellationToken::new(),
        };
        let run = self.start(&rules, start).await;
        let failure = conduct(&run).await.err();
        if let Some(failure @ Failure::UnknownWorker { .. }) = failure {
            return Err(failure);
        }
        let took: Millis = run.took();
        Ok(Plan::new(task, run.into_events(), failure, took))
    }

    /// What is sensitive in a text from this origin (`api:NAME`, `mqtt:TOPIC`, `cli`), and who may read it.
    pub async fn explain(&self, text: &str, declared: Label, from: &str) -> Explanation {
        let rules = self.standing.get();
        let declared = declared.join(rules.policy.bounds(from).label);
        let text = Labelled::new(text, declared, &rules.detectors);
        let text = self.reader.read(text, &rules.detectors, None).await;
        Explanation::new(text, declared, from, &rules, &self.parts.workers)
    }

    async fn start<'a>(&'a self, rules: &'a Rules, start: Start<'a>) -> Run<'a> {
        let (parts, paces) = (&self.parts, &self.paces);
        Run::new(parts, paces, rules, &self.standing, &self.reader, start).await
    }
}

/// Gives the number of the step that answers, all outputs, and whether the caller has read the answer already.
async fn conduct(run: &Run<'_>) -> Result<(u8, Outputs, bool), Failure> {
    run.open().await?;
    run.within_bounds()?;
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
mod boundary;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod limited;
#[cfg(test)]
mod tests;
