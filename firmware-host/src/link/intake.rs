//! One message in: a task for the appliance, or a refusal for its sender.

use std::sync::Arc;

use serde::Serialize;
use shoal_conductor::id::TaskId;
use shoal_wire::{Name, Root};

use super::{
    broker::Delivery,
    cancel, decision,
    rate::{Rate, client_of},
    refusal::{Kind, Reason, Refusals, Refused},
    reply::reply_to,
    request::{self, BadRequest, Frame},
};
use crate::{
    appliance::{AcceptError, Appliance},
    store::{Class, Message, Moment, ReplyTo, StoreError},
};

/// Nothing is known of the message yet, so the broker must deliver it again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Later {
    #[error("a message cannot be kept: {0}")]
    Store(#[from] StoreError),
    #[error("the appliance is stopping")]
    Stopping,
}

#[derive(Serialize)]
struct Refusal<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a TaskId>,
    state: &'static str,
    error: String,
}

/// Takes messages in.
pub(super) struct Intake {
    appliance: Appliance,
    root: Root,
    rate: Rate,
    refusals: Arc<Refusals>,
}

impl Intake {
    /// At most `per_minute` tasks from one client.
    pub(super) fn new(
        appliance: Appliance,
        root: Root,
        per_minute: u32,
        refusals: Arc<Refusals>,
    ) -> Self {
        Self {
            appliance,
            root,
            rate: Rate::new(per_minute),
            refusals,
        }
    }

    /// How much was refused.
    pub(super) fn refused(&self) -> Refused {
        self.refusals.so_far()
    }

    /// Takes a message in. Once this is `Ok`, it is safe to acknowledge it.
    pub(super) async fn take(&mut self, delivery: Delivery) -> Result<(), Later> {
        if let Some(id) = self.root.decided(&delivery.topic) {
            let refused =
                decision::take(&self.appliance, &self.root, id, &delivery.payload).await?;
            refused
                .into_iter()
                .for_each(|kind| self.refusals.count(kind));
            return Ok(());
        }
        let now = self.appliance.store().now();
        let cancelled = cancel::wanted(&self.root, &delivery.topic).map(str::to_owned);
        let id = match &cancelled {
            Some(id) => TaskId::try_new(id.as_str()).ok(),
            None => request::id_of(&delivery.payload),
        };
        let reply = match reply_to(&delivery, now) {
            Ok(reply) => reply,
            Err(words) => {
                let logged = "bad response topic, correlation data or user properties".to_owned();
                let kind = Kind::Malformed;
                let reason = Reason {
                    kind,
                    logged,
                    words,
                };
                return self.refuse(id, &ReplyTo::default(), reason).await;
            }
        };
        let refused = match cancelled {
            Some(id) => cancel::take(&self.appliance, &id).await?,
            None => {
                if let Some(reason) = self.hurried(&delivery, id.as_ref(), now).await? {
                    Some(reason)
                } else {
                    return self.task(delivery, id, reply).await;
                }
            }
        };
        match refused {
            Some(reason) => self.refuse(id, &reply, reason).await,
            None => Ok(()),
        }
    }

    /// Whether it is not to be done for lack of time, or for too much from its sender. What is known already makes no
    /// work, so it is answered in any case.
    async fn hurried(
        &mut self,
        delivery: &Delivery,
        id: Option<&TaskId>,
        now: Moment,
    ) -> Result<Option<Reason>, StoreError> {
        let known = match id {
            Some(id) => self.appliance.store().standing(id).await?.is_some(),
            None => false,
        };
        if known || delivery.again {
            return Ok(None);
        }
        if delivery.expiry.is_some_and(|left| left.is_zero()) {
            let words = "the message had expired when it came";
            return Ok(Some(Reason::new(Kind::Expired, words)));
        }
        if self.rate.take(client_of(delivery), now) {
            return Ok(None);
        }
        let words = format!(
            "this client sends more than {} tasks in a minute (mqtt.tasks_per_minute); send it again later",
            self.rate.per_minute()
        );
        Ok(Some(Reason::new(Kind::TooMany, words)))
    }

    async fn task(
        &mut self,
        delivery: Delivery,
        id: Option<TaskId>,
        reply: ReplyTo,
    ) -> Result<(), Later> {
        let fallback = fallback(&self.appliance, &delivery, &reply).await?;
        let frame = Frame {
            floor: self.appliance.conductor().policy().sources.mqtt,
            topic: &delivery.topic,
            fallback,
        };
        let task = match request::read(&delivery.payload, frame) {
            Ok(task) => task,
            Err(error) => {
                let kind = match error {
                    BadRequest::TooLarge(_) => Kind::TooLarge,
                    _ => Kind::Malformed,
                };
                let (logged, words) = (error.kind(), error.to_string());
                let reason = Reason {
                    kind,
                    logged,
                    words,
                };
                return self.refuse(id, &reply, reason).await;
            }
        };
        let id = task.id.clone();
        let kind = match self.appliance.accept_message(task, reply.clone()).await {
            Ok(accepted) => {
                tracing::info!(task = %id, fresh = accepted.fresh, "task from MQTT accepted");
                return Ok(());
            }
            Err(AcceptError::Draining) => return Err(Later::Stopping),
            Err(AcceptError::Store(error)) => return Err(error.into()),
            Err(error @ AcceptError::Conflict { .. }) => {
                Reason::new(Kind::Conflict, error.to_string())
            }
            Err(
                error @ (AcceptError::Full { .. } | AcceptError::Backlog | AcceptError::Memory),
            ) => Reason::new(Kind::Busy, error.to_string()),
        };
        self.refuse(Some(id), &reply, kind).await
    }

    /// Says why at the sender's own address. Without one, at the result topic of the id, unless that is another task's:
    /// its consumer would take the refusal for the task's result.
    async fn refuse(
        &self,
        id: Option<TaskId>,
        reply: &ReplyTo,
        reason: Reason,
    ) -> Result<(), Later> {
        tracing::warn!(task = id.as_ref().map(TaskId::as_str), reason = %reason.logged, "message from MQTT refused");
        let store = self.appliance.store();
        let known = match &id {
            Some(id) => store.standing(id).await?.is_some(),
            None => false,
        };
        let free = id.as_ref().filter(|_| !known);
        let name = free.and_then(|id| Name::try_new(id.as_str()).ok());
        let own = name.map_or_else(|| self.root.errors(), |name| self.root.task_result(&name));
        let refusal = Refusal {
            id: id.as_ref(),
            state: "failed",
            error: reason.words,
        };
        let payload = serde_json::to_vec(&refusal).map_err(|e| StoreError::Value {
            what: "a refusal".to_owned(),
            reason: e.to_string(),
        })?;
        let topic = reply.topic.clone();
        // An event: a flood of wrong messages must not crowd out results.
        let message = Message {
            correlation: reply.correlation.clone(),
            properties: reply.properties.clone(),
            ..Message::new(
                Class::Event,
                topic.unwrap_or_else(|| own.as_str().to_owned()),
                payload,
            )
        };
        store.post(message).await?;
        self.refusals.count(reason.kind);
        Ok(())
    }
}

/// A redelivery without an id is the task that its first delivery became.
async fn fallback(
    appliance: &Appliance,
    delivery: &Delivery,
    reply: &ReplyTo,
) -> Result<TaskId, StoreError> {
    let known = match &reply.fingerprint {
        Some(print) if delivery.again => appliance.store().task_of_message(print.clone()).await?,
        _ => None,
    };
    Ok(known.unwrap_or_else(TaskId::fresh))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        appliance::{ApplianceLimits, fake::Fake},
        store::Store,
    };

    fn saying(payload: &str, response_topic: Option<&str>) -> Delivery {
        Delivery {
            topic: "shoal/v1/plant/press/tasks".to_owned(),
            payload: payload.as_bytes().to_vec(),
            response_topic: response_topic.map(str::to_owned),
            ..Delivery::default()
        }
    }

    #[tokio::test]
    async fn a_refusal_is_never_said_where_another_tasks_result_is_awaited() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let root = Root::try_new("plant", "press").unwrap();
        store.report_under(Some(root.clone())).await.unwrap();
        let limits = ApplianceLimits { max_open_tasks: 3 };
        let appliance = Fake::new().appliance(&store, limits, 1);
        let refusals = Arc::new(Refusals::default());
        let mut intake = Intake::new(appliance, root, 4, refusals.clone());
        for (payload, reply) in [
            (r#"{"id":"t1","prompt":"hold"}"#, None),
            (r#"{"id":"t1","prompt":"something else"}"#, None),
            (r#"{"id":"t1","prompt":"hold","label":"x"}"#, None),
            (r#"{"id":"t1","prompt":"something else"}"#, Some("plc/7")),
            (r#"{"id":"t2","prompt":"hold","label":"x"}"#, None),
        ] {
            intake.take(saying(payload, reply)).await.unwrap();
        }
        let said = store.undelivered(100, usize::MAX).await.unwrap();
        let topics = said.iter().map(|queued| queued.message.topic.as_str());
        let topics: Vec<_> = topics.filter(|topic| !topic.ends_with("/state")).collect();
        let errors = "shoal/v1/plant/press/errors";
        let other = "shoal/v1/plant/press/tasks/t2/result";
        assert_eq!(topics, [errors, errors, "plc/7", other]);
        // What is known already is answered, and so is not counted against its sender.
        for id in ["t3", "t4", "t5"] {
            let payload = format!(r#"{{"id":"{id}","prompt":"hold","label":"x"}}"#);
            intake.take(saying(&payload, None)).await.unwrap();
        }
        let refused = Refused {
            conflict: 2,
            malformed: 4,
            too_many: 1,
            ..Refused::default()
        };
        assert_eq!(refusals.so_far(), refused);
    }
}
