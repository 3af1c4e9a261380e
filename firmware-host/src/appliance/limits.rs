//! How much may be done at once, and how much is.

use serde::Serialize;

use crate::store::Moment;

/// How much may be open at once; how much may run is said by [`super::Slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplianceLimits {
    /// Tasks that have not ended.
    pub max_open_tasks: usize,
}

/// What is getting done: finished work, not a timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Tasks that have not ended.
    pub open: usize,
    /// Those that run, or wait for a person.
    pub running: usize,
    /// Those that wait for a place to run.
    pub waiting: usize,
    /// Questions to people that are waited for.
    pub asking: usize,
    /// The age of the oldest open task; 0 if none is open.
    pub oldest_ms: u64,
    /// When a task last ended; none since the start of the program.
    pub last_finished_at: Option<Moment>,
    /// Tokens that the engine on this board has read or written.
    pub engine_tokens: u64,
    /// Whether the program is stopping.
    pub draining: bool,
}
