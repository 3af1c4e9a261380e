//! Our side: `shoal bench engine`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::appliance::command;

/// The program, with a model and a data folder that stays empty.
#[derive(Debug)]
pub struct Ours {
    data: TempDir,
    threads: u32,
}

/// One way of doing something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// How many tokens.
    pub tokens: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// Tokens in a second.
    pub rate: f64,
    /// The tokens of the prompt.
    pub input: u64,
}

/// The result of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Which.
    pub case: String,
    /// How it was.
    pub side: Side,
    /// What it was compared with.
    pub against: Option<Side>,
    /// Bytes beside weights, keys and values.
    pub above: Option<f64>,
}

impl Ours {
    /// On so many CPU threads.
    pub fn try_new(threads: u32) -> Result<Self> {
        Ok(Self {
            data: tempfile::tempdir()?,
            threads,
        })
    }

    /// Measures a case once.
    pub async fn case(&self, model: &Path, case: &str, more: &[PathBuf]) -> Result<Vec<Outcome>> {
        let output = command(self.data.path())?
            .args(["bench", "engine", "--json", "--rounds", "1", "--case", case])
            .args(["--threads", &self.threads.to_string(), "--model"])
            .arg(model)
            .args(more)
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "shoal bench engine --case {case} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        read(&output.stdout).with_context(|| format!("read what {case} printed"))
    }

    /// Measures a case that has one result once.
    pub async fn one(&self, model: &Path, case: &str) -> Result<Outcome> {
        let outcomes = self.case(model, case, &[]).await?;
        outcomes.into_iter().next().context("nothing was measured")
    }
}

fn read(printed: &[u8]) -> Result<Vec<Outcome>> {
    let printed: Value = serde_json::from_slice(printed)?;
    let results = printed["results"].as_array().context("no results")?;
    results.iter().map(outcome).collect()
}

fn outcome(result: &Value) -> Result<Outcome> {
    let against = &result["against"];
    Ok(Outcome {
        case: result["case"].as_str().context("no case")?.to_owned(),
        side: side(result)?,
        against: (!against.is_null()).then(|| side(against)).transpose()?,
        above: result["memory"]["above"].as_f64(),
    })
}

fn side(value: &Value) -> Result<Side> {
    Ok(Side {
        tokens: value["tokens"].as_u64().context("no tokens")?,
        seconds: value["seconds"].as_f64().context("no seconds")?,
        rate: value["rate"].as_f64().context("no rate")?,
        input: value["input"].as_u64().context("no input")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_is_read() {
        let printed = br#"{"model":"m","results":[
            {"case":"json","what":"w","tokens":127,"seconds":0.5,"rate":254.0,"input":9,
             "against":{"what":"v","tokens":127,"seconds":1.0,"rate":127.0,"input":9},"ratio":2.0},
            {"case":"memory","what":"w","tokens":1,"seconds":1.0,"rate":1.0,"input":9,"memory":{"above":-5}}]}"#;
        let outcomes = read(printed).unwrap();
        assert_eq!(outcomes[0].side.rate, 254.0);
        assert_eq!(outcomes[0].against.unwrap().seconds, 1.0);
        assert_eq!(outcomes[1].above, Some(-5.0));
        assert_eq!(outcomes[1].against, None);
        assert!(read(br#"{"results":[{}]}"#).is_err());
    }
}
