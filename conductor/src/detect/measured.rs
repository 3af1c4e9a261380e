//! How many of the values that have a form are found, and how much that is none of them, over generated sentences.

mod dice;
mod id;
mod make;
mod other;
mod plant;
mod sample;

use std::{collections::BTreeMap, ops::Range, path::Path};

use self::{dice::Dice, other::OTHERS, plant::LINES, sample::SAMPLES};
use super::{Detectors, search::Search};
use crate::policy::Policy;

const ROUNDS: usize = 120;
const RECALL: f64 = 0.99;
const PRECISION: f64 = 0.98;

fn detectors() -> Detectors {
    Detectors::try_new(&Policy::parse("", Path::new(".")).unwrap()).unwrap()
}

/// A sentence, its value's place, and other things before and behind it.
fn sentence(dice: &mut Dice, value: &str, templates: &[&str]) -> (String, Range<usize>) {
    let other = |dice: &mut Dice| {
        let make = OTHERS[dice.roll(OTHERS.len())];
        make(dice)
    };
    let mut text = String::new();
    if dice.roll(2) == 0 {
        text = format!("We saw {}. ", other(dice));
    }
    let (before, after) = dice.pick(templates).split_once("{}").unwrap();
    text += before;
    let start = text.len();
    text += value;
    let span = start..text.len();
    text += after;
    if dice.roll(2) == 0 {
        text += &format!("\nThen {} was seen.", other(dice));
    }
    (text, span)
}

#[derive(Default)]
struct Tally {
    planted: u32,
    found: u32,
    right: u32,
    wrong: Vec<String>,
    missed: Vec<String>,
}

#[test]
fn of_each_type_nearly_all_is_found_and_nearly_nothing_else() {
    let detectors = detectors();
    let mut dice = Dice::new(7);
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for round in 0..ROUNDS * SAMPLES.len() {
        let (kind, make, templates) = SAMPLES[round % SAMPLES.len()];
        let value = make(&mut dice);
        let (text, span) = sentence(&mut dice, &value, templates);
        let found = detectors.find(&text);
        let tally = tallies.entry(kind.to_owned()).or_default();
        tally.planted += 1;
        if found.iter().any(|finding| {
            finding.kind.as_str() == kind
                && finding.span.start <= span.start
                && finding.span.end >= span.end
        }) {
            tally.found += 1;
        } else {
            tally.missed.push(text.clone());
        }
        for finding in found {
            let right = finding.kind.as_str() == kind
                && finding.span.start < span.end
                && finding.span.end > span.start;
            let tally = tallies.entry(finding.kind.to_string()).or_default();
            if right {
                tally.right += 1;
            } else {
                tally
                    .wrong
                    .push(format!("{:?} in {text}", &text[finding.span]));
            }
        }
    }
    let mut faults = Vec::new();
    for (kind, tally) in tallies {
        let wrong = u32::try_from(tally.wrong.len()).unwrap();
        let recall = f64::from(tally.found) / f64::from(tally.planted.max(1));
        let precision = f64::from(tally.right) / f64::from((tally.right + wrong).max(1));
        if recall < RECALL || precision < PRECISION {
            faults.push(format!(
                "{kind}: recall {recall:.3} of {}, precision {precision:.3}\nmissed {:#?}\nwrong {:#?}",
                tally.planted,
                &tally.missed[..tally.missed.len().min(8)],
                &tally.wrong[..tally.wrong.len().min(8)],
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn hardly_a_line_of_a_plants_logs_holds_anything() {
    const OF_EACH: usize = 400;
    let detectors = detectors();
    let mut dice = Dice::new(11);
    for (name, make) in LINES {
        let lines: Vec<String> = (0..OF_EACH).map(|_| make(&mut dice)).collect();
        let text = lines.join("\n");
        let found = detectors.find(&text);
        let wrong: Vec<&str> = found.iter().map(|f| &text[f.span.clone()]).collect();
        assert!(wrong.len() <= OF_EACH / 100, "{name}: {wrong:?}");
    }
}

/// A way to hide a text.
type Disguise = fn(&str) -> String;

fn base64(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            out.push(if place <= chunk.len() {
                char::from(alphabet[(bits >> (18 - 6 * place) & 63) as usize])
            } else {
                '='
            });
        }
    }
    out
}

fn each(text: &str, of: impl Fn(char) -> String) -> String {
    text.chars().map(of).collect()
}

const DISGUISES: &[(&str, Disguise)] = &[
    ("full width", |text| {
        each(text, |c| match c {
            '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap().to_string(),
            _ => c.to_string(),
        })
    }),
    ("without width", |text| {
        each(text, |c| format!("{c}\u{200b}"))
    }),
    ("look-alikes", |text| {
        each(text, |c| match c {
            'a' => "а".into(),
            'e' => "е".into(),
            'o' => "о".into(),
            'A' => "Α".into(),
            'B' => "В".into(),
            'E' => "Е".into(),
            _ => c.to_string(),
        })
    }),
    ("base64", base64),
    ("base64 twice", |text| {
        base64(&format!("x {}", base64(text)))
    }),
    ("hexadecimal", |text| hex::encode(text)),
    ("pairs", |text| {
        let pairs: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(" ")
    }),
    ("registers", |text| {
        let words = text.as_bytes().chunks(2);
        let words: Vec<String> = words
            .map(|word| format!("0x{}", hex::encode(word)))
            .collect();
        words.join(", ")
    }),
    ("percent", |text| {
        each(text, |c| {
            if c.is_alphanumeric() {
                c.to_string()
            } else {
                format!("%{:02X}", u32::from(c))
            }
        })
    }),
    ("percent twice", |text| {
        each(text, |c| {
            if c.is_alphanumeric() {
                c.to_string()
            } else {
                format!("%25{:02X}", u32::from(c))
            }
        })
    }),
    ("entities", |text| {
        each(text, |c| {
            if c.is_alphanumeric() {
                c.to_string()
            } else {
                format!("&#{};", u32::from(c))
            }
        })
    }),
    ("JSON", |text| {
        each(text, |c| format!("\\u{:04x}", u32::from(c)))
    }),
    ("quoted-printable", |text| {
        let inner = each(text, |c| {
            if c.is_alphanumeric() {
                c.to_string()
            } else {
                format!("={:02X}", u32::from(c))
            }
        });
        format!("=3D{inner}")
    }),
];

#[test]
fn what_is_found_is_found_in_each_disguise() {
    let detectors = detectors();
    for value in [
        "jane.doe@corp.example",
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        "529.982.247-25",
        "RSSMRA85T10A562S",
        "ghp_a1B2c3D4e5F6a7B8c9D0a1B2c3D4e5F6a7B8",
        "10.20.30.40",
        "+49 171 1234567",
    ] {
        for (name, disguise) in DISGUISES {
            let hidden = disguise(value);
            let text = format!("see {hidden} here");
            let covered: usize = detectors
                .find(&text)
                .iter()
                .map(|finding| finding.span.len())
                .sum();
            assert!(
                covered + 4 >= hidden.len(),
                "{name}: {covered} of {} in {text}",
                hidden.len()
            );
        }
    }
    for (text, hidden) in [
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", 31),
        ("5.2.9.9.8.2.2.4.7.2.5 CPF", 21),
        ("j a n e @ c o r p . c o m", 25),
    ] {
        let covered: usize = detectors
            .find(text)
            .iter()
            .map(|finding| finding.span.len())
            .sum();
        assert!(covered >= hidden, "{text}: {covered}");
    }
}

#[test]
fn twice_the_text_is_twice_the_work_whatever_it_holds() {
    let detectors = detectors();
    for piece in [
        "a@",
        "@",
        "1 ",
        "1.",
        "0x61 ",
        "61",
        "%25",
        "=3D",
        "&#37;",
        "YUBi",
        "eyJh.",
        "\u{200b}а",
        "key=",
        "a.b ",
        "at dot ",
        "BEGIN PRIVATE KEY",
        "[",
        "(secret) ",
        "::",
        "00:",
        "AKIA",
        "ssn ",
        "born 1.1.",
        "JTI1",
        "amFuZUBjb3JwLmNvbQ==\n",
        "ssn;tel\n",
        "tel,1234\n",
        "|ssn|tel",
        "0x6a61 ",
        "6a 61\n",
        "0000: 6a61\n",
        "a=%+&",
    ] {
        let once = Search::of(&piece.repeat(2_000), &detectors);
        let twice = Search::of(&piece.repeat(4_000), &detectors);
        assert!(
            twice.read <= 2 * once.read + 64,
            "{piece}: {} and {}",
            once.read,
            twice.read
        );
        assert!(
            once.read <= 16 * 2_000 * piece.len(),
            "{piece}: {}",
            once.read
        );
        assert!(twice.found.len() <= 2 * once.found.len() + 8, "{piece}");
    }
}
