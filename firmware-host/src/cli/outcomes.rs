//! Tables of outcomes, read with the model.

use std::path::PathBuf;

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use shoal_conductor::head::{
    routing::{
        look::{Look, bounded, pooled},
        outcome::Table,
        reading,
        teach::Plan,
    },
    states::States,
};

use super::{
    progress::Progress,
    study::{AT_ONCE, Reader},
};
use crate::{config::Config, exit::Fault};

/// How routing heads are taught.
#[derive(Clone, Debug, Args)]
pub struct Lesson {
    /// Where the states that were read are kept, so that the same prompts need not be read again [default: states in the
    /// data folder]
    #[arg(long, value_name = "DIR")]
    states: Option<PathBuf>,
    /// The share of scores that is left out by chance while learning, to see what gaps cost
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    absent: f32,
    /// Where chance begins
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Lesson {
    /// How it is to be done.
    pub fn plan(&self) -> Plan {
        Plan {
            absent: self.absent.clamp(0.0, 0.9),
            seed: self.seed,
            threads: threads(),
            ..Plan::default()
        }
    }

    /// The model, ready to read prompts for a routing head.
    pub async fn reader(&self, config: Config) -> Result<Reader, Fault> {
        let kept = self
            .states
            .clone()
            .unwrap_or_else(|| config.data.join("states"));
        Reader::open(config, reading(), Some(kept)).await
    }
}

/// How many threads learning may take.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The rows of some files, added to a table.
pub fn read(table: &mut Table, files: &[PathBuf]) -> Result<std::ops::Range<usize>, Fault> {
    let first = table.rows.len();
    for file in files {
        let named =
            |error: &dyn std::fmt::Display| Fault::usage(format!("{}: {error}", file.display()));
        let lines = std::fs::read_to_string(file).map_err(|error| named(&error))?;
        table.add(&lines).map_err(|error| named(&error))?;
    }
    Ok(first..table.rows.len())
}

/// What is seen of each prompt of a table. What was read once is kept, and is not read again.
pub async fn looks(reader: &mut Reader, table: &Table) -> Result<Vec<Look>, Fault> {
    // Each is a part of a prompt, or the prompt.
    let texts: Vec<_> = table.rows.iter().map(|row| bounded(&row.prompt)).collect();
    reader.ready(texts.iter().map(AsRef::as_ref)).await?;
    let reader = &*reader;
    let read = |(row, text): (usize, String)| async move {
        let states = reader.states_as(&text, whole).await?;
        Ok::<_, Fault>(Look::new(&table.rows[row].prompt, &states.values))
    };
    let texts: Vec<String> = texts
        .into_iter()
        .map(std::borrow::Cow::into_owned)
        .collect();
    let mut each = stream::iter(texts.into_iter().enumerate().map(read)).buffered(AT_ONCE);
    let mut looks = Vec::with_capacity(table.rows.len());
    let mut progress = Progress::new("prompts", table.rows.len());
    while let Some(look) = each.try_next().await? {
        looks.push(look);
        progress.set(looks.len());
    }
    Ok(looks)
}

/// The whole text as one: a place for all of its tokens.
fn whole(states: States) -> States {
    let values = pooled(&states);
    States {
        ends: vec![states.ends.last().copied().unwrap_or(0)],
        width: values.len(),
        values,
    }
}
