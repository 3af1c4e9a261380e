//! What is said of tasks over MQTT, in the types of the wire.

use shoal_conductor::{label::Label, task, task::Answer};
use shoal_wire::{Name, State, TaskResult, Usage};

/// A state, as a message has it.
pub const fn state(state: task::State) -> State {
    match state {
        task::State::Accepted => State::Accepted,
        task::State::Planning => State::Planning,
        task::State::WaitingApproval => State::WaitingApproval,
        task::State::Running => State::Running,
        task::State::Done => State::Done,
        task::State::Failed => State::Failed,
        task::State::Cancelled => State::Cancelled,
    }
}

const fn label(label: Label) -> shoal_wire::Label {
    match label {
        Label::Public => shoal_wire::Label::Public,
        Label::Internal => shoal_wire::Label::Internal,
        Label::Confidential => shoal_wire::Label::Confidential,
        Label::Restricted => shoal_wire::Label::Restricted,
    }
}

/// How a task ended: with an answer, or in a state for a reason. `declared` labels what has no answer.
pub fn result<'a>(
    id: &Name,
    trace: &Name,
    declared: Label,
    end: Result<&'a Answer, (task::State, &'a str)>,
) -> TaskResult<&'a str> {
    let answer = end.ok();
    let without = end.err();
    TaskResult {
        id: id.clone(),
        state: without.map_or(State::Done, |(ended, _)| state(ended)),
        answer: answer.map(|answer| answer.text.as_str()),
        error: without.map(|(_, reason)| reason),
        label: label(answer.map_or(declared, |answer| answer.label)),
        trace: trace.clone(),
        cost_usd: answer.map_or(0.0, |answer| dollars(answer.cost.0)),
        usage: answer.map(|answer| Usage {
            prompt_tokens: answer.usage.input.0,
            completion_tokens: answer.usage.output.0,
            orchestration_input_tokens: answer.orchestration.input.0,
            orchestration_output_tokens: answer.orchestration.output.0,
        }),
        took_ms: answer.map(|answer| answer.took.0),
        board: None,
        epoch: None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to nine thousand million dollars"
)]
fn dollars(micro: u64) -> f64 {
    micro as f64 / 1e6
}
