//! Measuring choices between workers on a table of outcomes.

use super::{
    ability::{Ability, Belief},
    baseline::TfIdf,
    curve::{Curve, number},
    outcome::Table,
    teach::in_parallel,
};
use crate::head::random::Random;

/// What somebody says of each row and worker; the greatest of a row is chosen, and of equals the cheapest.
#[derive(Clone, Debug, PartialEq)]
pub struct Opinion {
    /// Row by row, a number for each worker of the table; from 0 to 1 where they are chances.
    pub values: Vec<f32>,
    /// For the choice between two workers, row by row: the greater, the sooner the strong one is asked. The difference of
    /// their values where there is none.
    pub order: Option<Vec<f32>>,
}

/// The rows that are measured, and what workers cost.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its rows that count.
    pub rows: Vec<usize>,
    /// For each of these rows the place in `lessons` of what it is judged by.
    pub parts: Vec<usize>,
    /// Rows to learn from.
    pub lessons: Vec<Vec<usize>>,
    /// What a call of each worker costs.
    pub costs: Vec<f32>,
    /// The places of a weak and a strong worker.
    pub pair: Option<(usize, usize)>,
}

/// What came out of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The mean score of whoever was chosen.
    pub accuracy: f64,
    /// The mean cost of it.
    pub cost: f64,
    /// APGR, and the shares of calls that recover 50, 80 and 100 % of the gap.
    pub pair: Option<[f64; 4]>,
}

impl Field<'_> {
    fn width(&self) -> usize {
        self.table.workers.len()
    }

    /// Those who have a score in a row.
    fn asked(&self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let scores = self.table.rows[row].scores.iter().enumerate();
        scores.filter_map(|(worker, score)| Some((worker, (*score)?)))
    }

    /// Score and cost of whoever is chosen in the row at this place, when cost counts `price` times.
    fn choice(&self, opinion: &Opinion, at: usize, price: f32) -> (f32, f32) {
        let values = &opinion.values[at * self.width()..(at + 1) * self.width()];
        let mut best: Option<(f32, f32, f32)> = None;
        for (worker, score) in self.asked(self.rows[at]) {
            let cost = self.costs[worker];
            let value = values[worker] - price * cost;
            let is_better = best.is_none_or(|(known, _, known_cost)| {
                value > known || (value >= known && cost < known_cost)
            });
            // A worker that is unknown has no value.
            if is_better && !value.is_nan() {
                best = Some((value, score, cost));
            }
        }
        best.map_or((0.0, 0.0), |(_, score, cost)| (score, cost))
    }

    /// Score by score, the choices in the rows.
    #[must_use]
    pub fn chosen(&self, opinion: &Opinion) -> Vec<f32> {
        let rows = 0..self.rows.len();
        rows.map(|at| self.choice(opinion, at, 0.0).0).collect()
    }

    /// Mean accuracy and cost when cost counts `price` times.
    #[must_use]
    pub fn at_price(&self, opinion: &Opinion, price: f32) -> (f64, f64) {
        let (mut score, mut cost) = (0.0, 0.0);
        for at in 0..self.rows.len() {
            let (of_score, of_cost) = self.choice(opinion, at, price);
            score += f64::from(of_score);
            cost += f64::from(of_cost);
        }
        let count = number(self.rows.len().max(1));
        (score / count, cost / count)
    }

    /// The curve of the pair over those of the rows that `places` names, in that order, which breaks ties.
    #[must_use]
    pub fn curve(&self, opinion: &Opinion, places: &[usize]) -> Option<Curve> {
        let (weak, strong) = self.pair?;
        let (mut order, mut low, mut high) = (Vec::new(), Vec::new(), Vec::new());
        for &at in places {
            let scores = &self.table.rows[self.rows[at]].scores;
            let (Some(w), Some(s)) = (scores[weak], scores[strong]) else {
                continue;
            };
            let values = &opinion.values[at * self.width()..];
            let own = opinion.order.as_ref().map(|order| order[at]);
            order.push(own.unwrap_or(values[strong] - values[weak]));
            low.push(w);
            high.push(s);
        }
        Some(Curve::new(&order, &low, &high))
    }

    /// All places, in an order by chance: tables are sorted by subject, and ties must not follow that.
    #[must_use]
    pub fn places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.rows.len()).collect();
        Random::new(17).shuffle(&mut places);
        places
    }

    /// Measures an opinion.
    #[must_use]
    pub fn outcome(&self, opinion: &Opinion) -> Outcome {
        let (accuracy, cost) = self.at_price(opinion, 0.0);
        let curve = self.curve(opinion, &self.places());
        let pair = curve.map(|c| [c.apgr(), c.cpt(0.5), c.cpt(0.8), c.cpt(1.0)]);
        Outcome {
            accuracy,
            cost,
            pair,
        }
    }

    /// 95 % intervals of how much better `a` is than `b`, in accuracy and APGR, on the same rows drawn again and again
    /// (paired bootstrap: Efron and Tibshirani, 1993, chapter 13).
    #[must_use]
    pub fn intervals(&self, a: &Opinion, b: &Opinion, draws: usize) -> [Option<[f64; 2]>; 2] {
        let mut random = Random::new(23);
        let count = self.rows.len().max(1);
        let better: Vec<f64> = self
            .chosen(a)
            .into_iter()
            .zip(self.chosen(b))
            .map(|(a, b)| f64::from(a) - f64::from(b))
            .collect();
        let (mut accuracies, mut gaps) = (Vec::new(), Vec::new());
        for _ in 0..draws {
            let drawn: Vec<usize> = (0..self.rows.len())
                .map(|_| usize::try_from(random.bits() % count as u64).unwrap_or(0))
                .collect();
            accuracies.push(drawn.iter().map(|&at| better[at]).sum::<f64>() / number(count));
            if let (Some(a), Some(b)) = (self.curve(a, &drawn), self.curve(b, &drawn)) {
                gaps.push(a.apgr() - b.apgr());
            }
        }
        [middle(accuracies), middle(gaps)]
    }

    /// An opinion by the length of the prompt: longer ones go to the strong worker first; among all, each worker's chance is
    /// a logistic function of it.
    #[must_use]
    pub fn length(&self) -> Opinion {
        let length = |row: usize| {
            let characters = self.table.rows[row].prompt.chars().count();
            #[expect(clippy::cast_precision_loss, reason = "a length")]
            let length = characters as f32;
            length
        };
        let log = |row: usize| [(length(row).ln_1p() - 5.0) / 2.0];
        self.learnt(1, |part| {
            let abilities: Vec<Ability> = (0..self.width())
                .map(|worker| {
                    let seen: Vec<([f32; 1], f32)> = part
                        .iter()
                        .filter_map(|&row| Some((log(row), self.table.rows[row].scores[worker]?)))
                        .collect();
                    let seen = seen.iter().map(|(f, score)| (f.as_slice(), *score));
                    Ability::fit(&Belief::open(1), seen)
                })
                .collect();
            move |row| abilities.iter().map(|a| a.chance(&log(row))).collect()
        })
        .with_order(self.rows.iter().map(|&row| length(row)).collect())
    }

    /// The opinion that each worker does as well as on average.
    #[must_use]
    pub fn constant(&self) -> Opinion {
        self.learnt(1, |part| {
            let means: Vec<f32> = (0..self.width())
                .map(|worker| {
                    let (sum, count) = part
                        .iter()
                        .filter_map(|&row| self.table.rows[row].scores[worker])
                        .fold((0.0f32, 0.0f32), |(sum, count), score| {
                            (sum + score, count + 1.0)
                        });
                    sum / count.max(1.0)
                })
                .collect();
            move |_| means.clone()
        })
    }

    /// That of TF-IDF with logistic regression.
    #[must_use]
    pub fn tfidf(&self, threads: usize) -> Opinion {
        self.learnt(threads, |part| {
            let learnt = TfIdf::learn(self.table, part, 1);
            move |row: usize| learnt.chances(&self.table.rows[row].prompt)
        })
    }

    /// One by chance.
    #[must_use]
    pub fn random(&self) -> Opinion {
        let mut random = Random::new(29);
        let count = self.rows.len() * self.width();
        Opinion::new((0..count).map(|_| random.unit()).collect())
    }

    /// One that knows the scores.
    #[must_use]
    pub fn oracle(&self) -> Opinion {
        let scores = self.rows.iter().flat_map(|&row| {
            let scores = self.table.rows[row].scores.iter();
            scores.map(|score| score.unwrap_or(f32::NAN))
        });
        Opinion::new(scores.collect())
    }

    /// One to which only cost matters.
    #[must_use]
    pub fn cheapest(&self) -> Opinion {
        let costs = self
            .rows
            .iter()
            .flat_map(|_| self.costs.iter().map(|cost| -cost));
        Opinion::new(costs.collect())
    }

    /// The opinion of those that `learn` makes of the lessons, each on the rows that are judged by it.
    #[must_use]
    pub fn learnt<J: Fn(usize) -> Vec<f32> + Send>(
        &self,
        threads: usize,
        learn: impl Fn(&[usize]) -> J + Sync,
    ) -> Opinion {
        let judges = in_parallel(self.lessons.len(), threads, |at| learn(&self.lessons[at]));
        let rows = self.rows.iter().zip(&self.parts);
        Opinion::new(rows.flat_map(|(&row, &part)| judges[part](row)).collect())
    }
}

impl Opinion {
    /// One without an order of its own.
    #[must_use]
    pub const fn new(values: Vec<f32>) -> Self {
        Self {
            values,
            order: None,
        }
    }

    fn with_order(mut self, order: Vec<f32>) -> Self {
        self.order = Some(order);
        self
    }
}

/// From 2.5 to 97.5 % of some numbers.
fn middle(mut all: Vec<f64>) -> Option<[f64; 2]> {
    all.sort_by(f64::total_cmp);
    let cut = all.len() / 40;
    Some([*all.get(cut)?, *all.get(all.len() - 1 - cut)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::routing::outcome;

    /// Two workers of which one is right on even rows and the other on all, and a third that was asked once.
    fn table() -> Table {
        let row = |at: usize| outcome::Outcome {
            id: at.to_string(),
            prompt: "x".repeat(at + 1),
            scores: vec![
                Some(if at.is_multiple_of(2) { 1.0 } else { 0.0 }),
                Some(1.0),
                (at == 0).then_some(1.0),
            ],
        };
        Table {
            workers: ["small", "large", "other"].map(str::to_owned).into(),
            rows: (0..20).map(row).collect(),
        }
    }

    fn field(table: &Table) -> Field<'_> {
        Field {
            table,
            rows: (0..20).collect(),
            parts: vec![0; 20],
            lessons: vec![(0..20).collect()],
            costs: vec![0.1, 1.0, 0.01],
            pair: Some((0, 1)),
        }
    }

    #[test]
    fn the_oracle_takes_the_cheapest_that_is_right() {
        let table = table();
        let outcome = field(&table).outcome(&field(&table).oracle());
        assert!((outcome.accuracy - 1.0).abs() < 1e-9);
        // Once the third, nine times the first, ten times the second.
        assert!((outcome.cost - (0.01 + 0.9 + 10.0) / 20.0).abs() < 1e-6);
        let [apgr, half, most, all] = outcome.pair.unwrap();
        assert!((apgr - 0.75).abs() < 1e-9);
        assert!(
            (half - 0.25).abs() < 1e-9 && (most - 0.4).abs() < 1e-9 && (all - 0.5).abs() < 1e-9
        );
    }

    #[test]
    fn baselines_do_what_their_names_say() {
        let table = table();
        let field = field(&table);
        let best = field.outcome(&field.constant());
        assert!((best.accuracy - 1.0).abs() < 1e-9);
        let cheapest = field.outcome(&field.cheapest());
        assert!((cheapest.accuracy - 0.5).abs() < 1e-9);
        let length = field.length().order.unwrap();
        assert!((length[3] - 4.0).abs() < 1e-6);
    }

    #[test]
    fn an_interval_of_what_is_better_for_sure_is_above_nought() {
        let table = table();
        let field = field(&table);
        let [accuracy, gap] = field.intervals(&field.oracle(), &field.cheapest(), 200);
        let ([low, high], [gap, _]) = (accuracy.unwrap(), gap.unwrap());
        assert!(0.2 < low && low < 0.5 && high < 0.8 && gap > 0.0);
        let same = field.intervals(&field.oracle(), &field.oracle(), 50);
        assert_eq!(same, [Some([0.0, 0.0]), Some([0.0, 0.0])]);
    }
}
