//! What must not leave, and the ways to write it.

use std::path::Path;

use super::spy::{Planner, head};
use crate::{detect::Detectors, label::Label, policy::Policy, reader::Reader, text::Labelled};

/// What must not leave, and its type in the policy. The organization only the head knows, and the last one nobody: the
/// caller's label alone keeps it.
pub(super) const CANARIES: [(&str, &str); 9] = [
    ("Ana Ruiz", "person"),
    ("Jürgen Müller", "person"),
    ("quartz.lamp@plant.example", "email"),
    ("+49 171 1234567", "phone"),
    ("4111 1111 1111 1111", "card"),
    ("DE89370400440532013000", "iban"),
    ("sk-abcdefghijklmnop1234", "api_key"),
    ("Osprey Nine", "organization"),
    ("grey heron seventeen", ""),
];

/// A way to write a canary.
pub(super) struct Encoding {
    pub name: &'static str,
    pub write: fn(&str) -> String,
    /// The types whose detectors claim to find it so.
    pub claimed: &'static [&'static str],
}

/// What the detectors claim. One more claim is one more line.
pub(super) const ENCODINGS: &[Encoding] = &[
    Encoding {
        name: "verbatim",
        write: str::to_owned,
        claimed: &[
            "person",
            "email",
            "phone",
            "card",
            "iban",
            "api_key",
            "organization",
        ],
    },
    Encoding {
        name: "upper case",
        write: |text| text.to_uppercase(),
        claimed: &["person", "email", "iban", "organization"],
    },
    Encoding {
        name: "lower case",
        write: |text| text.to_lowercase(),
        claimed: &["person", "email", "organization"],
    },
    Encoding {
        name: "no-break spaces",
        write: |text| text.replace(' ', "\u{a0}"),
        claimed: &["person", "phone", "card", "organization"],
    },
    Encoding {
        name: "dashes",
        write: |text| text.replace(' ', "-"),
        claimed: &["phone", "card"],
    },
    Encoding {
        name: "no spaces",
        write: |text| text.replace(' ', ""),
        claimed: &["phone", "card"],
    },
    Encoding {
        name: "every digit apart",
        write: |text| apart(&text.replace(' ', ""), ' '),
        claimed: &["card"],
    },
    Encoding {
        name: "soft hyphens",
        write: |text| apart(text, '\u{ad}'),
        claimed: &["person"],
    },
    Encoding {
        name: "without accents",
        write: |text| text.replace('ü', "u"),
        claimed: &["person"],
    },
];

pub(super) fn apart(text: &str, between: char) -> String {
    let mut out: String = text.chars().flat_map(|c| [c, between]).collect();
    out.pop();
    out
}

/// Base64 without padding (RFC 4648, section 4).
pub(super) fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = text
        .bytes()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    bits.chunks(6)
        .map(|six| {
            let value = (0..6).fold(0, |all, bit| all << 1 | six.get(bit).unwrap_or(&0));
            char::from(DIGITS[usize::from(value)])
        })
        .collect()
}

pub(super) fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Every form in which a canary could be in what a worker read, whoever wrote it there.
pub(super) fn forms(canary: &str) -> Vec<String> {
    let mut forms = vec![
        canary.chars().rev().collect(),
        percent(canary),
        canary.escape_unicode().to_string(),
    ];
    // What surrounds it shifts base64 by nought, one or two bytes; the digits that depend on it are left out.
    for shift in 0..3 {
        let shifted = base64(&format!("{}{canary}", "\0".repeat(shift)));
        let from = [0, 2, 3][shift];
        forms.push(shifted[from..shifted.len() - 1].to_owned());
    }
    forms
}

/// Letters and digits alone, without case and accents, so that spacing, case and marks do not hide a canary.
pub(super) fn squeezed(text: &str) -> String {
    let plain = text.replace(['ü', 'Ü'], "u").to_lowercase();
    plain.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[tokio::test]
async fn every_claim_is_what_the_detectors_and_the_head_find() {
    let world = Policy::parse(
        "[[dictionaries]]\ntype = \"person\"\nwords = [\"Ana Ruiz\", \"Jürgen Müller\"]",
        Path::new("."),
    );
    let detectors = Detectors::try_new(&world.unwrap()).unwrap();
    let reader = Reader::new(Some(head()), Some(Planner::new(Vec::new(), false)));
    for encoding in ENCODINGS {
        for (canary, kind) in CANARIES
            .iter()
            .filter(|(_, kind)| encoding.claimed.contains(kind))
        {
            let text = format!("for {} or so", (encoding.write)(canary));
            let text = Labelled::new(text, Label::Public, &detectors);
            let text = reader.read(text, &detectors, None).await;
            let found: Vec<_> = text
                .findings()
                .iter()
                .map(|finding| (finding.kind.as_str(), &text.text()[finding.span.clone()]))
                .collect();
            assert_eq!(
                found,
                [(*kind, (encoding.write)(canary).as_str())],
                "{}",
                encoding.name
            );
        }
    }
}
