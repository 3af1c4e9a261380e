use serde_json::json;

use shoal_boards::Shortage;
use tokio::sync::watch;

use super::*;

#[tokio::test]
async fn without_a_valid_key_there_is_nothing() {
    let bench = Bench::new().await;
    let none = Request::builder()
        .uri("/v1/models")
        .body(Body::empty())
        .unwrap();
    let none = Answer::of(bench.send(none).await).await;
    assert_eq!(
        (none.status.as_u16(), none.code().as_str()),
        (401, "invalid_api_key")
    );
    let wrong = bench.get("sk-shoal-wrong", "/v1/models").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let key = bench.key("a", &[Scope::Chat]).await;
    assert_eq!(bench.get(&key, "/v1/models").await.status, StatusCode::OK);
    assert!(bench.store.revoke_key("a").await.unwrap());
    assert_eq!(
        bench.get(&key, "/v1/models").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        bench.get("sk-cli-test", "/v1/models").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn health_needs_no_key_and_tells_nothing_private() {
    let bench = Bench::new().await;
    for path in ["/healthz", "/readyz", "/"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = Answer::of(bench.send(request).await).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.text.contains("cloud"), "{path}: {}", answer.text);
    }
    let ready = bench.get("", "/readyz").await.json();
    assert_eq!(
        ready,
        json!({
            "ready": true, "reasons": [], "degraded": ["one thing"],
            "store": "ok", "broker": "off", "workers": 2,
        })
    );
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_json_errors() {
    let bench = Bench::new().await;
    let missing = bench.get("", "/v1/nothing").await;
    assert_eq!(
        (missing.status.as_u16(), missing.code().as_str()),
        (404, "not_found")
    );
    let method = bench.get("", "/v1/chat/completions").await;
    assert_eq!(
        (method.status.as_u16(), method.code().as_str()),
        (405, "method_not_allowed")
    );
    assert_eq!(method.header("x-request-id").len(), 32);
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let bench = Bench::new().await;
    let chat = bench.key("chat", &[Scope::Chat]).await;
    let read = bench.key("read", &[Scope::Read]).await;
    for (key, path) in [
        (&chat, "/api/approvals"),
        (&chat, "/api/board"),
        (&read, "/v1/models"),
    ] {
        let answer = bench.get(key, path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.code(), "insufficient_permissions");
    }
    let admin = bench.key("admin", &[Scope::Admin]).await;
    for path in ["/api/approvals", "/api/board", "/v1/models", "/api/tasks"] {
        assert_eq!(
            bench.get(&admin, path).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_key_sees_its_own_tasks_alone() {
    let bench = Bench::new().await;
    let (a, b) = (
        bench.key("a", &[Scope::Chat]).await,
        bench.key("b", &[Scope::Chat]).await,
    );
    let task = json!({"id": "mine", "prompt": "hi", "model": "local"});
    let made = bench.post(&a, "/api/tasks?wait=20", &task).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    for path in [
        "/api/tasks/mine",
        "/api/traces/mine",
        "/api/tasks/mine/events",
    ] {
        assert_eq!(bench.get(&a, path).await.status, StatusCode::OK, "{path}");
        assert_eq!(
            bench.get(&b, path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(
        bench.get(&b, "/api/tasks").await.json(),
        json!({"tasks": []})
    );
    let reader = bench.key("r", &[Scope::Read]).await;
    let all = bench.get(&reader, "/api/tasks").await.json();
    assert_eq!(all["tasks"][0]["id"], "mine");
}

#[tokio::test]
async fn a_key_names_the_models_that_it_may_use() {
    let bench = Bench::new().await;
    let key = bench
        .key_with("a", &[Scope::Chat], Label::Public, Some(&["local"]))
        .await;
    let list = bench.get(&key, "/v1/models").await.json();
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["shoal-mini", "shoal-ultra", "local"]);
    assert_eq!(
        bench.get(&key, "/v1/models/local").await.json()["id"],
        "local"
    );
    let other = bench.get(&key, "/v1/models/cloud").await;
    assert_eq!(
        (other.status.as_u16(), other.code().as_str()),
        (404, "model_not_found")
    );
}

#[tokio::test]
async fn without_memory_a_task_is_refused_until_there_is_some_and_readyz_says_so() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let memory = watch::Sender::new(Shortage::Low);
    bench.api.appliance().heed(memory.subscribe());
    let ready = bench.get("", "/readyz").await.json();
    assert_eq!(
        ready["degraded"],
        json!(["one thing", "memory is low, so answers begin later"])
    );
    let body = json!({"model": "local", "messages": [{"role": "user", "content": "hi"}]});
    let ask = async || bench.post(&key, "/v1/chat/completions", &body).await;
    assert_eq!(ask().await.status, StatusCode::OK);
    memory.send_replace(Shortage::Critical);
    let refused = ask().await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["retry-after"], "10");
    assert!(
        refused.text.contains("too little memory"),
        "{}",
        refused.text
    );
    memory.send_replace(Shortage::None);
    assert_eq!(ask().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_narrows_its_workers_and_never_widens_those_of_its_key() {
    let bench = Bench::new().await;
    let any = bench.key("any", &[Scope::Chat]).await;
    let local = bench
        .key_with("line", &[Scope::Chat], Label::Public, Some(&["local"]))
        .await;
    for (id, key, header, left) in [
        ("t1", &any, "local, cloud", vec!["local", "cloud"]),
        ("t2", &any, "cloud", vec!["cloud"]),
        ("t3", &local, "local,cloud", vec!["local"]),
    ] {
        let body = json!({"id": id, "prompt": "hello"});
        let headers = [("x-shoal-workers", header)];
        bench
            .post_with(key, "/api/tasks?wait=10", &body, &headers)
            .await;
        let id = TaskId::try_new(id).unwrap();
        let task = bench.store.task(&id).await.unwrap().unwrap().task;
        let names: Vec<_> = task
            .workers
            .iter()
            .flatten()
            .map(WorkerId::as_str)
            .collect();
        assert_eq!(names, left);
    }
    let body = json!({"prompt": "hello"});
    for (key, header) in [(&any, "a b"), (&any, "clod"), (&local, "cloud")] {
        let headers = [("x-shoal-workers", header)];
        let bad = bench.post_with(key, "/api/tasks", &body, &headers).await;
        assert_eq!(bad.status, StatusCode::BAD_REQUEST, "{header}");
    }
}
