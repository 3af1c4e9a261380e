//! One way of doing it: reading, writing, several chats.

use std::time::Instant;

use futures::future::try_join_all;
use shoal_models::engine::Engine;

use super::{
    ask::{ask, question},
    outcome::{Outcome, Side},
    setting::Bench,
    words,
};
use crate::exit::Fault;

/// Tokens of an answer.
const ANSWER: u32 = 128;

/// Sentences that make a prompt of about 512 tokens.
const SENTENCES: u32 = 17;

/// Reading a prompt that no cache knows.
pub async fn prefill(bench: &Bench, engine: &Engine) -> Result<Outcome, Fault> {
    let read = async |round| {
        let system = words::report(round, SENTENCES);
        ask(engine, question(Some(&system), words::TASKS[0], 1)).await
    };
    read(0).await?;
    let mut rounds = Vec::new();
    for round in bench.rounds() {
        rounds.push(read(round).await?.read("a prompt, read"));
    }
    done("prefill", Outcome::median("prefill", rounds))
}

/// Writing, from the first piece to the last.
pub async fn decode(bench: &Bench, engine: &Engine) -> Result<Outcome, Fault> {
    let write = async || ask(engine, question(None, words::STORY, ANSWER)).await;
    write().await?;
    let mut rounds = Vec::new();
    for _ in bench.rounds() {
        rounds.push(write().await?.written("an answer, written"));
    }
    done("decode", Outcome::median("decode", rounds))
}

/// `slots` chats that start at once, until the last has ended.
pub async fn chats(bench: &Bench, engine: &Engine, slots: u32) -> Result<Outcome, Fault> {
    let chat = async |round, which| {
        let text = words::chat(round, which);
        ask(engine, question(None, &text, ANSWER)).await
    };
    chat(0, 0).await?;
    let what = format!("{slots} chats at once, read and written");
    let mut rounds = Vec::new();
    for round in bench.rounds() {
        let began = Instant::now();
        let answers = try_join_all((0..slots).map(|which| chat(round, which))).await?;
        let tokens = answers.iter().map(|timed| timed.usage.output.0).sum();
        let input = answers.iter().map(|timed| timed.usage.input.0).sum();
        rounds.push(Side::new(&what, tokens, began.elapsed(), input));
    }
    done("chats", Outcome::median("chats", rounds))
}

/// There is at least one round.
pub fn done(case: &str, outcome: Option<Outcome>) -> Result<Outcome, Fault> {
    outcome.ok_or_else(|| Fault::internal(format!("{case} was not measured")))
}
