//! `shoal policy`.

mod rules;

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Subcommand;
use serde_json::json;
use shoal_conductor::{
    conductor::{Conductor, Parts},
    label::Label,
    policy::Policy,
    route::rule::Rule,
};

use super::{config, input};
use crate::{
    config::{Config, Places, policy_fault},
    exit::{Exit, Fault},
    nowhere::Nowhere,
    pool::Pool,
};

/// What to do with the policy.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Read a policy and say what is wrong with it
    Check {
        /// The file [default: the one that the config names]
        file: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say what is sensitive in a text and who may read it
    Explain {
        /// The text; `-` reads standard input
        text: String,
        /// How sensitive it is at least: public, internal, confidential or restricted
        #[arg(long, default_value = "public")]
        label: Label,
        /// As if it came with the API key of this name
        #[arg(long, value_name = "NAME", conflicts_with = "topic")]
        key: Option<String>,
        /// As if it came by this MQTT topic
        #[arg(long)]
        topic: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say what [[rule]] would make of recorded messages; nothing is made
    TryRules {
        /// One JSON object a line with topic, payload and at, as `mosquitto_sub -F %j` writes them
        messages: PathBuf,
        /// The policy [default: the one that the config names]
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// Print one JSON list
        #[arg(long)]
        json: bool,
    },
}

/// Does it, from the files: no server is needed, and a change is seen before any server has it.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    match action {
        Action::Check { file, json } => check(places, file.as_deref(), json, out),
        Action::Explain {
            text,
            label,
            key,
            topic,
            json,
        } => {
            let from = match (key, topic) {
                (Some(key), _) => format!("api:{key}"),
                (None, Some(topic)) => format!("mqtt:{topic}"),
                (None, None) => "cli".to_owned(),
            };
            explain(places, &input(text)?, label, &from, json, out).await
        }
        Action::TryRules {
            messages,
            policy,
            json,
        } => {
            let (_, policy) = policy_of(&config(places)?, policy.as_deref())?;
            rules::run(&policy, &messages, json, out)
        }
    }
}

/// The policy of a file, or the one that the config names.
fn policy_of(config: &Config, file: Option<&Path>) -> Result<(PathBuf, Policy), Fault> {
    match file {
        Some(path) => {
            let policy = Policy::load(path).map_err(|error| policy_fault(path, &error))?;
            Ok((path.to_owned(), policy))
        }
        None => Ok((config.policy.clone(), config.load_policy()?)),
    }
}

fn check(
    places: &Places,
    file: Option<&Path>,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let config = config(places)?;
    let (path, policy) = policy_of(&config, file)?;
    let warnings = config.warnings(&policy);
    let words: usize = policy.dictionaries.iter().map(|d| d.words.len()).sum();
    if as_json {
        let report = json!({
            "file": path,
            "valid": true,
            "warnings": warnings,
            "workers": policy.workers.len(),
            "types": policy.types.len(),
            "words": words,
            "rules": policy.rules.len(),
        });
        super::json(out, &report)?;
        return Ok(Exit::Done);
    }
    writeln!(
        out,
        "{} is valid: {} workers, {} types of sensitive text, {words} words, {} rules",
        path.display(),
        policy.workers.len(),
        policy.types.len(),
        policy.rules.len()
    )?;
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(Exit::Done)
}

async fn explain(
    places: &Places,
    text: &str,
    label: Label,
    from: &str,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let config = config(places)?;
    let policy = config.load_policy()?;
    let (head, backbone) = Pool::sight(&config).await?;
    let conductor = Conductor::try_new(Parts {
        policy: Arc::new(policy),
        workers: Pool::named(&config),
        backbone,
        head,
        route: Arc::new(Rule),
        journal: Arc::new(Nowhere::PLAN),
        desk: Arc::new(Nowhere::PLAN),
        ledger: Arc::new(Nowhere::PLAN),
        prover: None,
        ultra_min_parameters: config.ultra_min_parameters,
    })
    .map_err(Fault::usage)?;
    let explanation = conductor.explain(text, label, from).await;
    if as_json {
        super::json(out, &explanation)?;
    } else {
        write!(out, "{explanation}")?;
    }
    Ok(Exit::Done)
}
