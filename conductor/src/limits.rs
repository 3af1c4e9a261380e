//! What one request allows its own task. It only narrows what policy, key and topic allow, and can widen nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    label::Label,
    unit::{MicroDollars, Tokens},
};

/// The name of [`TaskLimits::max_label`] wherever a request is written.
pub const LABEL: &str = "max_label";
/// The name of [`TaskLimits::max_cost`]; in dollars.
pub const COST: &str = "max_cost_usd";
/// The name of [`TaskLimits::max_remote_tokens`].
pub const TOKENS: &str = "max_remote_tokens";
/// The name of [`TaskLimits::max_remote_calls`].
pub const CALLS: &str = "max_remote_calls";

/// Bounds on one task, kept with it. They hold for all its calls together: retries, planned steps and a restart too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskLimits {
    /// The highest label that it may have; above it the task is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_label: Option<Label>,
    /// What its remote calls may cost, by the prices in the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<MicroDollars>,
    /// How many tokens remote workers may read and write for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_remote_tokens: Option<Tokens>,
    /// How many remote calls may be made for it; with 0 it stays on the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_remote_calls: Option<u64>,
}

impl TaskLimits {
    /// Whether it bounds nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            max_label: lower(self.max_label, other.max_label),
            max_cost: lower(self.max_cost, other.max_cost),
            max_remote_tokens: lower(self.max_remote_tokens, other.max_remote_tokens),
            max_remote_calls: lower(self.max_remote_calls, other.max_remote_calls),
        }
    }
}

fn lower<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl fmt::Display for TaskLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            (LABEL, self.max_label.map(|label| label.to_string())),
            (COST, self.max_cost.map(|cost| cost.to_string())),
            (TOKENS, self.max_remote_tokens.map(|t| t.to_string())),
            (CALLS, self.max_remote_calls.map(|n| n.to_string())),
        ];
        let said = rows
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value?)));
        f.write_str(&said.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_the_lower_counts_and_none_is_no_bound() {
        let a = TaskLimits {
            max_label: Some(Label::Internal),
            max_cost: Some(MicroDollars(10_000)),
            ..TaskLimits::default()
        };
        let b = TaskLimits {
            max_label: Some(Label::Confidential),
            max_remote_calls: Some(0),
            ..TaskLimits::default()
        };
        let both = a.and(b);
        assert_eq!(both, b.and(a));
        assert_eq!(
            both.to_string(),
            "max_label internal, max_cost_usd $0.010000, max_remote_calls 0"
        );
        assert_eq!(both.and(TaskLimits::default()), both);
        assert!(TaskLimits::default().is_none() && !both.is_none());
        let kept = serde_json::to_string(&both).unwrap();
        assert_eq!(
            kept,
            r#"{"max_label":"internal","max_cost":10000,"max_remote_calls":0}"#
        );
        assert_eq!(serde_json::from_str::<TaskLimits>(&kept).unwrap(), both);
    }
}
