//! Rules that make tasks of ordinary messages: when a topic matches and a condition on the message holds, a prompt is
//! filled with its fields.
//!
//! A condition is a comparison of one field with a JSON value; all of a rule's must hold, and what cannot be compared does
//! not hold and says why. A template has fields in braces. Neither has loops or calls, so both take one pass.
//!
//! The task has the highest label of the rule, of the topic's `[sources]` and `[[source]]`, and of each `[[source]]` field
//! that a field of the template is, holds or is part of: once its value stands in the prompt, nobody sees what it was.

use serde::Deserialize;
use serde_json::Value;

use self::{condition::Condition, template::Template};
use super::{Policy, source::topic_matches};
use crate::{
    id::WorkerId,
    label::Label,
    task::{Effort, Target},
    unit::Millis,
};

pub mod condition;
mod path;
pub mod template;

/// The most rules.
pub const MAX_RULES: usize = 64;
/// The longest name, in characters.
pub const MAX_NAME: usize = 24;
/// The longest topic filter, in bytes.
pub const MAX_TOPIC: usize = 256;
/// The longest message that a rule reads, in bytes.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// The longest prompt that it makes, in bytes.
pub const MAX_PROMPT: usize = 64 * 1024;
/// The longest interval, in minutes: a week.
const MAX_MINUTES: u32 = 7 * 24 * 60;

/// One `[[rule]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicRule {
    /// Its name, in the ids of the tasks that it makes.
    pub name: String,
    /// The topics it is about, as an MQTT filter.
    pub topic: String,
    /// All of them must hold.
    pub when: Vec<Condition>,
    /// What is asked.
    pub prompt: Template,
    /// The label that its tasks have at least.
    pub label: Label,
    /// It makes at most one task of a topic in this time.
    pub every: Millis,
    /// Who does them.
    pub target: Target,
    /// How much thinking they may cost.
    pub effort: Effort,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u32>,
}

/// What a message makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The prompt.
    pub prompt: String,
    /// The label that the task has at least.
    pub label: Label,
}

/// Why a message makes no task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsked {
    /// It is too long.
    #[error("a message has at most {MAX_PAYLOAD} bytes, this one has {0}")]
    Long(usize),
    /// It is no text.
    #[error("the message is not UTF-8")]
    NotText,
    /// A condition does not hold.
    #[error("the condition {0} does not hold")]
    Condition(String),
    /// A condition compares what cannot be compared.
    #[error("the condition {condition} cannot be told: {reason}")]
    Untold {
        /// Which.
        condition: String,
        /// Why.
        reason: String,
    },
    /// The template has a field that the message has not.
    #[error("the message has no field \"{0}\", which the prompt needs")]
    Missing(String),
    /// What came of it is too long.
    #[error("the prompt would have {0} bytes, more than {MAX_PROMPT}")]
    PromptTooLong(usize),
}

impl TopicRule {
    /// Whether it is about this topic. It is never about what appliances say themselves, nor about a broker's own topics.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        !topic.starts_with("shoal/v1/")
            && !topic.starts_with('$')
            && topic_matches(&self.topic, topic)
    }

    /// What a message on a topic that matches makes, by a policy whose rule this is.
    pub fn ask(&self, policy: &Policy, topic: &str, payload: &[u8]) -> Result<Asked, NotAsked> {
        if payload.len() > MAX_PAYLOAD {
            return Err(NotAsked::Long(payload.len()));
        }
        let text = std::str::from_utf8(payload).map_err(|_| NotAsked::NotText)?;
        let message = Message::new(topic, text);
        for condition in &self.when {
            condition.holds(&message)?;
        }
        let prompt = self.prompt.fill(&message)?;
        if prompt.len() > MAX_PROMPT {
            return Err(NotAsked::PromptTooLong(prompt.len()));
        }
        let origin = policy.bounds(&format!("mqtt:{topic}")).label;
        let fields = self
            .prompt
            .fields()
            .map(|field| policy.label_of_field(field));
        Ok(Asked {
            prompt,
            label: fields.fold(self.label.join(origin), Label::join),
        })
    }
}

/// A message as rules read it.
pub struct Message<'a> {
    topic: &'a str,
    text: &'a str,
    value: Value,
}

impl<'a> Message<'a> {
    /// What is not JSON is a text.
    fn new(topic: &'a str, text: &'a str) -> Self {
        Self {
            topic,
            text,
            value: serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        }
    }
}

impl Policy {
    /// The label that the value of a message's field has by the `[[source]]` fields.
    fn label_of_field(&self, path: &[String]) -> Label {
        self.fields()
            .filter(|field| path::overlap(&field.path, path))
            .map(|field| self.label_of(&field.kind))
            .collect()
    }
}

/// `[[rule]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleRow {
    name: String,
    topic: String,
    #[serde(default)]
    when: Vec<String>,
    prompt: String,
    #[serde(default)]
    label: Label,
    #[serde(default = "ten")]
    every_minutes: u32,
    model: Option<String>,
    #[serde(default)]
    reasoning_effort: Effort,
    max_tokens: Option<u32>,
}

const fn ten() -> u32 {
    10
}

/// Checks all; an error is the key and what is wrong.
pub(super) fn resolve(rows: Vec<RuleRow>) -> Result<Vec<TopicRule>, (String, String)> {
    if rows.len() > MAX_RULES {
        return Err(("rule".into(), format!("more than {MAX_RULES} rules")));
    }
    let mut all: Vec<TopicRule> = Vec::with_capacity(rows.len());
    for (index, row) in rows.into_iter().enumerate() {
        let rule = row
            .resolve()
            .map_err(|(name, reason)| (format!("rule[{index}].{name}"), reason))?;
        if all.iter().any(|other| other.name == rule.name) {
            let reason = format!("another rule has the name \"{}\"", rule.name);
            return Err((format!("rule[{index}].name"), reason));
        }
        all.push(rule);
    }
    Ok(all)
}

impl RuleRow {
    fn resolve(self) -> Result<TopicRule, (&'static str, String)> {
        WorkerId::try_new(self.name.as_str()).map_err(|e| ("name", e.to_string()))?;
        if self.name.len() > MAX_NAME {
            return Err(("name", format!("a name has at most {MAX_NAME} characters")));
        }
        filter(&self.topic).map_err(|reason| ("topic", reason))?;
        let when = condition::resolve(&self.when).map_err(|reason| ("when", reason))?;
        let levels = self.topic.split('/').count();
        let open = self.topic.ends_with('#');
        let prompt = Template::try_new(&self.prompt, (!open).then_some(levels))
            .map_err(|reason| ("prompt", reason))?;
        if !(1..=MAX_MINUTES).contains(&self.every_minutes) {
            let reason = format!("{} is not from 1 to {MAX_MINUTES}", self.every_minutes);
            return Err(("every_minutes", reason));
        }
        let target = match self.model.as_deref() {
            Some(name) => name
                .parse()
                .map_err(|e: crate::id::BadId| ("model", e.to_string()))?,
            None => Target::Mini,
        };
        if self.max_tokens == Some(0) {
            return Err(("max_tokens", "0 is no answer".into()));
        }
        Ok(TopicRule {
            name: self.name,
            topic: self.topic,
            when,
            prompt,
            label: self.label,
            every: Millis(u64::from(self.every_minutes) * 60_000),
            target,
            effort: self.reasoning_effort,
            max_tokens: self.max_tokens,
        })
    }
}

/// MQTT 5, section 4.7.1.
fn filter(topic: &str) -> Result<(), String> {
    if topic.is_empty() || topic.len() > MAX_TOPIC {
        return Err(format!("a topic filter has 1 to {MAX_TOPIC} bytes"));
    }
    if topic.starts_with('$') || topic.starts_with("shoal/v1/") {
        return Err("no rule is about a broker's or an appliance's own topics".into());
    }
    if topic.contains(char::is_control) {
        return Err("a topic filter has no control characters".into());
    }
    let mut levels = topic.split('/').rev();
    let last = levels.next().unwrap_or_default();
    let odd = |level: &str| level.len() > 1 && level.contains(['+', '#']);
    if levels.clone().any(|level| level == "#") {
        return Err(format!(
            "\"{topic}\" is no topic filter: '#' stands at its end"
        ));
    }
    if odd(last) || levels.any(odd) {
        return Err(format!(
            "\"{topic}\" is no topic filter: '+' and '#' stand alone between slashes"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
