//! Tasks over MQTT while the broker is killed, the appliance is killed and the network swallows every packet, again and
//! again. `SHOAL_CHAOS_TASKS` and `SHOAL_CHAOS_KILLS` make it larger than what every run of the tests does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup},
    broker::Broker,
    mqtt::Device,
    namespace::{enter, system},
    scripted::{Line, Scripted},
    wait::until,
};

const ROOT: &str = "shoal/v1/plant/line3/";
const POLICY: &str = r#"
[sources]
mqtt = "public"
[escalation]
public = "free"
[workers.cloud]
clearance = "internal"
strength = 80
"#;
/// How long the network is gone: longer than a keep-alive of the device, so that connections die of it.
const HOLE: Duration = Duration::from_secs(8);
/// A device sends a task again that has no answer for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// With more tasks than this the broker forgets, when it is killed, up to a hundred changes of what it acknowledged.
const FEW: usize = 1_000;
/// Tasks that a device waits for at once.
const WINDOW: usize = 200;

fn number(variable: &str, usual: usize) -> Result<usize> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable} is no number")),
        Err(_) => Ok(usual),
    }
}

fn name(number: usize) -> String {
    format!("chaos-{number:05}")
}

fn task(number: usize) -> Value {
    json!({"id": name(number), "model": "cloud", "prompt": format!("Item {number:05} of the list: what is it?")})
}

/// The number of the task that a request is for.
fn asked(request: &Value) -> Option<usize> {
    let text = request.to_string();
    let (_, rest) = text.split_once("Item ")?;
    rest.get(..5)?.parse().ok()
}

/// Sends every task and keeps sending those that have no answer, in the order of their numbers.
async fn sending(device: Arc<Device>, tasks: usize) -> Result<()> {
    let mut sent: BTreeMap<usize, tokio::time::Instant> = BTreeMap::new();
    let mut next = 0;
    loop {
        {
            let heard = device.heard();
            sent.retain(|number, _| !heard.results.contains_key(&name(*number)));
        }
        if sent.is_empty() && next == tasks {
            return Ok(());
        }
        let late = |since: &tokio::time::Instant| since.elapsed() > PATIENCE;
        let again = sent.iter().filter(|(_, since)| late(since));
        let mut due: Vec<usize> = again.map(|(number, _)| *number).collect();
        while next < tasks && sent.len() < WINDOW {
            due.push(next);
            sent.insert(next, tokio::time::Instant::now());
            next += 1;
        }
        for number in due {
            device.send(&task(number)).await?;
            sent.insert(number, tokio::time::Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// No packet passes for a while; where the system has netem, they are late and some are lost afterwards.
async fn hole() -> Result<()> {
    let all = ["qdisc", "replace", "dev", "lo", "root"];
    let swallow = ["tbf", "rate", "8bit", "burst", "225", "limit", "1"];
    if system("tc", &[&all[..], &swallow].concat()).await.is_err() {
        // A system without that queue: the loopback goes altogether.
        system("ip", &["link", "set", "lo", "down"]).await?;
        tokio::time::sleep(HOLE).await;
        return system("ip", &["link", "set", "lo", "up"]).await;
    }
    tokio::time::sleep(HOLE).await;
    let late = ["netem", "delay", "5ms", "5ms", "loss", "1%"];
    if system("tc", &[&all[..], &late].concat()).await.is_err() {
        system("tc", &["qdisc", "del", "dev", "lo", "root"]).await?;
    }
    Ok(())
}

/// Waits until so many tasks have their results.
async fn answered(device: &Device, tasks: usize) -> Result<()> {
    until("the next tasks are answered", async || {
        (device.heard().results.len() >= tasks).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_has_one_end_and_one_result_however_often_broker_network_and_appliance_go()
-> Result<()> {
    let test =
        "every_task_has_one_end_and_one_result_however_often_broker_network_and_appliance_go";
    if enter(test).await? {
        return Ok(());
    }
    let tasks = number("SHOAL_CHAOS_TASKS", 240)?;
    let kills = number("SHOAL_CHAOS_KILLS", 3)?;
    let provider =
        Scripted::start(|_, request| Line::Says(format!("item {:?}", asked(request)))).await?;
    let mut broker = Broker::saving_after(if tasks > FEW { 100 } else { 1 }).await?;
    let nothing = std::path::Path::new("/nonexistent/model.gguf");
    let setup = Setup::new()?
        .model(nothing)
        .policy(POLICY)
        .remote("cloud", provider.address(), "m", "k")?
        .broker(broker.port())
        .link("tasks_per_minute = 1000000\nreplay_per_second = 2000\n")
        .config("[limits]\nmax_open_tasks = 100000\nmax_running = 16\nmax_outbox = 100000\n");
    let mut appliance = setup.start().await?;
    let device = Arc::new(Device::start(broker.port(), ROOT));
    let sender = tokio::spawn(sending(Arc::clone(&device), tasks));
    let disturbances = 3 * kills;
    for turn in 0..disturbances {
        answered(&device, tasks * turn / (disturbances + 1)).await?;
        match turn % 3 {
            0 => {
                broker.kill().await?;
                broker.restart().await?;
            }
            1 => {
                appliance.kill().await?;
                appliance.restart().await?;
            }
            _ => hole().await?,
        }
    }
    answered(&device, tasks).await?;
    sender.await??;
    println!("{}", judge(&appliance, &device, &provider, tasks).await?);
    Ok(())
}

/// What was seen, where it is as it must be.
async fn judge(
    appliance: &Appliance,
    device: &Device,
    provider: &Scripted,
    tasks: usize,
) -> Result<String> {
    let mut requests = vec![0usize; tasks];
    for request in provider.requests() {
        let number = asked(&request).context("a request for no task")?;
        requests[number] += 1;
    }
    let mut repeated = 0;
    for (number, &asked) in requests.iter().enumerate() {
        let id = name(number);
        let record = appliance.ended(&id).await?;
        ensure!(record["state"] == "done", "{id}: {record}");
        let results = device.heard().results[&id].clone();
        ensure!(results.len() == 1, "{id} has several results: {results:?}");
        ensure!(results[0]["id"] == id.as_str(), "{results:?}");
        ensure!(results[0]["state"] == "done", "{results:?}");
        ensure!(
            results[0]["answer"] == record["answer"]["text"],
            "{results:?}"
        );
        let ends = device.heard().ends.get(&id).cloned().unwrap_or_default();
        ensure!(ends.len() <= 1, "{id} ended in several ways: {ends:?}");
        let events = appliance.events(&id).await?;
        let called = events
            .iter()
            .filter(|event| event["event"] == "called")
            .count();
        ensure!(asked <= called, "{id}: {asked} requests and {called} lines");
        ensure!(called >= 1, "{id} was never called");
        repeated += usize::from(called > 1);
    }
    let audit = appliance.run(&["trace", "--verify"]).await?;
    let said = String::from_utf8_lossy(&audit.stdout).into_owned();
    ensure!(audit.status.success(), "{said}");
    let messages = device.heard().messages;
    Ok(format!(
        "{tasks} tasks, {} requests to the provider, {repeated} called more than once and say so, {messages} result messages",
        provider.requests().len()
    ))
}
