//! Products of matrices as they are compiled into llama.cpp's code for the CPU, without a model.

use llama_cpp_sys_2 as sys;

use super::kernels::{OLD, computed, fill, halves, numbers};

/// The types of weights that our kernel knows.
const KINDS: [sys::ggml_type; 2] = [sys::GGML_TYPE_Q4_1, sys::GGML_TYPE_Q8_0];

/// Numbers that share a scale.
const BLOCK: usize = 32;

/// Whether our kernel is there for this CPU.
const OURS: bool = cfg!(any(
    all(target_feature = "avx2", target_feature = "fma"),
    target_feature = "dotprod"
));

/// A block of a row of weights.
struct Block {
    quants: [i32; BLOCK],
    scale: f32,
    least: f32,
}

/// Rows of weights as they are stored.
struct Weights {
    kind: sys::ggml_type,
    bytes: Vec<u8>,
    width: usize,
}

/// The float of the 16-bit one that `bytes` begin with.
#[expect(unsafe_code, reason = "ggml is called as it is")]
fn float(bytes: &[u8]) -> f32 {
    // SAFETY: takes a number and gives one.
    unsafe { sys::ggml_fp16_to_fp32(u16::from_le_bytes([bytes[0], bytes[1]])) }
}

impl Weights {
    /// `rows` rows of `width` numbers.
    #[expect(unsafe_code, reason = "ggml is called as it is")]
    fn new(kind: sys::ggml_type, rows: usize, width: usize) -> Self {
        let floats = numbers(5, rows * width);
        // SAFETY: the bytes are as many as the rows take, and the floats as many as they have numbers.
        let bytes = unsafe {
            let mut bytes = vec![0_u8; rows * sys::ggml_row_size(kind, width as i64)];
            sys::ggml_quantize_chunk(
                kind,
                floats.as_ptr(),
                bytes.as_mut_ptr().cast(),
                0,
                rows as i64,
                width as i64,
                std::ptr::null(),
            );
            bytes
        };
        Self { kind, bytes, width }
    }

    /// Such with the largest and smallest numbers that fit.
    fn extreme(kind: sys::ggml_type, rows: usize, width: usize) -> Self {
        let mut weights = Self::new(kind, rows, width);
        let (halves, length) = weights.shape();
        for (index, block) in weights.bytes.chunks_mut(length).enumerate() {
            block[halves..].fill([0x80, 0x7F, 0xFF, 0x00][index % 4]);
        }
        weights
    }

    /// Bytes of a block before its numbers, and in all.
    fn shape(&self) -> (usize, usize) {
        match self.kind {
            sys::GGML_TYPE_Q4_1 => (4, 20),
            _ => (2, 34),
        }
    }

    fn rows(&self) -> usize {
        self.bytes.len() / self.shape().1 * BLOCK / self.width
    }

    fn blocks(&self) -> Vec<Block> {
        let block = |bytes: &[u8]| match self.kind {
            sys::GGML_TYPE_Q4_1 => Block {
                quants: std::array::from_fn(|i| {
                    i32::from((bytes[4 + i % 16] >> (i / 16 * 4)) & 15)
                }),
                scale: float(bytes),
                least: float(&bytes[2..]),
            },
            _ => Block {
                quants: std::array::from_fn(|i| i32::from(bytes[2 + i].cast_signed())),
                scale: float(bytes),
                least: 0.0,
            },
        };
        self.bytes.chunks(self.shape().1).map(block).collect()
    }

    /// What llama.cpp computes: for each column the product with each row. The rows are those of `matrices` of equal size,
    /// and so are the columns, of which there may be several times as many matrices.
    #[expect(unsafe_code, reason = "ggml is called as it is")]
    fn times(&self, columns: &[f32], matrices: usize, each: usize) -> Vec<f32> {
        let rows = self.rows() / matrices;
        let count = columns.len() / self.width / (matrices * each);
        computed(rows * count * matrices * each, |context| {
            // SAFETY: the context lives, and each tensor is filled with as many numbers as it has.
            unsafe {
                let tensor = |kind, length: usize, matrices: usize| {
                    let [width, length, matrices] =
                        [self.width, length, matrices].map(|number| number as i64);
                    sys::ggml_new_tensor_3d(context, kind, width, length, matrices)
                };
                let weights = tensor(self.kind, rows, matrices);
                let asked = tensor(sys::GGML_TYPE_F32, count, matrices * each);
                fill(weights, &self.bytes);
                fill(asked, columns);
                sys::ggml_mul_mat(context, weights, asked)
            }
        })
    }

    /// The same, as it is to be added up: block by block, with one rounding for each product that is added.
    fn expected(&self, columns: &[f32], matrices: usize, each: usize) -> Vec<f32> {
        let blocks = self.blocks();
        let in_row = self.width / BLOCK;
        let in_matrix = blocks.len() / matrices;
        let mut expected = Vec::new();
        let chunk = columns.len() / (matrices * each);
        for (index, matrix) in columns.chunks(chunk).enumerate() {
            let rows = &blocks[index / each * in_matrix..][..in_matrix];
            for column in matrix.chunks(self.width) {
                // A scaled sum is kept as a 16-bit float.
                let sums: Vec<f32> = column.chunks(BLOCK).map(|c| c.iter().sum()).collect();
                let sums = halves(&sums).floats;
                for row in rows.chunks(in_row) {
                    let parts = row.iter().zip(column.chunks(BLOCK)).zip(&sums);
                    expected.push(parts.fold(0.0_f32, |sum, ((block, column), of_column)| {
                        let products = block.quants.iter().zip(column);
                        let dot: i32 = products.map(|(a, b)| a * *b as i32).sum();
                        let sum = (dot as f32).mul_add(block.scale, sum);
                        match self.kind {
                            sys::GGML_TYPE_Q4_1 => block.least.mul_add(*of_column, sum),
                            _ => sum,
                        }
                    }));
                }
            }
        }
        expected
    }

    /// Holds what is computed against what is expected.
    fn check(&self, columns: &[f32], matrices: usize, each: usize) {
        let computed = self.times(columns, matrices, each);
        let expected = self.expected(columns, matrices, each);
        let what = format!("type {}, {} by {}", self.kind, self.rows(), self.width);
        if OURS {
            assert!(computed == expected, "{what}: {OLD}");
            return;
        }
        let most = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let close = computed
            .iter()
            .zip(&expected)
            .all(|(a, b)| (a - b).abs() < 1e-5 * most);
        assert!(close && computed.len() == expected.len(), "{what}");
    }
}

/// Whole numbers with a scale of 1, which are quantized without loss.
fn columns(count: usize, width: usize) -> Vec<f32> {
    let whole = |number: f32| (number * 100.0).round();
    let mut all: Vec<f32> = numbers(6, count * width).into_iter().map(whole).collect();
    for (index, block) in all.chunks_mut(BLOCK).enumerate() {
        block[index % BLOCK] = if index % 2 == 0 { 127.0 } else { -127.0 };
    }
    all
}

#[test]
fn products_are_added_up_block_by_block_whatever_the_shape() {
    for kind in KINDS {
        for width in [BLOCK, 3 * BLOCK, 576, 1536] {
            for rows in [1, 4, 15, 33, 192] {
                let weights = Weights::new(kind, rows, width);
                for count in [1, 2, 3, 5, 8, 9, 23, 64] {
                    weights.check(&columns(count, width), 1, 1);
                }
            }
        }
        // Enough rows and columns for several panels and strips of each thread.
        let large = Weights::new(kind, 1100, 576);
        large.check(&columns(200, 576), 1, 1);
    }
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    for kind in KINDS {
        let weights = Weights::extreme(kind, 40, 4 * BLOCK);
        let ends: Vec<f32> = (0..9 * 4 * BLOCK)
            .map(|at| if at / 200 % 2 == 0 { 127.0 } else { -127.0 })
            .collect();
        weights.check(&ends, 1, 1);
    }
}

#[test]
fn several_matrices_are_multiplied_in_one_operation() {
    for kind in KINDS {
        let weights = Weights::new(kind, 3 * 1100, 2 * BLOCK);
        weights.check(&columns(3 * 11, 2 * BLOCK), 3, 1);
        weights.check(&columns(3 * 2 * 11, 2 * BLOCK), 3, 2);
    }
}

#[test]
fn what_a_column_gets_does_not_depend_on_who_else_is_in_the_batch() {
    let width = 576;
    for kind in KINDS {
        let weights = Weights::new(kind, 100, width);
        let all = numbers(7, 21 * width);
        let together = weights.times(&all, 1, 1);
        for (count, from) in [(1, 0), (1, 20), (2, 7), (5, 3), (8, 11), (13, 8)] {
            let some = weights.times(&all[from * width..][..count * width], 1, 1);
            assert!(some == together[from * 100..][..count * 100], "{kind}");
        }
    }
}
