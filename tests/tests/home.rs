//! The appliance in Home Assistant's discovery, with a real broker.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::Setup,
    broker::Broker,
    scripted::{Line, Scripted},
    wait::until,
};

const POLICY: &str = r#"
[escalation]
confidential = "approve"
[workers.cloud]
clearance = "confidential"
strength = 80
"#;

const STATUS: &str = "homeassistant/binary_sensor/shoal-plant-line3/status/config";

#[tokio::test]
async fn it_is_shown_again_after_a_birth_its_buttons_answer_and_switched_off_all_is_removed()
-> Result<()> {
    let broker = Broker::start().await?;
    let provider = Scripted::start(|_, _| Line::Says("Use the spare pump.".to_owned())).await?;
    let mut appliance = Setup::new()?
        .policy(POLICY)
        .broker(broker.port())
        .remote("cloud", provider.address(), "m", "k")?
        .config("[home_assistant]\nenabled = true\napprovals = true\n[telemetry]\nseconds = 5\n")
        .start()
        .await?;
    let shown = broker.subscribe("homeassistant/#").await?;
    let status = shown.first(STATUS).await?;
    assert_eq!(status["state_topic"], "shoal/v1/plant/line3/status");
    let telemetry = broker.subscribe("shoal/v1/plant/line3/telemetry").await?;
    let measured = telemetry.first("shoal/v1/plant/line3/telemetry").await?;
    assert!(measured["tasks_open"].is_number(), "{measured}");
    let sensor = "homeassistant/sensor/shoal-plant-line3/tasks/config";
    let sensor = shown.first(sensor).await?;
    assert_eq!(sensor["value_template"], "{{ value_json.tasks_open }}");

    // Home Assistant was started anew.
    let before = shown.on(STATUS).len();
    broker
        .publish("homeassistant/status", "online", &[])
        .await?;
    until("it is said again", async || {
        (shown.on(STATUS).len() > before).then_some(())
    })
    .await?;

    let body = json!({"id": "ask-1", "model": "cloud", "prompt": "Why does the pump fail?", "label": "confidential"});
    appliance.post("/api/tasks", body).await?;
    let button = until("a button to approve", async || {
        let mut topics = shown.topics().into_iter();
        topics.find(|topic| topic.starts_with("homeassistant/button/shoal-plant-line3/approve-"))
    })
    .await?;
    let said = shown.first(&button).await?;
    let (topic, press) = (
        said["command_topic"].as_str(),
        said["payload_press"].as_str(),
    );
    let (topic, press) = (topic.context("a topic")?, press.context("a payload")?);
    // For another text it counts for nothing.
    broker.publish(topic, "approve 0000", &[]).await?;
    broker.publish(topic, press, &[]).await?;
    let record = appliance.ended("ask-1").await?;
    assert_eq!(record["answer"]["text"], "Use the spare pump.", "{record}");
    let events = appliance.events("ask-1").await?;
    let by = events.iter().find(|event| event["event"] == "decided");
    assert!(
        by.context("no decision")?
            .to_string()
            .contains("mqtt:home-assistant")
    );
    until("the button is removed", async || {
        let last = shown.payloads(&button).pop()?;
        (last == Value::String(String::new()) || last.is_null()).then_some(())
    })
    .await?;

    appliance.stop().await?;
    let path = appliance.data().join("shoal.toml");
    let config = std::fs::read_to_string(&path)?;
    let off = config.replace(
        "[home_assistant]\nenabled = true\napprovals = true",
        "[home_assistant]\nenabled = false",
    );
    std::fs::write(&path, off)?;
    appliance.restart().await?;
    until("all is removed", async || {
        let last = shown.payloads(STATUS).pop()?;
        (last == Value::String(String::new()) || last.is_null()).then_some(())
    })
    .await
}
