//! `shoal-ultra`: the backbone writes a whole workflow.
//!
//! After Conductor (Sakana AI): at most five steps, each with a worker, an instruction in plain language and an access
//! list; independent steps run at once; at high effort the backbone may look at the result and write one more workflow.
//! What it reads is redacted, so nothing that it writes can hold what redaction took away. Once a remote worker has
//! answered, its words are among what the backbone reads, so a revision names no remote worker that the first workflow
//! did not. A plan that is still invalid
//! after one retry, or a backbone too weak to plan, gives one well-chosen step instead, and the trace says so.

mod plan;
mod planner;

use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    run::{Job, Mode, Outputs, Run},
    task::{Effort, Failure},
    trace::Event,
    workflow::{Access, Role, Step},
};
use plan::Planned;

/// Plans, runs the plan, and at high effort lets the backbone revise it once. Gives the number of the step whose words
/// are the answer, with all outputs.
pub(crate) async fn conduct(run: &Run<'_>) -> Result<(u8, Outputs), Failure> {
    let first = plan::first(run).await?;
    let revisable = run.task.effort == Effort::High && run.mode == Mode::Live && !first.fallback;
    let mut outputs = Outputs::new();
    let jobs = first.jobs(run, None, !revisable).await;
    let mut answer = execute(run, &jobs, &mut outputs).await?;
    if revisable && let Some(second) = plan::second(run, &first, &outputs, answer).await? {
        let jobs = second.jobs(run, Some(answer), true).await;
        answer = execute(run, &jobs, &mut outputs).await?;
    }
    if run.past.settled.is_none() {
        run.record(Event::Settled {
            step: answer,
            reason: "the last worker's words are the answer".into(),
        })
        .await?;
    }
    Ok((answer, outputs))
}

/// Does every job as soon as what it reads is there, and gives the number of the one that answers.
async fn execute(run: &Run<'_>, jobs: &[Job], outputs: &mut Outputs) -> Result<u8, Failure> {
    let mut waiting: Vec<&Job> = jobs.iter().collect();
    let mut running = FuturesUnordered::new();
    loop {
        let is_ready = |job: &Job| {
            let mut sources = job.access.iter().filter(|&source| source > 0);
            sources.all(|source| outputs.contains_key(&source))
        };
        let (ready, blocked): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|job| is_ready(job));
        waiting = blocked;
        for job in ready {
            let readable = outputs.clone();
            running.push(async move { (job.number, run.step(job, &readable).await) });
        }
        match running.next().await {
            None => break,
            Some((number, Ok(output))) => outputs.insert(number, output),
            Some((_, Err(failure))) => {
                // The others end on the record, not in the middle of a call.
                run.halt.cancel();
                while running.next().await.is_some() {}
                return Err(failure);
            }
        };
    }
    let answer = jobs.iter().rfind(|job| job.answers);
    answer
        .map(|job| job.number)
        .ok_or_else(|| Failure::NobodyMay {
            reason: "the plan has no step that answers".into(),
        })
}

impl Planned {
    /// The steps as jobs, numbered on from the round before. In a second round whoever reads the task also reads the
    /// answer so far.
    async fn jobs(&self, run: &Run<'_>, before: Option<u8>, last_round: bool) -> Vec<Job> {
        let steps = self.workflow.steps();
        let answer = steps.iter().rposition(|step| step.role == Role::Worker);
        let mut jobs = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let instruction = match self.fallback {
                true => None,
                false => Some(run.labelled(step.instruction.as_str(), self.floor).await),
            };
            jobs.push(Job {
                number: self.base + u8::try_from(index + 1).unwrap_or(u8::MAX),
                role: step.role,
                worker: step.worker.clone(),
                instruction,
                access: access(step, self.base, before),
                answers: Some(index) == answer,
                streams: last_round && Some(index) == answer && index + 1 == steps.len(),
            });
        }
        jobs
    }
}

fn access(step: &Step, base: u8, before: Option<u8>) -> Access {
    let access = step.access.after(base);
    match before {
        Some(answer) if access.has(0) => access.with(answer),
        _ => access,
    }
}

#[cfg(test)]
mod tests;
