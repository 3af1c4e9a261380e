//! Which file of the model is loaded: the download, or the form of it that was prepared for this machine.

use std::path::PathBuf;

use shoal_models::prepare::{self, Misfit, Note, Row, Use};

use crate::config::Model;

/// The file and why it is that one.
#[derive(Debug)]
pub struct Weights {
    /// The file to load.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why a file is loaded.
#[derive(Debug)]
pub enum Why {
    /// It was prepared for this machine.
    Prepared(Box<Note>),
    /// It is the download, which was measured to be best.
    DownloadIsBest,
    /// It is the download, since nothing was prepared.
    NothingPrepared,
    /// It is the download, since what was prepared does not fit.
    Misfit(Misfit),
    /// It is the download, since the config says so.
    Off,
}

impl Weights {
    /// Looks what there is. Reads a file whole where it changed since it was last compared.
    pub fn find(model: &Model, accelerated: bool) -> Self {
        let download = |why| Self {
            path: model.path.clone(),
            why,
        };
        if !model.prepared {
            return download(Why::Off);
        }
        match prepare::look(&model.path, used(model, accelerated)) {
            Err(misfit) => download(Why::Misfit(misfit)),
            Ok(None) => download(Why::NothingPrepared),
            Ok(Some(note)) => {
                match prepare::place_of(&model.path).filter(|_| note.prepared.is_some()) {
                    Some(path) => Self {
                        path,
                        why: Why::Prepared(Box::new(note)),
                    },
                    None => download(Why::DownloadIsBest),
                }
            }
        }
    }

    /// In a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let path = self.path.display();
        match &self.why {
            Why::Prepared(note) => match gain(note) {
                Some(gain) => format!("{path} is used: {}, {gain}", note.recipe),
                None => format!("{path} is used: {}", note.recipe),
            },
            Why::DownloadIsBest => {
                "the download is used, which was measured to be the best form".to_owned()
            }
            Why::NothingPrepared => {
                "the download is used as it is; `shoal models prepare` may make \
                                     it faster on this machine"
                    .to_owned()
            }
            Why::Misfit(reason) => format!(
                "the download is used, since what was prepared does not fit: {reason}; \
                 run: shoal models prepare"
            ),
            Why::Off => "the download is used ([model] prepared = false)".to_owned(),
        }
    }
}

/// How a prepared form of the model is to be used.
#[must_use]
pub fn used(model: &Model, accelerated: bool) -> Use {
    Use {
        accelerated,
        most_perplexity: model.most_perplexity,
    }
}

/// What the recipe that was taken gains over the download.
#[must_use]
pub fn gain(note: &Note) -> Option<String> {
    let taken = note.measured.iter().find(|row| row.recipe == note.recipe);
    gain_of(taken?)
}

/// What a recipe gains over the download, as far as it was measured.
#[must_use]
pub fn gain_of(row: &Row) -> Option<String> {
    let (prefill, decode) = (row.prefill?, row.decode?);
    let mut said =
        format!("reading {prefill:.1} and writing {decode:.1} times as fast as the download");
    if let Some(share) = row.perplexity {
        said.push_str(", ");
        said.push_str(&perplexity(share));
    }
    Some(said)
}

fn perplexity(share: f64) -> String {
    let percent = (share - 1.0) * 100.0;
    if percent.abs() < 0.05 {
        "with the same perplexity".to_owned()
    } else if percent > 0.0 {
        format!("with a perplexity {percent:.1} % higher")
    } else {
        format!("with a perplexity {:.1} % lower", -percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perplexity_is_told_in_per_cent() {
        assert_eq!(perplexity(1.0), "with the same perplexity");
        assert_eq!(perplexity(1.0134), "with a perplexity 1.3 % higher");
        assert_eq!(perplexity(0.99), "with a perplexity 1.0 % lower");
    }

    #[test]
    fn the_config_may_say_no_and_otherwise_the_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = Model {
            path: folder.path().join("m.gguf"),
            sha256: None,
            prepared: true,
            most_perplexity: 1.02,
            context: None,
            threads: None,
            gpu_layers: None,
            lock: false,
            plugins: None,
        };
        let why = |model: &Model| Weights::find(model, false).why;
        assert!(matches!(why(&model), Why::NothingPrepared));
        std::fs::write(folder.path().join("m.prepared.gguf"), "half").unwrap();
        assert!(matches!(why(&model), Why::Misfit(Misfit::NoNote)));
        std::fs::write(folder.path().join("m.prepared.toml"), "rubbish").unwrap();
        let found = Weights::find(&model, false);
        assert!(matches!(found.why, Why::Misfit(Misfit::Unreadable(_))));
        assert_eq!(found.path, model.path);
        model.prepared = false;
        assert!(matches!(why(&model), Why::Off));
    }
}
