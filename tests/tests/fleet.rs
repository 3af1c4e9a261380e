//! Three boards, each on a machine of its own, and one queue: one board is killed and one is cut off in the middle of a task,
//! and each does as much as it has places for.

use std::{
    collections::{BTreeMap, HashSet},
    net::Ipv4Addr,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::{Broker, Subscriber},
    namespace::{Host, crossing, enter},
    scripted::{Line, Scripted},
    wait::until,
};
use tokio::sync::watch;

const TASKS: usize = 300;
const BOARDS: [&str; 3] = ["b1", "b2", "b3"];
const POLICY: &str = "[workers.cloud]\nclearance = \"public\"\nstrength = 80\n";

/// The first one to be asked to "hold-a" gets no answer, and the first one to be asked to "hold-b" when the gate is open.
async fn provider(host: Ipv4Addr, gate: watch::Receiver<bool>) -> Result<Scripted> {
    let seen = Mutex::new(HashSet::new());
    Scripted::at(host, move |_, request| {
        let asked = request["messages"].to_string();
        let held = ["hold-a", "hold-b"]
            .into_iter()
            .find(|word| asked.contains(word));
        let Some(word) = held else {
            return Line::Says("done".to_owned());
        };
        let first = {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(word)
        };
        match (first, word) {
            (true, "hold-a") => Line::Hangs,
            (true, _) => Line::Waits(gate.clone(), "too late".to_owned()),
            (false, _) => Line::Says("in time".to_owned()),
        }
    })
    .await
}

fn board(name: &str, broker: &Broker, provider: &Scripted, more: &str) -> Result<Setup> {
    let fleet =
        format!("[fleet]\ngroup = \"presses\"\nlease_seconds = 4\nremember_minutes = 10\n{more}");
    let setup = Setup::new()?
        .named(name)
        .policy(POLICY)
        .broker_at(broker.address())
        .remote("cloud", provider.address(), "m", "k")?
        .config(&fleet);
    Ok(setup)
}

fn task(id: &str) -> String {
    json!({"id": id, "model": "cloud", "prompt": format!("Say {id}."), "max_tokens": 8}).to_string()
}

fn results(subscriber: &Subscriber, id: &str) -> Vec<Value> {
    subscriber.payloads(&format!("shoal/v1/plant/tasks/{id}/result"))
}

/// Who holds a task.
async fn holder(claims: &Subscriber, id: &str) -> Result<usize> {
    let topic = format!("shoal/v1/plant/presses/claims/{id}");
    let claim = claims.first(&topic).await?;
    let name = claim["board"].as_str().context("no board")?;
    BOARDS
        .iter()
        .position(|one| *one == name)
        .context("no such board")
}

async fn asked(provider: &Scripted, word: &str) -> Result<()> {
    until(word, async || {
        let all = provider.requests();
        let asked = all
            .iter()
            .any(|request| request["messages"].to_string().contains(word));
        asked.then_some(())
    })
    .await
}

async fn joined(board: &Appliance) -> Result<()> {
    until("it takes tasks", async || {
        let log = board.log().ok()?;
        log.contains("this board takes tasks of the fleet")
            .then_some(())
    })
    .await
}

#[tokio::test]
async fn with_one_board_killed_and_one_cut_off_in_mid_task_all_tasks_have_one_answer() -> Result<()>
{
    if enter("with_one_board_killed_and_one_cut_off_in_mid_task_all_tasks_have_one_answer").await? {
        return Ok(());
    }
    let here = crossing().await?;
    let broker = Broker::at(here).await?;
    let gate = watch::Sender::new(false);
    let provider = provider(here, gate.subscribe()).await?;
    let mut hosts = Vec::new();
    let mut boards = Vec::new();
    for (number, name) in (1..).zip(BOARDS) {
        let host = Host::new(number).await?;
        let setup = board(name, &broker, &provider, "")?.on(&host)?;
        let appliance = setup.start().await?;
        joined(&appliance).await?;
        hosts.push(host);
        boards.push(appliance);
    }
    let answers = broker.subscribe("shoal/v1/plant/tasks/+/result").await?;
    let claims = broker.subscribe("shoal/v1/plant/presses/claims/+").await?;
    let tasks = "shoal/v1/plant/tasks";

    broker.publish(tasks, &task("hold-a"), &[]).await?;
    asked(&provider, "hold-a").await?;
    let killed = holder(&claims, "hold-a").await?;
    // The next one goes to another board only if that one is free of it.
    boards[killed].kill().await?;
    broker.publish(tasks, &task("hold-b"), &[]).await?;
    asked(&provider, "hold-b").await?;
    let cut = holder(&claims, "hold-b").await?;
    assert_ne!(killed, cut);
    hosts[cut].cut().await?;
    let lines: Vec<String> = (0..TASKS - 2).map(|n| task(&format!("t-{n}"))).collect();
    broker.publish_all(tasks, &lines).await?;
    // Sent twice, as a device does that is not sure.
    broker.publish(tasks, &task("t-0"), &[]).await?;

    let ids = || {
        let numbered = (0..TASKS - 2).map(|n| format!("t-{n}"));
        numbered.chain(["hold-a".to_owned(), "hold-b".to_owned()])
    };
    until("every task has an answer", async || {
        ids()
            .all(|id| !results(&answers, &id).is_empty())
            .then_some(())
    })
    .await?;
    // The board that was cut off ends its task, and comes back.
    gate.send_replace(true);
    hosts[cut].mend().await?;
    until("it has heard that another one did it", async || {
        let log = boards[cut].log().ok()?;
        log.contains("another board does the task now")
            .then_some(())
    })
    .await?;
    broker.publish(tasks, &task("last"), &[]).await?;
    until("the last answer", async || results(&answers, "last").pop()).await?;

    let (mut by, mut twice) = (BTreeMap::new(), 0);
    for id in ids() {
        let all = results(&answers, &id);
        assert!(all.iter().all(|one| one == &all[0]), "{id}: {all:?}");
        assert_eq!(all[0]["state"], "done", "{id}: {all:?}");
        twice += all.len() - 1;
        let board = all[0]["board"].as_str().unwrap_or_default().to_owned();
        *by.entry(board).or_insert(0) += 1;
    }
    for id in ["hold-a", "hold-b"] {
        let answer = &results(&answers, id)[0];
        assert_eq!(
            (&answer["answer"], &answer["epoch"]),
            (&json!("in time"), &json!(2))
        );
    }
    // Only a board that dies between publishing and closing leaves a second copy, and none did.
    assert_eq!(twice, 0, "{by:?}");
    Ok(())
}

#[tokio::test]
async fn a_board_that_lacks_a_worker_takes_nothing_and_the_other_does_all() -> Result<()> {
    let broker = Broker::start().await?;
    let provider = Scripted::start(|_, _| Line::Says("done".to_owned())).await?;
    let lacking = board("b1", &broker, &provider, "needs = [\"forge\"]\n")?;
    let lacking = lacking.start().await?;
    let able = board("b2", &broker, &provider, "")?.start().await?;
    joined(&able).await?;
    until("it says why it takes nothing", async || {
        let log = lacking.log().ok()?;
        log.contains("this board takes no tasks of the fleet")
            .then_some(())
    })
    .await?;
    let answers = broker.subscribe("shoal/v1/plant/tasks/+/result").await?;
    let errors = broker.subscribe("shoal/v1/plant/errors").await?;
    let lines: Vec<String> = (0..20).map(|n| task(&format!("t-{n}"))).collect();
    broker.publish_all("shoal/v1/plant/tasks", &lines).await?;
    broker.publish("shoal/v1/plant/tasks", "no id", &[]).await?;
    for n in 0..20 {
        let topic = format!("shoal/v1/plant/tasks/t-{n}/result");
        assert_eq!(answers.first(&topic).await?["board"], "b2");
    }
    let error = errors.first("shoal/v1/plant/errors").await?;
    assert!(error["error"].to_string().contains("\\\"id\\\""), "{error}");
    Ok(())
}

#[tokio::test]
async fn each_board_does_as_much_as_it_has_places_for() -> Result<()> {
    const PLACES: [usize; 3] = [1, 2, 4];
    const ALL: usize = 7;
    const ROUNDS: usize = 6;
    if enter("each_board_does_as_much_as_it_has_places_for").await? {
        return Ok(());
    }
    let here = crossing().await?;
    let broker = Broker::at(here).await?;
    // No task ends before every place of every board is taken, so that a share says nothing of how fast this machine is.
    let full: Vec<_> = (0..ROUNDS).map(|_| watch::Sender::new(false)).collect();
    let provider = Scripted::at(here, move |number, _| {
        let round = &full[number / ALL];
        if number % ALL == ALL - 1 {
            round.send_replace(true);
        }
        Line::Waits(round.subscribe(), "done".to_owned())
    })
    .await?;
    let mut boards = Vec::new();
    for ((number, name), places) in (1..).zip(BOARDS).zip(PLACES) {
        let host = Host::new(number).await?;
        let setup = board(name, &broker, &provider, &format!("capacity = {places}\n"))?;
        let appliance = setup.on(&host)?.start().await?;
        joined(&appliance).await?;
        boards.push((host, appliance));
    }
    let answers = broker.subscribe("shoal/v1/plant/tasks/+/result").await?;
    let ids: Vec<String> = (0..ALL * ROUNDS).map(|n| format!("t-{n}")).collect();
    let lines: Vec<String> = ids.iter().map(|id| task(id)).collect();
    broker.publish_all("shoal/v1/plant/tasks", &lines).await?;
    let mut by = BTreeMap::new();
    for id in &ids {
        let topic = format!("shoal/v1/plant/tasks/{id}/result");
        let answer = answers.first(&topic).await?;
        assert_eq!(answer["state"], "done", "{answer}");
        let board = answer["board"].as_str().unwrap_or_default().to_owned();
        *by.entry(board).or_insert(0) += 1;
    }
    let shares = BOARDS.map(|name| by.get(name).copied().unwrap_or_default());
    assert_eq!(shares, PLACES.map(|places| places * ROUNDS));
    Ok(())
}
