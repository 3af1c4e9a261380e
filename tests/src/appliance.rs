//! The real binary with a data folder of its own.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    place::{binary, free_port, model},
    wait::until,
};

/// What an appliance is set up with, before it starts.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    port: u16,
    config: String,
    policy: String,
    mqtt: Option<u16>,
    link: String,
    https: Option<u16>,
    model: PathBuf,
    threads: u32,
    context: u32,
    ultra_min_parameters: u64,
    head: bool,
    environment: Vec<(String, String)>,
    engine: String,
    within: Option<Vec<String>>,
    name: String,
}

impl Setup {
    /// The default model, no broker, no provider, an empty policy.
    pub fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            port: free_port()?,
            config: String::new(),
            policy: String::new(),
            mqtt: None,
            link: String::new(),
            https: None,
            model: model()?,
            threads: 1,
            context: 2048,
            ultra_min_parameters: 1_000_000_000,
            head: false,
            environment: Vec::new(),
            engine: String::new(),
            within: None,
            name: "line3".to_owned(),
        })
    }

    /// Another name than `line3`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Lines for `policy.toml`.
    #[must_use]
    pub fn policy(mut self, text: &str) -> Self {
        self.policy.push_str(text);
        self
    }

    /// A broker on 127.0.0.1.
    #[must_use]
    pub fn broker(mut self, port: u16) -> Self {
        self.mqtt = Some(port);
        self
    }

    /// HTTPS on a port of its own.
    pub fn https(mut self) -> Result<Self> {
        self.https = Some(free_port()?);
        Ok(self)
    }

    /// Another model file.
    #[must_use]
    pub fn model(mut self, path: &Path) -> Self {
        self.model = path.to_owned();
        self
    }

    /// More CPU threads than one.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Another context than 2,048 tokens.
    #[must_use]
    pub fn context(mut self, tokens: u32) -> Self {
        self.context = tokens;
        self
    }

    /// Lets any backbone plan for `shoal-ultra`.
    #[must_use]
    pub fn any_backbone_plans(mut self) -> Self {
        self.ultra_min_parameters = 0;
        self
    }

    /// A remote worker behind an OpenAI-compatible API.
    pub fn remote(mut self, id: &str, address: SocketAddr, model: &str, key: &str) -> Result<Self> {
        std::fs::write(self.folder.path().join(format!("{id}.key")), key)?;
        write!(
            self.config,
            "\n[[workers]]\nid = \"{id}\"\nkind = \"openai\"\nbase_url = \"http://{address}/v1\"\nmodel = \"{model}\"\n\
             key_file = \"{id}.key\"\n"
        )?;
        Ok(self)
    }

    /// With the sensitivity head, which reads every text with the model.
    #[must_use]
    pub fn head(mut self, is_on: bool) -> Self {
        self.head = is_on;
        self
    }

    /// More lines for `shoal.toml`.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self
    }

    /// Lines for `[mqtt]` in `shoal.toml`.
    #[must_use]
    pub fn link(mut self, text: &str) -> Self {
        self.link.push_str(text);
        self
    }

    /// Lines for `[model]` in `shoal.toml`.
    #[must_use]
    pub fn engine(mut self, text: &str) -> Self {
        self.engine.push_str(text);
        self
    }

    /// A command that starts the program, which follows as its last arguments.
    #[must_use]
    pub fn within(mut self, wrapper: Vec<String>) -> Self {
        self.within = Some(wrapper);
        self
    }

    /// A variable in the environment of the program.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `shoal.toml` and `policy.toml`.
    pub fn write(&self) -> Result<()> {
        let mqtt = match self.mqtt {
            Some(port) => format!("url = \"mqtt://127.0.0.1:{port}\""),
            None => "enabled = false".to_owned(),
        };
        let https = match self.https {
            Some(port) => format!("listen = \"0.0.0.0:{port}\""),
            None => "enabled = false".to_owned(),
        };
        let config = format!(
            "[appliance]\nsite = \"plant\"\nname = \"line3\"\n[http]\nlisten = \"127.0.0.1:{}\"\ndrain_seconds = 1\n\
             [https]\n{https}\n[mqtt]\n{mqtt}\n{}[privacy]\nhead = {}\n[model]\npath = \"{}\"\ncontext = {}\nthreads = {}\n{}[conductor]\n\
             ultra_min_parameters = {}\n{}",
            self.port,
            self.link,
            self.head,
            self.model.display(),
            self.context,
            self.threads,
            self.engine,
            self.ultra_min_parameters,
            self.config
        );
        let config = config.replacen("line3", &self.name, 1);
        std::fs::write(self.data().join("shoal.toml"), config)?;
        std::fs::write(self.data().join("policy.toml"), &self.policy)?;
        Ok(())
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Result<Appliance> {
        self.write()?;
        let process = serve(&self)?;
        let mut appliance = Appliance {
            setup: self,
            process,
            client: client(),
        };
        appliance.ready().await?;
        Ok(appliance)
    }

    /// The program on this data folder, with the environment that was set.
    fn command(&self) -> Result<Command> {
        let mut command = match &self.within {
            Some(wrapper) => wrapped(self.data(), wrapper)?,
            None => command(self.data())?,
        };
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Runs a command of the program on this data folder.
    pub async fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command()?.args(arguments).output().await?)
    }
}

/// An HTTP client. The library wants to be told which cryptography it uses, even for plain HTTP.
#[must_use]
pub fn client() -> Client {
    // An error says that it was told before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// The program on a data folder.
pub fn command(data: &Path) -> Result<Command> {
    Ok(prepared(Command::new(binary()?), data))
}

fn wrapped(data: &Path, wrapper: &[String]) -> Result<Command> {
    let (first, rest) = wrapper.split_first().context("an empty wrapper")?;
    let mut command = Command::new(first);
    command.args(rest).arg(binary()?);
    Ok(prepared(command, data))
}

fn prepared(mut command: Command, data: &Path) -> Command {
    command
        .env("SHOAL_DATA", data)
        .env_remove("RUST_LOG")
        .env_remove("SHOAL_MODEL")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn serve(setup: &Setup) -> Result<Child> {
    let data = setup.data();
    let log = |name: &str| {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(data.join(name))
    };
    let mut command = setup.command()?;
    command
        .arg("serve")
        .stdout(log("out.log")?)
        .stderr(log("err.log")?);
    Ok(command.spawn()?)
}

/// A running `shoal serve`. Killed with its owner.
#[derive(Debug)]
pub struct Appliance {
    setup: Setup,
    process: Child,
    client: Client,
}

impl Appliance {
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

    async fn ready(&mut self) -> Result<()> {
        let url = format!("http://{}/readyz", self.address());
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
        let url = format!("http://{}{path}", self.address());
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
