//! `shoal eval route`.

mod join;
mod picture;
mod report;

use std::{
    io::Write,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use clap::Args;
use serde_json::{Value, json};
use shoal_conductor::head::routing::{
    Routing,
    judge::Judge,
    look::{Look, PLAIN},
    measure::{Field, Opinion},
    outcome::Table,
    teach::{self, Lessons, Plan},
};

use crate::{
    cli::{
        config,
        outcomes::{self, Lesson},
        study::FOLDS,
    },
    config::Places,
    exit::{Exit, Fault},
    head::fingerprint,
};

/// How it is measured.
#[derive(Debug, Args)]
pub struct Options {
    /// Files of outcomes, one JSON object a line: {"id", "prompt", "scores": {worker: 0 to 1}}
    #[arg(long, value_name = "F", required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Learn a fresh head from these; without, each part of the data is judged by a head learnt from the others
    #[arg(long, value_name = "F", num_args = 1..)]
    train: Vec<PathBuf>,
    /// A head's file, in place of one that is learnt now
    #[arg(long, value_name = "F", conflicts_with = "train")]
    head: Option<PathBuf>,
    /// Parts of the data, where there is no --train
    #[arg(long, value_name = "N", default_value_t = FOLDS)]
    folds: usize,
    /// For APGR and CPT: the worker that is asked by itself
    #[arg(long, value_name = "WORKER", requires = "strong")]
    weak: Option<String>,
    /// And the one that is asked where it is worth it
    #[arg(long, value_name = "WORKER", requires = "weak")]
    strong: Option<String>,
    /// What a call of a worker costs, in any unit [default: the size that its name says, over the largest]
    #[arg(long, value_name = "WORKER=X", value_parser = cost)]
    cost: Vec<(String, f32)>,
    /// Leave each worker out in turn, and let it join by so many rows
    #[arg(long, value_name = "ROWS", conflicts_with = "head")]
    join: Option<usize>,
    /// Learn from an eighth, a quarter and a half of the rows as well, to see whether more would help
    #[arg(long, conflicts_with = "head")]
    learning: bool,
    /// Draws for the intervals
    #[arg(long, value_name = "N", default_value_t = 500)]
    draws: usize,
    /// Draw accuracy against cost
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    lesson: Lesson,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Opinions that are held against each other; the first is the head's.
type Opinions = Vec<(&'static str, Opinion)>;

fn cost(text: &str) -> Result<(String, f32), String> {
    let (worker, cost) = text.rsplit_once('=').ok_or("write WORKER=X")?;
    let cost = cost.parse::<f32>().map_err(|error| error.to_string())?;
    let is_price = cost.is_finite() && cost >= 0.0;
    is_price
        .then(|| (worker.to_owned(), cost))
        .ok_or_else(|| "a cost is a number from 0 on".to_owned())
}

/// Measures.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let mut table = Table::default();
    let data = outcomes::read(&mut table, &options.data)?;
    let train = outcomes::read(&mut table, &options.train)?;
    if data.is_empty() {
        return Err(Fault::usage("there are no outcomes to measure with"));
    }
    let costs = costs(&table.workers, &options.cost)?;
    let pair = match (&options.weak, &options.strong) {
        (Some(weak), Some(strong)) => Some((place(&table, weak)?, place(&table, strong)?)),
        _ => None,
    };
    let config = config(places)?;
    let head = match &options.head {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| {
                Fault::usage(format!("cannot read the head {}: {error}", path.display()))
            })?;
            let head = Routing::try_from_bytes(&bytes).map_err(Fault::usage)?;
            let backbone = fingerprint(&config.model, &head.backbone)?;
            Some(head.for_backbone(&backbone).map_err(Fault::usage)?)
        }
        None => None,
    };
    let mut reader = options.lesson.reader(config).await?;
    let looks = outcomes::looks(&mut reader, &table).await?;
    drop(reader);
    let (svg, as_json) = (options.svg.clone(), options.json);
    let (report, picture) = tokio::task::spawn_blocking(move || {
        let rows: Vec<usize> = data.collect();
        let (parts, lessons) = if train.is_empty() {
            let count = options.folds.clamp(2, rows.len().max(2));
            let parts = teach::folds(rows.len(), count, options.lesson.plan().seed);
            let lessons = (0..count)
                .map(|part| (0..rows.len()).filter(|&row| parts[row] != part).collect())
                .collect();
            (parts, lessons)
        } else {
            (vec![0; rows.len()], vec![train.collect()])
        };
        let field = Field {
            table: &table,
            rows,
            parts,
            lessons,
            costs,
            pair,
        };
        let plan = options.lesson.plan();
        let spent = AtomicU64::new(0);
        let opinions = opinions(&field, &looks, head.as_ref(), &plan, &spent);
        let mut report = report::report(&field, &opinions, options.draws);
        if let Some(report) = report.as_object_mut() {
            #[expect(clippy::cast_precision_loss, reason = "a time and a number of rows")]
            let each = spent.into_inner() as f64 / field.rows.len().max(1) as f64;
            report.insert("head_ms".to_owned(), (each / 1e6).into());
        }
        if let (Some(rows), Some(report)) = (options.join, report.as_object_mut()) {
            let joined = join::join(&field, &looks, &plan, rows);
            report.insert("join".to_owned(), joined);
        }
        if let Some(report) = report.as_object_mut().filter(|_| options.learning) {
            let points = learning(&field, &looks, &plan, &opinions[0].1);
            report.insert("learning".to_owned(), points);
        }
        (report, picture::svg(&field, &opinions))
    })
    .await
    .map_err(Fault::internal)?;
    if let Some(path) = svg {
        crate::cli::write_file(&path, picture.as_bytes())?;
    }
    if as_json {
        crate::cli::json(out, &report)?;
    } else {
        write!(out, "{}", report::text(&report))?;
    }
    Ok(Exit::Done)
}

fn place(table: &Table, worker: &str) -> Result<usize, Fault> {
    table.worker(worker).ok_or_else(|| {
        let known = table.workers.join(", ");
        Fault::usage(format!(
            "nobody in the data is called \"{worker}\"; there are {known}"
        ))
    })
}

/// The head's opinion, and what it is held against. What the head takes for all rows is added to `spent`, in nanoseconds.
fn opinions(
    field: &Field<'_>,
    looks: &[Look],
    head: Option<&Routing>,
    plan: &Plan,
    spent: &AtomicU64,
) -> Opinions {
    let own = match head {
        Some(head) => field.learnt(1, |_| {
            move |row| chances(field, looks, &head.judge, row, spent)
        }),
        None => learnt(field, looks, plan, spent),
    };
    tracing::info!("the head is learnt; now what it is held against");
    vec![
        ("head", own),
        ("best_single", field.constant()),
        ("random", field.random()),
        ("length", field.length()),
        ("tfidf", field.tfidf(plan.threads)),
        ("cheapest", field.cheapest()),
        ("oracle", field.oracle()),
    ]
}

/// The opinion of heads that are learnt now.
pub(in crate::cli) fn learnt(
    field: &Field<'_>,
    looks: &[Look],
    plan: &Plan,
    spent: &AtomicU64,
) -> Opinion {
    let lessons = Lessons {
        table: field.table,
        looks,
    };
    // Several heads share the threads; a single one has them all.
    let alone = field.lessons.len() == 1;
    let inner = Plan {
        threads: if alone { plan.threads } else { 1 },
        ..plan.clone()
    };
    field.learnt(plan.threads, |rows| {
        let judge = lessons.learn(rows, &inner);
        tracing::info!(rows = rows.len(), "a head is learnt");
        move |row| chances(field, looks, &judge, row, spent)
    })
}

/// Accuracy and APGR of heads that are learnt from ever more of the rows; `whole` is the opinion of those that had all.
fn learning(field: &Field<'_>, looks: &[Look], plan: &Plan, whole: &Opinion) -> Value {
    let point = |rows: usize, opinion: &Opinion| {
        let outcome = field.outcome(opinion);
        let apgr = outcome.pair.map(|[apgr, ..]| apgr);
        json!({"rows": rows, "accuracy": outcome.accuracy, "apgr": apgr})
    };
    let rows = |field: &Field<'_>| field.lessons.first().map_or(0, Vec::len);
    let mut points: Vec<Value> = [8, 4, 2]
        .into_iter()
        .map(|share| {
            let some = |all: &Vec<usize>| {
                let parts = teach::folds(all.len(), share, plan.seed);
                let rows = all.iter().zip(parts).filter(|(_, part)| *part == 0);
                rows.map(|(row, _)| *row).collect()
            };
            let part = Field {
                lessons: field.lessons.iter().map(some).collect(),
                ..field.clone()
            };
            let opinion = learnt(&part, looks, plan, &AtomicU64::new(0));
            point(rows(&part), &opinion)
        })
        .collect();
    points.push(point(rows(field), whole));
    points.into()
}

/// What a head says of a row, with everything that it does once the states are there.
pub(in crate::cli) fn chances(
    field: &Field<'_>,
    looks: &[Look],
    judge: &Judge,
    row: usize,
    spent: &AtomicU64,
) -> Vec<f32> {
    let dense = &looks[row].dense;
    let began = Instant::now();
    let states = &dense[..dense.len().saturating_sub(PLAIN)];
    let factors = judge.factors(&Look::new(&field.table.rows[row].prompt, states));
    let workers = field.table.workers.iter();
    let chances = workers.map(|worker| judge.chance(worker, &factors).unwrap_or(f32::NAN));
    let chances = chances.collect();
    let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    spent.fetch_add(took, Ordering::Relaxed);
    chances
}

/// What each worker costs.
fn costs(workers: &[String], said: &[(String, f32)]) -> Result<Vec<f32>, Fault> {
    for (name, _) in said {
        if !workers.contains(name) {
            let known = workers.join(", ");
            let reason = format!("--cost: nobody is called \"{name}\"; there are {known}");
            return Err(Fault::usage(reason));
        }
    }
    let sizes: Vec<Option<f32>> = workers.iter().map(|worker| size(worker)).collect();
    let largest = sizes.iter().flatten().fold(0.0f32, |a, b| a.max(*b));
    // Nobody hides the size of a small model.
    let unknown = if largest > 0.0 { 2.0 * largest } else { 1.0 };
    let all: Vec<f32> = sizes
        .into_iter()
        .map(|size| size.unwrap_or(unknown))
        .collect();
    let most = all.iter().fold(f32::MIN_POSITIVE, |a, b| a.max(*b));
    let costs = workers.iter().zip(all).map(|(worker, size)| {
        let said = said.iter().find(|(name, _)| name == worker);
        said.map_or(size / most, |(_, cost)| *cost)
    });
    Ok(costs.collect())
}

/// The size in a worker's name, in billions of weights: 8 of `llama-3.1-8b`, 56 of `mixtral-8x7b`.
fn size(worker: &str) -> Option<f32> {
    let lower = worker.to_ascii_lowercase();
    let mut parts = lower.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    parts.find_map(|part| {
        let sizes = part.strip_suffix('b')?;
        sizes
            .split('x')
            .map(|number| number.parse::<f32>().ok())
            .try_fold(1.0, |product, number| Some(product * number?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_off_a_name() {
        assert_eq!(size("llama-3.1-8b-instruct"), Some(8.0));
        assert_eq!(size("mixtral-8x7b"), Some(56.0));
        assert_eq!(size("qwen2.5-0.5b"), Some(0.5));
        assert_eq!(size("gpt-4-1106"), None);
        let workers = ["a-7b", "b", "c-14b"].map(str::to_owned);
        assert_eq!(costs(&workers, &[]).unwrap(), [0.25, 1.0, 0.5]);
        let said = [("b".to_owned(), 3.0)];
        assert_eq!(costs(&workers, &said).unwrap(), [0.25, 3.0, 0.5]);
        assert!(costs(&workers, &[("x".to_owned(), 1.0)]).is_err());
    }
}
