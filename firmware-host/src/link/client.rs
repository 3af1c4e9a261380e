//! What all connections through rumqttc have in common.

use std::time::Duration;

use rumqttc::{
    TlsConfiguration, Transport,
    v5::{
        AsyncClient, ConnectionError, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{ConnectProperties, Packet, Publish},
        },
    },
};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{LinkOptions, broker::Broken};

/// Requests that wait for rumqttc.
pub(super) const REQUESTS: usize = 64;
/// Messages of ours without an acknowledgement.
const IN_FLIGHT: u16 = 100;
const CONNECTING: u64 = 10;
const FAREWELL: Duration = Duration::from_secs(2);

/// What rumqttc says, from a task of its own: it may lose a packet when a poll is dropped half-way. Ends with its owner.
pub(super) struct Events {
    receiver: mpsc::Receiver<Result<Event, Broken>>,
    pump: JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Events {
    /// Polls from now on; so many may wait for us.
    pub(super) fn of(events: EventLoop, most: usize) -> Self {
        let (sender, receiver) = mpsc::channel(most);
        Self {
            receiver,
            pump: tokio::spawn(pump(events, sender)),
        }
    }

    /// The next one. May be dropped while it waits without losing anything.
    pub(super) async fn next(&mut self) -> Result<Event, Broken> {
        self.receiver.recv().await.ok_or_else(ended)?
    }

    /// Says good-bye. Late or not, the connection is dropped next.
    pub(super) async fn close(&mut self, client: &AsyncClient) {
        let ended = async {
            if client.disconnect().await.is_err() {
                return;
            }
            // The loop ends with an error once the broker has closed the connection.
            while let Some(Ok(_)) = self.receiver.recv().await {}
        };
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
}

async fn pump(mut events: EventLoop, sender: mpsc::Sender<Result<Event, Broken>>) {
    loop {
        let event = events.poll().await.map_err(|e| broken(&e));
        let last = event.is_err();
        if sender.send(event).await.is_err() || last {
            return;
        }
    }
}

/// How to connect: where to, as whom, and that we acknowledge. `name` stands at the end of the client id.
pub(super) fn options(
    link: &LinkOptions,
    name: Option<&str>,
    properties: ConnectProperties,
    keep_alive: Duration,
) -> MqttOptions {
    let root = &link.root;
    let mut id = format!("shoal-{}-{}", root.site(), root.appliance());
    if let Some(name) = name {
        id = format!("{id}-{name}");
    }
    let host = match &link.tls {
        // The host is also the name in the certificate, so only a bare socket address gets brackets.
        None if link.host.contains(':') => format!("[{}]", link.host),
        _ => link.host.clone(),
    };
    let mut mqtt = MqttOptions::new(id, host, link.port);
    // Without a session to go on with, a connection begins anew.
    let session = properties.session_expiry_interval.unwrap_or(0);
    mqtt.set_connect_properties(properties)
        .set_clean_start(session == 0)
        .set_manual_acks(true)
        .set_keep_alive(keep_alive)
        .set_connection_timeout(CONNECTING)
        .set_outgoing_inflight_upper_limit(IN_FLIGHT);
    if let Some(config) = &link.tls {
        let config = TlsConfiguration::Rustls(config.clone());
        mqtt.set_transport(Transport::tls_with_config(config));
    }
    if let Some(user) = &link.user {
        let password = link.password.as_ref();
        mqtt.set_credentials(user, password.map_or("", |secret| secret.expose()));
    }
    mqtt
}

/// Polls until the broker has answered, and gives what it says of itself.
pub(super) async fn connected(
    events: &mut EventLoop,
) -> Result<Option<rumqttc::v5::mqttbytes::v5::ConnAckProperties>, Broken> {
    loop {
        let event = events.poll().await.map_err(|e| broken(&e))?;
        if let Event::Incoming(Packet::ConnAck(ack)) = event {
            return Ok(ack.properties);
        }
    }
}

/// Tells the broker that a message need not be delivered again.
pub(super) async fn acknowledge(client: &AsyncClient, packet: u16) -> Result<(), Broken> {
    if packet == 0 {
        return Ok(());
    }
    let mut delivered = Publish::new("", QoS::AtLeastOnce, Vec::new(), None);
    delivered.pkid = packet;
    client.ack(&delivered).await.map_err(|_| ended())
}

/// Seconds as the protocol has them.
pub(super) fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

pub(super) fn ended() -> Broken {
    Broken("the connection has ended".to_owned())
}

fn broken(error: &ConnectionError) -> Broken {
    Broken(match error {
        ConnectionError::Timeout(_) => format!("no answer within {CONNECTING} s"),
        ConnectionError::ConnectionRefused(code) => format!("it refuses the connection: {code:?}"),
        ConnectionError::Io(error) => error.to_string(),
        other => other.to_string(),
    })
}
