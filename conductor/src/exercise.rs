//! Tasks whose answers can be checked without a model: what workers are measured by.

pub mod check;
pub mod generate;
pub mod interval;
pub mod rasch;

use serde::{Deserialize, Serialize};

pub use self::check::{Check, Checked};

/// A task and how its answer is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// Its name, its own among those measured together.
    pub id: String,
    /// What sort of task it is, such as `arithmetic`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What is asked.
    pub prompt: String,
    /// When an answer is right.
    pub check: Check,
}

/// Why exercises cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExerciseError {
    /// A line is not an exercise.
    #[error("line {line}: {reason}; a line is an object with id, prompt and check")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Two have the same name.
    #[error("line {line}: the id \"{id}\" is there already; each needs one of its own")]
    Twice {
        /// From 1.
        line: usize,
        /// The name.
        id: String,
    },
    /// There are none.
    #[error("there are no exercises in it")]
    Empty,
}

/// Reads exercises, one JSON object a line; empty lines are passed over.
pub fn read(lines: &str) -> Result<Vec<Exercise>, ExerciseError> {
    let mut all: Vec<Exercise> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for (number, line) in (1..).zip(lines.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let bad = |reason: String| ExerciseError::Line {
            line: number,
            reason,
        };
        let exercise: Exercise = serde_json::from_str(line).map_err(|e| bad(e.to_string()))?;
        exercise.check.validate().map_err(bad)?;
        if !ids.insert(exercise.id.clone()) {
            return Err(ExerciseError::Twice {
                line: number,
                id: exercise.id,
            });
        }
        all.push(exercise);
    }
    if all.is_empty() {
        return Err(ExerciseError::Empty);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_a_bad_one_is_named() {
        let good =
            "{\"id\":\"a\",\"prompt\":\"2+2?\",\"check\":{\"kind\":\"number\",\"value\":4}}\n\n";
        let [one] = &read(good).unwrap()[..] else {
            panic!("there is one");
        };
        assert_eq!(one.check, Check::Number(4.0));
        let twice = format!("{good}{good}");
        for (lines, said) in [
            (twice.as_str(), "line 3: the id \"a\" is there already"),
            ("", "there are no exercises"),
            ("{\"id\":\"a\"}", "line 1: missing field `prompt`"),
            (
                "{\"id\":\"a\",\"prompt\":\"\",\"check\":{\"kind\":\"regex\",\"value\":\"(\"}}",
                "line 1: its regex",
            ),
        ] {
            let error = read(lines).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
