//! A connection of its own beside the link's, for what must not be in its way: a flood of ordinary messages, or of another
//! board's claims, fills this connection's window and leaves that of tasks and reports alone.
//!
//! What is published here is not in the outbox: it is repeated by whoever publishes it, or is of no use later.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use rumqttc::v5::{
    AsyncClient, Event,
    mqttbytes::{
        QoS,
        v5::{
            ConnectProperties, Filter, Packet, Publish, PublishProperties, RetainForwardRule,
            SubscribeProperties, SubscribeReasonCode,
        },
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    LinkOptions,
    backoff::Backoff,
    broker::Broken,
    client::{self, Events},
};

/// Events that wait for us; more than the largest window and all of ours that are on their way.
const EVENTS: usize = 2048;
const MAX_PACKET: u32 = 1024 * 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How often a duty is asked what there is to do.
const TICK: Duration = Duration::from_millis(500);

/// Which connection.
#[derive(Clone)]
pub(super) struct SideOptions {
    /// The broker and the appliance.
    pub(super) link: LinkOptions,
    /// What stands at the end of the client id.
    pub(super) name: &'static str,
    /// How long the broker keeps messages while we are away; nothing begins anew each time.
    pub(super) session: Duration,
    /// Messages that it may deliver before we acknowledge one.
    pub(super) window: u16,
}

/// What to listen to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) filter: String,
    /// Whether retained messages come, when it begins.
    pub(super) retained: bool,
    /// A number by which the messages of this filter are known.
    pub(super) mark: Option<usize>,
}

/// A message that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Incoming {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) packet: u16,
    /// Whether the broker had it before we subscribed.
    pub(super) retained: bool,
    /// The numbers of the filters that it came by.
    pub(super) marks: Vec<usize>,
    pub(super) response_topic: Option<String>,
    pub(super) correlation: Option<Vec<u8>>,
}

/// A message to send, at QoS 1.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) retain: bool,
    pub(super) correlation: Option<Vec<u8>>,
    /// After which the broker forgets it.
    pub(super) expiry: Option<Duration>,
}

/// What is done on such a connection.
#[async_trait]
pub(super) trait Duty: Send {
    /// What it listens to now. Without anything there is no connection.
    fn wanted(&mut self) -> BTreeSet<Wanted>;

    /// There is a new connection, and it is subscribed.
    async fn begin(&mut self, side: &mut Side) -> Result<(), Broken>;

    /// A message came, to be acknowledged.
    async fn take(&mut self, side: &mut Side, message: Incoming) -> Result<(), Broken>;

    /// Time has passed.
    async fn tick(&mut self, side: &mut Side) -> Result<(), Broken>;
}

/// Does a duty until told to stop, on one connection after the other.
pub(super) async fn keep(options: SideOptions, mut duty: impl Duty, cancel: CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        if !duty.wanted().is_empty() {
            let ended = tokio::select! {
                () = cancel.cancelled() => return,
                ended = serve(&options, &mut duty, &mut backoff, &cancel) => ended,
            };
            if let Err(broken) = ended {
                tracing::debug!(name = options.name, reason = %broken, "no side connection to the MQTT broker");
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(backoff.next().max(TICK)) => {}
        }
    }
}

/// Ends well when nothing is wanted any longer, or when told to stop.
async fn serve(
    options: &SideOptions,
    duty: &mut impl Duty,
    backoff: &mut Backoff,
    cancel: &CancellationToken,
) -> Result<(), Broken> {
    let mut side = Side::connect(options).await?;
    backoff.reset();
    side.listen(&duty.wanted()).await?;
    duty.begin(&mut side).await?;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            message = side.next() => {
                let message = message?;
                duty.take(&mut side, message).await?;
            }
            _ = tick.tick() => {
                let wanted = duty.wanted();
                side.listen(&wanted).await?;
                duty.tick(&mut side).await?;
                if wanted.is_empty() {
                    break;
                }
            }
        }
    }
    side.close().await;
    Ok(())
}

/// One connection.
pub(super) struct Side {
    client: AsyncClient,
    events: Events,
    heard: BTreeSet<Wanted>,
}

impl Side {
    /// Connects.
    pub(super) async fn connect(options: &SideOptions) -> Result<Self, Broken> {
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = Some(client::seconds(options.session));
        properties.receive_maximum = Some(options.window);
        properties.max_packet_size = Some(MAX_PACKET);
        let name = Some(options.name);
        let mqtt = client::options(&options.link, name, properties, KEEP_ALIVE);
        let (client, mut events) = AsyncClient::new(mqtt, client::REQUESTS);
        client::connected(&mut events).await?;
        Ok(Self {
            client,
            events: Events::of(events, EVENTS),
            heard: BTreeSet::new(),
        })
    }

    /// Listens to these and to nothing else that this connection listened to.
    pub(super) async fn listen(&mut self, wanted: &BTreeSet<Wanted>) -> Result<(), Broken> {
        let gone: Vec<Wanted> = self.heard.difference(wanted).cloned().collect();
        for gone in gone {
            let filter = gone.filter.clone();
            self.client
                .unsubscribe(filter)
                .await
                .map_err(|_| client::ended())?;
            self.heard.remove(&gone);
        }
        let fresh: Vec<Wanted> = wanted.difference(&self.heard).cloned().collect();
        for fresh in fresh {
            let mut filter = Filter::new(fresh.filter.as_str(), QoS::AtLeastOnce);
            filter.retain_forward_rule = match fresh.retained {
                true => RetainForwardRule::OnEverySubscribe,
                false => RetainForwardRule::Never,
            };
            let properties = SubscribeProperties {
                id: fresh.mark,
                user_properties: Vec::new(),
            };
            let subscribed = self
                .client
                .subscribe_many_with_properties([filter], properties)
                .await;
            subscribed.map_err(|_| client::ended())?;
            self.heard.insert(fresh);
        }
        Ok(())
    }

    /// The next message. May be dropped while it waits without losing anything.
    pub(super) async fn next(&mut self) -> Result<Incoming, Broken> {
        loop {
            match self.events.next().await? {
                Event::Incoming(Packet::Publish(publish)) => return Ok(incoming(publish)),
                Event::Incoming(Packet::SubAck(ack)) => {
                    for code in ack.return_codes {
                        if !matches!(code, SubscribeReasonCode::Success(_)) {
                            tracing::warn!(?code, "the MQTT broker refuses a subscription");
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Sends a message. What is sent on one connection reaches the broker in this order.
    pub(super) async fn say(&mut self, said: Said) -> Result<(), Broken> {
        let properties = PublishProperties {
            correlation_data: said.correlation.map(Into::into),
            message_expiry_interval: said.expiry.map(client::seconds),
            ..PublishProperties::default()
        };
        self.client
            .publish_with_properties(
                said.topic,
                QoS::AtLeastOnce,
                said.retain,
                said.payload,
                properties,
            )
            .await
            .map_err(|_| client::ended())
    }

    /// Tells the broker that a message need not be delivered again.
    pub(super) async fn acknowledge(&mut self, packet: u16) -> Result<(), Broken> {
        client::acknowledge(&self.client, packet).await
    }

    /// Says good-bye.
    pub(super) async fn close(mut self) {
        self.events.close(&self.client).await;
    }
}

fn incoming(publish: Publish) -> Incoming {
    let properties = publish.properties.unwrap_or_default();
    Incoming {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        packet: publish.pkid,
        retained: publish.retain,
        marks: properties.subscription_identifiers,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data.map(|data| data.to_vec()),
    }
}
