//! A question to a person, as a device reads it.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// The longest digest, in bytes: SHA-256 in hex.
pub const MAX_DIGEST: usize = 64;

/// What worker and text a question is about, in one word.
pub type Digest = heapless::String<MAX_DIGEST>;

/// The part of a message on [`crate::Root::approval`] that a device needs to show that there is a question, and to sign a
/// decision. What would leave the board is in the message too, under `shown`; whoever decides should see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The question.
    pub id: Name,
    /// The task that it belongs to.
    pub task: Name,
    /// Who would read the text.
    pub worker: Name,
    /// When it counts as denied, in milliseconds since 1970-01-01 UTC.
    pub expires_at: u64,
    /// What a signature is bound to.
    pub digest: Digest,
    /// How many people must approve.
    pub people: u8,
    /// How many of them have not yet; who has is in the message under `approved`. None where the appliance does not say.
    #[serde(default)]
    pub missing: Option<u8>,
}
