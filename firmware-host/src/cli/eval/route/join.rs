//! What it costs that a worker joins late.

use serde_json::{Map, Value, json};
use shoal_conductor::head::routing::{
    judge::Judge,
    look::Look,
    measure::{Field, Opinion},
    outcome::Table,
    teach::{self, Lessons, Plan, in_parallel},
};

/// For each worker: accuracy among all where learning did not know it and it joined by `rows` rows, and where it was
/// learnt with the others. On the rows of the first part.
pub fn join(field: &Field<'_>, looks: &[Look], plan: &Plan, rows: usize) -> Value {
    let Some(train) = field.lessons.first() else {
        return json!({});
    };
    let places = (0..field.rows.len()).filter(|&at| field.parts[at] == 0);
    let part = Field {
        rows: places.map(|at| field.rows[at]).collect(),
        parts: Vec::new(),
        ..field.clone()
    };
    let inner = Plan {
        threads: 1,
        ..plan.clone()
    };
    let learn = |table: &Table| Lessons { table, looks }.learn(train, &inner);
    let workers = &field.table.workers;
    let accuracy = |judge: &Judge| {
        let values = part.rows.iter().flat_map(|&row| {
            let factors = judge.factors(&looks[row]);
            let chances = workers.iter().map(|worker| judge.chance(worker, &factors));
            let chances = chances.map(|chance| chance.unwrap_or(f32::NAN));
            chances.collect::<Vec<_>>()
        });
        part.outcome(&Opinion::new(values.collect())).accuracy
    };
    // The last place is for all of them together.
    let accuracies = in_parallel(workers.len() + 1, plan.threads, |at| {
        let Some(worker) = workers.get(at) else {
            return accuracy(&learn(field.table));
        };
        let mut without = field.table.clone();
        for row in &mut without.rows {
            row.scores[at] = None;
        }
        let mut judge = learn(&without);
        let count = (train.len() / rows.max(1)).max(1);
        let some = teach::folds(train.len(), count, plan.seed);
        let seen: Vec<(Vec<f32>, f32)> = train
            .iter()
            .zip(some)
            .filter(|(_, part)| *part == 0)
            .filter_map(|(&row, _)| {
                let score = field.table.rows[row].scores[at]?;
                Some((judge.factors(&looks[row]), score))
            })
            .collect();
        judge.join(worker, &seen);
        accuracy(&judge)
    });
    let full = accuracies.last().copied().unwrap_or(0.0);
    let joined = workers.iter().zip(accuracies);
    let joined: Map<String, Value> = joined
        .map(|(worker, joined)| (worker.clone(), json!({"joined": joined, "full": full})))
        .collect();
    joined.into()
}
