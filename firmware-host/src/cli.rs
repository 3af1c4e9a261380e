//! The command line. What a command prints goes to standard output, as text for people or with `--json` as one object.

mod approvals;
mod ask;
mod backup;
mod bench;
mod board;
mod calibrate;
mod doctor;
mod eval;
mod feedback;
mod keys;
mod learn;
mod models;
mod narrow;
mod outcomes;
mod plan;
mod policy;
mod progress;
mod serve;
mod study;
mod text;
mod trace;
mod trial;
mod welcome;

use std::{
    io::{Read as _, Write},
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};
use serde::Serialize;
use shoal_conductor::exercise::{self, Exercise};

use crate::{
    config::{Config, Places},
    exit::{Exit, Fault},
    store::{self, FILE, Store, StoreError},
};

/// The longest text read from standard input, in bytes.
const MAX_INPUT: u64 = 16 << 20;

/// A task in, a workflow across local and remote models, an answer and a trace out.
#[derive(Debug, Parser)]
#[command(
    name = "shoal",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// The folder with config, policy, store and models [env: SHOAL_DATA] [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The config file [default: DIR/shoal.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the appliance
    Serve,
    /// Ask a model and print the answer as it is written
    Ask(ask::Options),
    /// Show what would run where, and why; nothing is sent
    Plan(plan::Options),
    /// Show what went where, why, and what it cost
    Trace(trace::Options),
    /// Say how good an answer was, for `learn route --from-traces`
    Feedback(feedback::Options),
    /// Show and answer questions about what may leave the board
    Approvals(approvals::Options),
    /// Check the policy, or explain what it means for a text
    #[command(subcommand)]
    Policy(policy::Action),
    /// Make, list and revoke the keys of the API
    #[command(subcommand)]
    Keys(keys::Action),
    /// Fetch, prepare, list and verify model files
    #[command(subcommand)]
    Models(models::Action),
    /// Copy the store to a file, also while the appliance runs
    Backup(backup::Options),
    /// Put a backup in the place of the store of an appliance that does not run
    Restore(backup::RestoreOptions),
    /// Show what board this is and what was decided for it
    Board(board::Options),
    /// Check that everything is in place, and say what to do
    Doctor(doctor::Options),
    /// Put fresh tasks to every worker, to know what each can do and how fast
    Calibrate(calibrate::Options),
    /// Measure on examples how good it is
    #[command(subcommand)]
    Eval(eval::Action),
    /// Measure how fast this machine does it
    #[command(subcommand)]
    Bench(bench::Action),
    /// Do what may crash, for another process of this program
    #[command(subcommand, hide = true)]
    Try(trial::Action),
    /// Learn a head from examples, on the model that is served
    #[command(subcommand)]
    Learn(learn::Action),
}

impl Cli {
    /// What is logged unless `RUST_LOG` says otherwise: a server tells what it does, other commands only what is wrong.
    #[must_use]
    pub fn default_log(&self) -> &'static str {
        match self.command {
            Command::Serve => "warn,shoal=info,shoal_conductor=info,shoal_models=info",
            Command::Calibrate(_) | Command::Eval(_) | Command::Learn(_) => "error,shoal=info",
            _ => "error",
        }
    }

    fn places(&self) -> Places {
        let named = match self.command {
            // Their --data names examples; their folder is that of SHOAL_DATA.
            Command::Learn(_) | Command::Eval(_) => None,
            _ => self.data.clone(),
        };
        let data = named
            .or_else(|| {
                std::env::var_os("SHOAL_DATA")
                    .filter(|folder| !folder.is_empty())
                    .map(PathBuf::from)
            })
            .unwrap_or_else(|| PathBuf::from("data"));
        Places {
            config: self
                .config
                .clone()
                .unwrap_or_else(|| data.join("shoal.toml")),
            data,
        }
    }
}

/// Does what the command line says.
pub async fn run(cli: Cli, out: &mut dyn Write) -> Result<Exit, Fault> {
    let places = cli.places();
    match cli.command {
        Command::Serve => serve::run(&places, out).await,
        Command::Ask(options) => ask::run(&places, options, out).await,
        Command::Plan(options) => plan::run(&places, options, out).await,
        Command::Trace(options) => trace::run(&places, options, out).await,
        Command::Feedback(options) => feedback::run(&places, options, out).await,
        Command::Approvals(options) => approvals::run(&places, options, out).await,
        Command::Policy(action) => policy::run(&places, action, out).await,
        Command::Keys(action) => keys::run(&places, action, out).await,
        Command::Models(action) => models::run(&places, action, out).await,
        Command::Backup(options) => backup::run(&places, options, out).await,
        Command::Restore(options) => backup::restore(&places, options, out).await,
        Command::Board(options) => board::run(&places, options, out),
        Command::Try(action) => trial::run(action, out),
        Command::Doctor(options) => doctor::run(&places, options, out).await,
        Command::Calibrate(options) => calibrate::run(&places, options, out).await,
        Command::Eval(action) => eval::run(&places, action, out).await,
        Command::Bench(action) => bench::run(&places, action, out).await,
        Command::Learn(action) => learn::run(&places, action, out).await,
    }
}

/// The text of an argument, or of standard input where it is `-`.
fn input(text: String) -> Result<String, Fault> {
    if text != "-" {
        return Ok(text);
    }
    let mut read = String::new();
    std::io::stdin()
        .take(MAX_INPUT + 1)
        .read_to_string(&mut read)
        .map_err(|error| Fault::usage(format!("cannot read standard input: {error}")))?;
    if read.len() as u64 > MAX_INPUT {
        return Err(Fault::usage(format!(
            "standard input is longer than {MAX_INPUT} bytes"
        )));
    }
    Ok(read)
}

/// The tasks of some files, one a line.
fn exercises(files: &[PathBuf]) -> Result<Vec<Exercise>, Fault> {
    let mut lines = String::new();
    for file in files {
        let named = |error| Fault::usage(format!("{}: {error}", file.display()));
        lines.push_str(&std::fs::read_to_string(file).map_err(named)?);
        lines.push('\n');
    }
    exercise::read(&lines).map_err(Fault::usage)
}

/// Who is at the command line, as traces have it.
fn by() -> String {
    match std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")) {
        Ok(user) if !user.is_empty() => format!("cli:{user}"),
        _ => "cli".to_owned(),
    }
}

/// Writes a file that the caller named.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    std::fs::write(path, bytes).map_err(|error| {
        let path = path.display();
        Fault::new(Exit::CannotCreate, format!("cannot write {path}: {error}"))
    })
}

/// Writes one JSON object.
fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(value).map_err(Fault::internal)?;
    writeln!(out, "{text}")?;
    Ok(())
}

/// The store of a data folder that has one.
async fn store(places: &Places) -> Result<Store, Fault> {
    let data: &Path = &places.data;
    if !data.join(FILE).exists() {
        return Err(Fault::new(
            Exit::CannotCreate,
            format!(
                "there is no store in {}: `shoal serve` makes one, or name another folder with --data",
                data.display()
            ),
        ));
    }
    open_store(&config(places)?).await
}

/// The store with the key that the config names; made where there is none.
async fn open_store(config: &Config) -> Result<Store, Fault> {
    let key = config.key_source();
    Ok(Store::open_with(&config.data, store::Limits::default(), key).await?)
}

/// The config, as far as commands need it that do not run the appliance.
fn config(places: &Places) -> Result<Config, Fault> {
    Ok(Config::load_or_default(places)?)
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Create { .. }
            | StoreError::Open { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Damaged(_)
            | StoreError::Newer { .. }
            | StoreError::Key(_)
            | StoreError::WrongKey { .. } => Exit::CannotCreate,
            StoreError::Full | StoreError::Busy | StoreError::Io(_) => Exit::TryAgain,
            StoreError::NoTask(_) | StoreError::Ended(_) | StoreError::NameTaken(_) => Exit::Failed,
            _ => Exit::Internal,
        };
        Self::new(exit, error)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_its_help_fits() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
        insta::assert_snapshot!(help);
    }

    #[test]
    fn folder_and_config_are_where_they_are_said_to_be() {
        let cli = Cli::try_parse_from(["shoal", "board", "--data", "/d"]).unwrap();
        assert_eq!(cli.places().config, Path::new("/d/shoal.toml"));
        let eval = ["shoal", "eval", "privacy", "--data", "/a", "/b"];
        let cli = Cli::try_parse_from(eval).unwrap();
        assert!(!cli.places().config.starts_with("/a"));
        let Command::Eval(eval::Action::Privacy(options)) = cli.command else {
            unreachable!("another command was parsed");
        };
        assert_eq!(options.data, [PathBuf::from("/a"), "/b".into()]);
        let cli = Cli::try_parse_from(["shoal", "serve", "--data", "/d", "--config", "c"]).unwrap();
        assert_eq!(cli.places().config, Path::new("c"));
    }
}
