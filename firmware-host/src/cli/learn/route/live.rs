//! Replacing the head in use: only by one that is better, and so that the former one can come back.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
};

use serde::Serialize;
use shoal_conductor::{
    exercise::interval::Interval,
    head::routing::{
        Routing,
        look::Look,
        measure::{Field, Opinion},
        outcome::Table,
        teach::{self, Plan},
    },
};

use crate::{
    cli::{eval::route, study::FOLDS},
    config::Config,
    exit::{Exit, Fault},
};

/// Where the head in use is.
#[derive(Debug)]
pub struct Place {
    pub file: PathBuf,
    former: PathBuf,
}

impl Place {
    /// The one that the config names.
    pub fn of(config: &Config) -> Result<Self, Fault> {
        let Some(file) = config.routing_head.clone() else {
            return Err(Fault::usage(
                "shoal.toml names no head: set routing_head = \"routing.safetensors\" under [conductor] once the file is there, which `shoal learn route --out data/routing.safetensors` makes",
            ));
        };
        let mut former = file.clone().into_os_string();
        former.push(".former");
        Ok(Self {
            file,
            former: former.into(),
        })
    }

    /// The head in use; none where there is no file.
    pub fn now(&self) -> Result<Option<Routing>, Fault> {
        let bytes = match fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|error| self.fault(&error))?,
        };
        let head = Routing::try_from_bytes(&bytes).map_err(|error| self.fault(&error))?;
        Ok(Some(head))
    }

    /// Puts a head there; the one that was there becomes the former one.
    pub fn put(&self, bytes: &[u8]) -> Result<(), Fault> {
        let fresh = self.file.with_extension("fresh");
        let put = || {
            let mut file = File::create(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            if self.file.exists() {
                fs::copy(&self.file, &self.former)?;
                File::open(&self.former)?.sync_all()?;
            }
            publish(&fresh, &self.file)
        };
        put().map_err(|error| self.fault(&error))
    }

    /// Puts the former one back.
    pub fn roll_back(&self) -> Result<(), Fault> {
        if !self.former.exists() {
            let former = self.former.display();
            return Err(Fault::failed(format!(
                "there is no former head: {former} is not there"
            )));
        }
        publish(&self.former, &self.file).map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &dyn fmt::Display) -> Fault {
        let file = self.file.display();
        Fault::new(Exit::CannotCreate, format!("{file}: {error}"))
    }
}

/// Moves a file so that it is there also after a power cut.
fn publish(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// How a way of learning does beside the head in use, on tasks that were not learnt from.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// Tasks.
    rows: usize,
    /// What it is held against.
    against: &'static str,
    /// How much smaller the square of what its chances are off is (Brier, 1950), task by task.
    surer: Interval,
    /// How much better whoever it chooses is, where several were asked.
    chooses: Interval,
}

impl Trial {
    /// Whether it surely knows better, and does not surely choose worse.
    pub fn is_better(&self) -> bool {
        self.surer.low > 0.0 && self.chooses.high >= 0.0
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rows,
            against,
            surer,
            chooses,
        } = self;
        writeln!(
            f,
            "on {rows} tasks, each judged by a head that was not learnt from it, against {against} (95 %):\n\
             squared error smaller by {:.4} ({:+.4} to {:+.4}); chosen worker better by {:.3} ({:+.3} to {:+.3})",
            surer.mean, surer.low, surer.high, chooses.mean, chooses.low, chooses.high
        )
    }
}

/// Tries it. The head in use may have been learnt from some of these tasks, which is to its own good.
pub fn trial(table: &Table, looks: &[Look], now: Option<&Routing>, plan: &Plan) -> Trial {
    let count = FOLDS.min(table.rows.len()).max(2);
    let parts = teach::folds(table.rows.len(), count, plan.seed);
    let lessons: Vec<Vec<usize>> = (0..count)
        .map(|part| {
            (0..table.rows.len())
                .filter(|&row| parts[row] != part)
                .collect()
        })
        .collect();
    let field = Field {
        table,
        rows: (0..table.rows.len()).collect(),
        lessons,
        parts,
        costs: vec![1.0; table.workers.len()],
        pair: None,
    };
    let spent = AtomicU64::new(0);
    let fresh = route::learnt(&field, looks, plan, &spent);
    let (against, other) = match now {
        Some(head) => (
            "the head in use",
            field.learnt(1, |_| {
                |row| route::chances(&field, looks, &head.judge, row, &spent)
            }),
        ),
        None => ("each worker's mean", field.constant()),
    };
    let errors = |opinion: &Opinion| errors(table, opinion);
    let less = |all: Vec<f64>, by: Vec<f64>| -> Vec<f64> {
        all.into_iter().zip(by).map(|(all, by)| all - by).collect()
    };
    let chosen = |opinion: &Opinion| -> Vec<f64> {
        let chosen = field.chosen(opinion).into_iter();
        chosen.map(f64::from).collect()
    };
    Trial {
        rows: table.rows.len(),
        against,
        surer: Interval::of(&less(errors(&other), errors(&fresh))),
        chooses: Interval::of(&less(chosen(&fresh), chosen(&other))),
    }
}

/// The sum of the squares of what the chances of a row are off; whoever is unknown has an even one.
fn errors(table: &Table, opinion: &Opinion) -> Vec<f64> {
    let chances = opinion.values.chunks(table.workers.len().max(1));
    let rows = table.rows.iter().zip(chances);
    rows.map(|(row, chances)| {
        let asked = row.scores.iter().zip(chances);
        let squares = asked.filter_map(|(score, &chance)| {
            let chance = if chance.is_nan() { 0.5 } else { chance };
            Some(f64::from((*score)? - chance).powi(2))
        });
        squares.sum()
    })
    .collect()
}
