//! An accelerator whose driver crashes.

use std::{path::Path, process::Stdio};

use anyhow::{Result, ensure};
use serde_json::json;
use shoal_tests::appliance::Setup;
use tokio::{io::AsyncWriteExt as _, process::Command};

/// Ends whatever process loads it, as a broken driver does.
const CRASH: &str =
    "__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 0; }";

async fn compile(to: &Path) -> Result<()> {
    let mut compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-x", "c", "-", "-o"])
        .arg(to)
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut source) = compiler.stdin.take() {
        source.write_all(CRASH.as_bytes()).await?;
    }
    let status = compiler.wait().await?;
    ensure!(status.success(), "cc ended with {status}");
    Ok(())
}

#[tokio::test]
async fn a_driver_that_crashes_takes_nothing_down_and_the_cpu_answers() -> Result<()> {
    let plugins = tempfile::tempdir()?;
    compile(&plugins.path().join("libggml-cuda.so")).await?;
    let engine = format!("plugins = \"{}\"\n", plugins.path().display());
    for wish in ["", "gpu_layers = 999\n"] {
        let board = Setup::new()?
            .engine(&(engine.clone() + wish))
            .start()
            .await?;
        let log = board.log()?;
        assert!(log.contains("crashed (signal: 11 (SIGSEGV)"), "{log}");
        let ask = json!({"model": "local", "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]});
        let answer = board.post("/v1/chat/completions", ask).await?;
        assert_eq!(answer["object"], "chat.completion", "{answer}");
        let ready = board.get("/readyz").await?;
        let degraded = ready["degraded"].to_string();
        assert_eq!(
            degraded.contains("accelerator"),
            !wish.is_empty(),
            "{ready}"
        );
    }
    Ok(())
}
