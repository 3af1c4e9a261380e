//! What is a task, and what is not.

use super::*;

fn frame() -> Frame<'static> {
    Frame {
        floor: Label::Internal,
        topic: "shoal/v1/a/b/tasks",
        fallback: TaskId::try_new("fresh").unwrap(),
    }
}

fn read_text(text: &str) -> Result<Task, BadRequest> {
    read(text.as_bytes(), frame())
}

#[test]
fn plain_text_and_json_are_tasks_with_the_label_of_the_way_in() {
    let plain = read_text("why does press 3 stop?").unwrap();
    assert_eq!(plain.messages[0].content, "why does press 3 stop?");
    assert_eq!((plain.id.as_str(), plain.label), ("fresh", Label::Internal));
    let json = read_text(r#"{"id":"t1","prompt":"x","label":"public","model":"shoal-ultra"}"#);
    let json = json.unwrap();
    assert_eq!((json.id.as_str(), json.label), ("t1", Label::Internal));
    assert_eq!(json.target, Target::Ultra);
    let high = read_text(r#"{"prompt":"x","label":"restricted"}"#).unwrap();
    assert_eq!(high.label, Label::Restricted);
}

#[test]
fn each_fault_is_named() {
    for (text, part) in [
        ("{\"prompt\":", "no task"),
        (
            "{\"prompt\":\"x\",\"promt\":\"y\"}",
            "unknown field `promt`",
        ),
        (
            "{\"prompt\":\"x\",\"label\":\"secret\"}",
            "\"label\": use public",
        ),
        ("{\"prompt\":\"x\",\"id\":\"a/b\"}", "\"id\""),
        ("{\"prompt\":\"x\",\"max_tokens\":0}", "\"max_tokens\""),
        ("{\"prompt\":\"x\",\"temperature\":9}", "\"temperature\""),
        (
            r#"{"prompt":"x","workers":[]}"#,
            "\"workers\": names nobody",
        ),
        (
            r#"{"prompt":"x","max_label":"secret"}"#,
            "\"max_label\": use public",
        ),
        (
            r#"{"prompt":"x","max_label":"public"}"#,
            "\"max_label\": is public, below the task's own label internal",
        ),
        (
            r#"{"prompt":"x","max_cost_usd":-1}"#,
            "\"max_cost_usd\": is no amount",
        ),
        (r#"{"prompt":"x","max_remote_calls":-1}"#, "expected u32"),
        ("{\"prompt\":\"x\",\"messages\":[]}", "either"),
        ("{}", "either"),
        (" \n", "either"),
    ] {
        let error = read_text(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert_eq!(read(&[0xff, 0xfe], frame()), Err(BadRequest::NotText));
    let large = "x".repeat(MAX_TASK + 1);
    assert_eq!(read_text(&large), Err(BadRequest::TooLarge(MAX_TASK + 1)));
}

#[test]
fn no_value_of_the_sender_is_in_an_error() {
    for text in [
        r#"{"messages":"my password is hunter22"}"#,
        r#"{"messages":"hunter22, expected x at line 9 column 9"}"#,
        r#"{"prompt":"x","reasoning_effort":"hunter22"}"#,
        r#"{"prompt":"x","my password is hunter22":1}"#,
        r#"{"prompt":"x","max_tokens":"hunter22"}"#,
        r#"{"prompt":"x","label":"hunter22"}"#,
        r#"{"prompt":"x","model":"hunter22/"}"#,
        r#"{"prompt":"x","messages":"#,
    ] {
        let error = read_text(text).unwrap_err();
        for said in [error.to_string(), error.kind()] {
            assert!(!said.contains("hunter22"), "{text}: {said}");
        }
    }
    let error = read_text(r#"{"messages":"my password is hunter22"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the JSON object is no task: invalid type, expected a sequence at line 1, column 37"
    );
    assert_eq!(error.kind(), "no task at line 1, column 37");
}

#[test]
fn what_a_small_device_sends_is_a_task_in_json_and_in_cbor() {
    let id = shoal_wire::Name::try_new("t9").unwrap();
    let sent: TaskRequest<&str> = TaskRequest {
        max_tokens: Some(32),
        max_label: Some("confidential"),
        max_cost_usd: Some(0.05),
        max_remote_tokens: Some(2000),
        max_remote_calls: Some(1),
        ..TaskRequest::new("vibration 7.1 mm/s: stop?")
            .named(&id)
            .labelled(shoal_wire::Label::Internal)
    };
    let mut buffer = [0; 256];
    for cbor in [false, true] {
        let payload = match cbor {
            true => codec::to_cbor(&sent, &mut buffer).unwrap(),
            false => codec::to_json(&sent, &mut buffer).unwrap(),
        };
        assert_eq!(id_of(payload).unwrap().as_str(), "t9");
        let task = read(payload, frame()).unwrap();
        assert_eq!((task.id.as_str(), task.sampling.max_tokens), ("t9", 32));
        assert_eq!(task.messages[0].content, "vibration 7.1 mm/s: stop?");
        assert_eq!(
            task.limits.to_string(),
            "max_label confidential, max_cost_usd $0.050000, max_remote_tokens 2000, max_remote_calls 1"
        );
    }
}

#[test]
fn cbor_that_is_no_task_is_refused_however_deep_it_is() {
    let mut deep = b"\xa1\x6bjson_schema".to_vec();
    deep.resize(1_000_000, 0x81);
    let mut messages = b"\xa1\x68messages".to_vec();
    messages.resize(1_000_000, 0x81);
    for payload in [deep, messages, vec![0xbf; 1000], vec![0xa1, 0x01]] {
        assert_eq!(read(&payload, frame()), Err(BadRequest::NotCbor));
    }
}
