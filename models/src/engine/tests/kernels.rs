//! Calling what is compiled into llama.cpp's code for the CPU, without a model.

use std::ptr::null_mut;

use llama_cpp_sys_2 as sys;

use super::super::load;

/// What to do where a kernel gives something else.
pub(super) const OLD: &str =
    "is llama.cpp built with cross/llama/*.cpp? If not: cargo clean --release -p llama-cpp-sys-2";

/// Numbers between -1 and 1, without a pattern.
pub(super) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Numbers as half floats, and what they are then.
pub(super) struct Halves {
    pub(super) bits: Vec<u16>,
    pub(super) floats: Vec<f32>,
}

#[expect(unsafe_code, reason = "ggml is called as it is")]
pub(super) fn halves(numbers: &[f32]) -> Halves {
    let count = numbers.len();
    let (mut bits, mut floats) = (vec![0; count], vec![0.0; count]);
    // SAFETY: all three hold so many numbers.
    unsafe {
        sys::ggml_fp32_to_fp16_row(numbers.as_ptr(), bits.as_mut_ptr(), count as i64);
        sys::ggml_fp16_to_fp32_row(bits.as_ptr(), floats.as_mut_ptr(), count as i64);
    }
    Halves { bits, floats }
}

/// Puts `data` into a tensor.
///
/// # Safety
///
/// The tensor lives, and its memory is of the data's type and length.
#[expect(unsafe_code, reason = "ggml is called as it is")]
pub(super) unsafe fn fill<T: Copy>(tensor: *mut sys::ggml_tensor, data: &[T]) {
    // SAFETY: the caller says so, and nobody else has seen the tensor.
    unsafe {
        assert_eq!(sys::ggml_nbytes(tensor), size_of_val(data));
        sys::ggml_get_data(tensor)
            .cast::<T>()
            .copy_from_nonoverlapping(data.as_ptr(), data.len());
    }
}

/// The floats of the tensor that `build` makes in a context, `length` of them, as the CPU computes them.
#[expect(unsafe_code, reason = "ggml is called as it is")]
pub(super) fn computed(
    length: usize,
    build: impl FnOnce(*mut sys::ggml_context) -> *mut sys::ggml_tensor,
) -> Vec<f32> {
    load::backend().unwrap();
    let params = sys::ggml_init_params {
        mem_size: 64 << 20,
        mem_buffer: null_mut(),
        no_alloc: false,
    };
    // SAFETY: all tensors live until the context is freed, and what is read back is as long as the result.
    unsafe {
        let context = sys::ggml_init(params);
        let out = build(context);
        assert_eq!(sys::ggml_nbytes(out), length * size_of::<f32>());
        let out_data = sys::ggml_get_data(out).cast::<f32>();
        // Whoever is left out shows.
        std::slice::from_raw_parts_mut(out_data, length).fill(f32::NAN);
        let graph = sys::ggml_new_graph(context);
        sys::ggml_build_forward_expand(graph, out);
        let backend = sys::ggml_backend_init_by_type(sys::GGML_BACKEND_DEVICE_TYPE_CPU, null_mut());
        assert_eq!(
            sys::ggml_backend_graph_compute(backend, graph),
            sys::GGML_STATUS_SUCCESS
        );
        let computed = std::slice::from_raw_parts(out_data, length).to_vec();
        sys::ggml_backend_free(backend);
        sys::ggml_free(context);
        computed
    }
}
