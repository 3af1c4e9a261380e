//! The file of the routing head in use, which can be replaced so that the former one can come back.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use shoal_conductor::head::routing::Routing;

use crate::{
    config::Config,
    exit::{Exit, Fault},
};

/// Where the head in use is.
#[derive(Debug)]
pub struct Place {
    pub file: PathBuf,
    former: PathBuf,
}

impl Place {
    /// The one that the config names.
    pub fn of(config: &Config) -> Result<Self, Fault> {
        let Some(file) = config.routing_head.clone() else {
            return Err(Fault::usage(
                "shoal.toml names no head: set routing_head = \"routing.safetensors\" under [conductor] once the file is there, which `shoal learn route --out data/routing.safetensors` makes",
            ));
        };
        let mut former = file.clone().into_os_string();
        former.push(".former");
        Ok(Self {
            file,
            former: former.into(),
        })
    }

    /// The head in use; none where there is no file.
    pub fn now(&self) -> Result<Option<Routing>, Fault> {
        let bytes = match fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| self.fault(&error))?,
        };
        let head = Routing::try_from_bytes(&bytes).map_err(|error| self.fault(&error))?;
        Ok(Some(head))
    }

    /// Puts a head there; the one that was there becomes the former one.
    pub fn put(&self, bytes: &[u8]) -> Result<(), Fault> {
        let fresh = self.file.with_extension("fresh");
        let put = || {
            let mut file = File::create(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            if self.file.exists() {
                fs::copy(&self.file, &self.former)?;
                File::open(&self.former)?.sync_all()?;
            }
            publish(&fresh, &self.file)
        };
        put().map_err(|error| self.fault(&error))
    }

    /// Puts the former one back.
    pub fn roll_back(&self) -> Result<(), Fault> {
        if !self.former.exists() {
            let former = self.former.display();
            return Err(Fault::failed(format!(
                "there is no former head: {former} is not there"
            )));
        }
        publish(&self.former, &self.file).map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &dyn fmt::Display) -> Fault {
        let file = self.file.display();
        Fault::new(Exit::CannotCreate, format!("{file}: {error}"))
    }
}

/// Moves a file so that it is there also after a power cut.
fn publish(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
