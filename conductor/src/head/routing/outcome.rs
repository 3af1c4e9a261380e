//! Tables of outcomes: how well each worker did each prompt.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;

/// Prompts with what each worker made of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The workers, in the order of the scores.
    pub workers: Vec<String>,
    /// The prompts.
    pub rows: Vec<Outcome>,
}

/// One prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its name in the data.
    pub id: String,
    /// What was asked.
    pub prompt: String,
    /// How well each worker of the table did, from 0 to 1; `None` where it was not asked.
    pub scores: Vec<Option<f32>>,
}

/// A line that is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum BadOutcome {
    /// No JSON of our form.
    #[error(
        "line {line}: {source}; a line is {{\"id\", \"prompt\", \"scores\": {{worker: 0 to 1}}}}"
    )]
    Form {
        /// From 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A score that is no share.
    #[error("line {line}: the score {score} of {worker} is not from 0 to 1")]
    Score {
        /// From 1.
        line: usize,
        /// Whose.
        worker: String,
        /// The score.
        score: f64,
    },
}

#[derive(Deserialize)]
struct Line {
    id: String,
    prompt: String,
    scores: BTreeMap<String, f64>,
}

impl Table {
    /// Adds the lines of a file, one JSON object each, and gives the rows that they became. Workers that only some lines
    /// know are unknown in the others.
    pub fn add(&mut self, lines: &str) -> Result<Range<usize>, BadOutcome> {
        let first = self.rows.len();
        for (at, line) in lines.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let number = at + 1;
            let line: Line = serde_json::from_str(line).map_err(|source| BadOutcome::Form {
                line: number,
                source,
            })?;
            let mut scores = vec![None; self.workers.len()];
            for (worker, score) in line.scores {
                if !(0.0..=1.0).contains(&score) {
                    return Err(BadOutcome::Score {
                        line: number,
                        worker,
                        score,
                    });
                }
                #[expect(clippy::cast_possible_truncation, reason = "a share")]
                let score = Some(score as f32);
                match self.workers.iter().position(|known| *known == worker) {
                    Some(at) => scores[at] = score,
                    None => {
                        self.workers.push(worker);
                        scores.push(score);
                    }
                }
            }
            self.rows.push(Outcome {
                id: line.id,
                prompt: line.prompt,
                scores,
            });
        }
        for row in &mut self.rows {
            row.scores.resize(self.workers.len(), None);
        }
        Ok(first..self.rows.len())
    }

    /// The place of a worker among the scores.
    #[must_use]
    pub fn worker(&self, name: &str) -> Option<usize> {
        self.workers.iter().position(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_other_workers_join_and_bad_lines_are_named() {
        let mut table = Table::default();
        let first = table
            .add("{\"id\":\"a\",\"prompt\":\"p\",\"scores\":{\"x\":1,\"y\":0.5}}\n\n")
            .unwrap();
        let second = table
            .add("{\"id\":\"b\",\"prompt\":\"q\",\"scores\":{\"z\":0,\"y\":1}}")
            .unwrap();
        assert_eq!((first, second), (0..1, 1..2));
        assert_eq!(table.workers, ["x", "y", "z"]);
        assert_eq!(table.rows[0].scores, [Some(1.0), Some(0.5), None]);
        assert_eq!(table.rows[1].scores, [None, Some(1.0), Some(0.0)]);
        let bad = table.add("\n{\"id\":\"c\",\"prompt\":\"\",\"scores\":{\"x\":2}}");
        assert_eq!(
            bad.unwrap_err().to_string(),
            "line 2: the score 2 of x is not from 0 to 1"
        );
        assert!(matches!(
            table.add("{}"),
            Err(BadOutcome::Form { line: 1, .. })
        ));
    }
}
