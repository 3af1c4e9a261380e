//! The sources that the tools are compiled from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::build;
use crate::place::Place;
use crate::say;

/// The crate that carries the engine's llama.cpp.
const BINDING: &str = "llama-cpp-sys-2";

/// What of llama.cpp both sides have in common: all but the tools.
const PARTS: [&str; 7] = [
    "CMakeLists.txt",
    "cmake",
    "common",
    "ggml",
    "include",
    "src",
    "vendor",
];

/// The llama.cpp that the engine is built from.
pub struct Core(PathBuf);

impl Core {
    /// Finds it where Cargo keeps the binding, which Cargo fetches if need be.
    pub fn find(place: &Place) -> Result<Self> {
        let output = build::cargo(place)
            .args(["metadata", "--format-version", "1", "--locked"])
            .stderr(std::process::Stdio::inherit())
            .output()
            .context("start cargo")?;
        ensure!(output.status.success(), "cargo could not list the packages");
        let listed = String::from_utf8_lossy(&output.stdout);
        let package = folder_in(&listed).context("find the engine's binding")?;
        Ok(Self(package.join("llama.cpp")))
    }
}

/// The binding's folder in what `cargo metadata` prints.
fn folder_in(metadata: &str) -> Option<PathBuf> {
    let manifests = metadata.split('"').filter(|t| t.ends_with("/Cargo.toml"));
    let mut folders = manifests.filter_map(|manifest| Path::new(manifest).parent());
    let is_binding = |folder: &&Path| {
        let name = folder.file_name().and_then(|name| name.to_str());
        let rest = name.and_then(|name| name.strip_prefix(BINDING));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    folders.find(is_binding).map(Path::to_owned)
}

/// The binding's name and version in a lock file.
pub fn locked(lock: &str) -> Option<String> {
    let name = format!("name = \"{BINDING}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = ")?;
    Some(format!("{BINDING} {}", version.trim_matches('"')))
}

/// An unpacked llama.cpp with its tools.
pub struct Source(PathBuf);

impl Source {
    /// Fetches and unpacks the package that `requirement` names below `work`.
    pub fn fetch(python: &Path, requirement: &Path, work: &Path) -> Result<Self> {
        say::step(
            "tools",
            "fetching the sources of llama.cpp's tools with pip",
        );
        let download = work.join("download");
        // pip compares the hash before anything of the package runs.
        let status = Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
            .args(["--no-binary", "llama-cpp-python"])
            .args(["--disable-pip-version-check", "--dest"])
            .arg(&download)
            .arg("--requirement")
            .arg(requirement)
            .status()
            .context("start pip")?;
        ensure!(
            status.success(),
            "pip could not fetch what {} names: {status}; check the network and \
             `python3 -m pip config list`",
            requirement.display()
        );
        let source = work.join("source");
        fs::create_dir_all(&source).with_context(|| format!("make {}", source.display()))?;
        unpack(&only_archive(&download)?, &source)?;
        Ok(Self(source))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Its version, such as `0.6.0`.
    pub fn version(&self) -> Result<String> {
        let file = self.0.join("CMakeLists.txt");
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        version_in(&text).context("find llama.cpp's version")
    }

    /// Puts the engine's core in the place of its own.
    pub fn take_core(&self, core: &Core) -> Result<()> {
        for part in PARTS {
            let (from, to) = (core.0.join(part), self.0.join(part));
            if to.is_dir() {
                fs::remove_dir_all(&to).with_context(|| format!("remove {}", to.display()))?;
            }
            let copied = Command::new("cp").arg("-a").arg(&from).arg(&to).status();
            let copied = copied.context("start cp")?;
            ensure!(copied.success(), "could not copy {}", from.display());
        }
        Ok(())
    }
}

fn version_in(cmake: &str) -> Option<String> {
    let number = |part: &str| {
        let start = format!("set(LLAMA_VERSION_{part} ");
        let line = cmake.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(line.trim_end_matches(')').to_owned())
    };
    let parts = [number("MAJOR")?, number("MINOR")?, number("PATCH")?];
    Some(parts.join("."))
}

fn unpack(archive: &Path, target: &Path) -> Result<()> {
    let status = Command::new("tar")
        .arg("-xzf")
        .arg(archive)
        .arg("-C")
        .arg(target)
        // A file of that name there points at a repository that is not here.
        .args(["--strip-components=3", "--wildcards", "--exclude=.git"])
        .arg("*/vendor/llama.cpp/*")
        .status()
        .context("start tar")?;
    ensure!(status.success(), "could not unpack {}", archive.display());
    Ok(())
}

fn only_archive(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).context("read the download")?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|e| e == "gz"))
        .context("find the archive that pip fetched")
}

#[cfg(test)]
mod tests {
    use super::{folder_in, locked, version_in};
    use std::path::Path;

    #[test]
    fn the_binding_is_found_where_cargo_keeps_it() {
        let metadata = r#"{"packages":[{"manifest_path":"/r/llama-cpp-2-0.1.160/Cargo.toml"},
            {"manifest_path":"/r/llama-cpp-sys-2-0.1.161/Cargo.toml"}]}"#;
        let folder = Path::new("/r/llama-cpp-sys-2-0.1.161");
        assert_eq!(folder_in(metadata).as_deref(), Some(folder));
        let vendored = r#"["/v/llama-cpp-sys-2/Cargo.toml"]"#;
        assert_eq!(
            folder_in(vendored).as_deref(),
            Some(Path::new("/v/llama-cpp-sys-2"))
        );
        assert_eq!(folder_in("{}"), None);
    }

    #[test]
    fn versions_are_read_from_lock_file_and_cmake() {
        let lock = "[[package]]\nname = \"llama-cpp-sys-2\"\nversion = \"0.1.161\"\n";
        assert_eq!(locked(lock).as_deref(), Some("llama-cpp-sys-2 0.1.161"));
        let cmake = "set(LLAMA_VERSION_MAJOR 0)\nset(LLAMA_VERSION_MINOR 6)\n\
                     set(LLAMA_VERSION_PATCH 0)\n";
        assert_eq!(version_in(cmake).as_deref(), Some("0.6.0"));
        assert_eq!(version_in(""), None);
    }
}
