//! Markings: words by which a document says how sensitive it is as a whole.
//!
//! A marking is found as a text of its own type; [`Kind::is_marking`] is what raises the document. Some words are markings
//! wherever they stand. The others are words of every day: they count in a line or brackets of their own, behind a word
//! such as "classification", or in capitals.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{
    Kind,
    pattern::{Raw, compiled},
    table::Table,
    word::{joins, window_before},
};

/// Kind, whether the words count anywhere, and the words with bars between them.
const WORDS: &[(Kind, bool, &str)] = &[
    (
        Kind::MARKED_RESTRICTED,
        true,
        "tlp:red|tlp: red|tlp-red|vs-nfd|vs nfd|vs-nur für den dienstgebrauch|verschlusssache|\
         nur für den dienstgebrauch|nur fuer den dienstgebrauch|diffusion restreinte|difusión limitada|\
         eu restricted|restreint ue|nato restricted|departementaal vertrouwelijk|official-sensitive|\
         official sensitive|controlled unclassified information|совершенно секретно",
    ),
    (
        Kind::MARKED_RESTRICTED,
        false,
        "top secret|strictly secret|streng geheim|geheim|secret|très secret|très secret défense|secret défense|\
         segretissimo|segreto|secreto|zeer geheim|vs-vertraulich|streng vertraulich|strictly confidential|\
         highly confidential|strictement confidentiel|estrictamente confidencial|strettamente riservato|\
         strettamente confidenziale|strikt vertrouwelijk|estritamente confidencial|law enforcement sensitive|\
         绝密|機密|机密|極秘|секретно",
    ),
    (
        Kind::MARKED_CONFIDENTIAL,
        true,
        "tlp:amber|tlp: amber|tlp-amber|tlp:amber+strict|社外秘",
    ),
    (
        Kind::MARKED_CONFIDENTIAL,
        false,
        "confidential|company confidential|commercial in confidence|medical in confidence|medical-in-confidence|\
         confidential and proprietary|proprietary and confidential|confidential information|vertraulich|\
         firmenvertraulich|betriebsvertraulich|streng privat|privat und vertraulich|confidentiel|confidencial|\
         confidenziale|riservato|vertrouwelijk|poufne|fortrolig|fortroligt|konfidentiell|konfidentiellt|\
         luottamuksellinen|in confidence|attorney-client privilege|attorney-client privileged|\
         privileged and confidential|privileged & confidential|for official use only|fouo|trade secret|\
         betriebsgeheimnis|geschäftsgeheimnis|秘密|内部资料|конфиденциально|для служебного пользования",
    ),
    (
        Kind::MARKED_INTERNAL,
        true,
        "tlp:green|tlp: green|tlp-green",
    ),
    (
        Kind::MARKED_INTERNAL,
        false,
        "internal|internal use|internal use only|internal only|for internal use|for internal use only|company internal|\
         nur für den internen gebrauch|nur für internen gebrauch|nur intern|intern|usage interne|\
         usage interne uniquement|à usage interne|uso interno|intern gebruik|do not distribute|not for distribution|\
         nicht zur weitergabe|ne pas diffuser|no difundir|内部使用",
    ),
];

/// Markings that are words of lists, tables and diagrams as well. Such a one needs a line of its own that is no item, or a
/// word for it.
const COMMON: [&str; 8] = [
    "geheim",
    "intern",
    "internal",
    "secret",
    "secreto",
    "segreto",
    "uso interno",
    "秘密",
];

/// Fewer letters in capitals are an abbreviation, or one word of a text in capitals.
const SHORTEST_SHOUT: usize = 9;

static TABLE: LazyLock<Table<(Kind, bool)>> = LazyLock::new(|| {
    let mut words = Vec::new();
    for (kind, anywhere, list) in WORDS {
        for word in list.split('|') {
            // The table folds the case of ASCII alone.
            let mut forms = vec![word.to_owned(), word.to_uppercase()];
            forms.dedup();
            if word.is_ascii() {
                forms.truncate(1);
            }
            words.extend(
                forms
                    .into_iter()
                    .map(|form| (form, (kind.clone(), *anywhere))),
            );
        }
    }
    Table::of_any_case(words)
});

/// What says that a marking follows.
static LABEL: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)(?:classification|classified(?: as)?|sensitivity|confidentiality|security|marking|label|klassifizierung|klassifikation|einstufung|vertraulichkeit(?:sstufe)?|schutzklasse|clasificación|classificazione|classificação)(?: level| grade| stufe)?\s?[:=]\s{0,3}$",
    )
});

pub(super) fn find(text: &str, found: &mut Vec<Raw>) {
    found.extend(TABLE.find(text).filter_map(|(span, (kind, anywhere))| {
        let whole = !text[..span.start].ends_with(joins) && !text[span.end..].starts_with(joins);
        (whole && (*anywhere || is_apart(text, &span) || is_shouted(&text[span.clone()])))
            .then(|| (span, kind.clone()))
    }));
}

/// Whether it has a line or brackets of its own, or follows a word for it.
fn is_apart(text: &str, span: &Range<usize>) -> bool {
    const REACH: usize = 64;
    let word = &text[span.clone()];
    let is_common = COMMON.contains(&word.to_lowercase().as_str());
    let in_capitals = !word.contains(char::is_lowercase);
    let before = window_before(text, span.start, REACH);
    let labelled = LABEL.is_match(before);
    if is_common && !labelled && is_listed(before) {
        return false;
    }
    let brackets: &[char] = if is_common && !in_capitals {
        &[]
    } else {
        &['[', '(', ']', ')']
    };
    let head = before.trim_end_matches(is_ornament);
    let begins = head.ends_with('\n')
        || head.ends_with(brackets)
        || (head.is_empty() && before.len() == span.start)
        || labelled;
    let rest = &text[span.end..];
    let tail = rest
        .trim_start_matches(['.', '!'])
        .trim_start_matches(is_ornament);
    let parted: &[&str] = if is_common && !labelled {
        &[" - ", " – ", " / "]
    } else {
        &[" - ", " – ", " | ", " / ", ";"]
    };
    let ends = tail.is_empty()
        || tail.starts_with(['\n', '\r'])
        || tail.starts_with(brackets)
        || parted.iter().any(|sign| rest.starts_with(sign));
    begins && ends
}

fn is_ornament(c: char) -> bool {
    c == ' ' || c == '\t' || "#>*_=<!/|~-".contains(c)
}

/// Whether a bullet or the border of a cell stands before it.
fn is_listed(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
    matches!(line, "- " | "* " | "+ " | "• ") || line.ends_with(['|', ';']) || line.ends_with("| ")
}

fn is_shouted(word: &str) -> bool {
    word.len() >= SHORTEST_SHOUT
        && word.contains(char::is_uppercase)
        && !word.contains(char::is_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        find(text, &mut found);
        let mut kinds: Vec<String> = found
            .into_iter()
            .map(|(_, kind)| kind.to_string())
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    #[test]
    fn a_document_says_what_it_is() {
        for (text, kind) in [
            ("TLP:RED\nthe pump", "marked_restricted"),
            ("this is TLP:AMBER+STRICT.", "marked_confidential"),
            ("VS - NUR FÜR DEN DIENSTGEBRAUCH", "marked_restricted"),
            ("Nur fuer den Dienstgebrauch\nBericht", "marked_restricted"),
            ("Streng vertraulich\n\nProtokoll", "marked_restricted"),
            ("DIFFUSION RESTREINTE", "marked_restricted"),
            ("CONFIDENTIAL\n\nMinutes", "marked_confidential"),
            ("# Confidential #", "marked_confidential"),
            ("Minutes [confidential]", "marked_confidential"),
            ("Classification: Secret", "marked_restricted"),
            ("Einstufung: vertraulich", "marked_confidential"),
            (
                "Report - for internal use only\nInternal use only",
                "marked_internal",
            ),
            ("this memo is CONFIDENTIAL and short", "marked_confidential"),
            ("社外秘\n議事録", "marked_confidential"),
            ("[INTERNAL] minutes of May", "marked_internal"),
            ("**Internal**\n\nMinutes", "marked_internal"),
            ("Label: Intern; 12 pages", "marked_internal"),
            ("Secret - keep in the safe", "marked_restricted"),
        ] {
            assert_eq!(kinds(text), [kind], "{text}");
        }
    }

    #[test]
    fn words_of_a_sentence_are_no_markings() {
        for text in [
            "is the confidential mode safe?",
            "Confidential computing is new.",
            "the secret of a good seal",
            "Internal combustion engines",
            "an intern asks",
            "TLP:CLEAR",
            "Secret keys are kept in a safe",
            "Thread diameter (internal): 12.5 mm",
            "Pump: 12 l/min (intern)",
            "networks:\n  - internal",
            "- secret\n- configmap",
            "| Internal | 0.02 mm |",
            "intern;12,5",
            "Clock source (internal)",
            "[Internal] reset of counter",
        ] {
            assert!(kinds(text).is_empty(), "{text}: {:?}", kinds(text));
        }
    }
}
