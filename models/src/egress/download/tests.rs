use std::fs;

use super::*;
use crate::testing::provider::{Provider, Script};

/// SHA-256 of `abc`, as FIPS 180-2 gives it.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const PLAIN: (&str, &str) = ("x-nothing", "");

fn whole(body: &str) -> Script {
    Script::Whole(200, PLAIN, body.into())
}

fn download(folder: &Path, url: String) -> Download {
    Download {
        url,
        place: folder.join("m.gguf"),
        expected: Expected {
            bytes: None,
            sha256: ABC.into(),
        },
    }
}

async fn run(folder: &Path, script: Vec<Script>) -> (Result<Verified, DownloadError>, Provider) {
    let provider = Provider::start(script).await;
    let done = download(folder, format!("{}/own/repo/m.gguf", provider.base_url))
        .run(&mut |_, _| ())
        .await;
    (done, provider)
}

#[tokio::test]
async fn a_file_is_fetched_once_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (done, provider) = run(folder.path(), vec![whole("abc")]).await;
    assert_eq!(done.unwrap().bytes, 3);
    assert_eq!(provider.seen().len(), 1);
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert!(
        !names.iter().any(|name| name == ".m.gguf.part"),
        "{names:?}"
    );
    let (done, provider) = run(folder.path(), Vec::new()).await;
    assert_eq!(done.unwrap().bytes, 3);
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn what_is_there_is_not_fetched_again_and_a_hub_that_begins_anew_is_followed() {
    for (script, range) in [
        (
            Script::Whole(206, ("content-range", "bytes 2-2/3"), "c".into()),
            true,
        ),
        (whole("abc"), false),
        (
            Script::Whole(206, ("content-range", "bytes 1-2/3"), "bc".into()),
            true,
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".m.gguf.part"), "ab").unwrap();
        let (done, provider) = run(folder.path(), vec![script]).await;
        let seen = provider.seen();
        assert_eq!(seen[0].headers["range"], "bytes=2-");
        match (done, range) {
            (Ok(_), _) => {}
            // Bytes from another place are no use, and the next try begins anew.
            (Err(DownloadError::Verify(_)), true) => {}
            (Err(error), _) => panic!("{error}"),
        }
        assert!(!folder.path().join(".m.gguf.part").exists());
    }
}

#[tokio::test]
async fn a_wrong_file_is_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let (done, _provider) = run(folder.path(), vec![whole("abd")]).await;
    let error = done.unwrap_err();
    assert!(
        matches!(error, DownloadError::Verify(VerifyError::WrongHash { .. })),
        "{error}"
    );
    assert!(!folder.path().join("m.gguf").exists());
    assert!(!folder.path().join(".m.gguf.part").exists());
}

#[tokio::test]
async fn a_file_of_another_length_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::start(vec![whole("abcd")]).await;
    let mut wanted = download(folder.path(), format!("{}/m.gguf", provider.base_url));
    wanted.expected.bytes = Some(3);
    let error = wanted.run(&mut |_, _| ()).await.unwrap_err();
    assert!(
        matches!(
            error,
            DownloadError::WrongSize {
                found: 4,
                expected: 3,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_no_is_told_and_a_redirect_leads_nowhere_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = ("location", "http://192.0.2.1/m.gguf");
    for (status, header) in [(404, PLAIN), (403, PLAIN), (302, elsewhere)] {
        let script = vec![Script::Whole(status, header, String::new())];
        let (done, _provider) = run(folder.path(), script).await;
        match done.unwrap_err() {
            DownloadError::Refused { status: told, .. } => assert_eq!(told, status),
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn two_programs_do_not_fetch_the_same_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let held = Part::open(&folder.path().join("m.gguf")).unwrap();
    let (done, _provider) = run(folder.path(), vec![whole("abc")]).await;
    assert!(matches!(done.unwrap_err(), DownloadError::Busy(_)));
    drop(held);
}
