//! `shoal models pull`: a model on this board, verified and prepared.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;
use shoal_models::{
    catalogue::{
        self, CATALOGUE, CatalogueEntry, DEFAULT, Expected, Verified, VerifyError, hub::HubFile,
    },
    egress::download::{Download, DownloadError},
    prepare::Outcome,
};

use super::prepare::{self, Wish};
use crate::{
    cli::progress::Progress,
    config::{Config, Model},
    exit::{Exit, Fault},
};

/// Which model.
#[derive(Debug, Args)]
pub struct Options {
    /// A known model's name, or OWNER/REPOSITORY/FILE.gguf on the hub [default: the default model]
    name: Option<String>,
    /// The SHA-256 of a file on the hub
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Do not look for the form that is fastest here
    #[arg(long)]
    no_prepare: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Fetches what is not there, verifies it, and prepares it.
pub async fn run(config: &Config, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let quiet = options.json;
    let verified = match known(options.name.as_deref()) {
        Some(entry) => here(config, entry)?,
        None => fetch(config, &options).await?,
    };
    if !quiet {
        writeln!(
            out,
            "{} is whole: {} bytes",
            verified.path.display(),
            verified.bytes
        )?;
    }
    let prepared = match options.no_prepare {
        true => None,
        false => Some(prepared(config, &verified.path, quiet, out)),
    };
    let used = verified.path == config.model.path;
    if quiet {
        let (outcome, error) = match &prepared {
            Some(Ok(outcome)) => (Some(prepare::as_json(outcome)), None),
            Some(Err(fault)) => (None, Some(fault.to_string())),
            None => (None, None),
        };
        let pulled = json!({
            "path": verified.path, "bytes": verified.bytes, "used": used,
            "prepared": outcome, "not_prepared": error,
        });
        crate::cli::json(out, &pulled)?;
        return Ok(Exit::Done);
    }
    // The model is here and can be used as it is, so this is no failure.
    if let Some(Err(fault)) = prepared {
        writeln!(out, "it was not prepared, and is used as it is: {fault}")?;
    }
    let path = verified.path.display();
    if used {
        writeln!(out, "`shoal serve` uses it from its next start on")?;
    } else {
        writeln!(
            out,
            "to use it, set [model] path = \"{path}\" in shoal.toml"
        )?;
    }
    Ok(Exit::Done)
}

/// The catalogue's entry of this name; the default's without one.
fn known(name: Option<&str>) -> Option<&'static CatalogueEntry> {
    let Some(name) = name else {
        return Some(DEFAULT);
    };
    CATALOGUE
        .iter()
        .find(|entry| [entry.name, entry.file].contains(&name))
}

/// A known model that somebody put here.
fn here(config: &Config, entry: &CatalogueEntry) -> Result<Verified, Fault> {
    let place = place(config, entry.file);
    match catalogue::verify(&place, &Expected::from(entry)) {
        Ok(verified) => Ok(verified),
        Err(VerifyError::Missing(path)) => Err(Fault::new(
            Exit::NoModel,
            how_to_get(entry, &path, &config.data),
        )),
        Err(error) => Err(Fault::new(Exit::CorruptModel, error)),
    }
}

fn how_to_get(entry: &CatalogueEntry, path: &Path, data: &Path) -> String {
    format!(
        "there is no {} yet. It comes in {}, which has no address for the file alone. In the folder {}, run:\n    {}\n\
         and then this command again",
        path.display(),
        entry.source,
        data.display(),
        entry.commands.join("\n    ")
    )
}

async fn fetch(config: &Config, options: &Options) -> Result<Verified, Fault> {
    let name = options.name.as_deref().unwrap_or_default();
    let file = HubFile::try_new(name).map_err(|error| {
        let names: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
        Fault::usage(format!(
            "there is no known model {name:?} ({}), and {error}",
            names.join(", ")
        ))
    })?;
    let Some(sha256) = &options.sha256 else {
        return Err(Fault::usage(format!(
            "without its SHA-256 nobody could tell whether {file} is the right file: \
             look it up where you chose the model, and add --sha256 HEX"
        )));
    };
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Fault::usage("a SHA-256 has 64 hexadecimal digits"));
    }
    let place = place(config, file.file());
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| Fault::create(format!("cannot make {}", folder.display()), &error))?;
    }
    let download = Download {
        url: file.url(&config.hub),
        place,
        expected: Expected {
            bytes: None,
            sha256: sha256.clone(),
        },
    };
    let mut progress = None;
    let (sender, mut told) = tokio::sync::watch::channel((0, None));
    let mut tell = move |have: u64, whole: Option<u64>| {
        // Nobody looks any more once the download has ended.
        let _ = sender.send((have, whole));
    };
    let work = download.run(&mut tell);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done.map_err(fault),
            Ok(()) = told.changed() => {
                let (have, whole) = *told.borrow_and_update();
                let Some(whole) = whole else { continue };
                let begin = || Progress::new(&format!("{}, MB", file.file()), megabytes(whole));
                progress.get_or_insert_with(begin).set(megabytes(have));
            }
        }
    }
}

/// Where a file of this name lies: where the config has it, else in the data folder.
fn place(config: &Config, file: &str) -> PathBuf {
    let used = &config.model.path;
    if used.file_name().is_some_and(|name| name == file) {
        return used.clone();
    }
    config.data.join("models").join(file)
}

fn prepared(
    config: &Config,
    path: &Path,
    quiet: bool,
    out: &mut dyn Write,
) -> Result<Outcome, Fault> {
    let model = Model {
        path: path.to_owned(),
        ..config.model.clone()
    };
    let wish = Wish {
        quiet,
        ..Wish::default()
    };
    prepare::prepare(&model, wish, out).map_err(prepare::fault)
}

fn megabytes(bytes: u64) -> usize {
    usize::try_from(bytes / 1_000_000).unwrap_or(usize::MAX)
}

fn fault(error: DownloadError) -> Fault {
    let exit = match &error {
        DownloadError::Verify(_) | DownloadError::WrongSize { .. } => Exit::CorruptModel,
        DownloadError::BrokeOff { .. } | DownloadError::Busy(_) | DownloadError::NoSpace(_) => {
            Exit::TryAgain
        }
        DownloadError::Destination(_) => Exit::Usage,
        DownloadError::Io { .. } => Exit::CannotCreate,
        DownloadError::Egress(_) | DownloadError::Refused { .. } => Exit::Failed,
    };
    Fault::new(exit, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Places;

    async fn pull(data: &Path, options: Options) -> Result<String, Fault> {
        let places = Places {
            data: data.to_owned(),
            config: data.join("shoal.toml"),
        };
        let text = "[model]\npath = \"/nowhere/m.gguf\"\n[hub]\nurl = \"http://127.0.0.1:9\"\n";
        let config = Config::parse(text, &places).unwrap();
        let mut out = Vec::new();
        run(&config, options, &mut out).await?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn options(name: Option<&str>) -> Options {
        Options {
            name: name.map(str::to_owned),
            sha256: None,
            no_prepare: true,
            json: false,
        }
    }

    #[tokio::test]
    async fn each_model_that_cannot_be_had_is_told_with_what_to_do() {
        let mut faults = Vec::new();
        for name in [None, Some("smollm"), Some("own/repo/m.gguf")] {
            faults.push(
                pull(Path::new("/data"), options(name))
                    .await
                    .unwrap_err()
                    .to_string(),
            );
        }
        insta::assert_snapshot!(faults.join("\n---\n"));
        let short = Options {
            sha256: Some("abc".into()),
            ..options(Some("own/repo/m.gguf"))
        };
        assert_eq!(
            pull(Path::new("/data"), short).await.unwrap_err().exit,
            Exit::Usage
        );
    }

    #[tokio::test]
    async fn a_damaged_known_model_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("models")).unwrap();
        std::fs::write(folder.path().join("models").join(DEFAULT.file), "half").unwrap();
        let fault = pull(folder.path(), options(Some(DEFAULT.name)))
            .await
            .unwrap_err();
        assert_eq!(fault.exit, Exit::CorruptModel);
    }
}
