//! Something that stands in a text.

use fastrand::Rng;
use serde_json::json;

use super::{one, some};
use crate::exercise::{Check, check::Texts};

const MACHINES: [&str; 8] = [
    "press", "lathe", "mixer", "oven", "conveyor", "pump", "boiler", "saw",
];
const CAUSES: [&str; 8] = [
    "a worn belt",
    "low oil pressure",
    "a blocked filter",
    "a loose cable",
    "an open guard",
    "a hot bearing",
    "a broken sensor",
    "a leaking seal",
];

struct Entry {
    machine: String,
    code: String,
    minutes: u32,
    cause: &'static str,
}

impl Entry {
    fn line(&self, rng: &mut Rng) -> String {
        let Self {
            machine,
            code,
            minutes,
            cause,
        } = self;
        match rng.u8(..3) {
            0 => format!(
                "The {machine} stopped for {minutes} minutes with code {code}; it was {cause}."
            ),
            1 => format!("Code {code} on the {machine}: {cause}, {minutes} minutes lost."),
            _ => format!("After {minutes} minutes the {machine} ran again ({code}, {cause})."),
        }
    }
}

pub(super) fn make(rng: &mut Rng) -> (String, Check) {
    let machines = some(rng, 3, &MACHINES);
    let causes = some(rng, 3, &CAUSES);
    let pairs = machines.into_iter().zip(causes);
    let entries: Vec<Entry> = pairs
        .map(|(machine, cause)| Entry {
            machine: format!("{machine} {}", rng.u32(1..10)),
            code: format!("{}{}", one(rng, &["E", "F", "W"]), rng.u32(10..100)),
            minutes: rng.u32(3..60),
            cause,
        })
        .collect();
    let lines: Vec<String> = entries.iter().map(|entry| entry.line(rng)).collect();
    let log = format!("Shift log: {}", lines.join(" "));
    let Entry {
        machine,
        code,
        minutes,
        ..
    } = &entries[rng.usize(..entries.len())];
    let (question, check) = match rng.u8(..4) {
        0 => (
            format!("Which code did the {machine} show? Answer with the code alone."),
            Check::Exact(Texts::One(code.clone())),
        ),
        1 => (
            format!("For how many minutes did the {machine} stand? Give the number alone."),
            Check::Number(f64::from(*minutes)),
        ),
        2 => (
            format!("Which machine showed the code {code}? Answer with its name and number alone."),
            Check::Exact(Texts::Several(vec![
                machine.clone(),
                format!("the {machine}"),
            ])),
        ),
        _ => (
            format!(
                "Give what is said about the {machine} as a JSON object with the keys \"code\" and \"minutes\", and \
                 nothing else."
            ),
            Check::Json(json!({"code": code, "minutes": minutes})),
        ),
    };
    (format!("{log}\n\n{question}"), check)
}
