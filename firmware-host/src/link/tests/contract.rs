//! What MQTT 5 lets a client say, and what it gets for it.

use rumqttc::v5::mqttbytes::v5::Publish;
use shoal_conductor::task::Failure;

use super::*;

fn property(publish: &Publish, name: &str) -> Option<String> {
    let properties = publish.properties.as_ref()?;
    let mut found = properties.user_properties.iter();
    found
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.clone())
}

fn state(publish: &Publish) -> Option<shoal_wire::State> {
    let said: shoal_wire::StateMessage = serde_json::from_slice(&publish.payload).ok()?;
    Some(said.state)
}

#[tokio::test]
async fn a_broker_that_wants_a_certificate_gets_ours_and_lets_nobody_in_without() {
    let mut broker = Mosquitto::prepare();
    let (port, ca, cert, key) = broker.encrypt_for_known("press");
    broker.start();
    let mut client = Client::new(&broker, "plc").await;
    let identity = Identity {
        cert: &cert,
        key: &key,
    };
    let known = client_config(Some(&ca), Some(identity)).unwrap();
    let house = House::with("localhost", port, Some(known)).await;
    house.connected(true).await;
    client
        .send(r#"{"id":"t1","prompt":"x"}"#, PublishProperties::default())
        .await;
    assert_eq!(client.json("tasks/t1/result").await["state"], "done");
    let unknown = client_config(Some(&ca), None).unwrap();
    let unknown = mqtt::Mqtt::new(options("localhost", port, Some(unknown)));
    assert!(broker::Broker::connect(&unknown).await.is_err());
    let swapped = Identity {
        cert: &key,
        key: &cert,
    };
    assert!(client_config(Some(&ca), Some(swapped)).is_err());
}

#[tokio::test]
async fn user_properties_come_back_and_a_report_has_a_name() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let _house = House::online(broker.port).await;
    let mut sent = answering("plc/answers", b"c1");
    sent.user_properties = vec![
        ("order".into(), "4711".into()),
        ("client".into(), "plc".into()),
    ];
    client.send(r#"{"id":"t1","prompt":"x"}"#, sent).await;
    let result = client.wait(|publish| topic(publish) == "plc/answers").await;
    assert_eq!(property(&result, "order").unwrap(), "4711");
    assert_eq!(property(&result, "message-id").unwrap().len(), 16);
    let mut wrong = answering("plc/answers", b"c2");
    wrong.user_properties = vec![("order".into(), "4712".into())];
    client.send("{", wrong).await;
    let refused = client.wait(|publish| topic(publish) == "plc/answers").await;
    assert_eq!(property(&refused, "order").unwrap(), "4712");
    let refused = refused.properties.unwrap();
    assert_eq!(refused.correlation_data.unwrap(), &b"c2"[..]);
}

#[tokio::test]
async fn a_task_whose_message_expires_before_it_is_begun_is_not_done() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let house = House::online(broker.port).await;
    let brief = || PublishProperties {
        message_expiry_interval: Some(1),
        ..PublishProperties::default()
    };
    // Two places to run: these are begun in time and finished however late it is.
    for id in ["t1", "t2"] {
        let payload = format!(r#"{{"id":"{id}","prompt":"hold"}}"#);
        client.send(payload, brief()).await;
    }
    let begun = async {
        while house.fake.calls() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, begun).await.unwrap();
    client.send(r#"{"id":"t3","prompt":"x"}"#, brief()).await;
    let id = task("t3").id;
    let expired = async {
        while !house.store.expired(&id).await.unwrap() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, expired).await.unwrap();
    house.fake.gate.add_permits(2);
    let result = client.json("tasks/t3/result").await;
    assert_eq!(result["state"], "failed");
    assert!(
        result["error"].as_str().unwrap().contains("expired"),
        "{result}"
    );
    assert_eq!(
        house.store.ending(&id).await.unwrap(),
        Some(Err(Failure::Expired))
    );
    for id in ["t1", "t2"] {
        house.ended(&task(id).id).await;
    }
    assert_eq!(house.fake.calls(), 2);
}

#[tokio::test]
async fn a_late_subscriber_sees_where_an_open_task_stands_and_how_one_ended() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let house = House::online(broker.port).await;
    client
        .send(
            r#"{"id":"t1","prompt":"hold"}"#,
            PublishProperties::default(),
        )
        .await;
    client
        .wait(|publish| state(publish) == Some(shoal_wire::State::Running))
        .await;
    house.emptied().await;
    let mut late = Client::new(&broker, "late").await;
    let running = late
        .wait(|publish| topic(publish) == "tasks/t1/state")
        .await;
    assert_eq!(state(&running), Some(shoal_wire::State::Running));
    assert!(running.retain);
    house.fake.gate.add_permits(1);
    client.json("tasks/t1/result").await;
    house.emptied().await;
    let mut later = Client::new(&broker, "later").await;
    let done = later
        .wait(|publish| topic(publish) == "tasks/t1/state")
        .await;
    assert_eq!(state(&done), Some(shoal_wire::State::Done));
    // The broker forgets it by itself.
    let left = done.properties.unwrap().message_expiry_interval.unwrap();
    assert!((1..=3_600).contains(&left), "{left}");
}

#[tokio::test]
async fn a_message_cancels_what_came_by_mqtt_and_nothing_else() {
    let broker = Mosquitto::started();
    let mut client = Client::new(&broker, "plc").await;
    let house = House::online(broker.port).await;
    let none = PublishProperties::default;
    client.send(r#"{"id":"t1","prompt":"hold"}"#, none()).await;
    client
        .wait(|publish| state(publish) == Some(shoal_wire::State::Running))
        .await;
    client.send_to("tasks/t1/cancel", "", none()).await;
    assert_eq!(client.json("tasks/t1/result").await["state"], "cancelled");
    let mut held = task("t2");
    held.messages[0].content = "hold".into();
    house.appliance.accept(held).await.unwrap();
    for (topic, wanted) in [
        ("tasks/t2/cancel", "did not come"),
        ("tasks/t9/cancel", "no such task"),
    ] {
        client
            .send_to(topic, "", answering("plc/answers", b"c"))
            .await;
        let refused = client
            .wait(|publish| super::topic(publish) == "plc/answers")
            .await;
        let said = String::from_utf8(refused.payload.to_vec()).unwrap();
        assert!(said.contains(wanted), "{said}");
    }
    assert_eq!(
        house.store.standing(&task("t2").id).await.unwrap(),
        Some(State::Running)
    );
    let refused = house.link.refusals().so_far();
    assert_eq!((refused.unauthorised, refused.malformed), (1, 1));
    house.emptied().await;
    let health = client.wait(|publish| {
        let said: Option<serde_json::Value> = serde_json::from_slice(&publish.payload).ok();
        super::topic(publish) == "health"
            && said.is_some_and(|said| said["refused"]["unauthorised"] == 1)
    });
    let health: serde_json::Value = serde_json::from_slice(&health.await.payload).unwrap();
    assert!(
        health["outbox"]["oldest_ms"].is_number()
            && health["outbox"]["dropped_by"]["event"]["full"] == 0
    );
}
