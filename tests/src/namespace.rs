//! A network that ends at this machine's loopback.

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// How this user cuts a command's network: root may do so at once, others as root of a user namespace.
pub async fn cut() -> Result<&'static [&'static str]> {
    for arguments in [
        ["--net", "--"].as_slice(),
        &["--map-root-user", "--net", "--"],
    ] {
        let mut unshare = Command::new("unshare");
        let tried = unshare.args(arguments).arg("true").output();
        if tried.await.context("unshare is missing")?.status.success() {
            return Ok(arguments);
        }
    }
    bail!("neither root nor a user namespace is to be had, so the network cannot be cut")
}

/// Says to a process that it is inside.
const INSIDE: &str = "SHOAL_TESTS_INSIDE";

/// Runs one test of this program again, by itself, in a network of its own whose loopback takes packets for everybody, so
/// that none gets lost unseen. Gives false inside, where the test is to be done.
pub async fn enter(test: &str) -> Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(false);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let script = "ip link set lo up && ip route add default dev lo && exec \"$0\" --exact \"$1\" --nocapture";
    let output = Command::new("unshare")
        .args(cut().await?)
        .args(["sh", "-c", script])
        .arg(std::env::current_exe()?)
        .arg(test)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env(INSIDE, "1")
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() || !said.contains("1 passed") {
        bail!("inside: {}\n{said}\n{errors}", output.status);
    }
    Ok(true)
}
