//! A broker through rumqttc.
//!
//! rumqttc keeps what is in flight in memory and resends it by itself after a reconnect. The outbox does that durably, so
//! each connection gets a fresh client, and what was in flight is forgotten with it. rumqttc names a packet id in
//! `Outgoing::Publish` in the order of the requests, and again in the `PubAck`: so a ticket finds its acknowledgement.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use async_trait::async_trait;
use rumqttc::v5::{
    AsyncClient, Event, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{
            ConnectProperties, Filter, LastWill, Packet, PubAck, PubAckReason, Publish,
            PublishProperties, RetainForwardRule, SubscribeReasonCode,
        },
    },
};

use super::{
    LinkOptions,
    alias::Aliases,
    broker::{Broken, Broker, Connection, Delivery, Outgoing, Signal, Ticket},
    cancel,
    client::{self, Events},
};

/// Events that wait for us; more than all that can be on its way in both directions.
const EVENTS: usize = 1024;
/// Tasks that the broker may deliver before we acknowledge one.
const DELIVERIES: u16 = 16;
/// The largest packet that the broker may send us. It keeps a larger one to itself, so this is more than a task may
/// have: what is a little too large is refused with a reason.
const MAX_PACKET: u32 = 4 * 1024 * 1024;
/// How long the broker keeps tasks for us while we are away.
const SESSION: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Topics that the broker may abbreviate when it sends us something, and we at most when we send.
const ALIASES: u16 = 32;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) struct Mqtt {
    options: LinkOptions,
}

impl Mqtt {
    pub(super) const fn new(options: LinkOptions) -> Self {
        Self { options }
    }

    fn mqtt_options(&self) -> MqttOptions {
        let will = LastWill::new(
            self.options.root.status().as_str(),
            "offline",
            QoS::AtLeastOnce,
            true,
            None,
        );
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = Some(client::seconds(SESSION));
        properties.receive_maximum = Some(DELIVERIES);
        properties.max_packet_size = Some(MAX_PACKET);
        properties.topic_alias_max = Some(ALIASES);
        let mut mqtt = client::options(&self.options, None, properties, KEEP_ALIVE);
        mqtt.set_last_will(will);
        mqtt
    }
}

#[async_trait]
impl Broker for Mqtt {
    async fn connect(&self) -> Result<Box<dyn Connection>, Broken> {
        let (client, mut events) = AsyncClient::new(self.mqtt_options(), client::REQUESTS);
        let said = client::connected(&mut events).await?;
        let said = said.as_ref();
        let mut tasks = Filter::new(self.options.root.tasks().as_str(), QoS::AtLeastOnce);
        // A retained task would be done again at every start.
        tasks.retain_forward_rule = RetainForwardRule::Never;
        let mut decisions = Filter::new(self.options.root.decisions().as_str(), QoS::AtLeastOnce);
        decisions.retain_forward_rule = RetainForwardRule::Never;
        let mut cancels = Filter::new(cancel::filter(&self.options.root), QoS::AtLeastOnce);
        cancels.retain_forward_rule = RetainForwardRule::Never;
        let subscribed = client.subscribe_many([tasks, decisions, cancels]).await;
        subscribed.map_err(|_| client::ended())?;
        Ok(Box::new(Session {
            client,
            events: Events::of(events, EVENTS),
            max_packet: said.and_then(|said| said.max_packet_size),
            sent: VecDeque::new(),
            in_flight: HashMap::new(),
            aliases: Aliases::new(
                said.and_then(|said| said.topic_alias_max)
                    .unwrap_or(0)
                    .min(ALIASES),
                &self.options.root,
            ),
        }))
    }
}

struct Session {
    client: AsyncClient,
    events: Events,
    max_packet: Option<u32>,
    /// Handed to rumqttc, without a packet id yet; oldest first.
    sent: VecDeque<Ticket>,
    /// By packet id.
    in_flight: HashMap<u16, Ticket>,
    aliases: Aliases,
}

#[async_trait]
impl Connection for Session {
    fn max_packet(&self) -> Option<u32> {
        self.max_packet
    }

    async fn next(&mut self) -> Result<Signal, Broken> {
        loop {
            let event = self.events.next().await?;
            if let Some(signal) = self.read(event)? {
                return Ok(signal);
            }
        }
    }

    async fn publish(&mut self, ticket: Ticket, outgoing: Outgoing) -> Result<(), Broken> {
        self.sent.push_back(ticket);
        let (topic, topic_alias) = self.aliases.shorten(outgoing.topic);
        let properties = PublishProperties {
            correlation_data: outgoing.correlation.map(Into::into),
            user_properties: outgoing.properties,
            message_expiry_interval: outgoing.keep.map(client::seconds),
            topic_alias,
            ..PublishProperties::default()
        };
        self.client
            .publish_with_properties(
                topic,
                QoS::AtLeastOnce,
                outgoing.retain,
                outgoing.payload,
                properties,
            )
            .await
            .map_err(|_| client::ended())
    }

    async fn acknowledge(&mut self, packet: u16) -> Result<(), Broken> {
        client::acknowledge(&self.client, packet).await
    }

    async fn close(mut self: Box<Self>) {
        self.events.close(&self.client).await;
    }
}

impl Session {
    fn read(&mut self, event: Event) -> Result<Option<Signal>, Broken> {
        match event {
            Event::Outgoing(rumqttc::Outgoing::Publish(packet)) => {
                if let Some(ticket) = self.sent.pop_front() {
                    self.in_flight.insert(packet, ticket);
                }
                Ok(None)
            }
            Event::Outgoing(rumqttc::Outgoing::AwaitAck(packet)) => Err(Broken(format!(
                "it leaves packet {packet} without an acknowledgement"
            ))),
            Event::Incoming(Packet::PubAck(ack)) => Ok(self.settled(&ack)),
            Event::Incoming(Packet::SubAck(ack)) => {
                let fine =
                    |code: &&SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
                let mut codes = ack.return_codes.iter();
                if let Some(code) = codes.next().filter(|code| !fine(code)) {
                    return Err(Broken(format!("it refuses the subscription: {code:?}")));
                }
                // Without these tasks are done all the same.
                for (code, what) in codes.zip(["signed decisions", "wishes to cancel"]) {
                    if !fine(&code) {
                        tracing::warn!(?code, "the MQTT broker lets no {what} come in");
                    }
                }
                Ok(None)
            }
            Event::Incoming(Packet::Publish(publish)) => {
                Ok(Some(Signal::Delivered(delivery(publish))))
            }
            _ => Ok(None),
        }
    }

    fn settled(&mut self, ack: &PubAck) -> Option<Signal> {
        let ticket = self.in_flight.remove(&ack.pkid)?;
        let later = match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
                return Some(Signal::Acknowledged(ticket));
            }
            PubAckReason::NotAuthorized
            | PubAckReason::TopicNameInvalid
            | PubAckReason::PayloadFormatInvalid => false,
            _ => true,
        };
        Some(Signal::Refused {
            ticket,
            reason: format!("{:?}", ack.reason),
            later,
        })
    }
}

fn delivery(publish: Publish) -> Delivery {
    let properties = publish.properties.unwrap_or_default();
    Delivery {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        packet: publish.pkid,
        again: publish.dup,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data.map(|data| data.to_vec()),
        properties: properties.user_properties,
        expiry: properties
            .message_expiry_interval
            .map(|seconds| Duration::from_secs(seconds.into())),
    }
}
