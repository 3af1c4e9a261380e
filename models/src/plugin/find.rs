//! Where plugins are, by the names of their files.

use std::{
    collections::BTreeMap,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Accelerators by the names that llama.cpp gives their plugins. Not `rpc`, which sends prompts over the network.
const ACCELERATORS: [&str; 9] = [
    "cann", "cuda", "hexagon", "hip", "musa", "opencl", "openvino", "sycl", "vulkan",
];
/// The most files that are looked at in one folder.
const MAX_FILES: usize = 4096;
const EVERYONE_WRITES: u32 = 0o002;

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
    /// The configured folder, the program's own, `../lib/shoal` from there, and that of the build.
    #[must_use]
    pub fn new(configured: Option<&Path>) -> Self {
        let mut folders: Vec<PathBuf> = configured.map(Path::to_owned).into_iter().collect();
        let program = std::env::current_exe().ok();
        if let Some(beside) = program.as_deref().and_then(Path::parent) {
            folders.push(beside.to_owned());
            folders.extend(beside.parent().map(|prefix| prefix.join("lib/shoal")));
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
    /// What was there and not taken, and why.
    pub refused: Vec<String>,
}

/// Looks for plugins; loads none.
#[must_use]
pub fn find(search: &Search) -> Found {
    let owners = owners();
    let mut found = Found::default();
    let mut accelerators: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for folder in &search.folders {
        // A relative folder would mean another one wherever the program is started.
        let Ok(folder) = folder.canonicalize() else {
            continue;
        };
        let mut here: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
        for (kind, name) in plugins(&folder) {
            let path = folder.join(name);
            match objection(&folder, &owners).or_else(|| objection(&path, &owners)) {
                None => here.entry(kind).or_default().push(path),
                Some(why) => found
                    .refused
                    .push(format!("{} is not used: {why}", path.display())),
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

/// Whose code is run: root's, this user's, and that of whoever owns the program. The folder of the build may have been
/// made by anyone once the program has moved to another machine.
fn owners() -> Vec<u32> {
    let program = std::env::current_exe().ok();
    let user = Path::new("/proc/self");
    let known = [Some(user), program.as_deref()].into_iter().flatten();
    let known = known.filter_map(|path| Some(path.metadata().ok()?.uid()));
    known.chain([0]).collect()
}

fn objection(path: &Path, owners: &[u32]) -> Option<String> {
    match path.metadata() {
        Err(error) => Some(error.to_string()),
        Ok(found) if !owners.contains(&found.uid()) => Some(format!(
            "{} belongs to another user (number {})",
            path.display(),
            found.uid()
        )),
        Ok(found) if found.mode() & EVERYONE_WRITES != 0 => Some(format!(
            "everyone may write to {0}; run: chmod o-w {0}",
            path.display()
        )),
        Ok(_) => None,
    }
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

    fn find_in(dirs: &[&tempfile::TempDir]) -> Found {
        let folders = dirs.iter().map(|dir| dir.path().to_owned()).collect();
        find(&Search { folders })
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
        let found = find_in(&[&first, &second, &third]);
        let at = |dir: &tempfile::TempDir, name| dir.path().canonicalize().unwrap().join(name);
        let cpu = ["libggml-cpu-haswell.so", "libggml-cpu-zen4.so"];
        assert_eq!(found.cpu, cpu.map(|name| at(&second, name)));
        let vulkan = at(&first, "libggml-vulkan.so");
        let cuda = at(&third, "libggml-cuda.so");
        assert_eq!(found.accelerators, [vec![cuda], vec![vulkan]]);
        assert!(found.refused.is_empty(), "{found:?}");
    }

    #[test]
    fn a_program_that_moved_looks_beside_itself_before_it_looks_where_it_was_built() {
        let search = Search::new(Some(Path::new("/etc/shoal/plugins")));
        let program = std::env::current_exe().unwrap();
        let beside = program.parent().unwrap();
        let lib = beside.parent().unwrap().join("lib/shoal");
        assert_eq!(search.folders[0], Path::new("/etc/shoal/plugins"));
        assert_eq!(search.folders[1..3], [beside.to_owned(), lib]);
        let here = std::env::current_dir().unwrap();
        assert!(!search.folders.contains(&here), "{search:?}");
        assert!(search.folders.iter().all(|folder| folder.is_absolute()));
    }

    #[test]
    fn what_everyone_or_a_stranger_may_write_to_is_refused_with_the_reason() {
        let dir = folder(&["libggml-cpu.so"]);
        let file = dir.path().join("libggml-cpu.so");
        let refused = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let found = find_in(&[&dir]);
            assert!(found.cpu.is_empty(), "{found:?}");
            found.refused[0].clone()
        };
        let said = refused(dir.path(), 0o777);
        assert!(said.contains("everyone may write to"), "{said}");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let said = refused(&file, 0o666);
        assert!(said.contains("chmod o-w"), "{said}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(find_in(&[&dir]).cpu.len(), 1);
        let strange = objection(&file, &[u32::MAX]).unwrap();
        assert!(strange.contains("belongs to another user"), "{strange}");
    }

    #[test]
    fn a_level_is_in_the_name() {
        assert_eq!(level(Path::new("/x/libggml-cpu-armv8.2_2.so")), "armv8.2_2");
        assert_eq!(level(Path::new("/x/libggml-cpu.so")), "native");
        assert_eq!(kind("libggml-cpu.so.0"), None);
        assert_eq!(kind("libggml-base.so"), None);
    }
}
