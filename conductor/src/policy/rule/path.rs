//! Where a field stands in a message.

use serde_json::Value;

use super::Message;

/// The most names of a path.
const MOST: usize = 16;
/// The name of the topic, and of its levels with a number from 1 after a dot.
pub(super) const TOPIC: &str = "topic";
/// The name of the whole message.
pub(super) const PAYLOAD: &str = "payload";

/// Reads `machine.temperature`, or `parts.0` for the first of a list.
pub(super) fn read(text: &str) -> Result<Vec<String>, String> {
    let path: Vec<String> = text.split('.').map(|name| name.trim().to_owned()).collect();
    let plain = |name: &String| {
        !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "{}\"'=<>!".contains(c))
    };
    if path.len() > MOST || !path.iter().all(plain) {
        return Err(format!(
            "\"{text}\" is no field: names with dots between them, as machine.temperature"
        ));
    }
    Ok(path)
}

/// The value that a path leads to. Nothing where it leads nowhere, or to `null`.
pub(super) fn find(message: &Message<'_>, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    match (first.as_str(), rest) {
        (TOPIC, []) => return Some(Value::String(message.topic.to_owned())),
        (TOPIC, [level]) => {
            let number = level.parse::<usize>().ok()?.checked_sub(1)?;
            let level = message.topic.split('/').nth(number)?;
            return Some(Value::String(level.to_owned()));
        }
        (PAYLOAD, []) => return Some(message.value.clone()),
        _ => {}
    }
    let mut value = &message.value;
    for name in path {
        value = match value {
            Value::Object(fields) => fields.get(name)?,
            Value::Array(all) => all.get(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    (!value.is_null()).then(|| value.clone())
}

/// Whether a `[[source]]` field is, holds, or is part of the field of a path.
pub(super) fn overlap(field: &[String], path: &[String]) -> bool {
    // The whole message stands in the prompt as it came, where its fields are found as in any text.
    if matches!(path, [only] if only == PAYLOAD || only == TOPIC) {
        return false;
    }
    let mut pairs = field.iter().zip(path);
    field.last().is_some_and(|last| {
        last == "**" && field.len() <= path.len() && {
            let before = field.len() - 1;
            field[..before].iter().zip(path).all(same)
        }
    }) || pairs.all(same)
}

fn same((part, name): (&String, &String)) -> bool {
    part == "*" || part == "**" || part.eq_ignore_ascii_case(name)
}
