use super::*;

#[tokio::test]
async fn each_state_and_the_result_are_reported_with_what_they_report() {
    let (_folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    store.accept(by_mqtt(task("t1"), None)).await.unwrap();
    let id = task("t1").id;
    store.record(&id, &labelled()).await.unwrap();
    store.record(&id, &note("no new state")).await.unwrap();
    store.finish(&id, Ok(answer("oil is low"))).await.unwrap();
    let sent = sent(&store).await;
    let topics: Vec<_> = sent.iter().map(|(topic, _)| topic.as_str()).collect();
    // The newest state takes the place of those that nobody has taken yet.
    assert_eq!(topics, ["tasks/t1/state", "tasks/t1/result"]);
    let result: serde_json::Value = serde_json::from_str(&sent[1].1).unwrap();
    assert_eq!(result["state"], "done");
    assert_eq!(result["answer"], "oil is low");
    assert_eq!(result["cost_usd"], 0.0015);
    serde_json::from_str::<shoal_wire::ResultHead>(&sent[1].1).unwrap();
    let said: shoal_wire::StateMessage = serde_json::from_str(&sent[0].1).unwrap();
    assert_eq!(said.state, shoal_wire::State::Done);
    let queued = store.undelivered(9, usize::MAX).await.unwrap();
    assert!(queued[0].message.retain && queued[0].message.keep.is_some());
}

#[tokio::test]
async fn an_answer_given_over_http_does_not_go_to_the_broker() {
    let (_folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    store.accept(accepting(task("t1"))).await.unwrap();
    store
        .finish(&task("t1").id, Ok(answer("secret recipe")))
        .await
        .unwrap();
    let sent = sent(&store).await;
    assert_eq!(sent.last().unwrap().0, "tasks/t1/result");
    assert!(sent.iter().all(|(_, payload)| !payload.contains("recipe")));
}

#[tokio::test]
async fn a_message_sent_again_is_answered_again_at_its_own_address() {
    let (_folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    store
        .accept(by_mqtt(task("t1"), Some("reply/a")))
        .await
        .unwrap();
    store
        .finish(&task("t1").id, Err(Failure::TimedOut { seconds: 1 }))
        .await
        .unwrap();
    assert_eq!(
        store
            .accept(by_mqtt(task("t1"), Some("reply/b")))
            .await
            .unwrap(),
        Insertion::Same(State::Failed)
    );
    let all = store.undelivered(100, usize::MAX).await.unwrap();
    let results: Vec<_> = all
        .iter()
        .filter(|queued| queued.message.class == Class::Result)
        .map(|queued| {
            (
                queued.message.topic.as_str(),
                queued.message.correlation.clone(),
            )
        })
        .collect();
    let correlation = Some(b"c1".to_vec());
    assert_eq!(
        results,
        [("reply/a", correlation.clone()), ("reply/b", correlation)]
    );
    assert_eq!(
        store.task_of_message(vec![7]).await.unwrap(),
        Some(task("t1").id)
    );
    assert_eq!(store.task_of_message(vec![8]).await.unwrap(), None);
}

#[tokio::test]
async fn an_approval_is_retained_while_it_is_open() {
    let (_folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    store.accept(accepting(task("t1"))).await.unwrap();
    let (one, two) = (question("t1", "d1", 600), question("t1", "d2", 600));
    store.put(&one).await.unwrap();
    store.put(&two).await.unwrap();
    store.decide(&one.id, false, "ada").await.unwrap();
    store
        .finish(&task("t1").id, Err(Failure::Cancelled))
        .await
        .unwrap();
    let mut retained = BTreeMap::new();
    for queued in store.undelivered(100, usize::MAX).await.unwrap() {
        if queued.message.retain {
            let topic = queued.message.topic;
            if topic.contains("approvals") {
                retained.insert(topic, queued.message.payload.len());
            }
        }
    }
    assert_eq!(retained.values().collect::<Vec<_>>(), [&0, &0]);
}

#[tokio::test]
async fn a_yes_that_does_not_decide_is_said_at_once_and_survives_a_restart() {
    let (folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    store.accept(accepting(task("t1"))).await.unwrap();
    let mut asked = question("t1", "d1", 600);
    asked.people = 2;
    store.put(&asked).await.unwrap();
    let last = async || {
        let topic = format!("approvals/{}", asked.id);
        let said = sent(&store).await;
        let said = said.into_iter().rfind(|(to, _)| *to == topic).unwrap().1;
        serde_json::from_str::<serde_json::Value>(&said).unwrap_or_default()
    };
    let before = last().await;
    assert_eq!(
        (&before["approved"], &before["missing"]),
        (&serde_json::json!([]), &serde_json::json!(2))
    );
    store.decide(&asked.id, true, "api:ada").await.unwrap();
    let half = last().await;
    assert_eq!(half["approved"][0]["by"], "api:ada");
    assert_eq!(half["missing"], 1);
    // What a signature is bound to has not changed.
    assert_eq!(half["digest"], before["digest"]);
    let other = Store::open(folder.path()).await.unwrap();
    let record = other.approval(&asked.id).await.unwrap().unwrap();
    assert_eq!(
        (record.approved[0].by.as_str(), record.missing),
        ("api:ada", 1)
    );
    // The same person once more changes nothing.
    let again = store.decide(&asked.id, true, "api:ada").await.unwrap();
    assert_eq!(again, DecideOutcome::Again);
    store.decide(&asked.id, true, "mqtt:bob").await.unwrap();
    assert_eq!(last().await, serde_json::Value::Null);
    let record = store.approval(&asked.id).await.unwrap().unwrap();
    assert_eq!((record.approved.len(), record.missing), (2, 0));
}

#[tokio::test]
async fn a_full_outbox_drops_telemetry_then_events_and_never_results() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        messages: 4,
        bytes: 1_000,
        ..Limits::default()
    };
    let store = Store::open_with(folder.path(), outbox(limits), KeySource::default())
        .await
        .unwrap();
    let post = |class, topic: &'static str| store.post(Message::new(class, topic, "x"));
    let left = || async {
        let all = store.undelivered(100, usize::MAX).await.unwrap();
        let topics: Vec<_> = all.into_iter().map(|q| q.message.topic).collect();
        topics.join(" ")
    };
    for (class, topic) in [
        (Class::Telemetry, "t1"),
        (Class::Event, "e1"),
        (Class::Result, "r1"),
        (Class::Event, "e2"),
    ] {
        assert!(post(class, topic).await.unwrap());
    }
    assert!(post(Class::Event, "e3").await.unwrap());
    assert_eq!(left().await, "e1 r1 e2 e3");
    assert!(!post(Class::Telemetry, "t2").await.unwrap());
    assert!(post(Class::Event, "e4").await.unwrap());
    assert_eq!(left().await, "r1 e2 e3 e4");
    for topic in ["r2", "r3", "r4", "r5"] {
        assert!(post(Class::Result, topic).await.unwrap());
    }
    assert_eq!(left().await, "r1 r2 r3 r4 r5");
    assert!(!post(Class::Event, "e5").await.unwrap());
    assert_eq!(store.outbox().await.unwrap().dropped, 7);
    // Such an outbox takes no task whose result or question it could not hold, if there is a broker to wait for.
    store.report_under(Some(root())).await.unwrap();
    for accepting in [by_mqtt(task("t1"), None), accepting(task("t1"))] {
        let refused = store.accept(accepting).await.unwrap();
        assert_eq!(refused, Insertion::Backlog);
    }
    store.report_under(None).await.unwrap();
    let taken = store.accept(accepting(task("t1"))).await.unwrap();
    assert_eq!(taken, Insertion::Fresh);
}

#[tokio::test]
async fn results_that_fill_the_outbox_by_their_bytes_refuse_tasks_too() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        messages: 100,
        bytes: 1_000,
        ..Limits::default()
    };
    let store = Store::open_with(folder.path(), outbox(limits), KeySource::default())
        .await
        .unwrap();
    store.report_under(Some(root())).await.unwrap();
    let large = Message::new(Class::Result, "r1", "x".repeat(1_000));
    store.post(large).await.unwrap();
    let refused = store.accept(accepting(task("t1"))).await.unwrap();
    assert_eq!(refused, Insertion::Backlog);
}

#[tokio::test]
async fn a_question_that_is_closed_before_the_broker_has_it_leaves_the_outbox() {
    let (_folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    store.accept(accepting(task("t1"))).await.unwrap();
    let asked = question("t1", "d1", 600);
    store.put(&asked).await.unwrap();
    store.decide(&asked.id, true, "ada").await.unwrap();
    let topic = format!("approvals/{}", asked.id);
    let said: Vec<_> = sent(&store).await;
    let said: Vec<_> = said.iter().filter(|(to, _)| *to == topic).collect();
    // The question may have left without an acknowledgement, so that it is closed is still said.
    assert_eq!(said, [&(topic.clone(), String::new())]);
}

#[tokio::test]
async fn each_state_is_kept_while_the_broker_is_there_and_the_newest_alone_while_it_is_not() {
    let (_folder, store) = store().await;
    store.report_under(Some(root())).await.unwrap();
    let step = async |id: &str| {
        store.accept(by_mqtt(task(id), None)).await.unwrap();
        store.record(&task(id).id, &labelled()).await.unwrap();
    };
    let topics = async || {
        let sent = sent(&store).await.into_iter();
        let topics: Vec<_> = sent.map(|(topic, _)| topic).collect();
        topics.join(" ").replace("tasks/", "").replace("/state", "")
    };
    step("t1").await;
    assert_eq!(topics().await, "t1");
    store.begin_backlog().await.unwrap();
    step("t2").await;
    assert_eq!(topics().await, "t1 t2 t2");
    // In the backlog an older state would come after a newer one.
    store.finish(&task("t1").id, Ok(answer("a"))).await.unwrap();
    assert_eq!(topics().await, "t2 t2 t1 t1/result");
    store.end_backlog().await.unwrap();
    assert_eq!(store.begin_backlog().await.unwrap(), 6);
    assert_eq!(topics().await, "t2 t1 t1/result");
}

/// The broker hears of a task over HTTP that it failed and that somebody is asked, and no word of its text.
#[tokio::test]
async fn what_came_by_http_reaches_the_broker_without_its_text() {
    for by_message in [false, true] {
        let (_folder, store) = store().await;
        store.report_under(Some(root())).await.unwrap();
        store.accept(accepting(task("t1"))).await.unwrap();
        let asked = Question {
            by_message,
            ..question("t1", "d1", 600)
        };
        store.put(&asked).await.unwrap();
        let told = async |topic: &str| {
            let said: Vec<_> = sent(&store).await;
            let mut to = said.into_iter().filter(|(to, _)| to.contains(topic));
            to.next().map(|(_, text)| text).unwrap_or_default()
        };
        let question = told("approvals/").await;
        assert!(question.contains("d1"), "{question}");
        assert_eq!(question.contains("[PERSON_1]"), by_message, "{question}");
        let failure = Failure::EveryoneFailed {
            reason: "npu: [PERSON_1] asks in vain".into(),
        };
        store.finish(&task("t1").id, Err(failure)).await.unwrap();
        let result = told("/result").await;
        assert!(
            result.contains("every worker that may do a step failed"),
            "{result}"
        );
        assert!(!result.contains("[PERSON_1]"), "{result}");
    }
}
