//! Topics that the appliances of a site share: everything is below `shoal/v1/{site}/`.

use core::fmt::Write as _;

use crate::{
    name::{BadName, Name},
    topic::{Root, Topic},
};

/// The topics of a group of appliances at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    site: Name,
    group: Name,
}

impl Site {
    /// The topics of `group` at `site`.
    pub fn try_new(site: &str, group: &str) -> Result<Self, BadName> {
        Ok(Self {
            site: Name::try_new(site)?,
            group: Name::try_new(group)?,
        })
    }

    /// In: tasks for whichever appliance of the group has time.
    #[must_use]
    pub fn tasks(&self) -> Topic {
        self.topic(format_args!("tasks"))
    }

    /// The same as a filter by which the broker gives each task to one appliance of the group.
    #[must_use]
    pub fn shared_tasks(&self) -> Topic {
        let mut topic = Topic::new();
        // Cannot fail: a group and a site are shorter than a site, an appliance and a task.
        let _ = write!(topic, "$share/{}/{}", self.group, self.tasks());
        topic
    }

    /// Among the group, retained: who does a task.
    #[must_use]
    pub fn claim(&self, id: &Name) -> Topic {
        self.topic(format_args!("{}/claims/{id}", self.group))
    }

    /// All claims, as a filter.
    #[must_use]
    pub fn claims(&self) -> Topic {
        self.topic(format_args!("{}/claims/+", self.group))
    }

    /// Among the group, retained: the answer of a task, of which the first counts.
    #[must_use]
    pub fn done(&self, id: &Name) -> Topic {
        self.topic(format_args!("{}/done/{id}", self.group))
    }

    /// All answers, as a filter.
    #[must_use]
    pub fn all_done(&self) -> Topic {
        self.topic(format_args!("{}/done/+", self.group))
    }

    /// The task that the topic of a claim or an answer is about.
    #[must_use]
    pub fn claimed<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let below = self.topic(format_args!("{}/", self.group));
        let rest = topic.strip_prefix(below.as_str())?;
        let id = rest
            .strip_prefix("claims/")
            .or_else(|| rest.strip_prefix("done/"))?;
        (!id.is_empty() && !id.contains('/')).then_some(id)
    }

    /// Among the group: what an appliance says to itself, to know that it has heard all that came before.
    #[must_use]
    pub fn mark(&self, appliance: &Name) -> Topic {
        self.topic(format_args!("{}/marks/{appliance}", self.group))
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

    fn topic(&self, rest: core::fmt::Arguments<'_>) -> Topic {
        let mut topic = Topic::new();
        // Cannot fail: shorter than what an appliance's own topics may be.
        let _ = write!(topic, "{}{}/{rest}", Root::PREFIX, self.site);
        topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_contract_and_the_longest_fit() {
        let site = Site::try_new("plant-7", "presses").unwrap();
        let id = Name::try_new("t1").unwrap();
        assert_eq!(site.shared_tasks(), "$share/presses/shoal/v1/plant-7/tasks");
        assert_eq!(site.claim(&id), "shoal/v1/plant-7/presses/claims/t1");
        assert_eq!(
            site.claimed("shoal/v1/plant-7/presses/claims/t1"),
            Some("t1")
        );
        assert_eq!(site.claimed(&site.done(&id)), Some("t1"));
        assert_eq!(site.claimed("shoal/v1/plant-7/other/claims/t1"), None);
        assert_eq!(site.task_result(&id), "shoal/v1/plant-7/tasks/t1/result");
        let long = core::str::from_utf8(&[b'x'; 64]).unwrap();
        let site = Site::try_new(long, long).unwrap();
        assert!(site.claim(&Name::try_new(long).unwrap()).ends_with(long));
        assert!(site.shared_tasks().ends_with("/tasks"));
    }
}
