//! The turn of a check that is no model.

use super::{Job, Output, Run};
use crate::{
    label::Label,
    task::Failure,
    trace::Event,
    unit::{MicroDollars, Millis},
    worker::{Finish, Usage},
};

/// What a check says.
pub struct Remark {
    /// Its words.
    pub text: String,
    /// The least label that they may have, whatever is found in them.
    pub floor: Label,
}

impl Run<'_> {
    /// Its verdict, on the record like a verifier's, of no cost.
    pub async fn check(&self, job: &Job, remark: Remark) -> Result<Output, Failure> {
        if let Some(done) = self.past.output(job.number) {
            let text = self.read(done.text.clone()).await;
            return Ok(Output {
                text,
                ..done.clone()
            });
        }
        if self.past.turn(job.number).is_none() {
            self.record(Event::Turn {
                turn: job.number,
                step: job.planned(""),
                reason: "the answer is wrong in a way that shows without a model".to_owned(),
                candidates: Vec::new(),
            })
            .await?;
        }
        let floor = remark.floor.join(self.assignment.frame);
        let text = self.labelled(remark.text, floor).await;
        let output = Output {
            role: job.role,
            worker: job.worker.clone(),
            text,
            finish: Finish::Stop,
            usage: Usage::default(),
        };
        self.record(Event::Answered {
            step: job.number,
            worker: output.worker.clone(),
            text: output.text.text().to_owned(),
            label: output.text.label(),
            floor: output.text.floor(),
            put_back: Vec::new(),
            finish: output.finish,
            usage: output.usage,
            cost: MicroDollars(0),
            took: Millis(0),
        })
        .await?;
        Ok(output)
    }
}
