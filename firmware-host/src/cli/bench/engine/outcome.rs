//! What was measured, as numbers and as a table.

use std::{fmt::Write as _, time::Duration};

use serde::{Deserialize, Serialize};

/// Tokens in a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// In words, what was done.
    pub what: String,
    /// How many tokens.
    pub tokens: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// Tokens in a second; 0 where no time passed.
    pub rate: f64,
    /// The tokens of the prompt, or of all prompts.
    pub input: u64,
}

impl Side {
    /// `tokens` in `time`, with `input` tokens of prompt.
    pub fn new(what: &str, tokens: u64, time: Duration, input: u64) -> Self {
        let seconds = time.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "tokens are few")]
        let rate = match seconds > 0.0 {
            true => tokens as f64 / seconds,
            false => 0.0,
        };
        Self {
            what: what.to_owned(),
            tokens,
            seconds,
            rate,
            input,
        }
    }
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// In use by the process.
    pub resident: u64,
    /// The model's weights.
    pub weights: u64,
    /// Keys and values of every token that may be held.
    pub kv: u64,
    /// In use beside both; negative where some of them was not touched yet.
    pub above: i64,
}

impl Memory {
    /// What is left of `resident` beside weights and keys and values.
    pub fn new(resident: u64, weights: u64, kv: u64) -> Self {
        let above = i128::from(resident) - i128::from(weights) - i128::from(kv);
        Self {
            resident,
            weights,
            kv,
            above: i64::try_from(above).unwrap_or(i64::MIN),
        }
    }
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which.
    pub case: String,
    /// In words, what was done.
    pub what: String,
    /// How many tokens.
    pub tokens: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// Tokens in a second.
    pub rate: f64,
    /// The tokens of the prompt, or of all prompts.
    pub input: u64,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Side>,
    /// How many times as fast it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The memory that it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

impl Outcome {
    /// One way of doing it.
    pub fn of(case: &str, side: Side) -> Self {
        Self {
            case: case.to_owned(),
            what: side.what,
            tokens: side.tokens,
            seconds: side.seconds,
            rate: side.rate,
            input: side.input,
            against: None,
            ratio: None,
            memory: None,
        }
    }

    /// The median round of one way.
    pub fn median(case: &str, rounds: Vec<Side>) -> Option<Self> {
        median(rounds, |side| side.rate).map(|side| Self::of(case, side))
    }

    /// The round with the median of `ratio`, of two ways of doing it.
    pub fn compared(
        case: &str,
        rounds: Vec<(Side, Side)>,
        ratio: fn(&Side, &Side) -> f64,
    ) -> Option<Self> {
        let (side, against) = median(rounds, |(a, b)| ratio(a, b))?;
        let ratio = ratio(&side, &against);
        Some(Self {
            ratio: Some(ratio),
            against: Some(against),
            ..Self::of(case, side)
        })
    }
}

/// How many times as many tokens in a second.
pub fn by_rate(side: &Side, against: &Side) -> f64 {
    quotient(side.rate, against.rate)
}

/// How many times as soon.
pub fn by_time(side: &Side, against: &Side) -> f64 {
    quotient(against.seconds, side.seconds)
}

fn quotient(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

/// The middle one; of two middle ones that with the lower value.
fn median<T>(mut rounds: Vec<T>, value: impl Fn(&T) -> f64) -> Option<T> {
    rounds.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let middle = rounds.len().checked_sub(1)? / 2;
    Some(rounds.swap_remove(middle))
}

/// A table for people.
pub fn shown(outcomes: &[Outcome]) -> String {
    let mut out = line(["CASE", "", "TOKENS", "SECONDS", "TOKENS/S", "RATIO"]);
    for outcome in outcomes {
        let cells = numbers(outcome.tokens, outcome.seconds, outcome.rate);
        let ratio = outcome.ratio.map(|ratio| format!("{ratio:.2}"));
        let [tokens, seconds, rate] = &cells;
        let ratio = ratio.as_deref().unwrap_or_default();
        out += &line([&outcome.case, &outcome.what, tokens, seconds, rate, ratio]);
        if let Some(side) = &outcome.against {
            let [tokens, seconds, rate] = &numbers(side.tokens, side.seconds, side.rate);
            out += &line(["", &side.what, tokens, seconds, rate, ""]);
        }
        if let Some(memory) = &outcome.memory {
            out += &held(memory);
        }
    }
    out
}

fn numbers(tokens: u64, seconds: f64, rate: f64) -> [String; 3] {
    [
        tokens.to_string(),
        format!("{seconds:.3}"),
        format!("{rate:.1}"),
    ]
}

fn line(cells: [&str; 6]) -> String {
    let [case, what, tokens, seconds, rate, ratio] = cells;
    let line = format!("{case:<13}  {what:<42}  {tokens:>6}  {seconds:>8}  {rate:>8}  {ratio:>6}");
    line.trim_end().to_owned() + "\n"
}

#[expect(clippy::cast_precision_loss, reason = "shown to a tenth of a megabyte")]
fn held(memory: &Memory) -> String {
    let mut out = String::new();
    let rows = [
        ("resident", memory.resident as f64),
        ("of it weights", memory.weights as f64),
        ("of it keys and values", memory.kv as f64),
        ("beside them", memory.above as f64),
    ];
    for (what, bytes) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<13}  {what:<42}  {:>6.1} MB", "", bytes / 1e6);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(what: &str, tokens: u64, milliseconds: u64) -> Side {
        Side::new(what, tokens, Duration::from_millis(milliseconds), 60)
    }

    #[test]
    fn the_median_round_is_told() {
        let rounds = [1000, 250, 500].map(|time| side("a", 100, time)).to_vec();
        assert_eq!(Outcome::median("x", rounds).unwrap().rate, 200.0);
        assert_eq!(Outcome::median("x", Vec::new()), None);
        let rounds = vec![
            (side("a", 100, 500), side("b", 100, 1000)),
            (side("a", 100, 500), side("b", 100, 250)),
        ];
        let lower = Outcome::compared("x", rounds, by_rate).unwrap();
        assert_eq!(lower.ratio, Some(0.5));
        assert_eq!(by_time(&side("a", 1, 100), &side("b", 1, 500)), 5.0);
        assert_eq!(side("a", 5, 0).rate, 0.0);
    }

    #[test]
    fn the_table_lines_up() {
        let pair = vec![(side("with a schema", 127, 651), side("freely", 127, 640))];
        let mut memory = Outcome::of("memory", side("work before it was looked at", 640, 1700));
        memory.memory = Some(Memory::new(210_300_000, 96_576_768, 94_371_840));
        let outcomes = [
            memory,
            Outcome::of("prefill", side("a prompt, read", 512, 1080)),
            Outcome::compared("json", pair, by_rate).unwrap(),
        ];
        insta::assert_snapshot!(shown(&outcomes));
    }

    #[test]
    fn an_outcome_is_an_object_without_what_it_lacks() {
        let outcome = Outcome::of("decode", side("an answer", 128, 640));
        let text = serde_json::to_string(&outcome).unwrap();
        insta::assert_snapshot!(text, @r#"{"case":"decode","what":"an answer","tokens":128,"seconds":0.64,"rate":200.0,"input":60}"#);
        let read: Outcome = serde_json::from_str(&text).unwrap();
        assert_eq!(read, outcome);
    }

    #[test]
    fn memory_that_was_not_touched_makes_it_negative() {
        assert_eq!(Memory::new(100, 80, 30).above, -10);
    }
}
