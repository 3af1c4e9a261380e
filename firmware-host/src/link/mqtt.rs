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
use rumqttc::{
    TlsConfiguration, Transport,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{
                ConnectProperties, Filter, LastWill, Packet, PubAck, PubAckReason, Publish,
                PublishProperties, RetainForwardRule, SubscribeReasonCode,
            },
        },
    },
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    LinkOptions,
    alias::Aliases,
    broker::{Broken, Broker, Connection, Delivery, Outgoing, Signal, Ticket},
    cancel,
};

/// Requests that wait for rumqttc.
const REQUESTS: usize = 64;
/// Events that wait for us; more than all that can be on its way in both directions.
const EVENTS: usize = 1024;
/// Messages of ours without an acknowledgement.
const IN_FLIGHT: u16 = 100;
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
const CONNECTING: u64 = 10;
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Mqtt {
    options: LinkOptions,
}

impl Mqtt {
    pub(super) const fn new(options: LinkOptions) -> Self {
        Self { options }
    }

    fn mqtt_options(&self) -> MqttOptions {
        let options = &self.options;
        let root = &options.root;
        let id = format!("shoal-{}-{}", root.site(), root.appliance());
        let host = match &options.tls {
            // The host is also the name in the certificate, so only a bare socket address gets brackets.
            None if options.host.contains(':') => format!("[{}]", options.host),
            _ => options.host.clone(),
        };
        let mut mqtt = MqttOptions::new(id, host, options.port);
        let will = LastWill::new(
            root.status().as_str(),
            "offline",
            QoS::AtLeastOnce,
            true,
            None,
        );
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = u32::try_from(SESSION.as_secs()).ok();
        properties.receive_maximum = Some(DELIVERIES);
        properties.max_packet_size = Some(MAX_PACKET);
        properties.topic_alias_max = Some(ALIASES);
        mqtt.set_connect_properties(properties)
            .set_clean_start(false)
            .set_manual_acks(true)
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(CONNECTING)
            .set_outgoing_inflight_upper_limit(IN_FLIGHT)
            .set_last_will(will);
        if let Some(config) = &options.tls {
            mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
                config.clone(),
            )));
        }
        if let Some(user) = &options.user {
            let password = options.password.as_ref();
            mqtt.set_credentials(user, password.map_or("", |secret| secret.expose()));
        }
        mqtt
    }
}

#[async_trait]
impl Broker for Mqtt {
    async fn connect(&self) -> Result<Box<dyn Connection>, Broken> {
        let (client, mut events) = AsyncClient::new(self.mqtt_options(), REQUESTS);
        let (max_packet, aliases) = loop {
            match events.poll().await.map_err(|e| broken(&e))? {
                Event::Incoming(Packet::ConnAck(ack)) => {
                    let all = ack.properties;
                    let aliases = all.as_ref().and_then(|all| all.topic_alias_max);
                    break (all.and_then(|all| all.max_packet_size), aliases);
                }
                _ => continue,
            }
        };
        let mut tasks = Filter::new(self.options.root.tasks().as_str(), QoS::AtLeastOnce);
        // A retained task would be done again at every start.
        tasks.retain_forward_rule = RetainForwardRule::Never;
        let mut decisions = Filter::new(self.options.root.decisions().as_str(), QoS::AtLeastOnce);
        decisions.retain_forward_rule = RetainForwardRule::Never;
        let mut cancels = Filter::new(cancel::filter(&self.options.root), QoS::AtLeastOnce);
        cancels.retain_forward_rule = RetainForwardRule::Never;
        let subscribed = client.subscribe_many([tasks, decisions, cancels]).await;
        subscribed.map_err(|_| Broken("the client has ended".to_owned()))?;
        let (sender, receiver) = mpsc::channel(EVENTS);
        Ok(Box::new(Session {
            client,
            events: receiver,
            pump: tokio::spawn(pump(events, sender)),
            max_packet,
            sent: VecDeque::new(),
            in_flight: HashMap::new(),
            aliases: Aliases::new(aliases.unwrap_or(0).min(ALIASES), &self.options.root),
        }))
    }
}

fn broken(error: &ConnectionError) -> Broken {
    Broken(match error {
        ConnectionError::Timeout(_) => format!("no answer within {CONNECTING} s"),
        ConnectionError::ConnectionRefused(code) => format!("it refuses the connection: {code:?}"),
        ConnectionError::Io(error) => error.to_string(),
        other => other.to_string(),
    })
}

/// Polls in a task of its own: rumqttc may lose a packet when a poll is dropped half-way.
async fn pump(mut events: EventLoop, sender: mpsc::Sender<Result<Event, Broken>>) {
    loop {
        let event = events.poll().await.map_err(|e| broken(&e));
        let last = event.is_err();
        if sender.send(event).await.is_err() || last {
            return;
        }
    }
}

struct Session {
    client: AsyncClient,
    events: mpsc::Receiver<Result<Event, Broken>>,
    pump: JoinHandle<()>,
    max_packet: Option<u32>,
    /// Handed to rumqttc, without a packet id yet; oldest first.
    sent: VecDeque<Ticket>,
    /// By packet id.
    in_flight: HashMap<u16, Ticket>,
    aliases: Aliases,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

#[async_trait]
impl Connection for Session {
    fn max_packet(&self) -> Option<u32> {
        self.max_packet
    }

    async fn next(&mut self) -> Result<Signal, Broken> {
        loop {
            let event = self.events.recv().await.ok_or_else(gone)??;
            if let Some(signal) = self.read(event)? {
                return Ok(signal);
            }
        }
    }

    async fn publish(&mut self, ticket: Ticket, outgoing: Outgoing) -> Result<(), Broken> {
        self.sent.push_back(ticket);
        let (topic, topic_alias) = self.aliases.shorten(outgoing.topic);
        let keep = outgoing.keep.map(|keep| keep.as_secs());
        let properties = PublishProperties {
            correlation_data: outgoing.correlation.map(Into::into),
            user_properties: outgoing.properties,
            message_expiry_interval: keep.map(|s| u32::try_from(s).unwrap_or(u32::MAX)),
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
            .map_err(|_| gone())
    }

    async fn acknowledge(&mut self, packet: u16) -> Result<(), Broken> {
        if packet == 0 {
            return Ok(());
        }
        let mut delivered = Publish::new("", QoS::AtLeastOnce, Vec::new(), None);
        delivered.pkid = packet;
        self.client.ack(&delivered).await.map_err(|_| gone())
    }

    async fn close(mut self: Box<Self>) {
        let ended = async {
            if self.client.disconnect().await.is_err() {
                return;
            }
            // The loop ends with an error once the broker has closed the connection.
            while let Some(Ok(_)) = self.events.recv().await {}
        };
        // Late or not, the connection is dropped next.
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
}

fn gone() -> Broken {
    Broken("the connection has ended".to_owned())
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
