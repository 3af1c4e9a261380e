//! Trying one recipe after the other against the download.

use std::fs;

use super::{
    Bytes, Machine, Note, Options, PrepareError, Row, Step,
    choose::{Pace, choose},
    measure::{Effort, Subject},
    place::Place,
    quantize,
    recipe::{AS_DOWNLOADED, RECIPES, Recipe},
};
use crate::{
    catalogue, disk,
    engine::{load, sums::Sums},
    gguf::Header,
};

/// Bytes that measuring takes beside weights and cache: logits and scratch.
const SCRATCH: u64 = 256 << 20;

/// The download, loaded, and what was measured so far. At most two candidates are on the disk at a time: the best one
/// and the one that is tried.
pub(super) struct Trial<'a> {
    place: &'a Place,
    options: &'a Options,
    tell: &'a mut dyn FnMut(Step<'_>),
    header: Header,
    effort: Effort,
    download: Subject,
    perplexity: f64,
    sums: Sums,
    pace: Pace,
    rows: Vec<Row>,
}

impl<'a> Trial<'a> {
    /// Measures the download.
    pub(super) fn try_new(
        place: &'a Place,
        options: &'a Options,
        tell: &'a mut dyn FnMut(Step<'_>),
    ) -> Result<Self, PrepareError> {
        let header = load::header(&place.source)?;
        check_memory(options, &header, 0)?;
        tell(Step::Begun(AS_DOWNLOADED));
        let effort = Effort::of(header.parameters);
        let download = Subject::load(&place.source, options, effort)?;
        let perplexity = download.perplexity()?;
        let sums = download.sums()?;
        let mut runner = download.runner()?;
        for _ in 0..effort.rounds {
            runner.run()?;
        }
        let pace = Pace {
            prefill: rounded(runner.speed.prefill(), 1e1),
            decode: rounded(runner.speed.decode(), 1e1),
        };
        drop(runner);
        let row = Row {
            recipe: AS_DOWNLOADED.to_owned(),
            bytes: Some(header.bytes),
            perplexity: Some(1.0),
            prefill: Some(1.0),
            decode: Some(1.0),
            remark: None,
        };
        tell(Step::Measured(&row));
        Ok(Self {
            place,
            options,
            tell,
            header,
            effort,
            download,
            perplexity,
            sums,
            pace,
            rows: vec![row],
        })
    }

    /// Tries every recipe, and leaves the best one's file and the note.
    pub(super) fn run(mut self, machine: Machine, source: Bytes) -> Result<Note, PrepareError> {
        let stored = self.header.quantization();
        for recipe in RECIPES.iter().filter(|recipe| !recipe.is(stored)) {
            self.attempt(recipe)?;
        }
        self.clear(&self.place.part)?;
        let taken = self.taken();
        let prepared = self.publish(&taken)?;
        let note = Note {
            recipe: taken,
            threads: self.options.threads,
            most_perplexity: self.options.bounds.perplexity,
            pace: self.pace,
            machine,
            source,
            prepared,
            measured: self.rows,
        };
        note.write(self.place)
            .map_err(|e| PrepareError::io(&self.place.note, e))?;
        Ok(note)
    }

    /// The name of the recipe that is the best so far.
    fn taken(&self) -> String {
        choose(&self.rows, self.pace, self.options.bounds)
            .map_or(AS_DOWNLOADED, |row| row.recipe.as_str())
            .to_owned()
    }

    /// Whether a row would be the best so far if its perplexity were that of the download.
    fn would_be_taken(&self, row: &Row) -> bool {
        let hoped = Row {
            perplexity: Some(1.0),
            ..row.clone()
        };
        let rows: Vec<Row> = self.rows.iter().cloned().chain([hoped]).collect();
        choose(&rows, self.pace, self.options.bounds).is_some_and(|best| best.recipe == row.recipe)
    }

    /// Tries one. That it cannot be tried is a remark in its row and no reason to stop.
    fn attempt(&mut self, recipe: &Recipe) -> Result<(), PrepareError> {
        (self.tell)(Step::Begun(recipe.name));
        let mut row = Row {
            recipe: recipe.name.to_owned(),
            ..Row::default()
        };
        if let Err(error) = self.measure(recipe, &mut row) {
            row.remark = Some(error.to_string());
        }
        (self.tell)(Step::Measured(&row));
        self.rows.push(row);
        if self.taken() == recipe.name {
            fs::rename(&self.place.part, &self.place.best)
                .map_err(|e| PrepareError::io(&self.place.best, e))?;
        }
        Ok(())
    }

    fn measure(&self, recipe: &Recipe, row: &mut Row) -> Result<(), PrepareError> {
        let (part, threads) = (&self.place.part, self.options.threads);
        quantize::quantize(&self.place.source, part, recipe, &self.sums, threads)?;
        let header = load::header(part)?;
        row.bytes = Some(header.bytes);
        check_memory(self.options, &header, self.header.bytes)?;
        let subject = Subject::load(part, self.options, self.effort)?;
        // In turns, since other programs come and go.
        let (mut download, mut candidate) = (self.download.runner()?, subject.runner()?);
        for _ in 0..self.effort.rounds {
            download.run()?;
            candidate.run()?;
        }
        let (then, now) = (download.speed, candidate.speed);
        // Rounded as it is written, so that the note's reader comes to the same choice.
        row.prefill = Some(rounded(now.prefill() / then.prefill(), 1e2));
        row.decode = Some(rounded(now.decode() / then.decode(), 1e2));
        if !self.would_be_taken(row) {
            row.remark = Some("not worth it, so its perplexity was not measured".to_owned());
            return Ok(());
        }
        let perplexity = subject.perplexity()? / self.perplexity;
        row.perplexity = Some(rounded(perplexity, 1e4));
        Ok(())
    }

    /// Gives the best file its name. The note before goes first, so that no note ever speaks of another file.
    fn publish(&self, taken: &str) -> Result<Option<Bytes>, PrepareError> {
        self.clear(&self.place.note)?;
        if taken == AS_DOWNLOADED {
            self.clear(&self.place.best)?;
            self.clear(&self.place.prepared)?;
            return Ok(None);
        }
        disk::publish(&self.place.best, &self.place.prepared)
            .map_err(|e| PrepareError::io(&self.place.prepared, e))?;
        let found = catalogue::digest(&self.place.prepared)?;
        Ok(Some(Bytes {
            bytes: found.bytes,
            sha256: found.sha256,
        }))
    }

    fn clear(&self, path: &std::path::Path) -> Result<(), PrepareError> {
        disk::remove(path).map_err(|e| PrepareError::io(path, e))
    }
}

/// Says no where the model does not fit beside `others`, the bytes of what is loaded already.
fn check_memory(options: &Options, header: &Header, others: u64) -> Result<(), PrepareError> {
    let cache = header.cache_bytes(1024);
    let needed = header
        .bytes
        .saturating_add(others)
        .saturating_add(cache)
        .saturating_add(SCRATCH);
    // An accelerator has a memory of its own, of which nothing is known here.
    match load::available_memory().filter(|_| options.gpu_layers == 0) {
        Some(available) if needed > available => Err(PrepareError::NoMemory { needed, available }),
        _ => Ok(()),
    }
}

fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}
