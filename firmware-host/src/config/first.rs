//! The files that the first start writes.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::Places;
use crate::exit::Fault;

const CONFIG_TEMPLATE: &str = include_str!("../../defaults/shoal.toml");
/// The policy of an appliance whose owner has not written one.
pub const DEFAULT_POLICY: &str = include_str!("../../defaults/policy.toml");
/// The line of the template that names the model.
const MODEL_LINE: &str = "path = \"models/SmolLM2-135M-Instruct.Q4_1.gguf\"";
/// Names the model file at the first start.
const MODEL_VARIABLE: &str = "SHOAL_MODEL";

/// Which files were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(pub Vec<PathBuf>);

/// The default config, with the model that the environment names.
pub fn default_config() -> String {
    let model = std::env::var_os(MODEL_VARIABLE).filter(|path| !path.is_empty());
    with_model(model.map(PathBuf::from).as_deref())
}

fn with_model(path: Option<&Path>) -> String {
    match path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned())) {
        Some(path) => {
            let path = toml::Value::String(path.display().to_string());
            CONFIG_TEMPLATE.replacen(MODEL_LINE, &format!("path = {path}"), 1)
        }
        None => CONFIG_TEMPLATE.to_owned(),
    }
}

/// Writes config and policy where there are none yet, readable by the owner alone.
pub fn write_defaults(places: &Places) -> Result<Written, Fault> {
    let policy = places.data.join("policy.toml");
    let mut written = Written::default();
    for (path, text) in [
        (&places.config, default_config()),
        (&policy, DEFAULT_POLICY.to_owned()),
    ] {
        let made = write_new(path, &text)
            .map_err(|error| Fault::create(format!("cannot write {}", path.display()), &error))?;
        if made {
            written.0.push(path.clone());
        }
    }
    Ok(written)
}

/// Whether the file was not there and is now.
fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match opened {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use shoal_conductor::policy::Policy;

    fn places(data: &Path) -> Places {
        Places {
            data: data.to_owned(),
            config: data.join("shoal.toml"),
        }
    }

    #[test]
    fn the_first_files_are_valid_and_say_what_the_defaults_are() {
        let places = places(Path::new("/data"));
        let written = Config::parse(&with_model(None), &places).unwrap();
        let empty = Config::parse("", &places).unwrap();
        assert_eq!(format!("{written:#?}"), format!("{empty:#?}"));
        let policy = Policy::parse(DEFAULT_POLICY, Path::new("/")).unwrap();
        assert_eq!(policy, Policy::parse("", Path::new("/")).unwrap());
    }

    #[test]
    fn the_model_that_the_environment_names_is_written_into_the_config() {
        let text = with_model(Some(Path::new("/m/a \"b\".gguf")));
        let config = Config::parse(&text, &places(Path::new("/data"))).unwrap();
        assert_eq!(config.model.path, Path::new("/m/a \"b\".gguf"));
    }

    #[test]
    fn a_file_that_is_there_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        std::fs::write(&places.config, "# mine\n").unwrap();
        let written = write_defaults(&places).unwrap();
        assert_eq!(written, Written(vec![folder.path().join("policy.toml")]));
        assert_eq!(std::fs::read_to_string(&places.config).unwrap(), "# mine\n");
        assert_eq!(write_defaults(&places).unwrap(), Written::default());
    }
}
