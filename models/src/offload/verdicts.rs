//! What was decided, in a file.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use serde::{Deserialize, Serialize};

use super::Verdict;

/// The file's name in the data folder.
const FILE: &str = "offload.json";
/// The most decisions that are kept; the oldest go.
const MOST: usize = 16;

/// All that a decision depends on. If any of it changes, it is measured again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The model's file.
    pub model: PathBuf,
    /// The file's length in bytes.
    pub bytes: u64,
    /// When the file changed, in seconds since 1970.
    pub changed: u64,
    /// CPU threads.
    pub threads: u32,
    /// Layers that would go to the accelerator.
    pub gpu_layers: u32,
    /// The devices, as their drivers name them.
    pub devices: Vec<String>,
    /// llama.cpp's version.
    pub llama: String,
}

impl Key {
    /// For a model file.
    ///
    /// # Errors
    /// If the file cannot be looked at.
    pub fn try_new(
        model: &Path,
        threads: u32,
        gpu_layers: u32,
        devices: Vec<String>,
    ) -> io::Result<Self> {
        let found = std::fs::metadata(model)?;
        let changed = found.modified()?.duration_since(UNIX_EPOCH);
        Ok(Self {
            model: model.to_owned(),
            bytes: found.len(),
            changed: changed.map_or(0, |since| since.as_secs()),
            threads,
            gpu_layers,
            devices,
            llama: crate::plugin::version(),
        })
    }
}

/// A decision, and what it was for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    key: Key,
    verdict: Verdict,
}

/// The decisions of a data folder.
#[derive(Clone, Debug)]
pub struct Verdicts {
    path: PathBuf,
}

impl Verdicts {
    /// In this data folder.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Self {
            path: data.join(FILE),
        }
    }

    /// All, the oldest first. A file that cannot be read has none: it is measured again.
    fn all(&self) -> Vec<Kept> {
        let text = std::fs::read(&self.path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The decision for exactly this.
    #[must_use]
    pub fn recall(&self, key: &Key) -> Option<Verdict> {
        let mut all = self.all().into_iter();
        all.find(|kept| kept.key == *key).map(|kept| kept.verdict)
    }

    /// Keeps a decision.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn keep(&self, key: Key, verdict: Verdict) -> io::Result<()> {
        let mut all = self.all();
        all.retain(|kept| kept.key != key);
        all.push(Kept { key, verdict });
        all.drain(..all.len().saturating_sub(MOST));
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(&all)?)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offload::judge;

    fn verdict() -> Verdict {
        judge("Vulkan0", Err("crashed".to_owned()), || unreachable!())
    }

    #[test]
    fn a_decision_holds_until_anything_that_it_depends_on_changes() {
        let data = tempfile::tempdir().unwrap();
        let model = data.path().join("m.gguf");
        std::fs::write(&model, "weights").unwrap();
        let verdicts = Verdicts::of(data.path());
        let key = |layers: u32, device: &str| {
            Key::try_new(&model, 4, layers, vec![device.to_owned()]).unwrap()
        };
        let first = key(99, "llvmpipe");
        assert_eq!(verdicts.recall(&first), None);
        verdicts.keep(first.clone(), verdict()).unwrap();
        assert_eq!(verdicts.recall(&first), Some(verdict()));
        assert_eq!(verdicts.recall(&key(99, "Mali-G610")), None);
        assert_eq!(verdicts.recall(&key(9, "llvmpipe")), None);
        std::fs::write(&model, "other weights").unwrap();
        assert_eq!(verdicts.recall(&key(99, "llvmpipe")), None);
    }

    #[test]
    fn a_broken_file_is_forgotten_and_the_oldest_go() {
        let data = tempfile::tempdir().unwrap();
        let verdicts = Verdicts::of(data.path());
        std::fs::write(data.path().join(FILE), "{").unwrap();
        assert_eq!(verdicts.all(), []);
        let model = data.path().join("m.gguf");
        std::fs::write(&model, "weights").unwrap();
        for layers in 0..20 {
            let key = Key::try_new(&model, 1, layers, Vec::new()).unwrap();
            verdicts.keep(key, verdict()).unwrap();
        }
        let all = verdicts.all();
        assert_eq!(all.len(), MOST);
        assert_eq!(all[0].key.gpu_layers, 4);
    }
}
