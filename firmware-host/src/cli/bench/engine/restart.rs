//! The first token after a restart, in processes of their own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use shoal_models::engine::Engine;

use super::{
    ask::{ask, fixed},
    outcome::{Outcome, Side, by_time},
    setting::Bench,
    speed::done,
    words,
};
use crate::exit::Fault;

/// The system prompt that is the same after the restart.
#[derive(Debug)]
pub struct Frame {
    file: Option<PathBuf>,
    text: String,
}

impl Frame {
    /// What is in `file`, or a text of about 1,000 tokens.
    pub fn try_new(file: Option<PathBuf>) -> Result<Self, Fault> {
        let text = match &file {
            None => words::report(1, 36),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                Fault::usage(format!("cannot read {}: {error}", path.display()))
            })?,
        };
        Ok(Self { file, text })
    }
}

/// The first request of a process: the time until its first token.
pub async fn first(engine: &Engine, frame: &Frame) -> Result<Outcome, Fault> {
    let timed = ask(engine, fixed(&frame.text, words::TASKS[0], 8)).await?;
    let input = timed.usage.input.0;
    let side = Side::new("the first token", input, timed.first, input);
    Ok(Outcome::of("first", side))
}

/// Restarts with what an earlier process left on disk, against starts with nothing there.
pub async fn measure(bench: &Bench, frame: &Frame) -> Result<Outcome, Fault> {
    let mut rounds = Vec::new();
    for _ in bench.rounds() {
        // A folder of its own for each round, so that each begins with nothing.
        let folder = Folder::try_new()?;
        let cold = start(
            bench,
            frame,
            &folder.0,
            "the first token, with nothing kept",
        )
        .await?;
        let warm = start(bench, frame, &folder.0, "the first token after a restart").await?;
        rounds.push((warm, cold));
    }
    done("restart", Outcome::compared("restart", rounds, by_time))
}

async fn start(bench: &Bench, frame: &Frame, keep: &Path, what: &str) -> Result<Side, Fault> {
    let program = std::env::current_exe().map_err(Fault::internal)?;
    let mut command = Command::new(program);
    command
        .args(["bench", "engine", "--case", "first", "--json", "--model"])
        .arg(&bench.model().path)
        .args(["--threads", &bench.threads().to_string(), "--keep"])
        .arg(keep)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if let Some(file) = &frame.file {
        command.arg("--system").arg(file);
    }
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .map_err(Fault::internal)?
        .map_err(|error| Fault::failed(format!("cannot start a process to restart: {error}")))?;
    if !output.status.success() {
        return Err(Fault::failed(format!(
            "the process to restart ended with {}",
            output.status
        )));
    }
    let Printed { results } = serde_json::from_slice(&output.stdout).map_err(Fault::internal)?;
    let first = results.into_iter().next();
    let first = first.ok_or_else(|| Fault::internal("the restarted process measured nothing"))?;
    Ok(Side {
        what: what.to_owned(),
        tokens: first.tokens,
        seconds: first.seconds,
        rate: first.rate,
        input: first.input,
    })
}

/// What the restarted process prints, as far as it matters.
#[derive(Deserialize)]
struct Printed {
    results: Vec<Outcome>,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn try_new() -> Result<Self, Fault> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(Fault::internal)?;
        let path = std::env::temp_dir().join(format!("shoal-bench-{}", hex::encode(name)));
        std::fs::create_dir(&path)
            .map_err(|error| Fault::create(format!("cannot make {}", path.display()), &error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a folder of a benchmark is left");
        }
    }
}
