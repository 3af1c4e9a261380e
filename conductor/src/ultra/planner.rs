//! The backbone at work: what it is told, the schema that its words must follow, and what it may get wrong.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    id::WorkerId,
    prompt::{Format, Message, Prompt, Sampling, Speaker},
    run::Run,
    task::Failure,
    text::Labelled,
    worker::{Backbone, Call, Place, Usage},
    workflow::{DraftStep, MAX_STEPS, Workflow},
};

/// What came of asking.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub(super) enum Proposal {
    /// A checked workflow.
    Steps(Workflow),
    /// The answer is good as it is.
    Enough,
    /// Nothing usable, and why.
    None(String),
}

/// The longest instruction that the planner may write, in characters.
const INSTRUCTION: usize = 400;

/// The most tokens of one plan.
const PLAN_TOKENS: u32 = 700;

/// What a plan is asked for.
struct Asked {
    /// Who may be named in it.
    pool: Vec<WorkerId>,
    /// There is an answer already.
    revising: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    enough: bool,
    #[serde(default)]
    steps: Vec<DraftStep>,
}

/// Asks for a workflow; once more, with the error, if the first is invalid.
pub(super) async fn first(run: &Run<'_>) -> Result<(Proposal, Usage), Failure> {
    let backbone = match strong_enough(run) {
        Ok(backbone) => backbone,
        Err(reason) => return Ok((Proposal::None(reason), Usage::default())),
    };
    let asked = run.masked(&run.assignment.whole());
    let messages = vec![
        Message::new(Speaker::System, told(run)),
        Message::new(Speaker::User, format!("The task:\n{asked}")),
    ];
    let task = Asked {
        pool: run.pool_ids(),
        revising: false,
    };
    ask(run, backbone, messages, &task).await
}

/// Shows the answer and asks for a better workflow, if one is needed.
pub(super) async fn second(
    run: &Run<'_>,
    answer: &Labelled,
    pool: Vec<WorkerId>,
) -> Result<(Proposal, Usage), Failure> {
    let backbone = match strong_enough(run) {
        Ok(backbone) => backbone,
        Err(reason) => return Ok((Proposal::None(reason), Usage::default())),
    };
    let asked = run.masked(&run.assignment.whole());
    let so_far = run.masked(answer);
    let messages = vec![
        Message::new(Speaker::System, told(run)),
        Message::new(
            Speaker::User,
            format!(
                "The task:\n{asked}\n\nThe answer so far:\n{so_far}\n\nIf it is right and complete, set \"enough\" to \
                 true and give no steps. Otherwise give the steps that make it so; 0 now means the task and this answer."
            ),
        ),
    ];
    let task = Asked {
        pool,
        revising: true,
    };
    ask(run, backbone, messages, &task).await
}

fn strong_enough<'a>(run: &'a Run<'_>) -> Result<&'a dyn Backbone, String> {
    let Some(backbone) = run.parts.backbone.as_deref() else {
        return Err("there is no backbone on this board".to_owned());
    };
    let least = run.parts.ultra_min_parameters;
    if backbone.parameters() < least {
        return Err(format!(
            "the backbone {} has {} million weights and planning needs {} million",
            backbone.name(),
            backbone.parameters() / 1_000_000,
            least / 1_000_000
        ));
    }
    Ok(backbone)
}

async fn ask(
    run: &Run<'_>,
    backbone: &dyn Backbone,
    mut messages: Vec<Message>,
    asked: &Asked,
) -> Result<(Proposal, Usage), Failure> {
    let mut usage = Usage::default();
    let mut why = String::new();
    for _ in 0..2 {
        let prompt = Prompt {
            messages: messages.clone(),
            fixed: 1,
            format: Format::JsonSchema(schema(asked)),
            sampling: Sampling {
                max_tokens: PLAN_TOKENS,
                ..Sampling::default()
            },
        };
        let call = Call {
            stream: None,
            cancel: run.halt.child_token(),
            task: Some(run.task.id.clone()),
        };
        let limit = run.time_left()?;
        let reply = match tokio::time::timeout(limit, backbone.complete(prompt, call)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(crate::worker::WorkerError::Cancelled)) => return Err(Failure::Cancelled),
            Ok(Err(error)) => return Ok((Proposal::None(error.to_string()), usage)),
            Err(_) => {
                let reason = format!("the backbone wrote no plan within {} s", limit.as_secs());
                return Ok((Proposal::None(reason), usage));
            }
        };
        usage = usage + reply.usage;
        match read(run, &reply.text, asked) {
            Ok(proposal) => return Ok((proposal, usage)),
            Err(error) => {
                messages.push(Message::new(Speaker::Assistant, reply.text));
                messages.push(Message::new(
                    Speaker::User,
                    format!("That plan cannot be used: {error}. Write it again."),
                ));
                why = error;
            }
        }
    }
    let reason = format!("the backbone's plan was invalid, and after one retry still: {why}");
    Ok((Proposal::None(reason), usage))
}

fn read(run: &Run<'_>, text: &str, asked: &Asked) -> Result<Proposal, String> {
    let mut written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for step in &mut written.steps {
        step.instruction = run.told(&step.instruction);
    }
    if written.enough {
        return Ok(Proposal::Enough);
    }
    Workflow::try_new(&written.steps, &asked.pool)
        .map(Proposal::Steps)
        .map_err(|error| error.to_string())
}

/// The same for every task of a policy, so that its prefix can stay in a cache.
fn told(run: &Run<'_>) -> String {
    let mut text = format!(
        "You plan how several models work on one task. Write a workflow of 1 to {MAX_STEPS} steps as JSON. Each step has \
         a role (thinker: studies the task; worker: does it; verifier: checks an earlier step), a worker from the list \
         below, a short instruction, and access: the numbers of what it reads, where 0 is the task and 1, 2, 3 are \
         earlier steps. The last worker step gives the answer. Use as few steps as the task needs. Words such as \
         [EMAIL_1] are placeholders; use them as they are.\n\nWorkers:\n"
    );
    for worker in run.pool() {
        let known = run.known(worker.id());
        let place = match worker.place() {
            Place::Board => "on the board",
            Place::Remote => "remote",
        };
        let skills = if known.skills.is_empty() {
            "general".to_owned()
        } else {
            known.skills.join(", ")
        };
        text.push_str(&format!(
            "- {}: {place}, strength {} of 100, good at {skills}, may read up to {}\n",
            worker.id(),
            known.strength,
            known.clearance,
        ));
    }
    text
}

fn schema(asked: &Asked) -> Value {
    let workers: Vec<&str> = asked.pool.iter().map(WorkerId::as_str).collect();
    let step = json!({
        "type": "object",
        "properties": {
            "role": {"enum": ["thinker", "worker", "verifier"]},
            "worker": {"enum": workers},
            "instruction": {"type": "string", "minLength": 1, "maxLength": INSTRUCTION},
            "access": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": MAX_STEPS - 1},
                "maxItems": MAX_STEPS,
            },
        },
        "required": ["role", "worker", "instruction", "access"],
        "additionalProperties": false,
    });
    let least = usize::from(!asked.revising);
    let steps = json!({"type": "array", "items": step, "minItems": least, "maxItems": MAX_STEPS});
    let (properties, required) = if asked.revising {
        (
            json!({"enough": {"type": "boolean"}, "steps": steps}),
            json!(["enough", "steps"]),
        )
    } else {
        (json!({"steps": steps}), json!(["steps"]))
    };
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
