//! The network of a head: projected states and shapes, looked at with their neighbours twice.
//!
//! For each word: the state, standardized, is projected and put beside the word's shape; a window of words becomes
//! hidden values, and a window of those hidden values again; from these come the outputs. All is linear with a rectifier
//! after each of the two windows.

use super::matrix::{
    add_product, add_product_by_transposed, add_product_of_transposed, fold_windows, windows,
};

/// The sizes of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Numbers of a state.
    pub state: usize,
    /// Numbers that a state is projected to.
    pub projected: usize,
    /// Numbers of a shape.
    pub shape: usize,
    /// Hidden values.
    pub hidden: usize,
    /// Words on each side that a window takes in.
    pub reach: usize,
    /// Outputs.
    pub outputs: usize,
}

/// The weights, each a matrix of as many rows as its inputs. The last row of each is what is added.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    pub(super) sizes: Sizes,
    /// Projection, first window, second window, outputs.
    pub(super) weights: [Vec<f32>; 4],
}

/// Words with what is known of them: `n` rows of states and of shapes.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Standardized states.
    pub states: &'a [f32],
    /// Shapes.
    pub shapes: &'a [f32],
}

/// What a pass leaves for the way back.
pub(super) struct Pass {
    first: Vec<f32>,
    hidden: Vec<f32>,
    second: Vec<f32>,
    again: Vec<f32>,
    /// The outputs, a row for each word.
    pub(super) outputs: Vec<f32>,
}

impl Sizes {
    /// Rows and columns of each weight matrix.
    #[must_use]
    pub fn matrices(&self) -> [(usize, usize); 4] {
        let taps = 2 * self.reach + 1;
        [
            (self.state + 1, self.projected),
            ((self.projected + self.shape) * taps + 1, self.hidden),
            (self.hidden * taps + 1, self.hidden),
            (self.hidden + 1, self.outputs),
        ]
    }
}

impl Net {
    /// Takes weights that fit the sizes.
    pub fn try_new(sizes: Sizes, weights: [Vec<f32>; 4]) -> Option<Self> {
        let mut pairs = weights.iter().zip(sizes.matrices());
        let fits = pairs.all(|(weights, (rows, columns))| weights.len() == rows * columns)
            && sizes.projected > 0
            && sizes.hidden > 0
            && sizes.outputs > 0;
        fits.then_some(Self { sizes, weights })
    }

    /// The sizes.
    #[must_use]
    pub const fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// The outputs, a row for each word.
    #[must_use]
    pub fn outputs(&self, input: Input<'_>) -> Vec<f32> {
        self.pass(input, |_, _| ()).outputs
    }

    /// One pass. `drop` may change the projected values (layer 0) and the hidden values (1 and 2) as it likes, by
    /// scaling them.
    pub(super) fn pass(&self, input: Input<'_>, mut drop: impl FnMut(usize, &mut [f32])) -> Pass {
        let Sizes {
            state,
            projected,
            shape,
            hidden,
            reach,
            outputs,
        } = self.sizes;
        let taps = 2 * reach + 1;
        let mut low = linear(input.states, &self.weights[0], state, projected);
        drop(0, &mut low);
        let both = beside(&low, projected, input.shapes, shape);
        let first = windows(&both, projected + shape, reach);
        let width = (projected + shape) * taps;
        let mut middle = linear(&first, &self.weights[1], width, hidden);
        rectify(&mut middle);
        drop(1, &mut middle);
        let second = windows(&middle, hidden, reach);
        let mut again = linear(&second, &self.weights[2], hidden * taps, hidden);
        rectify(&mut again);
        drop(2, &mut again);
        Pass {
            outputs: linear(&again, &self.weights[3], hidden, outputs),
            first,
            hidden: middle,
            second,
            again,
        }
    }

    /// Adds to `gradients` those of the weights, from those of the outputs. `drop` must do what it did in the pass.
    pub(super) fn back(
        &self,
        input: Input<'_>,
        pass: &Pass,
        outputs: &[f32],
        gradients: &mut [Vec<f32>; 4],
        mut drop: impl FnMut(usize, &mut [f32]),
    ) {
        let Sizes {
            state,
            projected,
            shape,
            hidden,
            reach,
            outputs: count,
        } = self.sizes;
        let taps = 2 * reach + 1;
        let [to_low, to_first, to_second, to_outputs] = gradients;
        add_gradient(&pass.again, outputs, to_outputs, hidden, count);
        let mut again = through(outputs, &self.weights[3], hidden, count);
        drop(2, &mut again);
        only_where_positive(&mut again, &pass.again);
        add_gradient(&pass.second, &again, to_second, hidden * taps, hidden);
        let wide = through(&again, &self.weights[2], hidden * taps, hidden);
        let mut middle = fold_windows(&wide, hidden, reach);
        drop(1, &mut middle);
        only_where_positive(&mut middle, &pass.hidden);
        let width = (projected + shape) * taps;
        add_gradient(&pass.first, &middle, to_first, width, hidden);
        let wide = through(&middle, &self.weights[1], width, hidden);
        let both = fold_windows(&wide, projected + shape, reach);
        let mut low: Vec<f32> = both
            .chunks_exact(projected + shape)
            .flat_map(|row| row.iter().take(projected))
            .copied()
            .collect();
        drop(0, &mut low);
        add_gradient(input.states, &low, to_low, state, projected);
    }
}

/// `a w`, where the last row of `w` is added to each.
fn linear(a: &[f32], w: &[f32], k: usize, m: usize) -> Vec<f32> {
    let n = a.len().checked_div(k).unwrap_or(0);
    let (w, bias) = w.split_at(k * m);
    let mut out = Vec::with_capacity(n * m);
    for _ in 0..n {
        out.extend_from_slice(bias);
    }
    add_product(a, w, &mut out, k, m);
    out
}

/// The gradient of what [`linear`] was given.
fn through(out: &[f32], w: &[f32], k: usize, m: usize) -> Vec<f32> {
    let n = out.len().checked_div(m).unwrap_or(0);
    let mut a = vec![0.0; n * k];
    add_product_by_transposed(out, &w[..k * m], &mut a, k, m);
    a
}

/// Adds the gradient of the weights that [`linear`] was given.
fn add_gradient(a: &[f32], out: &[f32], gradient: &mut [f32], k: usize, m: usize) {
    let (w, bias) = gradient.split_at_mut(k * m);
    add_product_of_transposed(a, out, w, k, m);
    for row in out.chunks_exact(m) {
        for (bias, value) in bias.iter_mut().zip(row) {
            *bias += value;
        }
    }
}

fn beside(a: &[f32], k: usize, b: &[f32], m: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    for (a, b) in a.chunks_exact(k).zip(b.chunks_exact(m)) {
        out.extend_from_slice(a);
        out.extend_from_slice(b);
    }
    out
}

fn rectify(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

fn only_where_positive(gradient: &mut [f32], values: &[f32]) {
    for (gradient, value) in gradient.iter_mut().zip(values) {
        if *value <= 0.0 {
            *gradient = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::random::Random;

    #[test]
    fn the_way_back_gives_the_slope_of_what_the_pass_computes() {
        let sizes = Sizes {
            state: 5,
            projected: 3,
            shape: 2,
            hidden: 4,
            reach: 1,
            outputs: 2,
        };
        let mut random = Random::new(3);
        let mut some =
            |count: usize| -> Vec<f32> { (0..count).map(|_| random.normal() * 0.7).collect() };
        let weights = sizes.matrices().map(|(rows, columns)| some(rows * columns));
        let mut net = Net::try_new(sizes, weights).unwrap();
        let (states, shapes, pull) = (some(6 * 5), some(6 * 2), some(6 * 2));
        let input = Input {
            states: &states,
            shapes: &shapes,
        };
        let value = |net: &Net| -> f32 {
            let outputs = net.outputs(input);
            outputs.iter().zip(&pull).map(|(a, b)| a * b).sum()
        };
        let pass = net.pass(input, |_, _| ());
        let mut gradients = sizes
            .matrices()
            .map(|(rows, columns)| vec![0.0; rows * columns]);
        net.back(input, &pass, &pull, &mut gradients, |_, _| ());
        for (matrix, gradients) in gradients.iter().enumerate() {
            for (at, &found) in gradients.iter().enumerate() {
                let old = net.weights[matrix][at];
                net.weights[matrix][at] = old + 1e-2;
                let above = value(&net);
                net.weights[matrix][at] = old - 1e-2;
                let below = value(&net);
                net.weights[matrix][at] = old;
                let slope = (above - below) / 2e-2;
                assert!(
                    (slope - found).abs() < 0.05 * (1.0 + found.abs()),
                    "{matrix} {at}: {slope} {found}"
                );
            }
        }
    }
}
