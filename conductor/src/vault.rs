//! Placeholders: reversible redaction, for the time of one task.
//!
//! A placeholder is `[TYPE_n]`, such as `[EMAIL_2]`. The same text always has the same one within a task, also across
//! steps; whatever a worker makes up stays as it is.

use std::{collections::BTreeMap, fmt, ops::Range};

use crate::{
    detect::{Finding, Kind, inside_word},
    label::Label,
    text::Labelled,
};

/// The longest placeholder: brackets, a type of 32, an underscore and a number.
pub const MAX_PLACEHOLDER: usize = 48;

/// What stands behind the placeholders of one task. It never prints what it holds.
#[derive(Default)]
pub struct Vault {
    numbers: BTreeMap<Kind, u32>,
    by_text: BTreeMap<String, Entry>,
    by_placeholder: BTreeMap<String, String>,
}

struct Entry {
    placeholder: String,
    kind: Kind,
    label: Label,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} entries)", self.by_text.len())
    }
}

impl Vault {
    /// Gives everything found in `text` its placeholder.
    pub fn learn(&mut self, text: &Labelled) {
        self.avoid(text.text());
        for finding in text.findings() {
            self.placeholder(&text.text()[finding.span.clone()], finding);
        }
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

    /// `text` with the `findings` that `masks` chooses replaced. Findings are sorted and do not overlap.
    #[must_use]
    pub fn redact(
        &mut self,
        text: &str,
        findings: &[Finding],
        masks: impl Fn(Label) -> bool,
    ) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for finding in findings.iter().filter(|finding| masks(finding.label)) {
            out.push_str(&text[at..finding.span.start]);
            out.push_str(self.placeholder(&text[finding.span.clone()], finding));
            at = finding.span.end;
        }
        out.push_str(&text[at..]);
        out
    }

    fn placeholder(&mut self, text: &str, finding: &Finding) -> &str {
        if !self.by_text.contains_key(text) {
            let number = self.numbers.entry(finding.kind.clone()).or_default();
            *number += 1;
            let placeholder = format!("[{}_{number}]", finding.kind.as_str().to_ascii_uppercase());
            self.by_placeholder
                .insert(placeholder.clone(), text.to_owned());
            self.by_text.insert(
                text.to_owned(),
                Entry {
                    placeholder,
                    kind: finding.kind.clone(),
                    label: finding.label,
                },
            );
        }
        &self.by_text[text].placeholder
    }

    /// Where `text` holds, as whole words, what was found earlier in this task, whether or not a detector sees it here.
    ///
    /// Takes time in the number of entries, which the findings of one task bound.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Finding> {
        self.by_text
            .iter()
            .flat_map(|(known, entry)| {
                text.match_indices(known.as_str())
                    .map(|(start, _)| Finding {
                        span: start..start + known.len(),
                        kind: entry.kind.clone(),
                        label: entry.label,
                    })
            })
            .filter(|finding| !inside_word(text, &finding.span))
            .collect()
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
        self.by_placeholder
            .get(placeholder)
            .or_else(|| self.by_placeholder.get(&placeholder.to_ascii_uppercase()))
            .map(String::as_str)
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
        vault.learn(&text);
        vault.redact(text.text(), text.findings(), |_| true)
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
