//! The power goes at each sync of the real program in turn: what was not synced is lost, or torn in the middle of a page.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::{Broker, Subscriber},
    scripted::{Line, Scripted},
    wait::until,
};
use tempfile::TempDir;

const POLICY: &str = r#"
[sources]
mqtt = "public"
[escalation]
public = "free"
confidential = "approve"
[workers.cloud]
clearance = "confidential"
strength = 80
"#;
/// The write-ahead log of the store.
const LOG: &str = "shoal.db-wal";
/// More than the syncs from the first start to the end of two tasks.
const MOST: usize = 200;

const TASKS: &str = "shoal/v1/plant/line3/tasks";
/// Between two looks at what was told.
const PAUSE: Duration = Duration::from_millis(10);
/// Looks after which a task without a result is sent again.
const AGAIN: usize = 100;

/// What became of what was not synced.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Everything: only the program was killed.
    Kept,
    /// Nothing.
    Lost,
    /// Half of it, and then what the disk happened to hold.
    Torn,
}

/// A command that starts a program and kills it when one of its threads begins its sync of this number, and notes what was
/// written and synced, a file for each thread.
fn doomed(sync: usize, notes: &Path) -> Vec<String> {
    let (kill, notes) = (
        format!("inject=fsync,fdatasync:signal=KILL:when={sync}"),
        notes.join("thread").display().to_string(),
    );
    let words = [
        "strace",
        "-D",
        "-ff",
        "-qq",
        "-ttt",
        "-y",
        "-s",
        "0",
        "-o",
        &notes,
        "-e",
        "trace=pwrite64,fsync,fdatasync",
        "-e",
        &kill,
    ];
    words.map(str::to_owned).into()
}

/// To where the log of the store was synced, and to where it was written.
fn synced(notes: &Path) -> Result<(usize, usize)> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(notes)? {
        let text = std::fs::read_to_string(entry?.path())?;
        let ours = text.lines().filter(|line| line.contains(LOG));
        lines.extend(ours.filter_map(|line| {
            let (at, call) = line.split_once(' ')?;
            Some((at.to_owned(), call.to_owned()))
        }));
    }
    lines.sort();
    let (mut synced, mut written) = (0, 0);
    for (_, call) in lines.iter().filter(|(_, call)| !call.ends_with("= ?")) {
        if !call.starts_with("pwrite64") {
            synced = written;
            continue;
        }
        // pwrite64(12</data/shoal.db-wal>, ""..., 4096, 56) = 4096
        let (_, numbers) = call.rsplit_once('"').context("no bytes")?;
        let mut numbers = numbers
            .split(|c: char| !c.is_ascii_digit())
            .filter(|word| !word.is_empty())
            .map(str::parse::<usize>);
        let mut next = || numbers.next().context("no number");
        let (bytes, at) = (next()??, next()??);
        // At its beginning the log begins anew.
        synced = synced.min(at);
        written = at + bytes;
    }
    Ok((synced, written))
}

/// Does to the log what a power cut does.
fn cut(data: &Path, notes: &Path, fate: Fate) -> Result<()> {
    let path = data.join(LOG);
    if matches!(fate, Fate::Kept) || !path.exists() {
        return Ok(());
    }
    let (synced, written) = synced(notes)?;
    let mut log = std::fs::read(&path)?;
    ensure!(
        synced <= written && written <= log.len(),
        "{synced} {written} {}",
        log.len()
    );
    match fate {
        Fate::Kept => {}
        Fate::Lost => log.truncate(synced),
        Fate::Torn => {
            let half = synced + (written - synced) / 2;
            log[half..].fill(0x5a);
        }
    }
    Ok(std::fs::write(&path, log)?)
}

/// What the outside was told.
#[derive(Debug, Default)]
struct Told {
    accepted: bool,
    approved: bool,
    result: bool,
}

fn asked() -> Value {
    json!({"id": "asked", "model": "cloud", "prompt": "What is item 1?", "label": "confidential"})
}

fn sent() -> String {
    json!({"id": "sent", "model": "cloud", "prompt": "What is item 2?"}).to_string()
}

/// The question of the first task, while it is open.
async fn question(appliance: &Appliance) -> Option<String> {
    let open = appliance.get("/api/approvals").await.ok()?;
    let id = &open["approvals"].as_array()?.first()?["question"]["id"];
    Some(id.as_str()?.to_owned())
}

/// Two tasks from beginning to end, one over HTTP that a person says yes to and one over MQTT, as far as the program lives.
async fn work(appliance: &mut Appliance, broker: &Broker, results: &Subscriber) -> Result<Told> {
    let mut told = Told::default();
    if appliance.ready().await.is_err() {
        return Ok(told);
    }
    let Ok(answer) = appliance
        .send(Method::POST, "/api/tasks", Some(asked()))
        .await
    else {
        return Ok(told);
    };
    told.accepted = answer.status().is_success();
    for turn in 0.. {
        if !told.accepted || told.result || !appliance.is_running()? {
            break;
        }
        // As a device does that has no answer: what it sends before the appliance listens is lost.
        if turn % AGAIN == 0 {
            broker.publish(TASKS, &sent(), &[]).await?;
        }
        if let Some(id) = question(appliance).await {
            let path = format!("/api/approvals/{id}");
            let said = json!({"decision": "approve"});
            let answer = appliance.send(Method::POST, &path, Some(said)).await;
            told.approved |= answer.is_ok_and(|answer| answer.status().is_success());
        }
        let both = ["asked", "sent"].map(|id| heard(results, id).len());
        told.result = !both.contains(&0);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(told)
}

/// The different results of a task so far.
fn heard(results: &Subscriber, id: &str) -> Vec<Value> {
    let mut all = results.payloads(&format!("shoal/v1/plant/line3/tasks/{id}/result"));
    all.dedup();
    all
}

/// After the restart nothing is missing that the outside was told, and both tasks come to one end.
async fn judge(
    appliance: &Appliance,
    told: &Told,
    provider: &Scripted,
    broker: &Broker,
    results: &Subscriber,
) -> Result<()> {
    let there = appliance
        .send(Method::GET, "/api/tasks/asked", None)
        .await?;
    ensure!(
        there.status().is_success() || (there.status() == StatusCode::NOT_FOUND && !told.accepted),
        "the accepted task is {}",
        there.status()
    );
    appliance.post("/api/tasks", asked()).await?;
    let mut turn = 0;
    until("both tasks have results", async || {
        if turn % AGAIN == 0 {
            broker.publish(TASKS, &sent(), &[]).await.ok()?;
        }
        turn += 1;
        if let Some(id) = question(appliance).await {
            assert!(!told.approved, "it asks again");
            let path = format!("/api/approvals/{id}");
            let said = json!({"decision": "approve"});
            // Decided a moment ago, it is refused.
            let _ = appliance.send(Method::POST, &path, Some(said)).await;
        }
        let all = ["asked", "sent"].map(|id| heard(results, id));
        all.iter().all(|one| !one.is_empty()).then_some(())
    })
    .await?;
    for (id, item) in [("asked", "item 1"), ("sent", "item 2")] {
        let record = appliance.ended(id).await?;
        ensure!(record["state"] == "done", "{record}");
        let all = heard(results, id);
        ensure!(all.len() == 1, "{all:?}");
        // What came over HTTP was answered there.
        let said = match id {
            "sent" => record["answer"]["text"].clone(),
            _ => Value::Null,
        };
        ensure!(all[0]["answer"] == said, "{all:?}");
        let events = appliance.events(id).await?;
        let called = events.iter().filter(|event| event["event"] == "called");
        let requests = provider.requests();
        let asked = requests
            .iter()
            .filter(|request| request.to_string().contains(item));
        let (asked, called) = (asked.count(), called.count());
        ensure!(asked <= called, "{id}: {asked} requests, {called} lines");
    }
    let audit = appliance.printed_by(&["trace", "--verify"]).await?;
    ensure!(!audit.is_empty(), "nothing was verified");
    Ok(())
}

/// One life that ends at a sync of this number, and the next one. Whether it came so far.
async fn life(sync: usize, fate: Fate) -> Result<bool> {
    let notes = TempDir::new()?;
    let broker = Broker::start().await?;
    let results = broker
        .subscribe("shoal/v1/plant/line3/tasks/+/result")
        .await?;
    let provider = Scripted::start(|_, _| Line::Says("It is a valve.".to_owned())).await?;
    let mut appliance = Setup::new()?
        .model(Path::new("/nonexistent/model.gguf"))
        .policy(POLICY)
        .broker(broker.port())
        .remote("cloud", provider.address(), "m", "k")?
        .within(doomed(sync, notes.path()))
        .launch()?;
    let told = work(&mut appliance, &broker, &results).await?;
    let died = !appliance.is_running()?;
    if died {
        cut(appliance.data(), notes.path(), fate)?;
    } else {
        ensure!(told.result, "it lives and has no result: {told:?}");
        appliance.kill().await?;
    }
    appliance.restart_alone().await?;
    judge(&appliance, &told, &provider, &broker, &results)
        .await
        .with_context(|| format!("{told:?}"))?;
    Ok(died)
}

#[tokio::test]
async fn nothing_that_was_told_is_lost_whenever_the_power_goes() -> Result<()> {
    for sync in 1..MOST {
        let fate = [Fate::Lost, Fate::Torn, Fate::Kept][sync % 3];
        let died = life(sync, fate).await;
        if !died.with_context(|| format!("at sync {sync}, {fate:?}"))? {
            ensure!(sync > 10, "there were only {sync} syncs");
            return Ok(());
        }
    }
    anyhow::bail!("it syncs without end")
}
