//! The link at work: connect, serve the connection until it breaks, wait, connect again.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use shoal_wire::Root;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    LinkOptions, Refusals, Refused, Signs,
    backoff::Backoff,
    broker::{Broken, Broker, Connection, Outgoing, Signal, Ticket},
    intake::Intake,
    mqtt::Mqtt,
};
use crate::{
    appliance::{Appliance, Health},
    outbox::{self, Delivery},
    store::{Moment, outbox::Fill},
};

/// How often the outbox is looked at though nobody said that it changed: another process may have.
const POLL: Duration = Duration::from_secs(1);
/// The user property with the name of a report, the same each time that it is sent.
const MESSAGE_ID: &str = "message-id";
/// How often health is published though nothing changed.
const HEALTH: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one; the next pause is short again.
const STEADY: Duration = Duration::from_secs(10);
/// How long the broker has to take the last word.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often a backlog is gone on with.
const REPLAY: Duration = Duration::from_millis(100);

pub(super) struct Link {
    broker: Box<dyn Broker>,
    root: Root,
    intake: Intake,
    appliance: Appliance,
    signs: Signs,
    delivery: Delivery,
    messages: watch::Receiver<u64>,
    health: Option<(Health, Instant)>,
}

#[derive(Serialize)]
struct HealthMessage<'a> {
    at: Moment,
    tasks: &'a Health,
    outbox: Fill,
    refused: Refused,
    delivered_at: Option<Moment>,
}

/// Why a connection is not served any longer.
enum End {
    Cancelled,
    Broken(String),
    /// We could not go on; the broker did nothing wrong.
    Stuck(String),
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken.0)
    }
}

impl Link {
    pub(super) fn new(
        options: LinkOptions,
        appliance: Appliance,
        signs: Signs,
        refusals: Arc<Refusals>,
    ) -> Self {
        let store = appliance.store().clone();
        let root = options.root.clone();
        Self {
            intake: Intake::new(
                appliance.clone(),
                root.clone(),
                options.tasks_per_minute,
                refusals,
            ),
            messages: store.message_changes(),
            delivery: Delivery::new(store, options.replay_per_second),
            broker: Box::new(Mqtt::new(options)),
            root,
            appliance,
            signs,
            health: None,
        }
    }

    /// Ends when `cancel` is cancelled.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut warned = false;
        // A connection of before may have ended with the program.
        if let Err(error) = self.delivery.broken_off(false).await {
            tracing::warn!(%error, "the outbox cannot be written yet");
        }
        loop {
            let connected = tokio::select! {
                () = cancel.cancelled() => return,
                connected = self.broker.connect() => connected,
            };
            let reason = match connected {
                Ok(connection) => {
                    let since = Instant::now();
                    let (end, worked) = self.serve(connection, &cancel).await;
                    warned &= !worked;
                    if worked && since.elapsed() >= STEADY {
                        backoff.reset();
                    }
                    match end {
                        End::Cancelled => return,
                        End::Broken(reason) | End::Stuck(reason) => reason,
                    }
                }
                Err(broken) => broken.0,
            };
            if warned {
                tracing::debug!(%reason, "still no connection to the MQTT broker");
            } else {
                tracing::warn!(%reason, "no connection to the MQTT broker; reports wait in the outbox");
                warned = true;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }

    /// Serves one connection; why it ended, and whether the broker ever acknowledged anything on it.
    async fn serve(
        &mut self,
        mut connection: Box<dyn Connection>,
        cancel: &CancellationToken,
    ) -> (End, bool) {
        self.health = None;
        let end = self.work(connection.as_mut(), cancel).await;
        let worked = *self.signs.connected.borrow();
        let end = end.err().unwrap_or(End::Cancelled);
        if matches!(end, End::Cancelled) && self.farewell(connection.as_mut()).await.is_ok() {
            connection.close().await;
        }
        self.signs.connected.send_replace(false);
        let broker = matches!(end, End::Broken(_));
        if let Err(error) = self.delivery.broken_off(broker).await {
            tracing::warn!(%error, "delivered reports are still in the outbox; some may be sent again");
        }
        (end, worked)
    }

    async fn work(
        &mut self,
        connection: &mut dyn Connection,
        cancel: &CancellationToken,
    ) -> Result<(), End> {
        self.say(connection, Ticket::Sign, "online").await?;
        let begun = self.delivery.begin().await;
        begun.map_err(|error| End::Stuck(format!("the outbox cannot be read: {error}")))?;
        let mut replay = tokio::time::interval(REPLAY);
        replay.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tick = tokio::time::interval(POLL);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Err(End::Cancelled),
                signal = connection.next() => self.handle(connection, signal?).await?,
                // The sender lives as long as the store, which we hold.
                _ = self.messages.changed() => self.deliver(connection).await?,
                _ = replay.tick(), if self.delivery.replays() => self.deliver(connection).await?,
                _ = tick.tick() => {
                    self.deliver(connection).await?;
                    self.tell_health(connection).await?;
                }
            }
        }
    }

    async fn handle(&mut self, connection: &mut dyn Connection, signal: Signal) -> Result<(), End> {
        match signal {
            Signal::Delivered(delivery) => {
                let packet = delivery.packet;
                // Not acknowledged, the broker delivers it again on the next connection.
                self.intake
                    .take(delivery)
                    .await
                    .map_err(|later| End::Stuck(later.to_string()))?;
                connection.acknowledge(packet).await?;
            }
            Signal::Acknowledged(ticket) => {
                self.heard();
                self.settle(connection, ticket).await?;
            }
            Signal::Refused {
                ticket,
                reason,
                later,
            } => {
                if later {
                    return Err(End::Broken(format!(
                        "it does not take a report now: {reason}"
                    )));
                }
                tracing::warn!(%reason, "the MQTT broker refuses a report, which is dropped");
                self.settle(connection, ticket).await?;
            }
        }
        Ok(())
    }

    /// The broker takes messages, so the link works.
    fn heard(&self) {
        let changed = self.signs.connected.send_if_modified(|connected| {
            let before = *connected;
            *connected = true;
            !before
        });
        if changed {
            tracing::info!("connected to the MQTT broker");
        }
    }

    async fn settle(&mut self, connection: &mut dyn Connection, ticket: Ticket) -> Result<(), End> {
        if let Ticket::Outbox(number) = ticket {
            self.signs.delivered_at.send_replace(Some(Moment::now()));
            if self.delivery.settled(number) {
                self.deliver(connection).await?;
            }
        }
        Ok(())
    }

    /// Sends the next batch if none is on its way.
    async fn deliver(&mut self, connection: &mut dyn Connection) -> Result<(), End> {
        if self.delivery.stuck() {
            return Err(End::Broken("it acknowledges nothing".to_owned()));
        }
        let batch = self.delivery.batch().await;
        let batch =
            batch.map_err(|error| End::Stuck(format!("the outbox cannot be read: {error}")))?;
        for queued in batch {
            let payload = outbox::fitting(&queued.message, connection.max_packet());
            let mut properties = queued.message.properties;
            properties.push((MESSAGE_ID.to_owned(), queued.id));
            let outgoing = Outgoing {
                payload,
                topic: queued.message.topic,
                retain: queued.message.retain,
                correlation: queued.message.correlation,
                properties,
                keep: queued.message.keep,
            };
            let ticket = Ticket::Outbox(queued.number);
            connection.publish(ticket, outgoing).await?;
        }
        Ok(())
    }

    async fn tell_health(&mut self, connection: &mut dyn Connection) -> Result<(), End> {
        let health = self.appliance.health();
        let fresh = self.health.as_ref().is_some_and(|(told, at)| {
            let same = Health {
                oldest_ms: health.oldest_ms,
                engine_tokens: health.engine_tokens,
                ..told.clone()
            };
            same == health && at.elapsed() < HEALTH
        });
        if fresh {
            return Ok(());
        }
        let message = HealthMessage {
            at: Moment::now(),
            tasks: &health,
            outbox: self.appliance.store().outbox().await.unwrap_or_default(),
            refused: self.intake.refused(),
            delivered_at: *self.signs.delivered_at.borrow(),
        };
        let payload = serde_json::to_vec(&message).unwrap_or_default();
        self.health = Some((health, Instant::now()));
        let outgoing = Outgoing::plain(self.root.health().as_str(), payload, false);
        Ok(connection.publish(Ticket::Sign, outgoing).await?)
    }

    async fn say(
        &self,
        connection: &mut dyn Connection,
        ticket: Ticket,
        status: &str,
    ) -> Result<(), Broken> {
        let outgoing = Outgoing::plain(self.root.status().as_str(), status, true);
        connection.publish(ticket, outgoing).await
    }

    /// Says `stopped`, and waits until the broker has it and all that was on its way before.
    async fn farewell(&mut self, connection: &mut dyn Connection) -> Result<(), Broken> {
        self.say(connection, Ticket::Farewell, "stopped").await?;
        let heard = async {
            loop {
                match connection.next().await? {
                    Signal::Acknowledged(Ticket::Farewell) => return Ok(()),
                    Signal::Acknowledged(Ticket::Outbox(number)) => {
                        self.delivery.settled(number);
                    }
                    _ => {}
                }
            }
        };
        let late = |_| Err(Broken("no answer to the last word".to_owned()));
        tokio::time::timeout(FAREWELL, heard)
            .await
            .unwrap_or_else(late)
    }
}
