//! Weighted ridge regression on wide rows, half of them mostly empty, for several outputs at once.

use crate::head::matrix::{add_product, add_product_of_transposed};

/// Outputs are worked on in multiples of this; see [`matrix`](crate::head::matrix).
const LANES: usize = 16;
/// The most steps of the conjugate gradients.
const STEPS: usize = 60;
/// They end where the remainder is this share of what it was.
const ENOUGH: f64 = 1e-4;

/// Rows: `width` numbers each, and words.
#[derive(Clone, Debug, Default)]
pub(super) struct Design<'a> {
    pub width: usize,
    /// How many places words may have.
    pub places: usize,
    pub dense: Vec<f32>,
    pub words: Vec<&'a [(u16, f32)]>,
}

/// A coefficient for each number and each place, by output; outputs are padded to [`lanes`].
pub(super) type Weights = Vec<f32>;

/// How many outputs there are with the padding.
pub(super) fn lanes(outputs: usize) -> usize {
    outputs.next_multiple_of(LANES)
}

impl Design<'_> {
    /// Coefficients of an output.
    pub fn length(&self) -> usize {
        self.width + self.places
    }

    /// The outputs of all rows, `lanes` each.
    pub fn outputs(&self, weights: &[f32], lanes: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.words.len() * lanes];
        let (dense, places) = weights.split_at(self.width * lanes);
        add_product(&self.dense, dense, &mut out, self.width, lanes);
        for (out, words) in out.chunks_exact_mut(lanes).zip(&self.words) {
            for &(place, value) in *words {
                let from = usize::from(place) * lanes;
                for (out, weight) in out.iter_mut().zip(&places[from..from + lanes]) {
                    *out += value * weight;
                }
            }
        }
        out
    }

    /// The transpose of [`outputs`](Self::outputs).
    fn back(&self, rows: &[f32], lanes: usize) -> Weights {
        let mut weights = vec![0.0; self.length() * lanes];
        let (dense, places) = weights.split_at_mut(self.width * lanes);
        add_product_of_transposed(&self.dense, rows, dense, self.width, lanes);
        for (row, words) in rows.chunks_exact(lanes).zip(&self.words) {
            for &(place, value) in *words {
                let from = usize::from(place) * lanes;
                for (weight, row) in places[from..from + lanes].iter_mut().zip(row) {
                    *weight += value * row;
                }
            }
        }
        weights
    }

    /// The coefficients x with the least sum of `counts` (outputs - `targets`)² + `penalty` x², from `start` on, by
    /// conjugate gradients (Hestenes and Stiefel, 1952) on the normal equations, each output by itself. `targets` and
    /// `counts` have a row of [`lanes`] for each row.
    pub fn solve(
        &self,
        targets: &[f32],
        counts: &[f32],
        penalty: f32,
        start: Weights,
        lanes: usize,
    ) -> Weights {
        let apply = |weights: &[f32]| {
            let mut rows = self.outputs(weights, lanes);
            for (row, count) in rows.iter_mut().zip(counts) {
                *row *= count;
            }
            let mut out = self.back(&rows, lanes);
            for (out, weight) in out.iter_mut().zip(weights) {
                *out += penalty * weight;
            }
            out
        };
        let wanted: Vec<f32> = targets.iter().zip(counts).map(|(t, c)| t * c).collect();
        let wanted = self.back(&wanted, lanes);
        let goal: Vec<f64> = products(&wanted, &wanted, lanes);
        let mut found = start;
        let mut rest: Vec<f32> = wanted
            .iter()
            .zip(apply(&found))
            .map(|(wanted, is)| wanted - is)
            .collect();
        let mut way = rest.clone();
        let mut size = products(&rest, &rest, lanes);
        for _ in 0..STEPS {
            let is_done = |(size, goal): (&f64, &f64)| *size <= goal * ENOUGH * ENOUGH;
            if size.iter().zip(&goal).all(is_done) {
                break;
            }
            let image = apply(&way);
            let along = products(&way, &image, lanes);
            let step = ratios(&size, &along);
            for (((found, rest), way), image) in found
                .chunks_exact_mut(lanes)
                .zip(rest.chunks_exact_mut(lanes))
                .zip(way.chunks_exact(lanes))
                .zip(image.chunks_exact(lanes))
            {
                for lane in 0..lanes {
                    found[lane] += step[lane] * way[lane];
                    rest[lane] -= step[lane] * image[lane];
                }
            }
            let next = products(&rest, &rest, lanes);
            let turn = ratios(&next, &size);
            for (way, rest) in way.chunks_exact_mut(lanes).zip(rest.chunks_exact(lanes)) {
                for lane in 0..lanes {
                    way[lane] = rest[lane] + turn[lane] * way[lane];
                }
            }
            size = next;
        }
        found
    }
}

fn products(a: &[f32], b: &[f32], lanes: usize) -> Vec<f64> {
    let mut sums = vec![0.0; lanes];
    for (a, b) in a.chunks_exact(lanes).zip(b.chunks_exact(lanes)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f64::from(*a) * f64::from(*b);
        }
    }
    sums
}

/// Each of `a` over that of `b`; nought where there is nothing.
fn ratios(a: &[f64], b: &[f64]) -> Vec<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "as precise as the rows")]
    let ratio = |(a, b): (&f64, &f64)| if *b > 0.0 { (a / b) as f32 } else { 0.0 };
    a.iter().zip(b).map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::random::Random;

    /// The gradient of what is to be least is nought at what is found, with words and counts and two outputs.
    #[test]
    fn what_is_found_is_the_least() {
        let mut random = Random::new(3);
        let (rows, width, lanes) = (40, 5, lanes(2));
        let words: Vec<Vec<(u16, f32)>> = (0..rows)
            .map(|row| vec![(u16::try_from(row % 7).unwrap(), random.normal())])
            .collect();
        let design = Design {
            width,
            places: 7,
            dense: (0..rows * width).map(|_| random.normal()).collect(),
            words: words.iter().map(Vec::as_slice).collect(),
        };
        let mut targets = vec![0.0; rows * lanes];
        let mut counts = vec![0.0; rows * lanes];
        for row in 0..rows {
            for output in 0..2 {
                targets[row * lanes + output] = random.normal();
                counts[row * lanes + output] = random.unit();
            }
        }
        let start = vec![0.0; design.length() * lanes];
        let found = design.solve(&targets, &counts, 0.7, start, lanes);
        let mut off = design.outputs(&found, lanes);
        for ((off, target), count) in off.iter_mut().zip(&targets).zip(&counts) {
            *off = (*off - target) * count;
        }
        let gradient = design.back(&off, lanes);
        assert!(found.iter().any(|weight| weight.abs() > 0.05));
        for (gradient, weight) in gradient.iter().zip(&found) {
            assert!((gradient + 0.7 * weight).abs() < 2e-3);
        }
    }
}
