//! What a routing head is held against.

use std::collections::HashMap;

use super::{curve::number, outcome::Table};

/// Steps of the logistic regression; each halves the distance at least.
const ROUNDS: usize = 200;
/// How much the sum of squared weights counts for each row: scikit-learn's C = 1.
const PENALTY: f32 = 1.0;

/// TF-IDF of words and pairs of words with a logistic regression for each worker, the usual first try.
#[derive(Debug)]
pub struct TfIdf {
    places: HashMap<String, usize>,
    rarity: Vec<f32>,
    /// For each worker the weight of each place, and last what is added.
    weights: Vec<Vec<f32>>,
}

impl TfIdf {
    /// Learns from these rows of a table. `threads` may be used.
    #[must_use]
    pub fn learn(table: &Table, rows: &[usize], threads: usize) -> Self {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for &row in rows {
            for term in counts(&table.rows[row].prompt).into_keys() {
                *seen.entry(term).or_default() += 1;
            }
        }
        // What only one prompt says helps with no other.
        let mut terms: Vec<(String, usize)> = seen.into_iter().filter(|(_, n)| *n > 1).collect();
        terms.sort();
        let rarity = terms
            .iter()
            .map(|(_, seen)| narrow((number(1 + rows.len()) / number(1 + seen)).ln() + 1.0));
        let mut learnt = Self {
            rarity: rarity.collect(),
            places: terms
                .into_iter()
                .enumerate()
                .map(|(place, (term, _))| (term, place))
                .collect(),
            weights: Vec::new(),
        };
        let vectors: Vec<_> = rows
            .iter()
            .map(|&row| learnt.vector(&table.rows[row].prompt))
            .collect();
        learnt.weights = super::teach::in_parallel(table.workers.len(), threads, |worker| {
            let seen: Vec<_> = rows
                .iter()
                .zip(&vectors)
                .filter_map(|(&row, vector)| Some((vector, table.rows[row].scores[worker]?)))
                .collect();
            logistic(&seen, learnt.rarity.len())
        });
        learnt
    }

    /// The chance of each worker.
    #[must_use]
    pub fn chances(&self, prompt: &str) -> Vec<f32> {
        let vector = self.vector(prompt);
        self.weights
            .iter()
            .map(|weights| sigmoid(product(weights, &vector)))
            .collect()
    }

    fn vector(&self, prompt: &str) -> Vec<(usize, f32)> {
        let mut vector: Vec<(usize, f32)> = counts(prompt)
            .into_iter()
            .filter_map(|(term, count)| {
                let place = *self.places.get(&term)?;
                Some((place, (1.0 + count.ln()) * self.rarity[place]))
            })
            .collect();
        vector.sort_by_key(|(place, _)| *place);
        let length = vector.iter().map(|(_, value)| value * value).sum::<f32>();
        for (_, value) in &mut vector {
            *value /= length.sqrt().max(1e-6);
        }
        vector
    }
}

/// How often each word and each pair of neighbours occurs.
fn counts(prompt: &str) -> HashMap<String, f32> {
    let lower = prompt.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.chars().count() > 1)
        .collect();
    let mut counts = HashMap::new();
    for word in &words {
        *counts.entry((*word).to_owned()).or_default() += 1.0;
    }
    for pair in words.windows(2) {
        *counts.entry(pair.join(" ")).or_default() += 1.0;
    }
    counts
}

fn product(weights: &[f32], vector: &[(usize, f32)]) -> f32 {
    let added = weights.last().copied().unwrap_or(0.0);
    let sum: f32 = vector.iter().map(|(place, v)| weights[*place] * v).sum();
    added + sum
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn narrow(value: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "as precise as the texts")]
    let value = value as f32;
    value
}

/// Logistic regression by accelerated gradient descent (Nesterov, 1983): rows have length one, so the curvature of each
/// is at most a half, counting the number that is added.
fn logistic(seen: &[(&Vec<(usize, f32)>, f32)], places: usize) -> Vec<f32> {
    let mut at = vec![0.0f32; places + 1];
    let mut ahead = at.clone();
    let pace = 1.0 / (0.5 * narrow(number(seen.len().max(1))) * 0.25 + PENALTY);
    for round in 0..ROUNDS {
        let mut slope: Vec<f32> = ahead.iter().map(|weight| PENALTY * weight).collect();
        slope[places] = 0.0;
        for (vector, score) in seen {
            let off = sigmoid(product(&ahead, vector)) - score;
            for (place, value) in *vector {
                slope[*place] += off * value;
            }
            slope[places] += off;
        }
        let push = narrow(number(round) / number(round + 3));
        for ((at, ahead), slope) in at.iter_mut().zip(&mut ahead).zip(&slope) {
            let next = *ahead - pace * slope;
            *ahead = next + push * (next - *at);
            *at = next;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_tell_workers_apart_are_learnt() {
        let mut table = Table::default();
        for at in 0..60 {
            let (subject, good) = if at % 2 == 0 {
                ("pump pressure", 1)
            } else {
                ("poem rhyme", 0)
            };
            let line = format!(
                "{{\"id\":\"{at}\",\"prompt\":\"a {subject} text\",\"scores\":{{\"x\":{good},\"y\":{}}}}}",
                1 - good
            );
            table.add(&line).unwrap();
        }
        let rows: Vec<usize> = (0..60).collect();
        let learnt = TfIdf::learn(&table, &rows, 2);
        let pump = learnt.chances("the pump pressure");
        let poem = learnt.chances("a rhyme in a poem");
        assert!(pump[0] > 0.6 && pump[1] < 0.4, "{pump:?}");
        assert!(poem[0] < 0.4 && poem[1] > 0.6, "{poem:?}");
    }
}
