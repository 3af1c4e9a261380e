//! Rules that make tasks of ordinary topics, with a real broker.

use std::io::Write as _;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::Broker,
    wait::until,
};

const RULES: &str = r#"
[sources]
mqtt = "internal"
[[source]]
field = "operator"
type = "person"
label = "confidential"
[[rule]]
name = "alarm"
topic = "plant/+/alarm"
when = ["level >= 3", 'state == "fault"']
prompt = "Press {topic.2} reports {code}, says {operator}. What now?"
every_minutes = 60
model = "local"
max_tokens = 4
"#;

const FAULT: &str = r#"{"level": 4, "state": "fault", "code": "E42", "operator": "Ana"}"#;

/// The tasks that came of a topic.
async fn tasks_of(appliance: &Appliance, topic: &str) -> Option<Vec<Value>> {
    let listed = appliance.get("/api/tasks?limit=100").await.ok()?;
    let from = format!("mqtt:{topic}");
    let all = listed["tasks"].as_array()?.iter();
    Some(all.filter(|task| task["from"] == *from).cloned().collect())
}

/// Says it until the rule's subscription is there, and waits for the task.
async fn said(broker: &Broker, appliance: &Appliance, topic: &str) -> Result<Value> {
    until(topic, async || {
        broker.publish(topic, FAULT, &[]).await.ok()?;
        tasks_of(appliance, topic).await?.into_iter().next()
    })
    .await
}

#[tokio::test]
async fn an_alarm_makes_one_task_in_its_interval_also_over_a_kill() -> Result<()> {
    let broker = Broker::start().await?;
    let setup = Setup::new()?.policy(RULES).broker(broker.port());
    let mut appliance = setup.start().await?;
    let task = said(&broker, &appliance, "plant/press-7/alarm").await?;
    // The topic's label is internal, the field's confidential.
    assert_eq!(task["label"], "confidential");
    let id = task["id"].as_str().context("no id")?.to_owned();
    assert!(id.starts_with("rule-alarm-"), "{id}");
    let topic = format!("shoal/v1/plant/line3/tasks/{id}/result");
    let results = broker.subscribe(&topic).await?;
    // Published before it was subscribed or after: it is in the record in any case.
    let record = appliance.ended(&id).await?;
    assert_eq!(record["state"], "done", "{record}");
    drop(results);

    // What does not match makes nothing, and what follows shows that it was read.
    for nothing in [
        r#"{"level": 2, "state": "fault"}"#,
        "hot",
        r#"{"level": 9, "state": "fault"}"#,
    ] {
        broker.publish("plant/press-1/alarm", nothing, &[]).await?;
    }
    broker.publish("plant/press-7/alarm", FAULT, &[]).await?;
    said(&broker, &appliance, "plant/press-8/alarm").await?;
    let count = async |topic| tasks_of(&appliance, topic).await.map(|all| all.len());
    assert_eq!(count("plant/press-7/alarm").await, Some(1));
    assert_eq!(count("plant/press-1/alarm").await, Some(0));

    appliance.kill().await?;
    // Said while it is away, and kept by the broker.
    broker.publish("plant/press-7/alarm", FAULT, &[]).await?;
    broker.publish("plant/press-9/alarm", FAULT, &[]).await?;
    appliance.restart().await?;
    until("the task of what was said meanwhile", async || {
        let all = tasks_of(&appliance, "plant/press-9/alarm").await?;
        (!all.is_empty()).then_some(())
    })
    .await?;
    let again = tasks_of(&appliance, "plant/press-7/alarm").await;
    assert_eq!(again.context("no list")?.len(), 1);

    // A rule that is added is in force without a restart.
    let more = "[[rule]]\nname = \"door\"\ntopic = \"office/door\"\nprompt = \"{payload}?\"\nmax_tokens = 4\n";
    let path = appliance.data().join("policy.toml");
    let mut policy = std::fs::OpenOptions::new().append(true).open(path)?;
    policy.write_all(more.as_bytes())?;
    let task = said(&broker, &appliance, "office/door").await?;
    assert_eq!(task["label"], "internal");
    Ok(())
}

#[tokio::test]
async fn rules_are_checked_and_tried_without_an_appliance() -> Result<()> {
    let setup = Setup::new()?.policy(RULES);
    setup.write()?;
    let messages = setup.data().join("messages.jsonl");
    let line =
        json!({"topic": "plant/press-7/alarm", "payload": FAULT, "at": 1_790_000_000_000_u64});
    std::fs::write(&messages, format!("{line}\n{line}\n"))?;
    let file = messages.to_str().context("a path")?;
    let tried = setup.run(&["policy", "try-rules", file, "--json"]).await?;
    assert!(tried.status.success(), "{tried:?}");
    let tried: Value = serde_json::from_slice(&tried.stdout)?;
    let made = &tried[0]["rules"][0]["task"];
    assert_eq!(
        made["prompt"],
        "Press press-7 reports E42, says Ana. What now?"
    );
    assert_eq!(made["label"], "confidential");
    let second = tried[1]["rules"][0]["nothing"]
        .as_str()
        .context("a reason")?;
    assert!(second.contains("one in 3600 s at most"), "{second}");

    let wrong = RULES.replace("level >= 3", "level => 3");
    let setup = Setup::new()?.policy(&wrong);
    setup.write()?;
    let checked = setup.run(&["policy", "check"]).await?;
    assert_eq!(checked.status.code(), Some(64));
    let said = String::from_utf8(checked.stderr)?;
    assert!(said.contains("line 11: rule[0].when"), "{said}");
    Ok(())
}
