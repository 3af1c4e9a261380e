//! What the link needs of a broker.

use std::time::Duration;

use async_trait::async_trait;

use crate::store::outbox::Property;

/// Makes connections.
#[async_trait]
pub(super) trait Broker: Send + Sync {
    /// Connects, with the will set, and subscribes to the tasks.
    async fn connect(&self) -> Result<Box<dyn Connection>, Broken>;
}

/// One connection. Dropping it without [`Self::close`] makes the broker publish the will.
#[async_trait]
pub(super) trait Connection: Send {
    /// The largest message that the broker takes, in bytes of the whole packet.
    fn max_packet(&self) -> Option<u32>;

    /// What happens next. May be dropped while it waits without losing anything.
    async fn next(&mut self) -> Result<Signal, Broken>;

    /// Sends a message at QoS 1; a [`Signal::Acknowledged`] or [`Signal::Refused`] with the ticket follows.
    async fn publish(&mut self, ticket: Ticket, outgoing: Outgoing) -> Result<(), Broken>;

    /// Tells the broker that a message need not be delivered again.
    async fn acknowledge(&mut self, packet: u16) -> Result<(), Broken>;

    /// Says good-bye, so that the will is not published.
    async fn close(self: Box<Self>);
}

/// The connection cannot be made or is no more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

/// Names a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ticket {
    /// The message of this number in the outbox.
    Outbox(i64),
    /// Status or health, which nobody waits for.
    Sign,
    /// The last word of a clean stop.
    Farewell,
}

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) correlation: Option<Vec<u8>>,
    pub(super) properties: Vec<Property>,
    /// How long the broker keeps it.
    pub(super) keep: Option<Duration>,
}

impl Outgoing {
    /// A message with nothing beside its text.
    pub(super) fn plain(topic: &str, payload: impl Into<Vec<u8>>, retain: bool) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: payload.into(),
            retain,
            correlation: None,
            properties: Vec::new(),
            keep: None,
        }
    }
}

/// Something the broker did.
#[derive(Clone, Debug)]
pub(super) enum Signal {
    /// It delivered a message.
    Delivered(Delivery),
    /// It has a message of ours.
    Acknowledged(Ticket),
    /// It does not take a message of ours.
    Refused {
        ticket: Ticket,
        reason: String,
        /// Whether it may take it later.
        later: bool,
    },
}

/// A message that came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Delivery {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// The packet id, to acknowledge it; 0 where that is not wanted.
    pub(super) packet: u16,
    /// Whether it may have been delivered before.
    pub(super) again: bool,
    pub(super) response_topic: Option<String>,
    pub(super) correlation: Option<Vec<u8>>,
    pub(super) properties: Vec<Property>,
    /// How long its sender still waits for something to be done.
    pub(super) expiry: Option<Duration>,
}
