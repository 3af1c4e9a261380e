//! The form of a worker in `shoal.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use shoal_boards::AcceleratorKind;
use shoal_conductor::{id::WorkerId, worker::Place};

use super::{BadValue, bad, within};
use crate::config::{Config, KeySource, RESERVED, WorkerEntry};

/// The most workers of one appliance.
const MAX_WORKERS: usize = 32;

/// One `[[workers]]` block.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerTable {
    id: WorkerId,
    kind: WorkerKind,
    runtime: Option<Runtime>,
    base_url: String,
    model: String,
    key_file: Option<PathBuf>,
    key_env: Option<String>,
    ca_file: Option<PathBuf>,
    place: Option<Place>,
    #[serde(default)]
    insecure_http: bool,
    max_concurrent: Option<usize>,
}

/// The APIs that we speak.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WorkerKind {
    Openai,
    /// A server on this board that runs its own models on the NPU, and speaks OpenAI's API.
    Npu,
}

/// What drives an NPU. Each loads models of its own format, so none of them is a plugin of the engine.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Runtime {
    Rkllm,
    Hailo,
}

impl Runtime {
    const fn device(self) -> AcceleratorKind {
        match self {
            Self::Rkllm => AcceleratorKind::Rknpu,
            Self::Hailo => AcceleratorKind::Hailo,
        }
    }
}

/// Checks every worker; paths are relative to `data`.
pub fn workers(tables: Vec<WorkerTable>, data: &Path) -> Result<Vec<WorkerEntry>, BadValue> {
    if tables.len() > MAX_WORKERS {
        return Err(bad(
            "workers",
            format!(
                "{} workers are given, {MAX_WORKERS} are allowed",
                tables.len()
            ),
        ));
    }
    let mut entries: Vec<WorkerEntry> = Vec::with_capacity(tables.len());
    for (index, table) in tables.into_iter().enumerate() {
        let key = |name: &str| format!("workers[{index}].{name}");
        if RESERVED.contains(&table.id.as_str()) {
            return Err(bad(
                key("id"),
                format!("\"{}\" is a name of the appliance's own", table.id),
            ));
        }
        if entries.iter().any(|other| other.id == table.id) {
            return Err(bad(key("id"), format!("\"{}\" is there twice", table.id)));
        }
        entries.push(table.resolve(&key, data)?);
    }
    Ok(entries)
}

impl WorkerTable {
    fn resolve(self, key: &dyn Fn(&str) -> String, data: &Path) -> Result<WorkerEntry, BadValue> {
        let npu = self.npu(key)?;
        let url = reqwest::Url::parse(&self.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            return Err(bad(
                key("base_url"),
                format!("\"{}\" is not of the form https://HOST/v1", self.base_url),
            ));
        };
        let place = self.place(npu);
        if place == Place::Board && !is_loopback(&url) {
            let culprit = if npu.is_some() { "base_url" } else { "place" };
            return Err(bad(
                key(culprit),
                "a worker on the board listens on loopback: use 127.0.0.1, or kind = \"openai\" with place = \"remote\"",
            ));
        }
        if url.scheme() == "http" && !is_loopback(&url) && !self.insecure_http {
            return Err(bad(
                key("base_url"),
                "plain HTTP to another machine can be read on the way: use https, or set insecure_http = true",
            ));
        }
        if let Some(calls) = self.max_concurrent {
            within(&key("max_concurrent"), calls, 1, 1024)?;
        }
        if self.model.is_empty() {
            return Err(bad(
                key("model"),
                "it is empty: give the model's name there",
            ));
        }
        let source = match (self.key_file, self.key_env) {
            (None, None) => KeySource::None,
            (Some(file), None) => KeySource::File(Config::resolve(data, file)),
            (None, Some(variable)) => KeySource::Env(variable),
            (Some(_), Some(_)) => {
                return Err(bad(key("key_env"), "give key_file or key_env, not both"));
            }
        };
        Ok(WorkerEntry {
            id: self.id,
            base_url: self.base_url,
            model: self.model,
            key: source,
            place,
            npu,
            ca_file: self.ca_file.map(|file| Config::resolve(data, file)),
            insecure_http: self.insecure_http,
            // An NPU does one thing at a time, and its servers refuse a second call or mix the two up.
            max_concurrent: self.max_concurrent.or(npu.map(|_| 1)),
        })
    }
}

impl WorkerTable {
    /// The device that an NPU's server drives.
    fn npu(&self, key: &dyn Fn(&str) -> String) -> Result<Option<AcceleratorKind>, BadValue> {
        match (&self.kind, self.runtime) {
            (WorkerKind::Openai, None) => Ok(None),
            (WorkerKind::Openai, Some(_)) => {
                Err(bad(key("runtime"), "only kind = \"npu\" has a runtime"))
            }
            (WorkerKind::Npu, None) => Err(bad(
                key("runtime"),
                "it is missing: give runtime = \"rkllm\" or runtime = \"hailo\"",
            )),
            (WorkerKind::Npu, Some(_)) if self.place == Some(Place::Remote) => Err(bad(
                key("place"),
                "an NPU is on the board: leave place out, or use kind = \"openai\"",
            )),
            (WorkerKind::Npu, Some(runtime)) => Ok(Some(runtime.device())),
        }
    }

    /// A server on loopback may hand on what it reads, so it counts as on the board only where the config says so.
    fn place(&self, npu: Option<AcceleratorKind>) -> Place {
        let unsaid = match npu {
            Some(_) => Place::Board,
            None => Place::Remote,
        };
        self.place.unwrap_or(unsaid)
    }
}

fn is_loopback(url: &reqwest::Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}
