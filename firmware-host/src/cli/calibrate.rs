//! `shoal calibrate`.

use std::{collections::BTreeMap, fmt::Write as _, io::Write, path::PathBuf, time::Duration};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use shoal_conductor::{
    exercise::{
        Exercise,
        generate::{self, Kind},
        interval::Interval,
        rasch,
    },
    id::WorkerId,
    task::Target,
};

use super::{config, progress::Progress};
use crate::{
    config::Places,
    exit::{Exit, Fault},
    proving::{Ask, Attempt, Ground},
};

/// Where the outcomes go, in the data folder.
const FILE: &str = "calibration.jsonl";

/// How it is done.
#[derive(Debug, Args)]
pub struct Options {
    /// How many tasks each worker gets
    #[arg(long, value_name = "N", default_value_t = 100)]
    tasks: usize,
    /// Where chance begins; the same number makes the same tasks [default: another each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Only this worker; may be given several times
    #[arg(long, value_name = "NAME", value_parser = worker)]
    worker: Vec<WorkerId>,
    /// Where the outcomes are written, one task a line [default: calibration.jsonl in the data folder]
    #[arg(long, value_name = "F")]
    out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn worker(name: &str) -> Result<WorkerId, String> {
    WorkerId::try_new(name).map_err(|error| error.to_string())
}

/// What was found of a worker.
#[derive(Debug, Serialize)]
struct Found {
    /// The share of tasks that it did right.
    accuracy: Interval,
    /// The same by sort of task.
    by_kind: BTreeMap<String, f64>,
    /// Tokens written in a second.
    tokens_per_second: f64,
    /// Seconds for a task.
    seconds: f64,
    /// Dollars for a task.
    cost: f64,
    /// Item response theory's ability, in logits.
    ability: f64,
    /// What to write into the policy.
    strength: u8,
    /// Tasks that got no answer.
    failed: usize,
    /// Why one of them did not.
    failure: Option<String>,
}

/// Puts fresh tasks to every worker.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(places)?;
    let ground = Ground::open(&config).await?;
    let workers = chosen(&ground, &options.worker)?;
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| *kind != Kind::Code || ground.lacks().is_none())
        .collect();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(1..1 << 32));
    let exercises = generate::exercises(options.tasks.clamp(1, 10_000), &kinds, seed);
    let mut attempts: Vec<Vec<Attempt>> = workers.iter().map(|_| Vec::new()).collect();
    let mut progress = Progress::new("tasks", exercises.len());
    for (number, exercise) in (1_usize..).zip(&exercises) {
        for (worker, attempts) in workers.iter().zip(&mut attempts) {
            let ask = Ask {
                exercise,
                target: Target::Worker(worker.clone()),
                history: Vec::new(),
                seed: None,
            };
            attempts.push(ground.attempt(ask).await);
        }
        progress.set(number);
    }
    drop(progress);
    let place = options.out.unwrap_or_else(|| config.data.join(FILE));
    let lines = outcomes(&exercises, &workers, &attempts);
    super::write_file(&place, lines.as_bytes())?;
    let found = found(&exercises, &attempts);
    let all: BTreeMap<&str, &Found> = workers.iter().map(WorkerId::as_str).zip(&found).collect();
    if options.json {
        let report =
            json!({"rows": exercises.len(), "seed": seed, "workers": all, "outcomes": place});
        super::json(out, &report)?;
        return Ok(Exit::Done);
    }
    write!(out, "{}", text(&all, exercises.len(), seed))?;
    if let Some(lacks) = ground.lacks() {
        writeln!(out, "\nNo code was asked for: {lacks}")?;
    }
    writeln!(out, "\nThe outcome of each task is in {}", place.display())?;
    Ok(Exit::Done)
}

fn chosen(ground: &Ground, wanted: &[WorkerId]) -> Result<Vec<WorkerId>, Fault> {
    let pool: Vec<WorkerId> = ground.workers().into_iter().map(|(id, _)| id).collect();
    if let Some(unknown) = wanted.iter().find(|id| !pool.contains(id)) {
        let names: Vec<&str> = pool.iter().map(WorkerId::as_str).collect();
        return Err(Fault::usage(format!(
            "there is no worker \"{unknown}\"; there are {}",
            names.join(", ")
        )));
    }
    Ok(match wanted {
        [] => pool,
        wanted => wanted.to_vec(),
    })
}

/// In the form that a routing head is learnt from: what is asked, and who did it right.
fn outcomes(exercises: &[Exercise], workers: &[WorkerId], attempts: &[Vec<Attempt>]) -> String {
    let mut lines = String::new();
    for (at, exercise) in exercises.iter().enumerate() {
        let scores: BTreeMap<&str, f64> = workers
            .iter()
            .zip(attempts)
            .filter_map(|(worker, attempts)| Some((worker.as_str(), score(attempts.get(at)?))))
            .collect();
        let line = json!({
            "id": exercise.id,
            "kind": exercise.kind,
            "prompt": exercise.prompt,
            "scores": scores,
        });
        let _ = writeln!(lines, "{line}");
    }
    lines
}

fn score(attempt: &Attempt) -> f64 {
    if attempt.right { 1.0 } else { 0.0 }
}

fn found(exercises: &[Exercise], attempts: &[Vec<Attempt>]) -> Vec<Found> {
    let solved: Vec<Vec<Option<f64>>> = attempts
        .iter()
        .map(|attempts| attempts.iter().map(|a| Some(score(a))).collect())
        .collect();
    let abilities = rasch::fit(&solved);
    let each = attempts.iter().zip(abilities.workers);
    each.map(|(attempts, ability)| of_one(exercises, attempts, ability))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn of_one(exercises: &[Exercise], attempts: &[Attempt], ability: f64) -> Found {
    let scores: Vec<f64> = attempts.iter().map(score).collect();
    let mut kinds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (exercise, score) in exercises.iter().zip(&scores) {
        kinds.entry(exercise.kind.clone()).or_default().push(*score);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let written: u64 = attempts.iter().map(|a| a.written.0.0).sum();
    let writing: Duration = attempts.iter().map(|a| a.written.1).sum();
    let seconds: Vec<f64> = attempts.iter().map(|a| a.took.as_secs_f64()).collect();
    let cost: u64 = attempts.iter().map(|a| a.cost.0).sum();
    let accuracy = Interval::of(&scores);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 100"
    )]
    let strength = (accuracy.mean * 100.0).round() as u8;
    Found {
        accuracy,
        by_kind: kinds
            .iter()
            .map(|(kind, s)| (kind.clone(), mean(s)))
            .collect(),
        tokens_per_second: written as f64 / writing.as_secs_f64().max(1e-3),
        seconds: mean(&seconds),
        cost: cost as f64 / 1e6 / attempts.len().max(1) as f64,
        ability,
        strength,
        failed: attempts.iter().filter(|a| a.failure.is_some()).count(),
        failure: attempts.iter().find_map(|a| a.failure.clone()),
    }
}

fn text(all: &BTreeMap<&str, &Found>, tasks: usize, seed: u64) -> String {
    let mut text =
        format!("{tasks} tasks made for this (seed {seed}), the same for each worker\n\n");
    let kinds: Vec<&String> = all
        .values()
        .next()
        .map_or_else(Vec::new, |f| f.by_kind.keys().collect());
    let _ = write!(text, "{:16} {:>16}", "WORKER", "RIGHT");
    for kind in &kinds {
        let _ = write!(text, " {:>14}", kind.to_uppercase());
    }
    let _ = writeln!(
        text,
        " {:>8} {:>8} {:>9} {:>8}",
        "TOKENS/S", "SECONDS", "$/100", "ABILITY"
    );
    for (name, found) in all {
        let Interval { mean, low, high } = found.accuracy;
        let right = format!(
            "{:.0} % ({:.0}..{:.0})",
            mean * 100.0,
            low * 100.0,
            high * 100.0
        );
        let _ = write!(text, "{name:16} {right:>16}");
        for kind in &kinds {
            let share = found.by_kind.get(*kind).copied().unwrap_or_default();
            let _ = write!(text, " {:>12.0} %", share * 100.0);
        }
        let _ = writeln!(
            text,
            " {:>8.0} {:>8.1} {:>9.4} {:>8.1}",
            found.tokens_per_second,
            found.seconds,
            found.cost * 100.0,
            found.ability
        );
    }
    let _ = writeln!(
        text,
        "\nFor policy.toml, where shoal-mini reads how able a worker is:\n"
    );
    for (name, found) in all {
        let _ = writeln!(text, "[workers.{name}]\nstrength = {}", found.strength);
    }
    for (name, found) in all {
        if let Some(failure) = &found.failure {
            let _ = writeln!(
                text,
                "\n{name} gave no answer to {} tasks: {failure}",
                found.failed
            );
        }
    }
    text
}
