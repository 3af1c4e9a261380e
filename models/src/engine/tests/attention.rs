//! Attention as it is compiled into llama.cpp's code for the CPU, without a model.

use llama_cpp_sys_2 as sys;

use super::kernels::{Halves, OLD, computed, fill, halves, numbers};

/// A batch over one cache.
struct Case {
    queries: usize,
    cells: usize,
    /// Heads of the keys.
    heads: usize,
    /// Heads of the queries that share one of the keys.
    group: usize,
    /// Numbers of a key, and of a value.
    width: usize,
    /// What is added to the score of a query for a cell; nothing if the cell is hidden.
    sees: fn(usize, usize) -> Option<f32>,
}

impl Case {
    fn all_heads(&self) -> usize {
        self.heads * self.group
    }

    fn mask(&self) -> Vec<u16> {
        let rows = self.queries.next_multiple_of(64);
        let added = |at: usize| {
            let (query, cell) = (at / self.cells, at % self.cells);
            let seen = (query < self.queries).then(|| (self.sees)(query, cell));
            seen.flatten().unwrap_or(f32::NEG_INFINITY)
        };
        let all: Vec<f32> = (0..rows * self.cells).map(added).collect();
        halves(&all).bits
    }

    /// What llama.cpp computes, by query, head and place.
    #[expect(unsafe_code, reason = "ggml is called as it is")]
    fn computed(&self, queries: &[f32], keys: &[u16], values: &[u16]) -> Vec<f32> {
        let [width, count, cells, heads, all] = [
            self.width,
            self.queries,
            self.cells,
            self.heads,
            self.all_heads(),
        ]
        .map(|number| number as i64);
        let mask = self.mask();
        let length = self.queries * self.all_heads() * self.width;
        computed(length, |context| {
            // SAFETY: the context lives, and each tensor is filled with as many numbers as it has.
            unsafe {
                let tensor = |kind, a, b, c| sys::ggml_new_tensor_4d(context, kind, a, b, c, 1);
                let (f16, f32) = (sys::GGML_TYPE_F16, sys::GGML_TYPE_F32);
                let q = tensor(f32, width, count, all);
                let k = tensor(f16, width, heads, cells);
                let v = tensor(f16, width, heads, cells);
                let m = tensor(f16, cells, (mask.len() / self.cells) as i64, 1);
                fill(q, queries);
                fill(k, keys);
                fill(v, values);
                fill(m, &mask);
                let by_head = |tensor| sys::ggml_permute(context, tensor, 0, 2, 1, 3);
                let scale = 1.0 / (self.width as f32).sqrt();
                sys::ggml_flash_attn_ext(context, q, by_head(k), by_head(v), m, scale, 0.0, 0.0)
            }
        })
    }

    /// The softmax of the scaled products, times the values, as it is written in books.
    fn expected(&self, queries: &[f32], keys: &[f32], values: &[f32]) -> Vec<f64> {
        let scale = 1.0 / (self.width as f64).sqrt();
        let mut expected = Vec::new();
        for query in 0..self.queries {
            for head in 0..self.all_heads() {
                let q = &queries[(head * self.queries + query) * self.width..][..self.width];
                let place = |cell: usize| (cell * self.heads + head / self.group) * self.width;
                let seen: Vec<usize> = (0..self.cells)
                    .filter(|c| (self.sees)(query, *c).is_some())
                    .collect();
                let score = |cell: &usize| {
                    let key = &keys[place(*cell)..][..self.width];
                    let products = q
                        .iter()
                        .zip(key)
                        .map(|(a, b)| f64::from(*a) * f64::from(*b));
                    let added = (self.sees)(query, *cell).map_or(0.0, f64::from);
                    (products.sum::<f64>() * scale + added).exp()
                };
                let weights: Vec<f64> = seen.iter().map(score).collect();
                let total: f64 = weights.iter().sum();
                expected.extend((0..self.width).map(|at| {
                    let parts = seen.iter().zip(&weights);
                    let sum: f64 = parts
                        .map(|(c, w)| w * f64::from(values[place(*c) + at]))
                        .sum();
                    if seen.is_empty() { 0.0 } else { sum / total }
                }));
            }
        }
        expected
    }

    /// The cache's keys and values.
    fn cache(&self) -> [Halves; 2] {
        [2, 3].map(|seed| halves(&numbers(seed, self.cells * self.heads * self.width)))
    }

    /// Queries for each head.
    fn asked(&self) -> Vec<f32> {
        let numbers = numbers(1, self.queries * self.all_heads() * self.width);
        numbers.iter().map(|number| number * 4.0).collect()
    }

    /// The greatest difference between what is computed and what is expected.
    fn worst(&self) -> f64 {
        let (queries, [keys, values]) = (self.asked(), self.cache());
        let computed = self.computed(&queries, &keys.bits, &values.bits);
        let expected = self.expected(&queries, &keys.floats, &values.floats);
        assert_eq!(computed.len(), expected.len());
        assert!(computed.iter().all(|number| number.is_finite()));
        computed
            .iter()
            .zip(&expected)
            .map(|(a, b)| (f64::from(*a) - b).abs())
            .fold(0.0, f64::max)
    }
}

/// Seen as it is, or hidden.
fn seen(seen: bool) -> Option<f32> {
    seen.then_some(0.0)
}

/// A model of 3 heads, each for 3 of the queries, as the default model.
const SMALL: Case = Case {
    queries: 0,
    cells: 0,
    heads: 3,
    group: 3,
    width: 64,
    sees: |_, _| seen(true),
};

/// llama.cpp's own code adds values as half floats for a few queries, and is off by some thousandths.
const CLOSE: f64 = 2e-5;

#[test]
fn those_that_write_see_their_cells_wherever_they_lie() {
    // A beginning in common, then a cell of each in turn.
    let eight = Case {
        queries: 8,
        cells: 1024,
        sees: |query, cell| seen(cell < 28 || (cell < 900 && cell % 8 == query)),
        ..SMALL
    };
    assert!(eight.worst() < CLOSE, "{OLD}");
    // Fewer than the threads, which share their heads.
    let two = Case {
        queries: 2,
        cells: 250,
        heads: 1,
        group: 6,
        width: 128,
        sees: |query, cell| seen(cell / 100 == query),
    };
    assert!(two.worst() < CLOSE, "{OLD}");
}

#[test]
fn a_prompt_is_read_beside_those_that_write() {
    let mixed = Case {
        queries: 75,
        cells: 640,
        sees: |query, cell| match query {
            0..5 => seen(cell < 300 && cell % 5 == query),
            _ => seen((300..=300 + query).contains(&cell)),
        },
        ..SMALL
    };
    assert!(mixed.worst() < CLOSE);
}

#[test]
fn a_long_prompt_is_read_after_what_was_read_before() {
    let after = Case {
        queries: 130,
        cells: 512,
        sees: |query, cell| seen(cell <= 381 + query),
        ..SMALL
    };
    assert!(after.worst() < CLOSE);
}

#[test]
fn a_window_slides_and_cells_count_less_the_farther_they_are() {
    let window = Case {
        queries: 70,
        cells: 250,
        heads: 4,
        group: 1,
        width: 40,
        sees: |query, cell| {
            let near = cell <= 150 + query && cell > 140 + query;
            near.then(|| -((150 + query - cell) as f32) / 8.0)
        },
    };
    assert!(window.worst() < CLOSE);
}

#[test]
fn who_sees_nothing_gets_nothing() {
    let none = Case {
        queries: 5,
        cells: 256,
        heads: 8,
        group: 4,
        width: 96,
        sees: |query, cell| seen(query != 2 && (cell * 7 + query) % 3 == 0),
    };
    assert!(none.worst() < CLOSE, "{OLD}");
    // The same in the midst of others that see the same cells.
    let inside = Case {
        queries: 12,
        cells: 80,
        sees: |query, cell| seen(query != 6 && cell < 7),
        ..SMALL
    };
    assert!(inside.worst() < CLOSE, "{OLD}");
}

#[test]
fn what_a_query_gets_does_not_depend_on_who_else_is_in_the_batch() {
    let prompt = Case {
        queries: 40,
        cells: 256,
        sees: |query, cell| seen(cell <= 100 + query),
        ..SMALL
    };
    let alone = Case {
        queries: 1,
        sees: |_, cell| seen(cell <= 139),
        ..prompt
    };
    let among = Case {
        queries: 9,
        sees: |query, cell| {
            seen(if query == 8 {
                cell <= 139
            } else {
                cell % 8 == query
            })
        },
        ..prompt
    };
    let [keys, values] = prompt.cache();
    let all = prompt.asked();
    // The last query of the prompt, in the place of another one.
    let last = |case: &Case| {
        let queries: Vec<f32> = (0..case.all_heads())
            .flat_map(|head| {
                let last = &all[((head + 1) * prompt.queries - 1) * case.width..][..case.width];
                let others = numbers(4, (case.queries - 1) * case.width);
                [others, last.to_vec()].concat()
            })
            .collect();
        let computed = case.computed(&queries, &keys.bits, &values.bits);
        computed[(case.queries - 1) * case.all_heads() * case.width..].to_vec()
    };
    let read = prompt.computed(&all, &keys.bits, &values.bits);
    let read = &read[(prompt.queries - 1) * prompt.all_heads() * prompt.width..];
    assert_eq!(read, last(&alone), "{OLD}");
    assert_eq!(read, last(&among), "{OLD}");
}
