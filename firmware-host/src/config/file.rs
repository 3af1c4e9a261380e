//! The form of `shoal.toml`.

mod fleet;
mod home;
mod limit;
mod mqtt;
mod resident;
mod worker;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use shoal_conductor::id::WorkerId;
use shoal_models::{catalogue::hub, egress::Destination, prepare::MOST_PERPLEXITY};

use self::{
    fleet::FleetTable,
    home::{HomeTable, TelemetryTable},
    limit::LimitTable,
    mqtt::MqttTable,
    resident::{ResidentTable, residents},
    worker::{WorkerTable, workers},
};
use super::{ApiLimits, Config, Head, Model};

/// The model that `cargo xtask` fetches.
const DEFAULT_MODEL: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

/// `shoal.toml` as it is written. Unknown keys are errors.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    policy: PathBuf,
    appliance: ApplianceTable,
    http: HttpTable,
    https: HttpsTable,
    model: ModelTable,
    hub: HubTable,
    mqtt: MqttTable,
    telemetry: TelemetryTable,
    home_assistant: HomeTable,
    fleet: FleetTable,
    conductor: ConductorTable,
    limits: LimitTable,
    store: StoreTable,
    privacy: PrivacyTable,
    workers: Vec<WorkerTable>,
    models: Vec<ResidentTable>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            policy: "policy.toml".into(),
            appliance: ApplianceTable::default(),
            http: HttpTable::default(),
            https: HttpsTable::default(),
            model: ModelTable::default(),
            hub: HubTable::default(),
            mqtt: MqttTable::default(),
            telemetry: TelemetryTable::default(),
            home_assistant: HomeTable::default(),
            fleet: FleetTable::default(),
            conductor: ConductorTable::default(),
            limits: LimitTable::default(),
            store: StoreTable::default(),
            privacy: PrivacyTable::default(),
            workers: Vec::new(),
            models: Vec::new(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ApplianceTable {
    site: String,
    name: String,
}

impl Default for ApplianceTable {
    fn default() -> Self {
        Self {
            site: "site".into(),
            name: "shoal".into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpTable {
    listen: SocketAddr,
    max_body_kib: usize,
    max_connections: usize,
    header_seconds: u64,
    drain_seconds: u64,
}

impl Default for HttpTable {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_body_kib: 4096,
            max_connections: 256,
            header_seconds: 15,
            drain_seconds: 20,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpsTable {
    enabled: bool,
    listen: SocketAddr,
}

impl Default for HttpsTable {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ModelTable {
    path: PathBuf,
    sha256: Option<String>,
    prepared: bool,
    prepared_loss_percent: f64,
    context: Option<u32>,
    threads: Option<u32>,
    gpu_layers: Option<u32>,
    lock: bool,
    plugins: Option<PathBuf>,
}

impl Default for ModelTable {
    fn default() -> Self {
        Self {
            path: DEFAULT_MODEL.into(),
            sha256: None,
            prepared: true,
            prepared_loss_percent: (MOST_PERPLEXITY - 1.0) * 100.0,
            context: None,
            threads: None,
            gpu_layers: None,
            lock: false,
            plugins: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HubTable {
    url: String,
}

impl Default for HubTable {
    fn default() -> Self {
        Self {
            url: hub::DEFAULT.into(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConductorTable {
    ultra_min_parameters: u64,
    routing_head: Option<PathBuf>,
    run_code: bool,
}

impl Default for ConductorTable {
    fn default() -> Self {
        Self {
            ultra_min_parameters: 1_000_000_000,
            routing_head: None,
            run_code: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StoreTable {
    key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PrivacyTable {
    head: bool,
    head_file: Option<PathBuf>,
}

/// A value that makes no sense.
#[derive(Debug)]
pub struct BadValue {
    /// Which key.
    pub key: String,
    /// What is wrong, and what to do.
    pub reason: String,
}

fn bad(key: impl Into<String>, reason: impl Into<String>) -> BadValue {
    BadValue {
        key: key.into(),
        reason: reason.into(),
    }
}

impl File {
    /// Checks every value; paths are relative to `data`.
    pub fn resolve(self, data: &Path) -> Result<Config, BadValue> {
        if !self.http.listen.ip().is_loopback() {
            return Err(bad(
                "http.listen",
                format!(
                    "plain HTTP would send keys and tasks in the clear on {}: keep it on 127.0.0.1 or [::1] and let \
                     others use HTTPS, [https] listen = \"0.0.0.0:8443\"",
                    self.http.listen
                ),
            ));
        }
        let https = self.https.enabled.then_some(self.https.listen);
        if https.is_some_and(|https| https.port() == self.http.listen.port() && https.port() != 0) {
            return Err(bad(
                "https.listen",
                "it has the port of http.listen: choose another",
            ));
        }
        let workers = workers(self.workers, data)?;
        let limits = self.limits.resolve()?;
        Ok(Config {
            site: topic("appliance.site", self.appliance.site)?,
            appliance: topic("appliance.name", self.appliance.name)?,
            http: self.http.listen,
            https,
            api: self.http.limits()?,
            model: self.model.resolve(data)?,
            hub: self.hub.resolve()?,
            mqtt: if self.mqtt.enabled {
                Some(self.mqtt.resolve(data)?)
            } else {
                None
            },
            ultra_min_parameters: self.conductor.ultra_min_parameters,
            routing_head: self
                .conductor
                .routing_head
                .map(|file| Config::resolve(data, file)),
            run_code: self.conductor.run_code,
            home: self.home_assistant.resolve(&self.telemetry)?,
            fleet: self.fleet.resolve(limits.max_running)?,
            limits,
            store_key: self.store.key_file.map(|file| Config::resolve(data, file)),
            residents: residents(self.models, &workers, data)?,
            workers,
            policy: Config::resolve(data, self.policy),
            head: match (self.privacy.head, self.privacy.head_file) {
                (true, None) => Head::Shipped,
                (true, Some(path)) => Head::File(Config::resolve(data, path)),
                (false, None) => Head::Off,
                (false, Some(_)) => {
                    return Err(bad(
                        "privacy.head_file",
                        "[privacy] head is false: remove one of the two",
                    ));
                }
            },
            data: data.to_owned(),
        })
    }
}

/// One level of an MQTT topic.
fn topic(key: &str, name: String) -> Result<String, BadValue> {
    match WorkerId::try_new(name.as_str()) {
        Ok(_) => Ok(name),
        Err(error) => Err(bad(
            key,
            format!("\"{name}\" cannot stand in an MQTT topic: {error}"),
        )),
    }
}

fn within<T: PartialOrd + std::fmt::Display + Copy>(
    key: &str,
    value: T,
    low: T,
    high: T,
) -> Result<T, BadValue> {
    if value < low || value > high {
        return Err(bad(key, format!("{value} is not from {low} to {high}")));
    }
    Ok(value)
}

impl HttpTable {
    fn limits(&self) -> Result<ApiLimits, BadValue> {
        let header = within("http.header_seconds", self.header_seconds, 1, 300)?;
        let drain = within("http.drain_seconds", self.drain_seconds, 0, 600)?;
        Ok(ApiLimits {
            body: within("http.max_body_kib", self.max_body_kib, 1, 1 << 20)? * 1024,
            connections: within("http.max_connections", self.max_connections, 1, 65_536)?,
            header: Duration::from_secs(header),
            drain: Duration::from_secs(drain),
        })
    }
}

impl ModelTable {
    fn resolve(self, data: &Path) -> Result<Model, BadValue> {
        if let Some(sum) = &self.sha256
            && (sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(bad("model.sha256", "a SHA-256 has 64 hexadecimal digits"));
        }
        if let Some(context) = self.context {
            within("model.context", context, 256, 1 << 20)?;
        }
        if let Some(threads) = self.threads {
            within("model.threads", threads, 1, 512)?;
        }
        let loss = self.prepared_loss_percent;
        if !(0.0..=50.0).contains(&loss) {
            let reason = format!("{loss} is not between 0 and 50");
            return Err(bad("model.prepared_loss_percent", reason));
        }
        Ok(Model {
            path: Config::resolve(data, self.path),
            sha256: self.sha256.map(|sum| sum.to_ascii_lowercase()),
            prepared: self.prepared,
            most_perplexity: 1.0 + loss / 100.0,
            context: self.context,
            threads: self.threads,
            gpu_layers: self.gpu_layers,
            lock: self.lock,
            plugins: self.plugins.map(|folder| Config::resolve(data, folder)),
        })
    }
}

impl HubTable {
    fn resolve(self) -> Result<String, BadValue> {
        match Destination::try_new(&self.url, false) {
            Ok(_) => Ok(self.url),
            Err(error) => Err(bad("hub.url", error.to_string())),
        }
    }
}
