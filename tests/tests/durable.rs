//! A full disk, and a backup of a store in use.

use std::io::Write as _;

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    namespace::{enter_mounts, system},
};

fn short(id: &str) -> Value {
    json!({"id": id, "model": "local", "prompt": "Say hello.", "max_tokens": 2})
}

async fn code(appliance: &Appliance, path: &str) -> Result<StatusCode> {
    Ok(appliance.send(Method::GET, path, None).await?.status())
}

#[tokio::test]
async fn a_full_disk_refuses_tasks_clearly_answers_what_it_has_and_goes_on_when_there_is_room()
-> Result<()> {
    let test =
        "a_full_disk_refuses_tasks_clearly_answers_what_it_has_and_goes_on_when_there_is_room";
    if enter_mounts(test).await? {
        return Ok(());
    }
    let setup = Setup::new()?;
    let data = setup.data().display().to_string();
    system("mount", &["-t", "tmpfs", "-o", "size=48m", "tmpfs", &data]).await?;
    let appliance = setup.start().await?;
    appliance
        .post("/api/tasks?wait=170", short("before"))
        .await?;
    let filler = appliance.data().join("filler");
    let mut file = std::fs::File::create(&filler)?;
    while file.write_all(&[7; 65_536]).is_ok() {}
    while file.write_all(&[7]).is_ok() {}
    drop(file);
    // The log has a little room left in itself.
    let mut accepted = Vec::new();
    let refused = loop {
        let id = format!("large-{}", accepted.len());
        let body =
            json!({"id": id, "model": "local", "prompt": "x ".repeat(60_000), "max_tokens": 2});
        let answer = appliance
            .send(Method::POST, "/api/tasks", Some(body))
            .await?;
        if !answer.status().is_success() {
            break answer;
        }
        accepted.push(id);
        ensure!(accepted.len() < 200, "the disk never filled");
    };
    assert_eq!(refused.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert!(refused.headers().contains_key("retry-after"));
    let said: Value = refused.json().await?;
    assert_eq!(said["error"]["code"], "disk_full");
    assert!(
        said["error"]["message"]
            .as_str()
            .unwrap()
            .contains("free some space"),
        "{said}"
    );
    let record = appliance.get("/api/tasks/before").await?;
    assert_eq!(record["state"], "done");
    assert_eq!(
        code(&appliance, "/api/traces/before").await?,
        StatusCode::OK
    );
    std::fs::remove_file(&filler)?;
    let after = appliance
        .post("/api/tasks?wait=170", short("after"))
        .await?;
    assert_eq!(after["state"], "done", "{after}");
    for id in accepted {
        appliance.ended(&id).await?;
    }
    assert_eq!(appliance.get("/api/tasks/before").await?, record);
    Ok(())
}

#[tokio::test]
async fn a_backup_of_a_running_appliance_is_restored_and_the_trace_says_that_it_was() -> Result<()>
{
    let mut appliance = Setup::new()?.start().await?;
    appliance.post("/api/tasks?wait=170", short("kept")).await?;
    let file = appliance.data().join("shoal.backup");
    let file = file.to_str().unwrap().to_owned();
    let said = appliance.printed_by(&["backup", &file]).await?;
    assert!(
        said.contains("copied 1 tasks") && said.contains("store.key"),
        "{said}"
    );
    appliance.post("/api/tasks?wait=170", short("lost")).await?;
    let refused = appliance.run(&["restore", &file]).await?;
    assert_eq!(refused.status.code(), Some(69), "it is running");
    assert!(appliance.stop().await?.success());
    let restored: Value =
        serde_json::from_str(&appliance.printed_by(&["restore", &file, "--json"]).await?)?;
    assert_eq!(restored["tasks"], 1);
    appliance.restart().await?;
    assert_eq!(appliance.get("/api/tasks/kept").await?["state"], "done");
    assert_eq!(
        code(&appliance, "/api/tasks/lost").await?,
        StatusCode::NOT_FOUND
    );
    let audit = appliance.run(&["trace", "--verify"]).await?;
    assert_eq!(audit.status.code(), Some(1));
    let said = String::from_utf8(audit.stdout)? + &String::from_utf8(audit.stderr)?;
    assert!(said.contains("older copy"), "{said}");
    Ok(())
}

#[tokio::test]
async fn the_numbers_are_there_for_prometheus_with_a_key_that_may_read() -> Result<()> {
    let appliance = Setup::new()?.start().await?;
    let page = appliance.send(Method::GET, "/metrics", None).await?;
    let page = page.text().await?;
    for line in [
        "shoal_tasks_open 0",
        "shoal_outbox_messages 0",
        "shoal_outbox_dropped_total{class=\"result\",reason=\"age\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}: {page}");
    }
    let client = shoal_tests::appliance::client();
    let url = format!("http://{}/metrics", appliance.address());
    assert_eq!(
        client.get(&url).send().await?.status(),
        StatusCode::UNAUTHORIZED
    );
    Ok(())
}
