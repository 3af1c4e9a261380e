//! One comparison of a field with a JSON value: `level >= 3`, `state == "fault"`, `code in ["E42", "E43"]`.

use std::fmt;

use serde_json::{Number, Value};

use super::{Message, NotAsked, path};

/// The most conditions of a rule, and the longest, in bytes.
const MOST: (usize, usize) = (16, 256);

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    field: Vec<String>,
    how: How,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    AtLeast,
    AtMost,
    Equal,
    Unequal,
    Above,
    Below,
    In,
}

/// The longer ones first.
const SIGNS: [(&str, How); 7] = [
    (">=", How::AtLeast),
    ("<=", How::AtMost),
    ("==", How::Equal),
    ("!=", How::Unequal),
    (">", How::Above),
    ("<", How::Below),
    (" in ", How::In),
];

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(super) fn resolve(texts: &[String]) -> Result<Vec<Condition>, String> {
    if texts.len() > MOST.0 {
        return Err(format!("a rule has at most {} conditions", MOST.0));
    }
    texts.iter().map(|text| Condition::try_new(text)).collect()
}

impl Condition {
    /// Reads one.
    pub fn try_new(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "\"{text}\" is no condition: a field, one of == != < <= > >= in, and a JSON value, as `level >= 3`, \
                 `state == \"fault\"` or `code in [\"E42\", \"E43\"]`"
            )
        };
        if text.len() > MOST.1 {
            return Err(format!("a condition has at most {} bytes", MOST.1));
        }
        let found = SIGNS
            .into_iter()
            .filter_map(|(sign, how)| Some((text.find(sign)?, sign, how)))
            .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
        let (at, sign, how) = found.ok_or_else(form)?;
        let field = path::read(text[..at].trim()).map_err(|_| form())?;
        let value: Value =
            serde_json::from_str(text[at + sign.len()..].trim()).map_err(|_| form())?;
        let fits = match how {
            How::Equal | How::Unequal => true,
            How::In => value.is_array(),
            _ => value.is_number(),
        };
        if !fits {
            return Err(form());
        }
        Ok(Self {
            text: text.trim().to_owned(),
            field,
            how,
            value,
        })
    }

    /// Whether it holds of a message; if not, why.
    pub(super) fn holds(&self, message: &Message<'_>) -> Result<(), NotAsked> {
        let untold = |reason: String| NotAsked::Untold {
            condition: self.text.clone(),
            reason,
        };
        let name = self.field.join(".");
        let found = path::find(message, &self.field)
            .ok_or_else(|| untold(format!("the message has no field \"{name}\"")))?;
        let holds = match self.how {
            How::Equal => equal(&found, &self.value),
            How::Unequal => !equal(&found, &self.value),
            How::In => self
                .value
                .as_array()
                .is_some_and(|all| all.iter().any(|one| equal(&found, one))),
            how => {
                let (Value::Number(found), Value::Number(bound)) = (&found, &self.value) else {
                    return Err(untold(format!("\"{name}\" is {}, no number", kind(&found))));
                };
                compare(how, found, bound)
            }
        };
        if holds {
            return Ok(());
        }
        Err(NotAsked::Condition(self.text.clone()))
    }
}

/// Numbers are equal by what they are worth: 3 and 3.0.
fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        #[expect(clippy::float_cmp, reason = "equal is what the condition says")]
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn compare(how: How, found: &Number, bound: &Number) -> bool {
    let (Some(found), Some(bound)) = (found.as_f64(), bound.as_f64()) else {
        return false;
    };
    match how {
        How::AtLeast => found >= bound,
        How::AtMost => found <= bound,
        How::Above => found > bound,
        How::Below => found < bound,
        How::Equal | How::Unequal | How::In => false,
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
