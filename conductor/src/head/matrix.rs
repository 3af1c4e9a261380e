//! Products of small dense matrices, row by row in one slice.

use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};

/// `c += a b`, with `a` of `n` rows by `k`, `b` of `k` by `m`, `c` of `n` by `m`.
pub(super) fn add_product(a: &[f32], b: &[f32], c: &mut [f32], k: usize, m: usize) {
    add(rows(a, k), rows(b, m), c, m);
}

/// `c += aᵀ b`, with `a` of `n` rows by `k`, `b` of `n` by `m`, `c` of `k` by `m`.
pub(super) fn add_product_of_transposed(a: &[f32], b: &[f32], c: &mut [f32], k: usize, m: usize) {
    add(rows(a, k).reversed_axes(), rows(b, m), c, m);
}

/// `c += a bᵀ`, with `a` of `n` rows by `m`, `b` of `k` by `m`, `c` of `n` by `k`.
pub(super) fn add_product_by_transposed(a: &[f32], b: &[f32], c: &mut [f32], k: usize, m: usize) {
    add(rows(a, m), rows(b, m).reversed_axes(), c, k);
}

/// As many rows as there are whole ones.
fn rows(values: &[f32], width: usize) -> ArrayView2<'_, f32> {
    let count = values.len().checked_div(width).unwrap_or(0);
    ArrayView2::from_shape((count, width), &values[..count * width])
        .unwrap_or_else(|_| ArrayView2::from(&[[]; 0]))
}

fn add(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, c: &mut [f32], width: usize) {
    let shape = (a.nrows(), width);
    debug_assert_eq!(c.len(), shape.0 * shape.1);
    if let Ok(mut c) = ArrayViewMut2::from_shape(shape, c) {
        general_mat_mul(1.0, &a, &b, 1.0, &mut c);
    }
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
            let mut back = vec![1.0; n * k];
            add_product_by_transposed(&d, &b, &mut back, k, m);
            for i in 0..n {
                for j in 0..k {
                    let sum: f32 = (0..m).map(|x| d[i * m + x] * b[j * m + x]).sum();
                    assert!((back[i * k + j] - 1.0 - sum).abs() < 1e-4);
                }
            }
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
