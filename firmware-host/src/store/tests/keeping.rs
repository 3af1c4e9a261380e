use super::*;

#[tokio::test]
async fn a_question_waits_for_the_one_decision_that_comes_first() {
    let (folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    let asked = question("t1", "d1", 600);
    let waiting = {
        let (store, asked) = (store.clone(), asked.clone());
        tokio::spawn(async move { store.ask(&asked).await.unwrap() })
    };
    let mut changes = store.inner.approvals.subscribe();
    while store.approvals(true).await.unwrap().is_empty() {
        changes.changed().await.unwrap();
    }
    assert_eq!(
        store.find(&asked.task, 1, "d1").await.unwrap(),
        Some(asked.id.clone())
    );
    // Another process, such as the command line.
    let other = Store::open(folder.path()).await.unwrap();
    assert_eq!(
        other.decide(&asked.id, true, "ada").await.unwrap(),
        DecideOutcome::Decided
    );
    let by_ada = Decision::Approved { by: "ada".into() };
    assert_eq!(
        store.decide(&asked.id, false, "bob").await.unwrap(),
        DecideOutcome::AlreadyDecided {
            decision: by_ada.clone()
        }
    );
    assert_eq!(waiting.await.unwrap(), by_ada);
    assert_eq!(store.ask(&asked).await.unwrap(), by_ada);
    assert_eq!(store.asking(), 0);
    assert!(store.approvals(true).await.unwrap().is_empty());
    let nobody = ApprovalId::try_new("nobody").unwrap();
    assert_eq!(
        store.decide(&nobody, true, "ada").await.unwrap(),
        DecideOutcome::Unknown
    );
}

#[tokio::test]
async fn a_question_expires_and_cannot_be_answered_then() {
    let (_folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    let asked = question("t1", "d1", 0);
    assert_eq!(store.ask(&asked).await.unwrap(), Decision::Expired);
    assert_eq!(
        store.decide(&asked.id, true, "ada").await.unwrap(),
        DecideOutcome::Expired
    );
}

#[tokio::test]
async fn of_many_decisions_at_once_exactly_one_counts() {
    let (_folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    let asked = question("t1", "d1", 600);
    store.put(&asked).await.unwrap();
    let all = (0..20).map(|n| {
        let (store, id) = (store.clone(), asked.id.clone());
        async move {
            store
                .decide(&id, n % 2 == 0, &format!("p{n}"))
                .await
                .unwrap()
        }
    });
    let outcomes = futures::future::join_all(all).await;
    let counted = outcomes.iter().filter(|o| **o == DecideOutcome::Decided);
    assert_eq!(counted.count(), 1);
}

#[tokio::test]
async fn many_reservations_at_once_never_pass_the_budget() {
    let (folder, store) = store().await;
    let other = Store::open(folder.path()).await.unwrap();
    let budget = Budget {
        money_per_day: Some(MicroDollars(1_000)),
        tokens_per_day: None,
        requests_per_day: None,
    };
    let within = [Allowance::of_day(Whose::Everyone, &budget)];
    let estimate = Estimate {
        task: task("t1").id,
        worker: WorkerId::try_new("cloud").unwrap(),
        tokens: Tokens(10),
        cost: MicroDollars(90),
    };
    let all = (0..50).map(|n| {
        let store = if n % 2 == 0 {
            store.clone()
        } else {
            other.clone()
        };
        let estimate = estimate.clone();
        let within = within.clone();
        async move { store.reserve(&estimate, &within).await }
    });
    let results = futures::future::join_all(all).await;
    let charges: Vec<_> = results.iter().filter_map(|r| r.as_ref().ok()).collect();
    assert_eq!(charges.len(), 11);
    assert_eq!(
        store.reserve(&estimate, &within).await,
        Err(LedgerError::Over {
            rule: "budget.money_per_day".into(),
            what: Resource::Money,
            spent: 990,
            limit: 1_000,
            asked: 90
        })
    );
    store
        .settle(*charges[0], Tokens(1), MicroDollars(0))
        .await
        .unwrap();
    // Settled once; a second time changes nothing.
    store
        .settle(*charges[0], Tokens(1), MicroDollars(500))
        .await
        .unwrap();
    assert_eq!(store.spent_today().await.unwrap().cost, MicroDollars(900));
    assert!(store.reserve(&estimate, &within).await.is_ok());
}

#[tokio::test]
async fn a_key_opens_until_it_is_revoked_by_any_process() {
    let (folder, store) = store().await;
    let new = NewKey {
        name: "line-3".into(),
        scopes: vec![Scope::Chat],
        label: Label::Internal,
        workers: Some(vec![WorkerId::try_new("local").unwrap()]),
    };
    let (info, secret) = store.create_key(new.clone()).await.unwrap();
    assert!(secret.expose().starts_with("sk-shoal-"));
    assert_eq!(
        store.create_key(new.clone()).await.unwrap_err(),
        StoreError::NameTaken("line-3".into())
    );
    let other = Store::open(folder.path()).await.unwrap();
    assert_eq!(
        other.authenticate(secret.expose()).await.unwrap(),
        Some(info.clone())
    );
    assert!(info.allows(Scope::Chat) && !info.allows(Scope::Read));
    assert_eq!(store.authenticate("sk-shoal-00").await.unwrap(), None);
    let bytes = std::fs::read(folder.path().join("shoal.db-wal")).unwrap();
    let needle = &secret.expose().as_bytes()[9..];
    assert!(!bytes.windows(needle.len()).any(|window| window == needle));

    assert!(other.revoke_key("line-3").await.unwrap());
    assert!(!other.revoke_key("line-3").await.unwrap());
    assert_eq!(store.authenticate(secret.expose()).await.unwrap(), None);
    assert!(store.create_key(new).await.is_ok());
    assert_eq!(store.keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn beyond_the_bytes_the_oldest_finished_tasks_go_but_none_that_has_just_ended() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StoreLimits {
        bytes: 400_000,
        ..StoreLimits::default()
    };
    let store = Store::open_with(folder.path(), limits, KeySource::default())
        .await
        .unwrap();
    let ids = ["open", "old-1", "old-2", "new-1", "new-2"];
    let known = async || {
        let heads = store.tasks(TaskFilter::default()).await.unwrap();
        let mut ids: Vec<_> = heads.iter().map(|head| head.id.to_string()).collect();
        ids.reverse();
        ids.join(" ")
    };
    for id in ids {
        let mut task = task(id);
        task.messages[0].content = "x".repeat(100_000);
        store.accept(accepting(task)).await.unwrap();
    }
    let finish = async |id: &str| store.finish(&task(id).id, Ok(answer("a"))).await.unwrap();
    for id in &ids[1..4] {
        finish(id).await;
    }
    assert_eq!(known().await, "open old-1 old-2 new-1 new-2");
    store
        .write(|c| {
            let aged = "UPDATE task SET finished_at = 1 WHERE id LIKE 'old-%'";
            Ok(c.execute(aged, [])?)
        })
        .await
        .unwrap();
    finish("new-2").await;
    assert_eq!(known().await, "open new-1 new-2");
}

#[tokio::test]
async fn each_source_has_its_own_budget_and_all_share_the_common_one() {
    let (_folder, store) = store().await;
    for (id, from) in [("t1", "api:a"), ("t2", "api:b")] {
        let mut task = task(id);
        task.from = from.into();
        store.accept(accepting(task)).await.unwrap();
    }
    let requests = |n| Budget {
        requests_per_day: Some(n),
        ..Budget::default()
    };
    let reserve = async |id: &str, from: &str| {
        let estimate = Estimate {
            task: task(id).id,
            worker: WorkerId::try_new("cloud").unwrap(),
            tokens: Tokens(10),
            cost: MicroDollars(90),
        };
        let origin = Whose::Origin {
            of: "source[0]".into(),
            from: from.into(),
        };
        let all = [
            Allowance::of_day(Whose::Everyone, &requests(3)),
            Allowance::of_day(origin, &requests(2)),
        ];
        store.reserve(&estimate, &all).await
    };
    assert!(reserve("t1", "api:a").await.is_ok());
    assert!(reserve("t1", "api:a").await.is_ok());
    let over = reserve("t1", "api:a").await.unwrap_err().to_string();
    insta::assert_snapshot!(over, @r#"source[0].requests_per_day would be passed: 2 of 2 is spent and this call may take 1"#);
    assert!(reserve("t2", "api:b").await.is_ok());
    let over = reserve("t2", "api:b").await.unwrap_err().to_string();
    insta::assert_snapshot!(over, @r#"budget.requests_per_day would be passed: 3 of 3 is spent and this call may take 1"#);
}

#[tokio::test]
async fn what_a_request_allows_holds_for_all_calls_of_its_task_and_of_no_other() {
    let (folder, store) = store().await;
    for id in ["t1", "t2"] {
        store.accept(accepting(task(id))).await.unwrap();
    }
    let limits = TaskLimits {
        max_cost: Some(MicroDollars(10_000)),
        max_remote_calls: Some(2),
        ..TaskLimits::default()
    };
    let own: Vec<Allowance> = Allowance::of_task(&limits).into_iter().collect();
    let estimate = |id: &str, cost| Estimate {
        task: task(id).id,
        worker: WorkerId::try_new("cloud").unwrap(),
        tokens: Tokens(10),
        cost: MicroDollars(cost),
    };
    let over = store.reserve(&estimate("t1", 10_001), &own).await;
    insta::assert_snapshot!(over.unwrap_err(), @"the request's max_cost_usd would be passed: $0.000000 of $0.010000 is spent and this call may take $0.010001");
    let charge = store.reserve(&estimate("t1", 9_000), &own).await.unwrap();
    let over = store.reserve(&estimate("t1", 2_000), &own).await;
    insta::assert_snapshot!(over.unwrap_err(), @"the request's max_cost_usd would be passed: $0.009000 of $0.010000 is spent and this call may take $0.002000");
    store
        .settle(charge, Tokens(5), MicroDollars(1_000))
        .await
        .unwrap();
    // Another process, as after a restart, counts the same.
    let other = Store::open(folder.path()).await.unwrap();
    other.reserve(&estimate("t1", 2_000), &own).await.unwrap();
    let over = store.reserve(&estimate("t1", 1), &own).await;
    insta::assert_snapshot!(over.unwrap_err(), @"the request's max_remote_calls would be passed: 2 of 2 is spent and this call may take 1");
    assert!(store.reserve(&estimate("t2", 2_000), &own).await.is_ok());
    // Nor does it matter what a clock says that was set meanwhile, and of no task nothing is known.
    store
        .write(|c| Ok(c.execute("UPDATE charge SET at = 0, day = 20000", [])?))
        .await
        .unwrap();
    assert!(store.reserve(&estimate("t1", 1), &own).await.is_err());
    let nobody = store.reserve(&estimate("t3", 1), &own).await;
    assert!(matches!(nobody, Err(LedgerError::Unavailable(_))));
}

#[tokio::test]
async fn a_task_of_an_earlier_version_is_read_and_has_no_limits() {
    let mut old = serde_json::to_value(task("t1")).unwrap();
    assert_eq!(old.get("limits"), None);
    old["workers"] = serde_json::json!(["local"]);
    let read: Task = serde_json::from_value(old).unwrap();
    assert!(read.limits.is_none());
}

/// What is redacted in one text says nothing of what is redacted in the next.
#[tokio::test]
async fn a_standing_approval_is_for_the_label_that_was_read() {
    let (_folder, store) = store().await;
    store.accept(accepting(task("t1"))).await.unwrap();
    let asked = |digest: &str, read| Question {
        label: Label::Public,
        read,
        ..question("t1", digest, 600)
    };
    let first = asked("d1", Label::Confidential);
    store.put(&first).await.unwrap();
    let ballot = Ballot {
        reach: Reach::Rule,
        ..Ballot::new(true, "api:ada")
    };
    store.vote(&first.id, ballot).await.unwrap();
    for (digest, read, is_approved) in [
        ("d2", Label::Confidential, true),
        ("d3", Label::Restricted, false),
    ] {
        let next = asked(digest, read);
        store.put(&next).await.unwrap();
        let record = store.approval(&next.id).await.unwrap().unwrap();
        assert_eq!(record.decision.is_some(), is_approved, "{read}");
    }
}
