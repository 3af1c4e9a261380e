//! How able workers are and how hard exercises, from who solved what.

/// How wide abilities and difficulties are taken to spread before anything is known, as a standard deviation in logits.
const SPREAD: f64 = 2.0;
/// Steps; it settles in far fewer.
const STEPS: usize = 200;
/// The change at which it has settled, in logits.
const SETTLED: f64 = 1e-6;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Abilities {
    /// Of each worker, in logits; 0 solves half of the exercises of middle difficulty.
    pub workers: Vec<f64>,
    /// Of each exercise, in logits.
    pub exercises: Vec<f64>,
}

/// Fits the one-parameter model of item response theory (Rasch, 1960): the chance that a worker solves an exercise is the
/// logistic function of its ability less the exercise's difficulty. The most likely values, with normal priors so that
/// nobody is infinitely able. `solved[worker][exercise]` is from 0 to 1, `None` where it was not tried.
#[must_use]
pub fn fit(solved: &[Vec<Option<f64>>]) -> Abilities {
    let exercises = solved.iter().map(Vec::len).max().unwrap_or(0);
    let mut found = Abilities {
        workers: vec![0.0; solved.len()],
        exercises: vec![0.0; exercises],
    };
    for _ in 0..STEPS {
        let mut change: f64 = 0.0;
        for (ability, solved) in found.workers.iter_mut().zip(solved) {
            let each = solved.iter().zip(&found.exercises);
            let step = newton(*ability, each.filter_map(|(s, hard)| Some(((*s)?, *hard))));
            change = change.max(step.abs());
            *ability += step;
        }
        for (at, hard) in found.exercises.iter_mut().enumerate() {
            let each = solved.iter().zip(&found.workers);
            // An exercise is as hard as it is unsolved.
            let missed = each.filter_map(|(solved, ability)| {
                let solved = solved.get(at).copied().flatten()?;
                Some((1.0 - solved, *ability))
            });
            let step = newton(*hard, missed);
            change = change.max(step.abs());
            *hard += step;
        }
        if change < SETTLED {
            break;
        }
    }
    found
}

/// One step of Newton's method for a value whose outcomes follow the logistic function of what it is above the others'.
fn newton(value: f64, outcomes: impl Iterator<Item = (f64, f64)>) -> f64 {
    let precision = 1.0 / (SPREAD * SPREAD);
    let (mut slope, mut curve) = (-value * precision, precision);
    for (outcome, other) in outcomes {
        let chance = 1.0 / (1.0 + (other - value).exp());
        slope += outcome - chance;
        curve += chance * (1.0 - chance);
    }
    (slope / curve).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_able_are_told_from_the_less_able_and_the_hard_from_the_easy() {
        // Three workers of ability -1, 0 and 2 on exercises from easy to hard, with the chances themselves as outcomes.
        let chance = |ability: f64, hard: f64| 1.0 / (1.0 + (hard - ability).exp());
        let hard: Vec<f64> = (0..40).map(|n| f64::from(n) * 0.1 - 2.0).collect();
        let solved: Vec<Vec<Option<f64>>> = [-1.0, 0.0, 2.0]
            .iter()
            .map(|a| hard.iter().map(|h| Some(chance(*a, *h))).collect())
            .collect();
        let found = fit(&solved);
        let [low, middle, high] = found.workers[..] else {
            panic!("there are three");
        };
        // The priors draw them together a little.
        assert!((middle - low - 1.0).abs() < 0.35, "{found:?}");
        assert!((high - middle - 2.0).abs() < 0.7, "{found:?}");
        assert!(found.exercises.is_sorted(), "{found:?}");
    }

    #[test]
    fn who_solves_all_or_was_never_asked_has_an_ability_all_the_same() {
        let found = fit(&[vec![Some(1.0); 20], vec![Some(0.0); 20], vec![None; 20]]);
        let [all, none, unasked] = found.workers[..] else {
            panic!("there are three");
        };
        assert!(all > 1.0 && all < 10.0, "{all}");
        assert!(none < -1.0 && none > -10.0, "{none}");
        assert_eq!(unasked, 0.0);
        assert_eq!(fit(&[]).workers, Vec::<f64>::new());
    }
}
