//! The policy changes while the appliance runs.

use anyhow::Result;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    provider::Provider,
    wait::until,
};

/// Something that the board would rather leave to a stronger worker.
const HARD: &str = "Explain why the pump fails.";
const OPEN: &str = "[workers.cloud]\nclearance = \"internal\"\nstrength = 80\n";
const SHUT: &str = "[escalation]\npublic = \"never\"\ninternal = \"never\"\nconfidential = \"never\"\n\
    [workers.cloud]\nclearance = \"internal\"\nstrength = 80\n";
const ASKING: &str = "[escalation]\npublic = \"approve\"\n[workers.cloud]\nclearance = \"internal\"\nstrength = 80\n";

async fn plant(policy: &str) -> Result<(Provider, Appliance)> {
    let provider = Provider::start().await?;
    let setup = provider.serves(Setup::new()?.policy(policy))?;
    Ok((provider, setup.start().await?))
}

/// Replaces the file, and waits until `/api/board` is as `seen` wants it.
async fn rewrite(
    appliance: &Appliance,
    text: &str,
    seen: impl Fn(&Value, &Value) -> bool,
) -> Result<()> {
    let before = appliance.get("/api/board").await?["policy"].clone();
    std::fs::write(appliance.data().join("policy.toml"), text)?;
    until("the policy is looked at", async || {
        let now = appliance.get("/api/board").await.ok()?["policy"].clone();
        seen(&before, &now).then_some(())
    })
    .await
}

fn adopted(before: &Value, now: &Value) -> bool {
    now["adopted_at"] != before["adopted_at"] && now["error"].is_null()
}

async fn worker(appliance: &Appliance, id: &str) -> Result<String> {
    let body = json!({"id": id, "prompt": HARD, "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    let events = appliance.events(id).await?;
    let called = events
        .iter()
        .rev()
        .find(|event| event["event"] == "answered");
    let worker = called.and_then(|event| event["worker"].as_str());
    Ok(worker.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_change_holds_for_the_next_task_and_a_mistake_changes_nothing() -> Result<()> {
    let (provider, appliance) = plant(OPEN).await?;
    assert_eq!(worker(&appliance, "one").await?, "cloud");
    rewrite(&appliance, SHUT, adopted).await?;
    let sent = provider.recorder.connections();
    assert_eq!(worker(&appliance, "two").await?, "local");
    let wrong = |_: &Value, now: &Value| now["error"].is_string();
    rewrite(&appliance, "[escalation]\npublic = \"fre\"\n", wrong).await?;
    assert_eq!(worker(&appliance, "three").await?, "local");
    assert_eq!(provider.recorder.connections(), sent);
    let log = appliance.log()?;
    assert!(log.contains("the former policy holds"), "{log}");
    let doctor = appliance.run(&["doctor", "--json"]).await?;
    assert!(!doctor.status.success());
    let doctor = String::from_utf8(doctor.stdout)?;
    assert!(
        doctor.contains("line 2, column 10") && doctor.contains("keeps to the former policy"),
        "{doctor}"
    );
    let url = format!("http://{}/readyz", appliance.address());
    let ready: Value = Client::new().get(url).send().await?.json().await?;
    assert!(
        ready["degraded"].to_string().contains("policy file"),
        "{ready}"
    );
    rewrite(&appliance, OPEN, adopted).await?;
    assert_eq!(worker(&appliance, "four").await?, "cloud");
    Ok(())
}

#[tokio::test]
async fn what_was_approved_under_a_former_policy_does_not_leave_under_a_stricter_one() -> Result<()>
{
    let (provider, appliance) = plant(ASKING).await?;
    let body = json!({"id": "wait-1", "prompt": HARD, "max_tokens": 8});
    appliance.post("/api/tasks", body).await?;
    let id = until("a question is open", async || {
        let listed = appliance.printed_by(&["approvals", "--json"]).await.ok()?;
        let listed: Value = serde_json::from_str(&listed).ok()?;
        let open = &listed["approvals"].as_array()?.first()?["question"]["id"];
        open.as_str().map(str::to_owned)
    })
    .await?;
    rewrite(&appliance, SHUT, adopted).await?;
    appliance.printed_by(&["approvals", "approve", &id]).await?;
    let record = appliance.ended("wait-1").await?;
    assert_eq!(record["state"], "done", "{record}");
    assert_eq!(provider.recorder.connections(), 0);
    Ok(())
}

#[tokio::test]
async fn a_key_has_the_workers_the_label_and_the_budget_that_its_source_has() -> Result<()> {
    let sources = "[[source]]\nkey = \"line-*\"\nworkers = [\"local\"]\nmax_label = \"internal\"\n\
        [[source]]\nkey = \"office\"\nrequests_per_day = 1\n\
        [[source]]\nfield = \"patient.name\"\ntype = \"patient\"\nlabel = \"confidential\"\n";
    let (provider, appliance) = plant(&format!(
        "[escalation]\nconfidential = \"redact\"\n{OPEN}{sources}"
    ))
    .await?;
    let client = shoal_tests::appliance::client();
    let ask = async |key: &str, prompt: &str| -> Result<(String, String)> {
        let url = format!("http://{}/api/tasks?wait=170", appliance.address());
        let body = json!({"prompt": prompt, "max_tokens": 8});
        let answer = client.post(url).bearer_auth(key).json(&body).send().await?;
        let record: Value = answer.json().await?;
        let events = appliance
            .events(record["id"].as_str().unwrap_or_default())
            .await?;
        let called = events
            .iter()
            .rev()
            .find(|event| event["event"] == "answered");
        let worker = called
            .and_then(|event| event["worker"].as_str())
            .unwrap_or_default();
        Ok((worker.to_owned(), record["error"]["message"].to_string()))
    };
    let line = appliance.key("line-3", &[]).await?;
    assert_eq!(ask(&line, HARD).await?.0, "local");
    let chart = r#"Explain why this one is ill: {"patient": {"name": "Quillfeather"}}"#;
    let (_, refused) = ask(&line, chart).await?;
    assert!(refused.contains("max_label"), "{refused}");
    let office = appliance.key("office", &[]).await?;
    assert_eq!(ask(&office, HARD).await?.0, "cloud");
    assert_eq!(ask(&office, HARD).await?.0, "local");
    let other = appliance.key("lab", &[]).await?;
    assert_eq!(ask(&other, HARD).await?.0, "cloud");
    ask(&other, chart).await?;
    let sent = provider.recorder.sent();
    assert!(
        sent.contains("[PATIENT_1]") && !sent.contains("Quillfeather"),
        "{sent}"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_request_allows_its_task_is_kept_and_holds_after_a_kill() -> Result<()> {
    let (provider, mut appliance) = plant(ASKING).await?;
    let body = json!({"id": "kept", "model": "cloud", "prompt": HARD, "max_tokens": 8, "max_remote_tokens": 1});
    appliance.post("/api/tasks", body).await?;
    let question = async |appliance: &Appliance| -> Result<String> {
        until("a question is open", async || {
            let listed = appliance.get("/api/approvals").await.ok()?;
            let id = listed["approvals"][0]["question"]["id"].as_str()?;
            Some(id.to_owned())
        })
        .await
    };
    question(&appliance).await?;
    appliance.kill().await?;
    appliance.restart().await?;
    let id = question(&appliance).await?;
    appliance.printed_by(&["approvals", "approve", &id]).await?;
    let record = appliance.ended("kept").await?;
    let said = record["error"]["message"].to_string();
    assert!(said.contains("the request's max_remote_tokens"), "{record}");
    assert_eq!(record["limits"], json!({"max_remote_tokens": 1}));

    let more = ["--max-tokens", "8", "--max-remote-calls", "0"];
    let asked = [&["ask", "--json"][..], &more, &[HARD]].concat();
    let asked: Value = serde_json::from_str(&appliance.printed_by(&asked).await?)?;
    let task = asked["id"].as_str().unwrap_or_default();
    let shown = appliance.printed_by(&["trace", task]).await?;
    assert!(shown.contains("max_remote_calls 0"), "{shown}");

    for (name, value) in [
        ("max_cost_usd", json!(-1)),
        ("max_label", json!("public")),
        ("workers", json!(["clod"])),
    ] {
        let mut body = json!({"prompt": HARD, "label": "internal"});
        body[name] = value;
        let refused = appliance
            .send(Method::POST, "/api/tasks", Some(body))
            .await?;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{name}");
        let said = refused.text().await?;
        assert!(said.contains(name), "{said}");
    }
    assert_eq!(provider.recorder.connections(), 0);
    Ok(())
}
