//! What is missing or wrong: a clear message, the right exit code, and what can still work works.

use std::process::Output;

use anyhow::Result;
use serde_json::json;
use shoal_tests::{
    appliance::Setup,
    place::{free_port, model},
    wait::until,
};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn without_a_broker_tasks_run_and_doctor_says_what_is_missing() -> Result<()> {
    let appliance = Setup::new()?.broker(free_port()?).start().await?;
    let body = json!({"model": "local", "prompt": "Say hello.", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    let printed = until("the start is printed", async || {
        let printed = appliance.printed().ok()?;
        printed.contains("MQTT").then_some(printed)
    })
    .await?;
    assert!(printed.contains("not connected"), "{printed}");
    let doctor = appliance.run(&["doctor"]).await?;
    let shown = String::from_utf8(doctor.stdout)?;
    assert!(shown.contains("broker"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn without_its_provider_a_step_is_done_on_the_board() -> Result<()> {
    let policy = "[workers.cloud]\nclearance = \"internal\"\nstrength = 80\n";
    let nobody = ([127, 0, 0, 1], free_port()?).into();
    let setup = Setup::new()?
        .policy(policy)
        .remote("cloud", nobody, "m", "k-secret-1")?;
    let appliance = setup.start().await?;
    let body = json!({"id": "alone-1", "prompt": "Explain why pumps fail.", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    let events = appliance.events("alone-1").await?;
    let failed = events
        .iter()
        .find(|event| event["event"] == "failed")
        .unwrap();
    assert_eq!(
        (&failed["worker"], &failed["may_have_run"]),
        (&json!("cloud"), &json!(false))
    );
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("cannot be reached"),
        "{failed}"
    );
    let named = json!({"id": "alone-2", "model": "cloud", "prompt": "hi", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", named).await?;
    assert_eq!(record["state"], "failed", "{record}");
    assert!(!appliance.log()?.contains("k-secret-1"));
    assert!(!record.to_string().contains("k-secret-1"));
    Ok(())
}

#[tokio::test]
async fn a_bad_config_is_named_with_line_and_suggestion() -> Result<()> {
    for (config, wanted) in [
        (
            "\n[limits]\nmax_runing = 2\n",
            "did you mean `max_running`?",
        ),
        ("\n[limits\n", "line"),
    ] {
        let setup = Setup::new()?.config(config);
        setup.write()?;
        let output = setup.run(&["serve"]).await?;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        assert!(said(&output).contains(wanted), "{}", said(&output));
        assert!(said(&output).contains("shoal.toml"), "{}", said(&output));
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_policy_is_named_with_line_and_suggestion() -> Result<()> {
    let setup = Setup::new()?.policy("[escalation]\npublic = \"fre\"\n");
    setup.write()?;
    for arguments in [["serve"].as_slice(), &["policy", "check"]] {
        let output = setup.run(arguments).await?;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        let said = said(&output);
        assert!(
            said.contains("policy.toml") && said.contains("line 2"),
            "{said}"
        );
        assert!(said.contains("did you mean `free`?"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn plain_http_on_the_network_is_refused() -> Result<()> {
    let setup = Setup::new()?;
    setup.write()?;
    let path = setup.data().join("shoal.toml");
    let config =
        std::fs::read_to_string(&path)?.replace("listen = \"127.0.0.1", "listen = \"0.0.0.0");
    std::fs::write(&path, config)?;
    let output = setup.run(&["serve"]).await?;
    assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    assert!(said(&output).contains("plain HTTP"), "{}", said(&output));
    Ok(())
}

#[tokio::test]
async fn a_missing_model_is_named() -> Result<()> {
    let setup = Setup::new()?;
    let path = setup.data().join("nothing.gguf");
    let setup = setup.model(&path);
    setup.write()?;
    let output = setup.run(&["serve"]).await?;
    assert_eq!(output.status.code(), Some(66), "{}", said(&output));
    assert!(said(&output).contains("nothing.gguf"), "{}", said(&output));
    Ok(())
}

#[tokio::test]
async fn a_corrupt_model_is_named() -> Result<()> {
    let whole = std::fs::read(model()?)?;
    let garbage = vec![7; 4096];
    for (name, bytes) in [
        ("cut.gguf", &whole[..whole.len() / 2]),
        ("head.gguf", &whole[..1000]),
        ("empty.gguf", &[]),
        ("garbage.gguf", garbage.as_slice()),
    ] {
        let setup = Setup::new()?;
        let path = setup.data().join(name);
        std::fs::write(&path, bytes)?;
        let setup = setup.model(&path);
        setup.write()?;
        let output = setup.run(&["serve"]).await?;
        assert_eq!(output.status.code(), Some(65), "{name}: {}", said(&output));
        assert!(said(&output).contains(name), "{}", said(&output));
    }
    Ok(())
}

#[tokio::test]
async fn without_a_model_what_may_leave_is_done_and_what_may_not_fails_with_the_reason()
-> Result<()> {
    let provider = shoal_tests::provider::Provider::start().await?;
    let policy = "[workers.cloud]\nclearance = \"internal\"\nstrength = 80\n";
    let setup = Setup::new()?.policy(policy);
    let path = setup.data().join("nothing.gguf");
    let appliance = provider.serves(setup.model(&path))?.start().await?;
    let body = json!({"prompt": "Say hello.", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "done", "{record}");
    let body = json!({"prompt": "Say hello.", "label": "restricted", "max_tokens": 8});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    assert_eq!(record["state"], "failed", "{record}");
    let message = record["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("escalation.restricted = \"never\""),
        "{message}"
    );
    let ready = appliance.get("/readyz").await?;
    assert!(ready.to_string().contains("model"), "{ready}");
    Ok(())
}

#[tokio::test]
async fn a_second_appliance_on_the_same_folder_is_refused() -> Result<()> {
    let appliance = Setup::new()?.start().await?;
    let output = appliance.run(&["serve"]).await?;
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    Ok(())
}
