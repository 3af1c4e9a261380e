//! What the person at the terminal is told: one line a step.

use std::io::{self, Write as _};

/// Prints one step's line. A closed terminal is no reason to stop the step.
pub fn step(name: &str, text: &str) {
    let mut out = io::stdout().lock();
    let _closed = writeln!(out, "{name:>8}  {text}").and_then(|()| out.flush());
}
