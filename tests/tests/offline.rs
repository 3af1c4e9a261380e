//! `shoal plan` with the network cut.

use std::process::Stdio;

use anyhow::Result;
use serde_json::Value;
use shoal_tests::{
    appliance::Setup,
    namespace::cut,
    place::{binary, free_port},
    shift::{LOG, POLICY},
};
use tokio::process::Command;

#[tokio::test]
async fn a_plan_needs_no_network_and_shows_each_verdict() -> Result<()> {
    let nobody = ([127, 0, 0, 1], free_port()?).into();
    let setup = Setup::new()?
        .policy(POLICY)
        .remote("cloud", nobody, "m", "k")?
        .any_backbone_plans();
    setup.write()?;
    for model in ["shoal-mini", "shoal-ultra"] {
        let output = Command::new("unshare")
            .args(cut().await?)
            .arg(binary()?)
            .args(["plan", LOG, "--model", model, "--json"])
            .env("SHOAL_DATA", setup.data())
            .stdin(Stdio::null())
            .output()
            .await?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {errors}", output.status);
        let plan: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(plan["label"], "confidential", "{plan}");
        let steps = plan["steps"].as_array().unwrap();
        assert!((1..=5).contains(&steps.len()), "{plan}");
        let (worker, ruling) = (&steps[0]["rulings"][0][0], &steps[0]["rulings"][0][1]);
        assert!(worker.is_string() && ruling["rule"].is_string(), "{plan}");
    }
    Ok(())
}
