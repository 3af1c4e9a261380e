//! `shoal eval orchestrate`: the same tasks to one worker, to `shoal-mini`, to `shoal-ultra`, to the best worker as often as
//! that costs, and to the best worker in every step of the same plans.

use std::{io::Write, path::PathBuf};

use clap::Args;
use shoal_conductor::{
    exercise::{
        Exercise,
        generate::{self, Kind},
    },
    id::WorkerId,
    task::Target,
    trace::{Event, PlannedStep},
};

use super::verdict::{Report, Row, Strategy};
use crate::{
    cli::{config, progress::Progress},
    config::Places,
    exit::{Exit, Fault},
    proving::{Ask, Attempt, Ground},
};

/// The most times that one worker is asked the same.
const MOST_ASKED: usize = 9;

/// How it is measured.
#[derive(Debug, Args)]
pub struct Options {
    /// Files of tasks, one JSON object a line with id, prompt and check [default: tasks made for this]; the data folder
    /// is that of SHOAL_DATA
    #[arg(long, value_name = "F", num_args = 1..)]
    data: Vec<PathBuf>,
    /// How many tasks to make, or the most to take of the files
    #[arg(long, value_name = "N", default_value_t = 200)]
    tasks: usize,
    /// Where chance begins, for tasks that are made
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(places)?;
    let exercises = exercises(&options)?;
    let ground = Ground::open(&config).await?;
    let all = exercises.len();
    let exercises: Vec<Exercise> = exercises
        .into_iter()
        .filter(|exercise| ground.can_check(exercise))
        .collect();
    let unchecked = all - exercises.len();
    if exercises.is_empty() {
        let why = ground.lacks().map(ToString::to_string).unwrap_or_default();
        return Err(Fault::usage(format!("no task can be checked here: {why}")));
    }
    let mut report = measure(&ground, &exercises).await;
    report.unchecked = unchecked;
    if options.json {
        crate::cli::json(out, &report.json())?;
    } else {
        write!(out, "{report}")?;
        if let Some(lacks) = ground.lacks().filter(|_| unchecked > 0) {
            writeln!(out, "\n{unchecked} tasks with tests were left out: {lacks}")?;
        }
    }
    Ok(Exit::Done)
}

fn exercises(options: &Options) -> Result<Vec<Exercise>, Fault> {
    if options.data.is_empty() {
        let count = options.tasks.clamp(1, 100_000);
        return Ok(generate::exercises(count, &Kind::ALL, options.seed));
    }
    let mut all = crate::cli::exercises(&options.data)?;
    all.truncate(options.tasks.max(1));
    Ok(all)
}

async fn measure(ground: &Ground, exercises: &[Exercise]) -> Report {
    let mut strategies: Vec<Strategy> = ground
        .workers()
        .into_iter()
        .map(|(id, _)| Strategy::Alone(id))
        .collect();
    strategies.extend([Strategy::Mini, Strategy::Ultra]);
    let mut rows: Vec<Row> = strategies.into_iter().map(Row::new).collect();
    let mut progress = Progress::new("tasks", exercises.len());
    // In turns, so that what slows this machine down slows all of them.
    for (number, exercise) in (1..).zip(exercises) {
        for row in &mut rows {
            let attempt = ground.attempt(ask(exercise, row.strategy.target())).await;
            row.attempts.push(attempt);
        }
        progress.set(number);
    }
    drop(progress);
    let Some(best) = Report::best_alone(&rows).cloned() else {
        return Report::new(rows, exercises.len());
    };
    let often = rows
        .iter()
        .find(|row| row.strategy == Strategy::Ultra)
        .map_or(1, |ultra| as_often(ultra, &rows, &best));
    let plans: Vec<Vec<Event>> = rows
        .iter()
        .find(|row| row.strategy == Strategy::Ultra)
        .map(|ultra| {
            ultra
                .attempts
                .iter()
                .map(|a| plan(&a.events, &best))
                .collect()
        })
        .unwrap_or_default();
    let mut voted = Row::new(Strategy::BestOf(best.clone(), often));
    let mut same = Row::new(Strategy::SamePlans(best.clone()));
    let mut progress = Progress::new("tasks against the best worker", exercises.len());
    for ((number, exercise), plan) in (1..).zip(exercises).zip(plans) {
        voted
            .attempts
            .push(vote(ground, exercise, &best, often).await);
        let mut ask = ask(exercise, Target::Ultra);
        ask.history = plan;
        same.attempts.push(ground.attempt(ask).await);
        progress.set(number);
    }
    drop(progress);
    rows.extend([voted, same]);
    Report::new(rows, exercises.len())
}

fn ask(exercise: &Exercise, target: Target) -> Ask<'_> {
    Ask {
        exercise,
        target,
        history: Vec::new(),
        seed: None,
    }
}

/// How often a worker can be asked for what `shoal-ultra` costs: in money where both cost some, else in tokens.
fn as_often(ultra: &Row, rows: &[Row], best: &WorkerId) -> usize {
    let alone = Strategy::Alone(best.clone());
    let Some(alone) = rows.iter().find(|row| row.strategy == alone) else {
        return 1;
    };
    let (money, tokens) = (
        (ultra.cost(), alone.cost()),
        (ultra.tokens(), alone.tokens()),
    );
    let (ultra, alone) = if money.0 > 0.0 && money.1 > 0.0 {
        money
    } else {
        tokens
    };
    let often = (1..=MOST_ASKED).rev().find(|often| {
        #[expect(clippy::cast_precision_loss, reason = "at most nine")]
        let often = *often as f64;
        // The nearest number of times.
        alone * (often - 0.5) <= ultra
    });
    often.unwrap_or(1)
}

/// The plan of a trace with this worker in every step; nothing where there is none.
fn plan(events: &[Event], worker: &WorkerId) -> Vec<Event> {
    let planned = events.iter().find_map(|event| match event {
        Event::Planned {
            by,
            round,
            steps,
            reason,
            fallback,
            usage,
            took,
        } => Some(Event::Planned {
            by: by.clone(),
            round: *round,
            steps: steps
                .iter()
                .map(|step| PlannedStep {
                    worker: worker.clone(),
                    ..step.clone()
                })
                .collect(),
            reason: reason.clone(),
            fallback: fallback.clone(),
            usage: *usage,
            took: *took,
        }),
        _ => None,
    });
    planned.into_iter().collect()
}

/// Asks one worker several times and takes what it says most often (self-consistency; Wang et al., 2022); of answers that are
/// as frequent, the first.
async fn vote(ground: &Ground, exercise: &Exercise, worker: &WorkerId, often: usize) -> Attempt {
    let mut all: Vec<Attempt> = Vec::with_capacity(often);
    for seed in (1u32..).take(often) {
        let mut ask = ask(exercise, Target::Worker(worker.clone()));
        // Asked once, it is asked as it is alone.
        ask.seed = (often > 1).then_some(seed);
        all.push(ground.attempt(ask).await);
    }
    let votes = |essence: &str| {
        all.iter()
            .filter(|a| a.failure.is_none() && a.essence == essence)
            .count()
    };
    let mut winner: Option<(usize, &Attempt)> = None;
    for attempt in all.iter().filter(|attempt| attempt.failure.is_none()) {
        let votes = votes(&attempt.essence);
        if winner.is_none_or(|(most, _)| votes > most) {
            winner = Some((votes, attempt));
        }
    }
    let mut sum = match winner {
        Some((_, attempt)) => attempt.clone(),
        None => all.first().cloned().unwrap_or_default(),
    };
    sum.cost = all.iter().map(|a| a.cost).sum();
    sum.tokens = all.iter().map(|a| a.tokens).sum();
    sum.took = all.iter().map(|a| a.took).sum();
    sum.left = all.iter().any(|a| a.left);
    sum
}
