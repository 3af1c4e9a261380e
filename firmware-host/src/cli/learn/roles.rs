//! `shoal learn roles`.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shoal_conductor::{
    exercise::{
        Exercise,
        generate::{self, Kind},
        interval::Interval,
    },
    head::{
        evolve::{Evolution, Search},
        routing::roles::Roles,
    },
    policy::Choice,
    route::learned::Learned,
    task::Target,
};

use super::place::Place;
use crate::{
    cli::{config, exercises as exercises_of, progress::Progress},
    config::Places,
    exit::{Exit, Fault},
    proving::{Ask, Attempt, Ground, Memory},
};

/// Where the search is kept, in the data folder, while it is not done.
const FILE: &str = "roles.json";

/// How it is learnt.
#[derive(Debug, Args)]
pub struct Options {
    /// Files of tasks, one JSON object a line with id, prompt and check, of which half is held out [default: tasks made for
    /// this]
    #[arg(long, value_name = "F", num_args = 1..)]
    data: Vec<PathBuf>,
    /// How many tasks to make to learn from
    #[arg(long, value_name = "N", default_value_t = 60, conflicts_with = "data")]
    tasks: usize,
    /// How many others to make, on which what was learnt must be better
    #[arg(long, value_name = "N", default_value_t = 60, conflicts_with = "data")]
    held_out: usize,
    /// Generations
    #[arg(long, value_name = "N", default_value_t = 30)]
    generations: u64,
    /// Candidates of a generation
    #[arg(long, value_name = "N", default_value_t = 16)]
    population: usize,
    /// Times that each is tried, on 16 tasks each time
    #[arg(long, value_name = "N", default_value_t = 2)]
    replications: usize,
    /// How far the first candidates are from where the search begins
    #[arg(long, value_name = "X", default_value_t = 0.5)]
    sigma: f64,
    /// Where chance begins
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where the search is kept while it is not done, to go on from there [default: roles.json in the data folder]
    #[arg(long, value_name = "F")]
    state: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Tasks of one try.
const BATCH: usize = 16;

/// A search that can go on.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The hash of all that it depends on.
    of: String,
    evolution: Evolution,
    /// The mean reward of each generation.
    rewards: Vec<f64>,
}

/// Learns roles for the head in use, by whole tasks.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(places)?;
    let place = Place::of(&config)?;
    if !(options.sigma.is_finite() && options.sigma > 0.0) {
        return Err(Fault::usage("--sigma must be more than 0"));
    }
    let (ground, learned, memory) = Ground::rehearsing(&config).await?;
    let stage = Stage {
        choice: config.load_policy()?.choice,
        ground,
        learned,
        memory,
    };
    let file = options
        .state
        .clone()
        .unwrap_or_else(|| config.data.join(FILE));
    let (train, test) = exercises(&stage.ground, &options)?;
    let mut kept = begun(&file, &stage, &train, &options)?;
    let population = options.population;
    let tried = |generation: u64| {
        let generation = usize::try_from(generation).unwrap_or(usize::MAX);
        generation.saturating_mul(population)
    };
    let (done, whole) = (tried(kept.evolution.generation), tried(options.generations));
    let mut progress = Progress::from("candidates", done, whole);
    while kept.evolution.generation < options.generations {
        let batches = batches(&train, &options, kept.evolution.generation);
        let mut rewards = Vec::new();
        for weights in kept.evolution.candidates() {
            rewards.push(stage.reward(Roles::try_new(weights), &batches).await);
            progress.set(tried(kept.evolution.generation) + rewards.len());
        }
        kept.evolution.reward(&rewards);
        let mean = Interval::of(&rewards).mean;
        kept.rewards.push(mean);
        keep(&file, &kept)?;
        progress.note(&format!(
            "generation {}: {:.1} points, the best {:.1}; sigma {:.3}, {} calls",
            kept.evolution.generation,
            100.0 * mean,
            100.0 * rewards.iter().copied().fold(f64::MIN, f64::max),
            kept.evolution.sigma(),
            stage.memory.calls()
        ));
    }
    drop(progress);
    let report = stage.verdict(&kept, &test).await;
    if report.is_better()
        && let Some(roles) = Roles::try_new(kept.evolution.weights())
    {
        let mut head = stage.learned.head().clone();
        head.roles = Some(roles);
        place.put(&head.to_bytes())?;
    }
    // What is done need not go on.
    std::fs::remove_file(&file).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    if options.json {
        crate::cli::json(
            out,
            &json!({"file": place.file, "written": report.is_better(), "trial": report}),
        )?;
        return Ok(Exit::Done);
    }
    write!(out, "{report}")?;
    let name = place.file.display();
    if report.is_better() {
        writeln!(
            out,
            "{name} has these roles now, from the next start of `shoal serve`; `shoal learn route --rollback` puts the former head back"
        )?;
    } else {
        writeln!(out, "not sure enough: {name} stays as it is")?;
    }
    Ok(Exit::Done)
}

/// Tasks to learn from, and others.
fn exercises(ground: &Ground, options: &Options) -> Result<(Vec<Exercise>, Vec<Exercise>), Fault> {
    if options.data.is_empty() {
        let kinds: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| *kind != Kind::Code || ground.lacks().is_none())
            .collect();
        let make =
            |count: usize, seed: u64| generate::exercises(count.clamp(1, 10_000), &kinds, seed);
        let test = make(options.held_out, options.seed ^ 0x5eed_0000);
        return Ok((make(options.tasks, options.seed), test));
    }
    let mut all = exercises_of(&options.data)?;
    all.retain(|exercise| ground.can_check(exercise));
    if all.len() < 2 {
        let why = ground.lacks().map(|lacks| format!(": {lacks}"));
        return Err(Fault::usage(format!(
            "there must be two tasks at least that can be checked here{}",
            why.unwrap_or_default()
        )));
    }
    fastrand::Rng::with_seed(options.seed).shuffle(&mut all);
    let test = all.split_off(all.len() / 2);
    Ok((all, test))
}

/// The tasks of a generation, the same for all of its candidates.
fn batches<'e>(all: &'e [Exercise], options: &Options, generation: u64) -> Vec<&'e Exercise> {
    let mut rng = fastrand::Rng::with_seed(options.seed.wrapping_mul(31).wrapping_add(generation));
    (0..options.replications.max(1))
        .flat_map(|_| rng.choose_multiple(all, BATCH))
        .collect()
}

/// The search where it was left, or a new one.
fn begun(file: &Path, stage: &Stage, train: &[Exercise], options: &Options) -> Result<Kept, Fault> {
    let head = stage.learned.head();
    let mut hash = Sha256::new();
    hash.update(head.to_bytes());
    for exercise in train {
        hash.update(&exercise.prompt);
    }
    let Options {
        population,
        replications,
        sigma,
        seed,
        ..
    } = options;
    hash.update(format!("{population} {replications} {sigma} {seed}"));
    let of = hex::encode(hash.finalize());
    let from = head.roles.clone().unwrap_or_default();
    match std::fs::read(file) {
        Ok(bytes) => {
            let kept: Option<Kept> = serde_json::from_slice(&bytes).ok();
            let sound =
                kept.filter(|kept| kept.of == of && kept.evolution.is_sound(from.weights().len()));
            let kept = sound.ok_or_else(|| {
                let file = file.display();
                Fault::usage(format!(
                    "{file} is of a search with another head or other options: go on with those, or remove it to begin anew"
                ))
            })?;
            tracing::info!(generation = kept.evolution.generation, "the search goes on");
            Ok(kept)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let search = Search {
                population: (*population).clamp(4, 1_000),
                sigma: *sigma,
                seed: *seed,
            };
            Ok(Kept {
                of,
                evolution: Evolution::new(from.weights(), search),
                rewards: Vec::new(),
            })
        }
        Err(error) => Err(Fault::usage(format!("{}: {error}", file.display()))),
    }
}

fn keep(file: &Path, kept: &Kept) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(kept).map_err(Fault::internal)?;
    let part = file.with_extension("part");
    crate::cli::write_file(&part, &bytes)?;
    std::fs::rename(&part, file)?;
    Ok(())
}

/// Where candidates show what they are worth.
struct Stage {
    ground: Ground,
    learned: Arc<Learned>,
    memory: Arc<Memory>,
    choice: Choice,
}

impl Stage {
    /// The mean reward of some roles; by the rule without.
    async fn reward(&self, roles: Option<Roles>, exercises: &[&Exercise]) -> f64 {
        let tried = self.tried(roles, exercises).await;
        let rewards: Vec<f64> = tried.iter().map(|tried| tried.reward).collect();
        Interval::of(&rewards).mean
    }

    async fn tried(&self, roles: Option<Roles>, exercises: &[&Exercise]) -> Vec<Tried> {
        self.learned.try_roles(roles);
        let mut all = Vec::with_capacity(exercises.len());
        for exercise in exercises {
            let before = self.memory.spent();
            let attempt = self
                .ground
                .attempt(Ask {
                    exercise,
                    target: Target::Mini,
                    history: Vec::new(),
                    seed: None,
                })
                .await;
            let seconds = (self.memory.spent() - before).as_secs_f64();
            all.push(Tried::new(&attempt, seconds, self.choice));
        }
        all
    }

    /// What was learnt beside what is in use, on tasks that nothing was learnt from.
    async fn verdict(&self, kept: &Kept, test: &[Exercise]) -> Report {
        let test: Vec<&Exercise> = test.iter().collect();
        let learnt = self
            .tried(Roles::try_new(kept.evolution.weights()), &test)
            .await;
        let in_use = self.tried(self.learned.head().roles.clone(), &test).await;
        let better: Vec<f64> = learnt
            .iter()
            .zip(&in_use)
            .map(|(a, b)| a.reward - b.reward)
            .collect();
        Report {
            tasks: test.len(),
            generations: kept.evolution.generation,
            first: kept.rewards.first().copied().unwrap_or(0.0),
            last: kept.rewards.last().copied().unwrap_or(0.0),
            learnt: Means::of(&learnt),
            in_use: Means::of(&in_use),
            better: Interval::of(&better),
        }
    }
}

/// What came of one task.
struct Tried {
    right: bool,
    seconds: f64,
    cents: f64,
    reward: f64,
}

impl Tried {
    /// A right answer is worth one; points for time and money are hundredths, as in the choice of a worker.
    fn new(attempt: &Attempt, seconds: f64, choice: Choice) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "the price of a task")]
        let cents = attempt.cost.0 as f64 / 10_000.0;
        let points = choice.second * seconds + choice.cent * cents;
        Self {
            right: attempt.right,
            seconds,
            cents,
            reward: f64::from(u8::from(attempt.right)) - points / 100.0,
        }
    }
}

#[derive(Debug, Serialize)]
struct Means {
    right: f64,
    seconds: f64,
    cents: f64,
    reward: f64,
}

impl Means {
    fn of(all: &[Tried]) -> Self {
        let mean = |of: fn(&Tried) -> f64| {
            let values: Vec<f64> = all.iter().map(of).collect();
            Interval::of(&values).mean
        };
        Self {
            right: mean(|tried| f64::from(u8::from(tried.right))),
            seconds: mean(|tried| tried.seconds),
            cents: mean(|tried| tried.cents),
            reward: mean(|tried| tried.reward),
        }
    }
}

/// What was learnt, and whether it is better.
#[derive(Debug, Serialize)]
struct Report {
    tasks: usize,
    generations: u64,
    first: f64,
    last: f64,
    learnt: Means,
    in_use: Means,
    better: Interval,
}

impl Report {
    /// Whether it surely earns more.
    fn is_better(&self) -> bool {
        self.better.low > 0.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} generations: the mean reward went from {:.3} to {:.3}\n\n{} tasks that nothing was learnt from:\n",
            self.generations, self.first, self.last, self.tasks
        )?;
        writeln!(
            f,
            "{:10} {:>8} {:>9} {:>9} {:>8}",
            "", "RIGHT", "SECONDS", "CENTS", "REWARD"
        )?;
        for (name, means) in [("learnt", &self.learnt), ("in use", &self.in_use)] {
            let Means {
                right,
                seconds,
                cents,
                reward,
            } = means;
            let right = right * 100.0;
            writeln!(
                f,
                "{name:10} {right:>6.0} % {seconds:>9.1} {cents:>9.4} {reward:>8.3}"
            )?;
        }
        let Interval { mean, low, high } = self.better;
        writeln!(f, "\nbetter by {mean:+.3} ({low:+.3} to {high:+.3}, 95 %)")
    }
}
