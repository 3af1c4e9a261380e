//! Where things are.

use std::env;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, Result};

/// The folders that the commands work in, all absolute.
#[derive(Clone, Debug)]
pub struct Place {
    /// The workspace: the folder of the top `Cargo.toml`.
    pub root: PathBuf,
    /// What Cargo and these commands make.
    pub target: PathBuf,
}

impl Place {
    /// Finds them, from what Cargo told this program or built it with.
    pub fn find() -> Result<Self> {
        let built_in = || env!("CARGO_MANIFEST_DIR").into();
        let cross = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built_in));
        let root = cross.parent().context("find the workspace")?.to_owned();
        let moved =
            env::var_os("CARGO_TARGET_DIR").or_else(|| env::var_os("CARGO_BUILD_TARGET_DIR"));
        let target = match moved.filter(|dir| !dir.is_empty()) {
            Some(dir) => absolute(Path::new(&dir)).context("find the target folder")?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The folder of downloaded models.
    pub fn models(&self) -> PathBuf {
        self.target.join("models")
    }

    /// The folder of accelerators' plugins.
    pub fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// The Python that the tests drive their clients with.
    pub fn venv(&self) -> PathBuf {
        self.target.join("venv")
    }

    /// The program, once it is built.
    pub fn shoal(&self) -> PathBuf {
        self.target.join("release/shoal")
    }

    /// The appliance's data folder, unless it is told another.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }
}
