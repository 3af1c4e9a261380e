//! `shoal keys`.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;
use shoal_conductor::{id::WorkerId, label::Label};

use super::{store, text};
use crate::{
    config::Places,
    exit::{Exit, Fault},
    store::{KeyInfo, NewKey, Scope, Store},
};

/// The longest name of a key, in characters.
const MAX_NAME: usize = 64;

/// What to do with keys. A running server heeds it at once.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make a key and print it, once
    Create {
        /// Whose key it is; shown in traces
        #[arg(long)]
        name: String,
        /// What it may do: chat, read, approve or admin; may be given more than once
        #[arg(long = "scope", value_name = "SCOPE", default_values = ["chat"])]
        scopes: Vec<Scope>,
        /// The label that all its tasks have at least
        #[arg(long, default_value = "public")]
        label: Label,
        /// A worker it may use; may be given more than once [default: all]
        #[arg(long = "worker", value_name = "NAME", value_parser = worker)]
        workers: Vec<WorkerId>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the keys, without the keys themselves
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key
    Revoke {
        /// Its id or its name
        key: String,
    },
}

fn worker(name: &str) -> Result<WorkerId, String> {
    WorkerId::try_new(name).map_err(|error| error.to_string())
}

/// Does it.
pub async fn run(places: &Places, action: Action, out: &mut dyn Write) -> Result<Exit, Fault> {
    match action {
        Action::Create {
            name,
            scopes,
            label,
            workers,
            json,
        } => {
            check(&name)?;
            let new = NewKey {
                name,
                scopes,
                label,
                workers: (!workers.is_empty()).then_some(workers),
            };
            create(
                &super::open_store(&super::config(places)?).await?,
                new,
                json,
                out,
            )
            .await
        }
        Action::List { json } => {
            let keys = store(places).await?.keys().await?;
            if json {
                super::json(out, &json!({"keys": keys}))?;
            } else {
                write!(out, "{}", listed(&keys))?;
            }
            Ok(Exit::Done)
        }
        Action::Revoke { key } => {
            if !store(places).await?.revoke_key(&key).await? {
                return Err(Fault::failed(format!(
                    "there is no key \"{key}\" in force; `shoal keys list` shows them"
                )));
            }
            writeln!(out, "revoked {key}")?;
            Ok(Exit::Done)
        }
    }
}

async fn create(
    store: &Store,
    new: NewKey,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<Exit, Fault> {
    let (info, secret) = store.create_key(new).await?;
    if as_json {
        super::json(out, &json!({"key": secret.expose(), "info": info}))?;
        return Ok(Exit::Done);
    }
    writeln!(out, "{}", secret.expose())?;
    tracing::info!(key = %info.id, name = %info.name, "made a key");
    Ok(Exit::Done)
}

/// A name is part of `api:NAME` in traces and of log lines.
fn check(name: &str) -> Result<(), Fault> {
    let fits = !name.trim().is_empty() && name.chars().count() <= MAX_NAME;
    if fits && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Fault::usage(format!(
        "a key's name has 1 to {MAX_NAME} characters on one line"
    )))
}

fn listed(keys: &[KeyInfo]) -> String {
    if keys.is_empty() {
        return "there are no keys; make one: shoal keys create --name NAME\n".to_owned();
    }
    let head = ["ID", "NAME", "SCOPES", "LABEL", "WORKERS", "MADE", "STATE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(keys.iter().map(row));
    text::table(&rows)
}

fn row(key: &KeyInfo) -> Vec<String> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let workers = match &key.workers {
        None => "all".to_owned(),
        Some(workers) => {
            let names: Vec<&str> = workers.iter().map(WorkerId::as_str).collect();
            names.join(",")
        }
    };
    vec![
        key.id.clone(),
        key.name.clone(),
        scopes.join(","),
        key.label.to_string(),
        workers,
        text::moment(key.created_at.0),
        if key.revoked_at.is_some() {
            "revoked".to_owned()
        } else {
            "in force".to_owned()
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Moment;

    #[test]
    fn keys_are_listed_in_columns() {
        let key = KeyInfo {
            id: "0a1b2c3d4e5f".into(),
            name: "line 3".into(),
            scopes: vec![Scope::Chat, Scope::Approve],
            label: Label::Internal,
            workers: Some(vec![WorkerId::try_new("local").unwrap()]),
            created_at: Moment(1_700_000_000_000),
            revoked_at: None,
        };
        let revoked = KeyInfo {
            name: "admin".into(),
            scopes: vec![Scope::Admin],
            workers: None,
            revoked_at: Some(Moment(1)),
            ..key.clone()
        };
        insta::assert_snapshot!(listed(&[revoked, key]));
    }

    #[test]
    fn a_name_is_one_line() {
        assert!(check("line 3").is_ok());
        assert!(check("").is_err());
        assert!(check("a\nb").is_err());
        assert!(check(&"x".repeat(65)).is_err());
    }
}
