//! `shoal.toml`: what this appliance is and whom it talks to. The file's form is in [`file`].
//!
//! Every value is checked before anything starts, and an error names file, line and what to do. What may leave the
//! board is not said here but in `policy.toml`.

mod file;
mod first;
mod locate;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use shoal_boards::{AcceleratorKind, Thresholds};
use shoal_conductor::{
    document::DocumentError,
    fault::CHECK,
    id::WorkerId,
    policy::{Policy, PolicyError},
    worker::Place,
};

pub use first::{Written, write_defaults};

use crate::{
    exit::Fault,
    link::{FleetOptions, HomeOptions},
    secret::Secret,
    store,
};

/// The name of the engine's worker.
pub const LOCAL: &str = "local";
/// Names on the API and in traces that no worker may have.
pub const RESERVED: [&str; 4] = [LOCAL, "shoal-mini", "shoal-ultra", CHECK];

/// Where config and data are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The data folder.
    pub data: PathBuf,
    /// The config file.
    pub config: PathBuf,
}

/// A checked config.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder, which relative paths start from.
    pub data: PathBuf,
    /// The site, in MQTT topics.
    pub site: String,
    /// The appliance, in MQTT topics.
    pub appliance: String,
    /// Where plain HTTP listens; always loopback.
    pub http: SocketAddr,
    /// Where HTTPS listens, if it does.
    pub https: Option<SocketAddr>,
    /// Bounds of the API.
    pub api: ApiLimits,
    /// The backbone.
    pub model: Model,
    /// Where `shoal models pull` fetches files that it knows by owner, repository and file.
    pub hub: String,
    /// The broker, if there is one.
    pub mqtt: Option<Mqtt>,
    /// How it shows itself to Home Assistant, and how often it measures itself.
    pub home: HomeOptions,
    /// The boards that it shares tasks with.
    pub fleet: Option<FleetOptions>,
    /// The least size of a backbone that may write workflows, in weights.
    pub ultra_min_parameters: u64,
    /// The head by which `shoal-mini` chooses workers, if it has one.
    pub routing_head: Option<PathBuf>,
    /// Whether Python in answers is compiled and run, in a sandbox.
    pub run_code: bool,
    /// Bounds on tasks and stored things.
    pub limits: Limits,
    /// Where the key of the store is, if not where it is by itself.
    pub store_key: Option<PathBuf>,
    /// Workers beside the local one.
    pub workers: Vec<WorkerEntry>,
    /// Further models on this board.
    pub residents: Vec<Resident>,
    /// The policy file.
    pub policy: PathBuf,
    /// The sensitivity head.
    pub head: Head,
}

/// What finds names, places and the like, which no pattern can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// The one that comes with the program.
    Shipped,
    /// One that was learnt here.
    File(PathBuf),
    /// Nothing.
    Off,
}

/// Bounds of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiLimits {
    /// The longest body of a request, in bytes.
    pub body: usize,
    /// Connections at once, plain and TLS each; more wait to be accepted.
    pub connections: usize,
    /// Time for TLS and for a request's head.
    pub header: Duration,
    /// Time that running tasks get when the program is told to stop.
    pub drain: Duration,
}

/// The backbone's file and how to run it; what is not given is decided by the board.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The GGUF file.
    pub path: PathBuf,
    /// Its SHA-256 in hex, where it is to be checked.
    pub sha256: Option<String>,
    /// Whether the form is used that `shoal models prepare` left beside it.
    pub prepared: bool,
    /// The most that the perplexity of that form may be, divided by the download's.
    pub most_perplexity: f64,
    /// Tokens of prompt and answer together.
    pub context: Option<u32>,
    /// Threads.
    pub threads: Option<u32>,
    /// Layers on the accelerator.
    pub gpu_layers: Option<u32>,
    /// Whether the weights are kept from being dropped or swapped.
    pub lock: bool,
    /// A folder with plugins for the engine, beside those of the program.
    pub plugins: Option<PathBuf>,
}

/// The broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is encrypted (`mqtts://`).
    pub tls: bool,
    /// A certificate to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// The user.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The certificate chain and key that we show the broker, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Reports of a backlog that are sent in a second.
    pub replay_per_second: u32,
    /// Tasks that one client may send in a minute.
    pub tasks_per_minute: u32,
}

impl Mqtt {
    /// Whether nobody on the way can read along: it is encrypted, or stays on this machine.
    #[must_use]
    pub fn is_private(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.tls || self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// As a person would write it; without user and password.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Bounds on tasks and stored things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tasks that are not finished.
    pub max_open_tasks: usize,
    /// Tasks that run at once.
    pub max_running: usize,
    /// Reports that wait for the broker.
    pub outbox: store::outbox::Limits,
    /// Bytes of the store beyond which the oldest finished tasks go.
    pub store_bytes: u64,
    /// Bytes that the further models may take together; without it, what the board and the backbone leave.
    pub models_bytes: Option<u64>,
    /// When memory is short.
    pub memory: Thresholds,
}

/// A further model on this board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Its name in policy, trace and API.
    pub id: WorkerId,
    /// The GGUF file.
    pub path: PathBuf,
    /// Tokens of prompt and answer together.
    pub context: Option<u32>,
    /// Threads.
    pub threads: Option<u32>,
}

/// A worker behind an OpenAI-compatible API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerEntry {
    /// Its name in policy, trace and API.
    pub id: WorkerId,
    /// The API up to and with its version: `https://api.example.com/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// Where its key is.
    pub key: KeySource,
    /// Whether what it reads leaves the board.
    pub place: Place,
    /// The NPU that it drives, if it does.
    pub npu: Option<AcceleratorKind>,
    /// A certificate to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Whether plain HTTP to another machine is allowed.
    pub insecure_http: bool,
    /// Calls at once.
    pub max_concurrent: Option<usize>,
}

/// Where a worker's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// It needs none.
    None,
    /// In this file.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
}

/// Why a config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the config {}: {source}; `shoal serve` writes one at its first start", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or not of our form.
    #[error("{}: {error}", path.display())]
    Document {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        error: DocumentError,
    },
    /// A value that makes no sense.
    #[error("{}: line {line}: {key}: {reason}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// From 1; 0 where the key is not in the file.
        line: usize,
        /// Which key.
        key: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl Config {
    /// Reads and checks the config of these places.
    pub fn load(places: &Places) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(&places.config).map_err(|source| ConfigError::Read {
            path: places.config.clone(),
            source,
        })?;
        Self::parse(&text, places)
    }

    /// Like [`Config::load`], but without a config file everything is as the defaults say.
    pub fn load_or_default(places: &Places) -> Result<Self, ConfigError> {
        match Self::load(places) {
            Err(ConfigError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Self::parse(&first::default_config(), places)
            }
            other => other,
        }
    }

    /// Checks the text of a config file.
    pub fn parse(text: &str, places: &Places) -> Result<Self, ConfigError> {
        let file: file::File =
            shoal_conductor::document::read(text).map_err(|error| ConfigError::Document {
                path: places.config.clone(),
                error,
            })?;
        file.resolve(&places.data)
            .map_err(|fault| ConfigError::Value {
                path: places.config.clone(),
                line: locate::line_of(text, &fault.key),
                key: fault.key,
                reason: fault.reason,
            })
    }

    /// Reads the policy file; without one, the default policy holds.
    pub fn load_policy(&self) -> Result<Policy, Fault> {
        let loaded = match Policy::load(&self.policy) {
            Err(PolicyError::Read { path, source })
                if path == self.policy && source.kind() == std::io::ErrorKind::NotFound =>
            {
                Policy::parse(first::DEFAULT_POLICY, &self.data)
            }
            other => other,
        };
        loaded.map_err(|error| policy_fault(&self.policy, &error))
    }

    /// Where the key of the store is looked for.
    #[must_use]
    pub fn key_source(&self) -> store::KeySource {
        store::KeySource::new(self.store_key.clone())
    }

    /// What a reader should know though config and policy are each valid.
    #[must_use]
    pub fn warnings(&self, policy: &Policy) -> Vec<String> {
        let mut warnings = policy.warnings();
        let known: BTreeSet<&str> = self
            .workers
            .iter()
            .map(|worker| worker.id.as_str())
            .chain([LOCAL])
            .collect();
        for worker in &self.workers {
            if worker.place == Place::Remote && !policy.workers.contains_key(&worker.id) {
                warnings.push(format!(
                    "policy does not mention the remote worker \"{0}\", so it is never used: add [workers.{0}] to {1}",
                    worker.id,
                    self.policy.display()
                ));
            }
        }
        let remote = self.workers.iter().filter(|w| w.place == Place::Remote);
        let remote: BTreeSet<&str> = remote.map(|worker| worker.id.as_str()).collect();
        let named = self.workers.iter().find(|worker| {
            worker.place == Place::Remote && policy.workers.contains_key(&worker.id)
        });
        if let (Head::Off, Some(worker)) = (&self.head, named) {
            warnings.push(format!(
                "names, places and organisations that no dictionary has are not looked for, and may go to \"{}\" as they are: set [privacy] head = true in shoal.toml",
                worker.id
            ));
        }
        warnings.extend(policy.warnings_about(&known, &remote));
        if let Some(mqtt) = self.mqtt.as_ref().filter(|mqtt| !mqtt.is_private()) {
            warnings.push(format!(
                "what is said over MQTT goes to {} unencrypted, and whoever is on that network can read it: begin mqtt.url with mqtts://",
                mqtt.host
            ));
        }
        if self.home.approvals {
            warnings.push(format!(
                "home_assistant.approvals trusts the broker: whoever may publish to shoal/v1/{}/{}/approvals/+/press can approve",
                self.site, self.appliance
            ));
        }
        let root = format!("mqtt:shoal/v1/{}/", self.site);
        let topics = [
            format!("{root}{}/tasks", self.appliance),
            format!("{root}tasks"),
        ];
        for (index, source) in policy.by_source.iter().enumerate() {
            if let Some(filter) = &source.topic
                && !topics.iter().any(|topic| source.matches(topic))
                && !policy.rules.iter().any(|rule| overlap(filter, &rule.topic))
            {
                warnings.push(format!(
                    "source[{index}] is about the topic \"{filter}\", by which no task comes: tasks come by \"{}\"",
                    topics[0].trim_start_matches("mqtt:")
                ));
            }
        }
        warnings
    }

    /// `path`, from the data folder.
    fn resolve(data: &Path, path: PathBuf) -> PathBuf {
        if path.is_absolute() {
            path
        } else {
            data.join(path)
        }
    }
}

/// Whether a topic can match both filters.
fn overlap(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) | (Some("#"), _) | (_, Some("#")) => return true,
            (Some(one), Some(other)) if one == other || one == "+" || other == "+" => {}
            _ => return false,
        }
    }
}

/// A mistake in a policy, with file and line.
pub fn policy_fault(path: &Path, error: &PolicyError) -> Fault {
    match error {
        PolicyError::Read { .. } => Fault::usage(error),
        PolicyError::Document(_) => Fault::usage(format!("{}: {error}", path.display())),
        PolicyError::Value { key, .. } => {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            match locate::line_of(&text, key) {
                0 => Fault::usage(format!("{}: {error}", path.display())),
                line => Fault::usage(format!("{}: line {line}: {error}", path.display())),
            }
        }
    }
}

#[cfg(test)]
mod tests;
