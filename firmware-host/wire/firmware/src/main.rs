//! A vibration sensor that asks an appliance what to do, shows what it answers, and lets a person with the key to the
//! cabinet decide what may leave the plant. Copy what stands between the lines into your firmware; your MQTT client and
//! your sensor take the place of `Plant`.
//!
//! `cargo xtask wire` compiles it for a Cortex-M4 and says what it takes.

#![cfg_attr(target_os = "none", no_std, no_main)]

// ----------------------------------------------------------------------------------------------------------------------
use shoal_wire::{
    Clip, Label, Name, ResultHead, Root, State, TaskRequest, TaskResult,
    codec::{CodecError, from_json, to_json},
};

/// What the device brings: an MQTT client, and a display.
pub trait Plant {
    /// Publishes at QoS 1.
    fn publish(&mut self, topic: &str, payload: &[u8]);
    /// Shows a line to whoever stands there.
    fn show(&mut self, line: &str);
}

/// Asks about a reading. The number names the task, so that it is the same one if the message is sent again.
pub fn ask(
    plant: &mut impl Plant,
    root: &Root,
    number: &str,
    reading: &str,
) -> Result<(), CodecError> {
    let id = Name::try_new(number).map_err(|_| CodecError::Form)?;
    let task = TaskRequest {
        max_tokens: Some(64),
        ..TaskRequest::new(reading)
            .named(&id)
            .labelled(Label::Internal)
    };
    let task: TaskRequest<&str> = task;
    let mut buffer = [0; 256];
    let payload = to_json(&task, &mut buffer)?;
    plant.publish(&root.tasks(), payload);
    Ok(())
}

/// Takes what came on `tasks/+/result`. An answer that is longer than the memory for it is shown as far as it goes.
pub fn answered(plant: &mut impl Plant, payload: &[u8]) -> Result<(), CodecError> {
    let mut scratch = [0; 512];
    match from_json::<TaskResult<Clip<128>>>(payload, &mut scratch) {
        Ok(result) => match (result.answer, result.error) {
            (Some(answer), _) => plant.show(answer.as_str()),
            (None, Some(error)) => plant.show(error.as_str()),
            (None, None) => plant.show("no answer"),
        },
        Err(_) => {
            let head: ResultHead = from_json(payload, &mut [])?;
            let done = head.state == State::Done;
            plant.show(if done {
                "answered: too long to show"
            } else {
                "not answered"
            });
        }
    }
    Ok(())
}

/// Takes what came on `approvals/+`, when the key is turned: approves it once. The random bytes must come from a true
/// source, the time from your clock, the secret from where nobody can read it.
#[cfg(feature = "sign")]
pub fn approve(
    plant: &mut impl Plant,
    root: &Root,
    payload: &[u8],
    random: [u8; 16],
    now_ms: u64,
    secret: &[u8; 32],
) -> Result<(), CodecError> {
    use shoal_wire::{Choice, Draft, Nonce, Question, Reach};

    let question: Question = from_json(payload, &mut [])?;
    let draft = Draft {
        approver: Name::try_new("cabinet-3").map_err(|_| CodecError::Form)?,
        decision: Choice::Approve,
        reach: Reach::Once,
        nonce: Nonce::of(random),
        expires_at: now_ms + 60_000,
    };
    let decision = draft
        .sign(root, &question, secret)
        .ok_or(CodecError::Form)?;
    let mut buffer = [0; 512];
    let payload = to_json(&decision, &mut buffer)?;
    plant.publish(&root.decision(&question.id), payload);
    Ok(())
}
// ----------------------------------------------------------------------------------------------------------------------

/// Sends nowhere; what a test of this program needs.
struct Bench {
    bytes: usize,
}

impl Plant for Bench {
    fn publish(&mut self, topic: &str, payload: &[u8]) {
        self.bytes += core::hint::black_box((topic, payload)).1.len();
    }

    fn show(&mut self, line: &str) {
        self.bytes += core::hint::black_box(line).len();
    }
}

fn device() -> Result<usize, CodecError> {
    let mut bench = Bench { bytes: 0 };
    let root = Root::try_new("plant", "line3").map_err(|_| CodecError::Form)?;
    ask(
        &mut bench,
        &root,
        "v-0017",
        "vibration 7.1 mm/s at 1480 rpm: stop?",
    )?;
    let result = br#"{"id":"v-0017","state":"done","answer":"Stop at the next change of shift.\n","label":"internal","trace":"v-0017","cost_usd":0.0}"#;
    answered(&mut bench, core::hint::black_box(result))?;
    #[cfg(feature = "sign")]
    {
        let question = br#"{"id":"a1","task":"v-0017","step":1,"worker":"cloud","rule":"","label":"confidential","expires_at":1790000000000,"shown":[],"digest":"d1","people":1}"#;
        let question = core::hint::black_box(question);
        approve(
            &mut bench,
            &root,
            question,
            [7; 16],
            1_789_999_000_000,
            &[9; 32],
        )?;
    }
    Ok(bench.bytes)
}

#[cfg(target_os = "none")]
mod start {
    use panic_halt as _;

    #[cortex_m_rt::entry]
    fn main() -> ! {
        loop {
            core::hint::black_box(super::device().is_ok());
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() {
    // Nothing is connected here; that it runs is all there is to see.
    core::hint::black_box(device().map_or(0, |bytes| bytes));
}
