//! Tables of outcomes: how well each worker did each prompt.

use std::{collections::BTreeMap, ops::Range};

use serde::Deserialize;

use crate::{
    brief::accepts,
    prompt::asked,
    task::{Target, Task},
    trace::{Event, PlannedStep},
    workflow::Role,
};

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
                let at = self.place(worker);
                scores.resize(self.workers.len(), None);
                scores[at] = score;
            }
            self.rows.push(Outcome {
                id: line.id,
                prompt: line.prompt,
                scores,
            });
        }
        self.level();
        Ok(first..self.rows.len())
    }

    /// Adds a task that this appliance did, if its trace says how good a worker's answer was; gives whether it does.
    ///
    /// A worker's answer is as good as the verifier, or the check, that read it last said: 1 if accepted, else 0. What a
    /// person said of the final answer overrules that for whoever wrote it. Steps that were told to do something else
    /// than the task say nothing.
    ///
    /// A person who was asked whether a step may go to a worker said it before there was an answer. A yes confirms nothing, and
    /// a no is no fault of that worker: whoever did the step is judged, by what was said of its answer. What a yes or no does
    /// say is in [`Approvals`](super::approval::Approvals).
    pub fn add_trace(&mut self, task: &Task, events: &[Event]) -> bool {
        let scores = scores_of(task, events);
        if scores.is_empty() {
            return false;
        }
        let mut row = vec![None; self.workers.len()];
        for (worker, score) in scores {
            let at = self.place(worker);
            row.resize(self.workers.len(), None);
            row[at] = Some(score);
        }
        self.rows.push(Outcome {
            id: task.id.to_string(),
            prompt: asked(&task.messages).to_owned(),
            scores: row,
        });
        self.level();
        true
    }

    /// The place of a worker, a new one if it has none.
    fn place(&mut self, worker: String) -> usize {
        self.worker(&worker).unwrap_or_else(|| {
            self.workers.push(worker);
            self.workers.len() - 1
        })
    }

    /// Gives each row a place for every worker.
    fn level(&mut self) {
        for row in &mut self.rows {
            row.scores.resize(self.workers.len(), None);
        }
    }

    /// The place of a worker among the scores.
    #[must_use]
    pub fn worker(&self, name: &str) -> Option<usize> {
        self.workers.iter().position(|known| known == name)
    }
}

/// How good the answers of workers to the task itself were, as far as its trace says so.
fn scores_of(task: &Task, events: &[Event]) -> BTreeMap<String, f32> {
    let mut steps: BTreeMap<u8, &PlannedStep> = BTreeMap::new();
    let mut authors: BTreeMap<u8, String> = BTreeMap::new();
    let mut scores = BTreeMap::new();
    let (mut settled, mut rated) = (None, None);
    for event in events {
        match event {
            Event::Planned { steps: planned, .. } => {
                steps.extend(planned.iter().map(|step| (step.step, step)));
            }
            Event::Turn { step, .. } => {
                steps.insert(step.step, step);
            }
            Event::Answered {
                step, worker, text, ..
            } => match steps.get(step) {
                Some(planned) if planned.role == Role::Verifier => {
                    let read = planned.access.iter().rev();
                    if let Some(author) = read.filter_map(|read| authors.get(read)).next() {
                        let score = if accepts(text) { 1.0 } else { 0.0 };
                        scores.insert(author.clone(), score);
                    }
                }
                Some(planned) if planned.role == Role::Worker && planned.instruction.is_empty() => {
                    authors.insert(*step, worker.to_string());
                }
                _ => {}
            },
            Event::Settled { step, .. } => settled = Some(*step),
            Event::Rated { score, .. } => rated = Some(*score),
            _ => {}
        }
    }
    // One worker that is asked by name does all in one step.
    let last = match task.target {
        Target::Worker(_) => Some(1),
        Target::Mini | Target::Ultra => settled,
    };
    if let (Some(author), Some(score)) = (last.and_then(|last| authors.get(&last)), rated) {
        #[expect(clippy::cast_possible_truncation, reason = "a share")]
        scores.insert(author.clone(), score as f32);
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fake::{self, FakeWorker, Stage},
        trace::Decision,
        worker::Place,
    };

    async fn learnt(lines: &[&[&str]], rated: Option<f64>) -> Table {
        let cloud = FakeWorker::saying("cloud", Place::Remote, lines[0]);
        let other = FakeWorker::saying("other", Place::Remote, lines[1]);
        let stage = Stage::new(fake::POLICY, &[&cloud, &other], None);
        let task = fake::task("shoal-mini", "Explain the fault.");
        stage.run(&task).await.unwrap();
        let mut events = stage.events();
        let by = "test".to_owned();
        events.extend(rated.map(|score| Event::Rated { by, score }));
        let mut table = Table::default();
        let added = table.add_trace(&task, &events);
        assert_eq!(added, !table.rows.is_empty());
        table
    }

    #[tokio::test]
    async fn a_trace_says_what_verifiers_and_people_think_of_an_answer() {
        let accepted = learnt(&[&["K3"], &["ACCEPT"]], None).await;
        assert_eq!(accepted.workers, ["cloud"]);
        assert_eq!(accepted.rows[0].prompt, "Explain the fault.");
        assert_eq!(accepted.rows[0].scores, [Some(1.0)]);
        let revised = learnt(&[&["K3", "K4", "K5"], &["REVISE", "REVISE"]], None).await;
        assert_eq!(revised.rows[0].scores, [Some(0.0)]);
        let rated = learnt(&[&["K3"], &["ACCEPT"]], Some(0.25)).await;
        assert_eq!(rated.rows[0].scores, [Some(0.25)]);
    }

    #[tokio::test]
    async fn what_people_decide_before_an_answer_says_only_whose_it_is() {
        let policy = fake::POLICY.replace("\"redact\"", "\"approve\"");
        let by = || "ana".to_owned();
        for (decision, author) in [
            (Decision::Approved { by: by() }, "cloud"),
            (Decision::Denied { by: by() }, "local"),
            (Decision::Expired, "local"),
        ] {
            let local = FakeWorker::saying("local", Place::Board, &["K3"]);
            let cloud = FakeWorker::saying("cloud", Place::Remote, &["K3"]);
            let stage = Stage::new(&policy, &[&local, &cloud], None);
            *stage.host.decision.lock().unwrap() = Some(decision);
            let task = fake::task("shoal-mini", fake::LOG);
            stage.run(&task).await.unwrap();
            let mut events = stage.events();
            let mut table = Table::default();
            assert!(!table.add_trace(&task, &events), "nobody read the answer");
            events.push(Event::Rated {
                by: by(),
                score: 1.0,
            });
            assert!(table.add_trace(&task, &events));
            assert_eq!(table.workers, [author]);
        }
    }

    #[tokio::test]
    async fn of_a_task_that_nobody_judged_nothing_is_learnt() {
        let cloud = FakeWorker::saying("cloud", Place::Remote, &["K3"]);
        let stage = Stage::new(fake::POLICY, &[&cloud], None);
        let task = fake::task("cloud", "Explain the fault.");
        stage.run(&task).await.unwrap();
        let mut table = Table::default();
        assert!(!table.add_trace(&task, &stage.events()));
        let mut events = stage.events();
        events.push(Event::Rated {
            by: "test".to_owned(),
            score: 1.0,
        });
        assert!(table.add_trace(&task, &events));
        assert_eq!(table.rows[0].scores, [Some(1.0)]);
    }

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
