//! What requests leave: in the key-value cache, on the shelf, and on disk.

use std::time::Duration;

use llama_cpp_2::token::LlamaToken;

use super::{
    EngineOptions, context,
    keep::{self, Keep, State},
    request::Seat,
    resident::{CACHED, Resident},
};
use crate::gguf::Header;

/// The fewest tokens that a request takes from another: below, the change of sequences costs as much as reading them.
pub(super) const WORTH: usize = 8;
/// How many bytes of a state are copied in a second, at least: a Raspberry Pi 5 copies about four times as many.
const COPIED: f64 = 1e9;

/// About how long it takes to copy a state.
fn copying(state: &State) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let bytes = state.bytes.len() as f64;
    Duration::from_secs_f64(bytes / COPIED)
}

impl Resident {
    /// Ends a request's hold of its sequence. Keeping what it read takes a while, so its caller should have the answer before.
    pub(super) fn end(&mut self, seat: Seat) {
        self.crowded = false;
        match seat.is_alone {
            true => self.drop_sequence(seat.sequence),
            false => self.finish(seat.sequence),
        }
    }

    /// Puts what was read on the shelf: attention would walk over it.
    fn finish(&mut self, sequence: i32) {
        self.sequences.finish(sequence);
        while let Some((idle, tokens)) = self.sequences.idle() {
            if self.prefix_cache
                && tokens.len() >= keep::LEAST
                && let Some(bytes) = self.context.save(idle)
            {
                let tokens = tokens.to_vec();
                self.shelf.put(State { tokens, bytes });
            }
            self.drop_sequence(idle);
        }
    }

    /// Puts back what the shelf has of a prompt, if that is more than the cache has, is worth the copying, and there is room.
    /// A state that goes on otherwise than the prompt stays on the shelf.
    pub(super) fn fetch(&mut self, wanted: &[LlamaToken]) {
        let known = self.sequences.known(wanted);
        // All of a state is copied, whatever is used of it.
        let room = self.sequences.within_reach();
        if !self.sequences.has_number() && !self.evict() {
            return;
        }
        let pace = &self.pace;
        let is_worth_it = |state: &State, shared: usize| {
            let spared = shared.saturating_sub(known);
            spared >= WORTH && state.tokens.len() <= room && pace.reading(spared) > copying(state)
        };
        let Some((state, shared)) = self.shelf.take(wanted, is_worth_it) else {
            return;
        };
        while self.sequences.free() < state.tokens.len() {
            if !self.evict() {
                return self.shelf.put(state);
            }
        }
        let used = state.tokens.get(..shared).unwrap_or_default().to_vec();
        let Some(sequence) = self.sequences.restore(used, false) else {
            return self.shelf.put(state);
        };
        if !self.context.load(sequence, &state.bytes) {
            tracing::warn!("llama.cpp does not take a state from the shelf; it is read anew");
            return self.sequences.release(sequence);
        }
        if shared < state.tokens.len() {
            if !self.context.forget(sequence, shared) {
                self.drop_sequence(sequence);
            }
            self.shelf.put(state);
        }
    }

    /// Gives up a request's sequence with all that is in it.
    pub(super) fn drop_sequence(&mut self, sequence: i32) {
        self.sequences.release(sequence);
        self.context.forget(sequence, 0);
    }

    /// Gives up what was used least; false if there is nothing that can go.
    pub(super) fn evict(&mut self) -> bool {
        match self.sequences.evict() {
            Some(gone) => {
                self.context.forget(gone, 0);
                true
            }
            None => false,
        }
    }

    /// Gives up all that no request holds.
    pub(super) fn evict_idle(&mut self) {
        self.shelf.clear();
        while self.evict() {}
    }

    /// Forgets everything, after a fault.
    pub(super) fn clear(&mut self) {
        self.sequences.clear();
        self.context.clear();
    }

    /// Keeps the state of a request's fixed tokens once they are read, in the cache and on disk.
    pub(super) fn fix(&mut self, sequence: i32, tokens: usize) {
        if !self.prefix_cache {
            return;
        }
        if !self.sequences.has_number() && !self.evict() {
            return;
        }
        let Some(fixed) = self.sequences.fix(sequence, tokens) else {
            return;
        };
        self.context.share(sequence, fixed, tokens);
        let Some(keep) = &self.keep else { return };
        let first = self.running.iter().find(|r| r.sequence == sequence);
        let first = first.and_then(|r| r.tokens.get(..tokens));
        if let (Some(first), Some(bytes)) = (first, self.context.save(fixed)) {
            keep.store(State {
                tokens: first.to_vec(),
                bytes,
            });
        }
    }

    /// Puts the kept states into the cache, as far as they leave half of it free.
    pub(super) fn restore(&mut self) {
        let Some(keep) = self.keep.as_ref().filter(|_| self.prefix_cache) else {
            return;
        };
        let mut left = self.sequences.free() / 2;
        let mut places = CACHED / 2;
        for State { tokens, bytes } in keep.load() {
            if tokens.len() > left || places == 0 || self.sequences.is_fixed(&tokens) {
                continue;
            }
            let count = tokens.len();
            let Some(sequence) = self.sequences.restore(tokens, true) else {
                return;
            };
            if self.context.load(sequence, &bytes) {
                left -= count;
                places -= 1;
                tracing::info!(tokens = count, "a fixed prompt's state was loaded");
            } else {
                tracing::warn!("llama.cpp does not take a kept state; it is read anew");
                self.sequences.release(sequence);
            }
        }
    }
}

/// Where a model's fixed prompts are kept, if anywhere.
pub(super) fn kept(options: &EngineOptions, header: &Header) -> Option<Keep> {
    let folder = options.keep.clone()?;
    // Keys and values depend on the weights, on how they are computed and on how llama.cpp lays them out.
    let key = format!(
        "{} f16 auto-fa llama.cpp {} {}",
        header.fingerprint,
        context::version(),
        options.gpu_layers
    );
    Some(Keep::new(folder, key))
}
