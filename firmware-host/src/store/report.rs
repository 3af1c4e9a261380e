//! What is reported over MQTT, written by the transaction that it reports.
//!
//! The topics are in the store, so that every process that changes something reports it, and nothing is reported where
//! MQTT is not configured. Every task's states are reported; the text of an answer or of
//! an error only for a task that came by MQTT.
//! The broker keeps a state for those who come later, and forgets it by itself some time after the end.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use shoal_conductor::{
    id::{ApprovalId, TaskId, WorkerId},
    label::Label,
    prompt::Message as Said,
    task::State,
};
use shoal_wire::{Name, Root, StateMessage};

use super::{
    Moment, Store, StoreError,
    approval::{ApprovalRecord, Vote},
    outbox::{self, Class, Limits, Message},
    task,
};
use crate::said;

const SETTING: &str = "mqtt";
/// How long the broker keeps the state of an open task for those who come later: each new state begins it anew, so it
/// only ends for a task whose appliance is gone.
const OPEN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it keeps the state of a task that has ended.
const ENDED: Duration = Duration::from_secs(60 * 60);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    site: String,
    appliance: String,
}

impl Store {
    /// Sets the topics that everything is reported under from now on; with `None`, nothing is.
    pub async fn report_under(&self, root: Option<Root>) -> Result<(), StoreError> {
        self.write(move |c| match root {
            Some(root) => {
                let address = Address {
                    site: root.site().as_str().to_owned(),
                    appliance: root.appliance().as_str().to_owned(),
                };
                c.execute(
                    "INSERT INTO setting (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    params![SETTING, task::write("a setting", &address)?],
                )?;
                Ok(())
            }
            None => {
                c.execute("DELETE FROM setting WHERE name = ?1", [SETTING])?;
                Ok(())
            }
        })
        .await
    }
}

fn root(c: &Connection) -> Result<Option<Root>, StoreError> {
    let text: Option<String> = c
        .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
        .query_row([SETTING], |row| row.get(0))
        .optional()?;
    let Some(text) = text else { return Ok(None) };
    let address: Address = task::parse("a setting", &text)?;
    Root::try_new(&address.site, &address.appliance)
        .map(Some)
        .map_err(|e| StoreError::value("a setting", &e))
}

/// Whether anything is reported.
pub(super) fn wanted(c: &Connection) -> Result<bool, StoreError> {
    Ok(root(c)?.is_some())
}

fn name(id: &str) -> Result<Name, StoreError> {
    Name::try_new(id).map_err(|e| StoreError::value("an id", &e))
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|e| StoreError::value("a report", &e))
}

/// A task has come to `state`.
pub(super) fn state(
    c: &Connection,
    limits: &Limits,
    id: &TaskId,
    state: State,
    now: Moment,
) -> Result<(), StoreError> {
    let Some(root) = root(c)? else { return Ok(()) };
    let id = name(id.as_str())?;
    let topic = root.task_state(&id);
    let said = StateMessage {
        id,
        state: said::state(state),
        at: now.0,
    };
    let keep = if state.is_final() { ENDED } else { OPEN };
    let message = Message {
        retain: true,
        keep: Some(keep),
        ..Message::new(Class::Event, topic.as_str(), json(&said)?)
    };
    outbox::push(c, limits, &message, now).map(drop)
}

/// A task has ended.
pub(super) fn result(
    c: &Connection,
    limits: &Limits,
    id: &TaskId,
    now: Moment,
) -> Result<(), StoreError> {
    let Some(root) = root(c)? else { return Ok(()) };
    let Some(record) = task::record(c, id)? else {
        return Ok(());
    };
    let Some(outcome) = &record.outcome else {
        return Ok(());
    };
    let (by_mqtt, reply_topic, correlation, properties) = c
        .prepare_cached(
            "SELECT by_mqtt, reply_topic, unseal('task:' || id || ':correlation', correlation),
                    unseal('task:' || id || ':properties', properties)
             FROM task WHERE id = ?1",
        )?
        .query_row([id.as_str()], |row| {
            Ok((
                row.get(0)?,
                row.get::<_, Option<String>>(1)?,
                row.get(2)?,
                row.get::<_, Option<String>>(3)?,
            ))
        })?;
    let properties = properties
        .map(|text| task::parse("user properties", &text))
        .transpose()?;
    let own = root.task_result(&name(id.as_str())?);
    // An error may repeat what a worker made of the text.
    let reason = outcome.as_ref().err().map(|failure| match by_mqtt {
        true => failure.to_string(),
        false => failure.kind().to_owned(),
    });
    let end = outcome
        .as_ref()
        .map_err(|_| (record.state, reason.as_deref().unwrap_or_default()));
    let id = name(id.as_str())?;
    let mut said = said::result(&id, &id, record.task.label, end);
    said.answer = said.answer.filter(|_| by_mqtt);
    let message = Message {
        class: if by_mqtt { Class::Result } else { Class::Event },
        topic: reply_topic.unwrap_or_else(|| own.as_str().to_owned()),
        payload: json(&said)?,
        retain: false,
        correlation,
        properties: properties.unwrap_or_default(),
        keep: None,
    };
    outbox::push(c, limits, &message, now).map(drop)
}

#[derive(Serialize)]
struct Asked<'a> {
    id: &'a ApprovalId,
    task: &'a TaskId,
    step: u8,
    worker: &'a WorkerId,
    rule: &'a str,
    label: Label,
    expires_at: Moment,
    /// Left out where nobody on the broker may read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<&'a [Said]>,
    /// What a signed answer is bound to.
    digest: &'a str,
    people: u8,
    /// Who has said yes.
    approved: &'a [Vote],
    /// How many more must.
    missing: u8,
}

/// A person is asked; retained until it is decided, and said again with every yes that does not decide it. The text is there
/// only where the broker had it already, or where the policy names people who answer by it.
pub(super) fn asked(
    c: &Connection,
    limits: &Limits,
    asked: &ApprovalRecord,
    now: Moment,
) -> Result<(), StoreError> {
    let (question, expires_at) = (&asked.question, asked.expires_at);
    let by_mqtt: bool = c
        .prepare_cached("SELECT by_mqtt FROM task WHERE id = ?1")?
        .query_row([question.task.as_str()], |row| row.get(0))?;
    let said = Asked {
        id: &question.id,
        task: &question.task,
        step: question.step,
        worker: &question.worker,
        rule: &question.rule,
        label: question.label,
        expires_at,
        shown: (by_mqtt || question.by_message).then_some(&question.shown),
        digest: &question.digest,
        people: question.people,
        approved: &asked.approved,
        missing: asked.missing,
    };
    let keep = expires_at.since(now);
    retained(c, limits, &question.id, json(&said)?, Some(keep), now)
}

/// Nobody need answer any more. This takes the place of a question that still waits for the broker, which may have left and
/// not been acknowledged.
pub(super) fn closed(
    c: &Connection,
    limits: &Limits,
    id: &ApprovalId,
    now: Moment,
) -> Result<(), StoreError> {
    retained(c, limits, id, Vec::new(), None, now)
}

fn retained(
    c: &Connection,
    limits: &Limits,
    id: &ApprovalId,
    payload: Vec<u8>,
    keep: Option<Duration>,
    now: Moment,
) -> Result<(), StoreError> {
    let Some(root) = root(c)? else { return Ok(()) };
    let message = Message {
        retain: true,
        keep,
        ..Message::new(
            Class::Result,
            root.approval(&name(id.as_str())?).as_str(),
            payload,
        )
    };
    outbox::push(c, limits, &message, now).map(drop)
}
