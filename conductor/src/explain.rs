//! What is sensitive in a text, and who may read it.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::{
    gate::Draft,
    id::WorkerId,
    label::Label,
    prompt::{Format, Sampling, Speaker},
    rules::Rules,
    text::Labelled,
    verdict::Ruling,
    worker::Worker,
};

/// The labels, findings and verdicts of one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The join of all.
    pub label: Label,
    /// What the caller said.
    pub declared: Label,
    /// What was found, in order.
    pub findings: Vec<Explained>,
    /// What the gate says for each worker.
    pub verdicts: Vec<WorkerVerdict>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Where it starts, in characters.
    pub start: usize,
    /// Where it ends, in characters.
    pub end: usize,
    /// Its type.
    pub kind: String,
    /// Its label.
    pub label: Label,
    /// The text itself.
    pub text: String,
}

/// The gate's word on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkerVerdict {
    /// Who.
    pub worker: WorkerId,
    /// The verdict with its rule.
    pub ruling: Ruling,
}

impl Explanation {
    pub(crate) fn new(
        labelled: Labelled,
        declared: Label,
        from: &str,
        rules: &Rules,
        workers: &[Arc<dyn Worker>],
    ) -> Self {
        let (gate, bounds) = (&rules.gate, rules.policy.bounds(from));
        let text = labelled.text();
        let (mut byte, mut character) = (0, 0);
        let mut advance = |to: usize| {
            character += text[byte..to].chars().count();
            byte = to;
            character
        };
        let findings = labelled
            .findings()
            .iter()
            .map(|finding| Explained {
                start: advance(finding.span.start),
                end: advance(finding.span.end),
                kind: finding.kind.to_string(),
                label: finding.label,
                text: text[finding.span.clone()].to_owned(),
            })
            .collect();
        let label = labelled.label();
        let draft = Draft {
            messages: vec![(Speaker::User, labelled)],
            fixed: 0,
            format: Format::Text,
            sampling: Sampling::default(),
            frame: Label::Public,
        };
        let verdicts = workers
            .iter()
            .map(|worker| {
                let ruling = gate.judge(worker.id(), worker.place(), &draft);
                WorkerVerdict {
                    worker: worker.id().clone(),
                    ruling: bounds.rule_on(worker.id(), worker.place(), ruling),
                }
            })
            .collect();
        Self {
            label,
            declared,
            findings,
            verdicts,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "label     {} (declared {})", self.label, self.declared)?;
        if self.findings.is_empty() {
            writeln!(f, "found     nothing")?;
        }
        for (index, found) in self.findings.iter().enumerate() {
            let head = if index == 0 { "found" } else { "" };
            let text = found.text.lines().next().unwrap_or_default();
            let place = format!("{}..{}", found.start, found.end);
            writeln!(
                f,
                "{head:<9} {:<12} {:<13} {place:<10} {text}",
                found.kind, found.label
            )?;
        }
        for (index, verdict) in self.verdicts.iter().enumerate() {
            let head = if index == 0 { "workers" } else { "" };
            writeln!(
                f,
                "{head:<9} {:<12} {:<13} {}",
                verdict.worker, verdict.ruling.verdict, verdict.ruling.rule
            )?;
        }
        Ok(())
    }
}
