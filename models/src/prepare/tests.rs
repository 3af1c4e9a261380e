//! Preparing the real model, and everything that may lie beside it.

use std::fs;

use shoal_conductor::worker::{Backbone as _, Call};

use super::{
    measure::{Effort, Subject},
    quantize::quantize,
    recipe::RECIPES,
    *,
};
use crate::{
    engine::{Engine, EngineOptions},
    testing::{ask_briefly, model_path, options as engine_options},
};

fn options() -> Options {
    Options::new(1)
}

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

#[test]
fn the_same_download_and_recipe_give_the_same_bytes_whatever_the_threads() {
    let (folder, source) = download();
    for recipe in RECIPES {
        let digest = |name: &str, threads| {
            let part = folder.path().join(name);
            quantize(&source, &part, recipe, threads).unwrap();
            catalogue::digest(&part).unwrap()
        };
        let (one, three) = (digest("one", 1), digest("three", 3));
        assert_eq!(one, three, "{}", recipe.name);
        let header = crate::gguf::Header::read(&source).unwrap();
        assert!(
            one.bytes <= recipe.at_most(header.parameters, header.bytes),
            "{}",
            recipe.name
        );
    }
}

#[tokio::test]
async fn a_recipe_keeps_the_model_within_two_per_cent_and_it_answers() {
    let (folder, source) = download();
    let whole = Effort::of(1);
    let perplexity = |path: &Path| {
        Subject::load(path, &options())
            .unwrap()
            .perplexity(whole)
            .unwrap()
    };
    let before = perplexity(&source);
    let part = folder.path().join("anew.gguf");
    let good = RECIPES.iter().filter(|recipe| {
        quantize(&source, &part, recipe, 1).unwrap();
        perplexity(&part) / before <= MOST_PERPLEXITY
    });
    assert!(good.count() > 0);
    let said = capital_of_japan(&part).await;
    assert!(said.contains("Tokyo"), "{said}");
}

#[tokio::test]
async fn a_model_is_prepared_once_and_used_while_it_fits() {
    let (folder, source) = download();
    // What a killed preparation leaves.
    fs::write(folder.path().join(".m.prepared.part"), "half").unwrap();
    fs::write(folder.path().join(".m.prepared.best"), "half").unwrap();
    fs::write(folder.path().join("m.prepared.gguf"), "half").unwrap();
    assert!(matches!(look(&source, false), Err(Misfit::NoNote)));
    assert_eq!(prepared(&source, false), None);

    let mut told = Vec::new();
    let outcome = prepare(&source, &options(), &mut |step| {
        if let Step::Measured(row) = step {
            told.push(row.clone());
        }
    })
    .unwrap();
    assert!(outcome.now && !outcome.note.cut_short);
    assert_eq!(told, outcome.note.measured);
    assert_eq!(choose(&told, None).unwrap().recipe, outcome.note.recipe);
    assert!(
        told.iter()
            .all(|row| row.bytes.is_some() && row.perplexity.is_some()),
        "{told:?}"
    );
    let taken = told
        .iter()
        .find(|row| row.recipe == outcome.note.recipe)
        .unwrap();
    assert!(taken.perplexity.unwrap() <= MOST_PERPLEXITY);
    assert_eq!(look(&source, false).unwrap(), Some(outcome.note.clone()));
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
fn without_time_the_download_is_taken_and_more_time_tries_again() {
    let (_folder, source) = download();
    let hurried = Options {
        within: Some(Duration::ZERO),
        ..options()
    };
    let outcome = prepare(&source, &hurried, &mut |_| ()).unwrap();
    assert_eq!(outcome.path, source);
    assert_eq!(outcome.note.recipe, AS_DOWNLOADED);
    assert!(outcome.note.cut_short && outcome.note.prepared.is_none());
    assert_eq!(prepared(&source, false), None);
    let again = prepare(&source, &hurried, &mut |_| panic!("measured again")).unwrap();
    assert!(!again.now);
    let mut begun = 0;
    let other = Options {
        again: true,
        ..hurried
    };
    prepare(&source, &other, &mut |_| begun += 1).unwrap();
    assert!(begun > 0);
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
            cut_short: false,
            machine: Machine::here(false),
            source: bytes(&source),
            prepared: Some(bytes(&place.prepared)),
            measured: Vec::new(),
        };
        note.write(&place).unwrap();
        assert_eq!(prepared(&source, false).as_deref(), Some(&*place.prepared));
    };
    whole();
    assert_eq!(prepared(&source, true), None, "an accelerator");
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
        assert_eq!(prepared(&source, false), None, "{} {text}", path.display());
    }
    for path in [&place.prepared, &source, &place.note] {
        whole();
        fs::remove_file(path).unwrap();
        assert_eq!(prepared(&source, false), None, "{}", path.display());
    }
    assert_eq!(prepared(&place.prepared, false), None);
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
