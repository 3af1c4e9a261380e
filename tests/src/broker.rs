//! A real mosquitto, and mosquitto's own clients.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::{place::free_port, wait::until};

/// A broker on a port of its own. Ends with its owner.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    folder: TempDir,
    /// After how many changes it saves what it holds.
    saves_after: usize,
    process: Child,
}

impl Broker {
    /// Starts a broker that lets everybody in and keeps what it holds across restarts.
    pub async fn start() -> Result<Self> {
        Self::with(Ipv4Addr::LOCALHOST, 1).await
    }

    /// The same, which other machines reach by this address of ours.
    pub async fn at(host: Ipv4Addr) -> Result<Self> {
        Self::with(host, 1).await
    }

    /// The same, which saves after so many changes: killed, it forgets those since then. mosquitto writes all that it holds
    /// each time, so that one that holds much and saves at each change does little else.
    pub async fn saving_after(changes: usize) -> Result<Self> {
        Self::with(Ipv4Addr::LOCALHOST, changes).await
    }

    async fn with(host: Ipv4Addr, saves_after: usize) -> Result<Self> {
        let address = SocketAddr::from((host, free_port()?));
        let folder = tempfile::tempdir()?;
        let process = run(address, &folder, saves_after)?;
        let broker = Self {
            address,
            folder,
            saves_after,
            process,
        };
        broker.ready().await?;
        Ok(broker)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Kills it.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Starts it again.
    pub async fn restart(&mut self) -> Result<()> {
        self.process = run(self.address, &self.folder, self.saves_after)?;
        self.ready().await
    }

    async fn ready(&self) -> Result<()> {
        until("mosquitto answers", async || {
            TcpStream::connect(self.address).await.ok()
        })
        .await?;
        Ok(())
    }

    /// Publishes with `mosquitto_pub`; `more` are further arguments.
    pub async fn publish(&self, topic: &str, message: &str, more: &[&str]) -> Result<()> {
        let status = client("mosquitto_pub", self.address)
            .args(["-q", "1", "-t", topic, "-m", message])
            .args(more)
            .status()
            .await?;
        ensure!(status.success(), "mosquitto_pub ended with {status}");
        Ok(())
    }

    /// Publishes each line with one `mosquitto_pub`.
    pub async fn publish_all(&self, topic: &str, lines: &[String]) -> Result<()> {
        let mut process = client("mosquitto_pub", self.address)
            .args(["-q", "1", "-t", topic, "-l"])
            .stdin(Stdio::piped())
            .spawn()?;
        let mut input = process.stdin.take().context("no input")?;
        for line in lines {
            input.write_all(format!("{line}\n").as_bytes()).await?;
        }
        drop(input);
        let status = process.wait().await?;
        ensure!(status.success(), "mosquitto_pub ended with {status}");
        Ok(())
    }

    /// Subscribes with `mosquitto_sub`, and returns once it is subscribed.
    pub async fn subscribe(&self, topic: &str) -> Result<Subscriber> {
        let mut process = client("mosquitto_sub", self.address)
            .args(["-q", "1", "-t", topic, "-t", "ready/#", "-F", "%j"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("mosquitto_sub is missing: install mosquitto-clients")?;
        let output = process.stdout.take().context("no output")?;
        let messages = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&messages);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(message) = serde_json::from_str(&line) {
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(message);
                }
            }
        });
        let subscriber = Subscriber {
            messages,
            _process: process,
        };
        until("mosquitto_sub is subscribed", async || {
            self.publish("ready/now", "", &[]).await.ok()?;
            (!subscriber.on("ready/now").is_empty()).then_some(())
        })
        .await?;
        Ok(subscriber)
    }
}

fn run(address: SocketAddr, folder: &TempDir, saves_after: usize) -> Result<Child> {
    let config = folder.path().join("mosquitto.conf");
    let text = format!(
        "listener {} {}\nallow_anonymous true\npersistence true\npersistence_location {}/\nuser root\n\
         autosave_on_changes true\nautosave_interval {saves_after}\nmax_queued_messages 0\n",
        address.port(),
        address.ip(),
        folder.path().display()
    );
    std::fs::write(&config, text)?;
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("mosquitto")
        .env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"))
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("mosquitto is missing: install it, or run the tests by `cargo xtask test`")
}

fn client(name: &str, broker: SocketAddr) -> Command {
    let (host, port) = (broker.ip().to_string(), broker.port().to_string());
    let mut command = Command::new(name);
    command.args(["-V", "mqttv5", "-h", &host, "-p", &port]);
    command
}

/// What a `mosquitto_sub` has seen. Ends with its owner.
#[derive(Debug)]
pub struct Subscriber {
    messages: Arc<Mutex<Vec<Value>>>,
    _process: Child,
}

impl Subscriber {
    /// Every topic so far on which something came.
    #[must_use]
    pub fn topics(&self) -> BTreeSet<String> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let topics = messages
            .iter()
            .filter_map(|message| message["topic"].as_str());
        topics.map(str::to_owned).collect()
    }

    /// Every message so far on a topic, as `mosquitto_sub -F %j` prints it.
    #[must_use]
    pub fn on(&self, topic: &str) -> Vec<Value> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = messages.iter().filter(|message| message["topic"] == topic);
        ours.cloned().collect()
    }

    /// The payloads on a topic so far, read as JSON where they are.
    #[must_use]
    pub fn payloads(&self, topic: &str) -> Vec<Value> {
        let messages = self.on(topic).into_iter();
        messages
            .map(|message| match &message["payload"] {
                Value::String(text) => {
                    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
                }
                other => other.clone(),
            })
            .collect()
    }

    /// Waits for the first message on a topic.
    pub async fn first(&self, topic: &str) -> Result<Value> {
        until(topic, async || self.payloads(topic).into_iter().next()).await
    }
}
