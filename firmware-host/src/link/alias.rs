//! Short forms of topics, where the broker has them (MQTT 5, topic alias).
//!
//! An alias is given for good on its connection, and there are few, so the topics of single tasks and questions get
//! none: each is published to a few times. What is left are `health`, `status`, `errors` and the response topics.

use std::collections::HashMap;

use shoal_wire::Root;

pub(super) struct Aliases {
    most: u16,
    known: HashMap<String, u16>,
    /// Topics of single tasks and questions begin with one of these.
    single: [String; 2],
}

impl Aliases {
    /// `most` is what the broker takes.
    pub(super) fn new(most: u16, root: &Root) -> Self {
        let below = |folder: &str| {
            format!(
                "{}{}/{}/{folder}/",
                Root::PREFIX,
                root.site(),
                root.appliance()
            )
        };
        Self {
            most,
            known: HashMap::new(),
            single: [below("tasks"), below("approvals")],
        }
    }

    /// The topic to send and its alias: the first time both, from then on the alias alone.
    pub(super) fn shorten(&mut self, topic: String) -> (String, Option<u16>) {
        if let Some(alias) = self.known.get(&topic) {
            return (String::new(), Some(*alias));
        }
        let next = u16::try_from(self.known.len() + 1).unwrap_or(u16::MAX);
        if next > self.most || self.single.iter().any(|below| topic.starts_with(below)) {
            return (topic, None);
        }
        self.known.insert(topic.clone(), next);
        (topic, Some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_sent_whole_once_and_no_more_than_the_broker_takes_have_an_alias() {
        let root = Root::try_new("plant", "press").unwrap();
        let mut aliases = Aliases::new(2, &root);
        let mut send = |topic: &str| aliases.shorten(topic.to_owned());
        assert_eq!(send("plc/1"), ("plc/1".into(), Some(1)));
        assert_eq!(send("plc/1"), (String::new(), Some(1)));
        let state = "shoal/v1/plant/press/tasks/t1/state";
        assert_eq!(send(state), (state.into(), None));
        assert_eq!(send("plc/2"), ("plc/2".into(), Some(2)));
        assert_eq!(send("plc/3"), ("plc/3".into(), None));
        assert_eq!(send("plc/2"), (String::new(), Some(2)));
        let mut none = Aliases::new(0, &root);
        assert_eq!(none.shorten("plc/1".into()), ("plc/1".into(), None));
    }
}
