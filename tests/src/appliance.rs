//! The real binary with a data folder of its own.

mod setup;

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Output},
};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::process::{Child, Command};

use self::setup::serve;
pub use self::setup::{Setup, command};
use crate::wait::until;

/// An HTTP client. The library wants to be told which cryptography it uses, even for plain HTTP.
#[must_use]
pub fn client() -> Client {
    // An error says that it was told before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// A running `shoal serve`. Killed with its owner.
#[derive(Debug)]
pub struct Appliance {
    setup: Setup,
    process: Child,
    client: Client,
}

impl Appliance {
    fn launch(setup: Setup) -> Result<Self> {
        // An error says that it was told before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Its certificate is its own.
        let client = Client::builder().tls_danger_accept_invalid_certs(true);
        Ok(Self {
            process: serve(&setup)?,
            setup,
            client: client.build()?,
        })
    }

    /// Where it answers plain HTTP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.setup.port))
    }

    /// The port of HTTPS.
    #[must_use]
    pub fn https(&self) -> Option<u16> {
        self.setup.https
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.setup.data()
    }

    /// The number of its process.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.process.id()
    }

    /// What it logged.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.data().join("err.log"))?)
    }

    /// What it printed.
    pub fn printed(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.data().join("out.log"))?)
    }

    fn url(&self, path: &str) -> String {
        match self.setup.https {
            Some(port) if !self.setup.host.is_loopback() => {
                format!("https://{}:{port}{path}", self.setup.host)
            }
            _ => format!("http://{}{path}", self.address()),
        }
    }

    /// Waits until it is ready. An error if it ends before.
    pub async fn ready(&mut self) -> Result<()> {
        let url = self.url("/readyz");
        let (client, process, data) = (&self.client, &mut self.process, self.setup.data());
        until("/readyz is 200", async || {
            if let Ok(Some(status)) = process.try_wait() {
                let log = std::fs::read_to_string(data.join("err.log")).unwrap_or_default();
                return Some(Err(anyhow::anyhow!(
                    "shoal serve ended with {status}: {log}"
                )));
            }
            let answer = client.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(Ok(()))
        })
        .await?
    }

    /// Bytes of its memory that no file backs.
    pub fn anonymous_bytes(&self) -> Result<u64> {
        let id = self.process.id().context("it does not run")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kibibytes.context("no RssAnon")?.parse::<u64>()? << 10)
    }

    /// Kills it as `kill -9` does.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.process.try_wait()?.is_none())
    }

    /// Starts it again without the command that it was started within.
    pub async fn restart_alone(&mut self) -> Result<()> {
        self.setup.alone();
        self.restart().await
    }

    /// Starts it again on the same folder and waits until it is ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = serve(&self.setup)?;
        self.ready().await
    }

    /// Asks it to stop and waits for the end.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let id = self.process.id().context("it does not run")?;
        let status = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .await?;
        ensure!(status.success(), "kill ended with {status}");
        Ok(self.process.wait().await?)
    }

    /// Runs a command of the program beside it.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        self.setup.run(arguments).await
    }

    /// Runs a command that must work and gives what it printed.
    pub async fn printed_by(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        ensure!(
            output.status.success(),
            "shoal {arguments:?} ended with {}: {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Makes an API key.
    pub async fn key(&self, name: &str, more: &[&str]) -> Result<String> {
        let mut arguments = vec!["keys", "create", "--name", name, "--json"];
        arguments.extend(more);
        let made: Value = serde_json::from_str(&self.printed_by(&arguments).await?)?;
        Ok(made["key"].as_str().context("no key")?.to_owned())
    }

    /// The key of the command line, which may do everything.
    pub fn admin(&self) -> Result<String> {
        let key = std::fs::read_to_string(self.data().join("run/cli.key"))?;
        Ok(key.trim().to_owned())
    }

    /// Sends a request with the admin key.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response> {
        let url = self.url(path);
        let mut request = self.client.request(method, url).bearer_auth(self.admin()?);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Ok(request.send().await?)
    }

    /// Gets a path as JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.send(Method::GET, path, None).await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "{path}: {status}: {}",
            answer.text().await?
        );
        Ok(answer.json().await?)
    }

    /// Posts JSON and gives what comes back, which must be a success.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let answer = self.send(Method::POST, path, Some(body)).await?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "{path}: {status}: {}",
            answer.text().await?
        );
        Ok(answer.json().await?)
    }

    /// Waits until a task has ended and gives its record.
    pub async fn ended(&self, task: &str) -> Result<Value> {
        until("the task ends", async || {
            let record = self.get(&format!("/api/tasks/{task}")).await.ok()?;
            let state = record["state"].as_str()?;
            matches!(state, "done" | "failed" | "cancelled").then_some(record)
        })
        .await
    }

    /// The events of a task's trace.
    pub async fn events(&self, task: &str) -> Result<Vec<Value>> {
        let trace = self.get(&format!("/api/traces/{task}")).await?;
        let entries = trace["entries"].as_array().context("no entries")?;
        Ok(entries.iter().map(|entry| entry["event"].clone()).collect())
    }
}
