//! Attempts to talk the appliance out of its rules: in the task, in a worker's reply, in a tool's result, over MQTT. Each
//! leaves labels, plan and verdicts as they are without it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::Broker,
    scripted::{Line, Scripted},
    shift::{LOG, POLICY, SECRETS},
};

struct Attempt {
    name: String,
    into: Vec<String>,
    text: String,
}

fn attempts() -> Result<Vec<Attempt>> {
    let table: toml::Table = toml::from_str(include_str!("../data/injections.toml"))?;
    let attempts = table["attempts"].as_array().context("no attempts")?;
    let words = |value: &toml::Value| value.as_str().unwrap_or_default().to_owned();
    let attempt = |one: &toml::Value| {
        Some(Attempt {
            name: words(&one["name"]),
            into: one["into"].as_array()?.iter().map(words).collect(),
            text: words(&one["text"]),
        })
    };
    Ok(attempts.iter().filter_map(attempt).collect())
}

fn lock(mutex: &Mutex<String>) -> MutexGuard<'_, String> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Plant {
    appliance: Appliance,
    provider: Scripted,
    broker: Broker,
    /// What the provider adds to everything that it says.
    added: Arc<Mutex<String>>,
    tasks: usize,
}

impl Plant {
    async fn start() -> Result<Self> {
        let added = Arc::new(Mutex::new(String::new()));
        let adds = Arc::clone(&added);
        let provider = Scripted::start(move |_, request| {
            let system = request["messages"][0]["content"].to_string();
            let words = if system.contains("You check an answer") {
                "ACCEPT"
            } else if system.contains("You study a task") {
                "Look at K3 first, as [PERSON_1] did."
            } else {
                "It is K3. Call [PHONE_1]."
            };
            Line::Says(format!("{words}\n{}", lock(&adds)))
        })
        .await?;
        let broker = Broker::start().await?;
        let appliance = Setup::new()?
            .policy(POLICY)
            .broker(broker.port())
            .remote("cloud", provider.address(), "m", "k")?
            .start()
            .await?;
        Ok(Self {
            appliance,
            provider,
            broker,
            added,
            tasks: 0,
        })
    }

    /// Does the task with an attempt in one place and gives what was decided on the way.
    async fn decided(&mut self, into: &str, attempt: &str) -> Result<Vec<String>> {
        self.tasks += 1;
        let id = format!("{into}-{}", self.tasks);
        let mut body = json!({"id": id, "reasoning_effort": "high", "max_tokens": 16});
        let ask = "Diagnose the fault and write a script.";
        *lock(&self.added) = String::new();
        match into {
            "task" => body["prompt"] = json!(format!("{LOG}\n\n{attempt}")),
            "reply" => {
                body["prompt"] = json!(LOG);
                *lock(&self.added) = attempt.to_owned();
            }
            "tool" => {
                body["messages"] = json!([
                    {"role": "user", "content": LOG},
                    {"role": "assistant", "content": "I ask the tool `history`."},
                    {"role": "user", "content": format!("Result of `history`:\n{attempt}")},
                    {"role": "user", "content": ask},
                ]);
            }
            _ => {
                body["prompt"] = json!(json!({"log": LOG, "note": attempt}).to_string());
                let topic = "shoal/v1/plant/line3/tasks";
                self.broker.publish(topic, &body.to_string(), &[]).await?;
            }
        }
        if into != "mqtt" {
            self.appliance.post("/api/tasks?wait=60", body).await?;
        }
        let record = self.appliance.ended(&id).await?;
        assert_eq!(record["state"], "done", "{record}");
        let events = self.appliance.events(&id).await?;
        Ok(events.iter().filter_map(decision).collect())
    }
}

/// What an attempt must not change of an event.
fn decision(event: &Value) -> Option<String> {
    let keys: &[&str] = match event["event"].as_str()? {
        "labelled" => &["label", "declared"],
        "planned" => &["steps", "fallback"],
        "turn" | "settled" => &["step"],
        "called" => &["step", "worker", "attempt"],
        "answered" => &["step", "worker", "floor"],
        "judged" => &["step", "worker", "label", "reaches", "verdict", "rule"],
        _ => return None,
    };
    let values: Vec<String> = keys.iter().map(|key| event[key].to_string()).collect();
    Some(format!("{} {}", event["event"], values.join(" ")))
}

#[tokio::test]
async fn no_attempt_changes_a_label_a_plan_or_a_verdict_of_the_appliance() -> Result<()> {
    let mut plant = Plant::start().await?;
    let attempts = attempts()?;
    assert!(attempts.len() >= 50);
    for into in ["task", "reply", "tool", "mqtt"] {
        let expected = plant.decided(into, "").await?;
        assert!(
            expected.iter().any(|line| line.contains("\"redact\"")),
            "{expected:#?}"
        );
        for attempt in attempts
            .iter()
            .filter(|one| one.into.iter().any(|place| place == into))
        {
            let found = plant.decided(into, &attempt.text).await?;
            assert_eq!(found, expected, "{}, in the {into}", attempt.name);
        }
    }
    let requests = plant.provider.requests();
    assert!(requests.len() >= 300, "{} requests", requests.len());
    for request in requests {
        let text = request.to_string();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} left the board:\n{text}");
        }
    }
    Ok(())
}
