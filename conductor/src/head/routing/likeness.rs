//! How like a prompt is to some that were learnt from.
//!
//! A regression on likenesses bends where one on the states themselves is straight. The likeness falls off exponentially
//! with the distance (a Laplacian kernel), and a few hundred prompts by chance stand for all (Williams and Seeger, Using
//! the Nyström Method to Speed Up Kernel Machines, 2001). Distances are taken in the main directions of the states.

use super::{component::components, judge::as_kept, look::PLAIN, symmetric::Root};
use crate::head::{matrix::add_product, random::Random};

/// The most directions that distances are taken in.
pub const DIRECTIONS: usize = 64;
/// The most landmarks: prompts that others are held against.
pub const LANDMARKS: usize = 512;
/// How fast likeness falls off; a prompt is usually one away from the middle.
const FALL: f32 = 2.0;
/// What is added to a prompt's likeness to itself, so that prompts that are almost alike do not cancel out.
const APART: f64 = 0.01;

/// Landmarks: prompts that others are held against.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Likeness {
    /// A row for each number of the states, a column for each direction.
    pub directions: Vec<f32>,
    /// A row for each direction, a column for each landmark.
    pub landmarks: Vec<f32>,
    /// How many directions there are.
    pub count: usize,
}

impl Likeness {
    /// To some of these rows of one scale, each of states and facts.
    #[must_use]
    pub fn of(rows: &[&[f32]], seed: u64) -> Self {
        let width = rows.first().map_or(0, |row| states(row).len());
        let count = DIRECTIONS.min(width);
        if count == 0 {
            return Self::default();
        }
        let all: Vec<f32> = rows.iter().flat_map(|row| states(row)).copied().collect();
        let mut directions = components(&all, width, count, seed);
        let mut places = vec![0.0; rows.len() * count];
        add_product(&all, &directions, &mut places, width, count);
        #[expect(clippy::cast_precision_loss, reason = "a number of rows")]
        let usual = (squares(&places) / rows.len() as f32).sqrt().max(1e-6);
        for value in &mut directions {
            *value = as_kept(*value / usual);
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        Random::new(seed).shuffle(&mut order);
        order.truncate(LANDMARKS);
        let mut likeness = Self {
            directions,
            landmarks: vec![0.0; count * order.len()],
            count,
        };
        for (column, &row) in order.iter().enumerate() {
            for (at, value) in likeness.place(rows[row]).into_iter().enumerate() {
                likeness.landmarks[at * order.len() + column] = as_kept(value);
            }
        }
        likeness
    }

    /// How many landmarks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.landmarks.len() / self.count.max(1)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.landmarks.is_empty()
    }

    /// How like a row of one scale is to each of the landmarks.
    #[must_use]
    pub fn to(&self, row: &[f32]) -> Vec<f32> {
        self.at(self.place(row))
    }

    /// The same of where it lies along the directions.
    fn at(&self, place: impl IntoIterator<Item = f32>) -> Vec<f32> {
        let mut squares = vec![0.0f32; self.len()];
        let landmarks = self.landmarks.chunks_exact(self.len().max(1));
        for (value, landmarks) in place.into_iter().zip(landmarks) {
            for (square, landmark) in squares.iter_mut().zip(landmarks) {
                *square += (value - landmark) * (value - landmark);
            }
        }
        for square in &mut squares {
            *square = (-FALL * square.sqrt()).exp();
        }
        squares
    }

    /// What brings likenesses to one scale.
    #[must_use]
    pub fn basis(&self) -> Basis {
        let count = self.len();
        let mut between = Vec::with_capacity(count * count);
        for landmark in 0..count {
            let place = self.landmarks.iter().skip(landmark).step_by(count);
            let likenesses = self.at(place.copied());
            between.extend(likenesses.into_iter().map(f64::from));
            between[landmark * count + landmark] += APART;
        }
        Basis(Root::of(between, count))
    }

    /// Where a row lies along the directions.
    fn place(&self, row: &[f32]) -> Vec<f32> {
        let mut place = vec![0.0; self.count];
        let directions = self.directions.chunks_exact(self.count.max(1));
        for (value, directions) in states(row).iter().zip(directions) {
            for (along, direction) in place.iter_mut().zip(directions) {
                *along += value * direction;
            }
        }
        place
    }
}

/// Likenesses on a scale on which they are as unlike each other as can be, so that a regression on them is one on the
/// likeness to all prompts, as far as a few can stand for them.
pub struct Basis(Root);

impl Basis {
    /// Likenesses on the scale.
    #[must_use]
    pub fn to(&self, likenesses: &[f32]) -> Vec<f32> {
        let mut values: Vec<f64> = likenesses.iter().copied().map(f64::from).collect();
        self.0.divide(&mut values);
        values.into_iter().map(narrow).collect()
    }

    /// Weights of likenesses from weights on the scale, a row for each and `lanes` in a row.
    #[must_use]
    pub fn from(&self, weights: &[f32], lanes: usize) -> Vec<f32> {
        let mut out = vec![0.0; weights.len()];
        for lane in 0..lanes {
            let column = weights.iter().skip(lane).step_by(lanes);
            let mut column: Vec<f64> = column.copied().map(f64::from).collect();
            self.0.divide_transposed(&mut column);
            for (out, value) in out.iter_mut().skip(lane).step_by(lanes).zip(column) {
                *out = narrow(value);
            }
        }
        out
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as precise as likenesses")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// What is before the facts.
fn states(row: &[f32]) -> &[f32] {
    row.split_at(row.len().saturating_sub(PLAIN)).0
}

fn squares(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<Vec<f32>> {
        let mut random = Random::new(6);
        let mut row = || (0..8 + PLAIN).map(|_| random.normal()).collect();
        (0..count).map(|_| row()).collect()
    }

    #[test]
    fn a_prompt_is_most_like_itself_and_facts_do_not_matter() {
        let rows = rows(40);
        let likeness = Likeness::of(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), 3);
        assert_eq!((likeness.len(), likeness.count), (40, 8));
        for row in &rows {
            let mut to = likeness.to(row);
            let mut other = row.clone();
            other[8] += 5.0;
            assert_eq!(to, likeness.to(&other));
            to.sort_by(|a, b| b.total_cmp(a));
            assert!((to[0] - 1.0).abs() < 0.02 && to[1] < 0.7, "{to:?}");
        }
    }

    #[test]
    fn weights_on_the_scale_are_weights_of_likenesses() {
        let rows = rows(30);
        let likeness = Likeness::of(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), 3);
        let basis = likeness.basis();
        let on_scale: Vec<f32> = (0..60u8).map(|n| f32::from(n % 7) - 3.0).collect();
        let weights = basis.from(&on_scale, 2);
        for row in &rows {
            let like = likeness.to(row);
            let scaled = basis.to(&like);
            let sum = |values: &[f32], weights: &[f32]| -> f32 {
                values
                    .iter()
                    .zip(weights.iter().step_by(2))
                    .map(|(a, b)| a * b)
                    .sum()
            };
            assert!((sum(&like, &weights) - sum(&scaled, &on_scale)).abs() < 1e-3);
        }
    }

    #[test]
    fn a_few_prompts_stand_for_many_and_nothing_is_like_nothing() {
        let rows = rows(LANDMARKS + 9);
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        assert_eq!(Likeness::of(&rows, 3).len(), LANDMARKS);
        assert!(Likeness::of(&[], 3).is_empty());
        assert!(Likeness::default().to(rows[0]).is_empty());
    }
}
