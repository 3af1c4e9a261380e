mod contract;
mod mosquitto;

use std::sync::Arc;

use rumqttc::v5::mqttbytes::v5::PublishProperties;
use shoal_conductor::{
    desk::{Desk, Question},
    id::{ApprovalId, TaskId, WorkerId},
    label::Label,
    prompt::{Message, Speaker},
    task::State,
};
use tempfile::TempDir;

use self::mosquitto::{Client, DEADLINE, Mosquitto, topic};
use super::*;
use crate::{
    appliance::{ApplianceLimits, fake::Fake},
    store::{Store, tests::task},
};

fn options(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> LinkOptions {
    LinkOptions {
        host: host.into(),
        port,
        tls,
        user: None,
        password: None,
        root: Root::try_new("plant", "press").unwrap(),
        replay_per_second: 1_000,
        tasks_per_minute: 600,
    }
}

struct House {
    _folder: TempDir,
    store: Store,
    fake: Arc<Fake>,
    appliance: Appliance,
    link: LinkHandle,
    cancel: CancellationToken,
}

impl House {
    async fn new(port: u16) -> Self {
        Self::with("127.0.0.1", port, None).await
    }

    async fn with(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let fake = Fake::new();
        let limits = ApplianceLimits {
            max_open_tasks: 100,
        };
        let appliance = fake.appliance(&store, limits, 2);
        let cancel = CancellationToken::new();
        let options = options(host, port, tls);
        let link = start(options, appliance.clone(), cancel.clone())
            .await
            .unwrap();
        Self {
            _folder: folder,
            store,
            fake,
            appliance,
            link,
            cancel,
        }
    }

    /// With the subscription made, so that a task sent from now on arrives.
    async fn online(port: u16) -> Self {
        let house = Self::new(port).await;
        house.connected(true).await;
        house
    }

    async fn connected(&self, yes: bool) {
        let mut connected = self.link.connected();
        let wanted = connected.wait_for(|connected| *connected == yes);
        tokio::time::timeout(DEADLINE, wanted)
            .await
            .unwrap()
            .unwrap();
    }

    async fn ended(&self, id: &TaskId) {
        let outcome = self.appliance.outcome(id);
        let outcome = tokio::time::timeout(DEADLINE, outcome).await.unwrap();
        outcome.unwrap().unwrap();
    }

    async fn emptied(&self) {
        let emptied = async {
            while self.store.outbox().await.unwrap().messages > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, emptied).await.unwrap();
    }
}

fn answering(topic: &str, correlation: &'static [u8]) -> PublishProperties {
    PublishProperties {
        response_topic: Some(topic.into()),
        correlation_data: Some(correlation.into()),
        ..PublishProperties::default()
    }
}

#[tokio::test]
async fn a_task_comes_in_and_its_states_and_result_go_out() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let house = House::online(broker.port).await;
    assert!(
        !client.status("online").await.retain,
        "new, not retained from before"
    );
    client
        .send(
            r#"{"id":"t1","prompt":"hello","label":"public"}"#,
            PublishProperties::default(),
        )
        .await;
    let result = client.json("tasks/t1/result").await;
    assert_eq!(result["state"], "done");
    assert!(result["answer"].as_str().unwrap().contains("hello"));
    assert_eq!(
        result["label"], "internal",
        "the policy's label of the way in"
    );
    let states = client.seen.iter();
    let states = states.filter(|publish| topic(publish) == "tasks/t1/state");
    let last: shoal_wire::StateMessage =
        serde_json::from_slice(&states.last().unwrap().payload).unwrap();
    assert_eq!(last.state, shoal_wire::State::Done, "before the result");
    house.emptied().await;
    assert!(house.link.delivered_at().borrow().is_some());
    assert!(client.json("health").await["tasks"]["open"].is_number());
}

#[tokio::test]
async fn a_task_sent_twice_runs_once_and_is_answered_twice_at_the_response_topic() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let house = House::online(broker.port).await;
    let payload = r#"{"id":"t1","prompt":"hello"}"#;
    client.send(payload, answering("plc/answers", b"c1")).await;
    let first = client.wait(|publish| topic(publish) == "plc/answers").await;
    assert_eq!(
        first.properties.unwrap().correlation_data.unwrap(),
        &b"c1"[..]
    );
    client.send(payload, answering("plc/answers", b"c2")).await;
    let second = client.wait(|publish| topic(publish) == "plc/answers").await;
    assert_eq!(
        second.properties.unwrap().correlation_data.unwrap(),
        &b"c2"[..]
    );
    assert_eq!(first.payload, second.payload);
    assert_eq!(house.fake.calls(), 1);
    assert_eq!(client.count("tasks/t1/result"), 0);
}

#[tokio::test]
async fn what_is_no_task_is_answered_with_the_reason_and_the_next_one_is_done() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let _house = House::online(broker.port).await;
    let none = PublishProperties::default;
    client.send("{\"prompt\":", none()).await;
    let error = client.json("errors").await;
    assert!(error["error"].as_str().unwrap().contains("JSON"), "{error}");
    client.send("x".repeat(1024 * 1024 + 1), none()).await;
    let error = client.json("errors").await;
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("at most 1048576 bytes"),
        "{error}"
    );
    client
        .send(r#"{"id":"t1","prompt":"x","label":"secret"}"#, none())
        .await;
    let error = client.json("tasks/t1/result").await;
    assert_eq!(error["state"], "failed");
    client
        .send("hi", answering("shoal/v1/plant/press/tasks", b""))
        .await;
    let error = client.json("errors").await;
    assert!(
        error["error"].as_str().unwrap().contains("response topic"),
        "{error}"
    );
    client.send("plain words", none()).await;
    let result = client
        .wait(|publish| topic(publish).ends_with("/result"))
        .await;
    let result: serde_json::Value = serde_json::from_slice(&result.payload).unwrap();
    assert!(
        result["answer"].as_str().unwrap().contains("plain words"),
        "{result}"
    );
}

#[tokio::test]
async fn a_killed_broker_delays_results_and_loses_none() {
    let mut broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let house = House::online(broker.port).await;
    let ids = ["t1", "t2", "t3", "t4"];
    for id in ids {
        let payload = format!(r#"{{"id":"{id}","prompt":"hold"}}"#);
        client.send(payload, PublishProperties::default()).await;
    }
    for id in ids {
        let wanted = format!("tasks/{id}/state");
        if client.count(&wanted) == 0 {
            client.json(&wanted).await;
        }
    }
    house.emptied().await;
    broker.kill();
    house.connected(false).await;
    house.fake.gate.add_permits(ids.len());
    for id in ids {
        house.ended(&task(id).id).await;
    }
    assert!(house.store.outbox().await.unwrap().messages >= ids.len() as u64);
    broker.start();
    for id in ids {
        let wanted = format!("tasks/{id}/result");
        if client.count(&wanted) == 0 {
            let result = client.json(&wanted).await;
            assert_eq!(result["state"], "done");
        }
    }
    house.emptied().await;
    // Nothing was on its way when the broker was killed, so nothing comes twice.
    client
        .send(
            r#"{"id":"last","prompt":"x"}"#,
            PublishProperties::default(),
        )
        .await;
    client.json("tasks/last/result").await;
    for id in ids {
        assert_eq!(client.count(&format!("tasks/{id}/result")), 1, "{id}");
    }
    assert_eq!(house.fake.calls(), ids.len() + 1);
}

#[tokio::test]
async fn tasks_sent_while_the_appliance_is_away_wait_at_the_broker() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let first = House::online(broker.port).await;
    first.cancel.cancel();
    first.link.finished().await;
    client.status("stopped").await;
    client
        .send(r#"{"id":"t1","prompt":"x"}"#, PublishProperties::default())
        .await;
    let _second = House::online(broker.port).await;
    assert_eq!(client.json("tasks/t1/result").await["state"], "done");
}

#[tokio::test]
async fn without_a_broker_tasks_are_done_and_reports_wait() {
    let mut broker = Mosquitto::prepare();
    let house = House::new(broker.port).await;
    let accepted = house.appliance.accept(task("t1")).await.unwrap();
    drop(accepted.text);
    house.ended(&accepted.id).await;
    assert!(!*house.link.connected().borrow());
    assert!(house.store.outbox().await.unwrap().messages > 0);
    broker.start();
    house.connected(true).await;
    house.emptied().await;
}

#[tokio::test]
async fn a_dead_appliance_is_offline_by_its_will_and_a_clean_stop_says_stopped() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let house = House::online(broker.port).await;
    client.status("online").await;
    house.link.task.abort();
    client.status("offline").await;

    let house = House::online(broker.port).await;
    client.status("online").await;
    house.cancel.cancel();
    house.link.finished().await;
    client.status("stopped").await;
    // Retained, for those who come later.
    let mut late = Client::new(&broker, "late").await;
    assert!(late.status("stopped").await.retain);
}

#[tokio::test]
async fn an_encrypted_broker_is_trusted_by_its_certificate_and_no_other() {
    let mut broker = Mosquitto::prepare();
    let (port, ca_file) = broker.encrypt();
    broker.start();
    let mut client = Client::new(&broker, "plc").await;
    let trusting = client_config(Some(&ca_file), None).unwrap();
    let house = House::with("localhost", port, Some(trusting)).await;
    house.connected(true).await;
    client
        .send(r#"{"id":"t1","prompt":"x"}"#, PublishProperties::default())
        .await;
    assert_eq!(client.json("tasks/t1/result").await["state"], "done");

    let mut other = Mosquitto::prepare();
    let (_, stranger) = other.encrypt();
    let house = LinkOptions {
        root: Root::try_new("plant", "other").unwrap(),
        ..options(
            "localhost",
            port,
            Some(client_config(Some(&stranger), None).unwrap()),
        )
    };
    let refused = broker::Broker::connect(&mqtt::Mqtt::new(house)).await;
    let refused = refused.err().expect("a stranger's certificate").to_string();
    assert!(refused.contains("certificate"), "{refused}");
    let missing = client_config(Some(std::path::Path::new("/no/such/file")), None).unwrap_err();
    assert!(missing.to_string().contains("/no/such/file"), "{missing}");
}

#[tokio::test]
async fn a_question_is_retained_while_it_is_open() {
    let broker = Mosquitto::started();
    let house = House::online(broker.port).await;
    let mut holding = task("t1");
    holding.messages[0].content = "hold".into();
    house.appliance.accept(holding).await.unwrap();
    let question = Question {
        id: ApprovalId::try_new("a1").unwrap(),
        task: task("t1").id,
        step: 1,
        worker: WorkerId::try_new("cloud").unwrap(),
        label: Label::Confidential,
        read: Label::Confidential,
        by_message: true,
        rule: "escalation.confidential = \"approve\"".into(),
        shown: vec![Message::new(Speaker::User, "[PERSON_1] asks")],
        digest: "d1".into(),
        expires_after: 600,
        people: 1,
    };
    let asking = {
        let store = house.store.clone();
        tokio::spawn(async move { store.ask(&question).await.unwrap() })
    };
    // The retained message reaches one who comes after it was published.
    let published = async {
        while house.store.asking() == 0 {
            tokio::task::yield_now().await;
        }
        while house.store.approvals(true).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, published).await.unwrap();
    house.emptied().await;
    let mut client = Client::new(&broker, "desk").await;
    let asked = client
        .wait(|publish| topic(publish) == "approvals/a1")
        .await;
    assert!(asked.retain);
    let said: serde_json::Value = serde_json::from_slice(&asked.payload).unwrap();
    assert_eq!(said["shown"][0]["content"], "[PERSON_1] asks");
    house
        .store
        .decide(&ApprovalId::try_new("a1").unwrap(), true, "ada")
        .await
        .unwrap();
    let cleared = client
        .wait(|publish| topic(publish) == "approvals/a1")
        .await;
    assert!(cleared.payload.is_empty());
    asking.await.unwrap();
}

#[tokio::test]
async fn a_redelivery_without_an_id_is_the_same_task() {
    let broker = Mosquitto::prepare();
    let house = House::new(broker.port).await;
    let root = Root::try_new("plant", "press").unwrap();
    let delivery = |again, packet| broker::Delivery {
        topic: root.tasks().as_str().to_owned(),
        payload: b"why does press 3 stop?".to_vec(),
        packet,
        again,
        ..broker::Delivery::default()
    };
    let refusals = Arc::default();
    let mut intake = intake::Intake::new(house.appliance.clone(), root.clone(), 9, refusals);
    for (again, packet) in [(false, 7), (true, 7), (false, 8)] {
        intake.take(delivery(again, packet)).await.unwrap();
    }
    let all = house
        .store
        .tasks(crate::store::TaskFilter::default())
        .await
        .unwrap();
    assert_eq!(all.len(), 2);
    for head in all {
        house.ended(&head.id).await;
        let state = house.store.standing(&head.id).await.unwrap();
        assert_eq!(state, Some(State::Done));
    }
}
