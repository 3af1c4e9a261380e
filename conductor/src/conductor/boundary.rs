//! The boundary as a property: whatever a policy, a plan, people and workers do, no byte of a canary above a worker's
//! clearance reaches that worker, except in a text that a person saw and approved.
//!
//! Every worker works against us: it hands on all that it read, also in forms that no detector knows, glues placeholders
//! to words, makes them up, breaks off, and the board loses its power at any line of the trace.

mod canary;
mod spy;

use std::{path::Path, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    desk::Question,
    fake::{FakeHost, task},
    policy::{Escalation, Policy},
    prompt::{Format, Message, Sampling, Speaker},
    route::rule::Rule,
    task::Effort,
    trace::Decision,
};
use canary::{CANARIES, ENCODINGS, forms, squeezed};
use spy::{ANSWERS, Answer, Planner, Spy, head};

/// A step of a plan: role, worker, instruction and access, each by its number.
type Drawn = (u8, u8, u8, Vec<u8>);

/// One random world.
#[derive(Clone, Debug)]
struct World {
    escalation: [Escalation; 4],
    /// Of `local`, `npu`, `cloud` and `other`.
    clearances: [Label; 4],
    /// Of each canary's type, in order.
    labels: [Label; 9],
    answers: [Vec<Answer>; 4],
    /// Of each message: who says it, and each canary in it with its encoding.
    messages: Vec<(Speaker, Vec<(usize, usize)>)>,
    declared: Label,
    format: u8,
    stop: Option<usize>,
    target: &'static str,
    effort: Effort,
    plans: Vec<Vec<Drawn>>,
    decision: Option<Decision>,
    power_cut: Option<usize>,
    /// The head cannot be asked.
    blind: bool,
}

const WORKERS: [(&str, Place); 4] = [
    ("local", Place::Board),
    ("npu", Place::Board),
    ("cloud", Place::Remote),
    ("other", Place::Remote),
];

fn label() -> impl Strategy<Value = Label> {
    prop::sample::select(Label::ALL.to_vec())
}

fn escalation() -> impl Strategy<Value = Escalation> {
    prop::sample::select(vec![
        Escalation::Free,
        Escalation::Redact,
        Escalation::Redact,
        Escalation::Approve,
        Escalation::Never,
    ])
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    prop::collection::vec(prop::sample::select(ANSWERS.to_vec()), 1..5)
}

fn world() -> impl Strategy<Value = World> {
    let speaker = prop::sample::select(vec![Speaker::System, Speaker::User, Speaker::Assistant]);
    let canary = (0..CANARIES.len(), 0..ENCODINGS.len());
    let message = (speaker, prop::collection::vec(canary, 0..3));
    let step = (0u8..3, 0u8..4, 0u8..4, prop::collection::vec(0u8..5, 0..4));
    let yes = Decision::Approved { by: "ana".into() };
    let no = Decision::Denied { by: "ana".into() };
    let text = (
        prop::collection::vec(message, 1..4),
        label(),
        0u8..4,
        prop::option::weighted(0.2, 0..CANARIES.len()),
    );
    let conduct = (
        prop::sample::select(vec!["shoal-mini", "shoal-ultra", "cloud", "other"]),
        prop::sample::select(vec![Effort::Low, Effort::Medium, Effort::High]),
        prop::collection::vec(prop::collection::vec(step, 1..6), 1..3),
        prop::sample::select(vec![None, Some(yes), Some(no), Some(Decision::Expired)]),
        prop::option::of(0usize..25),
        prop::bool::weighted(0.1),
    );
    let rules = (
        [escalation(), escalation(), escalation(), escalation()],
        [label(), label(), label(), label()],
        [
            label(),
            label(),
            label(),
            label(),
            label(),
            label(),
            label(),
            label(),
            label(),
        ],
        [answers(), answers(), answers(), answers()],
    );
    (rules, text, conduct).prop_map(|(rules, text, conduct)| World {
        escalation: rules.0,
        clearances: rules.1,
        labels: rules.2,
        answers: rules.3,
        messages: text.0,
        declared: text.1,
        format: text.2,
        stop: text.3,
        target: conduct.0,
        effort: conduct.1,
        plans: conduct.2,
        decision: conduct.3,
        power_cut: conduct.4,
        blind: conduct.5,
    })
}

impl World {
    fn policy(&self) -> String {
        let mut text = String::from("[escalation]\n");
        for (label, escalation) in Label::ALL.iter().zip(self.escalation) {
            text += &format!("{label} = \"{}\"\n", escalation.as_str());
        }
        text += "[types]\n";
        for (at, (_, kind)) in CANARIES.iter().enumerate() {
            if !kind.is_empty() && !CANARIES[..at].iter().any(|(_, earlier)| earlier == kind) {
                text += &format!("{kind} = \"{}\"\n", self.label_of(at));
            }
        }
        for ((name, _), clearance) in WORKERS.iter().zip(self.clearances) {
            text += &format!("[workers.{name}]\nclearance = \"{clearance}\"\nstrength = 50\n");
        }
        let names = ["Ana Ruiz", "Jürgen Müller"];
        text + &format!("[[dictionaries]]\ntype = \"person\"\nwords = {names:?}\n")
    }

    /// The label of a canary: its type's, or the caller's if that is higher or no detector knows it.
    fn label_of(&self, canary: usize) -> Label {
        let kind = CANARIES[canary].1;
        let first = CANARIES.iter().position(|(_, other)| *other == kind);
        first.map_or(Label::Public, |first| self.labels[first])
    }

    fn written(&self, canary: usize, encoding: usize) -> Option<String> {
        let (text, kind) = CANARIES[canary];
        if kind.is_empty() {
            return Some(text.to_owned());
        }
        let encoding = &ENCODINGS[encoding];
        encoding
            .claimed
            .contains(&kind)
            .then(|| (encoding.write)(text))
    }

    fn task(&self) -> Task {
        let message = |(speaker, canaries): &(Speaker, Vec<(usize, usize)>)| {
            let mut text = String::from("Diagnose the fault and write code");
            for &(canary, encoding) in canaries {
                if let Some(written) = self.written(canary, encoding) {
                    text += &format!(" for {written} or so");
                }
            }
            Message::new(*speaker, text + ".")
        };
        let schema = |canary: usize| serde_json::json!({"type": "object", "properties": {"a": {"const": CANARIES[canary].0}}});
        Task {
            messages: self.messages.iter().map(message).collect(),
            label: self.declared,
            effort: self.effort,
            format: match (self.format, self.stop) {
                (1, _) => Format::Json,
                (2, Some(canary)) => Format::JsonSchema(schema(canary)),
                _ => Format::Text,
            },
            sampling: Sampling {
                stop: match (self.format, self.stop) {
                    (3, Some(canary)) => vec![CANARIES[canary].0.to_owned()],
                    _ => Vec::new(),
                },
                ..Sampling::default()
            },
            ..task(self.target, "")
        }
    }

    fn plans(&self) -> Vec<String> {
        const ROLES: [&str; 3] = ["thinker", "worker", "verifier"];
        const TOLD: [&str; 4] = [
            "do it",
            "greet [PERSON_1] at [EMAIL_1]",
            "x[PERSON_1]x y[CARD_1]y z[API_KEY_1]z",
            "call [phone_1] about [IBAN_1]s",
        ];
        let plan = |steps: &Vec<Drawn>| {
            let steps = steps
                .iter()
                .enumerate()
                .map(|(at, (role, worker, told, access))| {
                    let last = at + 1 == steps.len();
                    let access: Vec<u8> = access
                        .iter()
                        .copied()
                        .filter(|&source| usize::from(source) <= at)
                        .collect();
                    let role = if last || access.iter().all(|&source| source == 0) {
                        1
                    } else {
                        usize::from(*role)
                    };
                    serde_json::json!({
                        "role": ROLES[role],
                        "worker": WORKERS[usize::from(*worker)].0,
                        "instruction": TOLD[usize::from(*told)],
                        "access": access,
                    })
                });
            serde_json::json!({"steps": steps.collect::<Vec<_>>()}).to_string()
        };
        self.plans.iter().map(plan).collect()
    }

    /// Runs the task, through a power cut if there is one, and gives what everybody read and what people were asked.
    fn happens(&self) -> (Vec<Arc<Spy>>, Vec<Question>) {
        let spies: Vec<Arc<Spy>> = WORKERS
            .iter()
            .zip(&self.answers)
            .map(|((name, place), answers)| Spy::new(name, *place, answers))
            .collect();
        let host = Arc::new(FakeHost::default());
        *host.decision.lock().unwrap() = self.decision.clone();
        *host.full_after.lock().unwrap() = self.power_cut;
        let task = self.task();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.unwrap();
        for _ in 0..2 {
            let conductor = Conductor::try_new(Parts {
                policy: Arc::new(Policy::parse(&self.policy(), Path::new(".")).unwrap()),
                workers: spies
                    .iter()
                    .map(|spy| -> Arc<dyn Worker> { Arc::clone(spy) as _ })
                    .collect(),
                backbone: Some(Planner::new(self.plans(), self.blind)),
                head: Some(head()),
                route: Arc::new(Rule),
                journal: Arc::clone(&host) as _,
                desk: Arc::clone(&host) as _,
                ledger: Arc::clone(&host) as _,
                prover: None,
                ultra_min_parameters: 0,
            });
            let history = host.events.lock().unwrap().clone();
            let (sender, mut pieces) = mpsc::channel(1_000);
            let run = async {
                let reading = async { while pieces.recv().await.is_some() {} };
                let conductor = conductor.unwrap();
                let running =
                    conductor.run(&task, &history, Some(sender), CancellationToken::new());
                tokio::join!(running, reading).0
            };
            let outcome = runtime.block_on(run);
            *host.full_after.lock().unwrap() = None;
            if !matches!(outcome, Err(Failure::Store { .. })) {
                break;
            }
        }
        let questions = host.questions.lock().unwrap().clone();
        (spies, questions)
    }

    /// The first canary that somebody read who must not, and where.
    fn leak(&self) -> Option<String> {
        let (spies, questions) = self.happens();
        for (spy, clearance) in spies.iter().zip(self.clearances) {
            for read in spy.read.lock().unwrap().iter() {
                let approved = matches!(self.decision, Some(Decision::Approved { .. }))
                    && questions
                        .iter()
                        .filter(|question| question.worker == spy.id)
                        .any(|question| {
                            question.shown.iter().all(|shown| {
                                read.contains(shown.content.as_str())
                                    || shown.content.starts_with("response schema")
                                    || shown.content.starts_with("stop texts")
                            })
                        });
                for (canary, (text, _)) in CANARIES.iter().enumerate() {
                    if let Some(how) = self.read_in(read, canary, spy.place, clearance, approved) {
                        return Some(format!("{} read {how} of {}:\n{read}", spy.id, text));
                    }
                }
            }
        }
        None
    }

    /// How a canary is in what a worker read, if it must not be.
    fn read_in(
        &self,
        read: &str,
        canary: usize,
        place: Place,
        clearance: Label,
        approved: bool,
    ) -> Option<&'static str> {
        let (text, kind) = CANARIES[canary];
        let own = if kind.is_empty() {
            Label::Public
        } else {
            self.label_of(canary)
        };
        let unseen = if self.blind {
            Label::Restricted
        } else {
            Label::Public
        };
        let label = own.join(self.declared).join(unseen);
        let plainly = squeezed(read).contains(&squeezed(text));
        // What nobody looked for is not masked, only restricted.
        let looked_for = !(kind.is_empty() || self.blind && kind == "organization");
        let masked = place == Place::Remote
            && looked_for
            && (self.escalation[own as usize] != Escalation::Free || own > clearance);
        // What goes along with the messages cannot be masked, but a person may let it pass.
        let along = self.stop == Some(canary) && approved;
        if masked && plainly && !along {
            return Some("the plain text");
        }
        if label <= clearance || approved {
            return None;
        }
        if plainly {
            return Some("the plain text");
        }
        let forms = forms(text);
        forms
            .iter()
            .any(|form| read.contains(form.as_str()))
            .then_some("another form")
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_of_a_canary_reaches_a_worker_below_it(world in world()) {
        prop_assert_eq!(world.leak(), None);
    }
}
