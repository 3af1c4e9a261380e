//! The engine on a GPU by way of the Vulkan plugin. The GPU is Mesa's software one, which only
//! `GGML_VK_VISIBLE_DEVICES` makes llama.cpp take. Run by `cargo xtask test --accelerator`.

use std::env;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shoal_tests::appliance::{Appliance, Setup};

fn setup(more: &str) -> Result<Setup> {
    let plugins = env::var("SHOAL_PLUGINS").context("SHOAL_PLUGINS names no folder")?;
    Ok(Setup::new()?
        .engine(&format!("plugins = \"{plugins}\"\n{more}"))
        .environment("GGML_VK_VISIBLE_DEVICES", "0"))
}

async fn capital(appliance: &Appliance) -> Result<String> {
    let ask = json!({
        "model": "local",
        "temperature": 0,
        "max_tokens": 24,
        "messages": [{"role": "user", "content": "What is the capital of Japan?"}],
    });
    let answer = appliance.post("/v1/chat/completions", ask).await?;
    let text = &answer["choices"][0]["message"]["content"];
    Ok(text.as_str().context("no text")?.to_owned())
}

#[tokio::test]
async fn layers_that_are_forced_onto_the_gpu_answer_as_on_the_cpu() -> Result<()> {
    let cpu = setup("gpu_layers = 0\n")?.start().await?;
    let gpu = setup("gpu_layers = 999\n")?.start().await?;
    assert!(
        gpu.log()?.contains("999 layers on Vulkan0"),
        "{}",
        gpu.log()?
    );
    let (here, there) = (capital(&cpu).await?, capital(&gpu).await?);
    assert!(here.contains("Tokyo"), "{here}");
    assert_eq!(there, here);
    Ok(())
}

#[tokio::test]
async fn layers_that_are_slower_on_the_gpu_stay_on_the_cpu_and_this_is_measured_once() -> Result<()>
{
    let mut board = setup("")?.start().await?;
    assert!(
        board.log()?.contains("is slower than the CPU"),
        "{}",
        board.log()?
    );
    assert!(capital(&board).await?.contains("Tokyo"));
    let measured = || board.log().map(|log| log.matches("is measured").count());
    assert_eq!(measured()?, 1);
    board.kill().await?;
    board.restart().await?;
    let log = board.log()?;
    assert_eq!(log.matches("is measured").count(), 1, "{log}");
    assert_eq!(log.matches("is slower than the CPU").count(), 2, "{log}");

    let shown: Value = serde_json::from_str(&board.printed_by(&["board", "--json"]).await?)?;
    let choice = &shown["engine"]["choice"];
    assert_eq!(choice["gpu_layers"], 0, "{choice:#}");
    assert_eq!(choice["devices"][0]["name"], "Vulkan0", "{choice:#}");
    let (slow, fast) = (&choice["verdict"]["accelerator"], &choice["verdict"]["cpu"]);
    assert!(
        slow["decode"].as_f64() < fast["decode"].as_f64(),
        "{choice:#}"
    );
    let doctor = String::from_utf8(board.run(&["doctor"]).await?.stdout)?;
    let doctor = doctor.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(doctor.contains("is slower than the CPU"), "{doctor}");
    Ok(())
}
