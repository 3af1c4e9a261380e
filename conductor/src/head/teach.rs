//! From examples with their states to a sensitivity head, and how good it is on texts that it was not taught on.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use super::{
    example::{Example, Truth},
    half::{from_half, to_half},
    learn::{Course, Lesson, Target, learn},
    net::{Input, Net, Sizes},
    random::Random,
    sensitivity::{Cuts, Norm, OUTPUTS, STEP, Sensitivity, vote},
    shape::{SHAPE, shapes},
    states::{Reading, States},
    words::{pooled, words},
};

/// How a head is made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How each of its networks is learnt; the seed is that of the first.
    pub course: Course,
    /// Networks.
    pub nets: u8,
    /// Numbers that a state is projected to.
    pub projected: usize,
    /// Hidden values.
    pub hidden: usize,
    /// Words on each side that a window takes in.
    pub reach: usize,
    /// Texts in which people marked units are dealt to folds one by one, even where they are the same.
    pub by_row: bool,
}

impl Plan {
    /// The one that the head of this program was made by.
    #[must_use]
    pub const fn new(threads: usize) -> Self {
        Self {
            course: Course {
                rounds: 10,
                step: 2e-3,
                decay: 0.1,
                drop: 0.4,
                share: 10.0,
                weights: [1.0, 40.0],
                seed: 1,
                threads,
            },
            nets: 1,
            projected: 64,
            hidden: 128,
            reach: 2,
            by_row: false,
        }
    }
}

/// Examples with what the backbone and their looks say of each word.
#[derive(Debug, Default)]
pub struct School {
    texts: Vec<Text>,
    norm: Option<Norm>,
    width: usize,
    tokens: usize,
}

#[derive(Debug)]
struct Text {
    example: Example,
    words: Vec<Range<usize>>,
    /// Pooled states, until all are there.
    halves: Vec<u16>,
    lesson: Lesson,
    /// What each word is, as this text was marked.
    targets: Vec<Target>,
}

/// A text's words with what a head that was not taught on it says of them.
#[derive(Debug)]
pub struct Judged<'s> {
    /// Its place in the school.
    pub at: usize,
    /// The text.
    pub example: &'s Example,
    /// Its words.
    pub words: &'s [Range<usize>],
    /// The outputs, [`OUTPUTS`] for each word.
    pub outputs: Vec<f32>,
}

impl School {
    /// Takes in one example, read with `reading`.
    pub fn add(&mut self, example: Example, reading: &Reading, states: &States) {
        let words = words(&example.text);
        let pooled = pooled(&words, states, reading.layers.len());
        self.width = self.width.max(states.width);
        self.tokens += states.ends.len();
        let lesson = Lesson {
            states: Vec::new(),
            shapes: shapes(&example.text, &words),
            spans: matches!(example.truth, Truth::Spans(_)),
        };
        self.texts.push(Text {
            targets: example.targets(&words),
            example,
            words,
            halves: pooled.into_iter().map(to_half).collect(),
            lesson,
        });
    }

    /// Brings all states to one scale: the given one, or that of the examples.
    pub fn settle(&mut self, norm: Option<Norm>) {
        let width = self.width.max(1);
        let norm = norm.unwrap_or_else(|| {
            let rows = self
                .texts
                .iter()
                .flat_map(|text| text.halves.chunks_exact(width));
            let rows: Vec<Vec<f32>> = rows
                .step_by(5)
                .map(|row| row.iter().map(|half| from_half(*half)).collect())
                .collect();
            Norm::of(rows.iter().map(Vec::as_slice), width)
        });
        for text in &mut self.texts {
            let halves = std::mem::take(&mut text.halves);
            let mut states: Vec<f32> = halves.into_iter().map(from_half).collect();
            norm.apply(&mut states);
            text.lesson.states = Norm::steps(&states);
        }
        self.norm = Some(norm);
    }

    /// The texts that `which` chooses, and what each word of them is taught to be. Where people marked units in the same text
    /// several times, each of them counts: who marked fewer overlooked some, and what is learnt from both would be neither.
    fn lessons(&self, which: impl Fn(usize) -> bool) -> Vec<(&Lesson, Cow<'_, [Target]>)> {
        let texts = self.texts.iter().enumerate();
        let texts: Vec<&Text> = texts
            .filter(|(at, text)| which(*at) && !text.words.is_empty())
            .map(|(_, text)| text)
            .collect();
        let mut agreed: HashMap<&str, Vec<Target>> = HashMap::new();
        for text in texts.iter().filter(|text| !text.lesson.spans) {
            let known = agreed.entry(text.example.text.as_str());
            let known = known.or_insert_with(|| text.targets.clone());
            for (known, target) in known.iter_mut().zip(&text.targets) {
                known.sensitive |= target.sensitive;
            }
        }
        let taught = texts.iter().map(|text| {
            let agreed = agreed.get(text.example.text.as_str());
            let targets = match agreed.filter(|_| !text.lesson.spans) {
                Some(agreed) => Cow::Owned(agreed.clone()),
                None => Cow::Borrowed(text.targets.as_slice()),
            };
            (&text.lesson, targets)
        });
        taught.collect()
    }

    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// How many tokens they have together.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The fold of each text. Those of one template are in one fold, unless units are dealt by row.
    #[must_use]
    pub fn folds(&self, count: usize, by_row: bool) -> Vec<usize> {
        let name = |(at, text): (usize, &Text)| match &text.example.truth {
            Truth::Units(_) if by_row => format!("{at}"),
            _ => text.example.template(),
        };
        let names: Vec<String> = self.texts.iter().enumerate().map(name).collect();
        let mut groups: Vec<&String> = names.iter().collect();
        groups.sort();
        groups.dedup();
        Random::new(7).shuffle(&mut groups);
        let fold: BTreeMap<&String, usize> = groups
            .into_iter()
            .enumerate()
            .map(|(at, name)| (name, at % count.max(1)))
            .collect();
        names
            .iter()
            .map(|name| fold.get(name).copied().unwrap_or(0))
            .collect()
    }

    /// Learns the networks from the texts that `which` chooses.
    #[must_use]
    pub fn learn(&self, plan: &Plan, which: impl Fn(usize) -> bool) -> Vec<Net> {
        let lessons = self.lessons(which);
        let lessons: Vec<_> = lessons
            .iter()
            .map(|(lesson, targets)| (*lesson, targets.as_ref()))
            .collect();
        let sizes = Sizes {
            state: self.width,
            projected: plan.projected,
            shape: SHAPE,
            hidden: plan.hidden,
            reach: plan.reach,
            outputs: OUTPUTS,
        };
        (0..plan.nets)
            .map(|net| {
                let course = Course {
                    seed: plan.course.seed + u64::from(net),
                    ..plan.course
                };
                learn(&lessons, sizes, STEP, &course)
            })
            .collect()
    }

    /// What these networks say of the text at `at`.
    #[must_use]
    pub fn judged(&self, nets: &[Net], at: usize) -> Option<Judged<'_>> {
        let text = self.texts.get(at)?;
        let states = text.lesson.states.iter();
        let states: Vec<f32> = states.map(|value| f32::from(*value) * STEP).collect();
        Some(Judged {
            at,
            example: &text.example,
            words: &text.words,
            outputs: vote(
                nets,
                Input {
                    states: &states,
                    shapes: &text.lesson.shapes,
                },
            ),
        })
    }

    /// What networks say of each text that were taught on the other folds, and those networks: together they were taught on
    /// all texts. Only the texts that `which` chooses take part; `told` hears of each fold that is done.
    pub fn crossed(
        &self,
        plan: &Plan,
        folds: usize,
        which: impl Fn(usize) -> bool,
        mut told: impl FnMut(usize),
    ) -> (Vec<Judged<'_>>, Vec<Net>) {
        let fold = self.folds(folds, plan.by_row);
        let (mut judged, mut all) = (Vec::with_capacity(self.texts.len()), Vec::new());
        for out in 0..folds {
            let nets = self.learn(plan, |at| which(at) && fold.get(at) != Some(&out));
            let left = (0..self.texts.len()).filter(|at| which(*at) && fold.get(*at) == Some(&out));
            judged.extend(left.filter_map(|at| self.judged(&nets, at)));
            all.extend(nets);
            told(out + 1);
        }
        (judged, all)
    }

    /// Puts a head together.
    #[must_use]
    pub fn head(
        &self,
        nets: Vec<Net>,
        cuts: Cuts,
        reading: Reading,
        backbone: String,
    ) -> Sensitivity {
        Sensitivity {
            reading,
            backbone,
            norm: self.norm.clone().unwrap_or(Norm {
                mean: Vec::new(),
                scale: Vec::new(),
            }),
            nets,
            cuts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::class::Class;

    #[test]
    fn a_text_that_was_marked_twice_teaches_what_either_marked() {
        let reading = Reading {
            layers: vec![0],
            ..Reading::default()
        };
        let mut school = School::default();
        let states = States {
            ends: vec![3, 8, 14],
            width: 1,
            values: vec![0.5, -0.5, 0.25],
        };
        let text = "Ana met Boris.";
        let units = |units: &[&str]| Truth::Units(units.iter().map(|u| (*u).to_owned()).collect());
        for truth in [
            units(&["Ana"]),
            units(&["Boris"]),
            Truth::Spans(vec![(4..7, Class::Person)]),
        ] {
            let example = Example {
                id: String::new(),
                text: text.to_owned(),
                truth,
            };
            school.add(example, &reading, &states);
        }
        let taught = |which: &[usize]| -> Vec<Vec<bool>> {
            let lessons = school.lessons(|at| which.contains(&at));
            let targets = lessons.iter().map(|(_, targets)| targets.iter());
            targets
                .map(|targets| targets.map(|target| target.sensitive).collect())
                .collect()
        };
        // Spans were not marked by somebody who may overlook some.
        let spans = vec![false, true, false, false];
        let either = vec![true, false, true, false];
        assert_eq!(taught(&[0, 1, 2]), [either.clone(), either, spans.clone()]);
        // A text that is held out says nothing.
        assert_eq!(taught(&[1, 2]), [vec![false, false, true, false], spans]);
        // What is measured stays as each text was marked.
        assert_eq!(school.texts[1].example.truth, units(&["Boris"]));
        assert_eq!(school.folds(3, false)[0], school.folds(3, false)[1]);
        assert_ne!(school.folds(3, true)[0], school.folds(3, true)[1]);
    }
}
