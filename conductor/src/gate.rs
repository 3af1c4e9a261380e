//! The only road to a worker: judges what a step would read and clears what may go.
//!
//! For a worker on the board the label must not exceed its clearance. For a remote one, with `L` the label of all that
//! the step reads and `R` what is left of it once everything found is replaced by placeholders:
//!
//! | `escalation.L` | verdict |
//! |---|---|
//! | `never` | refuse |
//! | `approve` | ask, showing the redacted text |
//! | `free`, `redact` | refuse if `R` exceeds the clearance; else redact if there is anything to replace; else run |

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::{
    cleared::Cleared,
    desk::Question,
    detect::{Detectors, Finding},
    id::{ApprovalId, TaskId, WorkerId},
    label::Label,
    policy::{Escalation, Policy, WorkerPolicy},
    prompt::{Format, Message, Prompt, Sampling, Speaker},
    text::Labelled,
    trace::Decision,
    vault::{Shown, Vault},
    verdict::{Ruling, Verdict},
    worker::Place,
};

/// A prompt whose every text carries its label.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The conversation.
    pub messages: Vec<(Speaker, Labelled)>,
    /// How many leading messages are the program's own words, the same in every call.
    pub fixed: usize,
    /// The form of the answer.
    pub format: Format,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// The label of `format` and of the stop texts, which go along and cannot be redacted.
    pub frame: Label,
}

impl Draft {
    /// The label of all that a worker would read.
    #[must_use]
    pub fn label(&self) -> Label {
        self.messages
            .iter()
            .map(|(_, text)| text.label())
            .fold(self.frame, Label::join)
    }

    /// The same with all that was found anywhere in this task among the findings of each text.
    #[must_use]
    pub fn recognised(&self, vault: &mut Vault) -> Self {
        vault.learn(self.messages.iter().map(|(_, text)| text));
        let messages = self.messages.iter();
        Self {
            fixed: self.fixed,
            messages: messages
                .map(|(role, text)| (*role, vault.recognise(text.clone())))
                .collect(),
            format: self.format.clone(),
            sampling: self.sampling.clone(),
            frame: self.framed(|text| vault.find(text)),
        }
    }

    /// The same by other detectors too, with every label raised to `least`, and what no detector can find (a name that the
    /// head saw) to what its type has now.
    #[must_use]
    pub fn relabelled(&self, detectors: &Detectors, least: Label) -> Self {
        let again = |(role, text): &(Speaker, Labelled)| {
            let floor = text.floor().join(least);
            let text = Labelled::new(text.text(), floor, detectors)
                .with(detectors.raised(text.findings()));
            (*role, text)
        };
        // The program's own words say nothing of anybody.
        let (ours, theirs) = self.messages.split_at(self.fixed.min(self.messages.len()));
        Self {
            messages: ours
                .iter()
                .cloned()
                .chain(theirs.iter().map(again))
                .collect(),
            fixed: self.fixed,
            format: self.format.clone(),
            sampling: self.sampling.clone(),
            frame: self.framed(|text| detectors.find(text)).join(least),
        }
    }

    /// What goes along with the messages and cannot be redacted.
    fn along(&self) -> Vec<String> {
        let mut texts = self.format.texts();
        texts.extend(self.sampling.stop.iter().cloned());
        texts
    }

    /// The label of what goes along, with what `find` finds in it.
    fn framed(&self, mut find: impl FnMut(&str) -> Vec<Finding>) -> Label {
        let along = self.along();
        let found = along.iter().flat_map(|text| find(text));
        found
            .map(|finding| finding.label)
            .fold(self.frame, Label::join)
    }

    fn floor(&self) -> Label {
        self.messages
            .iter()
            .map(|(_, text)| text.floor())
            .fold(self.frame, Label::join)
    }

    /// The labels of all parts.
    fn labels(&self) -> impl Iterator<Item = Label> {
        let floors = self.messages.iter().map(|(_, text)| text.floor());
        let found = self.findings().map(|finding| finding.label);
        floors.chain(found).chain([self.frame])
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.messages.iter().flat_map(|(_, text)| text.findings())
    }
}

/// What the gate did with a draft.
#[derive(Debug)]
pub enum Passage {
    /// It may go.
    Clear(Permit),
    /// It may go if a person says so.
    Ask(Petition),
    /// It may not go.
    Refused,
}

/// A prompt on its way to one worker.
#[derive(Debug)]
pub struct Permit {
    /// For the worker.
    pub prompt: Cleared<Prompt>,
    /// The floor of whatever comes back.
    pub reply_floor: Label,
    /// What leaves the board, for the trace; `None` if nothing does.
    pub left: Option<Vec<Message>>,
    /// The placeholders that the worker can know.
    pub shown: Shown,
}

/// A prompt that waits for a person's word. Its text can no longer change.
#[derive(Debug)]
pub struct Petition {
    worker: WorkerId,
    prompt: Prompt,
    reply_floor: Label,
    ruling: Ruling,
    digest: String,
    people: u8,
    by_message: bool,
    placeholders: Shown,
}

impl Petition {
    /// The digest that an approval is bound to.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The question to put.
    #[must_use]
    pub fn question(&self, id: ApprovalId, task: TaskId, step: u8, expires_after: u64) -> Question {
        Question {
            id,
            task,
            step,
            worker: self.worker.clone(),
            label: self.ruling.reaches,
            read: self.ruling.label,
            rule: self.ruling.rule.clone(),
            shown: shown(&self.prompt),
            digest: self.digest.clone(),
            expires_after,
            people: self.people,
            by_message: self.by_message,
        }
    }

    /// Clears the prompt if the person who saw exactly this said yes.
    #[must_use]
    pub fn decided(self, question: &Question, decision: &Decision) -> Option<Permit> {
        let approved = matches!(decision, Decision::Approved { .. });
        (approved && question.digest == self.digest).then(|| Permit {
            left: Some(shown(&self.prompt)),
            prompt: Cleared::new(self.worker, self.prompt),
            reply_floor: self.reply_floor,
            shown: self.placeholders,
        })
    }
}

/// Judges and clears, by one policy.
#[derive(Clone, Debug)]
pub struct Gate {
    policy: Arc<Policy>,
    detectors: Arc<Detectors>,
}

impl Gate {
    /// A gate that keeps to `policy`.
    #[must_use]
    pub fn new(policy: Arc<Policy>, detectors: Arc<Detectors>) -> Self {
        Self { policy, detectors }
    }

    /// What may happen with `draft` at `worker`. Nothing goes anywhere.
    #[must_use]
    pub fn judge(&self, worker: &WorkerId, place: Place, draft: &Draft) -> Ruling {
        match place {
            Place::Board => self.judge_on_board(worker, draft.label()),
            Place::Remote => self.judge_remote(worker, draft),
        }
    }

    fn judge_on_board(&self, worker: &WorkerId, label: Label) -> Ruling {
        let clearance = self
            .policy
            .workers
            .get(worker)
            .map_or(Label::Restricted, |known| known.clearance);
        Ruling {
            verdict: if label <= clearance {
                Verdict::Run
            } else {
                Verdict::Refuse
            },
            rule: format!("workers.{worker}.clearance = \"{clearance}\""),
            label,
            reaches: label,
        }
    }

    fn judge_remote(&self, worker: &WorkerId, draft: &Draft) -> Ruling {
        let label = draft.label();
        let Some(known) = self.policy.workers.get(worker) else {
            return Ruling {
                verdict: Verdict::Refuse,
                rule: format!("no [workers.{worker}] in the policy"),
                label,
                reaches: label,
            };
        };
        let masks = |finding: Label| self.masks(known, finding);
        let reaches = draft
            .findings()
            .map(|finding| finding.label)
            .filter(|&finding| !masks(finding))
            .fold(draft.floor(), Label::join);
        let masked = draft.findings().any(|finding| masks(finding.label));
        // Where a policy is stricter with a lower label, the stricter rule holds.
        let deciding = draft
            .labels()
            .chain([reaches, label])
            .max_by_key(|&one| (self.policy.escalation(one), one))
            .unwrap_or(label);
        let escalation = self.policy.escalation(deciding);
        let by_escalation = format!("escalation.{deciding} = \"{}\"", escalation.as_str());
        let (verdict, rule) = match escalation {
            Escalation::Never => (Verdict::Refuse, by_escalation),
            Escalation::Approve => (Verdict::Ask, by_escalation),
            Escalation::Free | Escalation::Redact if reaches > known.clearance => (
                Verdict::Refuse,
                format!("workers.{worker}.clearance = \"{}\"", known.clearance),
            ),
            Escalation::Free | Escalation::Redact if masked => (Verdict::Redact, by_escalation),
            Escalation::Free | Escalation::Redact => (Verdict::Run, by_escalation),
        };
        Ruling {
            verdict,
            rule,
            label,
            reaches,
        }
    }

    /// Whether text of this label is replaced before it leaves for the worker.
    fn masks(&self, worker: &WorkerPolicy, finding: Label) -> bool {
        self.policy.escalation(finding) != Escalation::Free || finding > worker.clearance
    }

    /// Judges `draft` and, where it may go, clears it for `worker` alone.
    #[must_use]
    pub fn pass(
        &self,
        worker: &WorkerId,
        place: Place,
        draft: &Draft,
        vault: &mut Vault,
    ) -> (Ruling, Passage) {
        // Again, whoever made the draft: a step beside this one may have found more since.
        let draft = &draft.recognised(vault);
        let mut ruling = self.judge(worker, place, draft);
        let passage = match (place, ruling.verdict) {
            (_, Verdict::Refuse) => Passage::Refused,
            (Place::Board, _) => Passage::Clear(Permit {
                reply_floor: ruling.label,
                left: None,
                prompt: Cleared::new(worker.clone(), plain(draft)),
                shown: Shown::all(),
            }),
            (Place::Remote, verdict) => {
                match self.redacted(worker, draft, verdict == Verdict::Ask, vault) {
                    None => {
                        ruling.verdict = Verdict::Refuse;
                        ruling.rule = format!(
                            "something sensitive was left after redaction ({})",
                            ruling.rule
                        );
                        Passage::Refused
                    }
                    Some((prompt, placeholders)) if verdict == Verdict::Ask => {
                        // As many as any part of it takes.
                        let people = draft
                            .labels()
                            .chain([ruling.label, ruling.reaches])
                            .map(|label| self.policy.people[label as usize])
                            .fold(1, u8::max);
                        let digest = digest(worker, &prompt, people);
                        Passage::Ask(Petition {
                            worker: worker.clone(),
                            prompt,
                            reply_floor: ruling.reaches,
                            ruling: ruling.clone(),
                            digest,
                            people,
                            by_message: !self.policy.approvers.is_empty(),
                            placeholders,
                        })
                    }
                    Some((prompt, placeholders)) => Passage::Clear(Permit {
                        reply_floor: ruling.reaches,
                        left: Some(shown(&prompt)),
                        prompt: Cleared::new(worker.clone(), prompt),
                        shown: placeholders,
                    }),
                }
            }
        };
        (ruling, passage)
    }

    /// The prompt with everything replaced that must be, looked over a second time, and the placeholders in it; `None` if
    /// that finds anything that may not leave, or if there was more to replace than can be.
    fn redacted(
        &self,
        worker: &WorkerId,
        draft: &Draft,
        asks: bool,
        vault: &mut Vault,
    ) -> Option<(Prompt, Shown)> {
        let known = self.policy.workers.get(worker)?;
        let masks = |label: Label| self.masks(known, label);
        let mut placeholders = Shown::default();
        let messages: Vec<Message> = draft
            .messages
            .iter()
            .map(|(role, text)| Message::new(*role, vault.redact(text, masks, &mut placeholders)))
            .collect();
        // A person sees what goes along with the messages, and may let it pass; nobody can redact it.
        let along = if asks { Vec::new() } else { draft.along() };
        let texts = messages.iter().map(|message| &message.content);
        let clean = texts.chain(&along).all(|text| {
            let mut again = self.detectors.find(text);
            again.extend(vault.find(text));
            !again.iter().any(|finding| masks(finding.label))
        });
        (clean && !vault.overflowed()).then(|| {
            let prompt = Prompt {
                messages,
                fixed: draft.fixed,
                format: draft.format.clone(),
                sampling: draft.sampling.clone(),
            };
            (prompt, placeholders)
        })
    }
}

fn plain(draft: &Draft) -> Prompt {
    Prompt {
        messages: draft
            .messages
            .iter()
            .map(|(role, text)| Message::new(*role, text.text()))
            .collect(),
        fixed: draft.fixed,
        format: draft.format.clone(),
        sampling: draft.sampling.clone(),
    }
}

/// All text of a prompt that leaves: the messages, and the schema and stop texts where there are any.
fn shown(prompt: &Prompt) -> Vec<Message> {
    let mut all = prompt.messages.clone();
    if let Format::JsonSchema(schema) = &prompt.format {
        all.push(Message::new(
            Speaker::System,
            format!("response schema: {schema}"),
        ));
    }
    if !prompt.sampling.stop.is_empty() {
        let stops = format!("stop texts: {:?}", prompt.sampling.stop);
        all.push(Message::new(Speaker::System, stops));
    }
    all
}

/// SHA-256 over worker and all text, each with its length before it, and over how many people must agree where it is several: a
/// yes that was enough is none once a policy wants more.
fn digest(worker: &WorkerId, prompt: &Prompt, people: u8) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    add(worker.as_str());
    // Or else a message could pass for a schema or a stop text.
    add(&prompt.messages.len().to_string());
    for message in shown(prompt) {
        add(message.role.as_str());
        add(&message.content);
    }
    if people > 1 {
        add("people");
        add(&people.to_string());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests;
