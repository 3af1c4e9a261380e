//! Rules on their own connection: ordinary messages in, tasks made.
//!
//! A message is acknowledged once every task that it makes is in the store, or is refused with a line in the log. The
//! broker keeps messages for [`SESSION`] while the appliance is away. Retained ones make nothing: they were said before.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;

use super::{
    broker::Broken,
    side::{Duty, Incoming, Side, Wanted},
};
use crate::{
    appliance::{AcceptError, Appliance},
    rule::{Outcome, Rules},
    store::{Moment, ReplyTo, StoreError, TaskFilter},
};

/// An alarm that is older is no reason for a task.
pub(super) const SESSION: Duration = Duration::from_secs(60 * 60);
/// Messages that the broker may deliver before one is acknowledged.
pub(super) const WINDOW: u16 = 32;
/// Tasks that are looked through for those that rules made.
const LOOKED_AT: u32 = 100_000;

pub(super) struct Watch {
    appliance: Appliance,
    rules: Option<Rules>,
}

impl Watch {
    pub(super) const fn new(appliance: Appliance) -> Self {
        Self {
            appliance,
            rules: None,
        }
    }

    async fn known(&self) -> Result<Rules, StoreError> {
        let filter = TaskFilter {
            limit: LOOKED_AT,
            ..TaskFilter::default()
        };
        let heads = self.appliance.store().tasks(filter).await?;
        Ok(Rules::of(heads.iter().map(|head| &head.id)))
    }
}

#[async_trait]
impl Duty for Watch {
    fn wanted(&mut self) -> BTreeSet<Wanted> {
        let policy = self.appliance.conductor().policy();
        let filters = policy.rules.iter().map(|rule| Wanted {
            filter: rule.topic.clone(),
            retained: false,
            mark: None,
        });
        filters.collect()
    }

    async fn begin(&mut self, _: &mut Side) -> Result<(), Broken> {
        if self.rules.is_none() {
            let rules = self.known().await;
            self.rules = Some(rules.map_err(|error| Broken(error.to_string()))?);
        }
        Ok(())
    }

    async fn take(&mut self, side: &mut Side, message: Incoming) -> Result<(), Broken> {
        if let Some(rules) = self.rules.as_mut().filter(|_| !message.retained) {
            let policy = self.appliance.conductor().policy();
            let all = rules.judge(&policy, &message.topic, &message.payload, Moment::now());
            for (rule, outcome) in all {
                let task = match outcome {
                    Outcome::Task(task) => *task,
                    Outcome::Nothing(reason) => {
                        tracing::debug!(rule, %reason, "a message makes no task");
                        continue;
                    }
                };
                let accepted = self
                    .appliance
                    .accept_message(task.clone(), ReplyTo::default());
                match accepted.await {
                    Ok(accepted) => {
                        tracing::info!(rule, task = %accepted.id, "a rule made a task");
                        rules.made(&task);
                    }
                    // Not acknowledged, the broker delivers it again on the next connection.
                    Err(error @ (AcceptError::Draining | AcceptError::Store(_))) => {
                        return Err(Broken(error.to_string()));
                    }
                    Err(error) => tracing::warn!(rule, %error, "a rule's task is not accepted"),
                }
            }
        }
        side.acknowledge(message.packet).await
    }

    async fn tick(&mut self, _: &mut Side) -> Result<(), Broken> {
        Ok(())
    }
}
