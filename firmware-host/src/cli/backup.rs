//! `shoal backup` and `shoal restore`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{config, json};
use crate::{
    config::Places,
    exit::{Exit, Fault},
    running::Running,
    store::{
        KEY_FILE, StoreError,
        backup::{self, Copied},
        salvage::{self, Table},
    },
};

/// What to copy, and where to.
#[derive(Debug, Args)]
pub struct Options {
    /// The file to make; there must be none of this name
    file: PathBuf,
    /// Save what can be read of a damaged store, which `shoal restore` then takes
    #[arg(long)]
    salvage: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Copies the store.
pub async fn run(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    if options.salvage {
        return save(places, options, out).await;
    }
    let (data, file) = (places.data.clone(), options.file);
    let copied = blocking(move || backup::backup(&data, &file)).await?;
    if options.json {
        json(out, &copied)?;
    } else {
        write!(out, "{}", said(&copied, &places.data))?;
    }
    Ok(Exit::Done)
}

fn said(copied: &Copied, data: &Path) -> String {
    let Copied { file, bytes, tasks } = copied;
    format!(
        "copied {tasks} tasks, {} KiB, to {}\nThe key of the store is not in it: keep {} too, somewhere else.\n",
        bytes.div_ceil(1024),
        file.display(),
        data.join(KEY_FILE).display()
    )
}

async fn save(places: &Places, options: Options, out: &mut dyn Write) -> Result<Exit, Fault> {
    let key = config(places)?.key_source();
    let (data, file) = (places.data.clone(), options.file);
    let target = file.clone();
    let tables = blocking(move || salvage::salvage(&data, &target, &key)).await?;
    if options.json {
        json(out, &tables)?;
    } else {
        write!(out, "{}", told(&tables))?;
        writeln!(out, "now: shoal restore {}", file.display())?;
    }
    let whole = tables.iter().all(|table| table.gaps + table.orphans == 0);
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn told(tables: &[Table]) -> String {
    let lines = tables.iter().map(|table| {
        let lost = match (table.gaps, table.orphans) {
            (0, 0) => String::new(),
            (gaps, 0) => format!("   {gaps} places unreadable"),
            (gaps, orphans) => {
                format!("   {gaps} places unreadable, {orphans} rows without what they belong to")
            }
        };
        format!("{:<16}{:>8} rows{lost}\n", table.name, table.rows)
    });
    lines.collect()
}

/// What to put in the store's place.
#[derive(Debug, Args)]
pub struct RestoreOptions {
    /// A file that `shoal backup` made
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Puts a backup in the store's place.
pub async fn restore(
    places: &Places,
    options: RestoreOptions,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let _alone = Running::claim(&places.data)?;
    let key = config(places)?.key_source();
    let (data, file) = (places.data.clone(), options.file);
    let restored = blocking(move || backup::restore(&data, &file, &key)).await?;
    if options.json {
        json(out, &restored)?;
        return Ok(Exit::Done);
    }
    writeln!(out, "restored {} tasks", restored.tasks)?;
    if let Some(former) = &restored.former {
        writeln!(out, "the former store is {}", former.display())?;
    }
    Ok(Exit::Done)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(Fault::internal)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_and_what_was_saved_is_told() {
        let copied = Copied {
            file: "/mnt/usb/shoal.backup".into(),
            bytes: 69_632,
            tasks: 12,
        };
        let table = |name, rows, orphans, gaps| Table {
            name,
            rows,
            orphans,
            gaps,
        };
        let tables = [
            table("task", 120, 0, 1),
            table("trace", 1043, 7, 2),
            table("key", 1, 0, 0),
        ];
        insta::assert_snapshot!(format!(
            "{}\n{}",
            said(&copied, Path::new("data")),
            told(&tables)
        ));
    }
}
