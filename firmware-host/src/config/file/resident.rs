//! The form of a further model on this board in `shoal.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use shoal_conductor::id::WorkerId;

use super::{BadValue, bad, within};
use crate::config::{Config, RESERVED, Resident, WorkerEntry};

/// The most further models.
const MAX_MODELS: usize = 16;

/// One `[[models]]` block.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidentTable {
    id: WorkerId,
    path: PathBuf,
    context: Option<u32>,
    threads: Option<u32>,
}

/// Checks every model; paths are relative to `data`.
pub fn residents(
    tables: Vec<ResidentTable>,
    workers: &[WorkerEntry],
    data: &Path,
) -> Result<Vec<Resident>, BadValue> {
    if tables.len() > MAX_MODELS {
        let given = tables.len();
        let reason = format!("{given} models are given, {MAX_MODELS} are allowed");
        return Err(bad("models", reason));
    }
    let mut residents: Vec<Resident> = Vec::with_capacity(tables.len());
    for (index, table) in tables.into_iter().enumerate() {
        let key = |name: &str| format!("models[{index}].{name}");
        let ResidentTable {
            id,
            path,
            context,
            threads,
        } = table;
        if RESERVED.contains(&id.as_str()) {
            let reason = format!("\"{id}\" is a name of the appliance's own");
            return Err(bad(key("id"), reason));
        }
        let mut others = workers.iter().map(|worker| &worker.id);
        if others.any(|other| *other == id) || residents.iter().any(|other| other.id == id) {
            return Err(bad(key("id"), format!("\"{id}\" is there twice")));
        }
        if let Some(context) = context {
            within(&key("context"), context, 256, 1 << 20)?;
        }
        if let Some(threads) = threads {
            within(&key("threads"), threads, 1, 512)?;
        }
        residents.push(Resident {
            id,
            path: Config::resolve(data, path),
            context,
            threads,
        });
    }
    Ok(residents)
}
