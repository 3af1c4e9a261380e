//! Where plugins are, by the names of their files.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::trust::Trust;

/// Accelerators by the names that llama.cpp gives their plugins. Not `rpc`, which sends prompts over the network.
const ACCELERATORS: [&str; 9] = [
    "cann", "cuda", "hexagon", "hip", "musa", "opencl", "openvino", "sycl", "vulkan",
];
/// The most files that are looked at in one folder.
const MAX_FILES: usize = 4096;

/// The folders that may hold plugins, the first to be looked into first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The folders.
    pub folders: Vec<PathBuf>,
}

impl Default for Search {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Search {
    /// The configured folder, `../lib/shoal` and the folder of the program, and that of the build.
    #[must_use]
    pub fn new(configured: Option<&Path>) -> Self {
        let mut folders: Vec<PathBuf> = configured.map(Path::to_owned).into_iter().collect();
        let program = std::env::current_exe().ok();
        if let Some(beside) = program.as_deref().and_then(Path::parent) {
            folders.extend(beside.parent().map(|prefix| prefix.join("lib/shoal")));
            folders.push(beside.to_owned());
        }
        folders.extend(llama_cpp_sys_2::BACKENDS_DIR.map(PathBuf::from));
        Self { folders }
    }
}

/// What is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The CPU's plugins of the first folder that has any, one a level.
    pub cpu: Vec<PathBuf>,
    /// Each accelerator's plugins, from the first folder that has it.
    pub accelerators: Vec<Vec<PathBuf>>,
    /// What was there and not taken.
    pub refused: Vec<Refused>,
}

/// A file or folder that is not safe to run code from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nothing is taken from {}: {}",
            self.path.display(),
            self.reason
        )
    }
}

/// Looks for plugins; loads none.
#[must_use]
pub fn find(search: &Search) -> Found {
    let trust = Trust::here();
    let mut found = Found::default();
    let mut accelerators: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for folder in &search.folders {
        let files = plugins(folder);
        if files.is_empty() {
            continue;
        }
        // A relative folder would mean another one wherever the program is started.
        let Ok(folder) = folder.canonicalize() else {
            continue;
        };
        if let Err(refused) = trust.folder(&folder) {
            found.refused.push(refused);
            continue;
        }
        let mut here: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
        for (kind, name) in files {
            let path = folder.join(name);
            match trust.file(&path) {
                Ok(()) => here.entry(kind).or_default().push(path),
                Err(refused) => found.refused.push(refused),
            }
        }
        if let Some(cpu) = here.remove("cpu").filter(|_| found.cpu.is_empty()) {
            found.cpu = cpu;
        }
        for (kind, variants) in here {
            accelerators.entry(kind).or_insert(variants);
        }
    }
    found.accelerators = accelerators.into_values().collect();
    found
}

/// The names of the plugins in a folder, sorted, each with its kind.
fn plugins(folder: &Path) -> Vec<(&'static str, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<(&str, String)> = entries
        .take(MAX_FILES)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some((kind(&name)?, name)))
        .collect();
    names.sort();
    names
}

/// `cpu` of `libggml-cpu.so` and `libggml-cpu-zen4.so`.
fn kind(name: &str) -> Option<&'static str> {
    let stem = name.strip_prefix("libggml-")?.strip_suffix(".so")?;
    let kind = stem.split_once('-').map_or(stem, |(kind, _)| kind);
    let mut known = ACCELERATORS.into_iter().chain(["cpu"]);
    known.find(|known| *known == kind)
}

/// `zen4` of `libggml-cpu-zen4.so`, `native` of `libggml-cpu.so`.
pub(super) fn level(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let level = stem.strip_prefix("libggml-cpu-");
    level.unwrap_or("native").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(dir.path().join(file), "").unwrap();
        }
        dir
    }

    fn names(paths: &[PathBuf]) -> Vec<&str> {
        let name = |path: &'_ PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths
            .iter()
            .map(|path| &*Box::leak(name(path).into_boxed_str()))
            .collect()
    }

    #[test]
    fn the_first_folder_with_a_cpu_wins_and_accelerators_come_from_all() {
        let first = folder(&["libggml-vulkan.so", "libggml-base.so", "libggml-rpc.so"]);
        let second = folder(&["libggml-cpu-haswell.so", "libggml-cpu-zen4.so"]);
        let third = folder(&[
            "libggml-cpu.so",
            "libggml-cuda.so",
            "libggml-vulkan.so",
            "x.so",
        ]);
        let folders = [&first, &second, &third].map(|dir| dir.path().to_owned());
        let found = find(&Search {
            folders: folders.to_vec(),
        });
        assert_eq!(
            names(&found.cpu),
            ["libggml-cpu-haswell.so", "libggml-cpu-zen4.so"]
        );
        let vulkan = first
            .path()
            .canonicalize()
            .unwrap()
            .join("libggml-vulkan.so");
        let cuda = third.path().canonicalize().unwrap().join("libggml-cuda.so");
        assert_eq!(found.accelerators, [vec![cuda], vec![vulkan]]);
        assert_eq!(found.refused, []);
    }

    #[test]
    fn the_current_folder_is_not_among_those_that_are_looked_into() {
        let search = Search::new(Some(Path::new("/etc/shoal/plugins")));
        assert_eq!(search.folders[0], Path::new("/etc/shoal/plugins"));
        let here = std::env::current_dir().unwrap();
        assert!(!search.folders.contains(&here), "{search:?}");
        assert!(search.folders.iter().all(|folder| folder.is_absolute()));
    }

    #[test]
    fn what_others_may_write_to_is_refused_with_the_reason() {
        let dir = folder(&["libggml-cpu.so"]);
        let search = Search {
            folders: vec![dir.path().to_owned()],
        };
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let found = find(&search);
        assert!(found.cpu.is_empty());
        let said = found.refused[0].to_string();
        assert!(said.contains("everyone may write to it"), "{said}");

        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = dir.path().join("libggml-cpu.so");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let found = find(&search);
        assert!(found.cpu.is_empty());
        assert_eq!(found.refused.len(), 1);
    }

    #[test]
    fn a_level_is_in_the_name() {
        assert_eq!(level(Path::new("/x/libggml-cpu-armv8.2_2.so")), "armv8.2_2");
        assert_eq!(level(Path::new("/x/libggml-cpu.so")), "native");
        assert_eq!(kind("libggml-cpu.so.0"), None);
        assert_eq!(kind("libggml-base.so"), None);
    }
}
