//! The other side: llama.cpp's own tools.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{appliance::client, place::free_port, wait::until};

/// The folder of the tools that `cargo xtask bench` built.
#[derive(Debug)]
pub struct Llama {
    folder: PathBuf,
    threads: u32,
}

impl Llama {
    /// The tools in `folder`, on so many CPU threads.
    #[must_use]
    pub fn new(folder: &Path, threads: u32) -> Self {
        Self {
            folder: folder.to_owned(),
            threads,
        }
    }

    /// What they were built from, in words.
    pub fn about(&self) -> Result<String> {
        let file = self.folder.join("about");
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
    }

    /// How many tokens of a prompt of `tokens` are read in a second.
    pub async fn prefill(&self, model: &Path, tokens: u64) -> Result<f64> {
        self.bench(model, &["-n", "0", "-p", &tokens.to_string()])
            .await
    }

    /// How many of `tokens` tokens are written in a second, after a prompt of `before`.
    pub async fn decode(&self, model: &Path, tokens: u64, before: u64) -> Result<f64> {
        let (tokens, before) = (tokens.to_string(), before.to_string());
        self.bench(model, &["-p", "0", "-n", &tokens, "-d", &before])
            .await
    }

    async fn bench(&self, model: &Path, arguments: &[&str]) -> Result<f64> {
        let printed = self
            .run(
                "llama-bench",
                model,
                &[&["-r", "1", "-o", "json"], arguments].concat(),
            )
            .await?;
        rate(&printed.0)
    }

    /// How well the model foretells a text; lower is better.
    pub async fn perplexity(&self, model: &Path, text: &Path) -> Result<f64> {
        let text = text.to_str().context("name the text")?;
        let arguments = ["-f", text, "-c", "512"];
        let printed = self.run("llama-perplexity", model, &arguments).await?;
        perplexity(&printed.0).or_else(|_| perplexity(&printed.1))
    }

    async fn run(
        &self,
        program: &str,
        model: &Path,
        arguments: &[&str],
    ) -> Result<(String, String)> {
        let output = Command::new(self.folder.join(program))
            .arg("-m")
            .arg(model)
            .args(["-t", &self.threads.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("start {program}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            output.status.success(),
            "{program} {arguments:?} ended with {}: {}",
            output.status,
            text(&output.stderr)
        );
        Ok((text(&output.stdout), text(&output.stderr)))
    }

    /// Starts a server with `slots` slots of 2,048 tokens each, and waits until it is ready.
    pub async fn serve(&self, model: &Path, slots: u32) -> Result<Server> {
        let port = free_port()?;
        let process = Command::new(self.folder.join("llama-server"))
            .arg("-m")
            .arg(model)
            .args(["-t", &self.threads.to_string(), "--no-webui", "--offline"])
            .args(["-np", &slots.to_string()])
            .args(["-c", &(slots * 2048).to_string()])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("start llama-server")?;
        let mut server = Server { port, process };
        server.ready().await?;
        Ok(server)
    }
}

/// A running `llama-server`. Killed with its owner.
#[derive(Debug)]
pub struct Server {
    port: u16,
    process: Child,
}

impl Server {
    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn ready(&mut self) -> Result<()> {
        let (client, url) = (client(), format!("{}/health", self.url()));
        let process = &mut self.process;
        until("llama-server is ready", async || {
            if let Ok(Some(status)) = process.try_wait() {
                return Some(Err(anyhow::anyhow!("llama-server ended with {status}")));
            }
            let answer = client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(Ok(()))
        })
        .await?
    }

    /// Stops it.
    pub async fn stop(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

/// Tokens in a second, of the one test that was run.
fn rate(printed: &str) -> Result<f64> {
    let tests: Value = serde_json::from_str(printed).context("read what llama-bench printed")?;
    tests[0]["avg_ts"]
        .as_f64()
        .context("llama-bench says no rate")
}

fn perplexity(printed: &str) -> Result<f64> {
    const BEFORE: &str = "Final estimate: PPL = ";
    let (_, after) = printed
        .split_once(BEFORE)
        .context("llama-perplexity says no estimate")?;
    let number = after.split_whitespace().next().unwrap_or_default();
    number.parse().context("read the perplexity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_print_is_read() {
        let printed = r#"[{"n_prompt": 512, "avg_ns": 1079649271, "avg_ts": 474.9}]"#;
        assert_eq!(rate(printed).unwrap(), 474.9);
        assert!(rate("[]").is_err());
        let printed = "[1]9.1,[2]10.2,\nFinal estimate: PPL = 12.3456 +/- 0.7\n";
        assert_eq!(perplexity(printed).unwrap(), 12.3456);
        assert!(perplexity("").is_err());
    }
}
