//! `shoal learn route`.

mod live;

use std::{io::Write, path::PathBuf};

use clap::Args;
use serde_json::json;
use shoal_conductor::{
    head::routing::{Routing, approval::Approvals, outcome::Table, teach::Lessons},
    task::State,
};

use super::place::Place;
use crate::{
    cli::{
        config,
        outcomes::{self, Lesson},
        store,
    },
    config::Places,
    exit::{Exit, Fault},
    store::TaskFilter,
};

/// The most tasks of the appliance's own that are learnt from, newest first.
const MOST: u32 = 100_000;

/// How it is learnt.
#[derive(Debug, Args)]
pub struct Options {
    /// Files of outcomes, one JSON object a line: {"id", "prompt", "scores": {worker: 0 to 1}}
    #[arg(long, value_name = "F", required_unless_present_any = ["from_traces", "rollback"], num_args = 1..)]
    data: Vec<PathBuf>,
    /// Learn from this appliance's own tasks, too: what verifiers and `shoal feedback` said of the answers, and how often
    /// people approved of a worker
    #[arg(long)]
    from_traces: bool,
    /// Where the head goes
    #[arg(long, value_name = "F", default_value = "routing.safetensors")]
    out: PathBuf,
    /// Put it in the place of the head that shoal.toml names, if on tasks that it was not learnt from it knows better who
    /// succeeds; the former one is kept
    #[arg(long, conflicts_with = "out")]
    live: bool,
    /// Put the head back that --live replaced, and learn nothing
    #[arg(long, conflicts_with_all = ["data", "from_traces", "out", "live"])]
    rollback: bool,
    #[command(flatten)]
    lesson: Lesson,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Learns a head and writes it.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let config = config(places)?;
    let place = match options.live || options.rollback {
        true => Some(Place::of(&config)?),
        false => None,
    };
    if let Some(place) = place.as_ref().filter(|_| options.rollback) {
        place.roll_back()?;
        writeln!(
            out,
            "the former head is back in {}; `shoal serve` uses it from its next start",
            place.file.display()
        )?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    outcomes::read(&mut table, &options.data)?;
    let traces = match options.from_traces {
        true => Some(from_traces(places, &mut table).await?),
        false => None,
    };
    if table.rows.is_empty() {
        let why = match traces {
            Some(_) => {
                "there is nothing to learn from: no verifier and nobody by `shoal feedback` said how good an answer was"
            }
            None => "there are no outcomes to learn from",
        };
        return Err(Fault::usage(why));
    }
    let mut reader = options.lesson.reader(config).await?;
    let looks = outcomes::looks(&mut reader, &table).await?;
    let (backbone, reading) = (reader.backbone.clone(), reader.reading().clone());
    drop(reader);
    let plan = options.lesson.plan();
    let now = place.as_ref().map(Place::now).transpose()?.flatten();
    let is_trial = place.is_some();
    // They go by the chances, whoever says those.
    let roles = now.as_ref().and_then(|head| head.roles.clone());
    // Without traces it stays as people said before.
    let approvals = match &traces {
        Some((_, approvals)) => approvals.clone(),
        None => now
            .as_ref()
            .map(|head| head.approvals.clone())
            .unwrap_or_default(),
    };
    let traces = traces.map(|(tasks, _)| tasks);
    let (head, rows, trial) = tokio::task::spawn_blocking(move || {
        let rows: Vec<usize> = (0..table.rows.len()).collect();
        let trial = is_trial.then(|| live::trial(&table, &looks, now.as_ref(), &plan));
        let lessons = Lessons {
            table: &table,
            looks: &looks,
        };
        let judge = lessons.learn(&rows, &plan);
        let head = Routing {
            backbone,
            reading,
            judge,
            roles,
            approvals,
        };
        (head, rows.len(), trial)
    })
    .await
    .map_err(Fault::internal)?;
    let bytes = head.to_bytes();
    let goes_live = trial.as_ref().is_none_or(live::Trial::is_better);
    let file = match &place {
        Some(place) => place.file.clone(),
        None => options.out,
    };
    match &place {
        Some(place) if goes_live => place.put(&bytes)?,
        Some(_) => {}
        None => crate::cli::write_file(&file, &bytes)?,
    }
    let workers: Vec<&String> = head.judge.abilities.keys().collect();
    if options.json {
        let report = json!({
            "file": file,
            "written": goes_live,
            "bytes": bytes.len(),
            "rows": rows,
            "from_traces": traces,
            "approvals": head.approvals,
            "workers": workers,
            "factors": head.judge.factors,
            "backbone_sha256": head.backbone,
            "trial": trial,
        });
        crate::cli::json(out, &report)?;
        return Ok(Exit::Done);
    }
    if let Some(trial) = &trial {
        write!(out, "{trial}")?;
    }
    if !goes_live {
        writeln!(out, "not sure enough: {} stays as it is", file.display())?;
        return Ok(Exit::Done);
    }
    writeln!(
        out,
        "{} written: {} bytes, learnt from {rows} prompts, for {} workers",
        file.display(),
        bytes.len(),
        workers.len()
    )?;
    if let Some(traces) = traces {
        writeln!(
            out,
            "{traces} of the prompts are of this appliance's own tasks"
        )?;
    }
    for (worker, said) in head.approvals.iter() {
        let all = said.yes.saturating_add(said.no);
        let yes = said.yes;
        writeln!(
            out,
            "asked whether {worker} may read a step, people said yes {yes} times of {all}"
        )?;
    }
    if place.is_some() {
        writeln!(
            out,
            "`shoal serve` uses it from its next start; `shoal learn route --rollback` puts the former one back"
        )?;
    }
    Ok(Exit::Done)
}

/// Adds what the appliance's own traces say of answers, and gives of how many tasks they do; and what people said when they were
/// asked, also in tasks that failed since it was no.
async fn from_traces(places: &Places, table: &mut Table) -> Result<(usize, Approvals), Fault> {
    let store = store(places).await?;
    let (mut added, mut approvals) = (0, Approvals::default());
    for state in [State::Done, State::Failed] {
        let filter = TaskFilter {
            state: Some(state),
            limit: MOST,
            ..TaskFilter::default()
        };
        for head in store.tasks(filter).await? {
            // One that was forgotten since is of no use.
            let Some(record) = store.task(&head.id).await? else {
                continue;
            };
            let entries = store.trace(&head.id).await?;
            let events: Vec<_> = entries.into_iter().map(|entry| entry.event).collect();
            approvals.add(&events);
            if state == State::Done {
                added += usize::from(table.add_trace(&record.task, &events));
            }
        }
    }
    Ok((added, approvals))
}
