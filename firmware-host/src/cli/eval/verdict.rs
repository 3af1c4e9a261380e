//! What was measured of each strategy, and whether orchestration is worth it.

use std::fmt;

use serde_json::{Value, json};
use shoal_conductor::{exercise::interval::Interval, id::WorkerId, task::Target, trace::Event};

use crate::proving::Attempt;

/// A way to do tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// One worker, once.
    Alone(WorkerId),
    /// One worker and role per turn.
    Mini,
    /// A whole workflow.
    Ultra,
    /// One worker so often, and what it says most.
    BestOf(WorkerId, usize),
    /// The workflows of `shoal-ultra`, with one worker in every step.
    SamePlans(WorkerId),
}

impl Strategy {
    /// Whom a task is handed to.
    pub fn target(&self) -> Target {
        match self {
            Self::Alone(worker) | Self::BestOf(worker, _) => Target::Worker(worker.clone()),
            Self::Mini => Target::Mini,
            Self::Ultra | Self::SamePlans(_) => Target::Ultra,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Alone(worker) => format!("{worker} alone"),
            Self::Mini => "shoal-mini".to_owned(),
            Self::Ultra => "shoal-ultra".to_owned(),
            Self::BestOf(worker, often) => format!("{worker}, best of {often}"),
            Self::SamePlans(worker) => format!("same plans, all {worker}"),
        };
        f.pad(&name)
    }
}

/// What came of a strategy, task by task.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub strategy: Strategy,
    /// In the order of the tasks.
    pub attempts: Vec<Attempt>,
}

impl Row {
    /// Nothing yet.
    pub fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            attempts: Vec::new(),
        }
    }

    /// Dollars for a task.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn cost(&self) -> f64 {
        self.mean(|attempt| attempt.cost.0 as f64 / 1e6)
    }

    /// Tokens for a task.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn tokens(&self) -> f64 {
        self.mean(|attempt| attempt.tokens.0 as f64)
    }

    fn seconds(&self) -> f64 {
        self.mean(|attempt| attempt.took.as_secs_f64())
    }

    /// The share of tasks for which something left the board.
    fn left(&self) -> f64 {
        self.mean(|attempt| f64::from(u8::from(attempt.left)))
    }

    fn scores(&self) -> Vec<f64> {
        let right = self.attempts.iter().map(|attempt| attempt.right);
        right.map(|right| f64::from(u8::from(right))).collect()
    }

    fn mean(&self, of: impl Fn(&Attempt) -> f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = self.attempts.len().max(1) as f64;
        self.attempts.iter().map(of).sum::<f64>() / count
    }
}

/// All strategies side by side.
#[derive(Clone, Debug)]
pub struct Report {
    rows: Vec<Row>,
    tasks: usize,
    /// Tasks that could not be checked here and were left out.
    pub unchecked: usize,
}

impl Report {
    /// Of so many tasks.
    pub fn new(rows: Vec<Row>, tasks: usize) -> Self {
        Self {
            rows,
            tasks,
            unchecked: 0,
        }
    }

    /// The worker that alone is right most often; of two, the one that costs less.
    pub fn best_alone(rows: &[Row]) -> Option<&WorkerId> {
        let mut best: Option<(&WorkerId, f64, f64)> = None;
        for row in rows {
            let Strategy::Alone(worker) = &row.strategy else {
                continue;
            };
            let (right, cost) = (row.scores().iter().sum::<f64>(), row.cost());
            let is_better =
                best.is_none_or(|(_, most, least)| right > most || (right >= most && cost < least));
            if is_better {
                best = Some((worker, right, cost));
            }
        }
        best.map(|(worker, ..)| worker)
    }

    fn best(&self) -> Option<&Row> {
        let best = Strategy::Alone(Self::best_alone(&self.rows)?.clone());
        self.rows.iter().find(|row| row.strategy == best)
    }

    /// How much more often a strategy is right than the best worker alone, task by task.
    fn gain(&self, row: &Row) -> Interval {
        let best = self.best().map(Row::scores).unwrap_or_default();
        let pairs = row.scores().into_iter().zip(best);
        let differences: Vec<f64> = pairs.map(|(one, other)| one - other).collect();
        Interval::of(&differences)
    }

    /// How many of the workflows of `shoal-ultra` were not the backbone's own.
    fn fallbacks(&self) -> usize {
        let ultra = self.rows.iter().find(|row| row.strategy == Strategy::Ultra);
        let is_fallback = |attempt: &&Attempt| {
            attempt.events.iter().any(|event| {
                matches!(
                    event,
                    Event::Planned {
                        fallback: Some(_),
                        ..
                    }
                )
            })
        };
        ultra.map_or(0, |row| row.attempts.iter().filter(is_fallback).count())
    }

    /// One object: each strategy's numbers for a task, with the interval of 95 % against the best worker alone.
    pub fn json(&self) -> Value {
        let mut strategies = serde_json::Map::new();
        for row in &self.rows {
            let accuracy = Interval::of(&row.scores());
            let value = json!({
                "accuracy": accuracy.mean,
                "accuracy_interval": [accuracy.low, accuracy.high],
                "cost": row.cost(),
                "tokens": row.tokens(),
                "seconds": row.seconds(),
                "left": row.left(),
                "against_best": self.gain(row),
                "failed": row.attempts.iter().filter(|a| a.failure.is_some()).count(),
            });
            strategies.insert(key(&row.strategy), value);
        }
        json!({
            "rows": self.tasks,
            "unchecked": self.unchecked,
            "best_single": Self::best_alone(&self.rows),
            "fallback_plans": self.fallbacks(),
            "strategies": strategies,
        })
    }

    /// In a sentence, whether a conductor is worth it here.
    fn says(&self, row: &Row) -> String {
        let Some(best) = self.best() else {
            return String::new();
        };
        let gain = self.gain(row);
        let points = |value: f64| format!("{:.0}", value.abs() * 100.0);
        let range = format!("{:+.0} to {:+.0}", gain.low * 100.0, gain.high * 100.0);
        let name = &row.strategy;
        let other = &best.strategy;
        let price = self.price(row, best);
        if gain.low > 0.0 {
            let more = points(gain.mean);
            format!(
                "{name}: yes. It is right {more} points more often than {other} ({range}), {price}."
            )
        } else if gain.high < 0.0 {
            let less = points(gain.mean);
            format!(
                "{name}: no. It is right {less} points less often than {other} ({range}), {price}."
            )
        } else {
            format!(
                "{name}: {} tasks show no difference to {other} ({range} points), {price}.",
                self.tasks
            )
        }
    }

    fn price(&self, row: &Row, best: &Row) -> String {
        let of = |mine: f64, its: f64| match its > 0.0 {
            true => format!("{:.1}", mine / its),
            false => "-".to_owned(),
        };
        let mut said = vec![
            format!("{} times its tokens", of(row.tokens(), best.tokens())),
            format!("{} times its time", of(row.seconds(), best.seconds())),
        ];
        if best.cost() > 0.0 {
            said.push(format!("{} times its money", of(row.cost(), best.cost())));
        } else if row.cost() > 0.0 {
            said.push("for money where it takes none".to_owned());
        }
        format!("at {}", said.join(" and "))
    }
}

fn key(strategy: &Strategy) -> String {
    match strategy {
        Strategy::Alone(worker) => worker.to_string(),
        Strategy::Mini => "shoal-mini".to_owned(),
        Strategy::Ultra => "shoal-ultra".to_owned(),
        Strategy::BestOf(..) => "best-of-n".to_owned(),
        Strategy::SamePlans(_) => "same-plans".to_owned(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.tasks;
        writeln!(
            f,
            "{tasks} tasks, each done in every way. Whether an answer is right is checked without a model.\n"
        )?;
        writeln!(
            f,
            "{:28} {:>16} {:>20} {:>8} {:>8} {:>8} {:>6}",
            "", "RIGHT", "AGAINST BEST WORKER", "TOKENS", "SECONDS", "$/100", "LEFT"
        )?;
        for row in &self.rows {
            let Interval { mean, low, high } = Interval::of(&row.scores());
            let right = format!(
                "{:.0} % ({:.0}..{:.0})",
                mean * 100.0,
                low * 100.0,
                high * 100.0
            );
            let gain = self.gain(row);
            let against = match self.best() {
                Some(best) if best.strategy == row.strategy => "-".to_owned(),
                _ => format!(
                    "{:+.0} ({:+.0}..{:+.0})",
                    gain.mean * 100.0,
                    gain.low * 100.0,
                    gain.high * 100.0
                ),
            };
            writeln!(
                f,
                "{:28} {right:>16} {against:>20} {:>8.0} {:>8.1} {:>8.4} {:>4.0} %",
                row.strategy.to_string(),
                row.tokens(),
                row.seconds(),
                row.cost() * 100.0,
                row.left() * 100.0
            )?;
        }
        writeln!(f, "\nIs orchestration worth it here?\n")?;
        for row in &self.rows {
            if matches!(row.strategy, Strategy::Mini | Strategy::Ultra) {
                writeln!(f, "  {}", self.says(row))?;
            }
        }
        let fallbacks = self.fallbacks();
        if fallbacks > 0 {
            writeln!(
                f,
                "\nIn {fallbacks} of {tasks} tasks shoal-ultra had no workflow of its own and did as shoal-mini does."
            )?;
        }
        writeln!(
            f,
            "\nIn brackets is where the number lies with a probability of 95 %; against the best worker it is paired, task by \
             task.\nBest of N asks one worker as often as shoal-ultra costs and takes what it says most."
        )?;
        for row in &self.rows {
            let failed: Vec<&String> = row
                .attempts
                .iter()
                .filter_map(|a| a.failure.as_ref())
                .collect();
            if let Some(why) = failed.first() {
                writeln!(
                    f,
                    "\n{} gave no answer to {} tasks: {why}",
                    row.strategy,
                    failed.len()
                )?;
            }
        }
        Ok(())
    }
}
