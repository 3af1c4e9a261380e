//! Putting back what stands behind placeholders.

use super::{
    Entry, Shown, Vault,
    placeholder::{unfinished, written},
    quotes::{Form, Quotes},
};
use crate::detect::Finding;

/// A text in which placeholders were restored.
#[derive(Clone, PartialEq, Eq)]
pub struct Restored {
    /// The text.
    pub text: String,
    /// What was put back, and where.
    pub findings: Vec<Finding>,
}

/// Restores placeholders in a text that comes in pieces.
///
/// Holds back a piece's end for as long as it may be the beginning of a placeholder. However the text is cut, the pieces
/// together are what the whole restores to.
pub struct Restorer {
    shown: Shown,
    quotes: Quotes,
    held: String,
}

impl Restorer {
    /// For a text of one form by somebody who was shown these placeholders and therefore cannot mean any other.
    #[must_use]
    pub fn new(form: Form, shown: Shown) -> Self {
        Self {
            shown,
            quotes: Quotes::new(form),
            held: String::new(),
        }
    }

    /// Takes one piece and gives what is certain by now.
    #[must_use]
    pub fn push(&mut self, piece: &str, vault: &Vault) -> String {
        self.held.push_str(piece);
        let rest = self.held.split_off(unfinished(&self.held));
        let certain = std::mem::replace(&mut self.held, rest);
        self.restore(&certain, vault).text
    }

    /// Gives what is still held.
    #[must_use]
    pub fn finish(mut self, vault: &Vault) -> String {
        let held = std::mem::take(&mut self.held);
        self.restore(&held, vault).text
    }

    /// Restores a text that is complete.
    #[must_use]
    pub fn whole(mut self, text: &str, vault: &Vault) -> Restored {
        self.restore(text, vault)
    }

    fn restore(&mut self, text: &str, vault: &Vault) -> Restored {
        let mut restored = Restored {
            text: String::with_capacity(text.len()),
            findings: Vec::new(),
        };
        let mut at = 0;
        for one in written(text) {
            let Some(entry) = vault.behind(&one.placeholder, &self.shown) else {
                continue;
            };
            let before = &text[at..one.span.start];
            restored.text.push_str(before);
            self.quotes.advance(before);
            let start = restored.text.len();
            self.put(entry, &mut restored.text);
            restored.findings.push(Finding {
                span: start..restored.text.len(),
                kind: entry.kind.clone(),
                label: entry.label,
            });
            self.quotes.advance(&text[one.span.clone()]);
            at = one.span.end;
        }
        let rest = &text[at..];
        restored.text.push_str(rest);
        self.quotes.advance(rest);
        restored
    }

    fn put(&self, entry: &Entry, out: &mut String) {
        if entry.escaped {
            out.push_str(&entry.text);
        } else {
            out.push_str(&self.quotes.quoted(&entry.text));
        }
    }
}
