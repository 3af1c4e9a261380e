//! An escalation that needs a person's word.

use anyhow::Result;
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::Broker,
    provider::Provider,
    shift::POLICY,
    wait::until,
};

/// The policy of the shift log, but a person decides on what is confidential.
fn asking() -> String {
    POLICY.replace("confidential = \"redact\"", "confidential = \"approve\"")
}

const TEXT: &str = "Explain why the pump fails and write to ana@plant.example about it.";

async fn plant(policy: &str) -> Result<(Provider, Appliance)> {
    let provider = Provider::start().await?;
    let appliance = provider
        .serves(Setup::new()?.policy(policy))?
        .start()
        .await?;
    Ok((provider, appliance))
}

async fn hand_in(appliance: &Appliance, id: &str) -> Result<()> {
    let body = json!({"id": id, "prompt": TEXT, "max_tokens": 16});
    appliance.post("/api/tasks", body).await?;
    Ok(())
}

/// Waits for the question and gives its name.
async fn question(appliance: &Appliance) -> Result<String> {
    until("a question is open", async || {
        let listed = appliance.printed_by(&["approvals", "--json"]).await.ok()?;
        let listed: Value = serde_json::from_str(&listed).ok()?;
        let open = listed["approvals"].as_array()?.first()?["question"].clone();
        let shown = open["shown"].to_string();
        assert!(
            shown.contains("[EMAIL_1]") && !shown.contains("ana@"),
            "{shown}"
        );
        Some(open["id"].as_str()?.to_owned())
    })
    .await
}

async fn worker(appliance: &Appliance, id: &str) -> Result<String> {
    let events = appliance.events(id).await?;
    let mut answered = events
        .iter()
        .rev()
        .filter(|event| event["event"] == "answered");
    let last = answered.next().map(|event| event["worker"].clone());
    Ok(last
        .and_then(|worker| worker.as_str().map(str::to_owned))
        .unwrap_or_default())
}

#[tokio::test]
async fn it_waits_is_approved_on_the_command_line_and_continues() -> Result<()> {
    let (provider, mut appliance) = plant(&asking()).await?;
    hand_in(&appliance, "yes-1").await?;
    let id = question(&appliance).await?;
    let waiting = appliance.get("/api/tasks/yes-1").await?;
    assert_eq!(waiting["state"], "waiting-approval");
    assert_eq!(provider.recorder.connections(), 0);
    // A question outlives the appliance.
    appliance.kill().await?;
    appliance.restart().await?;
    assert_eq!(question(&appliance).await?, id);
    appliance.printed_by(&["approvals", "approve", &id]).await?;
    let record = appliance.ended("yes-1").await?;
    assert_eq!(record["state"], "done", "{record}");
    assert_eq!(worker(&appliance, "yes-1").await?, "cloud");
    let sent = provider.recorder.sent();
    assert!(
        sent.contains("[EMAIL_1]") && !sent.contains("ana@"),
        "{sent}"
    );
    let again = appliance.run(&["approvals", "deny", &id]).await?;
    assert!(!again.status.success());
    Ok(())
}

#[tokio::test]
async fn denied_it_is_done_on_the_board() -> Result<()> {
    let (provider, appliance) = plant(&asking()).await?;
    hand_in(&appliance, "no-1").await?;
    let id = question(&appliance).await?;
    appliance.printed_by(&["approvals", "deny", &id]).await?;
    let record = appliance.ended("no-1").await?;
    assert_eq!(record["state"], "done", "{record}");
    assert_eq!(worker(&appliance, "no-1").await?, "local");
    assert_eq!(provider.recorder.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn expired_it_is_done_on_the_board() -> Result<()> {
    let policy = format!("{}\n[limits]\napproval_seconds = 1\n", asking());
    let (provider, appliance) = plant(&policy).await?;
    hand_in(&appliance, "late-1").await?;
    let record = appliance.ended("late-1").await?;
    assert_eq!(record["state"], "done", "{record}");
    assert_eq!(worker(&appliance, "late-1").await?, "local");
    let events = appliance.events("late-1").await?;
    assert!(
        events
            .iter()
            .any(|event| event["decision"]["decision"] == "expired"),
        "{events:?}"
    );
    assert_eq!(provider.recorder.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn denied_with_nobody_on_the_board_it_fails_with_the_reason() -> Result<()> {
    let policy = asking().replace("clearance = \"restricted\"", "clearance = \"public\"");
    let (provider, appliance) = plant(&policy).await?;
    hand_in(&appliance, "no-2").await?;
    let id = question(&appliance).await?;
    appliance.printed_by(&["approvals", "deny", &id]).await?;
    let record = appliance.ended("no-2").await?;
    assert_eq!(record["state"], "failed");
    let message = record["error"]["message"].as_str().unwrap();
    assert!(message.contains("denied it"), "{message}");
    assert_eq!(provider.recorder.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn tasks_that_wait_for_a_person_do_not_keep_others_from_running() -> Result<()> {
    let provider = Provider::start().await?;
    let setup = Setup::new()?
        .policy(&asking())
        .config("\n[limits]\nmax_running = 1\n");
    let appliance = provider.serves(setup)?.start().await?;
    hand_in(&appliance, "wait-1").await?;
    question(&appliance).await?;
    let body = json!({"id": "quick-1", "prompt": "Say hello.", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    Ok(())
}

#[tokio::test]
async fn an_open_question_is_on_the_broker_until_it_is_decided() -> Result<()> {
    let provider = Provider::start().await?;
    let broker = Broker::start().await?;
    let setup = Setup::new()?.policy(&asking()).broker(broker.port());
    let appliance = provider.serves(setup)?.start().await?;
    hand_in(&appliance, "mqtt-1").await?;
    let id = question(&appliance).await?;
    let topic = format!("shoal/v1/plant/line3/approvals/{id}");
    // Retained: whoever comes late sees it.
    let late = broker.subscribe("shoal/v1/plant/line3/approvals/#").await?;
    let asked = late.first(&topic).await?;
    assert_eq!(asked["worker"], "cloud", "{asked}");
    appliance.printed_by(&["approvals", "deny", &id]).await?;
    until("the question is cleared", async || {
        let last = late.on(&topic).pop()?;
        last["payload"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
            .then_some(())
    })
    .await
}
