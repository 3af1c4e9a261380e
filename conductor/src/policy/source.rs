//! What holds for one source of tasks: an API key, an MQTT topic, a field of a JSON payload.
//!
//! Every `[[source]]` that matches a task counts, and of what they say the strictest: the highest label, the workers that
//! all of them allow, the lowest maximal label, every budget, and only hours that are in all of them. None of it can
//! loosen what else the policy says.

use std::fmt;

use serde::Deserialize;

use super::{Budget, Policy};
use crate::{
    detect::Kind,
    id::WorkerId,
    label::Label,
    ledger::{Allowance, Whose},
    limits,
    task::Task,
    verdict::{Ruling, Verdict},
    worker::Place,
};

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
const DAY: u16 = 24 * 60;

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
    fn named(&self, index: usize) -> String {
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

/// What holds for the tasks of one origin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The label that they have at least.
    pub label: Label,
    /// The only workers that they may use.
    pub workers: Option<Vec<WorkerId>>,
    /// The highest label that they may have, and the rule.
    pub max_label: Option<(Label, String)>,
    /// When they may use remote workers, and the rule.
    pub hours: Vec<(Hours, String)>,
    /// What their remote calls may take.
    pub allowances: Vec<Allowance>,
    /// Whether the request allows no remote call at all.
    pub stays: bool,
}

impl Bounds {
    /// The rule that keeps a worker from being called at this minute of the day, where there is one.
    #[must_use]
    pub fn closed(&self, place: Place, minute: u16) -> Option<&str> {
        if place == Place::Board {
            return None;
        }
        let mut closed = self
            .hours
            .iter()
            .filter(|(hours, _)| !hours.contains(minute));
        closed.next().map(|(_, rule)| rule.as_str())
    }

    /// A ruling of the gate, or a refusal where the task's sources are stricter at this time.
    #[must_use]
    pub fn rule_on(&self, worker: &WorkerId, place: Place, mut ruling: Ruling) -> Ruling {
        let outside =
            || (!self.allow(worker)).then_some("its [[source]] does not allow this worker");
        let above = || {
            let (max, rule) = self.max_label.as_ref()?;
            (ruling.label > *max).then_some(rule.as_str())
        };
        let closed = || self.closed(place, minute_of_day());
        let kept = || {
            (self.stays && place == Place::Remote)
                .then(|| format!("the request's {} = 0", limits::CALLS))
        };
        let rule = outside().or_else(above).or_else(closed);
        if let Some(rule) = rule.map(str::to_owned).or_else(kept) {
            ruling.verdict = Verdict::Refuse;
            ruling.rule = rule;
        }
        ruling
    }

    /// Makes the highest label no higher than `max`.
    fn lower(&mut self, max: Label, rule: impl Fn() -> String) {
        let known = self.max_label.as_ref();
        if known.is_none_or(|(known, _)| max < *known) {
            self.max_label = Some((max, rule()));
        }
    }

    /// Whether the sources of a task let it use this worker.
    #[must_use]
    pub fn allow(&self, worker: &WorkerId) -> bool {
        self.workers.as_ref().is_none_or(|all| all.contains(worker))
    }
}

/// Of UTC, as budgets count their days.
fn minute_of_day() -> u16 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u16::try_from(since.as_secs() / 60 % u64::from(DAY)).unwrap_or(0)
}

impl Policy {
    /// What holds for the tasks of this origin (`api:NAME`, `mqtt:TOPIC`, `cli`), the day's budget of all with it.
    #[must_use]
    pub fn bounds(&self, from: &str) -> Bounds {
        let mut bounds = Bounds {
            label: match from.split(':').next() {
                Some("mqtt") => self.sources.mqtt,
                _ => self.sources.api,
            },
            allowances: vec![Allowance::of_day(Whose::Everyone, &self.budget)],
            ..Bounds::default()
        };
        let all = self.by_source.iter().enumerate();
        for (index, source) in all.filter(|(_, source)| source.matches(from)) {
            let name = source.named(index);
            bounds.label = bounds.label.join(source.label);
            if let Some(workers) = &source.workers {
                let both = match bounds.workers.take() {
                    None => workers.clone(),
                    Some(known) => known
                        .into_iter()
                        .filter(|id| workers.contains(id))
                        .collect(),
                };
                bounds.workers = Some(both);
            }
            if let Some(max) = source.max_label {
                bounds.lower(max, || format!("{name}.max_label = \"{max}\""));
            }
            if let Some(hours) = source.hours {
                bounds
                    .hours
                    .push((hours, format!("{name}.hours = \"{hours}\"")));
            }
            if source.budget != Budget::default() {
                let from = from.to_owned();
                let whose = Whose::Origin { of: name, from };
                bounds
                    .allowances
                    .push(Allowance::of_day(whose, &source.budget));
            }
        }
        bounds
    }

    /// What holds for one task: the bounds of its origin, and within them what its request allows.
    #[must_use]
    pub fn bounds_of(&self, task: &Task) -> Bounds {
        let mut bounds = self.bounds(&task.from);
        if let Some(max) = task.limits.max_label {
            bounds.lower(max, || {
                format!("the request's {} = \"{max}\"", limits::LABEL)
            });
        }
        bounds.stays = task.limits.max_remote_calls == Some(0);
        bounds.allowances.extend(Allowance::of_task(&task.limits));
        bounds
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

    fn policy(text: &str) -> Policy {
        Policy::parse(text, Path::new(".")).unwrap()
    }

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
    fn of_all_that_matches_the_strictest_holds() {
        let policy = policy(
            "[sources]\nmqtt = \"internal\"\n[budget]\nrequests_per_day = 9\n\
             [[source]]\nkey = \"line-*\"\nlabel = \"internal\"\nworkers = [\"local\", \"cloud\"]\nmax_label = \"restricted\"\n\
             [[source]]\nkey = \"line-3\"\nlabel = \"confidential\"\nworkers = [\"cloud\", \"npu\"]\nmax_label = \"confidential\"\n\
             requests_per_day = 2\nhours = \"22:00-06:00\"\n\
             [[source]]\ntopic = \"plc/#\"\nlabel = \"restricted\"\n",
        );
        let bounds = policy.bounds("api:line-3");
        let cloud = WorkerId::try_new("cloud").unwrap();
        assert_eq!(bounds.label, Label::Confidential);
        assert_eq!(bounds.workers, Some(vec![cloud.clone()]));
        let (max, rule) = bounds.max_label.clone().unwrap();
        assert_eq!(max, Label::Confidential);
        assert_eq!(
            rule,
            "source[1] (key = \"line-3\").max_label = \"confidential\""
        );
        assert_eq!(bounds.allowances.len(), 2);
        let closed = |minute| bounds.closed(Place::Remote, minute).is_some();
        assert_eq!(
            [0, 359, 360, 720, 1319, 1320].map(closed),
            [false, false, true, true, true, false]
        );
        assert_eq!(bounds.closed(Place::Board, 720), None);
        assert_eq!(policy.bounds("mqtt:plc/7").label, Label::Restricted);
        assert_eq!(policy.bounds("mqtt:x").label, Label::Internal);
        let others = policy.bounds("api:line-33");
        assert_eq!(others.label, Label::Internal);
        assert!(others.allow(&cloud) && others.hours.is_empty());
        assert_eq!(policy.bounds("cli").workers, None);
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
