//! The main directions in which rows differ (principal components: Jolliffe, 2002, chapter 1).

use super::symmetric;
use crate::head::{
    matrix::{add_product, add_product_of_transposed},
    random::Random,
};

/// Rounds of the iteration; what is not yet apart then hardly differs in size.
const ROUNDS: usize = 8;

/// At most `count` directions of rows of `width` numbers, whose mean is nought: a column each of a matrix with `width` rows,
/// those in which the rows differ most first. By orthogonal iteration (Golub and Van Loan, 7.3.2).
pub(super) fn components(rows: &[f32], width: usize, count: usize, seed: u64) -> Vec<f32> {
    let count = count.min(width);
    let mut random = Random::new(seed);
    let mut found: Vec<f32> = (0..width * count).map(|_| random.normal()).collect();
    orthogonal(&mut found, count);
    for _ in 0..ROUNDS {
        let along = product(rows, &found, width, count);
        let mut next = vec![0.0; width * count];
        add_product_of_transposed(rows, &along, &mut next, width, count);
        found = next;
        orthogonal(&mut found, count);
    }
    // What was found spans the directions; they are those of the rows within it.
    let along = product(rows, &found, width, count);
    let mut spread = vec![0.0; count * count];
    add_product_of_transposed(&along, &along, &mut spread, count, count);
    let spread: Vec<f64> = spread.into_iter().map(f64::from).collect();
    let turns = symmetric::eigen(&spread, count);
    let mut turn = vec![0.0; count * count];
    for (column, (_, vector)) in turns.iter().enumerate() {
        for (row, value) in vector.iter().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "as precise as the rows")]
            let value = *value as f32;
            turn[row * count + column] = value;
        }
    }
    product(&found, &turn, count, count)
}

fn product(a: &[f32], b: &[f32], k: usize, m: usize) -> Vec<f32> {
    let mut out = vec![0.0; a.len() / k.max(1) * m];
    add_product(a, b, &mut out, k, m);
    out
}

/// Makes the columns as long as one and orthogonal to each other (Gram and Schmidt, each twice, for precision).
fn orthogonal(matrix: &mut [f32], count: usize) {
    let mut columns: Vec<Vec<f32>> = (0..count)
        .map(|column| matrix.iter().skip(column).step_by(count).copied().collect())
        .collect();
    for at in 0..count {
        let (before, rest) = columns.split_at_mut(at);
        let Some(column) = rest.first_mut() else {
            continue;
        };
        for other in before.iter().chain(before.iter()) {
            let along = dot(column, other);
            for (value, other) in column.iter_mut().zip(other) {
                *value -= along * other;
            }
        }
        let length = dot(column, column).sqrt().max(1e-12);
        column.iter_mut().for_each(|value| *value /= length);
    }
    for (at, value) in matrix.iter_mut().enumerate() {
        *value = columns[at % count][at / count];
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directions_are_found_in_which_rows_differ_most() {
        let mut random = Random::new(5);
        let (width, rows) = (20, 500);
        // Along (1, 1, 0, ...) by 5, along the third by 3, and elsewhere by 1.
        let all: Vec<f32> = (0..rows)
            .flat_map(|_| {
                let mut row: Vec<f32> = (0..width).map(|_| random.normal()).collect();
                let far = 5.0 * random.normal();
                row[0] += far;
                row[1] += far;
                row[2] *= 3.0;
                row
            })
            .collect();
        let found = components(&all, width, 3, 1);
        let column =
            |at: usize| -> Vec<f32> { found.iter().skip(at).step_by(3).copied().collect() };
        let half = 0.5f32.sqrt();
        assert!(
            (column(0)[0].abs() - half).abs() < 0.05 && (column(0)[1].abs() - half).abs() < 0.05
        );
        assert!((column(1)[2].abs() - 1.0).abs() < 0.05);
        for a in 0..3 {
            for b in 0..3 {
                let wanted = if a == b { 1.0 } else { 0.0 };
                assert!((dot(&column(a), &column(b)) - wanted).abs() < 1e-4);
            }
        }
        // No more than there are numbers.
        assert_eq!(components(&[1.0, 0.0, -1.0, 0.0], 2, 9, 1).len(), 4);
    }
}
