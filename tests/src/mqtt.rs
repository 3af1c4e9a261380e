//! A device on the broker that comes back by itself, sends what has no answer again, and keeps what it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rumqttc::v5::{
    AsyncClient, Event, EventLoop, MqttOptions,
    mqttbytes::{
        QoS,
        v5::{ConnectProperties, Filter, Packet, Publish},
    },
};
use serde_json::Value;

/// The pause after a connection that did not come about.
const PAUSE: Duration = Duration::from_millis(200);

/// What came for each task, by its id.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Every result: its text and id.
    pub results: BTreeMap<String, Vec<Value>>,
    /// The final states.
    pub ends: BTreeMap<String, BTreeSet<String>>,
    /// Results in all, those that came again too.
    pub messages: usize,
}

/// A device. Ends with its owner.
#[derive(Debug)]
pub struct Device {
    client: AsyncClient,
    root: String,
    heard: Arc<Mutex<Heard>>,
    polling: tokio::task::JoinHandle<()>,
}

impl Device {
    /// A device on 127.0.0.1 that listens to all results and states below `root`, which ends with a slash.
    #[must_use]
    pub fn start(port: u16, root: &str) -> Self {
        let mut options = MqttOptions::new("device", "127.0.0.1", port);
        let mut properties = ConnectProperties::new();
        properties.session_expiry_interval = Some(3_600);
        options
            .set_connect_properties(properties)
            .set_clean_start(false)
            .set_keep_alive(Duration::from_secs(5))
            .set_connection_timeout(3)
            .set_outgoing_inflight_upper_limit(50);
        let (client, events) = AsyncClient::new(options, 1_000);
        let heard = Arc::new(Mutex::new(Heard::default()));
        let listening = Listening {
            client: client.clone(),
            root: root.to_owned(),
            heard: Arc::clone(&heard),
        };
        Self {
            client,
            root: root.to_owned(),
            heard,
            polling: tokio::spawn(listening.run(events)),
        }
    }

    /// Sends a task; it waits in memory while there is no broker.
    pub async fn send(&self, task: &Value) -> Result<()> {
        let topic = format!("{}tasks", self.root);
        let sent = self
            .client
            .publish(topic, QoS::AtLeastOnce, false, task.to_string());
        sent.await.context("the device has ended")
    }

    /// What it has heard so far.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

struct Listening {
    client: AsyncClient,
    root: String,
    heard: Arc<Mutex<Heard>>,
}

impl Listening {
    async fn run(self, mut events: EventLoop) {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    let filters = ["result", "state"].map(|leaf| {
                        Filter::new(format!("{}tasks/+/{leaf}", self.root), QoS::AtLeastOnce)
                    });
                    // Full, it is made at the next connection.
                    let _ = self.client.try_subscribe_many(filters);
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => self.take(&publish),
                Ok(_) => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn take(&self, publish: &Publish) {
        let topic = String::from_utf8_lossy(&publish.topic);
        let Some((id, leaf)) = topic
            .strip_prefix(self.root.as_str())
            .and_then(|rest| rest.strip_prefix("tasks/"))
            .and_then(|rest| rest.split_once('/'))
        else {
            return;
        };
        let said: Value = serde_json::from_slice(&publish.payload).unwrap_or_default();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if leaf == "result" {
            heard.messages += 1;
            let of = heard.results.entry(id.to_owned()).or_default();
            if !of.contains(&said) {
                of.push(said);
            }
            return;
        }
        let state = said["state"].as_str().unwrap_or_default();
        if matches!(state, "done" | "failed" | "cancelled") {
            let ends = heard.ends.entry(id.to_owned()).or_default();
            ends.insert(state.to_owned());
        }
    }
}
