//! Where messages go: everything is below `shoal/v1/{site}/{appliance}/`.

use core::fmt::Write;

use crate::name::{BadName, MAX_NAME, Name};

/// The longest topic of this contract, in bytes: the root, two names, the longest folder, a name, the longest leaf.
pub const MAX_TOPIC: usize = "shoal/v1/".len()
    + MAX_NAME
    + 1
    + MAX_NAME
    + "/approvals/".len()
    + MAX_NAME
    + "/decision".len();

/// A topic.
pub type Topic = heapless::String<MAX_TOPIC>;

/// The topics of one appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    site: Name,
    appliance: Name,
}

impl Root {
    /// All topics of the contract begin with it.
    pub const PREFIX: &'static str = "shoal/v1/";

    /// The topics of `appliance` at `site`.
    pub fn try_new(site: &str, appliance: &str) -> Result<Self, BadName> {
        Ok(Self {
            site: Name::try_new(site)?,
            appliance: Name::try_new(appliance)?,
        })
    }

    /// The place where the appliance is.
    #[must_use]
    pub fn site(&self) -> &Name {
        &self.site
    }

    /// The appliance.
    #[must_use]
    pub fn appliance(&self) -> &Name {
        &self.appliance
    }

    /// In: tasks.
    #[must_use]
    pub fn tasks(&self) -> Topic {
        self.topic(format_args!("tasks"))
    }

    /// Out: where a task stands.
    #[must_use]
    pub fn task_state(&self, id: &Name) -> Topic {
        self.topic(format_args!("tasks/{id}/state"))
    }

    /// Out: how a task ended.
    #[must_use]
    pub fn task_result(&self, id: &Name) -> Topic {
        self.topic(format_args!("tasks/{id}/result"))
    }

    /// Out: what is wrong with a message that is no task and names no response topic.
    #[must_use]
    pub fn errors(&self) -> Topic {
        self.topic(format_args!("errors"))
    }

    /// Out, retained while it is open: a question to a person.
    #[must_use]
    pub fn approval(&self, id: &Name) -> Topic {
        self.topic(format_args!("approvals/{id}"))
    }

    /// In: signed answers to questions, as a filter.
    #[must_use]
    pub fn decisions(&self) -> Topic {
        self.topic(format_args!("approvals/+/decision"))
    }

    /// In: a signed answer to one question.
    #[must_use]
    pub fn decision(&self, id: &Name) -> Topic {
        self.topic(format_args!("approvals/{id}/decision"))
    }

    /// The question that a decision's topic is about.
    #[must_use]
    pub fn decided<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let below = self.topic(format_args!("approvals/"));
        let id = topic
            .strip_prefix(below.as_str())?
            .strip_suffix("/decision")?;
        (!id.contains('/')).then_some(id)
    }

    /// Out, retained: `online`, `stopped` or `offline`.
    #[must_use]
    pub fn status(&self) -> Topic {
        self.topic(format_args!("status"))
    }

    /// Out: what the appliance is getting done.
    #[must_use]
    pub fn health(&self) -> Topic {
        self.topic(format_args!("health"))
    }

    /// Out: [`crate::Telemetry`].
    #[must_use]
    pub fn telemetry(&self) -> Topic {
        self.topic(format_args!("telemetry"))
    }

    /// In: a button of Home Assistant that answers a question, as a filter or with its id.
    #[must_use]
    pub fn press(&self, id: &str) -> Topic {
        self.topic(format_args!("approvals/{id}/press"))
    }

    /// The question that a button's topic is about.
    #[must_use]
    pub fn pressed<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let below = self.topic(format_args!("approvals/"));
        let id = topic.strip_prefix(below.as_str())?.strip_suffix("/press")?;
        (!id.contains('/')).then_some(id)
    }

    fn topic(&self, rest: core::fmt::Arguments<'_>) -> Topic {
        let mut topic = Topic::new();
        // Cannot fail: the names have a longest length, and MAX_TOPIC is the sum.
        let _ = write!(
            topic,
            "{}{}/{}/{rest}",
            Self::PREFIX,
            self.site,
            self.appliance
        );
        topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_contract() {
        let root = Root::try_new("plant-7", "press.3").unwrap();
        let id = Name::try_new("t1").unwrap();
        assert_eq!(root.tasks(), "shoal/v1/plant-7/press.3/tasks");
        assert_eq!(
            root.task_state(&id),
            "shoal/v1/plant-7/press.3/tasks/t1/state"
        );
        assert_eq!(
            root.task_result(&id),
            "shoal/v1/plant-7/press.3/tasks/t1/result"
        );
        assert_eq!(root.approval(&id), "shoal/v1/plant-7/press.3/approvals/t1");
        assert_eq!(root.status(), "shoal/v1/plant-7/press.3/status");
        let decision = "shoal/v1/plant-7/press.3/approvals/a1/decision";
        assert_eq!(root.decided(decision), Some("a1"));
        assert_eq!(root.decided("shoal/v1/plant-7/press.3/tasks"), None);
        assert_eq!(
            root.decided("shoal/v1/x/press.3/approvals/a1/decision"),
            None
        );
    }

    #[test]
    fn the_longest_names_fit() {
        extern crate std;
        let long = std::string::String::from_utf8(std::vec![b'x'; MAX_NAME]).unwrap();
        let root = Root::try_new(&long, &long).unwrap();
        let id = Name::try_new(&long).unwrap();
        assert!(root.task_result(&id).ends_with("/result"));
        assert!(root.approval(&id).ends_with(&long));
    }

    #[test]
    fn a_wildcard_or_a_level_in_a_name_is_refused() {
        for bad in ["", "a/b", "+", "#", "a b"] {
            assert!(Root::try_new(bad, "a").is_err(), "{bad:?}");
        }
    }
}
