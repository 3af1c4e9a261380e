//! What is found that no pattern can find, by the real binary with the real model.

use std::process::{Output, Stdio};

use anyhow::Result;
use serde_json::{Value, json};
use shoal_tests::{
    appliance::Setup,
    place::{binary, model},
};
use tokio::process::Command;

/// Examples of each form, with nothing sensitive in the last.
const DATA: &str = r#"{"id":"spans","text":"My name is Martha Okafor and I live in Lisbon.","spans":[{"start":11,"end":24,"type":"PERSON"},{"start":39,"end":45,"type":"LOCATION"}]}
{"id":"units","text":"Dear Mr. Jensen, thank you for your letter. Yours, Ingrid Sundberg","units":["Jensen","ingrid sundberg"]}
{"id":"none","text":"How do I compute the derivative of a polynomial?"}
"#;

async fn shoal(setup: &Setup, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(binary()?)
        .args(arguments)
        .env("SHOAL_DATA", setup.data())
        .stdin(Stdio::null())
        .output()
        .await?;
    Ok(output)
}

#[tokio::test]
async fn the_evaluation_has_the_agreed_keys_and_the_shipped_head_finds_plain_names() -> Result<()> {
    let setup = Setup::new()?.head(true);
    setup.write()?;
    let data = setup.data().join("examples.jsonl");
    std::fs::write(&data, DATA)?;
    let data = data.display().to_string();
    let output = shoal(&setup, &["eval", "privacy", "--data", &data, "--json"]).await?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {errors}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["rows"], 3);
    for share in [
        "leak_rate",
        "visible",
        "masked_other",
        "precision",
        "recall",
        "span_f2",
        "kept_rate",
    ] {
        let value = report[share].as_f64();
        let value = value.filter(|value| (0.0..=1.0).contains(value));
        assert!(value.is_some(), "{share}: {report}");
    }
    assert_eq!(report["leak_rate"], 0.0, "{report}");
    let in_full = json!({"person": 1.0, "location": 1.0});
    assert_eq!(report["masked_in_full"], in_full, "{report}");
    Ok(())
}

#[tokio::test]
async fn a_head_of_another_model_stops_the_start_and_says_what_to_do() -> Result<()> {
    let setup = Setup::new()?.head(true);
    let other = setup.data().join("other.gguf");
    let mut bytes = std::fs::read(model()?)?;
    // The last weight: the same model to all appearances.
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    std::fs::write(&other, bytes)?;
    let setup = setup.model(&other);
    setup.write()?;
    let output = shoal(&setup, &["policy", "explain", "hello"]).await?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{errors}");
    assert!(
        errors.contains("shoal learn") && errors.contains("head = false"),
        "{errors}"
    );
    let setup = setup.head(false);
    setup.write()?;
    let output = shoal(&setup, &["policy", "explain", "hello"]).await?;
    assert!(output.status.success());
    Ok(())
}
