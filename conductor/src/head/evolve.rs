//! Learning from rewards alone: sep-CMA-ES (Ros and Hansen, 2008, "A simple modification in CMA-ES achieving linear time and
//! space complexity"), which TRINITY (Sakana AI) trains its head by.
//!
//! A generation of candidates is drawn from a normal distribution whose axes are those of the weights; the better half moves
//! its mean, the variance of each axis, and the size of all. Nothing is known of the rewards but their order. What is kept
//! between generations is plain data, so that a run can be interrupted and goes on as if it had not been.

use serde::{Deserialize, Serialize};

use super::random::Random;

/// How the search goes.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Candidates of a generation.
    pub population: usize,
    /// How far the first ones are from where it begins.
    pub sigma: f64,
    /// Where chance begins.
    pub seed: u64,
}

/// A search between two generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evolution {
    population: usize,
    seed: u64,
    /// Generations so far.
    pub generation: u64,
    /// The best guess.
    pub mean: Vec<f64>,
    sigma: f64,
    variances: Vec<f64>,
    /// The paths that variances and size follow.
    path: Vec<f64>,
    size_path: Vec<f64>,
}

/// What the paper calls them, for a number of weights and of candidates.
struct Constants {
    shares: Vec<f64>,
    effective: f64,
    size_rate: f64,
    size_damping: f64,
    path_rate: f64,
    rank_one: f64,
    rank_mu: f64,
    /// The mean length of a normal vector.
    length: f64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "small numbers of weights and candidates"
)]
impl Constants {
    fn of(weights: usize, population: usize) -> Self {
        let n = weights as f64;
        let parents = population / 2;
        let raw: Vec<f64> = (1..=parents)
            .map(|rank| (population as f64 / 2.0 + 0.5).ln() - (rank as f64).ln())
            .collect();
        let sum: f64 = raw.iter().sum();
        let shares: Vec<f64> = raw.into_iter().map(|share| share / sum).collect();
        let effective = 1.0 / shares.iter().map(|share| share * share).sum::<f64>();
        let size_rate = (effective + 2.0) / (n + effective + 5.0);
        let path_rate = (4.0 + effective / n) / (n + 4.0 + 2.0 * effective / n);
        // Only the diagonal is learnt, so it can be learnt faster.
        let faster = (n + 2.0) / 3.0;
        let rank_one = faster * 2.0 / ((n + 1.3).powi(2) + effective);
        let rank_mu =
            faster * 2.0 * (effective - 2.0 + 1.0 / effective) / ((n + 2.0).powi(2) + effective);
        let rank_one = rank_one.min(0.5);
        Self {
            size_damping: 1.0
                + 2.0 * (((effective - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0)
                + size_rate,
            length: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
            rank_mu: rank_mu.min(1.0 - rank_one),
            shares,
            effective,
            size_rate,
            path_rate,
            rank_one,
        }
    }
}

impl Evolution {
    /// Begins at some weights.
    #[must_use]
    pub fn new(from: &[f32], search: Search) -> Self {
        let count = from.len();
        Self {
            population: search.population.max(4),
            seed: search.seed,
            generation: 0,
            mean: from.iter().copied().map(f64::from).collect(),
            sigma: search.sigma,
            variances: vec![1.0; count],
            path: vec![0.0; count],
            size_path: vec![0.0; count],
        }
    }

    /// Whether it is of so many weights and sound, as a file that somebody changed may not be.
    #[must_use]
    pub fn is_sound(&self, weights: usize) -> bool {
        let all = [&self.mean, &self.variances, &self.path, &self.size_path];
        let whole = all.iter().all(|all| all.len() == weights);
        let finite = all.iter().copied().flatten().all(|value| value.is_finite());
        let positive = self.variances.iter().all(|variance| *variance > 0.0);
        let sized = self.sigma.is_finite() && self.sigma > 0.0 && self.population >= 4;
        weights > 0 && whole && finite && positive && sized && self.population <= 4_096
    }

    /// How far candidates are from the mean, about.
    #[must_use]
    pub const fn sigma(&self) -> f64 {
        self.sigma
    }

    /// The best guess as weights.
    #[must_use]
    pub fn weights(&self) -> Vec<f32> {
        self.mean.iter().copied().map(narrow).collect()
    }

    /// The candidates of this generation, the same ones each time it is asked.
    #[must_use]
    pub fn candidates(&self) -> Vec<Vec<f32>> {
        let steps = self.steps();
        let each = steps.iter().map(|steps| {
            let step = self.mean.iter().zip(steps).zip(&self.variances);
            step.map(|((mean, step), variance)| narrow(mean + self.sigma * variance.sqrt() * step))
                .collect()
        });
        each.collect()
    }

    /// Normal numbers for each candidate.
    fn steps(&self) -> Vec<Vec<f64>> {
        let generation = self.generation.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = Random::new(self.seed ^ generation);
        (0..self.population)
            .map(|_| {
                let numbers = (0..self.mean.len()).map(|_| f64::from(random.normal()));
                numbers.collect()
            })
            .collect()
    }

    /// Goes on to the next generation, from the reward of each candidate.
    pub fn reward(&mut self, rewards: &[f64]) {
        let constants = Constants::of(self.mean.len(), self.population);
        let steps = self.steps();
        let mut order: Vec<usize> = (0..steps.len()).collect();
        let of = |at: usize| rewards.get(at).copied().unwrap_or(f64::MIN);
        order.sort_by(|a, b| of(*b).total_cmp(&of(*a)));
        let best = || constants.shares.iter().zip(&order);
        let Constants {
            effective,
            size_rate,
            path_rate,
            rank_one,
            rank_mu,
            ..
        } = constants;
        let along = |at: usize, of: fn(f64) -> f64| -> f64 {
            best().map(|(share, who)| share * of(steps[*who][at])).sum()
        };
        let mean_steps: Vec<f64> = (0..self.mean.len()).map(|at| along(at, |z| z)).collect();
        for (path, step) in self.size_path.iter_mut().zip(&mean_steps) {
            let pull = (size_rate * (2.0 - size_rate) * effective).sqrt();
            *path = (1.0 - size_rate) * *path + pull * step;
        }
        let length = self.size_path.iter().map(|x| x * x).sum::<f64>().sqrt();
        self.generation += 1;
        let passed = i32::try_from(self.generation).unwrap_or(i32::MAX);
        let settled = (1.0 - (1.0 - size_rate).powi(2 * passed)).sqrt();
        #[expect(clippy::cast_precision_loss, reason = "a small number of weights")]
        let bound = 1.4 + 2.0 / (self.mean.len() as f64 + 1.0);
        // A path that is suddenly long says nothing of the variances.
        let moves = if length / settled < bound * constants.length {
            1.0
        } else {
            0.0
        };
        for (at, step) in mean_steps.iter().enumerate() {
            let deviation = self.variances[at].sqrt();
            self.mean[at] += self.sigma * deviation * step;
            let pull = moves * (path_rate * (2.0 - path_rate) * effective).sqrt();
            self.path[at] = (1.0 - path_rate) * self.path[at] + pull * deviation * step;
            let lacking = (1.0 - moves) * path_rate * (2.0 - path_rate);
            let old = self.variances[at];
            self.variances[at] = (1.0 - rank_one - rank_mu) * old
                + rank_one * (self.path[at].powi(2) + lacking * old)
                + rank_mu * old * along(at, |z| z * z);
        }
        let grows = size_rate / constants.size_damping * (length / constants.length - 1.0);
        self.sigma *= grows.min(1.0).exp();
    }
}

fn narrow(value: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a weight")]
    let value = value as f32;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEARCH: Search = Search {
        population: 12,
        sigma: 0.5,
        seed: 4,
    };

    /// An ellipsoid whose axes differ by a thousand, with its top at 1, -1, 1, ...
    fn reward(weights: &[f32]) -> f64 {
        let axes = (0..).zip(weights);
        -axes
            .map(|(at, weight)| {
                let top = if at % 2 == 0 { 1.0 } else { -1.0 };
                10f64.powf(f64::from(at) / 3.0) * (f64::from(*weight) - top).powi(2)
            })
            .sum::<f64>()
    }

    fn run(evolution: &mut Evolution, generations: usize) {
        for _ in 0..generations {
            let candidates = evolution.candidates();
            let rewards: Vec<f64> = candidates.iter().map(|c| reward(c)).collect();
            evolution.reward(&rewards);
        }
    }

    #[test]
    fn the_top_of_a_long_hill_is_found() {
        let mut evolution = Evolution::new(&[0.0; 10], SEARCH);
        run(&mut evolution, 400);
        assert!(reward(&evolution.weights()) > -1e-6, "{evolution:?}");
        assert!(evolution.sigma() < 0.01);
    }

    #[test]
    fn one_that_was_interrupted_goes_on_as_if_it_had_not_been() {
        let mut whole = Evolution::new(&[0.0; 4], SEARCH);
        run(&mut whole, 30);
        let mut first = Evolution::new(&[0.0; 4], SEARCH);
        run(&mut first, 11);
        let kept = serde_json::to_string(&first).unwrap();
        let mut second: Evolution = serde_json::from_str(&kept).unwrap();
        run(&mut second, 19);
        assert_eq!(whole, second);
    }

    #[test]
    fn noise_and_worthless_rewards_do_no_harm() {
        let mut random = Random::new(3);
        let mut evolution = Evolution::new(&[0.0; 3], SEARCH);
        for round in 0..60 {
            let rewards: Vec<f64> = evolution
                .candidates()
                .iter()
                .map(|c| match round % 3 {
                    0 => 0.0,
                    1 => f64::NAN,
                    _ => reward(c) + f64::from(random.normal()),
                })
                .collect();
            evolution.reward(&rewards);
            assert!(evolution.is_sound(3), "{evolution:?}");
        }
    }

    #[test]
    fn a_state_that_somebody_changed_is_found_out() {
        let sound = Evolution::new(&[0.0; 3], SEARCH);
        assert!(sound.is_sound(3) && !sound.is_sound(4));
        let mut broken = sound;
        broken.variances[1] = -1.0;
        assert!(!broken.is_sound(3));
    }
}
