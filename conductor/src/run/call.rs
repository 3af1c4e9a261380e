//! Doing one step: workers are tried in turn; each is judged, perhaps asked about, paid for, recorded and called.

use std::{sync::Arc, time::Instant};

use tokio::sync::mpsc;

use super::{Job, Mode, Output, Outputs, Reading, Run, lock};
use crate::{
    cleared::Cleared,
    gate::{Draft, Passage, Permit, Petition},
    id::ApprovalId,
    ledger::{Charge, Estimate},
    prompt::{Format, Message, Prompt},
    task::{Failure, Target},
    text::Labelled,
    trace::{Decision, Event},
    unit::{MicroDollars, Millis, Tokens},
    vault::{Form, Restorer},
    verdict::{Ruling, Verdict},
    worker::{Call, Finish, Place, Reply, Usage, Worker, WorkerError},
};

/// Pieces of an answer that may wait for a slow reader.
const PIECES: usize = 64;

/// Why one worker did not do the step; the next one may.
enum Missed {
    /// The gate, a person or the budget said no.
    NotAllowed(String),
    /// The prompt is too long for it.
    TooLong(String),
    /// It was called and failed.
    Failed(String),
}

/// How one attempt ended short of an answer.
enum Ended {
    Missed(Missed),
    Task(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Task(failure)
    }
}

fn not_allowed(reason: impl Into<String>) -> Ended {
    Ended::Missed(Missed::NotAllowed(reason.into()))
}

impl Run<'_> {
    /// Does a step, or gives what it gave before a restart.
    pub async fn step(&self, job: &Job, outputs: &Outputs) -> Result<Output, Failure> {
        if let Some(done) = self.past.output(job.number) {
            if job.streams {
                self.say(done.text.text().to_owned()).await;
            }
            let mut done = done.clone();
            done.text = self.read(done.text).await;
            return Ok(done);
        }
        let draft = self.draft(
            job.role,
            job.instruction.as_ref(),
            job.access,
            job.answers,
            outputs,
        );
        self.worker(&job.worker)?;
        self.note_interrupted(job).await?;
        let mut missed = Vec::new();
        for worker in self.tried(job, &draft) {
            self.is_cancelled()?;
            if let Some(error) = self.past.failure(job.number, worker.id()) {
                missed.push((worker, Missed::Failed(error.to_owned())));
                continue;
            }
            match self.attempt(job, &worker, &draft).await {
                Ok(output) => return Ok(output),
                Err(Ended::Task(failure)) => return Err(failure),
                Err(Ended::Missed(why)) => missed.push((worker, why)),
            }
        }
        Err(nobody(&missed))
    }

    /// A task for one worker by name is for nobody else.
    fn tried(&self, job: &Job, draft: &Draft) -> Vec<Arc<dyn Worker>> {
        let mut all = self.in_turn(&job.worker, draft);
        if matches!(self.task.target, Target::Worker(_)) {
            all.truncate(1);
        }
        all
    }

    async fn attempt(
        &self,
        job: &Job,
        worker: &Arc<dyn Worker>,
        draft: &Draft,
    ) -> Result<Output, Ended> {
        let (ruling, passage) = self.pass(worker, draft);
        self.record(judged(job, worker, &ruling)).await?;
        if self.mode == Mode::Plan {
            return imagined(job, worker, &ruling);
        }
        let permit = match passage {
            Passage::Refused => return Err(not_allowed(ruling.rule)),
            Passage::Clear(permit) => permit,
            Passage::Ask(petition) => self.ask(job, worker, petition, draft).await?,
        };
        self.call(job, worker, permit, draft).await
    }

    /// Puts the question to a person and waits.
    async fn ask(
        &self,
        job: &Job,
        worker: &Arc<dyn Worker>,
        petition: Petition,
        draft: &Draft,
    ) -> Result<Permit, Ended> {
        let desk = &self.parts.desk;
        let on_record = desk
            .find(&self.task.id, job.number, petition.digest())
            .await
            .map_err(|error| not_allowed(format!("nobody can be asked: {error}")))?;
        let question = petition.question(
            on_record.unwrap_or_else(ApprovalId::fresh),
            self.task.id.clone(),
            job.number,
            self.policy.limits.approval.0 / 1_000,
        );
        self.record(Event::Asked {
            step: job.number,
            approval: question.id.clone(),
            worker: worker.id().clone(),
        })
        .await?;
        let began = Instant::now();
        let answer = tokio::select! {
            answer = desk.ask(&question) => answer,
            () = self.halt.cancelled() => return Err(Failure::Cancelled.into()),
        };
        lock(&self.tally).asked += began.elapsed();
        let decision =
            answer.map_err(|error| not_allowed(format!("nobody can be asked: {error}")))?;
        self.record(Event::Decided {
            step: job.number,
            approval: question.id.clone(),
            decision: decision.clone(),
        })
        .await?;
        if !matches!(decision, Decision::Approved { .. }) {
            return Err(not_allowed(word(&decision)));
        }
        // People take their time, and the policy may be another one by now.
        match self.pass(worker, draft) {
            (ruling, Passage::Refused) => Err(not_allowed(ruling.rule)),
            (_, Passage::Clear(permit)) => Ok(permit),
            (_, Passage::Ask(again)) => again
                .decided(&question, &decision)
                .ok_or_else(|| not_allowed(word(&decision))),
        }
    }

    async fn call(
        &self,
        job: &Job,
        worker: &Arc<dyn Worker>,
        permit: Permit,
        draft: &Draft,
    ) -> Result<Output, Ended> {
        let attempt = self.attempt_number(job, worker);
        let limit = self.time_left()?;
        let charge = self.reserve(worker, permit.left.as_deref(), draft).await?;
        self.record(Event::Called {
            step: job.number,
            worker: worker.id().clone(),
            place: worker.place(),
            attempt,
            left: permit.left,
        })
        .await?;
        let reading = Reading {
            form: match draft.format {
                Format::Json | Format::JsonSchema(_) => Form::Json,
                Format::Text | Format::Grammar(_) => Form::Text,
            },
            shown: permit.shown,
            floor: permit.reply_floor,
        };
        let under = self.paces.begin(worker.id());
        let began = Instant::now();
        let reply = tokio::select! {
            ended = tokio::time::timeout(limit, self.listen(job, worker, permit.prompt, &reading)) => {
                ended.unwrap_or_else(|_| {
                    let worker = worker.id().clone();
                    Err(WorkerError::TimedOut { worker, limit })
                })
            }
            () = self.halt.cancelled() => Err(WorkerError::Cancelled),
        };
        match reply {
            Ok(reply) => {
                let took = began.elapsed();
                under.done(reply.usage, took, worker.place() == Place::Board);
                let took = took.into();
                self.answered(job, worker, reply, reading, charge, took)
                    .await
            }
            Err(error) => Err(self.failed(job, worker, &error, charge).await?),
        }
    }

    /// Says in the trace that a restart cut a remote call of this step off, whoever does the step now.
    async fn note_interrupted(&self, job: &Job) -> Result<(), Failure> {
        let Some(before) = self.past.in_flight(job.number) else {
            return Ok(());
        };
        if before.place == Place::Board {
            return Ok(());
        }
        let text = format!(
            "step {}: the appliance stopped while {} was working; that call may have been done and billed, its answer \
             is lost, and the step is done again",
            job.number, before.worker
        );
        self.record(Event::Note { text }).await
    }

    /// From 1; one more where a restart interrupted the same call.
    fn attempt_number(&self, job: &Job, worker: &Arc<dyn Worker>) -> u8 {
        let before = self.past.in_flight(job.number);
        before
            .filter(|before| before.worker == *worker.id())
            .map_or(1, |before| before.attempt.saturating_add(1))
    }

    /// Reserves the most that a remote call can cost.
    async fn reserve(
        &self,
        worker: &Arc<dyn Worker>,
        left: Option<&[Message]>,
        draft: &Draft,
    ) -> Result<Option<Charge>, Ended> {
        let Some(left) = left else { return Ok(None) };
        // A token has at least one byte, so the bytes bound the tokens; 8 more a message for the chat template.
        let read: usize = left.iter().map(|message| message.content.len() + 8).sum();
        let (read, written) = (
            Tokens(read as u64),
            Tokens(u64::from(draft.sampling.max_tokens)),
        );
        let estimate = Estimate {
            task: self.task.id.clone(),
            worker: worker.id().clone(),
            tokens: read + written,
            cost: self.known(worker.id()).price.of(read, written),
        };
        let bounds = self.standing.get().policy.bounds_of(self.task);
        let ledger = &self.parts.ledger;
        match ledger.reserve(&estimate, &bounds.allowances).await {
            Ok(charge) => Ok(Some(charge)),
            Err(error) => {
                let reason = error.to_string();
                let text = format!("{} is not called: {reason}", worker.id());
                self.record(Event::Note { text }).await?;
                Err(not_allowed(reason))
            }
        }
    }

    /// Calls the worker; where the step's words are the answer for sure, passes them on as they come.
    async fn listen(
        &self,
        job: &Job,
        worker: &Arc<dyn Worker>,
        prompt: Cleared<Prompt>,
        reading: &Reading,
    ) -> Result<Reply, WorkerError> {
        let mut call = Call {
            stream: None,
            cancel: self.halt.child_token(),
            task: Some(self.task.id.clone()),
        };
        if self.text.is_none() || !job.streams {
            return worker.run(prompt, call).await;
        }
        let (sender, mut pieces) = mpsc::channel::<String>(PIECES);
        call.stream = Some(sender);
        let passing = async {
            let mut restorer = Restorer::new(reading.form, reading.shown.clone());
            while let Some(piece) = pieces.recv().await {
                let certain = restorer.push(&piece, &lock(&self.vault));
                self.say(certain).await;
            }
            let rest = restorer.finish(&lock(&self.vault));
            self.say(rest).await;
        };
        let (reply, ()) = tokio::join!(worker.run(prompt, call), passing);
        reply
    }

    async fn answered(
        &self,
        job: &Job,
        worker: &Arc<dyn Worker>,
        reply: Reply,
        reading: Reading,
        charge: Option<Charge>,
        took: Millis,
    ) -> Result<Output, Ended> {
        let cost = match worker.place() {
            Place::Board => MicroDollars(0),
            Place::Remote => {
                let price = self.known(worker.id()).price;
                price.of(reply.usage.input, reply.usage.output)
            }
        };
        let (text, put_back) = self.put_back(&reply.text, reading).await;
        self.record(Event::Answered {
            step: job.number,
            worker: worker.id().clone(),
            text: text.text().to_owned(),
            label: text.label(),
            floor: text.floor(),
            put_back: put_back.into_iter().map(Into::into).collect(),
            finish: reply.finish,
            usage: reply.usage,
            cost,
            took,
        })
        .await?;
        self.settle(charge, reply.usage, cost).await;
        self.spend(reply.usage, cost);
        Ok(Output {
            role: job.role,
            worker: worker.id().clone(),
            text,
            finish: reply.finish,
            usage: reply.usage,
        })
    }

    async fn failed(
        &self,
        job: &Job,
        worker: &Arc<dyn Worker>,
        error: &WorkerError,
        charge: Option<Charge>,
    ) -> Result<Ended, Failure> {
        let may_have_run = worker.place() == Place::Remote
            && (error.may_have_run() || matches!(error, WorkerError::Cancelled));
        self.record(Event::Failed {
            step: job.number,
            worker: worker.id().clone(),
            error: error.to_string(),
            may_have_run,
        })
        .await?;
        if !may_have_run {
            self.settle(charge, Usage::default(), MicroDollars(0)).await;
        }
        Ok(match error {
            WorkerError::Cancelled => Failure::Cancelled.into(),
            // Its caller has read a part of the answer, which another worker would begin anew.
            _ if self.has_spoken() => Failure::EveryoneFailed {
                reason: format!("{error}, after a part of its answer was passed on"),
            }
            .into(),
            WorkerError::TooLong { .. } => Ended::Missed(Missed::TooLong(error.to_string())),
            _ => Ended::Missed(Missed::Failed(error.to_string())),
        })
    }

    /// A charge that cannot be settled stays in the books in full, which errs on the safe side.
    async fn settle(&self, charge: Option<Charge>, usage: Usage, cost: MicroDollars) {
        let Some(charge) = charge else { return };
        let tokens = usage.input + usage.output;
        if let Err(error) = self.parts.ledger.settle(charge, tokens, cost).await {
            tracing::warn!(task = %self.task.id, %error, "a charge could not be settled and counts in full");
        }
    }
}

fn judged(job: &Job, worker: &Arc<dyn Worker>, ruling: &Ruling) -> Event {
    Event::Judged {
        step: job.number,
        worker: worker.id().clone(),
        label: ruling.label,
        reaches: ruling.reaches,
        verdict: ruling.verdict,
        rule: ruling.rule.clone(),
    }
}

/// In a planning run nobody is called; what a worker would say has the floor that its words would have.
fn imagined(job: &Job, worker: &Arc<dyn Worker>, ruling: &Ruling) -> Result<Output, Ended> {
    if ruling.verdict == Verdict::Refuse {
        return Err(not_allowed(ruling.rule.clone()));
    }
    Ok(Output {
        role: job.role,
        worker: worker.id().clone(),
        text: Labelled::ours(String::new()).raised(ruling.reaches),
        finish: Finish::Stop,
        usage: Usage::default(),
    })
}

fn word(decision: &Decision) -> String {
    match decision {
        Decision::Approved { .. } => "the approval was for another text".to_owned(),
        Decision::Denied { by } => format!("{by} denied it"),
        Decision::Expired => "nobody approved it in time".to_owned(),
    }
}

/// The failure of a step that nobody did.
fn nobody(missed: &[(Arc<dyn Worker>, Missed)]) -> Failure {
    // An error of a worker names the worker; a rule does not.
    let list = |all: bool| {
        let lines = missed.iter().filter_map(|(worker, why)| match why {
            Missed::TooLong(reason) => Some(reason.clone()),
            Missed::Failed(reason) if all => Some(reason.clone()),
            Missed::NotAllowed(rule) if all => Some(format!("{}: {rule}", worker.id())),
            _ => None,
        });
        lines.collect::<Vec<_>>().join("; ")
    };
    let any = |kind: fn(&Missed) -> bool| missed.iter().any(|(_, why)| kind(why));
    if any(|why| matches!(why, Missed::Failed(_))) {
        return Failure::EveryoneFailed { reason: list(true) };
    }
    if any(|why| matches!(why, Missed::TooLong(_))) {
        return Failure::TooLong {
            reason: list(false),
        };
    }
    Failure::NobodyMay { reason: list(true) }
}
