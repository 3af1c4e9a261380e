//! What Home Assistant is told, by Home Assistant's own schema. Takes a Python with its package, which is large and wants
//! a Python of its own: `SHOAL_HOME_ASSISTANT` says where it is.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use shoal_tests::{
    appliance::Setup,
    broker::Broker,
    place::workspace,
    scripted::{Line, Scripted},
    wait::until,
};
use tokio::{io::AsyncWriteExt as _, process::Command};

const POLICY: &str = r#"
[escalation]
confidential = "approve"
[workers.cloud]
clearance = "confidential"
strength = 80
"#;

#[tokio::test]
async fn every_message_is_valid_and_has_no_name_that_home_assistant_does_not_know() -> Result<()> {
    let python =
        std::env::var("SHOAL_HOME_ASSISTANT").context("SHOAL_HOME_ASSISTANT is not set")?;
    let broker = Broker::start().await?;
    let provider = Scripted::start(|_, _| Line::Hangs).await?;
    let appliance = Setup::new()?
        .policy(POLICY)
        .broker(broker.port())
        .remote("cloud", provider.address(), "m", "k")?
        .config("[home_assistant]\nenabled = true\napprovals = true\n")
        .start()
        .await?;
    let shown = broker.subscribe("homeassistant/#").await?;
    let body = json!({"id": "ask-1", "model": "cloud", "prompt": "Why?", "label": "confidential"});
    appliance.post("/api/tasks", body).await?;
    // Six things and two buttons.
    let topics = until("everything is shown", async || {
        let mut topics = shown.topics();
        topics.retain(|topic| topic.ends_with("/config"));
        (topics.len() == 8).then_some(topics)
    })
    .await?;
    let mut all = Map::new();
    for topic in topics {
        let said: Value = shown.first(&topic).await?;
        all.insert(topic, said);
    }
    let mut checker = Command::new(python)
        .arg(workspace().join("tests/python/discovery.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = checker.stdin.take().context("no input")?;
    input
        .write_all(Value::Object(all).to_string().as_bytes())
        .await?;
    drop(input);
    let output = checker.wait_with_output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    ensure!(output.stdout.starts_with(b"8 messages"), "{output:?}");
    Ok(())
}
