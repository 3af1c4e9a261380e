//! The form of a worker in `shoal.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
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
    base_url: String,
    model: String,
    key_file: Option<PathBuf>,
    key_env: Option<String>,
    ca_file: Option<PathBuf>,
    #[serde(default = "remote")]
    place: Place,
    #[serde(default)]
    insecure_http: bool,
    max_concurrent: Option<usize>,
}

const fn remote() -> Place {
    Place::Remote
}

/// The APIs that we speak.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WorkerKind {
    Openai,
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
        let WorkerKind::Openai = self.kind;
        let url = reqwest::Url::parse(&self.base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            return Err(bad(
                key("base_url"),
                format!("\"{}\" is not of the form https://HOST/v1", self.base_url),
            ));
        };
        if self.place == Place::Board && !is_loopback(&url) {
            return Err(bad(
                key("place"),
                "a worker on the board listens on loopback: use 127.0.0.1, or place = \"remote\"",
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
            place: self.place,
            ca_file: self.ca_file.map(|file| Config::resolve(data, file)),
            insecure_http: self.insecure_http,
            max_concurrent: self.max_concurrent,
        })
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
