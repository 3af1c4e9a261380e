//! `shoal plan`.

use std::{io::Write, sync::Arc};

use clap::Args;
use serde_json::{Value, json};
use shoal_boards::{Report, Roots};
use shoal_conductor::{
    conductor::{Conductor, Parts},
    id::TaskId,
    label::Label,
    prompt::{Format, Message, Sampling, Speaker},
    task::{Effort, Target, Task},
};

use super::{config, input, narrow::Narrow, text};
use crate::{
    accelerate::Measure,
    client::Client,
    config::Places,
    exit::{Exit, Fault},
    head,
    nowhere::Nowhere,
    pool::Pool,
};

/// Where the second column of a plan begins.
const MARGIN: usize = 10;

/// What is to be planned.
#[derive(Debug, Args)]
pub struct Options {
    /// The task; `-` reads standard input
    text: String,
    /// shoal-mini, shoal-ultra, local, or a worker's name
    #[arg(long, value_name = "NAME", default_value = "shoal-mini")]
    model: String,
    /// How sensitive it is at least: public, internal, confidential or restricted
    #[arg(long, default_value = "public")]
    label: Label,
    /// How much thinking it may cost: low, medium or high
    #[arg(long, value_name = "EFFORT", default_value = "medium", value_parser = effort)]
    effort: Effort,
    #[command(flatten)]
    narrow: Narrow,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn effort(word: &str) -> Result<Effort, String> {
    match word {
        "low" => Ok(Effort::Low),
        "medium" => Ok(Effort::Medium),
        "high" => Ok(Effort::High),
        _ => Err("use low, medium or high".to_owned()),
    }
}

/// Asks the running server; without one, loads the model and plans here. Either way nothing leaves the board.
pub async fn run(
    places: &Places,
    mut options: Options,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    options.text = input(std::mem::take(&mut options.text))?;
    if let Some(client) = Client::find(&places.data)?
        && client.is_alive().await
    {
        return served(&client, &options, out).await;
    }
    here(places, options, out).await
}

async fn served(client: &Client, options: &Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let mut body = json!({
        "prompt": options.text,
        "model": options.model,
        "label": options.label,
        "reasoning_effort": options.effort,
    });
    options.narrow.add_to(&mut body);
    if options.json {
        let plan: Value = client.post("/api/plan", &body).await?;
        super::json(out, &plan)?;
    } else {
        let plan = client.post_text("/api/plan", &body).await?;
        write!(out, "{}", text::hang(&plan, MARGIN))?;
    }
    Ok(Exit::Done)
}

async fn here(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(places)?;
    let policy = config.load_policy()?;
    let board = tokio::task::spawn_blocking(|| Report::of(&Roots::default()))
        .await
        .map_err(Fault::internal)?;
    let pool = Pool::build(&config, &board, Measure::Never).await?;
    let label = options.label.join(policy.sources.api);
    let route = head::route(&config, pool.backbone.as_ref())?;
    let conductor = Conductor::try_new(Parts {
        policy: Arc::new(policy),
        workers: pool.workers,
        backbone: pool.backbone,
        head: pool.head,
        route,
        journal: Arc::new(Nowhere::PLAN),
        desk: Arc::new(Nowhere::PLAN),
        ledger: Arc::new(Nowhere::PLAN),
        prover: None,
        ultra_min_parameters: config.ultra_min_parameters,
    })
    .map_err(Fault::usage)?;
    let target: Target = options.model.parse().map_err(Fault::usage)?;
    let task = Task {
        id: TaskId::fresh(),
        target,
        messages: vec![Message::new(Speaker::User, options.text)],
        format: Format::Text,
        sampling: Sampling::default(),
        effort: options.effort,
        label,
        from: "cli".to_owned(),
        workers: options.narrow.workers().map_err(Fault::usage)?,
        limits: options.narrow.limits().map_err(Fault::usage)?,
    };
    let plan = conductor.plan(&task).await.map_err(Fault::failed)?;
    if options.json {
        super::json(out, &plan)?;
    } else {
        write!(out, "{}", text::hang(&plan.to_string(), MARGIN))?;
    }
    Ok(Exit::Done)
}
