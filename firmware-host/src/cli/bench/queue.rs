//! `shoal bench queue`: how many tasks a second are durably accepted, and how fast reports leave.
//!
//! Accepting is the store's own transaction with its sync, as for a task by MQTT: the task, its link in the chain and its
//! first report. Beside it stands a broker's QoS 1 round trip in the same run, with a message of the same size, so that the
//! ratio says something about this machine's disk and not only about us. A mosquitto acknowledges before it has saved;
//! we acknowledge after the sync.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use futures::{StreamExt as _, stream};
use serde::Serialize;
use shoal_conductor::{
    id::TaskId,
    label::Label,
    limits::TaskLimits,
    prompt::{Format, Message as Said, Sampling, Speaker},
    task::{Effort, Target, Task},
};
use shoal_wire::Root;

use super::super::json;
use crate::{
    config::Places,
    exit::{Exit, Fault},
    link::{LinkOptions, measure},
    store::{Accepting, Class, KeySource, Limits, Message, ReplyTo, Store, outbox},
};

/// How to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// A broker on this machine to compare with, by its port; without one, only the store is measured
    #[arg(long, value_name = "PORT")]
    broker: Option<u16>,
    /// How many tasks, messages and reports
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    tasks: u32,
    /// How many clients at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Many of the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Times {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Pair {
    one_by_one: Times,
    at_once: Times,
}

/// Ours by the broker's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Ratios {
    one_by_one_p99: f64,
    at_once_rate: f64,
    at_once_p99: f64,
    drain_rate: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Outcome {
    tasks: u32,
    clients: u32,
    accept: Pair,
    broker: Option<Pair>,
    drain_per_second: Option<f64>,
    ratios: Option<Ratios>,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is only measured with.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Measures, on the disk of the data folder.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let folder = Folder(
        places
            .data
            .join(format!("bench-queue-{}", std::process::id())),
    );
    let accept = accepting(&folder.0, &options).await?;
    let (mut broker, mut drain) = (None, None);
    if let Some(port) = options.broker {
        let link = link(port)?;
        broker = Some(trips(&link, &options).await?);
        drain = Some(draining(&folder.0, &link, &options).await?);
    }
    let ratios = broker.zip(drain).map(|(broker, drain)| Ratios {
        one_by_one_p99: accept.one_by_one.p99_ms / broker.one_by_one.p99_ms,
        at_once_rate: accept.at_once.per_second / broker.at_once.per_second,
        at_once_p99: accept.at_once.p99_ms / broker.at_once.p99_ms,
        drain_rate: drain / broker.at_once.per_second,
    });
    let outcome = Outcome {
        tasks: options.tasks,
        clients: options.clients,
        accept,
        broker,
        drain_per_second: drain,
        ratios,
    };
    if options.json {
        json(out, &outcome)?;
    } else {
        write!(out, "{}", shown(&outcome))?;
    }
    Ok(Exit::Done)
}

fn link(port: u16) -> Result<LinkOptions, Fault> {
    Ok(LinkOptions {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        user: None,
        password: None,
        root: Root::try_new("bench", "queue").map_err(Fault::internal)?,
        replay_per_second: u32::MAX,
        tasks_per_minute: u32::MAX,
    })
}

async fn opened(folder: &Path, options: &Options) -> Result<Store, Fault> {
    let limits = Limits {
        outbox: outbox::Limits {
            messages: options.tasks.saturating_mul(4),
            ..outbox::Limits::default()
        },
        ..Limits::default()
    };
    let store = Store::open_with(folder, limits, KeySource::default()).await?;
    let root = Root::try_new("bench", "queue").map_err(Fault::internal)?;
    store.report_under(Some(root)).await?;
    Ok(store)
}

fn task(number: u32) -> Result<Task, Fault> {
    Ok(Task {
        id: TaskId::try_new(format!("bench-{number}")).map_err(Fault::internal)?,
        target: Target::Mini,
        messages: vec![Said::new(Speaker::User, PROMPT)],
        format: Format::Text,
        sampling: Sampling::default(),
        effort: Effort::Medium,
        label: Label::Internal,
        from: "mqtt:shoal/v1/bench/queue/tasks".to_owned(),
        workers: None,
        limits: TaskLimits::default(),
    })
}

const PROMPT: &str = "Press 7 stops with E42 and the pressure is low. What is to be checked first?";

async fn accepting(folder: &Path, options: &Options) -> Result<Pair, Fault> {
    let alone = options.tasks / 4;
    let store = opened(&folder.join("accept"), options).await?;
    Ok(Pair {
        one_by_one: accepted(&store, 0..alone, 1).await?,
        at_once: accepted(&store, alone..alone + options.tasks, options.clients).await?,
    })
}

async fn accepted(
    store: &Store,
    numbers: std::ops::Range<u32>,
    clients: u32,
) -> Result<Times, Fault> {
    let begun = Instant::now();
    let one = async |number| {
        let accepting = Accepting {
            task: task(number)?,
            reply: Some(ReplyTo::default()),
            max_open: u32::MAX,
        };
        let since = Instant::now();
        store.accept(accepting).await?;
        Ok::<_, Fault>(since.elapsed())
    };
    let clients = usize::try_from(clients).unwrap_or(1);
    let took = stream::iter(numbers.map(one)).buffer_unordered(clients);
    let took: Vec<Result<Duration, Fault>> = took.collect().await;
    let took = took.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(times(took, begun.elapsed()))
}

async fn trips(link: &LinkOptions, options: &Options) -> Result<Pair, Fault> {
    let payload = serde_json::json!({"id": "bench-1", "prompt": PROMPT}).to_string();
    let trips = async |messages: u32, at_once: u32| {
        let away = Root::try_new("bench", "away").map_err(Fault::internal)?;
        let begun = Instant::now();
        let (messages, at_once) = (messages as usize, at_once as usize);
        let took = measure::round_trips(link, away, payload.as_bytes(), messages, at_once).await;
        Ok::<_, Fault>(times(took.map_err(Fault::failed)?, begun.elapsed()))
    };
    Ok(Pair {
        one_by_one: trips(options.tasks / 4, 1).await?,
        at_once: trips(options.tasks, options.clients).await?,
    })
}

/// Reports that leave in a second, each gone from the disk when it has left.
async fn draining(folder: &Path, link: &LinkOptions, options: &Options) -> Result<f64, Fault> {
    let store = opened(&folder.join("drain"), options).await?;
    let posts = (0..options.tasks).map(|number| {
        let topic = format!("shoal/v1/bench/queue/tasks/bench-{number}/result");
        store.post(Message::new(Class::Result, topic, PROMPT))
    });
    let posted: Vec<_> = stream::iter(posts).buffer_unordered(64).collect().await;
    posted.into_iter().collect::<Result<Vec<_>, _>>()?;
    let begun = Instant::now();
    measure::drain(link, &store).await.map_err(Fault::failed)?;
    Ok(f64::from(options.tasks) / begun.elapsed().as_secs_f64())
}

fn times(mut took: Vec<Duration>, whole: Duration) -> Times {
    took.sort_unstable();
    let at = |percent: usize| {
        let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(place).map_or(0.0, |span| span.as_secs_f64() * 1e3)
    };
    let count = u32::try_from(took.len()).unwrap_or(u32::MAX);
    Times {
        per_second: f64::from(count) / whole.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
    }
}

fn shown(outcome: &Outcome) -> String {
    let mut text = format!(
        "{:<34}{:>10}{:>10}{:>10}\n",
        "", "a second", "p50 ms", "p99 ms"
    );
    let mut line = |name: String, times: &Times| {
        text.push_str(&format!(
            "{name:<34}{:>10.0}{:>10.2}{:>10.2}\n",
            times.per_second, times.p50_ms, times.p99_ms
        ));
    };
    let many = |what: &str| format!("{what}, {} at once", outcome.clients);
    line(
        "tasks kept, one by one".to_owned(),
        &outcome.accept.one_by_one,
    );
    line(many("tasks kept"), &outcome.accept.at_once);
    if let Some(broker) = &outcome.broker {
        line("broker's QoS 1, one by one".to_owned(), &broker.one_by_one);
        line(many("broker's QoS 1"), &broker.at_once);
    }
    if let (Some(drain), Some(ratios)) = (outcome.drain_per_second, outcome.ratios) {
        text.push_str(&format!(
            "{:<34}{drain:>10.0}\n",
            "reports sent and forgotten"
        ));
        text.push_str(&format!(
            "\nours by the broker's: rate {:.2}, p99 {:.2} ({:.2} one by one), sending {:.2}\n",
            ratios.at_once_rate, ratios.at_once_p99, ratios.one_by_one_p99, ratios.drain_rate
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up() {
        let times = |per_second, p50_ms, p99_ms| Times {
            per_second,
            p50_ms,
            p99_ms,
        };
        let outcome = Outcome {
            tasks: 2000,
            clients: 32,
            accept: Pair {
                one_by_one: times(412.4, 2.31, 5.02),
                at_once: times(5120.0, 6.1, 9.75),
            },
            broker: Some(Pair {
                one_by_one: times(9000.2, 0.1, 0.31),
                at_once: times(30_100.0, 1.0, 1.9),
            }),
            drain_per_second: Some(2100.0),
            ratios: Some(Ratios {
                one_by_one_p99: 16.19,
                at_once_rate: 0.17,
                at_once_p99: 5.13,
                drain_rate: 0.07,
            }),
        };
        insta::assert_snapshot!(shown(&outcome));
    }

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let took = (1..=200).rev().map(Duration::from_millis).collect();
        let times = times(took, Duration::from_secs(2));
        assert_eq!(
            (times.per_second, times.p50_ms, times.p99_ms),
            (100.0, 101.0, 199.0)
        );
    }
}
