//! Trying one recipe after the other against the download.

use std::{fs, io, time::Instant};

use super::{
    Bytes, Machine, Note, Options, PrepareError, Row, Step,
    choose::{MOST_PERPLEXITY, choose},
    measure::{Effort, Speed, Subject, median},
    place::Place,
    quantize,
    recipe::{AS_DOWNLOADED, RECIPES, Recipe},
};
use crate::{catalogue, disk, engine::load, gguf::Header};

/// Bytes that measuring takes beside weights and cache: logits and scratch.
const SCRATCH: u64 = 256 << 20;

/// The download, loaded, and what was measured so far. At most two candidates are on the disk at a time: the best one
/// and the one that is tried.
pub(super) struct Trial<'a> {
    place: &'a Place,
    options: &'a Options,
    tell: &'a mut dyn FnMut(Step<'_>),
    began: Instant,
    header: Header,
    effort: Effort,
    download: Subject,
    perplexity: f64,
    speed: Speed,
    rows: Vec<Row>,
}

impl<'a> Trial<'a> {
    /// Measures the download.
    pub(super) fn try_new(
        place: &'a Place,
        options: &'a Options,
        tell: &'a mut dyn FnMut(Step<'_>),
    ) -> Result<Self, PrepareError> {
        let began = Instant::now();
        let header = load::header(&place.source)?;
        check_memory(options, &header, 0)?;
        tell(Step::Begun(AS_DOWNLOADED));
        let effort = Effort::of(header.parameters);
        let download = Subject::load(&place.source, options)?;
        let perplexity = download.perplexity(effort)?;
        let mut speeds = Vec::new();
        for _ in 0..effort.rounds {
            speeds.push(download.speed(effort)?);
        }
        let speed = Speed {
            prefill: middle(&speeds, |s| s.prefill),
            decode: middle(&speeds, |s| s.decode),
        };
        let row = Row {
            recipe: AS_DOWNLOADED.to_owned(),
            bytes: Some(header.bytes),
            perplexity: Some(1.0),
            prefill: Some(tenths(speed.prefill)),
            decode: Some(tenths(speed.decode)),
            remark: None,
        };
        tell(Step::Measured(&row));
        Ok(Self {
            place,
            options,
            tell,
            began,
            header,
            effort,
            download,
            perplexity,
            speed,
            rows: vec![row],
        })
    }

    /// Tries every recipe that there is time for, and leaves the best one's file and the note.
    pub(super) fn run(mut self, machine: Machine, source: Bytes) -> Result<Note, PrepareError> {
        let mut cut_short = false;
        for recipe in RECIPES {
            if recipe.is(self.header.quantization()) {
                continue;
            }
            if self
                .options
                .within
                .is_some_and(|within| self.began.elapsed() >= within)
            {
                cut_short = true;
                break;
            }
            self.attempt(recipe)?;
        }
        self.clear(&self.place.part)?;
        let taken = self.taken();
        let prepared = self.publish(&taken)?;
        let note = Note {
            recipe: taken,
            threads: self.options.threads,
            cut_short,
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
        choose(&self.rows, self.options.memory)
            .map_or(AS_DOWNLOADED, |row| row.recipe.as_str())
            .to_owned()
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
        let part = &self.place.part;
        quantize::quantize(&self.place.source, part, recipe, self.options.threads)?;
        let header = load::header(part)?;
        row.bytes = Some(header.bytes);
        check_memory(self.options, &header, self.header.bytes)?;
        let subject = Subject::load(part, self.options)?;
        let perplexity = subject.perplexity(self.effort)? / self.perplexity;
        // Rounded as it is written, so that the note's reader comes to the same choice.
        let perplexity = (perplexity * 1e4).round() / 1e4;
        row.perplexity = Some(perplexity);
        if perplexity > MOST_PERPLEXITY {
            row.remark =
                Some("too far from the download, so its speed was not measured".to_owned());
            return Ok(());
        }
        // In turns, and as a share of the download's speed at that time, since other programs come and go.
        let (mut prefill, mut decode) = (Vec::new(), Vec::new());
        for _ in 0..self.effort.rounds {
            let (download, candidate) = (
                self.download.speed(self.effort)?,
                subject.speed(self.effort)?,
            );
            prefill.push(candidate.prefill / download.prefill);
            decode.push(candidate.decode / download.decode);
        }
        let speed = |shares, download: f64| median(shares).map(|share| tenths(share * download));
        row.prefill = speed(prefill, self.speed.prefill);
        row.decode = speed(decode, self.speed.decode);
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
        disk::remove(path).map_err(|e: io::Error| PrepareError::io(path, e))
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

fn middle(speeds: &[Speed], of: impl Fn(&Speed) -> f64) -> f64 {
    median(speeds.iter().map(of).collect()).unwrap_or_default()
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
