//! When an answer is right.

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far a number may be off, beside its own size.
const CLOSE: f64 = 1e-6;

/// What an answer must be. In JSON `{"kind": "exact|number|regex|json|tests", "value": ...}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "lowercase")]
pub enum Check {
    /// One of these texts, as the whole answer or as its last line; case, blanks and marks around it do not matter.
    Exact(Texts),
    /// The last number in the answer is this one.
    Number(f64),
    /// This pattern is found in the answer.
    Regex(String),
    /// The first JSON value in the answer is equal to this one.
    Json(Value),
    /// Python code in the answer passes these tests, lines of `assert`.
    Tests(Texts),
}

/// One text, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The answer is right.
    Right,
    /// It is not.
    Wrong,
    /// That shows when this Python program runs: right is that it ends without an error.
    Run(String),
}

impl Texts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

impl Check {
    /// Whether anything can pass it; if not, why.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Regex(pattern) => Regex::new(pattern)
                .map(drop)
                .map_err(|error| format!("its regex cannot be used: {error}")),
            Self::Number(number) if !number.is_finite() => Err("its number has no end".to_owned()),
            Self::Exact(texts) | Self::Tests(texts) if texts.all().is_empty() => {
                Err("its check has no value".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Checks an answer.
    #[must_use]
    pub fn check(&self, answer: &str) -> Checked {
        let is_right = match self {
            Self::Exact(texts) => {
                let wanted: Vec<String> = texts.all().iter().map(|text| plain(text)).collect();
                let last = answer.lines().rev().find(|line| !line.trim().is_empty());
                let said = [plain(answer), plain(last.unwrap_or_default())];
                said.iter().any(|said| wanted.contains(said))
            }
            Self::Number(wanted) => last_number(answer)
                .is_some_and(|number| (number - wanted).abs() <= CLOSE * wanted.abs().max(1.0)),
            Self::Regex(pattern) => {
                Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(answer.trim()))
            }
            Self::Json(wanted) => first_json(answer).is_some_and(|said| same(&said, wanted)),
            Self::Tests(tests) => {
                let code = code(answer);
                return Checked::Run(format!("{code}\n\n{}\n", tests.all().join("\n")));
            }
        };
        if is_right {
            Checked::Right
        } else {
            Checked::Wrong
        }
    }

    /// What the check looks at in an answer, so that answers that say the same are alike.
    #[must_use]
    pub fn essence(&self, answer: &str) -> String {
        match self {
            Self::Exact(_) => {
                let last = answer.lines().rev().find(|line| !line.trim().is_empty());
                plain(last.unwrap_or_default())
            }
            Self::Number(_) => last_number(answer).map_or_else(String::new, |n| n.to_string()),
            Self::Json(_) => first_json(answer).map_or_else(String::new, |v| v.to_string()),
            Self::Tests(_) => code(answer),
            Self::Regex(_) => answer.trim().to_owned(),
        }
    }
}

/// Lower case, without blanks and marks around it.
fn plain(text: &str) -> String {
    let is_around = |c: char| c.is_whitespace() || "\"'`*_.,:;!()[]".contains(c);
    let words = text.trim_matches(is_around).split_whitespace();
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The last number of a text; commas between thousands are taken for what they are.
fn last_number(text: &str) -> Option<f64> {
    let mut last = None;
    let mut rest = text;
    while let Some(from) = rest.find(|c: char| c.is_ascii_digit()) {
        let before = rest.get(..from)?;
        let is_negative = before.ends_with('-')
            && !before
                .trim_end_matches('-')
                .ends_with(|c: char| c.is_alphanumeric());
        let number = rest.get(from..)?;
        let end = number
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','))
            .unwrap_or(number.len());
        let digits = number.get(..end)?.trim_end_matches(['.', ',']);
        if let Ok(value) = digits.replace(',', "").parse::<f64>() {
            last = Some(if is_negative { -value } else { value });
        }
        rest = number.get(end..)?;
    }
    last
}

/// The first object or list in a text.
fn first_json(text: &str) -> Option<Value> {
    let starts = text.match_indices(['{', '[']);
    let mut values = starts.filter_map(|(at, _)| {
        let mut stream = serde_json::Deserializer::from_str(text.get(at..)?).into_iter::<Value>();
        stream.next()?.ok()
    });
    values.next()
}

/// Equal, with numbers by their value.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

/// The first block of code, or all of it where there is none.
pub(crate) fn code(answer: &str) -> String {
    let mut parts = answer.split("```");
    let whole = parts.next().unwrap_or_default();
    let block = parts.next().map(|block| {
        let (first, rest) = block.split_once('\n').unwrap_or(("", block));
        // The first line may name the language.
        if first.trim().chars().all(char::is_alphanumeric) {
            rest
        } else {
            block
        }
    });
    block.unwrap_or(whole).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value) -> Check {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_check_takes_what_is_right_and_nothing_else() {
        for (value, right, wrong) in [
            (
                json!({"kind": "exact", "value": "hydraulic"}),
                vec!["Hydraulic.", "I think it is:\n**hydraulic**"],
                vec!["hydraulic or electrical", "", "not hydraulic"],
            ),
            (
                json!({"kind": "exact", "value": ["Press 7", "7"]}),
                vec!["press  7", "7"],
                vec!["17", "press 8"],
            ),
            (
                json!({"kind": "number", "value": -1234.5}),
                vec!["-1,234.5", "3 - 5 = 7, so it is -1234.50."],
                vec!["1234.5", "", "A-1234.5", "-1234.6"],
            ),
            (
                json!({"kind": "number", "value": 12}),
                vec!["12", "The answer is 12."],
                vec!["12 of 13", "1.2"],
            ),
            (
                json!({"kind": "regex", "value": "^[A-Z ]+$"}),
                vec![" HELLO THERE\n"],
                vec!["Hello"],
            ),
            (
                json!({"kind": "json", "value": {"press": 7, "codes": ["E1"]}}),
                vec!["```json\n{\"codes\": [\"E1\"], \"press\": 7.0}\n```"],
                vec![
                    "{\"press\": 7}",
                    "{\"press\": 7, \"codes\": [\"E1\"], \"x\": 1}",
                    "no",
                ],
            ),
        ] {
            let check = check(value);
            check.validate().unwrap();
            for answer in right {
                assert_eq!(check.check(answer), Checked::Right, "{check:?} {answer}");
            }
            for answer in wrong {
                assert_eq!(check.check(answer), Checked::Wrong, "{check:?} {answer}");
            }
        }
    }

    #[test]
    fn code_is_taken_out_of_its_block_and_the_tests_follow() {
        let check = check(json!({"kind": "tests", "value": "assert f(1) == 2"}));
        let wanted = Checked::Run("def f(x):\n    return x + 1\n\nassert f(1) == 2\n".to_owned());
        for answer in [
            "Here:\n```python\ndef f(x):\n    return x + 1\n```\nIt adds one.",
            "```\ndef f(x):\n    return x + 1\n```",
            "def f(x):\n    return x + 1\n",
        ] {
            assert_eq!(check.check(answer), wanted, "{answer}");
        }
    }

    #[test]
    fn answers_that_say_the_same_are_alike() {
        let number = check(json!({"kind": "number", "value": 1}));
        assert_eq!(number.essence("It is 1,200."), number.essence("1200"));
        let exact = check(json!({"kind": "exact", "value": "a"}));
        assert_eq!(exact.essence("So:\n*Pump*"), exact.essence("pump."));
    }

    #[test]
    fn what_nothing_can_pass_is_no_check() {
        assert!(
            check(json!({"kind": "regex", "value": "["}))
                .validate()
                .is_err()
        );
        assert!(
            check(json!({"kind": "tests", "value": []}))
                .validate()
                .is_err()
        );
    }
}
