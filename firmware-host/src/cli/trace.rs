//! `shoal trace`.

mod audit;
mod line;

use std::{fmt::Write as _, io::Write};

use clap::Args;
use serde_json::json;
use shoal_conductor::{
    id::{TaskId, WorkerId},
    label::Label,
    trace::Event,
    worker::Usage,
};

use super::{store, text};
use crate::{
    api::view::{TaskView, TraceView},
    config::Places,
    exit::{Exit, Fault},
    store::TaskFilter,
};

/// What is shown.
#[derive(Debug, Args)]
pub struct Options {
    /// The task; without it, the last tasks
    id: Option<String>,
    /// How many tasks
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "id")]
    last: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Check that nothing in the record was changed, removed or added; 1 if something was
    #[arg(long, conflicts_with_all = ["id", "last"])]
    verify: bool,
    /// With --verify: the head of the chain as it was noted before must be in it still
    #[arg(long, value_name = "HEAD", requires = "verify")]
    since: Option<String>,
    /// Print the record as lines of JSON, one for each link of its chain
    #[arg(long, conflicts_with_all = ["verify", "last", "json"])]
    export: bool,
    /// Forget the finished tasks with this label, with their traces
    #[arg(long, value_name = "LABEL", conflicts_with_all = ["verify", "export", "id", "last"])]
    purge: Option<Label>,
    /// With --purge: only those that ended more than so many days ago
    #[arg(long, value_name = "DAYS", requires = "purge", default_value_t = 0)]
    older_than: u16,
}

/// Reads the store, whether a server runs or not.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let store = store(places).await?;
    if options.verify {
        return audit::verify(&store, options.since.as_deref(), options.json, out).await;
    }
    if options.export {
        return audit::export(&store, options.id.as_deref(), out).await;
    }
    if let Some(label) = options.purge {
        return audit::purge(&store, label, options.older_than, options.json, out).await;
    }
    let Some(id) = options.id else {
        let filter = TaskFilter {
            limit: options.last.clamp(1, 1000),
            ..TaskFilter::default()
        };
        let heads = store.tasks(filter).await?;
        let tasks: Vec<TaskView> = heads.into_iter().map(TaskView::from).collect();
        if options.json {
            super::json(out, &json!({"tasks": tasks}))?;
        } else {
            write!(out, "{}", listed(&tasks))?;
        }
        return Ok(Exit::Done);
    };
    let unknown = || {
        Fault::failed(format!(
            "there is no task \"{id}\"; `shoal trace` lists the last ones"
        ))
    };
    let task = TaskId::try_new(id.as_str()).map_err(|_| unknown())?;
    let record = store.task(&task).await?.ok_or_else(unknown)?;
    let view = TraceView::new(record, store.trace(&task).await?);
    if options.json {
        super::json(out, &view)?;
    } else {
        write!(out, "{}", render(&view))?;
    }
    Ok(Exit::Done)
}

fn listed(tasks: &[TaskView]) -> String {
    if tasks.is_empty() {
        return "there are no tasks yet\n".to_owned();
    }
    let head = ["TASK", "STATE", "ACCEPTED", "MODEL", "FROM"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(tasks.iter().map(|task| {
        vec![
            task.id.to_string(),
            task.state.to_string(),
            text::moment(task.accepted_at),
            task.model.clone(),
            task.from.clone(),
        ]
    }));
    text::table(&rows)
}

/// A trace for people: what it was, then a line or some for each event.
pub fn render(view: &TraceView) -> String {
    let mut shown = head(view);
    if view.entries.is_empty() {
        shown.push_str("\nnothing has happened yet\n");
    }
    let start = view.task.accepted_at;
    for entry in &view.entries {
        shown.push('\n');
        shown.push_str(&line::render(entry.at.saturating_sub(start), &entry.event));
    }
    if let Some(answer) = &view.task.answer {
        shown.push_str("\nanswer\n");
        shown.push_str(&text::indent(&answer.text, "  "));
    }
    if let Some(error) = &view.task.error {
        shown.push_str("\nfailed\n");
        shown.push_str(&text::indent(&error.message, "  "));
    }
    shown
}

fn head(view: &TraceView) -> String {
    let task = &view.task;
    let effort = serde_json::to_value(task.effort).ok();
    let effort = effort
        .as_ref()
        .and_then(|effort| effort.as_str())
        .unwrap_or_default();
    let mut rows = vec![
        ("model", format!("{}, effort {effort}", task.model)),
        ("from", task.from.clone()),
        ("label", label(view)),
    ];
    if let Some(workers) = &task.workers {
        let names: Vec<&str> = workers.iter().map(WorkerId::as_str).collect();
        rows.push(("workers", format!("only {}", names.join(", "))));
    }
    if !task.limits.is_none() {
        rows.push(("limits", task.limits.to_string()));
    }
    rows.extend([("accepted", text::moment(task.accepted_at))]);
    if let Some(finished) = task.finished_at {
        let took = finished.saturating_sub(task.accepted_at);
        rows.push(("took", format!("{took} ms")));
    }
    if let Some(answer) = &task.answer {
        rows.push(("tokens", format!("{} for the answer", tokens(answer.usage))));
        rows.push((
            "",
            format!("{} for everything else", tokens(answer.orchestration)),
        ));
        rows.push(("cost", answer.cost.to_string()));
    }
    rows.push(("left", left(view)));
    let mut shown = format!("task {}: {}\n", task.id, task.state);
    for (name, value) in rows {
        // Writing to a string does not fail.
        let _ = writeln!(shown, "  {name:<9} {value}");
    }
    shown
}

fn label(view: &TraceView) -> String {
    view.entries
        .iter()
        .find_map(|entry| match &entry.event {
            Event::Labelled {
                label, declared, ..
            } => Some(format!("{label} (declared {declared})")),
            _ => None,
        })
        .unwrap_or_else(|| format!("{} (declared)", view.task.label))
}

/// To whom text left the board.
fn left(view: &TraceView) -> String {
    let mut workers: Vec<&str> = view
        .entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Called {
                worker,
                left: Some(_),
                ..
            } => Some(worker.as_str()),
            _ => None,
        })
        .collect();
    workers.sort_unstable();
    workers.dedup();
    if workers.is_empty() {
        "nothing left the board".to_owned()
    } else {
        format!("text left the board to {}, shown below", workers.join(", "))
    }
}

fn tokens(usage: Usage) -> String {
    format!("{} read, {} written", usage.input, usage.output)
}

#[cfg(test)]
mod tests;
