//! What is on the wire: the appliance in a network of its own, every packet recorded, while two hundred tasks with planted
//! secrets come in by every road, providers fail, people approve and deny, and the power goes.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::Broker,
    capture::Capture,
    namespace::enter,
    scripted::{Line, Scripted},
    wait::until,
};

const TASKS: usize = 200;

/// How many are under way at once.
const AT_ONCE: usize = 8;

const POLICY: &str = r#"
[escalation]
public = "free"
internal = "approve"
confidential = "redact"
restricted = "never"
[workers.local]
clearance = "restricted"
strength = 20
[workers.cloud]
clearance = "internal"
strength = 80
skills = ["code", "reasoning"]
[workers.other]
clearance = "internal"
strength = 80
[[dictionaries]]
type = "person"
words = ["Ana Ruiz", "Jürgen Müller"]
"#;

/// What is planted in task `number`; each is in one task alone, but for the name.
fn secrets(number: usize) -> [String; 4] {
    let name = ["Ana Ruiz", "Jürgen Müller"][number % 2];
    [
        name.to_owned(),
        format!("heron{number}@nest.example"),
        format!("+49 171 77{number:05}"),
        format!("sk-heron{number:03}abcdefghijklmnop"),
    ]
}

/// Whether a task holds a key, so that it must stay on the board altogether.
fn holds_key(number: usize) -> bool {
    number % 20 == 3
}

/// The text of a task.
fn text(number: usize) -> String {
    let [name, email, phone, key] = secrets(number);
    let tail = if holds_key(number) {
        format!(" The key is {key}.")
    } else {
        String::new()
    };
    format!(
        "{name} ({email}, {phone}) saw E{number} on press 7. Diagnose the fault and write a script for {name}.{tail}"
    )
}

/// Letters and digits alone, without case.
fn squeezed(text: &str) -> String {
    // As JSON writes them.
    let plain = text.replace("\\n", "\n").replace("\\u00fc", "ü");
    let plain = plain.to_lowercase();
    plain.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A provider that hands back all that it reads, and fails now and then.
async fn provider() -> Result<Scripted> {
    Scripted::start(|number, request| {
        let messages = request["messages"].as_array().cloned().unwrap_or_default();
        let texts: Vec<&str> = messages
            .iter()
            .filter_map(|message| message["content"].as_str())
            .collect();
        let read = texts.join("\n");
        match number % 17 {
            5 => Line::Busy,
            11 => Line::BreaksOff(read),
            _ if read.contains("You check an answer") && number % 3 > 0 => {
                Line::Says("ACCEPT".to_owned())
            }
            _ => Line::Says(read.replace('[', "x[").replace(']', "]x") + &read),
        }
    })
    .await
}

struct Plant {
    appliance: Appliance,
    broker: Broker,
    providers: [Scripted; 2],
}

impl Plant {
    async fn start() -> Result<Self> {
        let providers = [provider().await?, provider().await?];
        let broker = Broker::start().await?;
        let appliance = Setup::new()?
            .policy(POLICY)
            .broker(broker.port())
            .remote("cloud", providers[0].address(), "m", "k")?
            .remote("other", providers[1].address(), "m", "k")?
            .any_backbone_plans()
            .start()
            .await?;
        Ok(Self {
            appliance,
            broker,
            providers,
        })
    }

    /// Hands task `number` in by the road that is its turn, and waits for its end where the road lets one.
    async fn task(&self, number: usize) -> Result<()> {
        let text = text(number);
        let model = ["shoal-mini", "shoal-mini", "cloud"][number % 3];
        // One in nine is said to be internal, so a person decides.
        let (label, effort) = match number {
            // The model on the board is slow.
            number if holds_key(number) => ("public", "low"),
            number if number % 9 == 4 => ("internal", "medium"),
            number => ("public", ["medium", "high"][number / 7 % 2]),
        };
        let mut chat = json!({
            "model": model,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}],
            "max_tokens": 4,
            "reasoning_effort": effort,
            "metadata": {"label": label},
        });
        let path = match number % 7 {
            0 => "/v1/chat/completions",
            1 | 2 => {
                chat["stream"] = json!(true);
                "/v1/chat/completions"
            }
            3 => {
                // The result of a tool, as clients send it back.
                chat["tools"] =
                    json!([{"type": "function", "function": {"name": "look", "parameters": {}}}]);
                let result = json!({"role": "tool", "tool_call_id": "1", "content": text});
                chat["messages"]
                    .as_array_mut()
                    .context("no messages")?
                    .push(result);
                "/v1/chat/completions"
            }
            4 => {
                chat["input"] = json!(text);
                ["/v1/responses", "/v1/embeddings"][number % 2]
            }
            5 => {
                let task = json!({"id": format!("mqtt-{number}"), "model": model, "prompt": text, "max_tokens": 4,
                    "reasoning_effort": effort, "label": label});
                let topic = "shoal/v1/plant/line3/tasks";
                self.broker.publish(topic, &task.to_string(), &[]).await?;
                self.appliance.ended(&format!("mqtt-{number}")).await?;
                return Ok(());
            }
            _ => {
                chat = json!({"id": format!("api-{number}"), "model": model, "prompt": text, "max_tokens": 4,
                    "reasoning_effort": effort, "label": label});
                "/api/tasks?wait=120"
            }
        };
        let answer = self.appliance.send(Method::POST, path, Some(chat)).await?;
        answer.text().await?;
        Ok(())
    }

    /// Approves and denies by turns whatever is asked, for ever.
    async fn decide(&self) -> Result<()> {
        let mut turn = 0;
        loop {
            let open = until("a question", async || {
                let listed = self.appliance.get("/api/approvals").await.ok()?;
                let id = listed["approvals"][0]["question"]["id"]
                    .as_str()?
                    .to_owned();
                Some(id)
            });
            let Ok(id) = open.await else { continue };
            turn += 1;
            let decision = ["approve", "deny"][turn % 2];
            let path = format!("/api/approvals/{id}");
            let body = json!({"decision": decision});
            // The task may have ended in the meantime.
            self.appliance.send(Method::POST, &path, Some(body)).await?;
        }
    }

    async fn tasks(&self, numbers: std::ops::Range<usize>) -> Result<()> {
        let tasks = stream::iter(numbers).map(|number| self.task(number));
        let mut tasks = Box::pin(tasks.buffer_unordered(AT_ONCE));
        let all = async {
            while let Some(done) = tasks.next().await {
                done?;
            }
            Ok::<(), anyhow::Error>(())
        };
        tokio::select! {
            done = all => done,
            ended = self.decide() => ended,
        }
    }

    /// Cuts the power while some tasks are under way, and waits until they have ended after all.
    async fn power_cut(&mut self, numbers: std::ops::Range<usize>) -> Result<()> {
        let before = self.requests().len();
        for number in numbers.clone() {
            let body = json!({"id": format!("cut-{number}"), "prompt": text(number), "max_tokens": 4,
                "reasoning_effort": "high"});
            self.appliance.post("/api/tasks", body).await?;
        }
        until("a request is under way", async || {
            (self.requests().len() > before).then_some(())
        })
        .await?;
        self.appliance.kill().await?;
        self.appliance.restart().await?;
        for number in numbers {
            self.appliance.ended(&format!("cut-{number}")).await?;
        }
        Ok(())
    }

    fn requests(&self) -> Vec<Value> {
        self.providers.iter().flat_map(Scripted::requests).collect()
    }
}

#[tokio::test]
async fn no_planted_secret_leaves_and_nobody_is_contacted_whom_the_policy_does_not_name()
-> Result<()> {
    let name = "no_planted_secret_leaves_and_nobody_is_contacted_whom_the_policy_does_not_name";
    if enter(name).await? {
        return Ok(());
    }
    let capture = Capture::start().await?;
    let mut plant = Plant::start().await?;
    plant.tasks(0..TASKS / 2).await?;
    plant.power_cut(TASKS + 4..TASKS + 8).await?;
    plant.tasks(TASKS / 2..TASKS).await?;
    plant.power_cut(TASKS + 8..TASKS + 12).await?;
    let ultra = json!({"id": "ultra", "model": "shoal-ultra", "prompt": text(TASKS + 12), "max_tokens": 4,
        "reasoning_effort": "high"});
    plant.appliance.post("/api/tasks", ultra).await?;
    plant.appliance.ended("ultra").await?;

    let recorded = capture.stop().await?;
    assert_eq!(recorded.dropped, 0, "packets were lost");
    let providers: Vec<u16> = plant
        .providers
        .iter()
        .map(|one| one.address().port())
        .collect();
    let known: Vec<u16> = [plant.appliance.address().port(), plant.broker.port()]
        .into_iter()
        .chain(providers.iter().copied())
        .collect();
    for (address, port, protocol) in &recorded.contacted {
        assert!(
            address == "127.0.0.1" && known.contains(port) && protocol == "tcp",
            "{address}:{port} by {protocol}; only {known:?} are known"
        );
    }
    let sent: Vec<&String> = providers
        .iter()
        .map(|port| {
            recorded
                .sent
                .get(port)
                .context("a provider was never called")
        })
        .collect::<Result<_>>()?;
    let all = squeezed(&sent.into_iter().cloned().collect::<String>());
    let requests = plant.requests();
    ensure!(requests.len() > TASKS / 2, "{} requests", requests.len());
    // The recording holds what the providers say that they got.
    for request in &requests {
        let asked = request["messages"]
            .as_array()
            .and_then(|all| all.last())
            .context("no message")?;
        let asked = squeezed(asked["content"].as_str().unwrap_or_default());
        assert!(all.contains(&asked), "not recorded: {asked}");
    }
    for number in 0..TASKS + 13 {
        for secret in secrets(number) {
            assert!(!all.contains(&squeezed(&secret)), "{secret} left");
        }
    }
    Ok(())
}
