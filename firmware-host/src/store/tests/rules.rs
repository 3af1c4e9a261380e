//! Standing approvals in the chain.

use super::{
    audit::{faults, record},
    *,
};

/// A store whose question of the first task became a rule, and a later one that was ended.
async fn ruled() -> (TempDir, Store) {
    let (folder, store) = record().await;
    for digest in ["d2", "d3"] {
        let asked = question("t2", digest, 600);
        store.put(&asked).await.unwrap();
        let ballot = Ballot {
            reach: Reach::Rule,
            proof: Some(format!("yes to {digest}")),
            ..Ballot::new(true, "mqtt:ada")
        };
        store.vote(&asked.id, ballot).await.unwrap();
        // The next question is not answered by this rule.
        let number = store.standing_approvals().await.unwrap()[0].number;
        assert!(digest == "d3" || store.revoke_standing(number, "ada").await.unwrap());
    }
    let later = Moment(Moment::now().0 + 1);
    store.finish(&task("t2").id, Ok(answer("b"))).await.unwrap();
    store.purge(Label::Internal, later, "test").await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn rules_stay_in_a_chain_that_lost_its_beginning_and_one_put_in_beside_it_is_found() {
    let (folder, store) = ruled().await;
    store.write(|c| chain::shorten(c, 3)).await.unwrap();
    let lines = store.export(None, 0).await.unwrap();
    let kinds: Vec<&str> = lines.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(kinds[kinds.len() - 3..], ["ruled", "revoked", "ruled"]);
    assert!(lines[0].link > 1, "{kinds:?}");
    assert_eq!(faults(&store).await, Vec::<String>::new());
    let raw = Connection::open(folder.path().join(FILE)).unwrap();
    let more = "INSERT INTO standing (approval, source, worker, rank, people, made_by, made_at)
                SELECT approval, source, 'cloud-2', rank, people, made_by, made_at FROM standing WHERE revoked_at IS NULL";
    raw.execute_batch(more).unwrap();
    let added = ["standing approval 3 is not in the chain: it was added"];
    assert_eq!(faults(&store).await, added);
    // Nor is it taken in when the chain is cut again.
    store.accept(accepting(task("t4"))).await.unwrap();
    store.write(|c| chain::shorten(c, 1)).await.unwrap();
    assert_eq!(faults(&store).await, added);
}

#[tokio::test]
async fn a_chain_that_begins_anew_has_votes_and_rules_in_it() {
    let (_folder, store) = ruled().await;
    let again = question("t4", "d4", 600);
    store.accept(accepting(task("t4"))).await.unwrap();
    store.put(&again).await.unwrap();
    store
        .vote(&again.id, Ballot::new(true, "ada"))
        .await
        .unwrap();
    let anew = |c: &Connection| {
        c.execute_batch("DELETE FROM link; DELETE FROM chain_head")?;
        chain::begin(c)
    };
    store.write(anew).await.unwrap();
    let lines = store.export(None, 0).await.unwrap();
    let kinds: Vec<&str> = lines.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["accepted", "asked", "decided", "ruled", "revoked", "ruled"]
    );
    // The head that is kept apart is of another chain, and nothing else is wrong.
    let said = faults(&store).await;
    assert!(
        said.iter().all(|said| said.contains(kept::FILE)),
        "{said:?}"
    );
}
