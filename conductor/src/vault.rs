//! Placeholders: reversible redaction, for the time of one task.
//!
//! A placeholder is `[TYPE_n]`, such as `[EMAIL_2]`, or `[PERSON_F_1]` where the text shows that a name is a woman's. The
//! same thing always has the same one within a task, also across steps and spellings, and comes back as it was spelt
//! first. Whatever a worker makes up stays as it is, and so does what it was not shown.

mod gender;
mod placeholder;
mod quotes;
mod restorer;
mod same;
mod search;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    ops::Range,
};

pub use placeholder::MAX_PLACEHOLDER;
pub use quotes::Form;
pub use restorer::{Restored, Restorer};

use crate::{
    detect::{Finding, Kind},
    label::Label,
    text::Labelled,
};
use gender::Gender;
use placeholder::written;
use quotes::Quotes;
use search::Search;

/// The most different things that one task may have replaced. Beyond that nothing of it leaves.
pub const MAX_ENTRIES: usize = 10_000;

/// What stands behind the placeholders of one task. It never prints what it holds.
#[derive(Default)]
pub struct Vault {
    numbers: BTreeMap<Kind, u32>,
    /// By what is the same for all spellings of a thing; more than one where genders tell namesakes apart.
    by_key: HashMap<String, Vec<usize>>,
    by_placeholder: HashMap<String, usize>,
    /// Pieces of the task's texts that look like placeholders and are none of ours.
    foreign: HashSet<String>,
    entries: Vec<Entry>,
    overflowed: bool,
    /// Made anew when it is needed and something was added.
    search: Option<Search>,
}

/// One thing that is replaced.
struct Entry {
    text: String,
    placeholder: String,
    kind: Kind,
    gender: Option<Gender>,
    label: Label,
    /// Its text stood in a literal and is escaped already.
    escaped: bool,
}

/// Which placeholders somebody was shown, and so can mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    all: bool,
    entries: BTreeSet<usize>,
}

impl Shown {
    /// All of the task: for whoever works on the board.
    #[must_use]
    pub fn all() -> Self {
        Self {
            all: true,
            entries: BTreeSet::new(),
        }
    }
}

/// A finding as the vault sees it.
struct Thing<'t> {
    text: &'t str,
    span: Range<usize>,
    key: String,
    gender: Option<Gender>,
}

impl<'t> Thing<'t> {
    /// A name is replaced without its title, which stays readable and gives nobody away.
    fn of(text: &'t str, finding: &Finding) -> Self {
        let mut span = finding.span.clone();
        let mut gender = None;
        if same::is_person(&finding.kind) {
            gender = gender::shown(text, &span);
            span.start += gender::titles(&text[span.clone()]);
        }
        // White space at the ends is left over where findings overlapped.
        let inner = &text[span.clone()];
        span.start += inner.len() - inner.trim_start().len();
        span.end = span.start + inner.trim().len();
        Self {
            text: &text[span.clone()],
            key: same::key(&finding.kind, &text[span.clone()]),
            span,
            gender,
        }
    }
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
        let mut genders: HashMap<String, BTreeSet<Gender>> = HashMap::new();
        for text in texts.clone() {
            self.avoid(text.text());
            for finding in text.findings() {
                let thing = Thing::of(text.text(), finding);
                if let Some(gender) = thing.gender {
                    genders.entry(thing.key).or_default().insert(gender);
                }
            }
        }
        for text in texts {
            let mut escapes = Escapes::of(text.text());
            for finding in text.findings() {
                let mut thing = Thing::of(text.text(), finding);
                if thing.text.is_empty() {
                    continue;
                }
                if thing.gender.is_none() {
                    let known = genders.get(&thing.key).filter(|known| known.len() == 1);
                    thing.gender = known.and_then(|known| known.first().copied());
                }
                self.enter(thing, finding, &mut escapes);
            }
        }
    }

    /// Whether there was more to replace than [`MAX_ENTRIES`].
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Keeps placeholders that a text already holds from being given out.
    fn avoid(&mut self, text: &str) {
        for one in written(text) {
            if !self.by_placeholder.contains_key(&one.placeholder) {
                self.foreign.insert(one.placeholder);
            }
        }
    }

    fn enter(&mut self, thing: Thing<'_>, finding: &Finding, escapes: &mut Escapes<'_>) {
        if let Some(known) = self.known(&thing) {
            let entry = &mut self.entries[known];
            entry.label = entry.label.join(finding.label);
            return;
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.overflowed = true;
            return;
        }
        let placeholder = self.fresh(&finding.kind, thing.gender);
        let at = self.entries.len();
        self.by_placeholder.insert(placeholder.clone(), at);
        self.entries.push(Entry {
            escaped: escapes.are_in(&thing),
            text: thing.text.to_owned(),
            placeholder,
            kind: finding.kind.clone(),
            gender: thing.gender,
            label: finding.label,
        });
        self.by_key.entry(thing.key).or_default().push(at);
        self.search = None;
    }

    /// A placeholder that nobody has used.
    fn fresh(&mut self, kind: &Kind, gender: Option<Gender>) -> String {
        let name = kind.as_str().to_ascii_uppercase();
        let gender = gender.map_or("", Gender::as_str);
        let number = self.numbers.entry(kind.clone()).or_default();
        loop {
            *number += 1;
            let placeholder = format!("[{name}{gender}_{number}]");
            if !self.foreign.contains(&placeholder)
                && !self.by_placeholder.contains_key(&placeholder)
            {
                return placeholder;
            }
        }
    }

    /// The entry of a thing. A name without a title is whoever has it, if there is but one.
    fn known(&self, thing: &Thing<'_>) -> Option<usize> {
        let namesakes = self.by_key.get(&thing.key)?;
        let of = |gender: Option<Gender>| {
            let mut all = namesakes.iter().copied();
            all.find(|&entry| self.entries[entry].gender == gender)
        };
        of(thing.gender).or_else(|| match (thing.gender, namesakes.as_slice()) {
            (None, [one]) => Some(*one),
            (Some(_), [_]) => of(None),
            _ => None,
        })
    }

    /// `text` with those findings replaced whose label `masks` chooses; adds the placeholders in it to `shown`. What has
    /// no placeholder, since there are too many, is replaced by its type alone and cannot be restored.
    #[must_use]
    pub fn redact(
        &self,
        text: &Labelled,
        masks: impl Fn(Label) -> bool,
        shown: &mut Shown,
    ) -> String {
        let original = text.text();
        let mut out = String::with_capacity(original.len());
        let mut at = 0;
        let masked = text
            .findings()
            .iter()
            .filter(|finding| masks(finding.label));
        for finding in masked {
            let thing = Thing::of(original, finding);
            if thing.text.is_empty() {
                continue;
            }
            out.push_str(&original[at..thing.span.start]);
            if let Some(known) = self.known(&thing) {
                out.push_str(&self.entries[known].placeholder);
                shown.entries.insert(known);
            } else {
                out.push('[');
                out.push_str(&finding.kind.as_str().to_ascii_uppercase());
                out.push(']');
            }
            at = thing.span.end;
        }
        out.push_str(&original[at..]);
        out
    }

    /// Where `text` holds what was found earlier in this task, whether or not a detector sees it here.
    ///
    /// What is short is found as a whole word, as it is; what is long also as a part of a word, in another case, and
    /// with other marks or spaces between its letters. Takes time linear in the text and the hits.
    #[must_use]
    pub fn find(&mut self, text: &str) -> Vec<Finding> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        if self.search.is_none() {
            self.search = Search::try_new(self.entries.iter().map(|entry| entry.text.as_str()));
        }
        let Some(search) = &self.search else {
            // Without a search nothing may be taken for harmless.
            self.overflowed = true;
            return Vec::new();
        };
        let hits = search.find(text).into_iter();
        hits.map(|(span, entry)| Finding {
            span,
            kind: self.entries[entry].kind.clone(),
            label: self.entries[entry].label,
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

    /// What stands behind a placeholder for somebody who was shown it.
    fn behind(&self, placeholder: &str, shown: &Shown) -> Option<&Entry> {
        let entry = *self.by_placeholder.get(placeholder)?;
        (shown.all || shown.entries.contains(&entry)).then(|| &self.entries[entry])
    }
}

/// Tells whether a backslash in a finding is an escape, reading its text along.
struct Escapes<'t> {
    text: &'t str,
    quotes: Quotes,
    at: usize,
}

impl<'t> Escapes<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            quotes: Quotes::new(Form::Json),
            at: 0,
        }
    }

    /// Findings come in order.
    fn are_in(&mut self, thing: &Thing<'_>) -> bool {
        if !thing.text.contains('\\') {
            return false;
        }
        self.quotes
            .advance(self.text.get(self.at..thing.span.start).unwrap_or_default());
        self.at = thing.span.start;
        self.quotes.is_open()
            && serde_json::from_str::<String>(&format!("\"{}\"", thing.text)).is_ok()
    }
}

#[cfg(test)]
mod tests;
