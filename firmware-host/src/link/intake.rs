//! One message in: a task for the appliance, or a refusal for its sender.

use serde::Serialize;
use shoal_conductor::id::TaskId;
use shoal_wire::{Name, Root};

use super::{
    broker::Delivery,
    decision,
    request::{self, Frame},
};
use crate::{
    appliance::{AcceptError, Appliance},
    store::{Class, Message, ReplyTo, StoreError},
};

/// The longest correlation data that is kept.
const MAX_CORRELATION: usize = 1024;
/// The longest response topic, in bytes.
const MAX_RESPONSE_TOPIC: usize = 512;
/// The most levels of a response topic; brokers end the connection over one with too many.
const MAX_LEVELS: usize = 32;

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
    if let Some(id) = root.decided(&delivery.topic) {
        let id = id.to_owned();
        return decision::take(appliance, root, &id, &delivery.payload).await;
    }
    let id = request::id_of(&delivery.payload);
    let reply = match reply_to(&delivery) {
        Ok(reply) => reply,
        Err(words) => {
            let kind = "bad response topic or correlation data".to_owned();
            let reason = Reason { kind, words };
            return refuse(appliance, root, id, &ReplyTo::default(), reason).await;
        }
    };
    let fallback = fallback(appliance, &delivery, &reply).await?;
    let frame = Frame {
        floor: appliance.conductor().policy().sources.mqtt,
        topic: &delivery.topic,
        fallback,
    };
    let task = match request::read(&delivery.payload, frame) {
        Ok(task) => task,
        Err(error) => {
            let reason = Reason {
                kind: error.kind(),
                words: error.to_string(),
            };
            return refuse(appliance, root, id, &reply, reason).await;
        }
    };
    let id = task.id.clone();
    match appliance.accept_message(task, reply.clone()).await {
        Ok(accepted) => {
            tracing::info!(task = %id, fresh = accepted.fresh, "task from MQTT accepted");
            Ok(())
        }
        Err(AcceptError::Draining) => Err(Later::Stopping),
        Err(AcceptError::Store(error)) => Err(error.into()),
        Err(
            error @ (AcceptError::Conflict { .. }
            | AcceptError::Full { .. }
            | AcceptError::Backlog
            | AcceptError::Memory),
        ) => {
            let words = error.to_string();
            let kind = words.clone();
            refuse(appliance, root, Some(id), &reply, Reason { kind, words }).await
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
    if topic.split('/').count() > MAX_LEVELS {
        return Err(format!("a response topic has at most {MAX_LEVELS} levels"));
    }
    if topic.contains(unfit) {
        return Err("a response topic has no control characters".to_owned());
    }
    if topic.contains(['+', '#']) || topic.starts_with('$') {
        return Err("a response topic has no wildcards and does not begin with '$'".to_owned());
    }
    if topic.starts_with(Root::PREFIX) {
        return Err(format!("a response topic is not below {}", Root::PREFIX));
    }
    Ok(())
}

/// Control characters and what Unicode calls noncharacters: MQTT lets a broker end the connection over them.
fn unfit(c: char) -> bool {
    let code = u32::from(c);
    c.is_control() || code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// Why a message is refused.
struct Reason {
    /// For the log: nothing that the sender wrote.
    kind: String,
    /// For the sender.
    words: String,
}

/// Says why at the sender's own address. Without one, at the result topic of the id, unless that is another task's: its
/// consumer would take the refusal for the task's result.
async fn refuse(
    appliance: &Appliance,
    root: &Root,
    id: Option<TaskId>,
    reply: &ReplyTo,
    reason: Reason,
) -> Result<(), Later> {
    tracing::warn!(task = id.as_ref().map(TaskId::as_str), reason = %reason.kind, "message from MQTT refused");
    let known = match &id {
        Some(id) => appliance.store().standing(id).await?.is_some(),
        None => false,
    };
    let free = id.as_ref().filter(|_| !known);
    let name = free.and_then(|id| Name::try_new(id.as_str()).ok());
    let own = name.map_or_else(|| root.errors(), |name| root.task_result(&name));
    let refusal = Refusal {
        id: id.as_ref(),
        state: "failed",
        error: reason.words,
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
    use crate::{
        appliance::{ApplianceLimits, fake::Fake},
        store::Store,
    };

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

    #[test]
    fn a_response_topic_cannot_make_the_broker_hang_up() {
        let levels = |n: usize| vec!["a"; n].join("/");
        let bad = ["a\u{1}b", "a\nb", "a\u{7f}b", "a\u{ffff}", "a\u{fdd0}"];
        for bad in bad.map(str::to_owned).into_iter().chain([levels(33)]) {
            assert!(check_topic(&bad).is_err(), "{bad:?}");
        }
        assert!(check_topic(&levels(32)).is_ok());
        assert!(check_topic("werk/öl/答え").is_ok());
    }

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
        for (payload, reply) in [
            (r#"{"id":"t1","prompt":"hold"}"#, None),
            (r#"{"id":"t1","prompt":"something else"}"#, None),
            (r#"{"id":"t1","prompt":"hold","label":"x"}"#, None),
            (r#"{"id":"t1","prompt":"something else"}"#, Some("plc/7")),
            (r#"{"id":"t2","prompt":"hold","label":"x"}"#, None),
        ] {
            take(&appliance, &root, saying(payload, reply))
                .await
                .unwrap();
        }
        let said = store.undelivered(100, usize::MAX).await.unwrap();
        let topics = said.iter().map(|queued| queued.message.topic.as_str());
        let topics: Vec<_> = topics.filter(|topic| !topic.ends_with("/state")).collect();
        let errors = "shoal/v1/plant/press/errors";
        let other = "shoal/v1/plant/press/tasks/t2/result";
        assert_eq!(topics, [errors, errors, "plc/7", other]);
    }
}
