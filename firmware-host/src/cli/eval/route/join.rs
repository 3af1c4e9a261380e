//! What it costs that a worker joins late.

use serde_json::{Map, Value, json};
use shoal_conductor::head::routing::{
    judge::Judge,
    look::Look,
    measure::{Field, Opinion},
    outcome::Table,
    teach::{self, Lessons, Plan, in_parallel},
};

/// Draws of rows to join by, for each worker and part; a hundred rows are few, and one draw says little.
const DRAWS: usize = 6;

/// For each worker: accuracy among all where learning did not know it and it joined by about `rows` rows, where it was learnt with
/// the others, and what is lost by that; means over all parts and several draws of the rows.
pub fn join(field: &Field<'_>, looks: &[Look], plan: &Plan, rows: usize) -> Value {
    let workers = &field.table.workers;
    // For each part every worker, and at the end all of them together.
    let each = workers.len() + 1;
    let inner = Plan {
        threads: 1,
        ..plan.clone()
    };
    let accuracies = in_parallel(each * field.lessons.len(), plan.threads, |at| {
        let part = Part::of(field, looks, at / each);
        let late = at % each;
        let Some(worker) = workers.get(late) else {
            return vec![part.accuracy(&part.learn(field.table, &inner))];
        };
        let mut without = field.table.clone();
        for row in &mut without.rows {
            row.scores[late] = None;
        }
        let judge = part.learn(&without, &inner);
        tracing::info!(worker, part = at / each, "a head is learnt without it");
        let draws = (part.lesson.len() / rows.max(1)).max(1);
        let draw_of = teach::folds(part.lesson.len(), draws, plan.seed);
        let accuracy = |draw: usize| {
            let drawn = part.lesson.iter().zip(&draw_of);
            let drawn = drawn.filter(|(_, of)| **of == draw);
            let seen: Vec<(Vec<f32>, f32)> = drawn
                .filter_map(|(&row, _)| {
                    let score = field.table.rows[row].scores[late]?;
                    Some((judge.factors(&looks[row]), score))
                })
                .collect();
            let mut judge = judge.clone();
            judge.join(worker, &seen);
            part.accuracy(&judge)
        };
        (0..draws.min(DRAWS)).map(accuracy).collect()
    });
    let parts: Vec<&[Vec<f64>]> = accuracies.chunks_exact(each).collect();
    let of_all = |part: &[Vec<f64>]| mean(part.last().into_iter().flatten().copied());
    let full = mean(parts.iter().map(|part| of_all(part)));
    let joined = workers.iter().enumerate().map(|(at, worker)| {
        let joined = mean(parts.iter().map(|part| mean(part[at].iter().copied())));
        let lost = parts
            .iter()
            .flat_map(|part| part[at].iter().map(|joined| of_all(part) - joined));
        let most = lost.max_by(f64::total_cmp);
        let of =
            json!({"joined": joined, "full": full, "lost": full - joined, "lost_at_most": most});
        (worker.clone(), of)
    });
    joined.collect::<Map<String, Value>>().into()
}

/// Rows that are measured, and those to learn from.
struct Part<'a> {
    field: Field<'a>,
    looks: &'a [Look],
    lesson: Vec<usize>,
}

impl<'a> Part<'a> {
    fn of(field: &Field<'a>, looks: &'a [Look], part: usize) -> Self {
        let places = (0..field.rows.len()).filter(|&at| field.parts[at] == part);
        Self {
            field: Field {
                rows: places.map(|at| field.rows[at]).collect(),
                parts: Vec::new(),
                lessons: Vec::new(),
                ..field.clone()
            },
            looks,
            lesson: field.lessons[part].clone(),
        }
    }

    fn learn(&self, table: &Table, plan: &Plan) -> Judge {
        let lessons = Lessons {
            table,
            looks: self.looks,
        };
        lessons.learn(&self.lesson, plan)
    }

    /// The mean score of whom the head chooses among all.
    fn accuracy(&self, judge: &Judge) -> f64 {
        let values = self.field.rows.iter().flat_map(|&row| {
            let factors = judge.factors(&self.looks[row]);
            let workers = self.field.table.workers.iter();
            workers.map(move |worker| judge.chance(worker, &factors).unwrap_or(f32::NAN))
        });
        let opinion = Opinion::new(values.collect());
        self.field.at_price(&opinion, 0.0).0
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0f64), |(sum, count), value| {
        (sum + value, count + 1.0)
    });
    sum / count.max(1.0)
}
