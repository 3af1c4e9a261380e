//! `shoal ask`.

use std::io::Write;

use clap::Args;
use futures::StreamExt as _;
use serde_json::json;
use shoal_conductor::label::Label;

use super::{input, narrow::Narrow, trace::render};
use crate::{
    api::view::{TaskView, TraceView},
    client::Client,
    config::Places,
    exit::{Exit, Fault},
};

/// What is asked.
#[derive(Debug, Args)]
pub struct Options {
    /// What to ask; `-` reads standard input
    text: String,
    /// shoal-mini, shoal-ultra, local, or a worker's name
    #[arg(long, value_name = "NAME", default_value = "shoal-mini")]
    model: String,
    /// How sensitive it is at least: public, internal, confidential or restricted
    #[arg(long)]
    label: Option<Label>,
    /// How much thinking it may cost: low, medium or high
    #[arg(long, value_name = "EFFORT")]
    effort: Option<String>,
    /// The most tokens to write
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
    #[command(flatten)]
    narrow: Narrow,
    /// Print one JSON object when it is done
    #[arg(long)]
    json: bool,
    /// Print the trace after the answer
    #[arg(long)]
    trace: bool,
}

/// Asks the running server and prints the answer as it comes.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let client = Client::connect(&places.data)?;
    let text = input(options.text)?;
    let mut body = json!({
        "model": options.model,
        "messages": [{"role": "user", "content": text}],
        "stream": true,
    });
    if let Some(effort) = options.effort {
        body["reasoning_effort"] = effort.into();
    }
    if let Some(tokens) = options.max_tokens {
        body["max_tokens"] = tokens.into();
    }
    options.narrow.add_to(&mut body);
    let label = options.label.map(Label::as_str);
    let mut asked = client.chat(&body, label).await?;
    let mut ended = Ok(());
    while let Some(piece) = asked.pieces.next().await {
        match piece {
            Ok(piece) if !options.json => {
                write!(out, "{piece}")?;
                out.flush()?;
            }
            Ok(_) => {}
            Err(fault) => ended = Err(fault),
        }
    }
    if !options.json {
        writeln!(out)?;
    }
    match (options.json, options.trace) {
        (true, false) => {
            let view: TaskView = client.get(&format!("/api/tasks/{}", asked.id)).await?;
            super::json(out, &view)?;
        }
        (json, true) => {
            let view: TraceView = client.get(&format!("/api/traces/{}", asked.id)).await?;
            if json {
                super::json(out, &view)?;
            } else {
                write!(out, "\n{}", render(&view))?;
            }
        }
        (false, false) => {}
    }
    ended.map(|()| Exit::Done)
}
