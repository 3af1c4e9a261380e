use serde_json::json;

use super::*;

fn chat(body: Value) -> Result<Wish, ApiError> {
    serde_json::from_value::<ChatRequest>(body).unwrap().wish()
}

fn with(key: &str, value: Value) -> Value {
    let mut body = json!({"model": "local", "messages": [{"role": "user", "content": "hi"}]});
    body[key] = value;
    body
}

#[test]
fn all_that_openai_clients_may_say_becomes_a_wish() {
    let wish = chat(json!({
        "model": "shoal-mini", "stream": true, "stream_options": {"include_usage": true},
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null},
        ],
        "max_tokens": 9, "max_completion_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": -1,
        "stop": ["x", "y"], "response_format": {"type": "json_object"}, "reasoning_effort": "xhigh",
        "metadata": {"label": "internal"}, "user": "u", "frequency_penalty": 1, "store": false,
    }))
    .unwrap();
    assert_eq!(wish.target, Target::Mini);
    assert_eq!(wish.stream, Some(Streamed { usage: true }));
    assert_eq!(
        wish.messages,
        [
            Message::new(Speaker::System, "be brief"),
            Message::new(Speaker::User, "ab"),
            Message::new(Speaker::Assistant, ""),
        ]
    );
    assert_eq!(wish.sampling.max_tokens, 7);
    assert_eq!(wish.sampling.seed, Some(u32::MAX));
    assert_eq!(wish.sampling.stop, ["x", "y"]);
    assert_eq!((wish.format, wish.effort), (Format::Json, Effort::High));
    assert_eq!(wish.label, Label::Internal);
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let image =
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]);
    let errors: Vec<String> = [
        with("tools", json!([{}])),
        with("n", json!(2)),
        with("messages", json!([])),
        with("messages", image),
        with("messages", json!([{"role": "robot", "content": "x"}])),
        with("messages", json!([{"role": "tool", "content": "x"}])),
        with("temperature", json!(3)),
        with("top_p", json!(0)),
        with("max_tokens", json!(0)),
        with("stop", json!(["1", "2", "3", "4", "5"])),
        with("stop", json!("")),
        with("reasoning_effort", json!("extreme")),
        with(
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "n"}}),
        ),
        with("metadata", json!({"label": "secret"})),
        with("model", json!("no such/model")),
        with("model", Value::Null),
    ]
    .into_iter()
    .map(|body| {
        let detail = chat(body).unwrap_err().body().error;
        format!(
            "{} [{}] {}",
            detail.code.unwrap_or_default(),
            detail.param.unwrap_or_default(),
            detail.message
        )
    })
    .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

#[test]
fn a_task_has_a_prompt_or_messages_and_no_unknown_key() {
    let task = |body: Value| serde_json::from_value::<TaskRequest>(body);
    let wish = task(json!({"id": "t1", "prompt": "hi", "label": "restricted"}))
        .unwrap()
        .wish()
        .unwrap();
    assert_eq!(wish.messages, [Message::new(Speaker::User, "hi")]);
    assert_eq!((wish.target, wish.label), (Target::Mini, Label::Restricted));
    assert!(task(json!({"prompt": "a", "promt": "b"})).is_err());
    assert!(
        task(json!({"prompt": "a", "messages": []}))
            .unwrap()
            .wish()
            .is_err()
    );
    assert!(task(json!({})).unwrap().wish().is_err());
}
