mod outage;

use super::*;

#[test]
fn a_report_that_the_broker_does_not_take_is_replaced_by_its_head() {
    let whole = format!(
        r#"{{"id":"t1","state":"done","answer":"{}"}}"#,
        "x".repeat(500)
    );
    let message = Message::new(Class::Result, "t", whole.clone());
    assert_eq!(fitting(&message, None), whole.as_bytes());
    assert_eq!(fitting(&message, Some(10_000)), whole.as_bytes());
    let short: serde_json::Value = serde_json::from_slice(&fitting(&message, Some(300))).unwrap();
    assert_eq!(
        (&short["id"], &short["state"]),
        (&"t1".into(), &"done".into())
    );
    assert!(short["error"].as_str().unwrap().contains("bytes"));
    assert!(short.get("answer").is_none());
}

#[tokio::test]
async fn a_batch_is_deleted_when_all_of_it_is_acknowledged_and_sent_again_if_it_broke_off() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for n in 0..3 {
        let message = Message::new(Class::Event, format!("e{n}"), "x");
        store.post(message).await.unwrap();
    }
    let mut delivery = Delivery::new(store.clone(), 1_000);
    let first = delivery.batch().await.unwrap();
    assert_eq!(first.len(), 3);
    assert!(delivery.batch().await.unwrap().is_empty());
    assert!(!delivery.settled(first[0].number));
    delivery.broken_off(false).await.unwrap();
    let again = delivery.batch().await.unwrap();
    assert_eq!(again, first[1..]);
    assert!(!delivery.settled(again[1].number));
    assert!(delivery.settled(again[0].number));
    assert!(delivery.batch().await.unwrap().is_empty());
    assert_eq!(store.outbox().await.unwrap().messages, 0);
}

#[tokio::test]
async fn a_report_that_breaks_connections_is_set_aside_and_those_behind_it_go() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for n in 0..4 {
        let message = Message::new(Class::Result, format!("r{n}"), "x");
        store.post(message).await.unwrap();
    }
    let mut delivery = Delivery::new(store.clone(), 1_000);
    let (mut delivered, mut broken) = (Vec::new(), 0);
    // The broker takes what comes in order and hangs up on "r1", as often as it comes.
    while broken < 20 {
        let batch = delivery.batch().await.unwrap();
        if batch.is_empty() {
            break;
        }
        let taken = batch.iter().take_while(|q| q.message.topic != "r1").count();
        for queued in &batch[..taken] {
            delivery.settled(queued.number);
            delivered.push(queued.message.topic.clone());
        }
        if taken < batch.len() {
            broken += 1;
            delivery.broken_off(true).await.unwrap();
        }
    }
    assert_eq!(delivered, ["r0", "r2", "r3"]);
    assert_eq!(broken, 6, "once in company, five times alone");
    assert_eq!(store.outbox().await.unwrap().messages, 1);
    // A new one is not held up either.
    store
        .post(Message::new(Class::Result, "r4", "x"))
        .await
        .unwrap();
    let batch = delivery.batch().await.unwrap();
    assert_eq!(batch[0].message.topic, "r4");
}
