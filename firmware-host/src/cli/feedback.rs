//! `shoal feedback`.

use std::io::Write;

use clap::Args;
use shoal_conductor::{id::TaskId, task::State};

use super::{by, store};
use crate::{
    config::Places,
    exit::{Exit, Fault},
};

/// What is said of which answer.
#[derive(Debug, Args)]
pub struct Options {
    /// The task
    id: String,
    /// good, bad, or a number from 0 to 1
    #[arg(value_parser = score)]
    score: f64,
}

fn score(word: &str) -> Result<f64, String> {
    let score = match word {
        "good" => Some(1.0),
        "bad" => Some(0.0),
        number => number.parse().ok(),
    };
    score
        .filter(|score| (0.0..=1.0).contains(score))
        .ok_or_else(|| format!("\"{word}\" is not good, bad or a number from 0 to 1"))
}

/// Writes it into the trace, whether a server runs or not.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let Options { id, score } = options;
    let store = store(places).await?;
    let unknown = || {
        Fault::failed(format!(
            "there is no task \"{id}\"; `shoal trace` lists the last ones"
        ))
    };
    let task = TaskId::try_new(id.as_str()).map_err(|_| unknown())?;
    if store.standing(&task).await?.is_none() {
        return Err(unknown());
    }
    match store.rate(&task, &by(), score).await? {
        State::Done => {
            writeln!(out, "the answer of {task} is {score} of 1")?;
            Ok(Exit::Done)
        }
        state => Err(Fault::failed(format!(
            "task {task} has no answer to say this of: it is {state}"
        ))),
    }
}
