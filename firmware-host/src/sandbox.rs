//! Python that a model wrote, run where it can do no harm: in bubblewrap, with no network, no files but Python's own, and
//! little time and memory.

use std::{io, path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use async_trait::async_trait;
use shoal_conductor::prover::Prover;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

use crate::{config::Config, exit::Fault};

/// How long a program may take by the clock.
const TIME: Duration = Duration::from_secs(10);
/// The most that is read of what it says, in bytes.
const MOST: u64 = 64 << 10;
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

/// What runs the code in answers, where the config wants that.
pub async fn prover(config: &Config) -> Result<Option<Arc<dyn Prover>>, Fault> {
    if !config.run_code {
        return Ok(None);
    }
    match Sandbox::find().await {
        Ok(sandbox) => Ok(Some(Arc::new(sandbox))),
        Err(error) => Err(Fault::usage(format!(
            "[conductor] run_code: {error}; or remove the key from shoal.toml"
        ))),
    }
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
    pub async fn run(&self, program: &str) -> io::Result<bool> {
        Ok(self.tried(program).await?.is_ok())
    }

    /// The same, with why it did not, in a line.
    async fn tried(&self, program: &str) -> io::Result<Result<(), String>> {
        // A program that leaves before its end has not come to it.
        let end = format!("{:032x}", fastrand::u128(..));
        let whole = format!("{LIMITS}{program}\nprint(\"{end}\")\n");
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
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ended already needs no more of it.
            let _ = stdin.write_all(whole.as_bytes()).await;
        }
        let (said, complained) = (child.stdout.take(), child.stderr.take());
        let all = async { tokio::join!(start(said), start(complained), child.wait()) };
        let Ok((said, complained, status)) = tokio::time::timeout(TIME, all).await else {
            let seconds = TIME.as_secs();
            return Ok(Err(format!("no end within {seconds} seconds")));
        };
        if status?.success() && said.trim_end().ends_with(&end) {
            return Ok(Ok(()));
        }
        Ok(Err(why(program, &complained)))
    }
}

/// The start of what a program says. One that says more finds nobody who listens.
async fn start(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What was read until then is what it said.
        let _ = pipe.take(MOST).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last line of Python's complaint, with the line of the program that it is about.
fn why(program: &str, complaint: &str) -> String {
    let last = complaint.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.unwrap_or("no error, but before its end").trim();
    let own = LIMITS.lines().count();
    let about = complaint.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("File \"<stdin>\", line ")?;
        let number: usize = rest
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()?;
        program.lines().nth(number.checked_sub(own + 1)?)
    });
    let short = |text: &str| text.trim().chars().take(200).collect::<String>();
    match about {
        Some(line) => format!("{} at: {}", short(last), short(line)),
        None => short(last),
    }
}

#[async_trait]
impl Prover for Sandbox {
    async fn prove(&self, program: &str) -> Result<(), String> {
        self.tried(program).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the sandbox could not be started");
            Ok(())
        })
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

    #[tokio::test]
    async fn why_a_program_failed_is_told_in_a_line() {
        let sandbox = Sandbox::find().await.unwrap();
        for (program, why) in [
            (
                "def f(x):\n    return x\n\nassert f(1) == 2",
                "AssertionError at: assert f(1) == 2",
            ),
            (
                "x = 1\ny = x / 0",
                "ZeroDivisionError: division by zero at: y = x / 0",
            ),
            ("import sys\nsys.exit(0)", "no error, but before its end"),
        ] {
            assert_eq!(sandbox.prove(program).await, Err(why.to_owned()));
        }
        let broken = sandbox
            .prove("compile(\"def f(\", \"answer\", \"exec\")")
            .await;
        assert!(broken.unwrap_err().starts_with("SyntaxError"));
        assert_eq!(sandbox.prove("print(1)").await, Ok(()));
        // What it says is not kept without end.
        let loud = sandbox.prove("while True:\n    print('x' * 1000000)").await;
        assert!(loud.is_err());
    }
}
