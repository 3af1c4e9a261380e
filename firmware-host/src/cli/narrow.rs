//! The options by which one request narrows what its task may use.

use clap::Args;
use serde_json::Value;
use shoal_conductor::{
    id::{BadId, WorkerId},
    label::Label,
    limits::{CALLS, COST, LABEL, TOKENS, TaskLimits},
    unit::{MicroDollars, Tokens},
};

/// What the task may use, within what policy allows.
#[derive(Debug, Default, Args)]
pub struct Narrow {
    /// A worker that it may use, and no other; may be given again
    #[arg(long = "worker", value_name = "NAME")]
    workers: Vec<String>,
    /// The highest label that it may have; above it, it is refused
    #[arg(long, value_name = "LABEL")]
    max_label: Option<Label>,
    /// What its remote calls may cost together, in dollars
    #[arg(long, value_name = "USD")]
    max_cost_usd: Option<f64>,
    /// How many tokens remote workers may read and write for it together
    #[arg(long, value_name = "N")]
    max_remote_tokens: Option<u64>,
    /// How many remote calls may be made for it; with 0 it stays on the board
    #[arg(long, value_name = "N")]
    max_remote_calls: Option<u64>,
}

impl Narrow {
    /// Says it in the body of a request.
    pub fn add_to(&self, body: &mut Value) {
        if !self.workers.is_empty() {
            body["workers"] = self.workers.clone().into();
        }
        let said = [
            (LABEL, self.max_label.map(|label| label.as_str().into())),
            (COST, self.max_cost_usd.map(Value::from)),
            (TOKENS, self.max_remote_tokens.map(Value::from)),
            (CALLS, self.max_remote_calls.map(Value::from)),
        ];
        for (name, value) in said {
            if let Some(value) = value {
                body[name] = value;
            }
        }
    }

    /// The same as a task has it.
    pub fn workers(&self) -> Result<Option<Vec<WorkerId>>, BadId> {
        if self.workers.is_empty() {
            return Ok(None);
        }
        let ids = self
            .workers
            .iter()
            .map(|name| WorkerId::try_new(name.as_str()));
        ids.collect::<Result<_, _>>().map(Some)
    }

    /// The same as a task has it.
    pub fn limits(&self) -> Result<TaskLimits, &'static str> {
        let cost = self.max_cost_usd.map(|amount| {
            MicroDollars::from_dollars(amount)
                .ok_or("--max-cost-usd is no amount: give dollars from 0, such as 0.05")
        });
        Ok(TaskLimits {
            max_label: self.max_label,
            max_cost: cost.transpose()?,
            max_remote_tokens: self.max_remote_tokens.map(Tokens),
            max_remote_calls: self.max_remote_calls,
        })
    }
}
