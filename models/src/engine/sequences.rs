//! Who holds which cells of the key-value cache.
//!
//! Every sequence of llama.cpp's cache is here with its tokens: those of requests that run, and those of fixed prompts,
//! which stay. A request that begins like one of them shares its cells, and nothing is
//! computed or copied. Cells are counted by runs: a run is what one sequence decoded in one go, and others that share
//! it hold a beginning of it, so that a run takes as many cells as its longest holder has of it.
//!
//! This is bookkeeping alone; the caller does the same to the context.

use std::collections::BTreeMap;

use llama_cpp_2::token::LlamaToken;

/// The sequences of one context.
pub(super) struct Sequences {
    held: Vec<Option<Held>>,
    cells: usize,
    /// Whether the model can forget the end of a sequence and share a beginning; recurrent ones cannot.
    divisible: bool,
    clock: u64,
    runs: u64,
}

struct Held {
    tokens: Vec<LlamaToken>,
    /// Each run and how much of it is held.
    runs: Vec<(u64, usize)>,
    /// Whether the last run may grow.
    open: bool,
    busy: bool,
    fixed: bool,
    /// Whether nobody else may begin with it.
    alone: bool,
    used: u64,
}

/// Where a new request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// From nothing.
    Empty,
    /// With the first tokens of another sequence, which stays.
    Share { from: i32, tokens: usize },
    /// In a sequence that is wholly a beginning of it and is used up.
    Continue { tokens: usize },
}

impl Start {
    /// The tokens that need not be read.
    pub(super) fn tokens(self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Share { tokens, .. } | Self::Continue { tokens } => tokens,
        }
    }
}

impl Held {
    /// What a request begins with that knows nothing.
    const fn empty(used: u64) -> Self {
        Self {
            tokens: Vec::new(),
            runs: Vec::new(),
            open: false,
            busy: true,
            fixed: false,
            alone: false,
            used,
        }
    }
}

impl Sequences {
    /// None yet, of at most `count`, in `cells` cells.
    pub(super) fn new(count: usize, cells: usize, divisible: bool) -> Self {
        Self {
            held: (0..count).map(|_| None).collect(),
            cells,
            divisible,
            clock: 0,
            runs: 0,
        }
    }

    /// Cells that are free.
    pub(super) fn free(&self) -> usize {
        self.cells.saturating_sub(self.used(|_| true))
    }

    /// Cells that are free once everything is evicted that can be.
    pub(super) fn within_reach(&self) -> usize {
        self.cells.saturating_sub(self.used(|held| held.busy))
    }

    fn used(&self, counts: impl Fn(&Held) -> bool) -> usize {
        let mut runs = BTreeMap::new();
        for held in self.held.iter().flatten().filter(|held| counts(held)) {
            for &(run, length) in &held.runs {
                let longest = runs.entry(run).or_insert(0);
                *longest = length.max(*longest);
            }
        }
        runs.values().sum()
    }

    /// How many tokens of `wanted` a sequence has. The last one is never counted: it must be decoded for there to be
    /// an output.
    pub(super) fn known(&self, wanted: &[LlamaToken]) -> usize {
        self.best(wanted).map_or(0, |(_, tokens)| tokens)
    }

    fn best(&self, wanted: &[LlamaToken]) -> Option<(usize, usize)> {
        let most = wanted.len().saturating_sub(1);
        let shared = |held: &Held| {
            let pairs = held.tokens.iter().zip(wanted);
            let shared = pairs.take_while(|(a, b)| a == b).count().min(most);
            if self.divisible || shared == held.tokens.len() {
                shared
            } else {
                0
            }
        };
        let each = self.held.iter().enumerate();
        each.filter_map(|(at, held)| held.as_ref().map(|held| (at, held)))
            .filter(|(_, held)| !held.alone)
            .map(|(at, held)| (at, shared(held)))
            .filter(|(_, shared)| *shared > 0)
            // Of two that are as good, one that is free to be continued.
            .max_by_key(|(at, shared)| (*shared, self.is_continuable(*at, *shared)))
    }

    fn is_continuable(&self, at: usize, shared: usize) -> bool {
        self.held
            .get(at)
            .and_then(Option::as_ref)
            .is_some_and(|held| !held.busy && !held.fixed && held.tokens.len() == shared)
    }

    /// Gives `wanted` a sequence, its own number and where it begins; none if no number is free.
    pub(super) fn begin(&mut self, wanted: &[LlamaToken]) -> Option<(i32, Start)> {
        let found = self.best(wanted);
        self.clock += 1;
        let clock = self.clock;
        if let Some((at, tokens)) = found.filter(|(at, shared)| self.is_continuable(*at, *shared)) {
            let held = self.held.get_mut(at)?.as_mut()?;
            held.busy = true;
            held.used = clock;
            return Some((number(at), Start::Continue { tokens }));
        }
        let free = self.held.iter().position(Option::is_none)?;
        let mut new = Held::empty(clock);
        let mut start = Start::Empty;
        if let Some((at, tokens)) = found
            && let Some(from) = self.held.get_mut(at).and_then(Option::as_mut)
        {
            from.used = clock;
            new.tokens.extend_from_slice(from.tokens.get(..tokens)?);
            new.runs = beginning(&from.runs, tokens);
            start = Start::Share {
                from: number(at),
                tokens,
            };
        }
        *self.held.get_mut(free)? = Some(new);
        Some((number(free), start))
    }

    /// A sequence that begins with nothing, and that nobody else begins with; none if no number is free.
    pub(super) fn begin_alone(&mut self) -> Option<i32> {
        self.clock += 1;
        let free = self.held.iter().position(Option::is_none)?;
        *self.held.get_mut(free)? = Some(Held {
            alone: true,
            ..Held::empty(self.clock)
        });
        Some(number(free))
    }

    /// Notes that `sequence` now holds `tokens` more.
    pub(super) fn grow(&mut self, sequence: i32, tokens: &[LlamaToken]) {
        let next = self.runs + 1;
        let Some(held) = self.get_mut(sequence) else {
            return;
        };
        held.tokens.extend_from_slice(tokens);
        match held.runs.last_mut().filter(|_| held.open) {
            Some((_, length)) => *length += tokens.len(),
            None => {
                held.runs.push((next, tokens.len()));
                held.open = true;
                self.runs = next;
            }
        }
    }

    /// Takes a copy of the first tokens of a sequence that stays whatever comes. Gives its number; none if no number
    /// is free or such a copy is there.
    pub(super) fn fix(&mut self, sequence: i32, tokens: usize) -> Option<i32> {
        let held = self.get_mut(sequence)?;
        let first = held.tokens.get(..tokens)?.to_vec();
        let runs = beginning(&held.runs, tokens);
        let is_part = tokens < held.tokens.len();
        if self.is_fixed(&first) || (is_part && !self.divisible) {
            return None;
        }
        self.clock += 1;
        let used = self.clock;
        let free = self.held.iter().position(Option::is_none)?;
        *self.held.get_mut(free)? = Some(Held {
            tokens: first,
            runs,
            busy: false,
            fixed: true,
            ..Held::empty(used)
        });
        Some(number(free))
    }

    /// Puts tokens that came from elsewhere into a sequence; `fixed` makes it one that stays.
    pub(super) fn restore(&mut self, tokens: Vec<LlamaToken>, fixed: bool) -> Option<i32> {
        let free = self.held.iter().position(Option::is_none)?;
        self.runs += 1;
        self.clock += 1;
        *self.held.get_mut(free)? = Some(Held {
            runs: vec![(self.runs, tokens.len())],
            tokens,
            busy: false,
            fixed,
            ..Held::empty(self.clock)
        });
        Some(number(free))
    }

    /// Whether these tokens have a sequence that stays.
    pub(super) fn is_fixed(&self, tokens: &[LlamaToken]) -> bool {
        let mut each = self.held.iter().flatten();
        each.any(|held| held.fixed && held.tokens == tokens)
    }

    /// Ends a request's hold of its sequence.
    pub(super) fn finish(&mut self, sequence: i32) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(held) = self.get_mut(sequence) {
            held.busy = false;
            held.used = clock;
        }
    }

    /// Gives a sequence up.
    pub(super) fn release(&mut self, sequence: i32) {
        if let Some(place) = usize::try_from(sequence)
            .ok()
            .and_then(|at| self.held.get_mut(at))
        {
            *place = None;
        }
    }

    /// A sequence that no request holds and that need not stay, with its tokens.
    pub(super) fn idle(&self) -> Option<(i32, &[LlamaToken])> {
        let mut each = self.held.iter().enumerate();
        each.find_map(|(at, held)| {
            let held = held.as_ref().filter(|held| !held.busy && !held.fixed)?;
            Some((number(at), held.tokens.as_slice()))
        })
    }

    /// Whether the model can forget the end of a sequence and share a beginning.
    pub(super) fn is_divisible(&self) -> bool {
        self.divisible
    }

    /// Gives up the sequence that was not used for longest, of those that need not stay if there are any.
    pub(super) fn evict(&mut self) -> Option<i32> {
        let each = self.held.iter().enumerate();
        let idle = each.filter_map(|(at, held)| held.as_ref().map(|held| (at, held)));
        let (at, _) = idle
            .filter(|(_, held)| !held.busy)
            .min_by_key(|(_, held)| (held.fixed, held.used))?;
        self.release(number(at));
        Some(number(at))
    }

    /// Whether there is a number for one more.
    pub(super) fn has_number(&self) -> bool {
        self.held.iter().any(Option::is_none)
    }

    /// Gives everything up.
    pub(super) fn clear(&mut self) {
        self.held.fill_with(|| None);
    }

    fn get_mut(&mut self, sequence: i32) -> Option<&mut Held> {
        let at = usize::try_from(sequence).ok()?;
        self.held.get_mut(at)?.as_mut()
    }
}

/// The first `tokens` tokens of these runs.
fn beginning(runs: &[(u64, usize)], tokens: usize) -> Vec<(u64, usize)> {
    let mut left = tokens;
    let mut first = Vec::new();
    for &(run, length) in runs {
        let taken = length.min(left);
        if taken > 0 {
            first.push((run, taken));
        }
        left -= taken;
    }
    first
}

fn number(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(numbers: std::ops::Range<i32>) -> Vec<LlamaToken> {
        numbers.map(LlamaToken).collect()
    }

    fn read(all: &mut Sequences, wanted: &[LlamaToken]) -> (i32, Start) {
        let (sequence, start) = all.begin(wanted).unwrap();
        all.grow(sequence, &wanted[start.tokens()..]);
        (sequence, start)
    }

    #[test]
    fn a_beginning_is_shared_and_its_cells_count_once() {
        let mut all = Sequences::new(4, 100, true);
        let (first, start) = read(&mut all, &tokens(0..40));
        assert_eq!((start, all.free()), (Start::Empty, 60));
        let mut other = tokens(0..30);
        other.extend(tokens(90..100));
        let (second, start) = read(&mut all, &other);
        let shared = Start::Share {
            from: first,
            tokens: 30,
        };
        assert_eq!((start, all.free()), (shared, 50));
        // The sharer's end is its own, and the first may go.
        all.grow(second, &tokens(100..105));
        assert_eq!(all.free(), 45);
        all.release(first);
        assert_eq!(all.free(), 55);
    }

    #[test]
    fn nobody_begins_with_what_is_read_alone() {
        let mut all = Sequences::new(4, 100, true);
        let alone = all.begin_alone().unwrap();
        all.grow(alone, &tokens(0..20));
        assert_eq!((all.known(&tokens(0..20)), all.free()), (0, 80));
        let (_, start) = read(&mut all, &tokens(0..20));
        assert_eq!((start, all.free()), (Start::Empty, 60));
        all.release(alone);
        assert_eq!(all.free(), 80);
    }

    #[test]
    fn what_ended_is_continued() {
        let mut all = Sequences::new(4, 100, true);
        let (first, _) = read(&mut all, &tokens(0..20));
        all.finish(first);
        let (again, start) = read(&mut all, &tokens(0..30));
        assert_eq!((again, start), (first, Start::Continue { tokens: 20 }));
        let (_, start) = read(&mut all, &tokens(0..20));
        assert_eq!(start.tokens(), 19);
        // 30, and the last of the 20, which the second one read again.
        assert_eq!(all.free(), 69);
    }

    #[test]
    fn the_least_used_goes_first_and_what_stays_goes_last() {
        let mut all = Sequences::new(3, 100, true);
        let (first, _) = read(&mut all, &tokens(0..10));
        let fixed = all.fix(first, 5).unwrap();
        assert_eq!(all.fix(first, 5), None);
        let (second, _) = read(&mut all, &tokens(50..60));
        assert!(!all.has_number() && all.begin(&tokens(70..75)).is_none());
        assert_eq!(all.evict(), Some(fixed));
        assert_eq!(all.evict(), None);
        all.finish(second);
        all.finish(first);
        assert_eq!(all.within_reach(), 100);
        assert_eq!(all.evict(), Some(second));
        assert_eq!(all.evict(), Some(first));
        assert_eq!(all.free(), 100);
    }

    #[test]
    fn what_no_request_holds_and_need_not_stay_is_idle() {
        let mut all = Sequences::new(4, 100, true);
        let (first, _) = read(&mut all, &tokens(0..20));
        all.fix(first, 10).unwrap();
        assert_eq!(all.idle(), None);
        all.finish(first);
        assert_eq!(all.idle(), Some((first, tokens(0..20).as_slice())));
        all.release(first);
        assert_eq!((all.idle(), all.free()), (None, 90));
    }

    #[test]
    fn a_model_that_cannot_forget_shares_whole_sequences_alone() {
        let mut all = Sequences::new(4, 100, false);
        let (first, _) = read(&mut all, &tokens(0..20));
        all.finish(first);
        assert_eq!(all.known(&tokens(0..15)), 0);
        assert_eq!(all.known(&tokens(0..25)), 20);
        assert_eq!(all.fix(first, 10), None);
        assert!(all.fix(first, 20).is_some());
    }
}
