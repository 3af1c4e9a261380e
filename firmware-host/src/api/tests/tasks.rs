use serde_json::json;
use shoal_conductor::desk::Question;

use super::*;

#[tokio::test]
async fn a_task_is_accepted_followed_and_read() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let task = json!({"id": "t1", "prompt": "hi", "model": "local"});
    let made = bench.post(&key, "/api/tasks", &task).await;
    assert!(made.status.is_success(), "{}", made.text);
    assert_eq!(made.header("location"), "/api/tasks/t1");
    let followed = bench.get(&key, "/api/tasks/t1/events").await;
    let names: Vec<&str> = followed
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert_eq!(names.last(), Some(&"done"));
    assert!(
        names.contains(&"trace") && names.contains(&"state"),
        "{names:?}"
    );
    let done = bench.get(&key, "/api/tasks/t1").await.json();
    assert_eq!(done["answer"]["text"], "hello world");
    let again = bench.post(&key, "/api/tasks", &task).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json()["answer"]["text"], "hello world");
}

#[tokio::test]
async fn a_task_is_ended_by_its_owner_or_an_admin() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let reader = bench.key("r", &[Scope::Read]).await;
    let task = json!({"id": "t1", "prompt": "hang", "model": "local"});
    bench.post(&key, "/api/tasks", &task).await;
    let delete = |key: &str| {
        asking("DELETE", key, "/api/tasks/t1")
            .body(Body::empty())
            .unwrap()
    };
    let refused = Answer::of(bench.send(delete(&reader)).await).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let ended = Answer::of(bench.send(delete(&key)).await).await;
    assert_eq!(ended.status, StatusCode::OK);
    bench.until("t1", State::Cancelled).await;
    let late = Answer::of(bench.send(delete(&key)).await).await;
    assert_eq!(
        (late.status.as_u16(), late.code().as_str()),
        (409, "task_ended")
    );
}

#[tokio::test]
async fn who_asked_says_how_good_the_answer_was() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let (other, reader) = (
        bench.key("b", &[Scope::Chat]).await,
        bench.key("r", &[Scope::Read]).await,
    );
    let task = json!({"id": "t1", "prompt": "hi", "model": "local"});
    bench.post(&key, "/api/tasks", &task).await;
    bench.until("t1", State::Done).await;
    let path = "/api/tasks/t1/feedback";
    let (good, bad) = (json!({"score": 1.0}), json!({"score": 0.25}));
    for (key, status) in [(&other, 404), (&reader, 403)] {
        let refused = bench.post(key, path, &good).await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.text);
    }
    for said in [&good, &bad] {
        let kept = bench.post(&key, path, said).await;
        assert_eq!(kept.status, StatusCode::OK, "{}", kept.text);
        assert_eq!(kept.json()["by"], "api:a");
    }
    let trace = bench.get(&key, "/api/traces/t1").await.json();
    let last = trace["entries"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        last["event"],
        json!({"event": "rated", "by": "api:a", "score": 0.25})
    );
    for wrong in [json!({"score": 2}), json!({"score": -0.1}), json!({})] {
        let refused = bench.post(&key, path, &wrong).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    }
    let open = json!({"id": "t2", "prompt": "hang", "model": "local"});
    bench.post(&key, "/api/tasks", &open).await;
    let early = bench.post(&key, "/api/tasks/t2/feedback", &good).await;
    assert_eq!(
        (early.status.as_u16(), early.code().as_str()),
        (409, "no_answer")
    );
    let audit = bench.store.audit(None).await.unwrap();
    assert!(audit.faults.is_empty(), "the chain holds");
}

#[tokio::test]
async fn an_approval_is_answered_once_and_the_task_goes_on() {
    let bench = Bench::new().await;
    let admin = bench.key("admin", &[Scope::Admin]).await;
    let task = json!({"id": "t1", "prompt": "hi", "model": "cloud", "label": "confidential"});
    bench.post(&admin, "/api/tasks", &task).await;
    let question = asked(&bench).await;
    assert_eq!(question.worker.as_str(), "cloud");
    let open = bench.get(&admin, "/api/approvals").await.json();
    assert_eq!(open["approvals"][0]["question"]["id"], question.id.as_str());
    let path = format!("/api/approvals/{}", question.id);
    let yes = json!({"decision": "approve"});
    let answered = bench.post(&admin, &path, &yes).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text);
    assert_eq!(answered.json()["by"], "api:admin");
    bench.until("t1", State::Done).await;
    let again = bench.post(&admin, &path, &yes).await;
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (409, "already_decided")
    );
    let unknown = bench.post(&admin, "/api/approvals/none", &yes).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(
        bench.get(&admin, "/api/approvals").await.json(),
        json!({"approvals": []})
    );
    let all = bench.get(&admin, "/api/approvals?all=true").await.json();
    assert_eq!(all["approvals"].as_array().unwrap().len(), 1);
}

/// The open question, once there is one.
async fn asked(bench: &Bench) -> Question {
    let found = async {
        let mut changes = bench.store.message_changes();
        loop {
            if let Some(open) = bench.store.approvals(true).await.unwrap().pop() {
                return open.question;
            }
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, found).await.unwrap()
}

#[tokio::test]
async fn a_plan_and_an_explanation_run_nothing() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let plan = bench
        .post(
            &key,
            "/api/plan",
            &json!({"prompt": "hang, ada@example.com"}),
        )
        .await;
    assert_eq!(plan.status, StatusCode::OK, "{}", plan.text);
    assert_eq!(plan.json()["label"], "confidential");
    let question = json!({"text": "ada@example.com"});
    let explained = bench.post(&key, "/api/policy/explain", &question).await;
    assert_eq!(explained.json()["findings"][0]["kind"], "email");
    let text = bench
        .post_with(
            &key,
            "/api/policy/explain",
            &question,
            &[("accept", "text/plain")],
        )
        .await;
    assert!(text.text.starts_with("label "), "{}", text.text);
    assert_eq!(
        bench.get(&key, "/api/tasks").await.json(),
        json!({"tasks": []})
    );
}

#[tokio::test]
async fn a_misspelt_key_of_a_task_is_an_error() {
    let bench = Bench::new().await;
    let key = bench.key("a", &[Scope::Chat]).await;
    let answer = bench
        .post(
            &key,
            "/api/tasks",
            &json!({"prompt": "hi", "lable": "restricted"}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("lable"), "{}", answer.text);
}
