//! Reading examples with the model: what learning and measuring have in common.

use std::path::{Path, PathBuf};

use clap::Args;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use shoal_boards::{Report, Roots};
use shoal_conductor::{
    head::{
        example::{self, Example},
        states::{Reading, States},
        teach::{Plan, School},
    },
    worker::Backbone as _,
};
use shoal_models::{catalogue::DEFAULT, engine::Engine};

use super::progress::Progress;
use crate::{
    accelerate,
    config::Config,
    exit::{Exit, Fault},
    head::fingerprint,
    pool,
};

/// Texts that are read at once, so that short ones share batches.
pub const AT_ONCE: usize = 8;

/// Networks of a head, each taught without one part of the data.
pub const FOLDS: usize = 5;

/// How networks are taught.
#[derive(Clone, Debug, Args)]
pub struct Teaching {
    /// Where the states that were read are kept, so that the same texts need not be read again
    #[arg(long, value_name = "DIR")]
    states: Option<PathBuf>,
    /// Layers of the model whose states are taken, from 0
    #[arg(long, value_name = "N", value_delimiter = ',')]
    layers: Vec<u16>,
    /// Times that all examples are read
    #[arg(long, value_name = "N", default_value_t = 10)]
    rounds: usize,
    /// Hidden values of a network
    #[arg(long, value_name = "N", default_value_t = 128)]
    hidden: usize,
    /// Words on each side that a window takes in
    #[arg(long, value_name = "N", default_value_t = 2)]
    reach: usize,
    /// How much an example with spans counts beside one with units
    #[arg(long, value_name = "X", default_value_t = 10.0)]
    span_share: f32,
    /// How much a sensitive word counts beside another, in examples with spans
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    span_weight: f32,
    /// The same in examples with units
    #[arg(long, value_name = "X", default_value_t = 40.0)]
    unit_weight: f32,
    /// The share of values that is dropped while learning
    #[arg(long, value_name = "X", default_value_t = 0.4)]
    drop: f32,
    /// Where chance begins
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Deal examples with units to the parts one by one, even where texts are the same
    #[arg(long)]
    by_row: bool,
}

impl Teaching {
    /// Whether states are kept, so that reading takes no time.
    pub fn keeps(&self) -> bool {
        self.states.is_some()
    }

    /// Where states are kept, if they are.
    pub fn kept(&self) -> Option<PathBuf> {
        self.states.clone()
    }

    /// How texts are read.
    pub fn reading(&self) -> Reading {
        let mut reading = Reading::default();
        if !self.layers.is_empty() {
            reading.layers.clone_from(&self.layers);
        }
        reading
    }

    /// How it is to be done on this machine.
    pub fn plan(&self) -> Plan {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut plan = Plan::new(cores);
        plan.course.rounds = self.rounds.max(1);
        plan.course.seed = self.seed;
        plan.course.share = self.span_share;
        plan.course.weights = [self.span_weight, self.unit_weight];
        plan.course.drop = self.drop;
        plan.hidden = self.hidden.max(1);
        plan.reach = self.reach.min(16);
        plan.by_row = self.by_row;
        plan
    }
}

/// Which examples are of which file.
pub type Parts = Vec<(String, std::ops::Range<usize>)>;

/// The examples of some files, and which are whose.
pub fn examples(files: &[PathBuf]) -> Result<(Vec<Example>, Parts), Fault> {
    let (mut all, mut parts) = (Vec::new(), Vec::new());
    for file in files {
        let from = all.len();
        let named =
            |error: &dyn std::fmt::Display| Fault::usage(format!("{}: {error}", file.display()));
        let lines = std::fs::read_to_string(file).map_err(|error| named(&error))?;
        all.extend(example::read(&lines).map_err(|error| named(&error))?);
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        parts.push((name.into_owned(), from..all.len()));
    }
    Ok((all, parts))
}

/// The model, ready to read texts, and what its states are kept by.
pub struct Reader {
    engine: Option<Engine>,
    config: Config,
    reading: Reading,
    /// The SHA-256 of the model's file.
    pub backbone: String,
    kept: Option<PathBuf>,
}

impl Reader {
    /// Loads the model when the first text is read that is not kept.
    pub async fn open(
        config: Config,
        reading: Reading,
        kept: Option<PathBuf>,
    ) -> Result<Self, Fault> {
        let model = config.model.clone();
        let backbone = tokio::task::spawn_blocking(move || fingerprint(&model, DEFAULT.sha256))
            .await
            .map_err(Fault::internal)??;
        Ok(Self {
            engine: None,
            config,
            reading,
            backbone,
            kept,
        })
    }

    /// How texts are read.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Loads the model, unless all of these texts are kept.
    pub async fn ready(&mut self, mut texts: impl Iterator<Item = &str>) -> Result<(), Fault> {
        let is_kept = |text: &str| self.place(text).is_some_and(|place| place.exists());
        if self.engine.is_none() && !texts.all(is_kept) {
            self.engine = Some(self.load().await?);
        }
        Ok(())
    }

    /// Reads examples into a school.
    pub async fn school(&mut self, examples: Vec<Example>) -> Result<School, Fault> {
        let mut school = School::default();
        self.ready(examples.iter().map(|example| example.text.as_str()))
            .await?;
        let all = examples.len();
        let read = |example: Example| async {
            let states = self.states(&example.text).await?;
            Ok::<_, Fault>((example, states))
        };
        let mut each = stream::iter(examples.into_iter().map(read)).buffered(AT_ONCE);
        let mut progress = Progress::new("texts", all);
        while let Some((example, states)) = each.try_next().await? {
            school.add(example, &self.reading, &states);
            progress.set(school.len());
        }
        drop(each);
        Ok(school)
    }

    async fn load(&self) -> Result<Engine, Fault> {
        let config = self.config.clone();
        tokio::task::spawn_blocking(move || {
            let board = Report::of(&Roots::default());
            let options = pool::engine_options(&config.model, &board)?;
            pool::load(&config.model, options, &accelerate::search(&config))
        })
        .await
        .map_err(Fault::internal)?
    }

    /// The states of a text's tokens.
    pub async fn states(&self, text: &str) -> Result<States, Fault> {
        self.states_as(text, |states| states).await
    }

    /// What `part` makes of a text's states. Only that is kept; all who read a text in the same way must want the same.
    pub async fn states_as(
        &self,
        text: &str,
        part: impl FnOnce(States) -> States,
    ) -> Result<States, Fault> {
        let place = self.place(text);
        if let Some(states) = place.as_deref().and_then(kept) {
            return Ok(states);
        }
        let Some(engine) = &self.engine else {
            return Err(Fault::internal("no model was loaded"));
        };
        let states = engine.states(text, &self.reading, None).await;
        let states = part(states.map_err(Fault::failed)?);
        if let Some(place) = place {
            keep(&place, &states).map_err(|error| {
                Fault::new(
                    Exit::CannotCreate,
                    format!("cannot keep states in {}: {error}", place.display()),
                )
            })?;
        }
        Ok(states)
    }

    fn place(&self, text: &str) -> Option<PathBuf> {
        let mut hash = Sha256::new();
        hash.update(self.backbone.as_bytes());
        hash.update(serde_json::to_vec(&self.reading).unwrap_or_default());
        hash.update(text.as_bytes());
        let name = hex::encode(hash.finalize());
        Some(self.kept.as_ref()?.join(name))
    }
}

/// Tokens, width, the tokens' ends as 32-bit numbers, and the values as the upper halves of theirs; little end first.
fn kept(place: &Path) -> Option<States> {
    let bytes = std::fs::read(place).ok()?;
    let mut words = bytes.as_chunks::<4>().0.iter();
    let mut number = || {
        words
            .next()
            .and_then(|word| usize::try_from(u32::from_le_bytes(*word)).ok())
    };
    let (tokens, width) = (number()?, number()?);
    let ends: Vec<usize> = (0..tokens).map_while(|_| number()).collect();
    let values = bytes.get(8 + 4 * tokens..)?.as_chunks::<2>().0;
    let values = values
        .iter()
        .map(|half| f32::from_bits(u32::from(u16::from_le_bytes(*half)) << 16));
    let states = States {
        ends,
        width,
        values: values.collect(),
    };
    let is_whole =
        states.ends.len() == tokens && states.values.len() == tokens.checked_mul(width)?;
    is_whole.then_some(states)
}

fn keep(place: &Path, states: &States) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(8 + 4 * states.ends.len() + 2 * states.values.len());
    let numbers = [states.ends.len(), states.width];
    for number in numbers.iter().chain(&states.ends) {
        let number = u32::try_from(*number).unwrap_or(u32::MAX);
        bytes.extend(number.to_le_bytes());
    }
    for value in &states.values {
        // Rounded, so that many of them have no common error.
        let half = u16::try_from(value.to_bits().saturating_add(0x8000) >> 16).unwrap_or(u16::MAX);
        bytes.extend(half.to_le_bytes());
    }
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let part = place.with_extension("part");
    std::fs::write(&part, bytes)?;
    std::fs::rename(part, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_states_come_back_and_a_cut_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a");
        let states = States {
            ends: vec![2, 5],
            width: 2,
            values: vec![1.0, -0.5, 0.0, 384.0],
        };
        keep(&place, &states).unwrap();
        assert_eq!(kept(&place), Some(states));
        let bytes = std::fs::read(&place).unwrap();
        std::fs::write(&place, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(kept(&place), None);
    }
}
