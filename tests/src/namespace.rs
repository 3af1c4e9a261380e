//! Programs in a namespace of their own.

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// The beginning of a command that runs in a namespace of this kind, `--net` or `--mount`: root may make one at once,
/// others as root of a user namespace.
pub async fn own(kind: &str) -> Result<Vec<String>> {
    for more in [&[][..], &["--map-root-user"]] {
        let words = [&["unshare", kind], more, &["--"]].concat();
        let tried = Command::new(words[0])
            .args(&words[1..])
            .arg("true")
            .output();
        if tried.await.context("unshare is missing")?.status.success() {
            return Ok(words.into_iter().map(str::to_owned).collect());
        }
    }
    bail!("neither root nor a user namespace is to be had, so there is no namespace ({kind})")
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
    let words = own("--net").await?;
    let output = Command::new("env")
        .args(words)
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
