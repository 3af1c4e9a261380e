//! What `shoal bench queue` measures of a broker: the link's own connection, without an appliance behind it.

use std::{collections::HashMap, time::Duration};

use shoal_wire::Root;
use tokio::time::Instant;

use super::{
    LinkOptions,
    broker::{Broken, Broker as _, Connection, Outgoing, Signal, Ticket},
    mqtt::Mqtt,
};
use crate::{
    outbox::{self, Delivery},
    store::{Store, StoreError},
};

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The broker.
    #[error("the MQTT broker: {0}")]
    Broker(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Broken> for MeasureError {
    fn from(broken: Broken) -> Self {
        Self::Broker(broken.0)
    }
}

/// How long the broker takes to acknowledge each of so many messages at QoS 1, with so many on their way at once, while
/// somebody who is away has subscribed to them in a session that the broker keeps.
pub async fn round_trips(
    options: &LinkOptions,
    away: Root,
    payload: &[u8],
    messages: usize,
    at_once: usize,
) -> Result<Vec<Duration>, MeasureError> {
    let topic = away.tasks();
    let subscriber = LinkOptions {
        root: away,
        ..options.clone()
    };
    subscriber_away(subscriber).await?;
    let mut connection = Mqtt::new(options.clone()).connect().await?;
    let (mut begun, mut took, mut next) = (HashMap::new(), Vec::new(), 0i64);
    while took.len() < messages {
        while begun.len() < at_once && took.len() + begun.len() < messages {
            let ticket = Ticket::Outbox(next);
            next += 1;
            begun.insert(ticket, Instant::now());
            let outgoing = Outgoing::plain(topic.as_str(), payload, false);
            connection.publish(ticket, outgoing).await?;
        }
        if let Some(since) = begun.remove(&acknowledged(connection.as_mut()).await?) {
            took.push(since.elapsed());
        }
    }
    connection.close().await;
    Ok(took)
}

/// Subscribes, waits until the broker has that, and goes.
async fn subscriber_away(options: LinkOptions) -> Result<(), MeasureError> {
    let status = Outgoing::plain(options.root.status().as_str(), "stopped", false);
    let mut connection = Mqtt::new(options).connect().await?;
    connection.publish(Ticket::Farewell, status).await?;
    acknowledged(connection.as_mut()).await?;
    connection.close().await;
    Ok(())
}

async fn acknowledged(connection: &mut dyn Connection) -> Result<Ticket, MeasureError> {
    loop {
        match connection.next().await? {
            Signal::Acknowledged(ticket) => return Ok(ticket),
            Signal::Refused { reason, .. } => return Err(MeasureError::Broker(reason)),
            Signal::Delivered(_) => {}
        }
    }
}

/// Sends all that waits in a store, as the link does, until nothing is left.
pub async fn drain(options: &LinkOptions, store: &Store) -> Result<(), MeasureError> {
    let mut connection = Mqtt::new(options.clone()).connect().await?;
    let mut delivery = Delivery::new(store.clone(), options.replay_per_second);
    loop {
        let batch = delivery.batch().await?;
        if batch.is_empty() {
            break;
        }
        for queued in batch {
            let outgoing = Outgoing {
                payload: outbox::fitting(&queued.message, connection.max_packet()),
                topic: queued.message.topic,
                retain: queued.message.retain,
                correlation: queued.message.correlation,
                properties: queued.message.properties,
                keep: queued.message.keep,
            };
            let ticket = Ticket::Outbox(queued.number);
            connection.publish(ticket, outgoing).await?;
        }
        loop {
            let ticket = acknowledged(connection.as_mut()).await?;
            if matches!(ticket, Ticket::Outbox(number) if delivery.settled(number)) {
                break;
            }
        }
    }
    connection.close().await;
    Ok(())
}
