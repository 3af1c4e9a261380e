//! A model that is stored anew, in the whole appliance.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;
use shoal_tests::{
    appliance::{Setup, command},
    place,
    plain::plain,
    wait::until,
};

/// An appliance with the model in its own folder, as a download that is worth preparing.
fn setup() -> Result<(Setup, PathBuf)> {
    let setup = Setup::new()?;
    let download = setup.data().join("m.gguf");
    plain(&place::model()?, &download)?;
    let setup = setup.model(&download);
    setup.write()?;
    Ok((setup, download))
}

async fn printed(setup: &Setup, arguments: &[&str]) -> Result<Value> {
    let done = setup.run(arguments).await?;
    ensure!(
        done.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(serde_json::from_slice(&done.stdout)?)
}

async fn used(setup: &Setup) -> Result<PathBuf> {
    let listed = printed(setup, &["models", "list", "--json"]).await?;
    let files = listed["here"].as_array().cloned().unwrap_or_default();
    let used: Vec<&Value> = files.iter().filter(|file| file["used"] == true).collect();
    ensure!(used.len() == 1, "{listed}");
    Ok(Path::new(used[0]["path"].as_str().unwrap_or_default()).to_owned())
}

#[tokio::test]
async fn killed_while_it_prepares_the_download_is_used_and_the_next_try_ends() -> Result<()> {
    let (setup, download) = setup()?;
    let mut child = command(setup.data())?.args(["models", "prepare"]).spawn()?;
    let part = setup.data().join(".m.prepared.part");
    until("a form is being written", async || {
        part.exists().then_some(())
    })
    .await?;
    child.kill().await?;
    assert_eq!(used(&setup).await?, download);

    let done = printed(&setup, &["models", "prepare", "--json"]).await?;
    assert_eq!(done["now"], true, "{done}");
    let path = PathBuf::from(done["path"].as_str().unwrap_or_default());
    assert_ne!(path, download, "{done}");
    assert_eq!(used(&setup).await?, path);
    assert!(!part.exists());
    let again = printed(&setup, &["models", "prepare", "--json"]).await?;
    assert_eq!(again["now"], false);
    assert_eq!(again["note"], done["note"]);

    // One wrong bit, and the download is used; whole again, and it is not.
    let verify = async || {
        let path = path.display().to_string();
        let done = setup.run(&["models", "verify", &path]).await?;
        anyhow::Ok(done.status.code())
    };
    flip(&path)?;
    assert_eq!(used(&setup).await?, download);
    assert_eq!(verify().await?, Some(65));
    flip(&path)?;
    assert_eq!(used(&setup).await?, path);
    assert_eq!(verify().await?, Some(0));

    let appliance = setup.start().await?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let welcome = appliance.printed()?;
    assert!(welcome.contains(&*name), "{welcome}");
    let said = appliance
        .printed_by(&["ask", "--model", "local", "What is the capital of Japan?"])
        .await?;
    assert!(said.contains("Tokyo"), "{said}");
    Ok(())
}

/// Turns one bit in the middle of a file over.
fn flip(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Ok(std::fs::write(path, bytes)?)
}

#[tokio::test]
async fn a_prepared_file_with_a_cut_note_is_told_and_the_download_serves() -> Result<()> {
    let (setup, download) = setup()?;
    std::fs::write(setup.data().join("m.prepared.gguf"), "GGUF")?;
    std::fs::write(setup.data().join("m.prepared.toml"), "recipe = \"4 b")?;
    assert_eq!(used(&setup).await?, download);

    let appliance = setup.start().await?;
    let log = appliance.log()?;
    assert!(log.contains("the prepared model is not used"), "{log}");
    let doctor = appliance.run(&["doctor", "--json"]).await?;
    let doctor: Value = serde_json::from_slice(&doctor.stdout)?;
    let checks = doctor["checks"].as_array().cloned().unwrap_or_default();
    let weights = checks.iter().find(|check| check["name"] == "weights");
    assert_eq!(
        weights.map(|check| &check["finding"]),
        Some(&Value::from("warn")),
        "{doctor}"
    );
    Ok(())
}
