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
    again(
        test,
        "--net",
        "ip link set lo up && ip route add default dev lo && ",
    )
    .await
}

/// The same, among mounts of its own.
pub async fn enter_mounts(test: &str) -> Result<bool> {
    again(test, "--mount", "").await
}

async fn again(test: &str, kind: &str, first: &str) -> Result<bool> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(false);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let script = format!("{first}exec \"$0\" --exact \"$1\" --nocapture");
    let words = own(kind).await?;
    let output = Command::new("env")
        .args(words)
        .args(["sh", "-c", &script])
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

/// A program of the system, with what it needs root for; what it said where it failed.
pub async fn system(program: &str, arguments: &[&str]) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .output()
        .await
        .with_context(|| format!("{program} is missing"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{program} {arguments:?}: {errors}");
    }
    Ok(())
}
