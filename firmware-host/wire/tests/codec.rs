//! What one side writes, the other reads: a device without heap and the appliance with serde_json.

use proptest::prelude::*;
use shoal_wire::{
    Choice, Clip, Decision, Label, Name, Nonce, Question, Reach, ResultHead, Signature, State,
    StateMessage, TaskRequest, TaskResult, Telemetry,
    codec::{CodecError, from_cbor, from_json, is_cbor, to_cbor, to_json},
};

type Sent<'a> = TaskRequest<&'a str>;
type Read = TaskRequest<String, Vec<String>, Vec<serde_json::Value>, serde_json::Value>;

#[expect(clippy::unwrap_used, reason = "only tests call it")]
fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

proptest! {
    #[test]
    fn a_task_is_the_same_for_the_appliance_in_json_and_in_cbor(prompt in ".{0,80}", tokens in 1..70_000u32) {
        let id = name("t-1");
        let sent: Sent<'_> = TaskRequest {
            max_tokens: Some(tokens),
            temperature: Some(0.25),
            ..TaskRequest::new(prompt.as_str()).named(&id).labelled(Label::Internal)
        };
        let mut buffer = [0; 1024];
        let json = to_json(&sent, &mut buffer).unwrap();
        prop_assert!(!is_cbor(json));
        let read: Read = serde_json::from_slice(json).unwrap();
        prop_assert_eq!(read.prompt.as_deref(), Some(prompt.as_str()));
        prop_assert_eq!((read.max_tokens, read.temperature), (Some(tokens), Some(0.25)));
        let mut buffer = [0; 1024];
        let cbor = to_cbor(&sent, &mut buffer).unwrap();
        prop_assert!(is_cbor(cbor));
        let again: Read = from_cbor(cbor).unwrap();
        prop_assert_eq!(again, read);
    }

    #[test]
    fn a_device_reads_whatever_the_appliance_writes_and_keeps_what_it_has_room_for(answer in ".{0,80}") {
        let result = TaskResult {
            id: name("t1"),
            state: State::Done,
            answer: Some(answer.as_str()),
            error: None,
            label: Label::Confidential,
            trace: name("t1"),
            cost_usd: 0.001_25,
            usage: None,
            took_ms: Some(12),
            board: None,
            epoch: None,
        };
        let text = serde_json::to_vec(&result).unwrap();
        let mut scratch = [0; 512];
        let read: TaskResult<Clip<32>> = from_json(&text, &mut scratch).unwrap();
        let kept = read.answer.unwrap();
        prop_assert!(answer.starts_with(kept.as_str()));
        prop_assert_eq!(kept.is_whole(), answer.len() <= 32);
        prop_assert_eq!((read.state, read.label), (State::Done, Label::Confidential));
    }

    #[test]
    fn hostile_bytes_are_an_error_and_never_a_crash(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut scratch = [0; 64];
        let _: Result<TaskResult<Clip<8>>, _> = from_json(&bytes, &mut scratch);
        let _: Result<Question, _> = from_json(&bytes, &mut scratch);
        let _: Result<Decision, _> = from_cbor(&bytes);
        let _: Result<Read, _> = from_cbor(&bytes);
    }
}

#[test]
fn a_head_is_read_without_room_for_the_answer() {
    let long = "\\n x".repeat(10_000);
    let text = format!(
        r#"{{"id":"t1","state":"failed","answer":"{long}","cost_usd":0.001,"more":[1,{{"a":null}}]}}"#
    );
    let head: ResultHead = from_json(text.as_bytes(), &mut []).unwrap();
    assert_eq!((head.id.as_str(), head.state), ("t1", State::Failed));
    // Skipping what stands so deep would take more stack than a device has.
    let deep = format!(
        r#"{{"id":"t1","state":"done","more":{}"#,
        "[".repeat(1_000_000)
    );
    assert_eq!(
        from_json::<ResultHead>(deep.as_bytes(), &mut []),
        Err(CodecError::Form)
    );
}

#[test]
fn cbor_that_is_deep_or_tagged_is_refused_before_it_takes_the_stack() {
    for nest in [0x81, 0x9f, 0xc1, 0xbf] {
        let mut deep = b"\xa1\x64more".to_vec();
        deep.resize(1_000_000, nest);
        assert_eq!(from_cbor::<ResultHead>(&deep), Err(CodecError::Form));
    }
    // As deep as may be, and wide.
    let mut fine = b"\xa3\x62id\x62t1\x65state\x64done\x64more\x82\x81\x81\x01\x9f".to_vec();
    fine.resize(fine.len() + 2000, 0x18);
    fine.push(0xff);
    let head: ResultHead = from_cbor(&fine).unwrap();
    assert_eq!((head.id.as_str(), head.state), ("t1", State::Done));
}

#[test]
fn a_buffer_that_is_too_small_is_said_to_be() {
    let sent: Sent<'_> = TaskRequest::new("vibration 7.1 mm/s: stop?");
    assert_eq!(to_json(&sent, &mut [0; 20]), Err(CodecError::Full));
    assert_eq!(to_cbor(&sent, &mut [0; 20]), Err(CodecError::Full));
}

#[test]
fn states_telemetry_and_decisions_come_back_as_they_went() {
    let state = StateMessage {
        id: name("t1"),
        state: State::WaitingApproval,
        at: 1_790_000_000_000,
    };
    let telemetry = Telemetry {
        at: 1_790_000_000_000,
        temperature_c: Some(61.5),
        memory_available_percent: 40.0,
        tasks_open: 3,
        ..Telemetry::default()
    };
    let decision = Decision {
        approver: name("ada"),
        decision: Choice::Deny,
        r#for: Reach::Rule,
        nonce: Nonce::of([1; 16]),
        expires_at: 1_790_000_000_000,
        signature: Signature([0xab; 64]),
    };
    let mut buffer = [0; 512];
    let mut scratch = [0; 256];
    let bytes = to_json(&state, &mut buffer).unwrap();
    assert_eq!(from_json::<StateMessage>(bytes, &mut scratch), Ok(state));
    let bytes = to_cbor(&telemetry, &mut buffer).unwrap();
    assert_eq!(from_cbor::<Telemetry>(bytes), Ok(telemetry));
    let bytes = to_cbor(&decision, &mut buffer).unwrap();
    assert_eq!(from_cbor::<Decision>(bytes), Ok(decision.clone()));
    let bytes = to_json(&decision, &mut buffer).unwrap();
    assert_eq!(serde_json::from_slice::<Decision>(bytes).unwrap(), decision);
}
