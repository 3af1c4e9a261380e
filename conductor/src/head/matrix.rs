//! Products of small dense matrices, row by row in one slice.
//!
//! The inner loops are of fixed width, so that the compiler keeps them in vector registers.

/// Columns that are computed together.
const WIDE: usize = 16;
/// Rows that are computed together.
const TALL: usize = 8;

/// `c += a b`, with `a` of `n` rows by `k`, `b` of `k` by `m`, `c` of `n` by `m`.
pub(super) fn add_product(a: &[f32], b: &[f32], c: &mut [f32], k: usize, m: usize) {
    if k == 0 || m == 0 {
        return;
    }
    for (rows, out) in a.chunks(TALL * k).zip(c.chunks_mut(TALL * m)) {
        let n = rows.len() / k;
        for column in (0..m).step_by(WIDE) {
            let width = WIDE.min(m - column);
            let mut sums = [[0.0f32; WIDE]; TALL];
            if n == TALL && width == WIDE {
                for (at, b) in b.chunks_exact(m).enumerate() {
                    let Some(b) = b.get(column..column + WIDE) else {
                        continue;
                    };
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let a = rows[row * k + at];
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum += a * b;
                        }
                    }
                }
            } else {
                for (at, b) in b.chunks_exact(m).enumerate() {
                    let b = &b[column..column + width];
                    for (row, sums) in sums.iter_mut().enumerate().take(n) {
                        let a = rows[row * k + at];
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum += a * b;
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate().take(n) {
                let start = row * m + column;
                for (c, sum) in out[start..start + width].iter_mut().zip(sums) {
                    *c += sum;
                }
            }
        }
    }
}

/// `c += aᵀ b`, with `a` of `n` rows by `k`, `b` of `n` by `m`, `c` of `k` by `m`.
pub(super) fn add_product_of_transposed(a: &[f32], b: &[f32], c: &mut [f32], k: usize, m: usize) {
    if k == 0 || m == 0 {
        return;
    }
    for first in (0..k).step_by(TALL) {
        let tall = TALL.min(k - first);
        for column in (0..m).step_by(WIDE) {
            let width = WIDE.min(m - column);
            let mut sums = [[0.0f32; WIDE]; TALL];
            let pairs = a.chunks_exact(k).zip(b.chunks_exact(m));
            if tall == TALL && width == WIDE {
                for (a, b) in pairs {
                    let (Some(a), Some(b)) =
                        (a.get(first..first + TALL), b.get(column..column + WIDE))
                    else {
                        continue;
                    };
                    for (a, sums) in a.iter().zip(&mut sums) {
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum += a * b;
                        }
                    }
                }
            } else {
                for (a, b) in pairs {
                    let (a, b) = (&a[first..first + tall], &b[column..column + width]);
                    for (a, sums) in a.iter().zip(&mut sums) {
                        for (sum, b) in sums.iter_mut().zip(b) {
                            *sum += a * b;
                        }
                    }
                }
            }
            for (row, sums) in sums.iter().enumerate().take(tall) {
                let start = (first + row) * m + column;
                for (c, sum) in c[start..start + width].iter_mut().zip(sums) {
                    *c += sum;
                }
            }
        }
    }
}

/// `a` of `n` rows by `k` as `k` rows by `n`.
pub(super) fn transposed(a: &[f32], k: usize) -> Vec<f32> {
    if k == 0 {
        return Vec::new();
    }
    let n = a.len() / k;
    let mut out = vec![0.0; a.len()];
    for (row, values) in a.chunks_exact(k).enumerate() {
        for (column, value) in values.iter().enumerate() {
            out[column * n + row] = *value;
        }
    }
    out
}

/// Each row with those before and after it, `reach` to each side, as one row; beyond the ends is nought.
pub(super) fn windows(a: &[f32], k: usize, reach: usize) -> Vec<f32> {
    let n = a.len().checked_div(k).unwrap_or(0);
    let taps = 2 * reach + 1;
    let mut out = vec![0.0; n * taps * k];
    for (row, out) in out.chunks_exact_mut(taps * k).enumerate() {
        // Only the part of the window that lies within.
        let from = row.saturating_sub(reach);
        let to = (row + reach + 1).min(n);
        let skip = (from + reach - row) * k;
        let length = (to - from) * k;
        out[skip..skip + length].copy_from_slice(&a[from * k..to * k]);
    }
    out
}

/// What [`windows`] does, the other way: adds each part of each window to the row that it was taken from.
pub(super) fn fold_windows(wide: &[f32], k: usize, reach: usize) -> Vec<f32> {
    let taps = 2 * reach + 1;
    let n = if k == 0 { 0 } else { wide.len() / (taps * k) };
    let mut out = vec![0.0; n * k];
    for (row, wide) in wide.chunks_exact(taps * k).enumerate() {
        let from = row.saturating_sub(reach);
        let to = (row + reach + 1).min(n);
        let skip = (from + reach - row) * k;
        let length = (to - from) * k;
        for (out, value) in out[from * k..to * k]
            .iter_mut()
            .zip(&wide[skip..skip + length])
        {
            *out += value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from(u16::try_from(state >> 20).unwrap()) / 2048.0 - 1.0
            })
            .collect()
    }

    #[test]
    fn products_of_any_size_are_those_of_the_definition() {
        for (n, k, m) in [(1, 1, 1), (8, 3, 16), (19, 21, 37), (16, 32, 48), (3, 9, 2)] {
            let (a, b, d) = (numbers(n * k, 1), numbers(k * m, 2), numbers(n * m, 3));
            let mut c = vec![1.0; n * m];
            add_product(&a, &b, &mut c, k, m);
            let mut t = vec![1.0; k * m];
            add_product_of_transposed(&a, &d, &mut t, k, m);
            for i in 0..n {
                for j in 0..m {
                    let sum: f32 = (0..k).map(|x| a[i * k + x] * b[x * m + j]).sum();
                    assert!((c[i * m + j] - 1.0 - sum).abs() < 1e-4);
                }
            }
            for i in 0..k {
                for j in 0..m {
                    let sum: f32 = (0..n).map(|x| a[x * k + i] * d[x * m + j]).sum();
                    assert!((t[i * m + j] - 1.0 - sum).abs() < 1e-4);
                }
            }
            assert_eq!(transposed(&transposed(&a, k), n), a);
        }
    }

    #[test]
    fn a_window_holds_its_neighbours_and_folding_is_its_transpose() {
        let wide = windows(&[1.0, 2.0, 3.0], 1, 1);
        assert_eq!(wide, [0.0, 1.0, 2.0, 1.0, 2.0, 3.0, 2.0, 3.0, 0.0]);
        // <windows(x), y> = <x, fold(y)> for all x and y.
        let (x, y) = (numbers(7 * 3, 4), numbers(7 * 5 * 3, 5));
        let dot = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let there = dot(&windows(&x, 3, 2), &y);
        let back = dot(&x, &fold_windows(&y, 3, 2));
        assert!((there - back).abs() < 1e-4);
    }
}
