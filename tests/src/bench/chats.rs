//! Chats over HTTP, the same for both sides.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use reqwest::Client;
use serde_json::{Value, json};

/// The most tokens of an answer.
const ANSWER: u32 = 128;

/// The greatest part of a stream between two line ends, in bytes.
const LINE: usize = 1 << 20;

/// A server that speaks OpenAI's chat API.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    url: String,
    key: Option<String>,
}

/// One answer, with times from the sending of the question.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Tokens written.
    pub tokens: u64,
    /// When the first words came.
    pub first: Duration,
}

/// All answers of chats that were started at once.
#[derive(Clone, Debug)]
pub struct Together {
    /// Tokens written in a second, from the first question to the end of the last answer.
    pub rate: f64,
    /// When the first words of each came, in seconds.
    pub first: Vec<f64>,
}

impl Api {
    /// The server at `url`, with a key if it wants one.
    #[must_use]
    pub fn new(client: Client, url: String, key: Option<String>) -> Self {
        Self { client, url, key }
    }

    /// Starts one chat for each question at once, and waits for all.
    pub async fn together(&self, questions: &[String]) -> Result<Together> {
        let began = Instant::now();
        let answers = questions.iter().map(|text| self.ask(None, text, ANSWER));
        let answers = try_join_all(answers).await?;
        let seconds = began.elapsed().as_secs_f64();
        let tokens: u64 = answers.iter().map(|answer| answer.tokens).sum();
        #[expect(clippy::cast_precision_loss, reason = "tokens are few")]
        let rate = tokens as f64 / seconds;
        let first = answers.iter().map(|a| a.first.as_secs_f64()).collect();
        Ok(Together { rate, first })
    }

    /// Asks, greedily.
    pub async fn ask(&self, system: Option<&str>, user: &str, most: u32) -> Result<Answer> {
        let mut messages = Vec::new();
        messages.extend(system.map(|text| json!({"role": "system", "content": text})));
        messages.push(json!({"role": "user", "content": user}));
        let body = json!({
            "model": "local",
            "messages": messages,
            "temperature": 0,
            "max_tokens": most,
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        let url = format!("{}/v1/chat/completions", self.url);
        let mut request = self.client.post(url).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        let began = Instant::now();
        let mut response = request.send().await?;
        let status = response.status();
        if !status.is_success() {
            anyhow::bail!("a chat ended with {status}: {}", response.text().await?);
        }
        let mut stream = Stream::default();
        while let Some(bytes) = response.chunk().await? {
            stream.push(&bytes, began.elapsed())?;
        }
        stream.answer()
    }
}

/// Server-sent events as they come in.
#[derive(Default)]
struct Stream {
    rest: Vec<u8>,
    first: Option<Duration>,
    tokens: Option<u64>,
}

impl Stream {
    fn push(&mut self, bytes: &[u8], now: Duration) -> Result<()> {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            if let Some(data) = line.strip_prefix(b"data: ") {
                self.event(data, now)?;
            }
        }
        ensure!(self.rest.len() < LINE, "a line of the stream has no end");
        Ok(())
    }

    fn event(&mut self, data: &[u8], now: Duration) -> Result<()> {
        if data.starts_with(b"[DONE]") {
            return Ok(());
        }
        let event: Value = serde_json::from_slice(data).context("read an event")?;
        ensure!(
            event["error"].is_null(),
            "a chat failed: {}",
            event["error"]
        );
        let words = event["choices"][0]["delta"]["content"].as_str();
        if words.is_some_and(|words| !words.is_empty()) {
            self.first.get_or_insert(now);
        }
        self.tokens = event["usage"]["completion_tokens"].as_u64().or(self.tokens);
        Ok(())
    }

    fn answer(self) -> Result<Answer> {
        Ok(Answer {
            tokens: self.tokens.context("a chat ended without its usage")?,
            first: self.first.context("a chat ended without a word")?,
        })
    }
}

/// `count` questions, of about 100 tokens and on different things; no two rounds have one in common.
#[must_use]
pub fn questions(round: u32, count: u32) -> Vec<String> {
    const THINGS: [&str; 8] = [
        "a water pump",
        "a steam boiler",
        "a bread oven",
        "a wind turbine",
        "a sewing machine",
        "a grain mill",
        "a railway crane",
        "a cold store",
    ];
    let question = |(thing, number): (&str, u32)| {
        format!(
            "Conversation {round}-{number}. I look after {thing} in a small plant. It is eleven years old, it runs in \
             two shifts, and it was last serviced in spring. Since Monday it makes a noise when it starts, and the \
             people who work beside it are worried. I have one hour before the next shift, a box of hand tools and a \
             colleague who can help. Explain step by step what I should look at on {thing}, in which order, and why."
        )
    };
    THINGS
        .into_iter()
        .cycle()
        .zip(0..count)
        .map(question)
        .collect()
}

/// `count` questions about one document of about 500 tokens, as the steps of a workflow ask; each round has its own.
#[must_use]
pub fn about_one(round: u32, count: u32) -> Vec<String> {
    let entry = |line: u32| {
        format!(
            " Entry {line}: press {} was stopped for {} minutes, and {} parts were scrapped.",
            1 + (line * 5 + round) % 9,
            3 + (line * 17 + round * 7) % 40,
            (line * 11 + round * 3) % 13
        )
    };
    let entries: String = (1..=18).map(entry).collect();
    let question = |number: u32| {
        format!(
            "Shift log {round}.{entries}\n\nWrite a report about press {} for the people of the next shift.",
            number + 1
        )
    };
    (0..count).map(question).collect()
}

/// A system prompt of about 1,000 tokens.
#[must_use]
pub fn frame() -> String {
    let line = |press: u32| {
        format!(
            " Press {press} has run for {} hours, its oil is at {} degrees, and the filter is due soon.",
            300 + press * 37 % 211,
            40 + press * 7 % 31
        )
    };
    let lines: String = (1..=36).map(line).collect();
    format!("You help the people of a plant. Answer shortly.{lines}")
}

/// The value below which `percent` of 100 lie; 0 where there are none.
#[must_use]
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_however_it_is_cut() {
        let text = "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\
                    \"Hi\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"completion_tokens\":7}}\n\ndata: [DONE]\n\n";
        for size in [1, 7, 64, text.len()] {
            let mut stream = Stream::default();
            for (number, bytes) in (0..).zip(text.as_bytes().chunks(size)) {
                stream.push(bytes, Duration::from_secs(number)).unwrap();
            }
            let answer = stream.answer().unwrap();
            assert_eq!(answer.tokens, 7);
            let words = text.find("Hi").unwrap() / size;
            assert!(answer.first >= Duration::from_secs(words as u64), "{size}");
        }
        let mut stream = Stream::default();
        let failed = stream.push(b"data: {\"error\":{\"message\":\"no\"}}\n", Duration::ZERO);
        assert!(failed.unwrap_err().to_string().contains("no"));
        assert!(Stream::default().answer().is_err());
    }

    #[test]
    fn no_two_questions_begin_alike() {
        let all: Vec<String> = (0..3).flat_map(|round| questions(round, 8)).collect();
        let starts: std::collections::BTreeSet<&str> = all.iter().map(|q| &q[..20]).collect();
        assert_eq!(starts.len(), 24);
        let documents: std::collections::BTreeSet<String> = (0..3)
            .flat_map(|round| about_one(round, 8))
            .map(|question| question[..900].to_owned())
            .collect();
        assert_eq!(documents.len(), 3);
    }

    #[test]
    fn percentiles_are_values_that_came() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(percentile(&values, 50), 2.0);
        assert_eq!(percentile(&values, 95), 4.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
