//! Rules at work: what a message on an ordinary topic makes, and when a rule last made something.
//!
//! A rule makes at most one task of one topic in its interval. A task is its own note of that: its id has the rule, the
//! topic and the time in it, so what is in the store after a kill or a power cut is exactly what counts ([`Rules::of`]).
//! A message that the broker delivers again therefore makes nothing a second time.

use std::{collections::HashMap, fmt, time::Duration};

use sha2::{Digest, Sha256};
use shoal_conductor::{
    id::TaskId,
    limits::TaskLimits,
    policy::{
        Policy,
        rule::{NotAsked, TopicRule},
    },
    prompt::{Format, Message, Sampling, Speaker},
    task::Task,
};

use crate::store::Moment;

/// The beginning of the id of every task that a rule made.
const PREFIX: &str = "rule-";
/// The most pairs of rule and topic that are remembered. Those whose interval is over make room.
const MOST: usize = 4096;
/// Digits of the time in an id: enough until the year 2286.
const DIGITS: u32 = 36;

/// When each rule last made a task of each topic.
#[derive(Debug, Default)]
pub struct Rules {
    last: HashMap<String, Moment>,
}

/// What one rule makes of a message.
#[derive(Debug)]
pub enum Outcome {
    /// This task.
    Task(Box<Task>),
    /// Nothing.
    Nothing(Reason),
}

/// Why a rule makes nothing of a message whose topic matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The message is not of the kind.
    #[error(transparent)]
    Message(#[from] NotAsked),
    /// It made one a short time ago.
    #[error("it made a task of this topic {ago} s ago, and makes one in {every} s at most")]
    Soon {
        /// Seconds since then.
        ago: u64,
        /// Its interval in seconds.
        every: u64,
    },
    /// Too many topics.
    #[error(
        "rules made tasks of {MOST} topics within their intervals, which is the most that is remembered"
    )]
    Topics,
}

impl Rules {
    /// What the ids of tasks say of when rules made them, as after a restart.
    pub fn of<'a>(ids: impl IntoIterator<Item = &'a TaskId>) -> Self {
        let mut rules = Self::default();
        for id in ids {
            let Some((key, at)) = id.as_str().rsplit_once('-') else {
                continue;
            };
            if let (true, Ok(at)) = (key.starts_with(PREFIX), u64::from_str_radix(at, DIGITS)) {
                let last = rules.last.entry(key.to_owned()).or_default();
                *last = (*last).max(Moment(at));
            }
        }
        rules
    }

    /// What each rule whose topic matches makes of a message that came at `at`, by its name. Call [`Rules::made`] for each
    /// task that is accepted.
    pub fn judge<'a>(
        &mut self,
        policy: &'a Policy,
        topic: &str,
        payload: &[u8],
        at: Moment,
    ) -> Vec<(&'a str, Outcome)> {
        let rules = policy.rules.iter().filter(|rule| rule.matches(topic));
        rules
            .map(|rule| {
                let outcome = match self.task(policy, rule, topic, payload, at) {
                    Ok(task) => Outcome::Task(Box::new(task)),
                    Err(reason) => Outcome::Nothing(reason),
                };
                (rule.name.as_str(), outcome)
            })
            .collect()
    }

    fn task(
        &mut self,
        policy: &Policy,
        rule: &TopicRule,
        topic: &str,
        payload: &[u8],
        at: Moment,
    ) -> Result<Task, Reason> {
        let asked = rule.ask(policy, topic, payload)?;
        let key = key(rule, topic);
        let every = Duration::from_millis(rule.every.0);
        if let Some(last) = self.last.get(&key) {
            let ago = at.since(*last);
            if ago < every {
                return Err(Reason::Soon {
                    ago: ago.as_secs(),
                    every: every.as_secs(),
                });
            }
        } else if self.last.len() >= MOST && !self.make_room(policy, at) {
            return Err(Reason::Topics);
        }
        let default = Sampling::default();
        Ok(Task {
            id: id(&key, at),
            target: rule.target.clone(),
            messages: vec![Message::new(Speaker::User, asked.prompt)],
            format: Format::Text,
            sampling: Sampling {
                max_tokens: rule.max_tokens.unwrap_or(default.max_tokens),
                ..default
            },
            effort: rule.effort,
            label: asked.label,
            from: format!("mqtt:{topic}"),
            workers: None,
            limits: TaskLimits::default(),
        })
    }

    /// A task that [`Rules::judge`] gave is accepted: its rule's interval begins.
    pub fn made(&mut self, task: &Task) {
        let made = Self::of([&task.id]);
        self.last.extend(made.last);
    }

    fn make_room(&mut self, policy: &Policy, now: Moment) -> bool {
        let longest = policy.rules.iter().map(|rule| rule.every.0).max();
        let longest = Duration::from_millis(longest.unwrap_or(0));
        self.last.retain(|_, last| now.since(*last) < longest);
        self.last.len() < MOST
    }
}

/// Rule and topic, as the beginning of an id.
fn key(rule: &TopicRule, topic: &str) -> String {
    let digest = Sha256::digest(topic.as_bytes());
    format!("{PREFIX}{}-{}", rule.name, hex::encode(&digest[..8]))
}

fn id(key: &str, at: Moment) -> TaskId {
    let id = TaskId::try_new(format!("{key}-{}", Base36(at.0)));
    // A name is at most 24 characters of those that an id has, so this is 64 at most.
    id.unwrap_or_else(|_| TaskId::fresh())
}

struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::new();
        let mut left = self.0;
        loop {
            digits.extend(char::from_digit(
                u32::try_from(left % 36).unwrap_or(0),
                DIGITS,
            ));
            left /= 36;
            if left == 0 {
                break;
            }
        }
        digits
            .iter()
            .rev()
            .try_for_each(|digit| write!(f, "{digit}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const MINUTE: u64 = 60_000;

    fn policy() -> Policy {
        let text = "[[rule]]\nname = \"alarm\"\ntopic = \"plant/+/alarm\"\nwhen = [\"level >= 3\"]\n\
            prompt = \"{topic.2}: {level}\"\nevery_minutes = 5\nmax_tokens = 9\n";
        Policy::parse(text, Path::new(".")).unwrap()
    }

    fn judge(rules: &mut Rules, topic: &str, at: u64) -> Result<Task, Reason> {
        let policy = policy();
        let mut all = rules.judge(&policy, topic, br#"{"level": 4}"#, Moment(at));
        assert_eq!(all.len(), 1);
        match all.remove(0).1 {
            Outcome::Task(task) => Ok(*task),
            Outcome::Nothing(reason) => Err(reason),
        }
    }

    #[test]
    fn a_rule_makes_one_task_of_a_topic_in_its_interval_also_over_a_restart() {
        let mut rules = Rules::default();
        let start = 1_790_000_000_000;
        let task = judge(&mut rules, "plant/p7/alarm", start).unwrap();
        assert_eq!(task.messages[0].content, "p7: 4");
        assert_eq!(
            (task.from.as_str(), task.sampling.max_tokens),
            ("mqtt:plant/p7/alarm", 9)
        );
        // Not accepted, so it does not count.
        judge(&mut rules, "plant/p7/alarm", start).unwrap();
        rules.made(&task);
        let soon = Err(Reason::Soon {
            ago: 60,
            every: 300,
        });
        assert_eq!(judge(&mut rules, "plant/p7/alarm", start + MINUTE), soon);
        judge(&mut rules, "plant/p8/alarm", start + MINUTE).unwrap();
        let mut restarted = Rules::of([
            &task.id,
            &TaskId::fresh(),
            &TaskId::try_new("rule-x").unwrap(),
        ]);
        assert_eq!(
            judge(&mut restarted, "plant/p7/alarm", start + MINUTE),
            soon
        );
        judge(&mut restarted, "plant/p7/alarm", start + 5 * MINUTE).unwrap();
        // A clock that was set back makes nothing early.
        assert!(judge(&mut restarted, "plant/p7/alarm", start - MINUTE).is_err());
    }

    #[test]
    fn topics_without_end_take_no_memory_without_end() {
        let mut rules = Rules::default();
        let start = 1_790_000_000_000;
        for n in 0..MOST {
            let task = judge(&mut rules, &format!("plant/p{n}/alarm"), start).unwrap();
            rules.made(&task);
        }
        assert_eq!(
            judge(&mut rules, "plant/other/alarm", start),
            Err(Reason::Topics)
        );
        judge(&mut rules, "plant/other/alarm", start + 5 * MINUTE).unwrap();
        assert_eq!(rules.last.len(), 0);
    }

    #[test]
    fn the_longest_name_makes_an_id() {
        let text = format!(
            "[[rule]]\nname = \"{}\"\ntopic = \"#\"\nprompt = \"x\"",
            "n".repeat(24)
        );
        let policy = Policy::parse(&text, Path::new(".")).unwrap();
        let id = id(&key(&policy.rules[0], "a"), Moment(9_999_999_999_999));
        assert!(id.as_str().starts_with("rule-nnn"), "{id}");
        assert_eq!(
            Rules::of([&id]).last.values().next(),
            Some(&Moment(9_999_999_999_999))
        );
    }
}
