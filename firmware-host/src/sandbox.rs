//! Python that a model wrote, run where it can do no harm: in bubblewrap, with no network, no files but Python's own, and
//! little time and memory.

use std::{path::PathBuf, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt as _, process::Command};

/// How long a program may take by the clock.
const TIME: Duration = Duration::from_secs(10);
/// Runs first in each program: it cannot take back what it gives up here.
const LIMITS: &str = "import resource as r\n\
                      r.setrlimit(r.RLIMIT_CPU, (5, 5))\n\
                      r.setrlimit(r.RLIMIT_AS, (1 << 29, 1 << 29))\n\
                      r.setrlimit(r.RLIMIT_FSIZE, (0, 0))\n\
                      r.setrlimit(r.RLIMIT_NPROC, (0, 0))\n\
                      del r\n";
/// What is seen of this machine.
const LINKS: [(&str, &str); 4] = [
    ("usr/bin", "/bin"),
    ("usr/lib", "/lib"),
    ("usr/lib64", "/lib64"),
    ("usr/sbin", "/sbin"),
];

/// Runs programs.
#[derive(Clone, Debug)]
pub struct Sandbox {
    bwrap: PathBuf,
}

/// Programs cannot be run here.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Something is missing.
    #[error("{0} is missing; install the packages bubblewrap and python3")]
    Missing(&'static str),
    /// The sandbox does not work, as where a kernel allows no namespaces.
    #[error("the sandbox does not work here: {0}")]
    Broken(String),
}

impl Sandbox {
    /// The sandbox, once it was seen to work.
    pub async fn find() -> Result<Self, SandboxError> {
        let bwrap = PathBuf::from("/usr/bin/bwrap");
        if !bwrap.exists() {
            return Err(SandboxError::Missing("bwrap"));
        }
        if !PathBuf::from("/usr/bin/python3").exists() {
            return Err(SandboxError::Missing("python3"));
        }
        let sandbox = Self { bwrap };
        match sandbox.run("assert 1 + 1 == 2\n").await {
            Ok(true) => Ok(sandbox),
            Ok(false) => Err(SandboxError::Broken("python3 ended with an error".into())),
            Err(error) => Err(SandboxError::Broken(error.to_string())),
        }
    }

    /// Whether a program comes to its end without an error, in time.
    pub async fn run(&self, program: &str) -> std::io::Result<bool> {
        // A program that leaves before its end has not come to it.
        let end = format!("{:032x}", fastrand::u128(..));
        let program = format!("{LIMITS}{program}\nprint(\"{end}\")\n");
        let mut command = Command::new(&self.bwrap);
        command
            .args(["--unshare-all", "--die-with-parent", "--new-session"])
            .args(["--cap-drop", "ALL", "--clearenv"])
            .args([
                "--ro-bind",
                "/usr",
                "/usr",
                "--dev",
                "/dev",
                "--proc",
                "/proc",
            ]);
        for (to, link) in LINKS {
            command.args(["--symlink", to, link]);
        }
        command
            .args(["--chdir", "/", "/usr/bin/python3", "-I", "-S", "-B", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended already needs no more of it.
            let _ = stdin.write_all(program.as_bytes()).await;
        }
        match tokio::time::timeout(TIME, child.wait_with_output()).await {
            Ok(output) => {
                let output = output?;
                let said = String::from_utf8_lossy(&output.stdout);
                Ok(output.status.success() && said.trim_end().ends_with(&end))
            }
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_right_passes_and_what_would_do_harm_does_not() {
        let sandbox = Sandbox::find().await.unwrap();
        let secret = tempfile::NamedTempFile::new().unwrap();
        let path = secret.path().display();
        for (program, passes) in [
            ("def f(x):\n    return x + 1\n\nassert f(1) == 2", true),
            ("assert False", false),
            ("this is not Python", false),
            ("import sys\nsys.exit(0)", false),
            ("import os\nos._exit(0)", false),
            ("while True:\n    pass", false),
            ("x = 'a' * (1 << 30)", false),
            ("open('/tmp/x', 'w')", false),
            ("open('/etc/passwd')", false),
            (&format!("open('{path}')"), false),
            (
                "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)",
                false,
            ),
            ("import os\nassert not os.environ.get('HOME')", true),
        ] {
            assert_eq!(sandbox.run(program).await.unwrap(), passes, "{program}");
        }
    }
}
