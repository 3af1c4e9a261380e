//! Words that say what the number beside them is, all found in one pass.

mod word;

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use self::word::WORDS;
use super::{table::Table, word::window_after};

/// How far a word reaches to the value behind it, in bytes.
const REACH: usize = 56;

/// How far it reaches to the value before it.
const REACH_BACK: usize = 28;

/// What the value beside a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    SocialSecurity,
    UsTax,
    Nhs,
    NationalInsurance,
    /// In the United Kingdom.
    Taxpayer,
    GermanTax,
    /// Of the German tax office, of a person or a company.
    GermanTaxNumber,
    Vat,
    /// With a German health insurance.
    Insured,
    Patient,
    IdentityCard,
    Spanish,
    French,
    Bsn,
    Cpf,
    Cnpj,
    Aadhaar,
    Pan,
    Paper,
    Birth,
    Address,
    Postcode,
    Position,
    /// Of the earth or of a machine.
    Spot,
    Vehicle,
    Plate,
    Bic,
    Routing,
    SortCode,
    Account,
    /// Of goods and papers: what follows is the number of no person.
    Goods,
}

/// The words of [`WORDS`], with what each speaks of, and whether it must stand in capitals.
static TABLE: LazyLock<Table<(Topic, bool)>> = LazyLock::new(|| {
    let mut words = Vec::new();
    for (topic, list) in WORDS {
        for word in list.split('|') {
            let capitals = !word.contains(|c: char| c.is_lowercase());
            let joints: &[&str] = if word.contains(' ') {
                &[" ", "_", "-", ""]
            } else {
                &[" "]
            };
            for joint in joints {
                words.push((word.replace(' ', joint), (*topic, capitals)));
            }
        }
    }
    Table::of_any_case(words)
});

/// Where a text has such words.
pub(super) struct Cues<'t> {
    text: &'t str,
    hits: Vec<(Range<usize>, Topic)>,
}

impl<'t> Cues<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let hits = TABLE
            .find(text)
            .filter_map(|(span, &(topic, capitals))| {
                let word = &text[span.clone()];
                let shouted = !capitals || !word.contains(|c: char| c.is_lowercase());
                (shouted && stands_alone(text, &span)).then_some((span, topic))
            })
            .collect();
        Self { text, hits }
    }

    /// Whether the text speaks of it at all.
    pub(super) fn any(&self, topic: Topic) -> bool {
        self.hits.iter().any(|(_, other)| *other == topic)
    }

    /// Whether it speaks of a value of a person or a company, as the heading of a column may.
    pub(super) fn names_a_value(&self) -> bool {
        self.hits
            .iter()
            .next_back()
            .is_some_and(|(_, topic)| *topic != Topic::Goods)
    }

    /// Whether a word for `topic` stands before or behind `span`, no other number between them.
    pub(super) fn near(&self, topic: Topic, span: &Range<usize>) -> bool {
        self.before(topic, span) || self.behind(topic, span)
    }

    /// Whether the last thing that is spoken of before `span` is the number of goods or of a paper.
    pub(super) fn of_goods(&self, span: &Range<usize>) -> bool {
        self.preceding(span)
            .next()
            .is_some_and(|topic| topic == Topic::Goods)
    }

    /// Whether a word for `topic` stands before `span`, no number and no word for goods between them.
    pub(super) fn before(&self, topic: Topic, span: &Range<usize>) -> bool {
        self.preceding(span)
            .take_while(|other| *other != Topic::Goods)
            .any(|other| other == topic)
    }

    /// What is spoken of before `span`, the nearest first.
    fn preceding(&self, span: &Range<usize>) -> impl Iterator<Item = Topic> {
        let after = self.hits.partition_point(|(hit, _)| hit.end <= span.start);
        let start = span.start;
        self.hits[..after]
            .iter()
            .rev()
            .take_while(move |(hit, _)| {
                start - hit.end <= REACH && !is_parted(&self.text[hit.end..start])
            })
            .map(|(_, topic)| *topic)
    }

    fn behind(&self, topic: Topic, span: &Range<usize>) -> bool {
        let first = self.hits.partition_point(|(hit, _)| hit.start < span.end);
        self.hits[first..]
            .iter()
            .take_while(|(hit, _)| {
                hit.start - span.end <= REACH_BACK && !is_parted(&self.text[span.end..hit.start])
            })
            .any(|(hit, other)| *other == topic && !self.has_own(hit.end))
    }

    /// Whether a word that ends at `end` is followed by a value of its own.
    fn has_own(&self, end: usize) -> bool {
        let rest = self.text.as_bytes()[end..].iter().take(14);
        rest.take_while(|byte| **byte != b'\n')
            .any(u8::is_ascii_digit)
    }

    /// The values that `pattern`, whose group `v` is the value, finds right behind the words for `topic`.
    pub(super) fn values(
        &self,
        topic: Topic,
        pattern: &Regex,
    ) -> impl Iterator<Item = Range<usize>> {
        self.hits
            .iter()
            .filter(move |(_, other)| *other == topic)
            .filter_map(move |(hit, _)| {
                let value = pattern
                    .captures(window_after(self.text, hit.end, 2 * REACH))
                    .and_then(|groups| groups.name("v"))?;
                Some(hit.end + value.start()..hit.end + value.end())
            })
    }
}

/// Whether what stands between a word and a number keeps them apart: another number, or the end of a paragraph.
fn is_parted(between: &str) -> bool {
    between.contains(|c: char| c.is_ascii_digit()) || between.contains("\n\n")
}

/// Whether no letter goes on with a word; of Han and Kana, others may, and in `customerSsn` or `birthDateOf` a capital begins
/// another one.
fn stands_alone(text: &str, span: &Range<usize>) -> bool {
    let letter = |c: char| c.is_alphabetic() && u32::from(c) < 0x2e80;
    let parted = |before: &str, after: &str| {
        let (last, next) = (before.chars().next_back(), after.chars().next());
        !(last.is_some_and(letter) && next.is_some_and(letter))
            || last.is_some_and(char::is_lowercase) && next.is_some_and(char::is_uppercase)
    };
    let (before, after) = (&text[..span.start], &text[span.end..]);
    let word = &text[span.clone()];
    parted(before, word) && parted(word, after)
}

/// What may stand between a word and its value.
pub(super) const FILLER: &str = r#"^>?(?:[\s:=#(.,"'\[{|*→-]|=>|/(?i:ort|city|stadt)\b|(?i:\b(?:number|numbers|num|nos?|nr|nummer|numéro|numero|número|card|code|id|is|was|are|ist|lautet|war|est|es|è|é|of|the|my|your|his|her|their|car|for|vehicle|with|von|der|des|la|le|el|il)\b)|n[°º]|№){0,12}"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(text: &str, topic: Topic, value: &str) -> bool {
        let start = text.find(value).unwrap();
        Cues::of(text).near(topic, &(start..start + value.len()))
    }

    #[test]
    fn a_word_speaks_of_the_value_beside_it() {
        let topic = Topic::SocialSecurity;
        assert!(near("my SSN is 123456789", topic, "123456789"));
        assert!(near("social_security_number=123456789", topic, "123456789"));
        assert!(near("123456789 (SSN)", topic, "123456789"));
        assert!(near("{\"customerSsn\": 123456789}", topic, "123456789"));
        assert!(!near("SSN 111, order 123456789", topic, "123456789"));
        assert!(!near("order 123456789, SSN: 987654320", topic, "123456789"));
        assert!(!near("ssn\n\n123456789", topic, "123456789"));
        assert!(!near("lessness 123456789", topic, "123456789"));
        assert!(Cues::of("part no. 123").of_goods(&(9..12)));
    }

    #[test]
    fn a_value_is_read_right_behind_its_word() {
        let pattern = Regex::new(&format!("{FILLER}(?<v>[0-9]+)")).unwrap();
        let text = "passport number: 4711, passport of the queen 12, passport 34";
        let cues = Cues::of(text);
        let values: Vec<&str> = cues
            .values(Topic::Paper, &pattern)
            .map(|span| &text[span])
            .collect();
        assert_eq!(values, ["4711", "34"]);
        for text in [
            "<passport>4711</passport>",
            "| passport | 4711 |",
            "passport => 4711",
            "passport → 4711",
            "{\"passport\": {\"number\": \"4711\"}}",
        ] {
            let values = Cues::of(text);
            let mut values = values.values(Topic::Paper, &pattern);
            assert!(values.next().is_some_and(|span| &text[span] == "4711"));
        }
    }
}
