//! Learning a routing head from a table of outcomes.
//!
//! 1. Ridge regression of all scores on the rows, with the penalty that tells workers apart best on rows held out; then of
//!    what it leaves over on the likeness to some of the rows.
//! 2. The factors are the directions in which the predictions for held-out rows differ between prompts: all of them, or
//!    where there are many workers the main ones. Leaving out small ones loses what tells good workers from each other.
//! 3. Each worker's ability is a logistic regression of its scores on the factors of held-out rows, so that the chances are
//!    calibrated, and a worker that comes later is taken in in the same way.
//!
//! Scores that are missing count for nothing: each worker's prediction is a regression of its own, and leans on no other
//! having been asked too.

use std::collections::BTreeMap;

use super::{
    ability::{Ability, Belief},
    judge::{Judge, Row, Scale},
    likeness::Likeness,
    look::{BUCKETS, Look},
    outcome::Table,
    solve::{Design, Weights, lanes},
    symmetric,
};
use crate::head::random::Random;

/// How a head is taught.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Penalties to choose from, as shares of the number of rows, from strong to weak.
    pub penalties: Vec<f32>,
    /// Parts that are held out in turn within what is learnt from.
    pub folds: usize,
    /// The most factors.
    pub factors: usize,
    /// The share of scores that is left out by chance, to see what gaps cost.
    pub absent: f32,
    /// Where chance begins.
    pub seed: u64,
    /// Threads to use.
    pub threads: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            penalties: vec![0.1, 0.03, 0.01],
            folds: 5,
            factors: 16,
            absent: 0.0,
            seed: 1,
            threads: 1,
        }
    }
}

/// Prompts as they are seen, with their scores.
#[derive(Debug)]
pub struct Lessons<'a> {
    /// What the scores are.
    pub table: &'a Table,
    /// What is seen of each prompt.
    pub looks: &'a [Look],
}

/// The penalty on weights of likenesses: how much of a score is chance, beside what prompts that are alike have in common.
const NOISE: f32 = 2.0;

/// What a fit needs of some rows.
struct Rows<'w> {
    linear: Design<'w>,
    kernel: Design<'w>,
    targets: Vec<f32>,
    counts: Vec<f32>,
}

/// Prompts as they are learnt from.
struct Seen {
    rows: Vec<Row>,
    /// Likenesses on their [`Basis`](super::likeness::Basis), as many for each row.
    likenesses: Vec<Vec<f32>>,
}

/// Weights of the rows, and of the likenesses on their basis.
struct Fit {
    linear: Weights,
    kernel: Weights,
}

impl Lessons<'_> {
    /// Learns from these rows.
    #[must_use]
    pub fn learn(&self, rows: &[usize], plan: &Plan) -> Judge {
        let workers = self.table.workers.len();
        let lanes = lanes(workers);
        let scale = Scale::of(rows.iter().map(|&row| &self.looks[row]));
        let seen: Vec<Row> = rows
            .iter()
            .map(|&row| scale.row(&self.looks[row]))
            .collect();
        let dense: Vec<&[f32]> = seen.iter().map(|(dense, _)| dense.as_slice()).collect();
        let likeness = Likeness::of(&dense, plan.seed);
        let basis = likeness.basis();
        let likenesses = in_parallel(dense.len(), plan.threads, |at| {
            basis.to(&likeness.to(dense[at]))
        });
        let seen = Seen {
            rows: seen,
            likenesses,
        };
        let means = self.means(rows);
        let absent = self.absences(rows.len(), plan);
        let folds = folds(rows.len(), plan.folds, plan.seed);
        // For each fold the predictions of its rows at each penalty.
        let held = in_parallel(plan.folds, plan.threads, |fold| {
            let inside: Vec<usize> = (0..rows.len()).filter(|&at| folds[at] != fold).collect();
            let outside: Vec<usize> = (0..rows.len()).filter(|&at| folds[at] == fold).collect();
            let fit = self.rows(&inside, rows, &seen, &means, &absent);
            let test = self.rows(&outside, rows, &seen, &means, &absent);
            let mut found = fit.nothing(lanes);
            let mut all = Vec::new();
            for &penalty in &plan.penalties {
                found = fit.solve(penalty, found, lanes);
                all.push(test.outputs(&found, lanes));
            }
            (outside, all)
        });
        let best = self.best(rows, &means, &held, plan, lanes);
        let mut predicted = vec![0.0f32; rows.len() * workers];
        for (outside, all) in &held {
            for (row, values) in outside.iter().zip(all[best].chunks_exact(lanes)) {
                predicted[row * workers..(row + 1) * workers].copy_from_slice(&values[..workers]);
            }
        }
        let axes = axes(&predicted, workers, plan.factors);
        let every: Vec<usize> = (0..rows.len()).collect();
        let fit = self.rows(&every, rows, &seen, &means, &absent);
        let found = fit.solve(plan.penalties[best], fit.nothing(lanes), lanes);
        let (dense, words) = found.linear.split_at(fit.linear.width * lanes);
        let weights = [dense, &basis.from(&found.kernel, lanes), words].concat();
        let mut judge = Judge {
            weights: projected(&weights, lanes, &axes),
            factors: axes.len(),
            scale,
            likeness,
            abilities: BTreeMap::new(),
        };
        let factors: Vec<Vec<f32>> = predicted
            .chunks_exact(workers)
            .map(|row| axes.iter().map(|axis| axis.at(row)).collect())
            .collect();
        let belief = Belief::open(axes.len());
        for (at, worker) in self.table.workers.iter().enumerate() {
            let seen = rows.iter().zip(&factors).filter_map(|(&row, factors)| {
                let score = self.table.rows[row].scores[at]?;
                Some((factors.as_slice(), score))
            });
            if seen.clone().next().is_some() {
                let ability = Ability::fit(&belief, seen);
                judge.abilities.insert(worker.clone(), ability);
            }
        }
        judge
    }

    /// The mean score of each worker.
    fn means(&self, rows: &[usize]) -> Vec<f32> {
        (0..self.table.workers.len())
            .map(|worker| {
                mean(
                    rows.iter()
                        .filter_map(|&row| self.table.rows[row].scores[worker]),
                )
            })
            .collect()
    }

    /// Which scores are left out by chance.
    fn absences(&self, rows: usize, plan: &Plan) -> Vec<bool> {
        let mut random = Random::new(plan.seed ^ 0x5eed);
        let count = rows * self.table.workers.len();
        (0..count).map(|_| random.unit() < plan.absent).collect()
    }

    /// Some of the rows, with the scores less their means; what is missing counts for nothing.
    fn rows<'w>(
        &self,
        some: &[usize],
        rows: &[usize],
        seen: &'w Seen,
        means: &[f32],
        absent: &[bool],
    ) -> Rows<'w> {
        let lanes = lanes(means.len());
        let mut out = Rows {
            linear: Design {
                width: seen.rows.first().map_or(0, |(dense, _)| dense.len()),
                places: BUCKETS,
                ..Design::default()
            },
            kernel: Design {
                width: seen.likenesses.first().map_or(0, Vec::len),
                ..Design::default()
            },
            targets: vec![0.0; some.len() * lanes],
            counts: vec![0.0; some.len() * lanes],
        };
        for (place, &at) in some.iter().enumerate() {
            let (dense, words) = &seen.rows[at];
            out.linear.dense.extend(dense);
            out.linear.words.push(words);
            out.kernel.dense.extend(&seen.likenesses[at]);
            out.kernel.words.push(&[]);
            for (worker, score) in self.table.rows[rows[at]].scores.iter().enumerate() {
                if let (Some(score), false) = (score, absent[at * means.len() + worker]) {
                    out.targets[place * lanes + worker] = score - means[worker];
                    out.counts[place * lanes + worker] = 1.0;
                }
            }
        }
        out
    }

    /// The penalty whose predictions of held-out rows tell best how workers differ; with one worker, how it does.
    fn best(
        &self,
        rows: &[usize],
        means: &[f32],
        held: &[(Vec<usize>, Vec<Vec<f32>>)],
        plan: &Plan,
        lanes: usize,
    ) -> usize {
        let mut errors = vec![0.0f64; plan.penalties.len()];
        for (outside, all) in held {
            for (error, predicted) in errors.iter_mut().zip(all) {
                for (&at, predicted) in outside.iter().zip(predicted.chunks_exact(lanes)) {
                    let scores = &self.table.rows[rows[at]].scores;
                    let off: Vec<f32> = (0..means.len())
                        .filter_map(|w| Some(scores[w]? - means[w] - predicted[w]))
                        .collect();
                    let level = if off.len() > 1 {
                        mean(off.iter().copied())
                    } else {
                        0.0
                    };
                    *error += off
                        .iter()
                        .map(|off| f64::from(off - level).powi(2))
                        .sum::<f64>();
                }
            }
        }
        let order = errors
            .iter()
            .enumerate()
            .min_by(|(_, a), (_, b)| a.total_cmp(b));
        order.map_or(0, |(at, _)| at)
    }
}

impl Rows<'_> {
    fn nothing(&self, lanes: usize) -> Fit {
        Fit {
            linear: vec![0.0; self.linear.length() * lanes],
            kernel: vec![0.0; self.kernel.length() * lanes],
        }
    }

    /// From a fit with another penalty on.
    fn solve(&self, penalty: f32, from: Fit, lanes: usize) -> Fit {
        let Fit { linear, kernel } = from;
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        let penalty = penalty * self.linear.words.len() as f32;
        let linear = self
            .linear
            .solve(&self.targets, &self.counts, penalty, linear, lanes);
        let explained = self.linear.outputs(&linear, lanes);
        let left = self.targets.iter().zip(explained).map(|(t, e)| t - e);
        let left: Vec<f32> = left.collect();
        let kernel = self.kernel.solve(&left, &self.counts, NOISE, kernel, lanes);
        Fit { linear, kernel }
    }

    fn outputs(&self, fit: &Fit, lanes: usize) -> Vec<f32> {
        let mut out = self.linear.outputs(&fit.linear, lanes);
        let kernel = self.kernel.outputs(&fit.kernel, lanes);
        out.iter_mut()
            .zip(kernel)
            .for_each(|(out, kernel)| *out += kernel);
        out
    }
}

/// A factor: a direction among predictions, with the scale that gives it a variance of one.
struct Axis {
    center: f32,
    direction: Vec<f32>,
}

impl Axis {
    fn at(&self, predicted: &[f32]) -> f32 {
        let along: f32 = self
            .direction
            .iter()
            .zip(predicted)
            .map(|(a, b)| a * b)
            .sum();
        along - self.center
    }
}

/// The main directions of predictions, a row of `workers` for each prompt.
fn axes(predicted: &[f32], workers: usize, most: usize) -> Vec<Axis> {
    let rows = predicted.chunks_exact(workers.max(1));
    #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
    let count = rows.len().max(1) as f64;
    let mut means = vec![0.0f64; workers];
    for row in rows.clone() {
        for (mean, value) in means.iter_mut().zip(row) {
            *mean += f64::from(*value) / count;
        }
    }
    let mut spread = vec![0.0f64; workers * workers];
    for row in rows {
        for a in 0..workers {
            for b in 0..workers {
                spread[a * workers + b] +=
                    (f64::from(row[a]) - means[a]) * (f64::from(row[b]) - means[b]) / count;
            }
        }
    }
    let mut all = symmetric::eigen(&spread, workers);
    all.truncate(most.max(1));
    all.into_iter()
        .map(|(value, vector)| {
            let scale = 1.0 / (value.max(0.0).sqrt() + 1e-4);
            let along: f64 = vector.iter().zip(&means).map(|(a, b)| a * b).sum();
            #[expect(clippy::cast_possible_truncation, reason = "as precise as predictions")]
            let narrow = |value: f64| value as f32;
            Axis {
                center: narrow(along * scale),
                direction: vector.iter().map(|value| narrow(value * scale)).collect(),
            }
        })
        .collect()
}

/// Coefficients by worker as coefficients by factor, with the row that is added at the end.
fn projected(weights: &[f32], lanes: usize, axes: &[Axis]) -> Vec<f32> {
    let mut out: Vec<f32> = weights
        .chunks_exact(lanes)
        .flat_map(|row| axes.iter().map(|axis| axis.at(row) + axis.center))
        .collect();
    out.extend(axes.iter().map(|axis| -axis.center));
    out
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0f64, 0u32), |(sum, count), value| {
        (sum + f64::from(value), count + 1)
    });
    #[expect(clippy::cast_possible_truncation, reason = "a mean of shares")]
    let mean = (sum / f64::from(count.max(1))) as f32;
    mean
}

/// The part that each row belongs to.
#[must_use]
pub fn folds(rows: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut parts: Vec<usize> = (0..rows).map(|row| row % count.max(1)).collect();
    Random::new(seed).shuffle(&mut parts);
    parts
}

/// What `work` makes of each number below `count`, in order.
pub fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let threads = threads.clamp(1, count.max(1));
    let work = &work;
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || {
                    let mine = (first..count).step_by(threads);
                    mine.map(|at| (at, work(at))).collect::<Vec<_>>()
                })
            })
            .collect();
        let joined = handles.into_iter().map(|handle| {
            handle
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, value)| value).collect()
}

/// How many rows the weights have, for rows of so many numbers and likenesses before the words.
#[must_use]
pub fn weights_rows(width: usize) -> usize {
    width + BUCKETS + 1
}
