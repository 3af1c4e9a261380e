//! Whether a head that is learnt now is better than the one in use.

use std::{fmt, sync::atomic::AtomicU64};

use serde::Serialize;
use shoal_conductor::{
    exercise::interval::Interval,
    head::routing::{
        Routing,
        look::Look,
        measure::{Field, Opinion},
        outcome::Table,
        teach::{self, Plan},
    },
};

use crate::cli::{eval::route, study::FOLDS};

/// How a way of learning does beside the head in use, on tasks that were not learnt from.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// Tasks.
    rows: usize,
    /// What it is held against.
    against: &'static str,
    /// How much smaller the square of what its chances are off is (Brier, 1950), task by task.
    surer: Interval,
    /// How much better whoever it chooses is, where several were asked.
    chooses: Interval,
}

impl Trial {
    /// Whether it surely knows better, and does not surely choose worse.
    pub fn is_better(&self) -> bool {
        self.surer.low > 0.0 && self.chooses.high >= 0.0
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            against,
            surer,
            chooses,
        } = self;
        writeln!(
            f,
            "on {rows} tasks, each judged by a head that was not learnt from it, against {against} (95 %):\n\
             squared error smaller by {:.4} ({:+.4} to {:+.4}); chosen worker better by {:.3} ({:+.3} to {:+.3})",
            surer.mean, surer.low, surer.high, chooses.mean, chooses.low, chooses.high
        )
    }
}

/// Tries it. The head in use may have been learnt from some of these tasks, which is to its own good.
pub fn trial(table: &Table, looks: &[Look], now: Option<&Routing>, plan: &Plan) -> Trial {
    let count = FOLDS.min(table.rows.len()).max(2);
    let parts = teach::folds(table.rows.len(), count, plan.seed);
    let lessons: Vec<Vec<usize>> = (0..count)
        .map(|part| {
            (0..table.rows.len())
                .filter(|&row| parts[row] != part)
                .collect()
        })
        .collect();
    let field = Field {
        table,
        rows: (0..table.rows.len()).collect(),
        lessons,
        parts,
        costs: vec![1.0; table.workers.len()],
        pair: None,
    };
    let spent = AtomicU64::new(0);
    let fresh = route::learnt(&field, looks, plan, &spent);
    let (against, other) = match now {
        Some(head) => (
            "the head in use",
            field.learnt(1, |_| {
                |row| route::chances(&field, looks, &head.judge, row, &spent)
            }),
        ),
        None => ("each worker's mean", field.constant()),
    };
    let errors = |opinion: &Opinion| errors(table, opinion);
    let less = |all: Vec<f64>, by: Vec<f64>| -> Vec<f64> {
        all.into_iter().zip(by).map(|(all, by)| all - by).collect()
    };
    let chosen = |opinion: &Opinion| -> Vec<f64> {
        let chosen = field.chosen(opinion).into_iter();
        chosen.map(f64::from).collect()
    };
    Trial {
        rows: table.rows.len(),
        against,
        surer: Interval::of(&less(errors(&other), errors(&fresh))),
        chooses: Interval::of(&less(chosen(&fresh), chosen(&other))),
    }
}

/// The sum of the squares of what the chances of a row are off; whoever is unknown has an even one.
fn errors(table: &Table, opinion: &Opinion) -> Vec<f64> {
    let chances = opinion.values.chunks(table.workers.len().max(1));
    let rows = table.rows.iter().zip(chances);
    rows.map(|(row, chances)| {
        let asked = row.scores.iter().zip(chances);
        let squares = asked.filter_map(|(score, &chance)| {
            let chance = if chance.is_nan() { 0.5 } else { chance };
            Some(f64::from((*score)? - chance).powi(2))
        });
        squares.sum()
    })
    .collect()
}
