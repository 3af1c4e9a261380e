//! What an appliance is set up with, and how its program is called.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::Appliance;
use crate::{
    namespace::Host,
    place::{binary, free_port, model},
};

/// What an appliance is set up with, before it starts.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    pub(super) port: u16,
    config: String,
    policy: String,
    mqtt: Option<SocketAddr>,
    link: String,
    pub(super) https: Option<u16>,
    pub(super) host: Ipv4Addr,
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
            host: Ipv4Addr::LOCALHOST,
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
    pub fn broker(self, port: u16) -> Self {
        self.broker_at((Ipv4Addr::LOCALHOST, port).into())
    }

    /// A broker anywhere.
    #[must_use]
    pub fn broker_at(mut self, address: SocketAddr) -> Self {
        self.mqtt = Some(address);
        self
    }

    /// On another machine, where only HTTPS reaches it.
    pub fn on(self, host: &Host) -> Result<Self> {
        let mut setup = self.https()?.within(host.wrapper());
        setup.host = host.address();
        Ok(setup)
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
             key_file = \"{id}.key\"\ninsecure_http = {}\n",
            !address.ip().is_loopback()
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

    /// Without such a command.
    pub(super) fn alone(&mut self) {
        self.within = None;
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
            Some(address) => format!("url = \"mqtt://{address}\""),
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
        let mut appliance = self.launch()?;
        appliance.ready().await?;
        Ok(appliance)
    }

    /// Starts it.
    pub fn launch(self) -> Result<Appliance> {
        self.write()?;
        Appliance::launch(self)
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

pub(super) fn serve(setup: &Setup) -> Result<Child> {
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
