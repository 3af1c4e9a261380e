//! A real broker, and a real client of it.

use std::{
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rumqttc::v5::{
    AsyncClient, Event, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{ConnectProperties, Packet, Publish, PublishProperties},
    },
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// mosquitto on a free port of loopback. It keeps its sessions on disk at once, so that it may be killed.
pub(super) struct Mosquitto {
    pub(super) port: u16,
    folder: TempDir,
    child: Option<Child>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn program() -> &'static str {
    [
        "/usr/sbin/mosquitto",
        "/usr/local/sbin/mosquitto",
        "/opt/homebrew/sbin/mosquitto",
    ]
    .into_iter()
    .find(|path| std::path::Path::new(path).exists())
    .unwrap_or("mosquitto")
}

impl Mosquitto {
    /// Chooses a port and writes the config; starts nothing.
    pub(super) fn prepare() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        // As root, mosquitto would give its rights away and then could not write into the folder.
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n\
             persistence_location {path}/\nautosave_on_changes true\nautosave_interval 1\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        Self {
            port,
            folder,
            child: None,
        }
    }

    /// Adds a listener with TLS for `localhost`, before the start; its port and certificate.
    pub(super) fn encrypt(&mut self) -> (u16, PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let file = |name: &str| self.folder.path().join(name);
        std::fs::write(file("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let port = free_port();
        let mut config = std::fs::read_to_string(file("mosquitto.conf")).unwrap();
        let folder = self.folder.path().display();
        config.push_str(&format!(
            "listener {port} 127.0.0.1\ncertfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n"
        ));
        std::fs::write(file("mosquitto.conf"), config).unwrap();
        (port, file("cert.pem"))
    }

    /// The same, for clients alone that show a certificate of the broker's own authority; the port, that authority, and
    /// a client's certificate and key.
    pub(super) fn encrypt_for_known(&mut self, name: &str) -> (u16, PathBuf, PathBuf, PathBuf) {
        use rcgen::{
            BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
        };
        let file = |name: &str| self.folder.path().join(name);
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&key).unwrap();
        std::fs::write(file("ca.pem"), certificate.pem()).unwrap();
        let issuer = Issuer::new(authority, key);
        for (whose, name) in [("server", "localhost"), ("client", name)] {
            let key = KeyPair::generate().unwrap();
            let mut own = CertificateParams::new(vec![name.to_owned()]).unwrap();
            own.distinguished_name = DistinguishedName::new();
            own.distinguished_name.push(DnType::CommonName, name);
            let certificate = own.signed_by(&key, &issuer).unwrap();
            std::fs::write(file(&format!("{whose}.pem")), certificate.pem()).unwrap();
            std::fs::write(file(&format!("{whose}.key")), key.serialize_pem()).unwrap();
        }
        let port = free_port();
        let mut config = std::fs::read_to_string(file("mosquitto.conf")).unwrap();
        let folder = self.folder.path().display();
        config.push_str(&format!(
            "listener {port} 127.0.0.1\ncafile {folder}/ca.pem\ncertfile {folder}/server.pem\n\
             keyfile {folder}/server.key\nrequire_certificate true\nuse_identity_as_username true\n"
        ));
        std::fs::write(file("mosquitto.conf"), config).unwrap();
        (port, file("ca.pem"), file("client.pem"), file("client.key"))
    }

    pub(super) fn started() -> Self {
        let mut broker = Self::prepare();
        broker.start();
        broker
    }

    pub(super) fn start(&mut self) {
        let config = self.folder.path().join("mosquitto.conf");
        let child = Command::new(program())
            .arg("-c")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is needed for this test: install the package mosquitto");
        self.child = Some(child);
        let end = Instant::now() + DEADLINE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "mosquitto did not start");
            std::thread::yield_now();
        }
    }

    /// As by a power cut.
    pub(super) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// A client that comes back by itself and whose session outlives the broker.
pub(super) struct Client {
    client: AsyncClient,
    received: mpsc::UnboundedReceiver<Publish>,
    /// Everything taken from `received` so far.
    pub(super) seen: Vec<Publish>,
}

pub(super) const ROOT: &str = "shoal/v1/plant/press/";

impl Client {
    /// Connects and subscribes to everything.
    pub(super) async fn new(broker: &Mosquitto, id: &str) -> Self {
        let mut options = MqttOptions::new(id, "127.0.0.1", broker.port);
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = Some(3600);
        properties.max_packet_size = Some(8 * 1024 * 1024);
        options
            .set_connect_properties(properties)
            .set_clean_start(false);
        let (client, mut events) = AsyncClient::new(options, 100);
        client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let (ready, subscribed) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut ready = Some(ready);
            while !sender.is_closed() {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => drop(sender.send(publish)),
                    Ok(Event::Incoming(Packet::SubAck(_))) => {
                        ready.take().map(|ready| ready.send(()));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        });
        subscribed.await.unwrap();
        Self {
            client,
            received,
            seen: Vec::new(),
        }
    }

    pub(super) async fn send(&self, payload: impl Into<Vec<u8>>, properties: PublishProperties) {
        self.send_to("tasks", payload, properties).await;
    }

    /// The same, to another topic of the appliance.
    pub(super) async fn send_to(
        &self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
        properties: PublishProperties,
    ) {
        self.client
            .publish_with_properties(
                format!("{ROOT}{topic}"),
                QoS::AtLeastOnce,
                false,
                payload.into(),
                properties,
            )
            .await
            .unwrap();
    }

    /// The next message that `wanted` accepts.
    pub(super) async fn wait(&mut self, mut wanted: impl FnMut(&Publish) -> bool) -> Publish {
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                let publish = self.received.recv().await.unwrap();
                self.seen.push(publish.clone());
                if wanted(&publish) {
                    return publish;
                }
            }
        });
        found.await.unwrap_or_else(|_| {
            panic!(
                "it did not come; seen: {:?}",
                self.seen.iter().map(topic).collect::<Vec<_>>()
            )
        })
    }

    /// The next message on a topic of the appliance, as JSON.
    pub(super) async fn json(&mut self, wanted: &str) -> Value {
        let publish = self.wait(|publish| topic(publish) == wanted).await;
        serde_json::from_slice(&publish.payload).unwrap()
    }

    /// Waits for a word on the status topic.
    pub(super) async fn status(&mut self, word: &str) -> Publish {
        self.wait(|publish| topic(publish) == "status" && publish.payload == word.as_bytes())
            .await
    }

    /// How many messages came on a topic so far.
    pub(super) fn count(&self, wanted: &str) -> usize {
        self.seen
            .iter()
            .filter(|publish| topic(publish) == wanted)
            .count()
    }
}

/// The topic without the appliance's root.
pub(super) fn topic(publish: &Publish) -> String {
    let whole = String::from_utf8(publish.topic.to_vec()).unwrap();
    whole
        .strip_prefix(ROOT)
        .map_or(whole.clone(), str::to_owned)
}
