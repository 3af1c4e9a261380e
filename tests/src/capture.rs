//! Every packet of this network, recorded.

use std::{collections::BTreeMap, process::Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::place::{python, workspace};

/// A recording under way. Needs the right to read raw packets, as root has in a network namespace of its own.
#[derive(Debug)]
pub struct Capture {
    process: Child,
    output: BufReader<ChildStdout>,
}

/// What was recorded.
#[derive(Debug, Deserialize)]
pub struct Recorded {
    /// Packets that the kernel lost.
    pub dropped: u64,
    /// Address, port and protocol of everything that anybody began to talk to.
    pub contacted: Vec<(String, u16, String)>,
    /// All that clients sent, by the server's TCP port.
    pub sent: BTreeMap<u16, String>,
}

impl Capture {
    /// Starts to record.
    pub async fn start() -> Result<Self> {
        let mut process = Command::new(python()?)
            .arg(workspace().join("tests/python/capture.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line).await?;
        ensure!(line == "ready\n", "packets cannot be recorded: {line}");
        Ok(Self { process, output })
    }

    /// Stops and gives what was recorded.
    pub async fn stop(mut self) -> Result<Recorded> {
        drop(self.process.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text).await?;
        serde_json::from_str(&text).context("the report")
    }
}
