//! How many tasks one client may send.
//!
//! MQTT does not tell the receiver which client a message came from. So a client is known by the user property `client`
//! of MQTT 5 where it sets one, and otherwise by its response topic; those with neither count as one client together.
//! Both are the sender's own word: this keeps a device that has gone wild from crowding out the others. Against one that
//! lies the broker's access list and [`crate::appliance::ApplianceLimits`] stand.

use std::collections::HashMap;

use super::broker::Delivery;
use crate::store::Moment;

/// The user property that names a client.
pub(super) const CLIENT: &str = "client";
/// The longest name that tells clients apart, in bytes.
const MAX_NAME: usize = 128;
/// The most clients that are remembered; beyond it the one that was silent longest is forgotten.
const MOST: usize = 1024;
const MINUTE: u64 = 60_000;

/// Credits of clients.
#[derive(Debug)]
pub(super) struct Rate {
    per_minute: u32,
    known: HashMap<String, Credit>,
}

#[derive(Clone, Copy, Debug)]
struct Credit {
    /// A task costs [`MINUTE`]; each millisecond gives `per_minute`.
    left: u64,
    at: Moment,
}

impl Rate {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            known: HashMap::new(),
        }
    }

    /// What may be sent in a minute.
    pub(super) const fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Whether a client may send one more; a whole minute's worth may come at once.
    pub(super) fn take(&mut self, client: &str, now: Moment) -> bool {
        let most = u64::from(self.per_minute) * MINUTE;
        if !self.known.contains_key(client) {
            self.make_room();
        }
        let credit = self.known.entry(client.to_owned()).or_insert(Credit {
            left: most,
            at: now,
        });
        let passed = u64::try_from(now.since(credit.at).as_millis()).unwrap_or(u64::MAX);
        let earned = passed.saturating_mul(u64::from(self.per_minute));
        credit.left = credit.left.saturating_add(earned).min(most);
        credit.at = now;
        let may = credit.left >= MINUTE;
        if may {
            credit.left -= MINUTE;
        }
        may
    }

    fn make_room(&mut self) {
        if self.known.len() < MOST {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, credit)| credit.at);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.known.remove(&name);
        }
    }
}

/// The name of whoever sent it, as far as that is known.
pub(super) fn client_of(delivery: &Delivery) -> &str {
    let named = delivery.properties.iter().find(|(name, _)| name == CLIENT);
    let name = match named {
        Some((_, value)) => value.as_str(),
        None => delivery.response_topic.as_deref().unwrap_or(""),
    };
    let end = name.floor_char_boundary(MAX_NAME);
    name.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wild_client_is_slowed_down_and_the_others_are_not() {
        let mut rate = Rate::new(3);
        let at = |ms: u64| Moment(1_000_000 + ms);
        let burst: Vec<bool> = (0..5).map(|_| rate.take("wild", at(0))).collect();
        assert_eq!(burst, [true, true, true, false, false]);
        assert!(rate.take("calm", at(0)));
        assert!(!rate.take("wild", at(19_999)));
        assert!(rate.take("wild", at(20_000)));
        assert!(!rate.take("wild", at(20_001)));
        // A clock that is set back gives nothing and takes nothing.
        assert!(!rate.take("wild", at(5)));
        assert!(rate.take("calm", at(5)));
    }

    #[test]
    fn clients_without_end_take_no_memory_without_end() {
        let mut rate = Rate::new(1);
        for n in 0..3_000u64 {
            assert!(rate.take(&format!("c{n}"), Moment(n)));
        }
        assert_eq!(rate.known.len(), MOST);
        assert!(!rate.take("c2999", Moment(3_000)));
    }

    #[test]
    fn a_client_is_its_property_or_else_its_response_topic() {
        let mut delivery = Delivery {
            response_topic: Some("plc/7".to_owned()),
            ..Delivery::default()
        };
        assert_eq!(client_of(&delivery), "plc/7");
        let named = (CLIENT.to_owned(), "é".repeat(100));
        delivery.properties.push(named);
        assert_eq!(client_of(&delivery), "é".repeat(64));
        assert_eq!(client_of(&Delivery::default()), "");
    }
}
