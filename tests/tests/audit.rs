//! What is on the disk, and whether somebody has changed it.

use std::path::Path;

use anyhow::Result;
use rusqlite::Connection;
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::Broker,
    provider::Provider,
    shift::{LOG, POLICY, SECRETS},
    wait::until,
};

/// Every file below `folder` that has `text` in it.
fn holding(folder: &Path, text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(holding(&path, text)?);
        } else {
            let bytes = std::fs::read(&path)?;
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    // The word list of the policy is the owner's own.
    found.retain(|path| !path.ends_with("policy.toml"));
    Ok(found)
}

/// What is too long to be met by chance in what is sealed.
fn long() -> impl Iterator<Item = &'static str> {
    let secrets = SECRETS.into_iter().filter(|secret| secret.len() >= 6);
    secrets.chain(["hydraulic pressure low"])
}

async fn verified(appliance: &Appliance) -> Result<(Option<i32>, String)> {
    let output = appliance.run(&["trace", "--verify"]).await?;
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

async fn shift_log(appliance: &Appliance, id: &str) -> Result<()> {
    let body = json!({"id": id, "prompt": LOG, "label": "confidential", "max_tokens": 16});
    appliance.post("/api/tasks?wait=170", body).await?;
    Ok(())
}

#[tokio::test]
async fn no_file_holds_the_text_of_a_confidential_task_also_after_a_kill() -> Result<()> {
    let provider = Provider::start().await?;
    let broker = Broker::start().await?;
    let policy = POLICY.replace("confidential = \"redact\"", "confidential = \"approve\"");
    let setup = Setup::new()?.policy(&policy).broker(broker.port());
    let mut appliance = provider.serves(setup)?.start().await?;
    let task = json!({"id": "log-1", "prompt": LOG, "label": "confidential", "max_tokens": 16});
    let topic = "shoal/v1/plant/line3/tasks";
    broker.publish(topic, &task.to_string(), &[]).await?;
    let id = until("a question is open", async || {
        let listed = appliance.printed_by(&["approvals", "--json"]).await.ok()?;
        let listed: Value = serde_json::from_str(&listed).ok()?;
        let open = listed["approvals"].as_array()?.first()?["question"]["id"].clone();
        open.as_str().map(str::to_owned)
    })
    .await?;
    for secret in long() {
        assert_eq!(
            holding(appliance.data(), secret)?,
            Vec::<String>::new(),
            "{secret}"
        );
    }
    appliance.kill().await?;
    appliance.restart().await?;
    appliance.printed_by(&["approvals", "approve", &id]).await?;
    assert_eq!(appliance.ended("log-1").await?["state"], "done");
    appliance.kill().await?;
    for secret in long() {
        assert_eq!(
            holding(appliance.data(), secret)?,
            Vec::<String>::new(),
            "{secret}"
        );
    }
    // It is all there for who has the key.
    let shown = appliance
        .printed_by(&["trace", "--export", "log-1"])
        .await?;
    assert!(shown.contains("hydraulic pressure low") && shown.contains("[PERSON_1]"));
    assert_eq!(verified(&appliance).await?.0, Some(0));
    Ok(())
}

#[tokio::test]
async fn whoever_changes_the_record_is_found_out_by_line_and_task() -> Result<()> {
    let appliance = Setup::new()?.start().await?;
    shift_log(&appliance, "log-1").await?;
    let (code, said) = verified(&appliance).await?;
    assert_eq!(code, Some(0), "{said}");
    let raw = Connection::open(appliance.data().join("shoal.db"))?;
    raw.busy_timeout(std::time::Duration::from_secs(20))?;
    raw.execute_batch("UPDATE trace SET at = at + 1 WHERE seq = 2")?;
    let (code, said) = verified(&appliance).await?;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("line 2 of the trace of task log-1 was changed"),
        "{said}"
    );
    raw.execute_batch("DELETE FROM trace WHERE seq = 2")?;
    let (code, said) = verified(&appliance).await?;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("line 2 of the trace of task log-1 is missing"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn what_policy_keeps_no_longer_is_purged_and_the_chain_stays_whole() -> Result<()> {
    let policy = "[retention]\nconfidential = 0\n";
    let mut appliance = Setup::new()?.policy(policy).start().await?;
    shift_log(&appliance, "log-1").await?;
    let public = json!({"id": "hello-1", "prompt": "Say hello.", "max_tokens": 8});
    appliance.post("/api/tasks?wait=170", public).await?;
    appliance.stop().await?;
    appliance.restart().await?;
    until("the confidential task is purged", async || {
        let output = appliance.run(&["trace", "log-1"]).await.ok()?;
        (!output.status.success()).then_some(())
    })
    .await?;
    appliance.printed_by(&["trace", "hello-1"]).await?;
    let (code, said) = verified(&appliance).await?;
    assert_eq!(code, Some(0), "{said}");
    let purged = appliance
        .printed_by(&["trace", "--purge", "public"])
        .await?;
    assert!(purged.starts_with("1 finished"), "{purged}");
    assert_eq!(verified(&appliance).await?.0, Some(0));
    let record = appliance.printed_by(&["trace", "--export"]).await?;
    assert!(record.contains("retention.confidential = 0"), "{record}");
    Ok(())
}
