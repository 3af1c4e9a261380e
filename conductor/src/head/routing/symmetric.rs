//! Small symmetric matrices, row by row.

/// Rounds of rotations; each makes what is beside the diagonal much smaller.
const ROUNDS: usize = 30;

/// Eigenvalues, greatest first, each with its vector of length one (cyclic Jacobi: Golub and Van Loan, 8.5).
pub(super) fn eigen(matrix: &[f64], size: usize) -> Vec<(f64, Vec<f64>)> {
    let mut a = matrix.to_vec();
    let mut vectors = vec![0.0; size * size];
    for at in 0..size {
        vectors[at * size + at] = 1.0;
    }
    for _ in 0..ROUNDS {
        for p in 0..size {
            for q in p + 1..size {
                let beside = a[p * size + q];
                if beside.abs() < 1e-14 {
                    continue;
                }
                let theta = (a[q * size + q] - a[p * size + p]) / (2.0 * beside);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / t.hypot(1.0);
                let sine = t * cosine;
                for k in 0..size {
                    let (x, y) = (a[k * size + p], a[k * size + q]);
                    a[k * size + p] = cosine * x - sine * y;
                    a[k * size + q] = sine * x + cosine * y;
                }
                for k in 0..size {
                    let (x, y) = (a[p * size + k], a[q * size + k]);
                    a[p * size + k] = cosine * x - sine * y;
                    a[q * size + k] = sine * x + cosine * y;
                    let (x, y) = (vectors[k * size + p], vectors[k * size + q]);
                    vectors[k * size + p] = cosine * x - sine * y;
                    vectors[k * size + q] = sine * x + cosine * y;
                }
            }
        }
    }
    let mut all: Vec<(f64, Vec<f64>)> = (0..size)
        .map(|at| {
            let vector = (0..size).map(|row| vectors[row * size + at]).collect();
            (a[at * size + at], vector)
        })
        .collect();
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    all
}

/// The solution of `matrix` x = `right`, for a matrix with positive eigenvalues.
pub(super) fn solve(matrix: &[f64], right: &[f64]) -> Vec<f64> {
    let root = Root::of(matrix.to_vec(), right.len());
    let mut x = right.to_vec();
    root.divide(&mut x);
    root.divide_transposed(&mut x);
    x
}

/// A matrix with nothing above its diagonal that times its transpose is another (Cholesky).
pub(super) struct Root {
    low: Vec<f64>,
    size: usize,
}

impl Root {
    /// That of a matrix with positive eigenvalues.
    pub fn of(matrix: Vec<f64>, size: usize) -> Self {
        let mut low = matrix;
        for column in 0..size {
            for row in column..size {
                let (a, b) = (row * size, column * size);
                let before = dot(&low[a..a + column], &low[b..b + column]);
                let value = low[a + column] - before;
                low[a + column] = if row == column {
                    value.max(1e-12).sqrt()
                } else {
                    value / low[b + column]
                };
            }
        }
        Self { low, size }
    }

    /// Makes of x what times the root is x.
    pub fn divide(&self, x: &mut [f64]) {
        for row in 0..self.size {
            let at = row * self.size;
            let before = dot(&self.low[at..at + row], &x[..row]);
            x[row] = (x[row] - before) / self.low[at + row];
        }
    }

    /// Makes of x what times the root's transpose is x.
    pub fn divide_transposed(&self, x: &mut [f64]) {
        for row in (0..self.size).rev() {
            let at = row * self.size;
            x[row] /= self.low[at + row];
            let value = x[row];
            for (x, low) in x[..row].iter_mut().zip(&self.low[at..at + row]) {
                *x -= low * value;
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATRIX: [f64; 9] = [4.0, 1.0, -0.5, 1.0, 3.0, 0.2, -0.5, 0.2, 2.0];

    #[test]
    fn vectors_are_only_stretched() {
        for (value, vector) in eigen(&MATRIX, 3) {
            for row in 0..3 {
                let image: f64 = (0..3).map(|k| MATRIX[row * 3 + k] * vector[k]).sum();
                assert!((image - value * vector[row]).abs() < 1e-9);
            }
        }
        let values: Vec<f64> = eigen(&MATRIX, 3)
            .into_iter()
            .map(|(value, _)| value)
            .collect();
        assert!(values.is_sorted_by(|a, b| a >= b));
        assert!((values.iter().sum::<f64>() - 9.0).abs() < 1e-9);
    }

    #[test]
    fn a_solution_solves() {
        let x = solve(&MATRIX, &[1.0, -2.0, 3.0]);
        for (row, wanted) in [1.0, -2.0, 3.0].into_iter().enumerate() {
            let is: f64 = (0..3).map(|k| MATRIX[row * 3 + k] * x[k]).sum();
            assert!((is - wanted).abs() < 1e-9);
        }
    }
}
