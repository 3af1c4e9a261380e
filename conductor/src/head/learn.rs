//! Learning a network from labelled words.
//!
//! Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), a warm-up and then a linear descent of the
//! step, dropout. Each batch is cut into the same shards whatever the number of threads, and their gradients are added
//! in order, so that a seed gives the same weights on any number of cores.

use std::thread;

use super::{
    net::{Input, Net, Sizes},
    random::Random,
};

/// Words in a batch, about.
const BATCH: usize = 2048;
/// Shards of a batch.
const SHARDS: usize = 4;
/// A longer text is learnt from in pieces of so many words.
const PIECE: usize = 256;
/// Steps until the step has its full size.
const WARM_UP: f32 = 50.0;
/// How much it counts whether a span begins with a word, beside whether the word is sensitive. Few words are in spans.
const BEGINS: f32 = 4.0;

/// One text to learn from.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Standardized states, a row for each word, in [`STEPS`](super::sensitivity::STEPS)ths.
    pub states: Vec<i8>,
    /// Shapes, a row for each word.
    pub shapes: Vec<f32>,
    /// Whether the data says where spans begin and of what class they are.
    pub spans: bool,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it is sensitive.
    pub sensitive: bool,
    /// Its class and whether a span begins with it, where the data says so.
    pub span: Option<(usize, bool)>,
}

/// How to learn.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Times that all lessons are read.
    pub rounds: usize,
    /// The size of a step.
    pub step: f32,
    /// How much of a weight a step takes away, times its size.
    pub decay: f32,
    /// The share of values that is dropped.
    pub drop: f32,
    /// How much a text counts beside another where the data says where spans begin: such data is made from few templates, and
    /// what is learnt from it must stand against what people wrote.
    pub share: f32,
    /// How much a sensitive word counts beside another in the same text, where the data says where spans begin and where it does
    /// not. One that was missed matters more than one that was masked in vain, and most so in texts that people wrote.
    pub weights: [f32; 2],
    /// Where chance begins.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
}

/// Numbers that a state's value is divided by.
fn values(states: &[i8], step: f32) -> Vec<f32> {
    states
        .iter()
        .map(|value| f32::from(*value) * step)
        .collect()
}

/// A part of a lesson.
#[derive(Clone, Copy)]
struct Part<'a> {
    lesson: &'a Lesson,
    targets: &'a [Target],
    from: usize,
    to: usize,
}

/// Learns a network of these sizes from lessons and what each word of them is. `step` is what one unit of a lesson's states
/// stands for.
#[must_use]
pub fn learn(lessons: &[(&Lesson, &[Target])], sizes: Sizes, step: f32, course: &Course) -> Net {
    let mut random = Random::new(course.seed);
    let mut net = Net {
        sizes,
        weights: sizes
            .matrices()
            .map(|(rows, columns)| begin(rows, columns, &mut random)),
    };
    let mut adam = Adam::new(sizes);
    let parts: Vec<Part<'_>> = lessons
        .iter()
        .flat_map(|&(lesson, targets)| {
            let words = targets.len();
            (0..words).step_by(PIECE).map(move |from| Part {
                lesson,
                targets,
                from,
                to: (from + PIECE).min(words),
            })
        })
        .collect();
    let words: usize = parts.iter().map(|part| part.to - part.from).sum();
    let steps = course.rounds * words.div_ceil(BATCH).max(1);
    let mut done = 0;
    for round in 0..course.rounds {
        let mut order = parts.clone();
        random.shuffle(&mut order);
        for batch in batches(&order) {
            let pace = pace(done, steps) * course.step;
            let seed = course.seed ^ (round as u64) << 40 ^ (done as u64) << 8;
            let gradients = gradients(&net, batch, step, course, seed);
            adam.step(&mut net, &gradients, pace, course.decay);
            done += 1;
        }
    }
    net
}

/// Weights to begin with: normal, of a variance that keeps the size of what passes (He et al., arXiv 1502.01852).
fn begin(rows: usize, columns: usize, random: &mut Random) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let scale = (1.5 / rows as f32).sqrt();
    let mut weights: Vec<f32> = (0..rows * columns)
        .map(|_| random.normal() * scale)
        .collect();
    weights[(rows - 1) * columns..].fill(0.0);
    weights
}

#[expect(clippy::cast_precision_loss, reason = "some thousands of steps")]
fn pace(done: usize, steps: usize) -> f32 {
    let (done, steps) = (done as f32, steps as f32);
    ((done + 1.0) / WARM_UP).min(1.0) * (1.0 - 0.97 * (done / steps).min(1.0))
}

fn batches<'p, 'a>(order: &'p [Part<'a>]) -> Vec<&'p [Part<'a>]> {
    let mut batches = Vec::new();
    let (mut from, mut words) = (0, 0);
    for (at, part) in order.iter().enumerate() {
        words += part.to - part.from;
        if words >= BATCH {
            batches.push(&order[from..=at]);
            (from, words) = (at + 1, 0);
        }
    }
    if from < order.len() {
        batches.push(&order[from..]);
    }
    batches
}

/// The mean gradient of a batch.
fn gradients(
    net: &Net,
    batch: &[Part<'_>],
    step: f32,
    course: &Course,
    seed: u64,
) -> [Vec<f32>; 4] {
    let words: usize = batch.iter().map(|part| part.to - part.from).sum();
    let shards: Vec<Vec<Part<'_>>> = (0..SHARDS)
        .map(|shard| batch.iter().skip(shard).step_by(SHARDS).copied().collect())
        .collect();
    let threads = course.threads.clamp(1, SHARDS);
    let work = |number: usize, shard: &[Part<'_>]| {
        let mut gradients = empty(net.sizes);
        for (at, part) in shard.iter().enumerate() {
            let seed = seed ^ (number as u64) << 56 ^ at as u64;
            add_part(net, *part, step, course, seed, &mut gradients);
        }
        gradients
    };
    let mut found = Vec::with_capacity(SHARDS);
    for (round, shards) in shards.chunks(threads).enumerate() {
        thread::scope(|scope| {
            let mut running = Vec::with_capacity(threads);
            for (at, shard) in shards.iter().enumerate() {
                let (number, work) = (round * threads + at, &work);
                running.push(scope.spawn(move || work(number, shard)));
            }
            found.extend(running.into_iter().filter_map(|shard| shard.join().ok()));
        });
    }
    let mut sum = empty(net.sizes);
    #[expect(clippy::cast_precision_loss, reason = "some thousands of words")]
    let share = 1.0 / words.max(1) as f32;
    for gradients in found {
        for (sum, gradient) in sum.iter_mut().zip(gradients) {
            for (sum, value) in sum.iter_mut().zip(gradient) {
                *sum += value * share;
            }
        }
    }
    sum
}

fn empty(sizes: Sizes) -> [Vec<f32>; 4] {
    sizes
        .matrices()
        .map(|(rows, columns)| vec![0.0; rows * columns])
}

fn add_part(
    net: &Net,
    part: Part<'_>,
    step: f32,
    course: &Course,
    seed: u64,
    gradients: &mut [Vec<f32>; 4],
) {
    let Sizes {
        state,
        shape,
        outputs,
        ..
    } = net.sizes;
    let Part {
        lesson,
        targets,
        from,
        to,
    } = part;
    let mut states = values(&lesson.states[from * state..to * state], step);
    dropout(&mut states, course.drop, seed ^ 3 << 48);
    let input = Input {
        states: &states,
        shapes: &lesson.shapes[from * shape..to * shape],
    };
    let drop = |layer: usize, values: &mut [f32]| {
        dropout(values, course.drop, seed ^ (layer as u64) << 48)
    };
    let pass = net.pass(input, drop);
    let targets = &targets[from..to];
    let weight = course.weights[usize::from(!lesson.spans)];
    let share = if lesson.spans { course.share } else { 1.0 };
    let rows = pass.outputs.chunks_exact(outputs).zip(targets);
    let slopes: Vec<f32> = rows
        .flat_map(|(row, target)| slopes(row, target, weight, share))
        .collect();
    net.back(input, &pass, &slopes, gradients, drop);
}

/// Sets some values to nought and makes the others larger by as much; the same ones for the same seed.
fn dropout(values: &mut [f32], share: f32, seed: u64) {
    if share <= 0.0 {
        return;
    }
    let mut random = Random::new(seed);
    let keep = 1.0 / (1.0 - share);
    for values in values.chunks_mut(4) {
        let mut bits = random.bits();
        for value in values {
            let chance = f32::from(u16::try_from(bits & 0xffff).unwrap_or(0)) / 65_536.0;
            *value *= if chance < share { 0.0 } else { keep };
            bits >>= 16;
        }
    }
}

/// The slope of the loss at one word's outputs: cross entropies of whether it is sensitive and, where that is known, of
/// whether a span begins and of its class. A sensitive word counts `weight` times as much, and all of it `share` times.
fn slopes(row: &[f32], target: &Target, weight: f32, share: f32) -> Vec<f32> {
    let mut slopes = vec![0.0; row.len()];
    let (Some(sensitive), Some(begins)) = (row.first(), row.get(1)) else {
        return slopes;
    };
    slopes[0] = match target.sensitive {
        true => weight * (logistic(*sensitive) - 1.0),
        false => logistic(*sensitive),
    };
    if let Some((class, first)) = target.span {
        slopes[1] = BEGINS * (logistic(*begins) - f32::from(u8::from(first)));
        let top = row[2..].iter().copied().fold(f32::MIN, f32::max);
        let powers: Vec<f32> = row[2..].iter().map(|value| (value - top).exp()).collect();
        let sum: f32 = powers.iter().sum();
        for (at, power) in powers.iter().enumerate() {
            let is = f32::from(u8::from(at == class));
            slopes[2 + at] = power / sum - is;
        }
    }
    for slope in &mut slopes {
        *slope *= share;
    }
    slopes
}

/// From any number to one between 0 and 1.
#[must_use]
pub fn logistic(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// First and second moments of the gradients.
struct Adam {
    first: [Vec<f32>; 4],
    second: [Vec<f32>; 4],
    steps: i32,
}

impl Adam {
    fn new(sizes: Sizes) -> Self {
        Self {
            first: empty(sizes),
            second: empty(sizes),
            steps: 0,
        }
    }

    fn step(&mut self, net: &mut Net, gradients: &[Vec<f32>; 4], pace: f32, decay: f32) {
        const FIRST: f32 = 0.9;
        const SECOND: f32 = 0.999;
        self.steps += 1;
        let first_bias = 1.0 - FIRST.powi(self.steps);
        let second_bias = 1.0 - SECOND.powi(self.steps);
        let matrices = net.weights.iter_mut().zip(gradients);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((weights, gradients), (first, second)) in matrices.zip(moments) {
            let weights = weights.iter_mut().zip(gradients);
            let moments = first.iter_mut().zip(second);
            for ((weight, gradient), (first, second)) in weights.zip(moments) {
                *first = FIRST * *first + (1.0 - FIRST) * gradient;
                *second = SECOND * *second + (1.0 - SECOND) * gradient * gradient;
                let direction = (*first / first_bias) / ((*second / second_bias).sqrt() + 1e-8);
                *weight -= pace * (direction + decay * *weight);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words whose state says nothing, next to one whose state says that its neighbour is sensitive.
    fn lessons() -> Vec<(Lesson, Vec<Target>)> {
        let mut random = Random::new(5);
        (0..60)
            .map(|_| {
                let words = 12;
                let marked = usize::try_from(random.bits() % 11).unwrap();
                let mut states = vec![0i8; words * 2];
                states[marked * 2] = 20;
                let targets = (0..words).map(|at| Target {
                    sensitive: at == marked + 1,
                    span: (at == marked + 1).then_some((1, true)),
                });
                let lesson = Lesson {
                    states,
                    shapes: vec![1.0; words],
                    spans: true,
                };
                (lesson, targets.collect())
            })
            .collect()
    }

    const SIZES: Sizes = Sizes {
        state: 2,
        projected: 4,
        shape: 1,
        hidden: 8,
        reach: 1,
        outputs: 4,
    };

    fn course(threads: usize) -> Course {
        Course {
            rounds: 120,
            step: 2e-2,
            decay: 1e-3,
            drop: 0.05,
            share: 2.0,
            weights: [2.0, 2.0],
            seed: 11,
            threads,
        }
    }

    #[test]
    fn what_only_a_neighbour_tells_is_learnt_and_the_threads_do_not_matter() {
        let lessons = lessons();
        let all = lessons
            .iter()
            .map(|(lesson, targets)| (lesson, &targets[..]));
        let all: Vec<_> = all.collect();
        let net = learn(&all, SIZES, 0.1, &course(1));
        assert_eq!(net, learn(&all, SIZES, 0.1, &course(3)));
        for (lesson, targets) in &lessons {
            let states = values(&lesson.states, 0.1);
            let outputs = net.outputs(Input {
                states: &states,
                shapes: &lesson.shapes,
            });
            for (row, target) in outputs.chunks_exact(4).zip(targets) {
                assert_eq!(row[0] > 0.0, target.sensitive);
                if target.sensitive {
                    assert!(row[1] > 0.0 && row[3] > row[2]);
                }
            }
        }
    }
}
