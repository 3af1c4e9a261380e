//! An escalation that needs a person's word.

use anyhow::{Result, anyhow};
use reqwest::StatusCode;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
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

#[tokio::test]
async fn two_people_are_needed_and_one_of_them_twice_is_one_also_after_a_kill() -> Result<()> {
    let policy = format!("{}\n[approvals.people]\nconfidential = 2\n", asking());
    let (provider, mut appliance) = plant(&policy).await?;
    let keys = [
        appliance.key("ada", &["--scope", "approve"]).await?,
        appliance.key("bob", &["--scope", "approve"]).await?,
    ];
    hand_in(&appliance, "two-1").await?;
    let id = question(&appliance).await?;
    let client = shoal_tests::appliance::client();
    let url = format!("http://{}/api/approvals/{id}", appliance.address());
    let approve = async |key: &str| {
        let body = json!({"decision": "approve"});
        client.post(&url).bearer_auth(key).json(&body).send().await
    };
    let counted: Value = approve(&keys[0]).await?.json().await?;
    assert_eq!((&counted["have"], &counted["need"]), (&json!(1), &json!(2)));
    appliance.kill().await?;
    appliance.restart().await?;
    let listed = appliance.printed_by(&["approvals"]).await?;
    assert!(
        listed.contains("2 must approve; yes by api:ada at ") && listed.contains("; 1 missing"),
        "{listed}"
    );
    assert_eq!(approve(&keys[0]).await?.status(), StatusCode::CONFLICT);
    assert_eq!(question(&appliance).await?, id);
    assert_eq!(provider.recorder.connections(), 0);
    assert!(approve(&keys[1]).await?.status().is_success());
    assert_eq!(appliance.ended("two-1").await?["state"], "done");
    assert_eq!(worker(&appliance, "two-1").await?, "cloud");
    assert!(
        appliance
            .run(&["trace", "--verify"])
            .await?
            .status
            .success()
    );
    Ok(())
}

#[tokio::test]
async fn an_approval_as_a_rule_holds_for_the_next_task_until_it_is_revoked() -> Result<()> {
    let (_provider, appliance) = plant(&asking()).await?;
    hand_in(&appliance, "rule-1").await?;
    let id = question(&appliance).await?;
    appliance
        .printed_by(&["approvals", "approve", &id, "--for", "rule"])
        .await?;
    appliance.ended("rule-1").await?;
    hand_in(&appliance, "rule-2").await?;
    appliance.ended("rule-2").await?;
    assert_eq!(worker(&appliance, "rule-2").await?, "cloud");
    let events = appliance.events("rule-2").await?;
    let by = events
        .iter()
        .find_map(|event| event["decision"]["by"].as_str());
    assert!(
        by.is_some_and(|by| by.starts_with("standing approval 1 of cli")),
        "{by:?}"
    );
    appliance.printed_by(&["approvals", "revoke", "1"]).await?;
    hand_in(&appliance, "rule-3").await?;
    let id = question(&appliance).await?;
    appliance.printed_by(&["approvals", "deny", &id]).await?;
    appliance.ended("rule-3").await?;
    assert_eq!(worker(&appliance, "rule-3").await?, "local");
    Ok(())
}

#[tokio::test]
async fn a_signed_message_approves_and_an_altered_one_does_not() -> Result<()> {
    let provider = Provider::start().await?;
    let broker = Broker::start().await?;
    let ada = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|e| anyhow!("{e}"))?;
    let public = hex::encode(ada.public_key().as_ref());
    let policy = format!("{}\n[approvals.approvers]\nada = \"{public}\"\n", asking());
    let setup = Setup::new()?.policy(&policy).broker(broker.port());
    let appliance = provider.serves(setup)?.start().await?;
    let root = "shoal/v1/plant/line3";
    let heard = broker.subscribe(&format!("{root}/#")).await?;
    hand_in(&appliance, "signed-1").await?;
    let id = question(&appliance).await?;
    let asked = heard.first(&format!("{root}/approvals/{id}")).await?;
    let digest = asked["digest"].as_str().unwrap_or_default();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let expires_at = u64::try_from(now.as_millis())? + 600_000;
    let nonce = "0123456789abcdef";
    let statement = format!(
        "shoal-decision-1\nplant/line3\n{id}\n{digest}\napprove\nonce\nada\n{nonce}\n{expires_at}\n"
    );
    let signature = hex::encode(ada.sign(statement.as_bytes()));
    let topic = format!("{root}/approvals/{id}/decision");
    let message = |reach: &str| {
        json!({"approver": "ada", "decision": "approve", "for": reach, "nonce": nonce,
            "expires_at": expires_at, "signature": signature})
        .to_string()
    };
    broker.publish(&topic, &message("rule"), &[]).await?;
    let refused = heard.first(&format!("{root}/errors")).await?;
    assert!(
        refused["error"].to_string().contains("signature"),
        "{refused}"
    );
    assert_eq!(question(&appliance).await?, id);
    broker.publish(&topic, &message("once"), &[]).await?;
    appliance.ended("signed-1").await?;
    assert_eq!(worker(&appliance, "signed-1").await?, "cloud");
    Ok(())
}

/// The lines by which the README signs, as a script of the first two and one of the rest.
fn lines_of_the_readme() -> Result<(String, String)> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    let block = readme
        .split("```sh\n")
        .find(|block| block.starts_with("openssl genpkey"))
        .and_then(|block| block.split("```").next())
        .ok_or_else(|| anyhow!("README.md does not say how to sign"))?;
    let (key, sign) = block
        .split_once("\n\n")
        .ok_or_else(|| anyhow!("the lines are not in two parts"))?;
    Ok((key.to_owned(), sign.to_owned()))
}

async fn sh(folder: &std::path::Path, script: &str) -> Result<String> {
    let mut sh = tokio::process::Command::new("sh");
    let output = sh
        .args(["-eu", "-c", script])
        .current_dir(folder)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn what_is_signed_with_openssl_as_the_readme_says_is_counted_once() -> Result<()> {
    let provider = Provider::start().await?;
    let broker = Broker::start().await?;
    let folder = tempfile::tempdir()?;
    let (key, sign) = lines_of_the_readme()?;
    let public = sh(folder.path(), &key).await?;
    let policy = format!(
        "{}\n[approvals.people]\nconfidential = 2\n[approvals.approvers]\nada = \"{}\"\n",
        asking(),
        public.trim()
    );
    let setup = Setup::new()?.policy(&policy).broker(broker.port());
    let appliance = provider.serves(setup)?.start().await?;
    let root = "shoal/v1/plant/line3";
    let heard = broker.subscribe(&format!("{root}/#")).await?;
    hand_in(&appliance, "openssl-1").await?;
    let id = question(&appliance).await?;
    let topic = format!("{root}/approvals/{id}");
    let asked = heard.first(&topic).await?;
    assert_eq!(
        (&asked["approved"], &asked["missing"]),
        (&json!([]), &json!(2))
    );
    let digest = asked["digest"].as_str().unwrap_or_default();
    let given = sign
        .replace("ROOT=site/shoal", "ROOT=plant/line3")
        .replace("ID=question", &format!("ID={id}"))
        .replace("DIGEST=digest", &format!("DIGEST={digest}"));
    let pub_ = format!("mosquitto_pub -p {}", broker.port());
    let once = given.replace("mosquitto_pub", &pub_);
    // The very same message a second time.
    let (made, sent) = once
        .split_once("mosquitto_pub")
        .ok_or_else(|| anyhow!("nothing is published"))?;
    let twice = format!("{made}mosquitto_pub{sent}\nmosquitto_pub{sent}");
    sh(folder.path(), &twice).await?;
    let refused = heard.first(&format!("{root}/errors")).await?;
    assert_eq!(
        refused["error"],
        "this approver has approved already; another person must"
    );
    // One of two is said to have said yes, also to whoever comes late.
    let late = broker.subscribe(&topic).await?;
    let half = late.first(&topic).await?;
    assert_eq!(
        (&half["approved"][0]["by"], &half["missing"]),
        (&json!("mqtt:ada"), &json!(1))
    );
    assert!(half["approved"][0]["at"].is_u64(), "{half}");
    assert_eq!(provider.recorder.connections(), 0);
    appliance.printed_by(&["approvals", "approve", &id]).await?;
    appliance.ended("openssl-1").await?;
    assert_eq!(worker(&appliance, "openssl-1").await?, "cloud");
    Ok(())
}
