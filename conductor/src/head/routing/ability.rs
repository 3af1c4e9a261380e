//! What a worker is able to do: how likely it succeeds, given what a prompt asks for.
//!
//! As in item response theory (Reckase, Multidimensional Item Response Theory, 2009, chapter 4) the chance is the logistic
//! function of an offset and a product of two vectors: the worker's ability, and what the prompt asks for (its factors).

use super::symmetric;

/// Newton's steps; few are needed, and each makes the error about its square.
const STEPS: usize = 25;

/// Of one worker: its offset and its slope for each factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Ability(pub Vec<f32>);

/// What is believed of a worker before it is seen: mean and precision (one over the variance) of each number.
#[derive(Clone, Debug, PartialEq)]
pub struct Belief {
    mean: Vec<f64>,
    precision: Vec<f64>,
}

impl Ability {
    /// The chance of success at a prompt with these factors, from 0 to 1.
    #[must_use]
    pub fn chance(&self, factors: &[f32]) -> f32 {
        let Some((offset, slopes)) = self.0.split_first() else {
            return 0.5;
        };
        let sum: f32 = slopes.iter().zip(factors).map(|(a, b)| a * b).sum();
        1.0 / (1.0 + (-(offset + sum)).exp())
    }

    /// The ability that is most likely after `seen`: factors, and the success from 0 to 1.
    #[must_use]
    pub fn fit<'a>(belief: &Belief, seen: impl Iterator<Item = (&'a [f32], f32)> + Clone) -> Self {
        let size = belief.mean.len();
        let mut x = belief.mean.clone();
        for _ in 0..STEPS {
            let mut slope: Vec<f64> = (0..size)
                .map(|at| belief.precision[at] * (belief.mean[at] - x[at]))
                .collect();
            let mut curve = vec![0.0; size * size];
            for at in 0..size {
                curve[at * size + at] = belief.precision[at];
            }
            for (factors, success) in seen.clone() {
                let value = |at: usize| match at {
                    0 => 1.0,
                    at => factors.get(at - 1).copied().map_or(0.0, f64::from),
                };
                let sum: f64 = (0..size).map(|at| x[at] * value(at)).sum();
                let chance = 1.0 / (1.0 + (-sum).exp());
                let (off, weight) = (f64::from(success) - chance, chance * (1.0 - chance));
                for row in 0..size {
                    slope[row] += off * value(row);
                    for column in 0..=row {
                        curve[row * size + column] += weight * value(row) * value(column);
                    }
                }
            }
            for row in 0..size {
                for column in 0..row {
                    curve[column * size + row] = curve[row * size + column];
                }
            }
            let step = symmetric::solve(&curve, &slope);
            // A long step may miss; the curve is least where the chances are extreme.
            let long = step.iter().fold(0.0f64, |long, step| long.max(step.abs()));
            let share = if long > 2.0 { 2.0 / long } else { 1.0 };
            for (x, step) in x.iter_mut().zip(&step) {
                *x += share * step;
            }
            if long < 1e-7 {
                break;
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "as precise as the factors")]
        Self(x.into_iter().map(|x| x as f32).collect())
    }
}

impl Belief {
    /// Hardly anything, with so many factors.
    #[must_use]
    pub fn open(factors: usize) -> Self {
        Self {
            mean: vec![0.0; factors + 1],
            precision: vec![0.1; factors + 1],
        }
    }

    /// That it is about like the others.
    #[must_use]
    pub fn like<'a>(others: impl Iterator<Item = &'a Ability> + Clone, factors: usize) -> Self {
        let mut belief = Self::open(factors);
        let count = others.clone().count();
        if count < 2 {
            return belief;
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of workers")]
        let count = count as f64;
        for at in 0..=factors {
            let values = others
                .clone()
                .map(|ability| ability.0.get(at).copied().map_or(0.0, f64::from));
            let mean = values.clone().sum::<f64>() / count;
            let spread = values.map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            belief.mean[at] = mean;
            belief.precision[at] = 1.0 / (spread + 0.02);
        }
        belief
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::random::Random;

    /// Prompts of two factors, and how a worker with `truth` does them.
    fn seen(truth: &Ability, count: usize, seed: u64) -> Vec<(Vec<f32>, f32)> {
        let mut random = Random::new(seed);
        (0..count)
            .map(|_| {
                let factors = vec![random.normal(), random.normal()];
                let chance = truth.chance(&factors);
                let success = f32::from(u8::from(random.unit() < chance));
                (factors, success)
            })
            .collect()
    }

    fn fitted(belief: &Belief, seen: &[(Vec<f32>, f32)]) -> Ability {
        Ability::fit(belief, seen.iter().map(|(f, s)| (f.as_slice(), *s)))
    }

    #[test]
    fn an_ability_is_found_again_and_what_is_believed_helps_where_little_is_seen() {
        let truth = Ability(vec![0.5, 1.5, -1.0]);
        let much = fitted(&Belief::open(2), &seen(&truth, 4_000, 1));
        for (found, truth) in much.0.iter().zip(&truth.0) {
            assert!((found - truth).abs() < 0.15, "{much:?}");
        }
        let others = [
            Ability(vec![0.4, 1.4, -1.1]),
            Ability(vec![0.8, 1.6, -0.9]),
            Ability(vec![0.2, 1.5, -1.2]),
        ];
        let little = seen(&truth, 12, 2);
        let off = |ability: &Ability| -> f32 {
            let pairs = ability.0.iter().zip(&truth.0);
            pairs.map(|(a, b)| (a - b).powi(2)).sum()
        };
        let like = Belief::like(others.iter(), 2);
        let alone = off(&fitted(&Belief::open(2), &little));
        assert!(off(&fitted(&like, &little)) < alone);
    }

    #[test]
    fn a_worker_that_never_fails_has_an_ability_all_the_same() {
        let all: Vec<_> = (0..50).map(|_| (vec![0.0, 1.0], 1.0)).collect();
        let ability = fitted(&Belief::open(2), &all);
        assert!(ability.chance(&[0.0, 1.0]) > 0.9);
        assert!(ability.0.iter().all(|value| value.is_finite()));
    }
}
