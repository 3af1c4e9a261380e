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
