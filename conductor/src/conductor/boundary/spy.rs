//! Workers that work against us, and a planner that writes what a test made up.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::canary::{apart, base64, percent};
use crate::{
    cleared::Cleared,
    fake::id,
    head::{
        class::Class,
        sensitivity::{Sensitivity, believing},
        states::{Reading, States},
        words::words,
    },
    id::{TaskId, WorkerId},
    prompt::Prompt,
    unit::Tokens,
    worker::{Backbone, Call, Finish, Place, Reply, Usage, Worker, WorkerError},
};

/// How a worker answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// All that it read.
    Echo,
    Lower,
    Spaced,
    Base64,
    Percent,
    Backwards,
    /// All that it read, each placeholder in the middle of a word.
    Glued,
    /// Placeholders that it may never have seen.
    Guesses,
    Accept,
    Revise,
    /// All that it read, and that another thinker should read it.
    Suggest,
    BreaksOff,
}

pub(super) const ANSWERS: [Answer; 12] = [
    Answer::Echo,
    Answer::Lower,
    Answer::Spaced,
    Answer::Base64,
    Answer::Percent,
    Answer::Backwards,
    Answer::Glued,
    Answer::Guesses,
    Answer::Accept,
    Answer::Revise,
    Answer::Suggest,
    Answer::BreaksOff,
];

impl Answer {
    fn to(self, read: &str) -> Option<String> {
        Some(match self {
            Self::Echo => read.to_owned(),
            Self::Lower => read.to_lowercase(),
            Self::Spaced => apart(read, ' '),
            Self::Base64 => base64(read),
            Self::Percent => percent(read),
            Self::Backwards => read.chars().rev().collect(),
            Self::Glued => read.replace('[', "q[").replace(']', "]q"),
            Self::Guesses => (1..4)
                .map(|n| format!("[PERSON_{n}] x[PERSON_{n}]x [email_{n}] y[PHONE_{n}]y [CARD_{n}] z[API_KEY_{n}]z [IBAN_{n}]s "))
                .collect(),
            Self::Accept => format!("ACCEPT {read}"),
            Self::Revise => format!("REVISE {read}"),
            Self::Suggest => format!("{read}\nNEXT: thinker"),
            Self::BreaksOff => return None,
        })
    }
}

/// A worker that answers by turns and keeps what it read.
pub(super) struct Spy {
    pub id: WorkerId,
    pub place: Place,
    answers: Vec<Answer>,
    /// The text of each prompt.
    pub read: Mutex<Vec<String>>,
}

impl Spy {
    pub fn new(name: &str, place: Place, answers: &[Answer]) -> Arc<Self> {
        Arc::new(Self {
            id: id(name),
            place,
            answers: answers.to_vec(),
            read: Mutex::default(),
        })
    }
}

/// All text of a prompt.
pub(super) fn all(prompt: &Prompt) -> String {
    let mut texts: Vec<String> = prompt
        .messages
        .iter()
        .map(|message| message.content.clone())
        .collect();
    texts.extend(prompt.format.texts());
    texts.extend(prompt.sampling.stop.clone());
    texts.join("\n")
}

#[async_trait]
impl Worker for Spy {
    fn id(&self) -> &WorkerId {
        &self.id
    }

    fn place(&self) -> Place {
        self.place
    }

    async fn run(&self, prompt: Cleared<Prompt>, call: Call) -> Result<Reply, WorkerError> {
        let text = all(&prompt.open(&self.id)?);
        let turn = {
            let mut read = self.read.lock().unwrap();
            read.push(text.clone());
            read.len() - 1
        };
        let Some(text) = self.answers[turn % self.answers.len()].to(&text) else {
            return Err(WorkerError::BrokeOff {
                worker: self.id.clone(),
                reason: "the connection closed".into(),
            });
        };
        if let Some(stream) = &call.stream {
            let _ = stream.send(text.clone()).await;
        }
        Ok(Reply {
            text,
            finish: Finish::Stop,
            usage: Usage {
                input: Tokens(10),
                cached: Tokens(0),
                output: Tokens(10),
            },
        })
    }
}

/// A backbone that writes a plan made up beforehand, and of each word thinks whether it is one of an organization.
pub(super) struct Planner {
    plans: Vec<String>,
    turn: Mutex<usize>,
    /// It gives no states.
    blind: bool,
}

impl Planner {
    pub fn new(plans: Vec<String>, blind: bool) -> Arc<Self> {
        Arc::new(Self {
            plans,
            turn: Mutex::new(0),
            blind,
        })
    }
}

/// A head that believes the [`Planner`].
pub(super) fn head() -> Arc<Sensitivity> {
    let class = Class::Organization.index();
    Arc::new(believing(class))
}

#[async_trait]
impl Backbone for Planner {
    fn name(&self) -> &str {
        "planner"
    }

    fn parameters(&self) -> u64 {
        1_000
    }

    fn context(&self) -> Tokens {
        Tokens(4_096)
    }

    async fn complete(&self, _prompt: Prompt, _call: Call) -> Result<Reply, WorkerError> {
        let mut turn = self.turn.lock().unwrap();
        *turn += 1;
        Ok(Reply {
            text: self.plans[(*turn - 1) % self.plans.len()].clone(),
            finish: Finish::Stop,
            usage: Usage::default(),
        })
    }

    async fn hidden(&self, _text: &str) -> Result<Vec<f32>, WorkerError> {
        Ok(vec![0.0])
    }

    async fn hidden_of(&self, _prompt: Prompt) -> Result<Vec<f32>, WorkerError> {
        Ok(vec![0.0])
    }

    async fn states(
        &self,
        text: &str,
        _reading: &Reading,
        _task: Option<&TaskId>,
    ) -> Result<States, WorkerError> {
        if self.blind {
            return Err(WorkerError::BrokeOff {
                worker: id("planner"),
                reason: "it gives no states".into(),
            });
        }
        let words = words(text);
        let known = |word: &Range<usize>| {
            let word = text[word.clone()].to_lowercase();
            ["osprey", "nine"].contains(&word.as_str())
        };
        Ok(States {
            ends: words.iter().map(|word| word.end).collect(),
            width: 1,
            values: words
                .iter()
                .map(|word| if known(word) { 1.0 } else { -1.0 })
                .collect(),
        })
    }
}
