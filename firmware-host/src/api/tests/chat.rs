use serde_json::json;

use super::*;

const CHAT: &str = "/v1/chat/completions";

fn body(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

fn streamed(model: &str, text: &str) -> Value {
    let mut body = body(model, text);
    body["stream"] = true.into();
    body["stream_options"] = json!({"include_usage": true});
    body
}

/// The events of a streamed answer.
fn events(answer: &Answer) -> Vec<&str> {
    answer
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect()
}

#[tokio::test]
async fn an_answer_has_the_form_that_clients_expect() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let answer = bench.post(&key, CHAT, &body("local", "hi")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let json = answer.json();
    let id = answer.header("x-shoal-trace");
    assert_eq!(json["id"], format!("chatcmpl-{id}"));
    assert_eq!(answer.header("x-request-id"), id);
    assert_eq!(json["choices"][0]["message"]["content"], "hello world");
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
    let usage = &json["usage"];
    assert_eq!(usage["prompt_tokens"], 12);
    assert_eq!(usage["completion_tokens"], 2);
    assert_eq!(usage["total_tokens"], 14);
    assert_eq!(
        usage["prompt_tokens_details"],
        json!({"cached_tokens": 3, "orchestration_input_tokens": 0})
    );
    assert_eq!(
        usage["completion_tokens_details"]["orchestration_output_tokens"],
        0
    );
    let trace = bench.get(&key, &format!("/api/traces/{id}")).await.json();
    assert_eq!(trace["task"]["state"], "done");
    assert_eq!(trace["entries"][0]["event"]["event"], "labelled");
}

#[tokio::test]
async fn a_streamed_answer_begins_with_its_role_and_ends_with_usage() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let answer = bench.post(&key, CHAT, &streamed("local", "hi")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let mut events = events(&answer);
    assert_eq!(events.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = events
        .iter()
        .map(|e| serde_json::from_str(e).unwrap())
        .collect();
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "hello world");
    let last = &chunks[chunks.len() - 1];
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["total_tokens"], 14);
    assert_eq!(
        chunks[chunks.len() - 2]["choices"][0]["finish_reason"],
        "stop"
    );
}

#[tokio::test]
async fn errors_have_the_status_and_code_that_clients_turn_into_types() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let mut tools = body("local", "hi");
    tools["tools"] = json!([{"type": "function"}]);
    let cases = [
        (body("gpt-none", "hi"), 404, "model_not_found"),
        (body("local", "too long"), 400, "context_length_exceeded"),
        (
            streamed("local", "too long"),
            400,
            "context_length_exceeded",
        ),
        (body("local", "break"), 502, "workers_failed"),
        (tools, 400, "unsupported_parameter"),
        (body("local", &"x".repeat(5000)), 413, "request_too_large"),
    ];
    for (body, status, code) in cases {
        let answer = bench.post(&key, CHAT, &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code)
        );
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    let broken = asking("POST", &key, CHAT).body(Body::from("{")).unwrap();
    let broken = Answer::of(bench.send(broken).await).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_same_id_is_one_task_and_another_text_a_conflict() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    for name in ["idempotency-key", "x-shoal-task"] {
        let headers = [(name, name)];
        for _ in 0..2 {
            let answer = bench
                .post_with(&key, CHAT, &body("local", "hi"), &headers)
                .await;
            assert_eq!(answer.json()["id"], format!("chatcmpl-{name}"));
        }
        let calls = bench
            .store
            .trace(&TaskId::try_new(name).unwrap())
            .await
            .unwrap();
        let called = calls
            .iter()
            .filter(|entry| matches!(entry.event, shoal_conductor::trace::Event::Called { .. }));
        assert_eq!(called.count(), 1);
        let other = bench
            .post_with(&key, CHAT, &body("local", "ho"), &headers)
            .await;
        assert_eq!(
            (other.status.as_u16(), other.code().as_str()),
            (409, "id_conflict")
        );
    }
    let bad = bench
        .post_with(&key, CHAT, &body("local", "hi"), &[("x-shoal-task", "a/b")])
        .await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_stream_of_a_task_that_has_run_is_its_answer() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let headers = [("x-shoal-task", "t1")];
    bench
        .post_with(&key, CHAT, &body("local", "hi"), &headers)
        .await;
    let again = bench
        .post_with(&key, CHAT, &streamed("local", "hi"), &headers)
        .await;
    assert!(
        events(&again)
            .iter()
            .any(|event| event.contains("hello world")),
        "{}",
        again.text
    );
}

#[tokio::test]
async fn key_and_header_raise_the_label() {
    let bench = Bench::new().await;
    let key = bench
        .key_with("a", &[Scope::Chat], Label::Internal, None)
        .await;
    let mut with_metadata = body("local", "hi");
    with_metadata["metadata"] = json!({"label": "restricted"});
    let cases = [
        (body("local", "hi"), "public", Label::Internal),
        (body("local", "hi"), "confidential", Label::Confidential),
        (with_metadata, "public", Label::Restricted),
    ];
    for (body, header, expected) in cases {
        let answer = bench
            .post_with(&key, CHAT, &body, &[("x-shoal-label", header)])
            .await;
        let id = TaskId::try_new(answer.header("x-shoal-trace")).unwrap();
        let record = bench.store.task(&id).await.unwrap().unwrap();
        assert_eq!(record.task.label, expected);
    }
    let unknown = bench
        .post_with(
            &key,
            CHAT,
            &body("local", "hi"),
            &[("x-shoal-label", "secret")],
        )
        .await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_task_unless_it_named_it() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    for stream in [false, true] {
        let mut body = body("local", "hang");
        body["stream"] = stream.into();
        let waiting = bench.api.router().oneshot(posting(&key, CHAT, &body, &[]));
        let waiting = tokio::spawn(async move {
            let response = waiting.await;
            // A streamed response has begun; its body is never read to the end.
            std::future::pending::<()>().await;
            drop(response);
        });
        let id = newest(&bench).await;
        bench.until(&id, State::Running).await;
        waiting.abort();
        bench.until(&id, State::Cancelled).await;
    }
    let named = [("x-shoal-task", "named")];
    let waiting = bench
        .api
        .router()
        .oneshot(posting(&key, CHAT, &body("local", "hang"), &named));
    let waiting = tokio::spawn(waiting);
    bench.until("named", State::Running).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let record = bench.get(&key, "/api/tasks/named").await.json();
    assert_eq!(record["state"], "running");
}

/// The id of the open task, once there is one.
async fn newest(bench: &Bench) -> String {
    let found = async {
        let mut changes = bench.store.task_changes();
        loop {
            let tasks = bench
                .store
                .tasks(crate::store::TaskFilter::default())
                .await
                .unwrap();
            if let Some(open) = tasks.iter().find(|task| !task.state.is_final()) {
                return open.id.to_string();
            }
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, found).await.unwrap()
}

#[tokio::test]
async fn more_tasks_than_may_be_open_are_told_to_come_later() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    for n in 0..3 {
        let task = json!({"id": format!("t{n}"), "prompt": "hang", "model": "local"});
        let made = bench.post(&key, "/api/tasks", &task).await;
        assert_eq!(made.status, StatusCode::ACCEPTED);
    }
    let full = bench.post(&key, CHAT, &body("local", "hi")).await;
    assert_eq!(
        (full.status.as_u16(), full.code().as_str()),
        (429, "rate_limit_exceeded")
    );
    assert_eq!(full.header("retry-after"), "5");
}
