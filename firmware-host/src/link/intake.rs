//! One message in: a task for the appliance, or a refusal for its sender.

use serde::Serialize;
use shoal_conductor::id::TaskId;
use shoal_wire::{Name, Root};

use super::{
    broker::Delivery,
    request::{self, Frame},
};
use crate::{
    appliance::{AcceptError, Appliance},
    store::{Class, Message, ReplyTo, StoreError},
};

/// The longest correlation data that is kept.
const MAX_CORRELATION: usize = 1024;
/// The longest response topic.
const MAX_RESPONSE_TOPIC: usize = 512;

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

/// Takes a message in. Once this is `Ok`, it is safe to acknowledge it.
pub(super) async fn take(
    appliance: &Appliance,
    root: &Root,
    delivery: Delivery,
) -> Result<(), Later> {
    let id = request::id_of(&delivery.payload);
    let reply = match reply_to(&delivery) {
        Ok(reply) => reply,
        Err(reason) => return refuse(appliance, root, id, &ReplyTo::default(), reason).await,
    };
    let fallback = fallback(appliance, &delivery, &reply).await?;
    let frame = Frame {
        floor: appliance.conductor().policy().sources.mqtt,
        topic: &delivery.topic,
        fallback,
    };
    let task = match request::read(&delivery.payload, frame) {
        Ok(task) => task,
        Err(error) => return refuse(appliance, root, id, &reply, error.to_string()).await,
    };
    let id = task.id.clone();
    match appliance.accept_message(task, reply.clone()).await {
        Ok(accepted) => {
            tracing::info!(task = %id, fresh = accepted.fresh, "task from MQTT accepted");
            Ok(())
        }
        Err(AcceptError::Draining) => Err(Later::Stopping),
        Err(AcceptError::Store(error)) => Err(error.into()),
        Err(error @ (AcceptError::Conflict { .. } | AcceptError::Full { .. })) => {
            refuse(appliance, root, Some(id), &reply, error.to_string()).await
        }
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

fn reply_to(delivery: &Delivery) -> Result<ReplyTo, String> {
    if let Some(topic) = &delivery.response_topic {
        check_topic(topic)?;
    }
    let correlation = delivery.correlation.as_ref();
    if correlation.is_some_and(|data| data.len() > MAX_CORRELATION) {
        return Err(format!(
            "correlation data has at most {MAX_CORRELATION} bytes"
        ));
    }
    Ok(ReplyTo {
        topic: delivery.response_topic.clone(),
        correlation: delivery.correlation.clone(),
        fingerprint: Some(request::fingerprint(delivery)),
    })
}

/// The sender chooses where we publish, so it may not choose what others take for our or another appliance's word.
fn check_topic(topic: &str) -> Result<(), String> {
    if topic.is_empty() || topic.len() > MAX_RESPONSE_TOPIC {
        return Err(format!(
            "a response topic has 1 to {MAX_RESPONSE_TOPIC} bytes"
        ));
    }
    if topic.contains(['+', '#', '\0']) || topic.starts_with('$') {
        return Err("a response topic has no wildcards and does not begin with '$'".to_owned());
    }
    if topic.starts_with(Root::PREFIX) {
        return Err(format!("a response topic is not below {}", Root::PREFIX));
    }
    Ok(())
}

async fn refuse(
    appliance: &Appliance,
    root: &Root,
    id: Option<TaskId>,
    reply: &ReplyTo,
    error: String,
) -> Result<(), Later> {
    tracing::warn!(task = id.as_ref().map(TaskId::as_str), reason = %error, "message from MQTT refused");
    let name = id.as_ref().and_then(|id| Name::try_new(id.as_str()).ok());
    let own = name.map_or_else(|| root.errors(), |name| root.task_result(&name));
    let refusal = Refusal {
        id: id.as_ref(),
        state: "failed",
        error,
    };
    let payload = serde_json::to_vec(&refusal).map_err(|e| StoreError::Value {
        what: "a refusal".to_owned(),
        reason: e.to_string(),
    })?;
    // An event: a flood of wrong messages must not crowd out results.
    let message = Message {
        class: Class::Event,
        topic: reply
            .topic
            .clone()
            .unwrap_or_else(|| own.as_str().to_owned()),
        payload,
        retain: false,
        correlation: reply.correlation.clone(),
    };
    appliance.store().post(message).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_topic_cannot_speak_for_an_appliance() {
        for bad in [
            "",
            "a/+",
            "a/#",
            "$SYS/x",
            "shoal/v1/a/b/tasks",
            "shoal/v1/a/b/status",
        ] {
            assert!(check_topic(bad).is_err(), "{bad:?}");
        }
        assert!(check_topic("plc/7/answers").is_ok());
    }
}
