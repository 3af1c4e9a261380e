//! The clients that devices use: paho over MQTT 5 and 3.1.1, and mosquitto's own over 3.1.1.

use anyhow::Result;
use serde_json::json;
use shoal_tests::{
    appliance::Setup,
    broker::Broker,
    place::{python, workspace},
};
use tokio::process::Command;

#[tokio::test]
async fn paho_gets_what_mqtt_5_and_3_1_1_promise() -> Result<()> {
    let broker = Broker::start().await?;
    let _appliance = Setup::new()?.broker(broker.port()).start().await?;
    let output = Command::new(python()?)
        .arg(workspace().join("tests/python/paho_client.py"))
        .env("SHOAL_MQTT", broker.port().to_string())
        .output()
        .await?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.trim(), "all as expected", "{err}");
    Ok(())
}

#[tokio::test]
async fn mosquitto_pub_over_3_1_1_hands_in_a_task_and_a_late_mosquitto_sub_sees_its_end()
-> Result<()> {
    let broker = Broker::start().await?;
    let appliance = Setup::new()?.broker(broker.port()).start().await?;
    let result = "shoal/v1/plant/line3/tasks/press-1/result";
    let results = broker.subscribe(result).await?;
    let task = json!({"id": "press-1", "model": "local", "prompt": "Say hello.", "max_tokens": 4});
    let topic = "shoal/v1/plant/line3/tasks";
    broker
        .publish(topic, &task.to_string(), &["-V", "mqttv311"])
        .await?;
    assert_eq!(results.first(result).await?["state"], "done");
    appliance.ended("press-1").await?;
    let state = "shoal/v1/plant/line3/tasks/press-1/state";
    let late = broker.subscribe(state).await?;
    assert_eq!(late.first(state).await?["state"], "done");
    Ok(())
}
