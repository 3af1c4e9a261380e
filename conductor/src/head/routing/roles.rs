//! What the next turn is: a thinker's, a worker's or a verifier's, or none.
//!
//! After TRINITY (Sakana AI), whose head picks the role with the worker. Here it is a row of weights for each move, on what
//! the head knows by then: the chances of those who may work, who has written the answer, what has been done, and plain facts.
//! They are learnt from the reward of whole tasks ([`evolve`](crate::head::evolve)).

use std::collections::BTreeMap;

use crate::{
    route::{Candidate, Situation},
    task::Effort,
    workflow::Role,
};

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Somebody studies the task.
    Think,
    /// Somebody does it, or does it again.
    Work,
    /// Somebody checks the answer.
    Verify,
    /// The answer stands.
    Stop,
}

/// The facts that weights are for.
pub const FACTS: usize = 13;

/// The weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Roles {
    /// A row of [`FACTS`] for each move of [`Move::ALL`].
    weights: Vec<f32>,
}

impl Move {
    /// All, in the order of the rows.
    pub const ALL: [Self; 4] = [Self::Think, Self::Work, Self::Verify, Self::Stop];

    /// The word for it in a reason.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Think => "thinking",
            Self::Work => "working",
            Self::Verify => "verifying",
            Self::Stop => "stopping",
        }
    }
}

impl Default for Roles {
    /// As the rule has it, but an answer that is likely to be right is not verified.
    fn default() -> Self {
        let mut weights = vec![0.0; Move::ALL.len() * FACTS];
        let mut put = |of: Move, fact: usize, weight: f32| {
            weights[of as usize * FACTS + fact] = weight;
        };
        put(Move::Think, 9, 2.0);
        put(Move::Work, 0, 1.0);
        put(Move::Verify, 9, 1.0);
        put(Move::Stop, 3, 2.0);
        Self { weights }
    }
}

impl Roles {
    /// Takes weights of the right number that are numbers.
    #[must_use]
    pub fn try_new(weights: Vec<f32>) -> Option<Self> {
        let fits = weights.len() == Move::ALL.len() * FACTS;
        (fits && weights.iter().all(|weight| weight.is_finite())).then_some(Self { weights })
    }

    /// The weights, row by row.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The moves that are possible now, the best first, each with its points. At equal points the one that ends sooner.
    #[must_use]
    pub fn ranked(
        &self,
        facts: &[f32; FACTS],
        possible: impl Fn(Move) -> bool,
    ) -> Vec<(Move, f32)> {
        let rows = self.weights.chunks_exact(FACTS);
        let moves = Move::ALL.into_iter().zip(rows);
        let mut ranked: Vec<(Move, f32)> = moves
            .filter(|(of, _)| possible(*of))
            .map(|(of, row)| (of, row.iter().zip(facts).map(|(w, f)| w * f).sum()))
            .collect();
        ranked.sort_by(|(a, a_points), (b, b_points)| {
            b_points
                .total_cmp(a_points)
                .then((*b as usize).cmp(&(*a as usize)))
        });
        ranked
    }
}

/// What is known before a turn. Chances are counted from a half.
#[must_use]
pub fn facts(
    situation: &Situation<'_>,
    chances: &BTreeMap<String, f32>,
    usable: impl Fn(&Candidate) -> bool,
) -> [f32; FACTS] {
    let chance = |name: &str| chances.get(name).copied().unwrap_or(0.5);
    let able = |role: Role| {
        let may = situation.candidates(role).iter().filter(|c| usable(c));
        let mut all: Vec<f32> = may.map(|c| chance(c.worker.as_str())).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        all
    };
    let workers = able(Role::Worker);
    let best = workers.first().copied().unwrap_or(0.5);
    let next = workers.get(1).copied().unwrap_or(best);
    let author = situation.author().map(|done| chance(done.worker.as_str()));
    let verifier = able(Role::Verifier).first().copied().unwrap_or(0.5);
    let last = situation.done.last().map(|done| done.role);
    let is_last = |role: Role| f32::from(u8::from(last == Some(role)));
    let has = |skill: &str| f32::from(u8::from(situation.features.skills.contains(&skill)));
    let length = u16::try_from(situation.features.characters).unwrap_or(u16::MAX);
    let effort = match situation.effort {
        Effort::Low => -1.0,
        Effort::Medium => 0.0,
        Effort::High => 1.0,
    };
    [
        1.0,
        best - 0.5,
        best - next,
        author.map_or(0.0, |author| author - 0.5),
        verifier - 0.5,
        is_last(Role::Thinker),
        is_last(Role::Verifier),
        f32::from(situation.turn) / 5.0,
        (f32::from(length).ln_1p() - 5.0) / 2.0,
        effort,
        has("code"),
        has("math"),
        has("reasoning"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_is_as_the_rule_has_it() {
        let roles = Roles::default();
        let best = |facts: [f32; FACTS], moves: &[Move]| {
            roles.ranked(&facts, |of| moves.contains(&of))[0].0
        };
        let mut facts = [0.0; FACTS];
        facts[0] = 1.0;
        let first = [Move::Think, Move::Work];
        let after = [Move::Verify, Move::Stop];
        assert_eq!(best(facts, &first), Move::Work);
        // Likely right, it stands; likely wrong, it is verified.
        facts[3] = 0.3;
        assert_eq!(best(facts, &after), Move::Stop);
        facts[3] = -0.3;
        assert_eq!(best(facts, &after), Move::Verify);
        // A revision that was asked for is made.
        assert_eq!(best(facts, &[Move::Work, Move::Stop]), Move::Work);
        facts[9] = 1.0;
        assert_eq!(best(facts, &first), Move::Think);
        facts[9] = -1.0;
        facts[3] = 0.0;
        assert_eq!(best(facts, &after), Move::Stop);
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        let count = Move::ALL.len() * FACTS;
        assert!(Roles::try_new(vec![0.0; count]).is_some());
        assert!(Roles::try_new(vec![0.0; count - 1]).is_none());
        assert!(Roles::try_new(vec![f32::NAN; count]).is_none());
        assert_eq!(
            Roles::try_new(Roles::default().weights().to_vec()),
            Some(Roles::default())
        );
    }
}
