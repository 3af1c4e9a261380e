//! What holds for one source of tasks: an API key, an MQTT topic, a field of a JSON payload.
//!
//! Together they give [`Bounds`](super::bounds::Bounds).

use std::fmt;

use serde::Deserialize;

use super::Budget;
use crate::{detect::Kind, id::WorkerId, label::Label};

/// One `[[source]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The keys it is about, by name; `*` stands for anything.
    pub key: Option<String>,
    /// The topics it is about, as an MQTT filter.
    pub topic: Option<String>,
    /// The fields it is about, by their path: `patient.*`.
    pub field: Option<Field>,
    /// The label that what comes from it has at least.
    pub label: Label,
    /// The only workers that its tasks may use.
    pub workers: Option<Vec<WorkerId>>,
    /// The highest label that its tasks may have.
    pub max_label: Option<Label>,
    /// What the remote calls of each key or topic may take in a day.
    pub budget: Budget,
    /// When its tasks may use remote workers.
    pub hours: Option<Hours>,
}

/// A field of a JSON payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path: names with dots between them, `*` for any one name or place in a list, `**` at the end for all below.
    pub path: Vec<String>,
    /// The type that its value is of.
    pub kind: Kind,
}

/// A part of the day, in minutes of UTC from midnight; it may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from: u16,
    to: u16,
}

/// The minutes of a day.
pub(super) const DAY: u16 = 24 * 60;

impl Hours {
    /// Reads `06:00-22:00`.
    pub fn try_new(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minute(from)?, minute(to)?);
        (from != to).then_some(Self { from, to })
    }

    /// Whether a minute of the day is in it.
    #[must_use]
    pub const fn contains(self, minute: u16) -> bool {
        if self.from < self.to {
            self.from <= minute && minute < self.to
        } else {
            self.from <= minute || minute < self.to
        }
    }
}

fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 24 && minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |m: u16| (m / 60, m % 60);
        let ((a, b), (c, d)) = (part(self.from), part(self.to));
        write!(f, "{a:02}:{b:02}-{c:02}:{d:02}")
    }
}

impl Source {
    /// Whether it is about tasks of this origin (`api:NAME`, `mqtt:TOPIC`, `cli`).
    #[must_use]
    pub fn matches(&self, from: &str) -> bool {
        let key = match (&self.key, from.strip_prefix("api:")) {
            (None, _) => true,
            (Some(pattern), Some(name)) => glob(pattern, name),
            (Some(_), None) => false,
        };
        let topic = match (&self.topic, from.strip_prefix("mqtt:")) {
            (None, _) => true,
            (Some(filter), Some(topic)) => topic_matches(filter, topic),
            (Some(_), None) => false,
        };
        self.field.is_none() && key && topic
    }

    /// What it is about, as a reader knows it again.
    pub(super) fn named(&self, index: usize) -> String {
        let by = [("key", &self.key), ("topic", &self.topic)];
        let by = by
            .into_iter()
            .find_map(|(name, by)| Some((name, by.as_ref()?)));
        match by {
            Some((name, by)) => format!("source[{index}] ({name} = \"{by}\")"),
            None => format!("source[{index}]"),
        }
    }
}

/// `*` stands for any characters. Linear in the name for each star.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// MQTT 5, section 4.7: `+` is one level, `#` at the end all that follow.
pub(super) fn topic_matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    let mut filters = filter.split('/');
    loop {
        match (filters.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

/// `[[source]]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SourceRow {
    key: Option<String>,
    topic: Option<String>,
    field: Option<String>,
    r#type: Option<Kind>,
    label: Label,
    workers: Option<Vec<String>>,
    max_label: Option<Label>,
    pub(super) money_per_day: Option<f64>,
    pub(super) tokens_per_day: Option<u64>,
    pub(super) requests_per_day: Option<u64>,
    hours: Option<String>,
}

impl SourceRow {
    /// Checks it; an error is the key and what is wrong.
    pub(super) fn resolve(self, budget: Budget) -> Result<Source, (&'static str, String)> {
        let field = match self.field {
            Some(path) => Some(field(&path, self.r#type)?),
            None if self.r#type.is_some() => {
                return Err((
                    "type",
                    "only a field has a type: add field = \"patient.*\"".into(),
                ));
            }
            None => None,
        };
        if self.key.is_none() && self.topic.is_none() && field.is_none() {
            return Err(("", "say what it is about: key, topic or field".into()));
        }
        if let Some(topic) = &self.topic
            && (topic.is_empty() || topic.split('/').rev().skip(1).any(|level| level == "#"))
        {
            return Err((
                "topic",
                format!("\"{topic}\" is no topic filter: '#' stands at its end"),
            ));
        }
        let hours = match &self.hours {
            Some(text) => Some(Hours::try_new(text).ok_or_else(|| {
                (
                    "hours",
                    format!("\"{text}\" is not of the form \"06:00-22:00\" (UTC)"),
                )
            })?),
            None => None,
        };
        let workers = match self.workers {
            Some(names) => Some(
                names
                    .into_iter()
                    .map(|name| WorkerId::try_new(name).map_err(|e| ("workers", e.to_string())))
                    .collect::<Result<Vec<_>, _>>()?,
            ),
            None => None,
        };
        let source = Source {
            key: self.key,
            topic: self.topic,
            field,
            label: self.label,
            workers,
            max_label: self.max_label,
            budget,
            hours,
        };
        let bounded = source.workers.is_some()
            || source.max_label.is_some()
            || source.hours.is_some()
            || source.budget != Budget::default();
        if source.field.is_some() && (bounded || source.key.is_some() || source.topic.is_some()) {
            let said = "a field has a label and a type, and nothing else: put the rest into a [[source]] of its own";
            return Err(("field", said.into()));
        }
        Ok(source)
    }
}

fn field(path: &str, kind: Option<Kind>) -> Result<Field, (&'static str, String)> {
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    let misplaced = parts.iter().rev().skip(1).any(|part| part == "**");
    if misplaced || parts.iter().any(String::is_empty) || parts.len() > 16 {
        let said = format!(
            "\"{path}\" is no path: names with dots between them, '*' for any one, '**' at the end for all below"
        );
        return Err(("field", said));
    }
    let kind = match kind {
        Some(kind) => kind,
        None => Kind::try_new("field").map_err(|error| ("type", error.to_string()))?,
    };
    Ok(Field { path: parts, kind })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::Policy;

    #[test]
    fn keys_and_topics_match_as_a_reader_expects() {
        for (pattern, name, matches) in [
            ("line-3", "line-3", true),
            ("line-*", "line-3", true),
            ("line-*", "line", false),
            ("*-a-*", "x-a-a-y", true),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
        for (filter, topic, matches) in [
            ("a/+/c", "a/b/c", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a/b/c", true),
            ("a/#", "b/c", false),
            ("a/b", "a/b", true),
        ] {
            assert_eq!(topic_matches(filter, topic), matches, "{filter} {topic}");
        }
    }

    #[test]
    fn mistakes_name_the_source_and_say_what_to_do() {
        let fault = |text: &str| Policy::parse(text, Path::new(".")).unwrap_err().to_string();
        insta::assert_snapshot!(fault("[[source]]\nlabel = \"internal\""), @r#"source[0]: say what it is about: key, topic or field"#);
        insta::assert_snapshot!(fault("[[source]]\nkey = \"a\"\nhours = \"6-22\""), @r#"source[0].hours: "6-22" is not of the form "06:00-22:00" (UTC)"#);
        insta::assert_snapshot!(fault("[[source]]\ntopic = \"a/#/b\""), @r#"source[0].topic: "a/#/b" is no topic filter: '#' stands at its end"#);
        insta::assert_snapshot!(fault("[[source]]\nfield = \"a..b\""), @r#"source[0].field: "a..b" is no path: names with dots between them, '*' for any one, '**' at the end for all below"#);
        insta::assert_snapshot!(fault("[[source]]\nfield = \"a\"\nkey = \"b\""), @r#"source[0].field: a field has a label and a type, and nothing else: put the rest into a [[source]] of its own"#);
        insta::assert_snapshot!(fault("[[source]]\nfeild = \"a\""), @r#"line 2, column 1: unknown field `feild`, expected one of `key`, `topic`, `field`, `type`, `label`, `workers`, `max_label`, `money_per_day`, `tokens_per_day`, `requests_per_day`, `hours`; did you mean `field`?"#);
    }
}
