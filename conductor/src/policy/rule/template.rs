//! A prompt with fields in braces: `Machine {topic.2} reports {code}.` A brace itself is written twice.

use serde_json::Value;

use super::{Message, NotAsked, path};
use crate::document::nearest;

/// The longest template, in bytes.
const MOST: usize = 8 * 1024;

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Vec<String>),
}

impl Template {
    /// Reads one, for topics of so many levels where that is known.
    pub fn try_new(text: &str, levels: Option<usize>) -> Result<Self, String> {
        if text.trim().is_empty() || text.len() > MOST {
            return Err(format!("a prompt has 1 to {MOST} bytes"));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let Some(end) = rest.find('}').filter(|_| brace == "{") else {
                return Err(format!(
                    "a '{brace}' stands alone: a field is {{name}}, and a brace itself is written twice"
                ));
            };
            let field = path::read(&rest[..end])?;
            known(&field, levels)?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Field(field));
            rest = &rest[end + 1..];
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        Ok(Self(parts))
    }

    /// The fields in it.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[String]> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(path) => Some(path.as_slice()),
            Part::Text(_) => None,
        })
    }

    /// The prompt, with what the message has in its fields.
    pub(super) fn fill(&self, message: &Message<'_>) -> Result<String, NotAsked> {
        let mut prompt = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => prompt.push_str(text),
                Part::Field(path) if matches!(&path[..], [only] if only == path::PAYLOAD) => {
                    prompt.push_str(message.text);
                }
                Part::Field(path) => match path::find(message, path) {
                    Some(Value::String(text)) => prompt.push_str(&text),
                    Some(value) => prompt.push_str(&value.to_string()),
                    None => return Err(NotAsked::Missing(path.join("."))),
                },
            }
        }
        Ok(prompt)
    }
}

/// What can be known of a field before any message comes.
fn known(field: &[String], levels: Option<usize>) -> Result<(), String> {
    match field {
        [first, level] if first == path::TOPIC => {
            let number = level.parse::<usize>().unwrap_or(0);
            if number == 0 || levels.is_some_and(|levels| number > levels) {
                let levels = levels.map_or_else(String::new, |n| format!(" to {n}"));
                return Err(format!(
                    "\"topic.{level}\" is no level of the topic: they are counted from 1{levels}"
                ));
            }
            Ok(())
        }
        [first, level] if level.parse::<usize>().is_ok() => match nearest(first, [path::TOPIC]) {
            Some(_) => Err(format!(
                "\"{first}.{level}\" is no field; did you mean \"topic.{level}\"?"
            )),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}
