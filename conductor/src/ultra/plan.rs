//! From the backbone's words, or from the trace, to a checked workflow.

use std::time::Instant;

use super::planner::{self, Proposal};
use crate::{
    id::WorkerId,
    label::Label,
    mini,
    route::Turn,
    run::{Outputs, Run},
    task::{Effort, Failure, Target},
    trace::{Event, PlannedStep},
    worker::{Place, Usage},
    workflow::{DraftStep, Role, Step, Workflow},
};

/// A workflow that is ready to run.
#[derive(Debug)]
pub(super) struct Planned {
    pub workflow: Workflow,
    /// The label of what its author read, apart from what redaction took away.
    pub floor: Label,
    /// It is one step that the route chose.
    pub fallback: bool,
    /// How many steps came before.
    pub base: u8,
}

/// The plan of the first round: from the trace, from the backbone, or else one step.
pub(super) async fn first(run: &Run<'_>) -> Result<Planned, Failure> {
    if let Some(planned) = on_record(run, 1, 0, run.floor())? {
        return Ok(planned);
    }
    let began = Instant::now();
    let (proposal, usage) = planner::first(run).await?;
    let planned = match proposal {
        Proposal::Steps(workflow) => Planned {
            workflow,
            floor: run.floor(),
            fallback: false,
            base: 0,
        },
        Proposal::Enough => return Err(invalid("the planner planned nothing")),
        Proposal::None(reason) => return one_step(run, reason, usage, began).await,
    };
    let reason = "the backbone wrote this workflow".to_owned();
    record(run, &planned, 1, reason, None, usage, began).await?;
    Ok(planned)
}

/// A revision, if the backbone wants one. Whatever is wrong with it, the first answer stands.
pub(super) async fn second(
    run: &Run<'_>,
    first: &Planned,
    outputs: &Outputs,
    answer: u8,
) -> Result<Option<Planned>, Failure> {
    let base = u8::try_from(outputs.len()).unwrap_or(u8::MAX);
    let Some(answer) = outputs.get(&answer) else {
        return Ok(None);
    };
    let floor = run.floor().join(answer.text.floor());
    if let Some(planned) = on_record(run, 2, base, floor)? {
        return Ok(Some(planned));
    }
    if run.past.settled.is_some() {
        return Ok(None);
    }
    let began = Instant::now();
    let (proposal, usage) =
        planner::second(run, &answer.text, revisers(run, first, outputs)).await?;
    let note = match proposal {
        Proposal::Steps(workflow) => {
            let planned = Planned {
                workflow,
                floor,
                fallback: false,
                base,
            };
            let reason = "the backbone saw the answer and revised the workflow".to_owned();
            record(run, &planned, 2, reason, None, usage, began).await?;
            return Ok(Some(planned));
        }
        Proposal::Enough => "the backbone saw the answer and is content".to_owned(),
        Proposal::None(reason) => format!("no revision: {reason}"),
    };
    run.record(Event::Note { text: note }).await?;
    Ok(None)
}

/// Who may be named in a revision: a remote worker's reply cannot bring another one in.
fn revisers(run: &Run<'_>, first: &Planned, outputs: &Outputs) -> Vec<WorkerId> {
    let is_remote = |id: &WorkerId| run.worker(id).is_ok_and(|w| w.place() == Place::Remote);
    let remote_spoke = outputs.values().any(|output| is_remote(&output.worker));
    let named = |id: &WorkerId| {
        let steps = first.workflow.steps();
        steps.iter().any(|step| step.worker == *id)
    };
    let mut pool = run.pool_ids();
    pool.retain(|id| !remote_spoke || !is_remote(id) || named(id));
    pool
}

/// One step by the worker that the route would choose for the task as a whole.
async fn one_step(
    run: &Run<'_>,
    why: String,
    usage: Usage,
    began: Instant,
) -> Result<Planned, Failure> {
    let effort = run.task.effort.min(Effort::Medium);
    let features = mini::features(run);
    let (worker, reason) = match mini::route(run, 1, effort, &features, &Outputs::new(), None).await
    {
        Turn::Go { worker, reason, .. } => (worker, reason),
        Turn::Stop { reason } => return Err(Failure::NobodyMay { reason }),
    };
    let draft = DraftStep {
        role: Role::Worker,
        worker: worker.to_string(),
        instruction: "Do the whole task.".to_owned(),
        access: vec![0],
    };
    let planned = Planned {
        workflow: Workflow::try_new(&[draft], &run.pool_ids())
            .map_err(|error| invalid(&error.to_string()))?,
        floor: run.floor(),
        fallback: true,
        base: 0,
    };
    record(run, &planned, 1, reason, Some(why), usage, began).await?;
    Ok(planned)
}

async fn record(
    run: &Run<'_>,
    planned: &Planned,
    round: u8,
    reason: String,
    fallback: Option<String>,
    usage: Usage,
    began: Instant,
) -> Result<(), Failure> {
    run.spend(usage, crate::unit::MicroDollars(0));
    let steps = planned.workflow.steps().iter().enumerate();
    run.record(Event::Planned {
        by: Target::Ultra,
        round,
        steps: steps
            .map(|(index, step)| shown(step, index, planned.base))
            .collect(),
        reason,
        fallback,
        usage,
        took: began.elapsed().into(),
    })
    .await
}

fn shown(step: &Step, index: usize, base: u8) -> PlannedStep {
    PlannedStep {
        step: base + u8::try_from(index + 1).unwrap_or(u8::MAX),
        role: step.role,
        worker: step.worker.clone(),
        instruction: step.instruction.clone(),
        access: step.access.after(base).iter().collect(),
    }
}

/// The plan that the trace holds for a round, if it holds one.
fn on_record(run: &Run<'_>, round: u8, base: u8, floor: Label) -> Result<Option<Planned>, Failure> {
    let Some(past) = run.past.plan(round) else {
        return Ok(None);
    };
    let drafts: Vec<DraftStep> = past
        .steps
        .iter()
        .map(|step| DraftStep {
            role: step.role,
            worker: step.worker.to_string(),
            instruction: step.instruction.clone(),
            access: step
                .access
                .iter()
                .map(|&source| source.saturating_sub(base))
                .collect(),
        })
        .collect();
    let workflow = Workflow::try_new(&drafts, &run.pool_ids())
        .map_err(|error| invalid(&format!("the plan on record no longer holds: {error}")))?;
    Ok(Some(Planned {
        workflow,
        floor,
        fallback: past.fallback,
        base,
    }))
}

fn invalid(reason: &str) -> Failure {
    Failure::Invalid {
        reason: reason.to_owned(),
    }
}
