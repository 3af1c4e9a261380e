//! Two ways of doing it, in turns.

use std::time::Instant;

use serde_json::{Value, json};
use shoal_conductor::{
    head::routing::{look::bounded, reading},
    prompt::{Format, Prompt},
    worker::Backbone as _,
};
use shoal_models::engine::Engine;

use super::{
    ask::{ask, fixed, question},
    outcome::{Outcome, Side, by_rate, by_time},
    setting::Bench,
    speed::done,
    words,
};
use crate::exit::Fault;

/// Tokens of an answer that is compared.
const ANSWER: u32 = 128;

/// Tokens of a rewritten text.
const REWRITTEN: u32 = 224;

/// Deciding by a long system prompt: the first time, and again with another task.
pub async fn plan(bench: &Bench, engine: &Engine) -> Result<Outcome, Fault> {
    let decide = async |round, task: &str, what: &str| -> Result<Side, Fault> {
        let mut prompt = fixed(&words::planner(round), task, 48);
        prompt.format = Format::JsonSchema(decision());
        let timed = ask(engine, prompt).await?;
        let input = timed.usage.input.0;
        Ok(Side::new(what, input, timed.whole, input))
    };
    decide(0, words::TASKS[0], "").await?;
    let mut rounds = Vec::new();
    for round in bench.rounds() {
        let [one, other] = words::TASKS;
        let first = decide(round, one, "the first plan, all of it read").await?;
        let second = decide(round, other, "a second plan, its system prompt known").await?;
        rounds.push((second, first));
    }
    done("plan", Outcome::compared("plan", rounds, by_time))
}

/// Reading what the routing head needs of a prompt, and reading another prompt of that length to answer it. What the head itself
/// takes is in the report of `shoal eval route`.
pub async fn decide(bench: &Bench, engine: &Engine) -> Result<Outcome, Fault> {
    // Longer than what the head reads of a prompt.
    let text = |round: u32| words::report(round, 33);
    let look = async |round| -> Result<Side, Fault> {
        let text = text(round);
        let began = Instant::now();
        let states = engine.states(&bounded(&text), &reading(), None).await;
        let tokens = states.map_err(Fault::failed)?.ends.len() as u64;
        let what = "a prompt, as far as the routing head needs it";
        Ok(Side::new(what, tokens, began.elapsed(), tokens))
    };
    let read = async |round| {
        let text = text(round);
        ask(engine, question(None, &bounded(&text), 1)).await
    };
    look(0).await?;
    read(0).await?;
    let mut rounds = Vec::new();
    for round in bench.rounds() {
        let head = look(2 * round).await?;
        let whole = read(2 * round + 1).await?;
        rounds.push((head, whole.read("another prompt, read to answer it")));
    }
    done("decision", Outcome::compared("decision", rounds, by_rate))
}

fn decision() -> Value {
    json!({
        "type": "object",
        "properties": {
            "worker": {"enum": ["local", "npu", "cloud"]},
            "role": {"enum": ["thinker", "worker", "verifier"]},
        },
        "required": ["worker", "role"],
        "additionalProperties": false,
    })
}

/// Writing by a schema, and freely.
pub async fn json(bench: &Bench, engine: &Engine) -> Result<Outcome, Fault> {
    let free = || question(None, words::PARTS, ANSWER);
    let by_schema = || Prompt {
        format: Format::JsonSchema(list()),
        ..free()
    };
    ask(engine, by_schema()).await?;
    ask(engine, free()).await?;
    let mut rounds = Vec::new();
    for _ in bench.rounds() {
        let with = ask(engine, by_schema()).await?;
        let without = ask(engine, free()).await?;
        rounds.push((
            with.written("an answer by a JSON schema"),
            without.written("an answer of any form"),
        ));
    }
    done("json", Outcome::compared("json", rounds, by_rate))
}

fn list() -> Value {
    let part = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "function": {"type": "string"},
            "hours": {"type": "integer"},
        },
        "required": ["name", "function", "hours"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": {"parts": {"type": "array", "items": part, "minItems": 8, "maxItems": 8}},
        "required": ["parts"],
        "additionalProperties": false,
    })
}

/// Guessing ahead, and not: where the answer repeats the prompt, and where it does not.
pub async fn ngram(bench: &Bench, with: &Engine, without: &Engine) -> Result<Vec<Outcome>, Fault> {
    let rewrite = |round| question(None, &words::rewrite(round), REWRITTEN);
    let chat = |round| question(None, &words::chat(round, 0), ANSWER);
    Ok(vec![
        guessed(bench, with, without, "rewrite", rewrite).await?,
        guessed(bench, with, without, "chat", chat).await?,
    ])
}

async fn guessed(
    bench: &Bench,
    with: &Engine,
    without: &Engine,
    task: &str,
    prompt: impl Fn(u32) -> Prompt,
) -> Result<Outcome, Fault> {
    ask(with, prompt(0)).await?;
    ask(without, prompt(0)).await?;
    let mut rounds = Vec::new();
    for round in bench.rounds() {
        let guessing = ask(with, prompt(round)).await?;
        let plain = ask(without, prompt(round)).await?;
        rounds.push((
            guessing.written(&format!("a {task}, tokens guessed ahead")),
            plain.written(&format!("a {task}, token by token")),
        ));
    }
    let case = format!("ngram-{task}");
    done(&case, Outcome::compared(&case, rounds, by_rate))
}
