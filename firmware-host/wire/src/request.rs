//! A task, as a device hands it in.

use serde::Serialize;

use crate::name::Name;

/// What a device publishes to [`crate::Root::tasks`]. The appliance reads more fields than a small device needs.
#[derive(Clone, Debug, Serialize)]
pub struct TaskRequest<'a> {
    /// The task's name. With it, the same message sent twice is one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Name>,
    /// `shoal-mini`, `shoal-ultra` or a worker; left out, `shoal-mini`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// What is asked.
    pub prompt: &'a str,
    /// How sensitive it is at least: `public`, `internal`, `confidential` or `restricted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'a str>,
    /// The longest answer, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}
