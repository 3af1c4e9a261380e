//! What a worker in a role is told: the task, its instruction and the earlier steps it may read.

use crate::{
    gate::Draft,
    label::Label,
    prompt::{Format, Sampling, Speaker},
    text::Labelled,
    workflow::{Access, Role},
};

/// The first word of a verifier that is content (TRINITY, Sakana AI).
pub const ACCEPT: &str = "ACCEPT";

const THINKER: &str = "You study a task for a colleague who will do it. Say in a few short lines what matters, what \
     to watch out for and in which order to go about it. Do not do the task itself.";

/// What a thinker may add, where a turn follows that is not planned yet.
const SUGGEST: &str = "If another colleague should study the task too before it is done, end with the line \
     NEXT: thinker. If not, end with the line NEXT: worker.";

const WORKER: &str = "You do the task. Use the notes of your colleagues where they help. Give the finished answer \
     and nothing else.";

const VERIFIER: &str = "You check an answer to a task. If it is right and complete, reply with the one word ACCEPT. \
     Otherwise reply with the word REVISE and then, in a few lines, what is wrong.";

/// Text that stands between brackets such as `[EMAIL_1]` is a placeholder.
const PLACEHOLDERS: &str =
    "Words in square brackets such as [EMAIL_1] stand for real ones. Use them as they are.";

/// Whether a verifier accepts; its first word decides.
#[must_use]
pub fn accepts(verdict: &str) -> bool {
    verdict
        .split(|c: char| !c.is_alphabetic())
        .find(|word| !word.is_empty())
        .is_some_and(|word| word.eq_ignore_ascii_case(ACCEPT))
}

/// A task as the steps see it.
#[derive(Debug)]
pub struct Assignment {
    /// The conversation.
    pub messages: Vec<(Speaker, Labelled)>,
    /// The form that the answer must have.
    pub format: Format,
    /// How the answer's tokens are chosen.
    pub sampling: Sampling,
    /// The label of `format` and of the stop texts.
    pub frame: Label,
}

/// One step as it is to be put to a worker.
#[derive(Debug)]
pub struct Brief<'a> {
    /// What the worker is to be.
    pub role: Role,
    /// What it is told, if anything.
    pub instruction: Option<&'a Labelled>,
    /// What it reads.
    pub access: Access,
    /// The earlier steps that it reads, with a heading each.
    pub earlier: Vec<(String, &'a Labelled)>,
    /// Whether its words may become the answer, so that the caller's format is its own.
    pub answers: bool,
}

impl Assignment {
    /// Everything that the conversation says, as one text.
    #[must_use]
    pub fn whole(&self) -> Labelled {
        self.messages
            .iter()
            .fold(Labelled::ours(""), |all, (_, text)| {
                all.then(text).then(&Labelled::ours("\n"))
            })
            .raised(self.frame)
    }

    /// Writes the prompt of one step.
    #[must_use]
    pub fn draft(&self, brief: &Brief<'_>) -> Draft {
        let (format, sampling, frame) = if brief.answers {
            (self.format.clone(), self.sampling.clone(), self.frame)
        } else {
            let sampling = Sampling {
                max_tokens: match brief.role {
                    Role::Verifier => 128,
                    Role::Thinker => 256,
                    Role::Worker => self.sampling.max_tokens,
                },
                temperature: self.sampling.temperature,
                seed: self.sampling.seed,
                ..Sampling::default()
            };
            (Format::Text, sampling, Label::Public)
        };
        let messages = self.conversation(brief);
        let first = messages.first();
        let is_ours = first.is_some_and(|(speaker, text)| {
            *speaker == Speaker::System && text.text() == frame_of(brief)
        });
        Draft {
            messages,
            fixed: usize::from(is_ours),
            format,
            sampling,
            frame,
        }
    }

    fn conversation(&self, brief: &Brief<'_>) -> Vec<(Speaker, Labelled)> {
        let tail = tail(brief);
        let reads_task = brief.access.has(0);
        if tail.is_none() && brief.role == Role::Worker && reads_task {
            return self.messages.clone();
        }
        let mut system = Labelled::ours(frame_of(brief));
        let mut messages = Vec::new();
        if reads_task {
            for (speaker, text) in &self.messages {
                if *speaker == Speaker::System {
                    system = system.then(&Labelled::ours("\n\n")).then(text);
                } else {
                    messages.push((*speaker, text.clone()));
                }
            }
        }
        if let Some(tail) = tail {
            match messages.last_mut() {
                Some((Speaker::User, last)) => {
                    *last = last.clone().then(&Labelled::ours("\n\n")).then(&tail);
                }
                _ => messages.push((Speaker::User, tail)),
            }
        }
        messages.insert(0, (Speaker::System, system));
        messages
    }
}

/// What a worker in a role is told first. Who has an instruction is part of a plan, which says what comes next.
fn frame_of(brief: &Brief<'_>) -> String {
    match (brief.role, brief.instruction) {
        (Role::Thinker, None) => format!("{THINKER} {PLACEHOLDERS} {SUGGEST}"),
        (Role::Thinker, Some(_)) => format!("{THINKER} {PLACEHOLDERS}"),
        (Role::Worker, _) => format!("{WORKER} {PLACEHOLDERS}"),
        (Role::Verifier, _) => format!("{VERIFIER} {PLACEHOLDERS}"),
    }
}

/// What comes after the conversation: earlier steps, then the instruction.
fn tail(brief: &Brief<'_>) -> Option<Labelled> {
    let mut parts: Vec<Labelled> = brief
        .earlier
        .iter()
        .map(|(heading, text)| Labelled::ours(format!("{heading}:\n")).then(text))
        .collect();
    if let Some(instruction) = brief.instruction {
        parts.push(Labelled::ours("Your part: ").then(instruction));
    }
    parts
        .into_iter()
        .reduce(|all, part| all.then(&Labelled::ours("\n\n")).then(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_of_a_verifier_decides() {
        assert!(accepts("ACCEPT"));
        assert!(accepts("**Accept.** Well done."));
        assert!(!accepts("REVISE: do not accept"));
        assert!(!accepts("ACCEPTABLE, but"));
        assert!(!accepts(""));
    }
}
