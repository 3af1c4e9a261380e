//! Where the real parts are.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn part(variable: &str, usual: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| workspace().join(usual), PathBuf::from);
    let path = std::path::absolute(path)?;
    ensure!(
        path.exists(),
        "{} is missing: run the tests by `cargo xtask test`, or set {variable}",
        path.display()
    );
    Ok(path)
}

/// The program.
pub fn binary() -> Result<PathBuf> {
    part("SHOAL_BIN", "target/release/shoal")
}

/// The default model.
pub fn model() -> Result<PathBuf> {
    part(
        "SHOAL_MODEL",
        "target/models/SmolLM2-135M-Instruct.Q4_1.gguf",
    )
}

/// A Python with the client libraries.
pub fn python() -> Result<PathBuf> {
    part("SHOAL_PYTHON", "target/venv/bin/python")
}

/// A port of the loopback that nobody uses now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
