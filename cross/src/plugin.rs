//! `cargo xtask plugin`: an accelerator's plugin for the engine.
//!
//! It is made of the same source as the program's llama.cpp and told the same
//! things, so that it fits the libraries that the program brings.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::thread::available_parallelism;

use anyhow::{Context as _, Result, ensure};

use crate::apt;
use crate::build;
use crate::cli::Accelerator;
use crate::machine::Machine;
use crate::need::Work;
use crate::place::Place;
use crate::say;

/// Builds it, and says what to do with it.
pub fn command(place: &Place, accelerator: Accelerator) -> Result<ExitCode> {
    let Accelerator::Vulkan = accelerator;
    vulkan(&Machine::here(), place)?;
    say::step(
        "",
        "put it beside the program or in its ../lib/shoal, or name its folder as [model] plugins in shoal.toml",
    );
    Ok(ExitCode::SUCCESS)
}

/// Builds the plugin for GPUs with a Vulkan driver, with all that this takes.
/// What was built before is taken as it is, as `make` does.
pub fn vulkan(machine: &Machine, place: &Place) -> Result<()> {
    let work = Work {
        vulkan: true,
        ..Work::default()
    };
    apt::provide(machine, work)?;
    let plugin = place.plugins().join("libggml-vulkan.so");
    say::step("plugin", &format!("{}: about 4 minutes", plugin.display()));
    let folder = place.plugins().join("build");
    fs::create_dir_all(&folder).context("make the folder for the plugin's build")?;
    let shim = place.root.join("cross/vulkan/layer_settings.hpp");
    let include = place.root.join("cross/llama.cmake");
    let mut configure = Command::new("cmake");
    configure
        .arg("-S")
        .arg(source(place)?)
        .arg("-B")
        .arg(&folder)
        .args(OPTIONS.map(|option| format!("-D{option}")))
        .arg(format!("-DCMAKE_CXX_FLAGS=-w -include {}", shim.display()))
        // Names and paths of libraries as in the program's build.
        .arg(format!("-DCMAKE_PROJECT_INCLUDE={}", include.display()))
        // The plugin is for any CPU of the architecture.
        .env("SHOAL_EVERY_ISA", "1");
    build::run(&mut configure)?;
    let jobs = available_parallelism().map_or(1, std::num::NonZero::get);
    let mut make = Command::new("cmake");
    make.arg("--build").arg(&folder);
    make.args(["--target", "ggml-vulkan", "--parallel", &jobs.to_string()]);
    build::run(&mut make)?;
    let made = folder.join("bin/libggml-vulkan.so");
    fs::copy(&made, &plugin).with_context(|| format!("copy {}", made.display()))?;
    Ok(())
}

/// What the binding's build script tells CMake, as far as it concerns ggml, save
/// that nothing but this one plugin and ggml's base is built.
const OPTIONS: [&str; 15] = [
    "BUILD_SHARED_LIBS=ON",
    "CMAKE_BUILD_TYPE=Release",
    "CMAKE_POSITION_INDEPENDENT_CODE=ON",
    "GGML_BACKEND_DL=ON",
    "GGML_CPU=OFF",
    "GGML_NATIVE=OFF",
    "GGML_OPENMP=OFF",
    "GGML_VULKAN=ON",
    "LLAMA_BUILD_APP=OFF",
    "LLAMA_BUILD_COMMON=OFF",
    "LLAMA_BUILD_EXAMPLES=OFF",
    "LLAMA_BUILD_SERVER=OFF",
    "LLAMA_BUILD_TESTS=OFF",
    "LLAMA_BUILD_TOOLS=OFF",
    "LLAMA_CURL=OFF",
];

/// Where Cargo keeps the source of the binding's llama.cpp.
fn source(place: &Place) -> Result<PathBuf> {
    let output = build::cargo(place)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .context("start cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let manifest = manifest(&String::from_utf8_lossy(&output.stdout));
    let source = manifest.map(|manifest| manifest.with_file_name("llama.cpp"));
    source.context("find llama-cpp-sys-2 among the packages of Cargo.lock")
}

/// The path is the one string in Cargo's JSON that ends like this.
fn manifest(metadata: &str) -> Option<PathBuf> {
    let mut strings = metadata.split('"');
    strings
        .find(|s| s.contains("/llama-cpp-sys-2-") && s.ends_with("/Cargo.toml"))
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::manifest;
    use std::path::Path;

    #[test]
    fn the_bindings_source_is_found_among_all_packages() {
        let metadata = r#"{"packages":[
            {"name":"llama-cpp-2","manifest_path":"/r/llama-cpp-2-0.1.160/Cargo.toml"},
            {"name":"llama-cpp-sys-2","manifest_path":"/r/llama-cpp-sys-2-0.1.161/Cargo.toml"}]}"#;
        let expected = Path::new("/r/llama-cpp-sys-2-0.1.161/Cargo.toml");
        assert_eq!(manifest(metadata).as_deref(), Some(expected));
        assert_eq!(manifest("{}"), None);
    }
}
