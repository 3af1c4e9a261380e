//! The main job: a shift log with names, an e-mail address and a telephone number comes in; a strong remote worker helps;
//! none of the sensitive strings leaves.

use anyhow::Result;
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::Broker,
    provider::{CLOUD, Provider},
    shift::{LOG, POLICY, SECRETS},
    wait::until,
};

struct Plant {
    provider: Provider,
    broker: Broker,
    appliance: Appliance,
}

async fn plant() -> Result<Plant> {
    let provider = Provider::start().await?;
    let broker = Broker::start().await?;
    let setup = Setup::new()?.policy(POLICY).broker(broker.port());
    let appliance = provider.serves(setup)?.start().await?;
    Ok(Plant {
        provider,
        broker,
        appliance,
    })
}

impl Plant {
    /// Something reached the provider, and nothing sensitive.
    fn nothing_sensitive_left(&self) {
        let sent = self.provider.recorder.sent();
        assert!(sent.contains("[PERSON_1]"), "nothing was redacted:\n{sent}");
        assert!(sent.contains("press 7 stopped with E42"), "{sent}");
        for secret in SECRETS {
            assert!(!sent.contains(secret), "{secret} left the board:\n{sent}");
            let escaped = secret.escape_default().to_string();
            assert!(
                !sent.contains(&escaped),
                "{secret} left the board escaped:\n{sent}"
            );
        }
    }
}

fn events<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

#[tokio::test]
async fn over_http_the_answer_comes_back_and_the_trace_names_everything() -> Result<()> {
    let plant = plant().await?;
    let body = json!({"id": "night-1", "model": "shoal-mini", "prompt": LOG, "max_tokens": 48});
    let record = plant.appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    assert!(!record["answer"]["text"].as_str().unwrap().trim().is_empty());
    // The remote worker read nothing confidential; its words are so only where real names were put back into them.
    let text = record["answer"]["text"].as_str().unwrap();
    let restored = SECRETS.iter().any(|secret| text.contains(secret));
    let label = if restored { "confidential" } else { "public" };
    assert_eq!(record["answer"]["label"], label, "{text}");
    plant.nothing_sensitive_left();

    let trace = plant.appliance.events("night-1").await?;
    let labelled = &events(&trace, "labelled")[0];
    assert_eq!(labelled["label"], "confidential");
    let kinds: Vec<&str> = labelled["found"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["person", "phone", "email"]);
    let turn = &events(&trace, "turn")[0];
    assert_eq!(turn["step"]["role"], "worker");
    assert_eq!(turn["step"]["worker"], CLOUD);
    let judged = &events(&trace, "judged")[0];
    assert_eq!(judged["verdict"], "redact");
    assert_eq!(judged["rule"], "escalation.confidential = \"redact\"");
    assert_eq!(
        (&judged["label"], &judged["reaches"]),
        (&json!("confidential"), &json!("public"))
    );
    let called = &events(&trace, "called")[0];
    let left = called["left"].as_array().unwrap().last().unwrap();
    assert!(left["content"].as_str().unwrap().contains("[EMAIL_1]"));
    let answered = &events(&trace, "answered")[0];
    for (number, key) in [("usage", "input"), ("usage", "output")] {
        assert!(answered[number][key].as_u64().unwrap() > 0, "{answered}");
    }
    assert!(answered["took"].as_u64().unwrap() > 0);
    assert!(answered["cost"].as_u64().unwrap() > 0);

    let shown = plant.appliance.printed_by(&["trace", "night-1"]).await?;
    for word in [
        "night-1",
        "worker",
        CLOUD,
        "redact",
        "escalation.confidential",
        "confidential",
        "[EMAIL_1]",
        "ms",
        "$",
    ] {
        assert!(shown.contains(word), "{word} is not in:\n{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn over_mqtt_the_result_goes_where_the_device_asked_for_it() -> Result<()> {
    let plant = plant().await?;
    let replies = plant.broker.subscribe("device/7/answers").await?;
    let states = plant.broker.subscribe("shoal/v1/plant/line3/#").await?;
    let task = json!({"id": "night-2", "prompt": LOG, "max_tokens": 48}).to_string();
    let properties = [
        "-D",
        "publish",
        "response-topic",
        "device/7/answers",
        "-D",
        "publish",
        "correlation-data",
        "c-17",
    ];
    plant
        .broker
        .publish("shoal/v1/plant/line3/tasks", &task, &properties)
        .await?;
    let result = replies.first("device/7/answers").await?;
    assert_eq!(result["id"], "night-2");
    assert_eq!(result["state"], "done", "{result}");
    assert!(!result["answer"].as_str().unwrap().trim().is_empty());
    let message = &replies.on("device/7/answers")[0];
    assert!(
        message["properties"]["correlation-data"] == "c-17",
        "{message}"
    );
    plant.nothing_sensitive_left();
    let seen = until("the state done", async || {
        let seen: Vec<String> = states
            .payloads("shoal/v1/plant/line3/tasks/night-2/state")
            .iter()
            .map(|state| state["state"].as_str().unwrap_or_default().to_owned())
            .collect();
        seen.iter().any(|state| state == "done").then_some(seen)
    })
    .await?;
    assert_eq!(seen[0], "accepted");
    assert_eq!(states.payloads("shoal/v1/plant/line3/status")[0], "online");
    Ok(())
}

#[tokio::test]
async fn streamed_the_caller_sees_the_real_names_and_the_provider_does_not() -> Result<()> {
    let plant = plant().await?;
    let body = json!({
        "model": CLOUD, "stream": true, "max_tokens": 32, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": LOG}],
    });
    let answer = plant
        .appliance
        .send(reqwest::Method::POST, "/v1/chat/completions", Some(body))
        .await?;
    let task = answer.headers()["x-shoal-trace"].to_str()?.to_owned();
    let text = answer.text().await?;
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    let chunks: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let streamed: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    let record = plant.appliance.ended(&task).await?;
    assert_eq!(streamed, record["answer"]["text"].as_str().unwrap());
    assert!(!streamed.contains("[PERSON_1]"), "{streamed}");
    assert!(
        chunks.last().unwrap()["usage"]["completion_tokens"]
            .as_u64()
            .unwrap()
            > 0
    );
    plant.nothing_sensitive_left();
    Ok(())
}

#[tokio::test]
async fn ultra_plans_with_the_real_backbone_and_leaks_nothing() -> Result<()> {
    let provider = Provider::start().await?;
    let setup = Setup::new()?.policy(POLICY).any_backbone_plans();
    let appliance = provider.serves(setup)?.start().await?;
    let body = json!({"id": "ultra-1", "model": "shoal-ultra", "prompt": LOG, "max_tokens": 32});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    let trace = appliance.events("ultra-1").await?;
    let planned = events(&trace, "planned")[0];
    let steps = planned["steps"].as_array().unwrap();
    assert!((1..=5).contains(&steps.len()), "{planned}");
    assert!(
        planned["usage"]["output"].as_u64().unwrap() > 0,
        "{planned}"
    );
    let sent = provider.recorder.sent();
    for secret in SECRETS {
        assert!(!sent.contains(secret), "{secret} left the board:\n{sent}");
    }
    Ok(())
}

#[tokio::test]
async fn with_a_weak_backbone_ultra_falls_back_to_one_step_and_says_so() -> Result<()> {
    let appliance = Setup::new()?.start().await?;
    let body =
        json!({"id": "ultra-2", "model": "shoal-ultra", "prompt": "Say hello.", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    let trace = appliance.events("ultra-2").await?;
    let planned = events(&trace, "planned")[0];
    assert_eq!(planned["steps"].as_array().unwrap().len(), 1);
    let fallback = planned["fallback"].as_str().unwrap();
    assert!(
        fallback.contains("134 million weights and planning needs 1000 million"),
        "{fallback}"
    );
    Ok(())
}
