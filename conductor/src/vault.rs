//! Placeholders: reversible redaction, for the time of one task.
//!
//! A placeholder is `[TYPE_n]`, such as `[EMAIL_2]`. The same text always has the same one within a task, also across
//! steps; whatever a worker makes up stays as it is.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Range,
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::{
    detect::{Finding, Kind, inside_word},
    label::Label,
    text::Labelled,
};

/// The longest placeholder: brackets, a type of 32, an underscore and a number.
pub const MAX_PLACEHOLDER: usize = 48;

/// The most different things that one task may have replaced. Beyond that nothing of it leaves.
pub const MAX_ENTRIES: usize = 10_000;

/// What stands behind the placeholders of one task. It never prints what it holds.
#[derive(Default)]
pub struct Vault {
    numbers: BTreeMap<Kind, u32>,
    by_text: HashMap<String, usize>,
    by_placeholder: HashMap<String, usize>,
    entries: Vec<Entry>,
    overflowed: bool,
    /// Finds every entry in one pass; made anew when it is needed and something was added.
    search: Option<AhoCorasick>,
}

struct Entry {
    text: String,
    placeholder: String,
    kind: Kind,
    label: Label,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} entries)", self.entries.len())
    }
}

impl Vault {
    /// Gives everything found in `texts` its placeholder. All texts that a worker will read together belong into one
    /// call, so that no placeholder is one that any of them holds already.
    pub fn learn<'a>(&mut self, texts: impl IntoIterator<Item = &'a Labelled> + Clone) {
        for text in texts.clone() {
            self.avoid(text.text());
        }
        for text in texts {
            for finding in text.findings() {
                self.enter(&text.text()[finding.span.clone()], finding);
            }
        }
    }

    /// Whether there was more to replace than [`MAX_ENTRIES`].
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Keeps the numbers of placeholders that a text already holds from being given out.
    fn avoid(&mut self, text: &str) {
        for (_, inner) in brackets(text) {
            let Some((name, number)) = inner.rsplit_once('_') else {
                continue;
            };
            if let (Ok(kind), Ok(number)) = (
                Kind::try_new(name.to_ascii_lowercase()),
                number.parse::<u32>(),
            ) && number < 1_000_000
            {
                let next = self.numbers.entry(kind).or_default();
                *next = (*next).max(number);
            }
        }
    }

    fn enter(&mut self, text: &str, finding: &Finding) {
        if let Some(&known) = self.by_text.get(text) {
            let entry = &mut self.entries[known];
            entry.label = entry.label.join(finding.label);
            return;
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.overflowed = true;
            return;
        }
        let number = self.numbers.entry(finding.kind.clone()).or_default();
        *number += 1;
        let placeholder = format!("[{}_{number}]", finding.kind.as_str().to_ascii_uppercase());
        self.by_text.insert(text.to_owned(), self.entries.len());
        self.by_placeholder
            .insert(placeholder.clone(), self.entries.len());
        self.entries.push(Entry {
            text: text.to_owned(),
            placeholder,
            kind: finding.kind.clone(),
            label: finding.label,
        });
        self.search = None;
    }

    /// `text` with those findings replaced whose label `masks` chooses. What has no placeholder, since there are too
    /// many, is replaced by its type alone and cannot be restored.
    #[must_use]
    pub fn redact(&self, text: &Labelled, masks: impl Fn(Label) -> bool) -> String {
        let original = text.text();
        let mut out = String::with_capacity(original.len());
        let mut at = 0;
        let masked = text
            .findings()
            .iter()
            .filter(|finding| masks(finding.label));
        for finding in masked {
            out.push_str(&original[at..finding.span.start]);
            match self.by_text.get(&original[finding.span.clone()]) {
                Some(&known) => out.push_str(&self.entries[known].placeholder),
                None => {
                    out.push('[');
                    out.push_str(&finding.kind.as_str().to_ascii_uppercase());
                    out.push(']');
                }
            }
            at = finding.span.end;
        }
        out.push_str(&original[at..]);
        out
    }

    /// Where `text` holds, as whole words, what was found earlier in this task, whether or not a detector sees it here.
    ///
    /// Takes time linear in the text and the hits.
    #[must_use]
    pub fn find(&mut self, text: &str) -> Vec<Finding> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        if self.search.is_none() {
            let words = self.entries.iter().map(|entry| &entry.text);
            self.search = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(words)
                .ok();
        }
        let Some(search) = &self.search else {
            // Without a search nothing may be taken for harmless.
            self.overflowed = true;
            return Vec::new();
        };
        search
            .find_overlapping_iter(text)
            .map(|hit| {
                (
                    hit.start()..hit.end(),
                    &self.entries[hit.pattern().as_usize()],
                )
            })
            .filter(|(span, _)| !inside_word(text, span))
            .map(|(span, entry)| Finding {
                span,
                kind: entry.kind.clone(),
                label: entry.label,
            })
            .collect()
    }

    /// `text` with what was found earlier in this task among its findings.
    #[must_use]
    pub fn recognise(&mut self, text: Labelled) -> Labelled {
        let found = self.find(text.text());
        let text = text.with(found);
        // Where findings overlapped, pieces of them are new.
        self.learn([&text]);
        text
    }

    /// `text` with every placeholder of ours replaced by what stands behind it.
    #[must_use]
    pub fn restore(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (span, _) in brackets(text) {
            if let Some(original) = self.original(&text[span.clone()]) {
                out.push_str(&text[at..span.start]);
                out.push_str(original);
                at = span.end;
            }
        }
        out.push_str(&text[at..]);
        out
    }

    /// What stands behind a placeholder, in whatever case a worker wrote it.
    fn original(&self, placeholder: &str) -> Option<&str> {
        let entry = self
            .by_placeholder
            .get(placeholder)
            .or_else(|| self.by_placeholder.get(&placeholder.to_ascii_uppercase()))?;
        Some(&self.entries[*entry].text)
    }
}

/// The pieces of `text` that may be placeholders, and what stands between their brackets.
fn brackets(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    text.match_indices('[').filter_map(|(start, _)| {
        let rest = &text.as_bytes()[start + 1..];
        let length = rest
            .iter()
            .take(MAX_PLACEHOLDER)
            .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
        (rest[length] == b']' && length > 0)
            .then(|| (start..start + length + 2, &text[start + 1..=start + length]))
    })
}

/// Restores placeholders in a text that comes in pieces.
///
/// Holds back a piece's end for as long as it may be the beginning of a placeholder.
#[derive(Debug, Default)]
pub struct Restorer {
    held: String,
}

impl Restorer {
    /// Takes one piece and gives what is certain by now.
    #[must_use]
    pub fn push(&mut self, piece: &str, vault: &Vault) -> String {
        self.held.push_str(piece);
        let certain = self.held.rfind('[').map_or(self.held.len(), |start| {
            let open = self.held.as_bytes()[start + 1..]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            if open && self.held.len() - start < MAX_PLACEHOLDER {
                start
            } else {
                self.held.len()
            }
        });
        let rest = self.held.split_off(certain);
        let out = vault.restore(&self.held);
        self.held = rest;
        out
    }

    /// Gives what is still held.
    #[must_use]
    pub fn finish(self, vault: &Vault) -> String {
        vault.restore(&self.held)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::{detect::Detectors, policy::Policy};

    fn detectors() -> Detectors {
        let policy = "[[dictionaries]]\ntype = \"person\"\nwords = [\"Ana Ruiz\", \"Bo\"]";
        Detectors::try_new(&Policy::parse(policy, Path::new(".")).unwrap()).unwrap()
    }

    fn redact(vault: &mut Vault, text: &str) -> String {
        let text = Labelled::new(text, Label::Public, &detectors());
        vault.learn([&text]);
        let text = vault.recognise(text);
        vault.redact(&text, |_| true)
    }

    #[test]
    fn the_same_thing_has_the_same_placeholder_and_comes_back() {
        let mut vault = Vault::default();
        let text = "Ana Ruiz <ana@plant.example> and bo@plant.example; ana@plant.example again";
        let masked = redact(&mut vault, text);
        assert_eq!(
            masked,
            "[PERSON_1] <[EMAIL_1]> and [EMAIL_2]; [EMAIL_1] again"
        );
        assert_eq!(
            redact(&mut vault, "tell bo@plant.example"),
            "tell [EMAIL_2]"
        );
        assert_eq!(vault.restore(&masked), text);
        assert_eq!(vault.restore("dear [email_2]"), "dear bo@plant.example");
    }

    #[test]
    fn a_placeholder_that_a_worker_made_up_stays() {
        let mut vault = Vault::default();
        let _ = redact(&mut vault, "a@b.example");
        assert_eq!(
            vault.restore("[EMAIL_7] [EMAIL_] [] [x] a[1] [[EMAIL_1]]"),
            "[EMAIL_7] [EMAIL_] [] [x] a[1] [a@b.example]"
        );
    }

    #[test]
    fn a_placeholder_in_the_task_is_never_given_out() {
        let mut vault = Vault::default();
        let text = "template [EMAIL_1]: a@b.example";
        let masked = redact(&mut vault, text);
        assert_eq!(masked, "template [EMAIL_1]: [EMAIL_2]");
        assert_eq!(vault.restore(&masked), text);
    }

    #[test]
    fn what_was_replaced_once_is_known_where_no_detector_sees_it() {
        let mut vault = Vault::default();
        let _ = redact(&mut vault, "call +49 171 1234567");
        let found = vault.find("ring <+49 171 1234567>, not x+49 171 12345678");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].span, 6..21);
    }

    #[test]
    fn a_placeholder_in_one_message_is_not_given_to_what_another_holds() {
        let mut vault = Vault::default();
        let texts = ["write to a@b.example", "keep [EMAIL_1] as it is"]
            .map(|text| Labelled::new(text, Label::Public, &detectors()));
        vault.learn(&texts);
        assert_eq!(vault.redact(&texts[0], |_| true), "write to [EMAIL_2]");
        assert_eq!(vault.restore(texts[1].text()), texts[1].text());
    }

    #[test]
    fn beyond_its_limit_things_are_replaced_for_good() {
        let mut vault = Vault::default();
        let text: String = (0..=MAX_ENTRIES)
            .map(|n| format!("u{n}@b.example "))
            .collect();
        let masked = redact(&mut vault, &text);
        assert!(vault.overflowed());
        assert!(masked.ends_with(&format!("[EMAIL_{MAX_ENTRIES}] [EMAIL] ")));
        assert!(!masked.contains("@b.example"));
    }

    #[test]
    fn the_vault_does_not_print_what_it_holds() {
        let mut vault = Vault::default();
        let _ = redact(&mut vault, "a@b.example");
        assert!(!format!("{vault:?}").contains("a@b"));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_restore_to_the_same_as_the_whole(
            text in "(\\[EMAIL_1\\]|\\[EMAIL_|\\[|\\]|é|[a-z ]|EMAIL_1\\]){0,40}",
            cuts in prop::collection::vec(0usize..200, 0..12),
        ) {
            let mut vault = Vault::default();
            let _ = redact(&mut vault, "a@b.example");
            let mut ends: Vec<usize> = cuts
                .into_iter()
                .filter(|&cut| cut <= text.len() && text.is_char_boundary(cut))
                .chain([text.len()])
                .collect();
            ends.sort_unstable();
            let mut restorer = Restorer::default();
            let mut out = String::new();
            let mut at = 0;
            for end in ends {
                out.push_str(&restorer.push(&text[at..end], &vault));
                at = end;
            }
            out.push_str(&restorer.finish(&vault));
            prop_assert_eq!(out, vault.restore(&text));
        }

        #[test]
        fn redaction_is_undone_by_restoring(text in "(Ana Ruiz|bo|a@b\\.example|\\[EMAIL_1\\]|[a-z\\[\\]_ ]|\\+49 171 1234567){0,20}") {
            let mut vault = Vault::default();
            let masked = redact(&mut vault, &text);
            prop_assert_eq!(vault.restore(&masked), text);
        }
    }
}
