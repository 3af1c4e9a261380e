//! llama.cpp's context: the key-value cache of many sequences, and what a batch leaves.
//!
//! The binding's own context hides the pointer, and with it the thread pool, the hidden states of a batch and the
//! saved states, so this one is made here. Its cache is one buffer of cells that all sequences share; a cell can
//! belong to several, so that a prefix is copied by naming it.

use std::{ptr::NonNull, slice, sync::Arc};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

use super::{
    batch::Batch, mapping::Weights, sums::Sums, tap, tap::Tap, threads::Threads, watch,
    watch::Watch,
};

/// How to make a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Cells of the cache.
    pub(crate) cells: u32,
    /// Sequences at once.
    pub(crate) sequences: u32,
    /// The most tokens of one batch.
    pub(crate) batch: u32,
    /// CPU threads.
    pub(crate) threads: u32,
}

/// Why a batch was not decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The cache has no room for it; nothing changed.
    #[error("the key-value cache is full")]
    Full,
    /// Its [`Watch`] ended it; the cache is as it was before, if the model can forget a part.
    #[error("nobody waits for the batch")]
    Stopped,
    /// Anything else; what the cache holds of the batch's sequences is unknown.
    #[error("llama.cpp failed with {0}")]
    Failed(i32),
}

/// What is wanted of a batch beside what its outputs say.
#[derive(Debug, Default)]
pub(crate) struct Want<'a> {
    /// The hidden states of its outputs.
    pub(crate) states: bool,
    /// Those of all its tokens after these layers.
    pub(crate) layers: &'a [u16],
    /// Nothing but the layers': neither outputs nor what later batches of these sequences would need of later layers is
    /// computed.
    pub(crate) only: bool,
    /// Ends it early.
    pub(crate) watch: Option<Watch>,
}

/// A context.
pub(crate) struct Context {
    raw: NonNull<sys::llama_context>,
    vocabulary: usize,
    // Freed after the context, in this order.
    tap: Box<Tap>,
    watch: Box<Option<Watch>>,
    _threads: Option<Threads>,
    _model: Arc<Weights>,
}

// SAFETY: a context is not bound to the thread that made it, and `&mut` or `&` of it are on one thread at a time.
#[expect(
    unsafe_code,
    reason = "a context made by one thread is used by another"
)]
unsafe impl Send for Context {}

impl Context {
    /// Makes one; nothing if llama.cpp says no, which it then explains in its log.
    pub(crate) fn try_new(model: Arc<Weights>, shape: Shape) -> Option<Self> {
        let threads = i32::try_from(shape.threads.max(1)).unwrap_or(1);
        let mut tap = Box::<Tap>::default();
        let mut watch = Box::<Option<Watch>>::default();
        // SAFETY: only reads constants.
        #[expect(
            unsafe_code,
            reason = "the binding hides what a context can be made with"
        )]
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = shape.cells;
        params.n_batch = shape.batch;
        params.n_ubatch = shape.batch;
        params.n_seq_max = shape.sequences;
        params.n_threads = threads;
        params.n_threads_batch = threads;
        params.kv_unified = true;
        params.no_perf = true;
        params.cb_eval = Some(tap::pass);
        params.cb_eval_user_data = (&raw mut *tap).cast();
        params.abort_callback = Some(watch::look);
        params.abort_callback_data = (&raw mut *watch).cast();
        // SAFETY: the model lives as long as the context, which keeps it; the addresses of tap and watch are those of
        // their boxes, which the context keeps too.
        #[expect(
            unsafe_code,
            reason = "the binding hides what a context can be made with"
        )]
        let raw = unsafe { sys::llama_init_from_model(raw_model(&model), params) };
        let raw = NonNull::new(raw)?;
        let pool = Threads::try_new(threads);
        if let Some(pool) = &pool {
            // SAFETY: both are alive, and the pool is freed after the context.
            #[expect(unsafe_code, reason = "the binding has no thread pools")]
            unsafe {
                sys::llama_attach_threadpool(raw.as_ptr(), pool.as_ptr(), pool.as_ptr());
            }
        }
        Some(Self {
            raw,
            vocabulary: usize::try_from(model.n_vocab()).unwrap_or(0),
            tap,
            watch,
            _threads: pool,
            _model: model,
        })
    }

    /// How many cells the cache has.
    pub(super) fn cells(&self) -> usize {
        // SAFETY: the context is alive.
        #[expect(unsafe_code, reason = "the context is this module's")]
        let cells = unsafe { sys::llama_n_ctx(self.raw.as_ptr()) };
        cells as usize
    }

    /// Computes a batch, at most as long as the context was made for.
    pub(crate) fn decode(&mut self, batch: &mut Batch, want: Want<'_>) -> Result<(), DecodeError> {
        self.tap
            .set(want.states, want.layers, batch.len(), want.only);
        *self.watch = want.watch;
        let raw = batch.raw();
        // SAFETY: the batch's arrays all have `n_tokens` entries and live through the call.
        #[expect(unsafe_code, reason = "the context is this module's")]
        let outcome = unsafe { sys::llama_decode(self.raw.as_ptr(), raw) };
        *self.watch = None;
        match outcome {
            0 => Ok(()),
            1 => Err(DecodeError::Full),
            2 => Err(DecodeError::Stopped),
            code => Err(DecodeError::Failed(code)),
        }
    }

    /// The next token's logits after the batch's token at `index`, as many as there are words; none if it gave none.
    pub(crate) fn logits(&self, index: usize) -> Option<&[f32]> {
        let index = i32::try_from(index).ok()?;
        // SAFETY: llama.cpp checks the index and answers null if it gave no output; else there are as many floats as
        // the vocabulary has words, unchanged until the next decode, which needs `&mut self`.
        #[expect(unsafe_code, reason = "the context is this module's")]
        unsafe {
            let logits = sys::llama_get_logits_ith(self.raw.as_ptr(), index);
            (!logits.is_null()).then(|| slice::from_raw_parts(logits, self.vocabulary))
        }
    }

    /// From now on adds to `sums` what each layer's weights are multiplied with; gives what was added to so far.
    pub(crate) fn gather(&mut self, sums: Option<Sums>) -> Option<Sums> {
        self.tap.gather(sums)
    }

    /// The hidden state at an output's row of the last batch, if it was decoded with `states`.
    pub(super) fn state(&self, row: usize) -> Option<&[f32]> {
        self.tap.row(row)
    }

    /// A layer's state at a token of the last batch, if it was decoded with that layer.
    pub(super) fn state_after(&self, layer: u16, token: usize) -> Option<&[f32]> {
        self.tap.at(layer, token)
    }

    /// Lets `to` begin with the first `tokens` tokens of `from`; no number is copied.
    pub(super) fn share(&mut self, from: i32, to: i32, tokens: usize) {
        let end = i32::try_from(tokens).unwrap_or(i32::MAX);
        // SAFETY: the context is alive; numbers of sequences are below what it was made for.
        #[expect(unsafe_code, reason = "the context is this module's")]
        unsafe {
            let memory = sys::llama_get_memory(self.raw.as_ptr());
            sys::llama_memory_seq_cp(memory, from, to, 0, end);
        }
    }

    /// Forgets what `sequence` holds from position `from` on. False if the model cannot forget a part.
    pub(super) fn forget(&mut self, sequence: i32, from: usize) -> bool {
        let from = i32::try_from(from).unwrap_or(i32::MAX);
        // SAFETY: as in `share`.
        #[expect(unsafe_code, reason = "the context is this module's")]
        unsafe {
            let memory = sys::llama_get_memory(self.raw.as_ptr());
            sys::llama_memory_seq_rm(memory, sequence, from, -1)
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        // SAFETY: as in `share`.
        #[expect(unsafe_code, reason = "the context is this module's")]
        unsafe {
            sys::llama_memory_clear(sys::llama_get_memory(self.raw.as_ptr()), false);
        }
    }

    /// What the cache holds of a sequence, as bytes.
    pub(super) fn save(&self, sequence: i32) -> Option<Vec<u8>> {
        // SAFETY: the buffer has the size that llama.cpp asks for.
        #[expect(unsafe_code, reason = "the context is this module's")]
        unsafe {
            let size = sys::llama_state_seq_get_size(self.raw.as_ptr(), sequence);
            let mut bytes = vec![0; size];
            let written = sys::llama_state_seq_get_data(
                self.raw.as_ptr(),
                bytes.as_mut_ptr(),
                size,
                sequence,
            );
            (written == size && size > 0).then_some(bytes)
        }
    }

    /// Puts back what [`save`](Self::save) gave, into an empty sequence. The bytes must be known to be whole: llama.cpp
    /// checks shapes and lengths, not contents.
    pub(super) fn load(&mut self, sequence: i32, bytes: &[u8]) -> bool {
        // SAFETY: llama.cpp reads at most the given length, and checks counts and shapes against the model's.
        #[expect(unsafe_code, reason = "the context is this module's")]
        let read = unsafe {
            sys::llama_state_seq_set_data(self.raw.as_ptr(), bytes.as_ptr(), bytes.len(), sequence)
        };
        let whole = read == bytes.len() && read > 0;
        if !whole {
            self.forget(sequence, 0);
        }
        whole
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by `try_new` and freed once; tap, watch, threads and model are dropped after it.
        #[expect(unsafe_code, reason = "the context is this module's")]
        unsafe {
            sys::llama_free(self.raw.as_ptr());
        }
    }
}

/// llama.cpp's version and the binding's, as which states and models are read alike.
pub(crate) fn version() -> String {
    // SAFETY: llama.cpp returns a constant text that ends with NUL.
    #[expect(unsafe_code, reason = "the binding has no safe way to ask")]
    let version = unsafe { std::ffi::CStr::from_ptr(sys::llama_version()) };
    format!("{}/0.1.161", version.to_string_lossy())
}

fn raw_model(model: &LlamaModel) -> *mut sys::llama_model {
    let pointer: *const LlamaModel = model;
    // SAFETY: `LlamaModel` is `repr(transparent)` over the binding's pointer type, which is `repr(transparent)` over
    // `NonNull<llama_model>`, in the one version of the binding that Cargo.toml allows.
    #[expect(unsafe_code, reason = "the binding hides the model's pointer")]
    unsafe {
        *pointer.cast::<*mut sys::llama_model>()
    }
}

const _: () = assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>());
