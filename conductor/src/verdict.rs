//! What the gate says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::label::Label;

/// What may happen with a step at one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It runs as it is.
    Run,
    /// What is sensitive is replaced by placeholders, and the rest is sent.
    Redact,
    /// A person decides.
    Ask,
    /// It does not run there.
    Refuse,
}

impl Verdict {
    /// The name used in policy, API and trace.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Redact => "redact",
            Self::Ask => "ask",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A verdict with the rule that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What may happen.
    pub verdict: Verdict,
    /// The rule, as it stands in the policy file: `escalation.confidential = "redact"`.
    pub rule: String,
    /// The label of all that the step reads.
    pub label: Label,
    /// The label of what would reach the worker.
    pub reaches: Label,
}
