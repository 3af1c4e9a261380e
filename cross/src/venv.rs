//! The Python that the tests run their clients with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::machine::Machine;
use crate::place::Place;
use crate::say;
use crate::unavailable::Unavailable;

/// Whether it is still to be made, or made for other packages.
pub fn is_to_make(place: &Place) -> bool {
    let wanted = fs::read_to_string(requirements(place)).ok();
    let made = fs::read_to_string(note(place)).ok();
    made.is_none() || made != wanted || !python(place).exists()
}

/// The path of a Python with the clients in it.
pub fn provide(machine: &Machine, place: &Place) -> Result<PathBuf> {
    if is_to_make(place) {
        make(machine, place)?;
    } else {
        say::step("python", "the tests' clients are there");
    }
    Ok(python(place))
}

fn make(machine: &Machine, place: &Place) -> Result<()> {
    let list = requirements(place);
    let text = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let names: Vec<&str> = text.lines().collect();
    say::step("python", &format!("installing {}", names.join(" ")));
    let system = machine
        .program("python3")
        .ok_or_else(|| Unavailable("python3 is missing; install it".to_owned()))?;
    let venv = place.venv();
    let folder = venv.to_str().context("name the tests' Python")?;
    run(&system, &["-m", "venv", "--clear", folder])?;
    let list = list.to_str().context("name the list of packages")?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    run(
        &python(place),
        &[&pip[..], &["--requirement", list]].concat(),
    )?;
    fs::write(note(place), text).context("note that the tests' Python is made")
}

fn run(program: &Path, args: &[&str]) -> Result<()> {
    let status = Command::new(program)
        .args(args)
        .status()
        .with_context(|| format!("start {}", program.display()))?;
    let command = format!("{} {}", program.display(), args.join(" "));
    ensure!(status.success(), "this failed with {status}: {command}");
    Ok(())
}

fn requirements(place: &Place) -> PathBuf {
    place.root.join("cross/requirements.txt")
}

fn python(place: &Place) -> PathBuf {
    place.venv().join("bin/python")
}

fn note(place: &Place) -> PathBuf {
    place.venv().join("requirements.txt")
}

#[cfg(test)]
mod tests {
    use super::{is_to_make, note, python, requirements};
    use crate::place::Place;
    use std::fs;

    #[test]
    fn it_is_made_once_for_one_list_of_packages() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place {
            root: dir.path().to_owned(),
            target: dir.path().join("target"),
        };
        assert!(is_to_make(&place));
        for file in [requirements(&place), note(&place), python(&place)] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "a==1\n").unwrap();
        }
        assert!(!is_to_make(&place));
        fs::write(requirements(&place), "a==2\n").unwrap();
        assert!(is_to_make(&place));
    }
}
