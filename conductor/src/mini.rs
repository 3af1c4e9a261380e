//! `shoal-mini`: one worker and role per turn, at most five turns.
//!
//! After TRINITY (Sakana AI): thinker, worker and verifier take turns and the verifier's ACCEPT ends it. A verifier
//! chosen before there is an answer becomes a worker, and at the end of the turns the latest answer stands. A thinker may
//! suggest the next role. Where an answer is wrong in a way that shows without a model, a check takes the verifier's turn.

use crate::{
    brief::accepts,
    fault,
    feature::Features,
    id::WorkerId,
    prompt::{Format, asked},
    route::{Done, Situation, Turn},
    run::{Job, Mode, Outputs, Remark, Run},
    suggestion,
    task::{Effort, Failure},
    trace::{Event, PlannedStep},
    worker::{Finish, Place},
    workflow::{Access, Role},
};

/// The most turns.
pub const MAX_TURNS: u8 = 5;

/// Runs the turns and gives the number of the step whose words are the answer, with all outputs.
pub(crate) async fn conduct(run: &Run<'_>) -> Result<(u8, Outputs), Failure> {
    let features = features(run);
    let mut outputs = Outputs::new();
    let mut remark: Option<Remark> = None;
    let mut suggested: Option<Role> = None;
    for turn in 1..=MAX_TURNS {
        run.is_cancelled()?;
        if let Some(remark) = remark.take() {
            let job = check(outputs.keys().copied().max(), turn)?;
            let output = run.check(&job, remark).await?;
            outputs.insert(turn, output);
            continue;
        }
        let (job, last) = match choose(run, turn, &features, &outputs, suggested).await? {
            Next::Go(job, last) => (job, last),
            Next::Stop(reason) => return settle(run, outputs, reason).await,
        };
        let mut output = run.step(&job, &outputs).await?;
        suggested = None;
        if output.role == Role::Thinker {
            (output.text, suggested) = suggestion::take(output.text);
        }
        let accepted = output.role == Role::Verifier
            && (run.mode == Mode::Plan || accepts(output.text.text()));
        let who = output.worker.clone();
        outputs.insert(turn, output);
        remark = fault(run, turn + 1, &outputs).await;
        if accepted {
            return settle(run, outputs, format!("{who} accepts the answer")).await;
        }
        if last && remark.is_none() {
            return settle(run, outputs, "nobody is to verify the answer".into()).await;
        }
    }
    let reason = format!("after {MAX_TURNS} turns the latest answer stands");
    settle(run, outputs, reason).await
}

/// What can be seen of the last thing that the user said.
pub(crate) fn features(run: &Run<'_>) -> Features {
    Features::of(asked(&run.task.messages))
}

/// Asks the route for the next turn.
pub(crate) async fn route(
    run: &Run<'_>,
    turn: u8,
    effort: Effort,
    features: &Features,
    outputs: &Outputs,
    suggested: Option<Role>,
) -> Turn {
    let done: Vec<Done> = outputs
        .values()
        .map(|output| Done {
            role: output.role,
            worker: output.worker.clone(),
        })
        .collect();
    let candidates = Role::ALL.map(|role| {
        let access = access(role, outputs);
        run.candidates(&run.draft(role, None, access, role == Role::Worker, outputs))
    });
    let situation = Situation {
        turn,
        effort,
        choice: run.policy.choice,
        messages: &run.task.messages,
        features,
        done: &done,
        suggested,
        candidates,
    };
    let next = run.parts.route.decide(&situation).await;
    match suggested {
        Some(role) => {
            let said = suggestion::said(&situation, role, &next);
            next.since(&said)
        }
        None => next,
    }
}

/// What is wrong with the answer of the turn before, where that shows without a model and there are turns to mend it.
async fn fault(run: &Run<'_>, turn: u8, outputs: &Outputs) -> Option<Remark> {
    let (_, latest) = outputs.last_key_value()?;
    let looks = run.mode == Mode::Live
        && run.task.effort != Effort::Low
        && turn < MAX_TURNS
        && latest.role == Role::Worker
        && latest.finish == Finish::Stop
        && !run.has_spoken();
    // What is on record goes on as it is there.
    let on_record = run.past.turn(turn).map(|step| step.worker.as_str());
    let is_next = on_record.map_or(run.past.settled.is_none(), |who| who == fault::CHECK);
    if !(looks && is_next) {
        return None;
    }
    let answer = latest.text.text();
    // Nothing is computed of what is secret, since nobody would recognise what comes of it.
    let found = match run.task.format {
        Format::Text => fault::of(&run.task.format, &run.masked(&latest.text)),
        _ => fault::of(&run.task.format, answer),
    };
    if let Some(text) = found {
        let floor = latest.text.floor();
        return Some(Remark { text, floor });
    }
    let prover = run.parts.prover.as_ref();
    let prover = prover.filter(|_| run.task.format == Format::Text)?;
    let text = fault::of_code(&**prover, asked(&run.task.messages), answer).await?;
    // The code says what it likes of all that it was run with.
    let floor = latest.text.label().join(run.assignment.whole().label());
    Some(Remark { text, floor })
}

/// The turn of a check that reads the answer of step `author`.
fn check(author: Option<u8>, turn: u8) -> Result<Job, Failure> {
    let worker = WorkerId::try_new(fault::CHECK).map_err(|error| Failure::Fault {
        reason: error.to_string(),
    })?;
    let access = author.map_or(Access::TASK, |author| Access::TASK.with(author));
    Ok(job(turn, Role::Verifier, worker, access))
}

/// Whether the answer may be passed on as it is written, though it cannot be taken back: not where it must be JSON and its
/// worker is not bound to write that.
fn is_certain(run: &Run<'_>, worker: &WorkerId) -> bool {
    let is_json = matches!(run.task.format, Format::Json | Format::JsonSchema(_));
    let on_board = || run.worker(worker).is_ok_and(|w| w.place() == Place::Board);
    !is_json || run.task.effort == Effort::Low || on_board()
}

enum Next {
    /// A turn, and whether it is the last.
    Go(Job, bool),
    Stop(String),
}

/// The turn on record, or else the one that the route chooses.
async fn choose(
    run: &Run<'_>,
    turn: u8,
    features: &Features,
    outputs: &Outputs,
    suggested: Option<Role>,
) -> Result<Next, Failure> {
    let on_record = run.past.turn(turn);
    // A check that is on record without its words is made again, or is not one any more.
    let is_done = |step: &&PlannedStep| {
        step.worker.as_str() != fault::CHECK || run.past.output(turn).is_some()
    };
    if let Some(planned) = on_record.filter(is_done) {
        let access = planned.access.iter().copied().collect();
        let job = job(turn, planned.role, planned.worker.clone(), access);
        return Ok(Next::Go(job, run.past.is_settled_after(turn)));
    }
    let has_answer = outputs.values().any(|output| output.role == Role::Worker);
    match route(run, turn, run.task.effort, features, outputs, suggested).await {
        Turn::Stop { reason } if has_answer => Ok(Next::Stop(reason)),
        Turn::Stop { reason } => Err(Failure::NobodyMay { reason }),
        Turn::Go {
            role,
            worker,
            reason,
            candidates,
            last,
        } => {
            let role = match role {
                Role::Verifier if !has_answer => Role::Worker,
                role => role,
            };
            let last = last && role == Role::Worker;
            let mut job = job(turn, role, worker, access(role, outputs));
            job.streams = last && is_certain(run, &job.worker);
            let step = job.planned("");
            run.record(Event::Turn {
                turn,
                step,
                reason,
                candidates,
            })
            .await?;
            Ok(Next::Go(job, last))
        }
    }
}

fn job(turn: u8, role: Role, worker: WorkerId, access: Access) -> Job {
    Job {
        number: turn,
        role,
        worker,
        instruction: None,
        access,
        answers: role == Role::Worker,
        streams: false,
    }
}

/// All read the task; a thinker also the notes; a verifier the latest answer; a worker the notes, the latest answer and the
/// latest remarks.
fn access(role: Role, outputs: &Outputs) -> Access {
    let all = |wanted: Role| {
        let all = outputs
            .iter()
            .filter(move |(_, output)| output.role == wanted);
        all.map(|(&number, _)| number)
    };
    let notes = all(Role::Thinker);
    let latest = |wanted| all(wanted).next_back();
    let (answer, remarks) = (latest(Role::Worker), latest(Role::Verifier));
    match role {
        Role::Thinker => notes.fold(Access::TASK, Access::with),
        Role::Verifier => answer.into_iter().fold(Access::TASK, Access::with),
        Role::Worker => notes
            .chain(answer)
            .chain(remarks)
            .fold(Access::TASK, Access::with),
    }
}

async fn settle(run: &Run<'_>, outputs: Outputs, reason: String) -> Result<(u8, Outputs), Failure> {
    let mut backwards = outputs.iter().rev();
    let answer = backwards.find(|(_, output)| output.role == Role::Worker);
    let Some((&step, _)) = answer else {
        return Err(Failure::NobodyMay {
            reason: "the turns ended without an answer".into(),
        });
    };
    if run.past.settled.is_none() {
        run.record(Event::Settled { step, reason }).await?;
    }
    Ok((step, outputs))
}

#[cfg(test)]
mod suggested;
#[cfg(test)]
mod tests;
