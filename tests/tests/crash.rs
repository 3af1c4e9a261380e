//! kill -9 in the middle of a task.

use anyhow::Result;
use reqwest::{Method, StatusCode};
use serde_json::json;
use shoal_tests::{appliance::Setup, broker::Broker, provider::Provider, wait::until};

const POLICY: &str = r#"
[workers.local]
clearance = "restricted"
[workers.cloud]
clearance = "internal"
strength = 80
"#;

#[tokio::test]
async fn killed_while_the_board_works_the_task_finishes_after_the_restart() -> Result<()> {
    let mut appliance = Setup::new()?.start().await?;
    let body = json!({"id": "long-1", "model": "local", "prompt": "Count to one thousand.", "max_tokens": 400});
    appliance.post("/api/tasks", body.clone()).await?;
    until("the worker is called", async || {
        let events = appliance.events("long-1").await.ok()?;
        events
            .iter()
            .any(|event| event["event"] == "called")
            .then_some(())
    })
    .await?;
    appliance.kill().await?;
    appliance.restart().await?;
    let record = appliance.ended("long-1").await?;
    assert_eq!(record["state"], "done", "{record}");
    // The same task again is the same task.
    let again = appliance.post("/api/tasks", body).await?;
    assert_eq!(again["answer"], record["answer"]);
    let events = appliance.events("long-1").await?;
    let answered = events.iter().filter(|event| event["event"] == "answered");
    assert_eq!(answered.count(), 1);
    // Another task of the same name is refused.
    let other = json!({"id": "long-1", "prompt": "Something else."});
    let answer = appliance
        .send(Method::POST, "/api/tasks", Some(other))
        .await?;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    Ok(())
}

#[tokio::test]
async fn killed_during_a_remote_call_the_repetition_is_in_the_trace() -> Result<()> {
    let provider = Provider::start().await?;
    let mut appliance = provider
        .serves(Setup::new()?.policy(POLICY))?
        .start()
        .await?;
    let body = json!({"id": "remote-1", "model": "cloud", "prompt": "Count to one thousand.", "max_tokens": 300});
    appliance.post("/api/tasks", body).await?;
    until("the provider is called", async || {
        provider
            .recorder
            .sent()
            .contains("one thousand")
            .then_some(())
    })
    .await?;
    appliance.kill().await?;
    appliance.restart().await?;
    let record = appliance.ended("remote-1").await?;
    assert_eq!(record["state"], "done", "{record}");
    let events = appliance.events("remote-1").await?;
    let attempts: Vec<u64> = events
        .iter()
        .filter(|event| event["event"] == "called")
        .filter_map(|event| event["attempt"].as_u64())
        .collect();
    let noted = events.iter().any(|event| {
        event["text"]
            .as_str()
            .is_some_and(|text| text.contains("the step is done again"))
    });
    assert_eq!(
        (attempts.as_slice(), noted),
        ([1, 2].as_slice(), true),
        "{events:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_same_id_over_mqtt_runs_once_and_is_answered_each_time() -> Result<()> {
    let broker = Broker::start().await?;
    let appliance = Setup::new()?.broker(broker.port()).start().await?;
    let topic = "shoal/v1/plant/line3/tasks/twice-1/result";
    let results = broker.subscribe(topic).await?;
    let task = json!({"id": "twice-1", "model": "local", "prompt": "Say hello.", "max_tokens": 8})
        .to_string();
    broker
        .publish("shoal/v1/plant/line3/tasks", &task, &[])
        .await?;
    let first = results.first(topic).await?;
    broker
        .publish("shoal/v1/plant/line3/tasks", &task, &[])
        .await?;
    let second = until("the second answer", async || {
        results.payloads(topic).into_iter().nth(1)
    })
    .await?;
    assert_eq!(first["answer"], second["answer"]);
    let events = appliance.events("twice-1").await?;
    assert_eq!(
        events
            .iter()
            .filter(|event| event["event"] == "called")
            .count(),
        1
    );
    Ok(())
}

#[tokio::test]
async fn a_result_waits_for_the_broker_through_kills_of_both() -> Result<()> {
    let mut broker = Broker::start().await?;
    let mut appliance = Setup::new()?.broker(broker.port()).start().await?;
    let topic = "shoal/v1/plant/line3/tasks/outage-1/result";
    broker.kill().await?;
    let body = json!({"id": "outage-1", "model": "local", "prompt": "Say hello.", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done");
    appliance.kill().await?;
    broker.restart().await?;
    let results = broker.subscribe(topic).await?;
    appliance.restart().await?;
    let result = results.first(topic).await?;
    assert_eq!(
        (&result["id"], &result["state"]),
        (&json!("outage-1"), &json!("done"))
    );
    Ok(())
}

#[tokio::test]
async fn the_status_is_stopped_after_a_stop_and_offline_after_a_kill() -> Result<()> {
    let broker = Broker::start().await?;
    let mut appliance = Setup::new()?.broker(broker.port()).start().await?;
    let topic = "shoal/v1/plant/line3/status";
    let status = broker.subscribe(topic).await?;
    let last = async |wanted: &str| {
        until(wanted, async || {
            let last = status.payloads(topic).pop()?;
            (last == wanted).then_some(())
        })
        .await
    };
    last("online").await?;
    assert!(appliance.stop().await?.success());
    last("stopped").await?;
    appliance.restart().await?;
    last("online").await?;
    appliance.kill().await?;
    last("offline").await
}
