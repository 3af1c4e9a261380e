//! Home Assistant: the appliance shows itself there, by MQTT discovery.
//!
//! What is retained below the prefix is the memory: whatever the broker has there of this appliance and is not to be
//! there is removed, so that switching it off removes all, and so do questions that were closed while we were away. All is
//! said again when Home Assistant says that it was born.
//!
//! # Who may press a button
//! A button is a message that Home Assistant sends on `approvals/{id}/press`. It is not signed, since Home Assistant has no
//! key: whoever may publish on that topic at the broker can press. So there are buttons only where the config says so
//! ([`HomeOptions::approvals`]), and then the broker's access list decides who approves. A press is the word of one person,
//! `home-assistant`, however often and by whomever; it is for this text alone, whose digest it carries; and where two
//! people must approve, another one still must, by another way.

mod entity;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use shoal_conductor::id::ApprovalId;
use shoal_wire::Root;

use self::entity::Entities;
use super::{
    broker::Broken,
    side::{Duty, Incoming, Said, Side, Wanted},
};
use crate::{
    appliance::Appliance,
    store::{ApprovalRecord, Ballot, Reach},
};

/// The name that a press counts as.
const PRESSER: &str = "mqtt:home-assistant";
/// The most questions that have buttons at once.
const MOST_QUESTIONS: usize = 16;
/// Messages that the broker may deliver before one is acknowledged.
pub(super) const WINDOW: u16 = 32;
/// How long the broker has to tell what is retained, where nothing of it is to stay.
const SWEEPING: Duration = Duration::from_secs(10);

/// How the appliance shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeOptions {
    /// Whether it does.
    pub enabled: bool,
    /// Home Assistant's discovery prefix.
    pub prefix: String,
    /// Whether questions are buttons.
    pub approvals: bool,
    /// How often telemetry is published.
    pub telemetry: Duration,
}

pub(super) struct Home {
    options: HomeOptions,
    root: Root,
    appliance: Appliance,
    entities: Entities,
    /// What the broker has of us, by topic.
    said: BTreeMap<String, Vec<u8>>,
    /// When it was first connected.
    since: Option<Instant>,
}

impl Home {
    pub(super) fn new(options: HomeOptions, root: Root, appliance: Appliance) -> Self {
        Self {
            entities: Entities::new(&options, &root),
            options,
            root,
            appliance,
            said: BTreeMap::new(),
            since: None,
        }
    }

    /// What is to be retained now, by topic.
    async fn due(&self) -> Result<BTreeMap<String, Vec<u8>>, Broken> {
        if !self.options.enabled {
            return Ok(BTreeMap::new());
        }
        let mut due = self.entities.lasting();
        if self.options.approvals {
            for record in self.questions().await?.iter().take(MOST_QUESTIONS) {
                due.extend(self.entities.buttons(record));
            }
        }
        Ok(due)
    }

    async fn questions(&self) -> Result<Vec<ApprovalRecord>, Broken> {
        let open = self.appliance.store().approvals(true).await;
        open.map_err(|error| Broken(error.to_string()))
    }

    /// Says what is to be said and has not been, and takes back what is not.
    async fn bring_up(&mut self, side: &mut Side) -> Result<(), Broken> {
        let due = self.due().await?;
        for (topic, payload) in &due {
            if self.said.get(topic) != Some(payload) {
                side.say(retained(topic, payload.clone())).await?;
            }
        }
        let gone = self.said.keys().filter(|topic| !due.contains_key(*topic));
        for topic in gone {
            side.say(retained(topic, Vec::new())).await?;
        }
        self.said = due;
        Ok(())
    }

    async fn pressed(&self, id: &str, payload: &[u8]) -> Result<(), Broken> {
        let word = std::str::from_utf8(payload).unwrap_or_default();
        let (yes, digest) = match word.split_once(' ') {
            Some(("approve", digest)) => (true, digest),
            Some(("deny", digest)) => (false, digest),
            _ => {
                tracing::warn!("a press of a button says neither approve nor deny");
                return Ok(());
            }
        };
        let open = self.questions().await?;
        let asked = open.iter().map(|record| &record.question);
        let mut asked = asked.filter(|question| question.id.as_str() == id);
        let Some(question) = asked.find(|question| question.digest == digest) else {
            tracing::warn!("a button is pressed for what is not asked any more");
            return Ok(());
        };
        let id: ApprovalId = question.id.clone();
        let ballot = Ballot {
            yes,
            by: PRESSER.to_owned(),
            reach: Reach::Once,
            proof: None,
        };
        let outcome = self.appliance.store().vote(&id, ballot).await;
        let outcome = outcome.map_err(|error| Broken(error.to_string()))?;
        tracing::info!(approval = %id, ?outcome, "a button of Home Assistant is pressed");
        Ok(())
    }
}

fn retained(topic: &str, payload: Vec<u8>) -> Said {
    Said {
        topic: topic.to_owned(),
        payload,
        retain: true,
        ..Said::default()
    }
}

#[async_trait]
impl Duty for Home {
    fn wanted(&mut self) -> BTreeSet<Wanted> {
        let plain = |filter: String| Wanted {
            filter,
            retained: false,
            mark: None,
        };
        let ours = Wanted {
            retained: true,
            ..plain(self.entities.filter())
        };
        if !self.options.enabled {
            let sweeping = self.since.is_none_or(|since| since.elapsed() < SWEEPING);
            return sweeping.then_some(ours).into_iter().collect();
        }
        let mut wanted = BTreeSet::from([ours, plain(format!("{}/status", self.options.prefix))]);
        if self.options.approvals {
            wanted.insert(plain(self.root.press("+").as_str().to_owned()));
        }
        wanted
    }

    async fn begin(&mut self, side: &mut Side) -> Result<(), Broken> {
        // Another broker may answer now, which has nothing of us.
        self.said.clear();
        self.since.get_or_insert_with(Instant::now);
        self.bring_up(side).await
    }

    async fn take(&mut self, side: &mut Side, message: Incoming) -> Result<(), Broken> {
        if message.topic == format!("{}/status", self.options.prefix) {
            if message.payload == b"online" {
                self.said.clear();
            }
        } else if let Some(id) = self.root.pressed(&message.topic) {
            self.pressed(id, &message.payload).await?;
        } else if message.retained && !message.payload.is_empty() {
            self.said
                .entry(message.topic.clone())
                .or_insert(message.payload);
        }
        side.acknowledge(message.packet).await?;
        self.bring_up(side).await
    }

    async fn tick(&mut self, side: &mut Side) -> Result<(), Broken> {
        self.bring_up(side).await
    }
}
