//! Memory that runs short while the appliance runs.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::json;
use shoal_tests::{appliance::Setup, namespace, place::model, wait::until};

/// Lets the program read this file as the kernel's account of memory.
async fn instead_of_meminfo(file: &str) -> Result<Vec<String>> {
    let script = format!("mount --bind '{file}' /proc/meminfo && exec \"$@\"");
    let mut words = namespace::own("--mount").await?;
    words.extend(["sh", "-c", &script, "sh"].map(str::to_owned));
    Ok(words)
}

#[tokio::test]
async fn a_task_is_refused_before_memory_ends_and_accepted_when_there_is_enough_again() -> Result<()>
{
    let folder = tempfile::tempdir()?;
    let meminfo = folder.path().join("meminfo");
    let left = |percent: u64| {
        let table = format!(
            "MemTotal: 8000000 kB\nMemAvailable: {} kB\n",
            percent * 80_000
        );
        std::fs::write(&meminfo, table)
    };
    left(50)?;
    let wrapper = instead_of_meminfo(meminfo.to_str().context("not UTF-8")?).await?;
    let board = Setup::new()?.within(wrapper).start().await?;
    let ask =
        json!({"model": "local", "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]});
    let degraded = async |word: &str| {
        until("/readyz says so", async || {
            let ready = board.get("/readyz").await.ok()?;
            (ready["degraded"].to_string().contains(word)).then_some(())
        })
        .await
    };
    board.post("/v1/chat/completions", ask.clone()).await?;

    left(8)?;
    degraded("memory is low").await?;
    board.post("/v1/chat/completions", ask.clone()).await?;
    left(3)?;
    degraded("memory is very low").await?;
    let refused = board
        .send(Method::POST, "/v1/chat/completions", Some(ask.clone()))
        .await?;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "10");
    let said = refused.text().await?;
    assert!(said.contains("there is too little memory"), "{said}");
    left(50)?;
    degraded("[]").await?;
    board.post("/v1/chat/completions", ask).await?;
    let log = board.log()?;
    assert!(log.contains("caches are dropped"), "{log}");
    Ok(())
}

#[tokio::test]
async fn weights_are_locked_in_memory_or_the_log_says_why_not() -> Result<()> {
    let board = Setup::new()?.engine("lock = true\n").start().await?;
    let id = board.process().context("it does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let locked: u64 = locked
        .and_then(|kib| kib.trim().strip_suffix("kB")?.trim().parse().ok())
        .context("no VmLck")?;
    let half = std::fs::metadata(model()?)?.len() / 1024 / 2;
    let log = board.log()?;
    assert_eq!(
        locked < half,
        log.contains("failed to mlock"),
        "{locked}: {log}"
    );
    Ok(())
}
