//! When two texts are the same thing, so that they have the same placeholder.

use unicode_normalization::UnicodeNormalization;

use super::gender;
use crate::detect::Kind;

/// Words in the name of a type whose texts are secrets: a different case is a different secret.
const SECRET: [&str; 6] = ["key", "secret", "token", "password", "credential", "url"];

/// What is equal for all spellings of one thing, and for nothing else.
///
/// Names of persons are compared by their words without case, accents, marks between them and titles; numbers that are
/// written in groups by their digits and letters; secrets as they are; all else without case.
pub(super) fn key(kind: &Kind, text: &str) -> String {
    if SECRET.iter().any(|word| kind.as_str().contains(word)) {
        return format!("={text}");
    }
    if [Kind::PHONE, Kind::CARD, Kind::IBAN, Kind::MAC].contains(kind) {
        return format!("#{}", squeezed(text));
    }
    if is_person(kind) {
        let bare = &text[gender::titles(text)..];
        let words: Vec<String> = bare
            .split(|c: char| !c.is_alphanumeric())
            .map(squeezed)
            .filter(|word| !word.is_empty())
            .collect();
        if !words.is_empty() {
            // What a finding has around the name is a part of it.
            let edge = |c: char| !c.is_alphanumeric();
            let start = &bare[..bare.len() - bare.trim_start_matches(edge).len()];
            let end = &bare[bare.trim_end_matches(edge).len()..];
            return format!("~{start}{}{end}", words.join(" "));
        }
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    format!("~{}", words.join(" "))
}

/// Whether a type is of persons' names.
pub(super) fn is_person(kind: &Kind) -> bool {
    *kind == Kind::PERSON || kind.as_str() == "name"
}

/// Letters and digits alone, without case, accents and width.
pub(super) fn squeezed(text: &str) -> String {
    text.chars().flat_map(letters).collect()
}

/// The letters and digits that one character stands for when it is squeezed.
pub(super) fn letters(c: char) -> impl Iterator<Item = char> {
    let parts = std::iter::once(c).nfkd().flat_map(char::to_lowercase);
    parts
        .flat_map(|part| match part {
            'ß' => ['s', 's'].into_iter().take(2),
            'ς' => ['σ', ' '].into_iter().take(1),
            part => [part, ' '].into_iter().take(1),
        })
        .filter(|part| part.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(kind: &Kind, a: &str, b: &str) -> bool {
        key(kind, a) == key(kind, b)
    }

    #[test]
    fn spellings_of_one_thing_are_the_same_and_others_are_not() {
        for (kind, a, b) in [
            (Kind::PERSON, "Jürgen Müller", "JURGEN  MULLER"),
            (Kind::PERSON, "Dr. Jane Smith", "Jane Smith"),
            (Kind::PERSON, "Anna-Lena Weiß", "anna lena weiss"),
            (Kind::PHONE, "+49 171 1234567", "+49-171-123 4567"),
            (Kind::CARD, "4111 1111 1111 1111", "4111111111111111"),
            (Kind::EMAIL, "Ana@Plant.example", "ana@plant.example"),
        ] {
            assert!(same(&kind, a, b), "{a} and {b}");
        }
        for (kind, a, b) in [
            (Kind::PERSON, "Jane Smith", "Smith"),
            (Kind::PERSON, "Li Na", "Lina"),
            (Kind::PERSON, "राम", "रीम"),
            (Kind::EMAIL, "a.b@c.example", "ab@c.example"),
            (Kind::IP, "10.0.0.7", "100.0.7"),
            (Kind::API_KEY, "Winter2026", "winter2026"),
        ] {
            assert!(!same(&kind, a, b), "{a} and {b}");
        }
    }
}
