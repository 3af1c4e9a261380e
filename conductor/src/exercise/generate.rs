//! Exercises made fresh, so that nobody can have learnt them: arithmetic, extraction, classification, following of
//! instructions, and code with tests.

mod arithmetic;
mod classification;
mod code;
mod extraction;
mod instruction;

use fastrand::Rng;

use super::{Check, Exercise};

/// A sort of exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Sums in words.
    Arithmetic,
    /// Something that stands in a text.
    Extraction,
    /// Which of some classes a text is of.
    Classification,
    /// An answer of a given form.
    Instruction,
    /// A small Python function.
    Code,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::Arithmetic,
        Self::Extraction,
        Self::Classification,
        Self::Instruction,
        Self::Code,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Arithmetic => "arithmetic",
            Self::Extraction => "extraction",
            Self::Classification => "classification",
            Self::Instruction => "instruction",
            Self::Code => "code",
        }
    }

    fn make(self, rng: &mut Rng) -> (String, Check) {
        match self {
            Self::Arithmetic => arithmetic::make(rng),
            Self::Extraction => extraction::make(rng),
            Self::Classification => classification::make(rng),
            Self::Instruction => instruction::make(rng),
            Self::Code => code::make(rng),
        }
    }
}

/// Makes `count` exercises of these kinds, as many of each, no two with the same words as long as there are others. The same
/// seed makes the same.
#[must_use]
pub fn exercises(count: usize, kinds: &[Kind], seed: u64) -> Vec<Exercise> {
    /// How often something new is tried before the same words are taken again.
    const TRIES: usize = 20;
    let mut rng = Rng::with_seed(seed);
    let mut prompts = std::collections::HashSet::new();
    let each = kinds.iter().cycle().zip(0..count);
    each.map(|(kind, number)| {
        let mut made = kind.make(&mut rng);
        for _ in 0..TRIES {
            if prompts.insert(made.0.clone()) {
                break;
            }
            made = kind.make(&mut rng);
        }
        let (prompt, check) = made;
        Exercise {
            id: format!("{}-{seed}-{number}", kind.as_str()),
            kind: kind.as_str().to_owned(),
            prompt,
            check,
        }
    })
    .collect()
}

/// One of some.
fn one<'a, T: ?Sized>(rng: &mut Rng, of: &[&'a T]) -> &'a T {
    // None of the lists here is empty.
    of[rng.usize(..of.len())]
}

/// As many different ones of some, in any order.
fn some<'a>(rng: &mut Rng, count: usize, of: &[&'a str]) -> Vec<&'a str> {
    let mut all = of.to_vec();
    rng.shuffle(&mut all);
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exercise::Checked;

    #[test]
    fn a_seed_makes_the_same_exercises_and_another_seed_others() {
        let [one, again, other] = [1, 1, 2].map(|seed| exercises(50, &Kind::ALL, seed));
        assert_eq!(one, again);
        let prompts: Vec<&str> = one.iter().map(|e| e.prompt.as_str()).collect();
        let common = other
            .iter()
            .filter(|exercise| prompts.contains(&exercise.prompt.as_str()));
        assert!(common.count() < 10);
        for kind in Kind::ALL {
            let of = |e: &&Exercise| e.kind == kind.as_str();
            assert_eq!(one.iter().filter(of).count(), 10);
        }
    }

    #[test]
    fn every_check_can_be_passed_and_no_prompt_passes_its_own() {
        for exercise in exercises(500, &Kind::ALL, 7) {
            exercise.check.validate().unwrap();
            let right = match &exercise.check {
                Check::Exact(texts) => texts.all()[0].clone(),
                Check::Number(number) => format!("It is {number}."),
                Check::Json(value) => value.to_string(),
                // These have tests of their own.
                Check::Regex(_) | Check::Tests(_) => continue,
            };
            assert_eq!(exercise.check.check(&right), Checked::Right, "{exercise:?}");
            let wrong = exercise.check.check("I do not know.");
            assert_eq!(wrong, Checked::Wrong, "{exercise:?}");
        }
    }

    #[test]
    fn a_few_of_each_as_they_are() {
        let shown: Vec<String> = exercises(10, &Kind::ALL, 3)
            .iter()
            .map(|e| {
                format!(
                    "{}\n{}\n{}\n",
                    e.id,
                    e.prompt,
                    serde_json::to_string(&e.check).unwrap()
                )
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }
}
