//! What a text shows of a person's gender, or that it names several, so that a worker can write "her" or "they".
//!
//! Read off titles and the words for families alone, in the languages listed; never guessed from a name.

use std::ops::Range;

/// What a placeholder says of whom it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Gender {
    Female,
    Male,
    Plural,
}

impl Gender {
    /// What stands in the placeholder, as in `[PERSON_F_1]`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Female => "_F",
            Self::Male => "_M",
            Self::Plural => "_PL",
        }
    }
}

/// Titles, without case and full stop. English, German, French, Spanish, Italian, Dutch, Portuguese.
const FEMALE: [&str; 17] = [
    "mrs",
    "ms",
    "miss",
    "frau",
    "fräulein",
    "mme",
    "madame",
    "mlle",
    "mademoiselle",
    "señora",
    "sra",
    "señorita",
    "srta",
    "signora",
    "signorina",
    "mevrouw",
    "senhora",
];
const MALE: [&str; 9] = [
    "mr", "mister", "herr", "herrn", "monsieur", "señor", "signor", "meneer", "senhor",
];
const PLURAL: [&str; 10] = [
    "messrs", "herren", "eheleute", "ehepaar", "familie", "family", "famille", "familia",
    "famiglia", "família",
];
/// Titles that anybody may have.
const ANYBODY: [&str; 9] = [
    "dr",
    "prof",
    "professor",
    "professorin",
    "doctor",
    "doktor",
    "docteur",
    "dra",
    "ing",
];
const AND: [&str; 7] = ["and", "und", "et", "y", "e", "en", "&"];
/// Before a family's name, which in some languages shows the plural itself.
const ARTICLES: [(&str, bool); 4] = [("the", true), ("die", true), ("les", false), ("los", false)];

/// How many bytes of a name are titles; none if nothing else would be left.
pub(super) fn titles(name: &str) -> usize {
    let mut words = words(name).into_iter();
    let bare = words.find(|word| {
        let word = folded(&name[word.clone()]);
        title(&word).is_none() && !ANYBODY.contains(&word.as_str())
    });
    bare.map_or(0, |word| word.start)
}

/// What the title in or before a name shows.
pub(super) fn shown(text: &str, name: &Range<usize>) -> Option<Gender> {
    let end = name.start + titles(&text[name.clone()]);
    let line = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    // Far enough for "Herr und Frau Prof. Dr. Müller".
    let from = text[line..end]
        .char_indices()
        .rev()
        .nth(60)
        .map_or(line, |(at, _)| line + at);
    let before = words(&text[from..end]);
    let mut before = before
        .into_iter()
        .rev()
        .map(|word| folded(&text[from..end][word]))
        .skip_while(|word| ANYBODY.contains(&word.as_str()));
    let nearest = before.next()?;
    if let Some(gender) = title(&nearest) {
        let joined = before
            .next()
            .is_some_and(|word| AND.contains(&word.as_str()))
            && before.next().is_some_and(|word| title(&word).is_some());
        return Some(if joined { Gender::Plural } else { gender });
    }
    let family = text[end..name.end].ends_with('s');
    let several = ARTICLES
        .iter()
        .any(|(article, needs_s)| *article == nearest && (family || !needs_s));
    several.then_some(Gender::Plural)
}

fn title(word: &str) -> Option<Gender> {
    if FEMALE.contains(&word) {
        Some(Gender::Female)
    } else if MALE.contains(&word) {
        Some(Gender::Male)
    } else if PLURAL.contains(&word) {
        Some(Gender::Plural)
    } else {
        None
    }
}

/// Where the words of a text are, with the punctuation that touches them.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut at = 0;
    for piece in text.split_inclusive(|c: char| c.is_whitespace()) {
        let word = piece.trim_end();
        if !word.is_empty() {
            words.push(at..at + word.len());
        }
        at += piece.len();
    }
    words
}

fn folded(word: &str) -> String {
    let word = word.strip_suffix('.').unwrap_or(word);
    word.trim_start_matches(['(', '"', '\'', '*', '¿', '¡'])
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_before_or_in_a_name_shows_the_gender() {
        use Gender::{Female, Male, Plural};
        for (text, name, expected) in [
            ("ask Mrs. Smith", "Smith", Some(Female)),
            ("ask Mrs. Smith", "Mrs. Smith", Some(Female)),
            ("(Frau Dr. Müller)", "Müller", Some(Female)),
            ("Herrn Prof. Dr. Weiß", "Prof. Dr. Weiß", Some(Male)),
            ("Mme Dupont", "Dupont", Some(Female)),
            ("la señora Ruiz", "Ruiz", Some(Female)),
            ("Mr. and Mrs. Smith", "Smith", Some(Plural)),
            ("Familie Weiß", "Weiß", Some(Plural)),
            ("the Smiths", "Smiths", Some(Plural)),
            ("les Dupont", "Dupont", Some(Plural)),
            ("the Smith file", "Smith", None),
            ("Dr. Smith", "Smith", None),
            ("Jane Smith", "Jane Smith", None),
            ("for Mr.\nSmith", "Smith", None),
        ] {
            let start = text.find(name).unwrap();
            let span = start..start + name.len();
            assert_eq!(shown(text, &span), expected, "{text}");
        }
    }

    #[test]
    fn titles_are_not_the_name_unless_there_is_nothing_else() {
        for (name, bare) in [
            ("Dr. Jane Smith", "Jane Smith"),
            ("Frau Prof. Dr. Weiß", "Weiß"),
            ("Jane Smith", "Jane Smith"),
            ("Dr. ", "Dr. "),
            ("Miss", "Miss"),
            ("Drew Barry", "Drew Barry"),
        ] {
            assert_eq!(&name[titles(name)..], bare);
        }
    }
}
