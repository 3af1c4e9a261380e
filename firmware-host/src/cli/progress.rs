//! How far a command is that takes long: a bar on a terminal, elsewhere a line of the log at every tenth.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The form of a bar, which itself is 32 characters wide.
const FORM: &str = "{prefix} [{bar:32}] {pos} of {len}, {eta} left";

/// How far something is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    what: String,
    whole: usize,
    /// The tenth that was last told of.
    tenth: usize,
}

impl Progress {
    /// Of something with `whole` parts, none of which is done.
    pub fn new(what: &str, whole: usize) -> Self {
        Self::from(what, 0, whole)
    }

    /// Of something that goes on with so many parts done.
    pub fn from(what: &str, done: usize, whole: usize) -> Self {
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(whole as u64), target)
            .with_prefix(what.to_owned())
            .with_position(done as u64)
            .with_style(style());
        // The times of what was done before say nothing, and a part may take long.
        bar.reset_eta();
        bar.tick();
        Self {
            bar,
            what: what.to_owned(),
            whole,
            tenth: done.saturating_mul(10) / whole.max(1),
        }
    }

    /// So many parts are done.
    pub fn set(&mut self, done: usize) {
        if !self.bar.is_hidden() {
            self.bar.set_position(done as u64);
        } else if self.is_due(done) {
            tracing::info!(done, of = self.whole, "{}", self.what);
        }
    }

    /// Says something in between.
    pub fn note(&self, text: &str) {
        match self.bar.is_hidden() {
            true => tracing::info!("{text}"),
            false => self.bar.println(text),
        }
    }

    /// Whether another tenth is done.
    fn is_due(&mut self, done: usize) -> bool {
        let tenth = done.saturating_mul(10) / self.whole.max(1);
        let is_due = tenth > self.tenth;
        self.tenth = self.tenth.max(tenth);
        is_due
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    // A test sees that it is a form.
    ProgressStyle::with_template(FORM)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tenth_is_told_once_and_the_form_is_right() {
        assert!(ProgressStyle::with_template(FORM).is_ok());
        let mut progress = Progress::new("tasks", 40);
        let told: Vec<usize> = (1..=40).filter(|done| progress.is_due(*done)).collect();
        assert_eq!(told, [4, 8, 12, 16, 20, 24, 28, 32, 36, 40]);
        let mut more = Progress::new("MB", 100);
        let told = [0, 5, 9, 55, 59, 60].map(|done| more.is_due(done));
        assert_eq!(told, [false, false, false, true, false, true]);
        let mut few = Progress::new("folds", 2);
        assert!(few.is_due(1) && !few.is_due(1) && few.is_due(2));
        // Of nothing, nothing is told.
        assert!(!Progress::new("none", 0).is_due(0));
    }
}
