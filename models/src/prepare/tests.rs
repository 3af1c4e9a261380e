//! Preparing the real model, and everything that may lie beside it.

use std::fs;

use shoal_conductor::worker::{Backbone as _, Call};

use super::{
    measure::{Effort, Subject},
    quantize::quantize,
    recipe::{RECIPES, at_most},
    *,
};
use crate::{
    engine::{Engine, EngineOptions, sums::Sums},
    testing::{ask_briefly, model_path, options as engine_options},
};

fn options() -> Options {
    Options::new(1)
}

const CPU: Use = Use {
    accelerated: false,
    most_perplexity: MOST_PERPLEXITY,
};

/// The default model in a folder of its own, without a second copy where the file system allows.
fn download() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    if fs::hard_link(model_path(), &path).is_err() {
        fs::copy(model_path(), &path).unwrap();
    }
    (folder, path)
}

async fn capital_of_japan(path: &Path) -> String {
    let engine = Engine::load(EngineOptions {
        path: path.to_owned(),
        ..engine_options()
    })
    .unwrap();
    let prompt = ask_briefly("What is the capital of Japan?", 32);
    engine.complete(prompt, Call::default()).await.unwrap().text
}

#[tokio::test]
async fn a_recipe_gives_the_same_bytes_whatever_the_threads_and_what_is_used_most_is_kept_best() {
    let (folder, source) = download();
    let header = crate::gguf::Header::read(&source).unwrap();
    let recipe = &RECIPES[0];
    let effort = Effort {
        text: 512,
        ..Effort::of(1)
    };
    let load = |path: &Path| Subject::load(path, &options(), effort).unwrap();
    let download = load(&source);
    let sums = download.sums().unwrap();
    let made = |name: &str, sums: &Sums, threads| {
        let part = folder.path().join(name);
        quantize(&source, &part, recipe, sums, threads).unwrap();
        let digest = catalogue::digest(&part).unwrap();
        assert!(digest.bytes <= at_most(header.parameters, header.bytes));
        (digest, part)
    };
    let (one, good) = made("one", &sums, 1);
    let (three, _) = made("three", &sums, 3);
    assert_eq!(one, three);
    let (_, blind) = made("blind", &Sums::default(), 1);
    let loss = |path: &Path| load(path).perplexity().unwrap() / download.perplexity().unwrap();
    let (good, blind) = (loss(&good), loss(&blind));
    assert!(good < blind, "{good} {blind}");
    let said = capital_of_japan(&folder.path().join("one")).await;
    assert!(said.contains("Tokyo"), "{said}");
}

#[tokio::test]
async fn a_model_is_prepared_once_and_used_while_it_fits() {
    let (folder, source) = download();
    // What a killed preparation leaves.
    fs::write(folder.path().join(".m.prepared.part"), "half").unwrap();
    fs::write(folder.path().join(".m.prepared.best"), "half").unwrap();
    fs::write(folder.path().join("m.prepared.gguf"), "half").unwrap();
    assert!(matches!(look(&source, CPU), Err(Misfit::NoNote)));
    assert_eq!(prepared(&source, CPU), None);

    let mut told = Vec::new();
    let outcome = prepare(&source, &options(), &mut |step| {
        if let Step::Measured(row) = step {
            told.push(row.clone());
        }
    })
    .unwrap();
    assert!(outcome.now);
    assert_eq!(told, outcome.note.measured);
    let chosen = choose(&told, outcome.note.pace, options().bounds).unwrap();
    assert_eq!(chosen.recipe, outcome.note.recipe);
    assert!(
        told.iter()
            .all(|row| row.bytes.is_some() && (row.perplexity.is_some() || row.remark.is_some())),
        "{told:?}"
    );
    let taken = told
        .iter()
        .find(|row| row.recipe == outcome.note.recipe)
        .unwrap();
    assert!(taken.perplexity.unwrap() <= MOST_PERPLEXITY);
    assert_eq!(look(&source, CPU).unwrap(), Some(outcome.note.clone()));
    assert!(capital_of_japan(&outcome.path).await.contains("Tokyo"));
    for left in [".m.prepared.part", ".m.prepared.best"] {
        assert!(!folder.path().join(left).exists(), "{left}");
    }

    let again = prepare(&source, &options(), &mut |_| panic!("measured again")).unwrap();
    assert_eq!(
        again,
        Outcome {
            now: false,
            ..outcome
        }
    );
}

#[test]
fn what_does_not_fit_leads_back_to_the_download() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("m.gguf");
    let place = Place::try_new(&source).unwrap();
    let whole = || {
        fs::write(&source, "download").unwrap();
        fs::write(&place.prepared, "prepared").unwrap();
        let bytes = |path| {
            let found = catalogue::digest(path).unwrap();
            Bytes {
                bytes: found.bytes,
                sha256: found.sha256,
            }
        };
        let note = Note {
            recipe: "r".into(),
            threads: 1,
            most_perplexity: MOST_PERPLEXITY,
            pace: Pace {
                prefill: 1.0,
                decode: 1.0,
            },
            machine: Machine::here(false),
            source: bytes(&source),
            prepared: Some(bytes(&place.prepared)),
            measured: Vec::new(),
        };
        note.write(&place).unwrap();
        assert_eq!(prepared(&source, CPU).as_deref(), Some(&*place.prepared));
    };
    whole();
    for other in [
        Use {
            accelerated: true,
            ..CPU
        },
        Use {
            most_perplexity: 1.01,
            ..CPU
        },
    ] {
        assert_eq!(prepared(&source, other), None, "{other:?}");
    }
    let note = fs::read_to_string(&place.note).unwrap();
    for (path, text) in [
        (&place.prepared, "prep"),
        (&place.prepared, "garbage, and longer"),
        (&source, "another download"),
        (&place.note, &note[..note.len() / 2]),
        (&place.note, ""),
    ] {
        whole();
        fs::write(path, text).unwrap();
        assert_eq!(prepared(&source, CPU), None, "{} {text}", path.display());
    }
    for path in [&place.prepared, &source, &place.note] {
        whole();
        fs::remove_file(path).unwrap();
        assert_eq!(prepared(&source, CPU), None, "{}", path.display());
    }
    assert_eq!(prepared(&place.prepared, CPU), None);
}

#[test]
fn what_cannot_be_prepared_is_told_apart() {
    let (folder, source) = download();
    let fault = |path: &Path| prepare(path, &options(), &mut |_| ()).unwrap_err();
    let missing = fault(&folder.path().join("none.gguf"));
    assert!(
        matches!(missing, PrepareError::Load(LoadError::Missing(_))),
        "{missing}"
    );
    let rubbish = folder.path().join("rubbish.gguf");
    fs::write(&rubbish, "rubbish").unwrap();
    let bad = fault(&rubbish);
    assert!(
        matches!(bad, PrepareError::Load(LoadError::BadFile { .. })),
        "{bad}"
    );
    let twice = fault(&folder.path().join("m.prepared.gguf"));
    assert!(matches!(twice, PrepareError::NoSource(_)), "{twice}");
    let held = File::open(&source).unwrap();
    held.lock().unwrap();
    assert!(matches!(fault(&source), PrepareError::Busy(_)));
}
