//! `shoal bench engine`: the engine in this process, with a model and nothing else.
//!
//! Each case warms up, then is measured in rounds, of which the median is told. Where a case compares two ways, they
//! take turns in every round, and the median is that of the rounds' ratios.

mod ask;
mod memory;
mod outcome;
mod pair;
mod restart;
mod setting;
mod speed;
mod words;

use std::{io::Write, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use shoal_boards::{Report, Roots};
use shoal_models::engine::{Engine, Speculation};

use self::{
    outcome::{Outcome, shown},
    restart::Frame,
    setting::{Bench, Setting},
};
use super::super::{config, json};
use crate::{
    accelerate,
    config::{Model, Places},
    exit::{Exit, Fault},
    pool,
};

/// How to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// The model file [default: the one that the config names]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Measure this alone; may be given several times
    #[arg(long, value_enum, value_name = "CASE")]
    case: Vec<Case>,
    /// How many chats run at once in `chats`
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    slots: u32,
    /// How often each case is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// CPU threads [default: what `shoal serve` would take]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    threads: Option<u32>,
    /// A text file: the system prompt of `restart` [default: one of about 1,000 tokens]
    #[arg(long, value_name = "FILE")]
    system: Option<PathBuf>,
    /// Where `first` finds the states of fixed prompts, and leaves them
    #[arg(long, value_name = "DIR", hide = true)]
    keep: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What can be measured, in the order in which it is: memory before other cases leave traces in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Case {
    /// Memory beside the weights and the keys and values, after work
    Memory,
    /// Reading a prompt of about 512 tokens
    Prefill,
    /// Writing 128 tokens
    Decode,
    /// Several chats at once
    Chats,
    /// A second plan with the same system prompt against the first
    Plan,
    /// What the routing head needs of a prompt against reading as long a one
    Decision,
    /// The first token after a restart against one that knows nothing
    Restart,
    /// Writing by a JSON schema against writing freely
    Json,
    /// Guessing tokens ahead against plain writing, for a rewrite and for a chat
    Ngram,
    /// One request right after the start
    #[value(hide = true)]
    First,
}

const ALL: [Case; 9] = [
    Case::Memory,
    Case::Prefill,
    Case::Decode,
    Case::Chats,
    Case::Plan,
    Case::Decision,
    Case::Restart,
    Case::Json,
    Case::Ngram,
];

impl Options {
    fn cases(&self) -> Vec<Case> {
        let mut cases = match self.case.as_slice() {
            [] => ALL.to_vec(),
            named => named.to_vec(),
        };
        cases.sort_unstable();
        cases.dedup();
        cases
    }
}

/// Measures and shows.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let bench = bench(places, &options).await?;
    let frame = Frame::try_new(options.system.clone())?;
    let mut outcomes = Vec::new();
    for case in options.cases() {
        outcomes.extend(measure(&bench, case, &options, &frame).await?);
    }
    let model = bench.name();
    if options.json {
        let threads = bench.threads();
        let object = json!({"model": model, "threads": threads, "rounds": options.rounds, "results": outcomes});
        json(out, &object)?;
    } else {
        writeln!(
            out,
            "{model}, {} threads, the median of {} rounds\n",
            bench.threads(),
            options.rounds
        )?;
        write!(out, "{}", shown(&outcomes))?;
    }
    Ok(Exit::Done)
}

async fn bench(places: &Places, options: &Options) -> Result<Bench, Fault> {
    let config = config(places)?;
    let board = tokio::task::spawn_blocking(|| Report::of(&Roots::default()))
        .await
        .map_err(Fault::internal)?;
    let plugins = accelerate::search(&config);
    let mut model = config.model;
    if let Some(path) = &options.model {
        model = Model {
            path: path.clone(),
            sha256: None,
            // This file, and nothing that was made of it.
            prepared: false,
            ..model
        };
    }
    model.threads = options.threads.or(model.threads);
    let engine = pool::engine_options(&model, &board)?;
    Ok(Bench::new(model, engine, plugins, options.rounds))
}

async fn measure(
    bench: &Bench,
    case: Case,
    options: &Options,
    frame: &Frame,
) -> Result<Vec<Outcome>, Fault> {
    let plain = Setting::default();
    Ok(match case {
        Case::Memory => vec![memory::measure(bench).await?],
        Case::Prefill => vec![speed::prefill(bench, &engine(bench, &plain).await?).await?],
        Case::Decode => vec![speed::decode(bench, &engine(bench, &plain).await?).await?],
        Case::Chats => {
            let setting = Setting {
                slots: options.slots as usize,
                ..plain
            };
            vec![speed::chats(bench, &engine(bench, &setting).await?, options.slots).await?]
        }
        Case::Plan => vec![pair::plan(bench, &engine(bench, &plain).await?).await?],
        Case::Decision => {
            let setting = Setting {
                prefix_cache: false,
                ..plain
            };
            let outcome = pair::decide(bench, &engine(bench, &setting).await?).await;
            match outcome {
                // A small model may lack the layer that the head reads.
                Err(error) if options.case.is_empty() => {
                    tracing::warn!(%error, "what a decision reads was not measured");
                    Vec::new()
                }
                outcome => vec![outcome?],
            }
        }
        Case::Restart => vec![restart::measure(bench, frame).await?],
        Case::Json => vec![pair::json(bench, &engine(bench, &plain).await?).await?],
        Case::Ngram => {
            let guessing = Setting {
                speculation: Speculation::WhereItPays,
                ..plain.clone()
            };
            let (with, without) = (
                engine(bench, &guessing).await?,
                engine(bench, &plain).await?,
            );
            pair::ngram(bench, &with, &without).await?
        }
        Case::First => {
            let setting = Setting {
                keep: options.keep.clone(),
                ..plain
            };
            vec![restart::first(&engine(bench, &setting).await?, frame).await?]
        }
    })
}

async fn engine(bench: &Bench, setting: &Setting) -> Result<Engine, Fault> {
    let (model, options) = (bench.model().clone(), bench.engine(setting));
    let plugins = bench.plugins().clone();
    tokio::task::spawn_blocking(move || pool::load(&model, options, &plugins))
        .await
        .map_err(Fault::internal)?
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn cases(line: &[&str]) -> Vec<Case> {
        let words = ["engine"].iter().chain(line);
        Line::try_parse_from(words).unwrap().options.cases()
    }

    #[test]
    fn cases_run_in_their_order_and_once() {
        assert_eq!(cases(&[]), ALL);
        let named = cases(&["--case", "json", "--case", "memory", "--case", "json"]);
        assert_eq!(named, [Case::Memory, Case::Json]);
        assert!(Line::try_parse_from(["engine", "--rounds", "0"]).is_err());
    }
}
