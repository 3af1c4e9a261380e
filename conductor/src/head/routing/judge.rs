//! From what is seen of a prompt to the chance of each worker.

use std::collections::BTreeMap;

use super::{
    ability::{Ability, Belief},
    likeness::Likeness,
    look::{BUCKETS, Look, PLAIN},
};
use crate::head::{
    half::{from_half, to_half},
    sensitivity::Norm,
};

/// How much plain facts count beside the states, whose rows have length one.
const FACTS: f32 = 1.0;
/// How much words count.
const WORDS: f32 = 1.5;

/// How looks become rows of one scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Of the states and the facts.
    pub norm: Norm,
    /// How much each place of the words counts: seldom ones more.
    pub rarity: Vec<f32>,
}

/// A look on one scale: its numbers, and its words by place.
pub type Row = (Vec<f32>, Vec<(u16, f32)>);

/// What a prompt asks for, and what each worker is able to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Judge {
    /// How looks become rows.
    pub scale: Scale,
    /// What prompts are held against.
    pub likeness: Likeness,
    /// How many factors there are.
    pub factors: usize,
    /// A row of factors for each number of a row, for each likeness, for each place of the words, and one that is added.
    pub weights: Vec<f32>,
    /// The workers that it knows.
    pub abilities: BTreeMap<String, Ability>,
}

impl Scale {
    /// That of these looks.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "numbers of rows")]
    pub fn of<'a>(looks: impl Iterator<Item = &'a Look> + Clone) -> Self {
        let width = looks.clone().next().map_or(0, |look| look.dense.len());
        let mut seen = vec![0usize; BUCKETS];
        let mut count = 0usize;
        for look in looks.clone() {
            count += 1;
            for (place, _) in &look.words {
                seen[usize::from(*place)] += 1;
            }
        }
        let rarity = seen
            .into_iter()
            .map(|seen| ((1 + count) as f32 / (1 + seen) as f32).ln())
            .map(as_kept)
            .collect();
        let mut norm = Norm::of(looks.map(|look| look.dense.as_slice()), width);
        for value in norm.mean.iter_mut().chain(&mut norm.scale) {
            *value = as_kept(*value);
        }
        Self { norm, rarity }
    }

    /// How many numbers a row has before the words.
    #[must_use]
    pub fn width(&self) -> usize {
        self.norm.mean.len()
    }

    /// The row of a look.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "the width of a row")]
    pub fn row(&self, look: &Look) -> Row {
        let mut dense = look.dense.clone();
        dense.resize(self.width(), 0.0);
        self.norm.apply(&mut dense);
        let states = dense.len().saturating_sub(PLAIN);
        let (state, facts) = dense.split_at_mut(states);
        let scale = 1.0 / (states.max(1) as f32).sqrt();
        state.iter_mut().for_each(|value| *value *= scale);
        let scale = FACTS / (PLAIN as f32).sqrt();
        facts.iter_mut().for_each(|value| *value *= scale);
        let mut words: Vec<(u16, f32)> = look
            .words
            .iter()
            .map(|&(place, value)| {
                let rarity = self.rarity.get(usize::from(place)).copied().unwrap_or(0.0);
                (place, value * rarity)
            })
            .collect();
        let length = words
            .iter()
            .map(|(_, value)| value * value)
            .sum::<f32>()
            .sqrt();
        for (_, value) in &mut words {
            *value *= WORDS / length.max(1e-6);
        }
        (dense, words)
    }
}

/// What a file would keep of it, so that learning sees what the head will see.
pub(super) fn as_kept(value: f32) -> f32 {
    from_half(to_half(value))
}

impl Judge {
    /// What the prompt asks for.
    #[must_use]
    pub fn factors(&self, look: &Look) -> Vec<f32> {
        let (mut dense, words) = self.scale.row(look);
        dense.extend(self.likeness.to(&dense));
        let weights = |at: usize| {
            let from = at * self.factors;
            self.weights
                .get(from..from + self.factors)
                .unwrap_or_default()
        };
        let mut factors = weights(dense.len() + BUCKETS).to_vec();
        let words = words
            .into_iter()
            .map(|(place, value)| (dense.len() + usize::from(place), value));
        let dense = dense.iter().copied().enumerate();
        for (at, value) in dense.chain(words) {
            for (factor, weight) in factors.iter_mut().zip(weights(at)) {
                *factor += value * weight;
            }
        }
        factors
    }

    /// The chance of a worker; `None` if it is not known.
    #[must_use]
    pub fn chance(&self, worker: &str, factors: &[f32]) -> Option<f32> {
        let ability = self.abilities.get(worker)?;
        Some(ability.chance(factors))
    }

    /// Takes a worker in that learning did not know, by what it made of some prompts: their factors, and its success from 0
    /// to 1. Nothing else changes.
    pub fn join(&mut self, worker: &str, seen: &[(Vec<f32>, f32)]) {
        let others = self.abilities.iter().filter(|(name, _)| *name != worker);
        let others = others.map(|(_, ability)| ability);
        let belief = Belief::like(others, self.factors);
        let seen = seen.iter().map(|(f, success)| (f.as_slice(), *success));
        let ability = Ability::fit(&belief, seen);
        self.abilities.insert(worker.to_owned(), ability);
    }
}
