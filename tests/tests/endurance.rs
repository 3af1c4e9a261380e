//! A thousand requests of all kinds, some given up half-way, for three models in memory for two and a cache of 512 tokens:
//! each ends in an answer or a clear refusal, and the memory that the program takes does not grow.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, stream};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use shoal_tests::{
    appliance::{Appliance, Setup, client},
    place::model,
    wait::until,
};

/// Requests that are on their way at once.
const AT_ONCE: usize = 24;
/// Bytes that may come on top from one half of the requests to the other: allocators keep some.
const GROWTH: u64 = 16 << 20;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Answered,
    GivenUp,
    Refused,
}

#[tokio::test]
async fn a_thousand_requests_all_end_and_leave_nothing_behind() -> Result<()> {
    let path = model()?;
    let further = |id| {
        let path = path.display();
        format!("[[models]]\nid = \"{id}\"\npath = \"{path}\"\ncontext = 256\nthreads = 2\n")
    };
    let config = format!(
        "[limits]\nmax_running = 12\nmax_models_mib = 240\n{}{}",
        further("one"),
        further("other")
    );
    let appliance = Setup::new()?
        .threads(2)
        .context(256)
        .config(&config)
        .start()
        .await?;
    let first = many(&appliance, 0..500).await?;
    let before = appliance.anonymous_bytes()?;
    let second = many(&appliance, 500..1000).await?;
    // What work leaves in the heap is given back in a pause.
    until("as little memory is used as after half of it", async || {
        let now = appliance.anonymous_bytes().ok()?;
        (now < before + GROWTH).then_some(())
    })
    .await?;
    for outcomes in [first, second] {
        let count = |wanted| {
            outcomes
                .iter()
                .filter(|outcome| **outcome == wanted)
                .count()
        };
        let (answered, given_up) = (count(Outcome::Answered), count(Outcome::GivenUp));
        ensure!(answered > 300 && given_up > 20, "{answered}, {given_up}");
        ensure!(count(Outcome::Refused) > 5, "nothing was refused");
    }
    // Nothing is left half done, and it goes on as before.
    until("no task is open", async || {
        for state in ["accepted", "planning", "running"] {
            let open = appliance
                .get(&format!("/api/tasks?state={state}"))
                .await
                .ok()?;
            if !open["tasks"].as_array()?.is_empty() {
                return None;
            }
        }
        Some(())
    })
    .await?;
    let body =
        json!({"model": "other", "prompt": "What is the capital of Japan?", "max_tokens": 24});
    let record = appliance.post("/api/tasks?wait=170", body).await?;
    let answer = record["answer"]["text"].as_str().context("no answer")?;
    ensure!(answer.contains("Tokyo"), "{record}");
    Ok(())
}

async fn many(appliance: &Appliance, numbers: std::ops::Range<usize>) -> Result<Vec<Outcome>> {
    let (client, key) = (client(), appliance.admin()?);
    let url = format!("http://{}/v1/chat/completions", appliance.address());
    let asked = numbers.map(|n| ask(&client, &url, &key, n));
    let outcomes: Vec<Result<Outcome>> = stream::iter(asked)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    outcomes.into_iter().collect()
}

async fn ask(client: &Client, url: &str, key: &str, n: usize) -> Result<Outcome> {
    let model = ["local", "one", "local", "other", "local"][n / 10 % 5];
    let words = "word ".repeat(if n % 50 == 49 { 400 } else { n % 12 });
    let mut body = json!({
        "model": model,
        "messages": [{"role": "user", "content": format!("{n}: {words}")}],
        "max_tokens": 1 + n % 9,
        "temperature": if n.is_multiple_of(5) { 1.0 } else { 0.0 },
        "stream": n.is_multiple_of(3),
    });
    if n.is_multiple_of(11) {
        body["response_format"] = json!({"type": "json_object"});
    }
    let send = client.post(url).bearer_auth(key).json(&body).send();
    let gives_up = n % 7 == 1;
    let Ok(answer) = tokio::time::timeout(patience(gives_up, n), send).await else {
        return Ok(Outcome::GivenUp);
    };
    let answer = answer?;
    let status = answer.status();
    if gives_up {
        // Gone before the answer is read.
        return Ok(Outcome::GivenUp);
    }
    let text = answer.text().await?;
    match status {
        StatusCode::OK if text.starts_with("data: ") => streamed(&text),
        StatusCode::OK => {
            let body: Value = serde_json::from_str(&text)?;
            ensure!(
                body["choices"][0]["message"]["content"].is_string(),
                "{body}"
            );
            Ok(Outcome::Answered)
        }
        StatusCode::BAD_REQUEST | StatusCode::SERVICE_UNAVAILABLE => said_why(&text),
        _ => bail!("request {n} ended with {status}: {text}"),
    }
}

/// How long a client waits; one that gives up leaves anywhere from the start to the middle of its answer.
fn patience(gives_up: bool, n: usize) -> Duration {
    if gives_up {
        Duration::from_millis((n % 40 * 5) as u64)
    } else {
        Duration::from_mins(10)
    }
}

fn streamed(text: &str) -> Result<Outcome> {
    if text.contains("\"error\"") {
        return said_why(text);
    }
    ensure!(text.contains("data: [DONE]"), "a stream broke off: {text}");
    Ok(Outcome::Answered)
}

fn said_why(text: &str) -> Result<Outcome> {
    ensure!(text.contains("\"message\""), "no reason is given: {text}");
    Ok(Outcome::Refused)
}
