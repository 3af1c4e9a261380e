//! The official `openai` Python client.

use anyhow::Result;
use shoal_tests::{
    appliance::Setup,
    place::{python, workspace},
};
use tokio::process::Command;

#[tokio::test]
async fn the_openai_client_lists_chats_streams_and_gets_typed_errors() -> Result<()> {
    let appliance = Setup::new()?.https()?.start().await?;
    let key = appliance.key("office", &[]).await?;
    let output = Command::new(python()?)
        .arg(workspace().join("tests/python/openai_client.py"))
        .env("SHOAL_URL", format!("http://{}/v1", appliance.address()))
        .env(
            "SHOAL_HTTPS",
            format!("https://localhost:{}/v1", appliance.https().unwrap()),
        )
        .env("SHOAL_CA", appliance.data().join("tls/cert.pem"))
        .env("SHOAL_KEY", key)
        .output()
        .await?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(
        out.trim().lines().last(),
        Some("all as expected"),
        "{out}{err}"
    );
    Ok(())
}
