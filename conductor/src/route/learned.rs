//! The route by the routing head: the rule's turns, with chances of success in place of the policy's strength.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use super::{
    Route, Situation, Turn,
    rule::{self, decide},
};
use crate::{
    head::routing::{Routing, look::bounded},
    prompt::Speaker,
    worker::Backbone,
    workflow::Role,
};

/// Chooses by a head on the backbone's states. Where the head does not know everybody who may work, or the prompt cannot be
/// read, it is the rule that chooses, and the reason says so.
pub struct Learned {
    head: Arc<Routing>,
    backbone: Arc<dyn Backbone>,
}

impl Learned {
    /// The head must have been taught on this backbone; see [`Routing::for_backbone`].
    #[must_use]
    pub fn new(head: Arc<Routing>, backbone: Arc<dyn Backbone>) -> Self {
        Self { head, backbone }
    }

    /// The chance of everybody who may work; or why it is not known.
    async fn chances(&self, situation: &Situation<'_>) -> Result<BTreeMap<String, f32>, String> {
        let known = &self.head.judge.abilities;
        let all = situation.candidates(Role::Worker).iter();
        let mut may = all.filter(|candidate| rule::usable(candidate, situation.effort));
        if let Some(stranger) = may.find(|candidate| !known.contains_key(candidate.worker.as_str()))
        {
            return Err(format!(
                "the routing head does not know {}",
                stranger.worker
            ));
        }
        let mut said = situation.messages.iter().rev();
        let asked = said.find(|message| message.role == Speaker::User);
        let prompt = asked.map_or("", |message| message.content.as_str());
        let text = bounded(prompt);
        let states = self.backbone.states(&text, &self.head.reading, None).await;
        let states = states.map_err(|error| format!("the routing head has no states: {error}"))?;
        self.head
            .chances(prompt, &states)
            .map_err(|error| error.to_string())
    }
}

#[async_trait]
impl Route for Learned {
    async fn decide(&self, situation: &Situation<'_>) -> Turn {
        if !rule::works_next(situation) {
            return decide(situation, None);
        }
        match self.chances(situation).await {
            Ok(chances) => decide(situation, Some(&chances)),
            Err(why) => match decide(situation, None) {
                Turn::Go {
                    role,
                    worker,
                    reason,
                    candidates,
                    last,
                } => Turn::Go {
                    role,
                    worker,
                    reason: format!("{reason}; by the policy's strength, since {why}"),
                    candidates,
                    last,
                },
                stop @ Turn::Stop { .. } => stop,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        fake::{FakeWorker, id},
        feature::Features,
        head::{
            routing::{
                ability::Ability,
                judge::{Judge, Scale},
                look::{BUCKETS, Look},
                reading,
            },
            states::States,
        },
        label::Label,
        policy::{Choice, WorkerPolicy},
        prompt::Message,
        route::Candidate,
        task::Effort,
        unit::{MicroDollars, Price},
        verdict::{Ruling, Verdict},
        worker::Place,
    };

    /// A head that gives each worker the same chance whatever is asked: the logistic function of this.
    fn head(workers: &[(&str, f32)]) -> Arc<Routing> {
        let look = Look::new("", &[0.0; 4]);
        let scale = Scale::of(std::iter::once(&look));
        let judge = Judge {
            weights: vec![0.0; scale.width() + BUCKETS + 1],
            factors: 1,
            scale,
            abilities: workers
                .iter()
                .map(|(name, offset)| ((*name).to_owned(), Ability(vec![*offset, 0.0])))
                .collect(),
        };
        Arc::new(Routing {
            backbone: String::new(),
            reading: reading(),
            judge,
        })
    }

    fn candidate(name: &str, place: Place, dollars: f64, wait: u64) -> Candidate {
        let price = MicroDollars::from_dollars(dollars).unwrap();
        Candidate {
            worker: id(name),
            place,
            ruling: Ruling {
                verdict: Verdict::Run,
                rule: "test".to_owned(),
                label: Label::Public,
                reaches: Label::Public,
            },
            known: WorkerPolicy {
                price: Price {
                    input: price,
                    output: price,
                },
                ..WorkerPolicy::default()
            },
            wait: Duration::from_secs(wait),
            takes: Duration::ZERO,
        }
    }

    async fn turn(workers: &[(&str, f32)], effort: Effort, candidates: Vec<Candidate>) -> Turn {
        let backbone = FakeWorker::saying("local", Place::Board, &[]);
        *backbone.states.lock().unwrap() = Some(States {
            ends: vec![5],
            width: 2,
            values: vec![0.0, 0.0],
        });
        let messages = [Message::new(Speaker::User, "hello")];
        let situation = Situation {
            turn: 1,
            effort,
            choice: Choice::default(),
            messages: &messages,
            features: &Features::of("hello"),
            done: &[],
            candidates: [candidates.clone(), candidates.clone(), candidates],
        };
        Learned::new(head(workers), backbone)
            .decide(&situation)
            .await
    }

    /// Who goes, why, and everybody's score.
    fn went(turn: Turn) -> (String, String, Vec<String>) {
        let Turn::Go {
            worker,
            reason,
            candidates,
            ..
        } = turn
        else {
            panic!("it stopped");
        };
        let scores = candidates.iter().map(|one| {
            let (worker, score, why) = (&one.worker, one.score, &one.why);
            format!("{worker} {score:.1}: {why}")
        });
        (worker.to_string(), reason, scores.collect())
    }

    fn pool() -> Vec<Candidate> {
        vec![
            candidate("cloud", Place::Remote, 5.0, 0),
            candidate("local", Place::Board, 0.0, 0),
        ]
    }

    #[tokio::test]
    async fn a_chance_that_is_not_worth_its_price_stays_on_the_board_and_the_trace_says_why() {
        // 55 % on the board, and 60 % for a cent.
        let chances = [("local", 0.2), ("cloud", 0.4)];
        let turn = turn(&chances, Effort::Medium, pool()).await;
        insta::assert_debug_snapshot!(went(turn));
    }

    #[tokio::test]
    async fn effort_says_what_a_better_chance_may_cost() {
        // 55 % on the board, and 64 % for a cent.
        let chances = [("local", 0.2), ("cloud", 0.57)];
        let who = async |effort| went(turn(&chances, effort, pool()).await).0;
        assert_eq!(who(Effort::Low).await, "local");
        assert_eq!(who(Effort::Medium).await, "local");
        let dear = candidate("cloud", Place::Remote, 2.0, 0);
        let cheaper = vec![dear, candidate("local", Place::Board, 0.0, 0)];
        let (who, _, _) = went(turn(&chances, Effort::Medium, cheaper).await);
        assert_eq!(who, "cloud");
    }

    #[tokio::test]
    async fn the_board_wins_ties_and_waiting_counts() {
        let even = [("local", 0.0), ("other", 0.0)];
        let board = |name, wait| candidate(name, Place::Board, 0.0, wait);
        let remote = candidate("other", Place::Remote, 0.0, 0);
        let (who, _, _) = went(
            turn(
                &even,
                Effort::Medium,
                vec![remote.clone(), board("local", 0)],
            )
            .await,
        );
        assert_eq!(who, "local");
        let (who, _, _) = went(turn(&even, Effort::Medium, vec![remote, board("local", 5)]).await);
        assert_eq!(who, "other");
    }

    #[tokio::test]
    async fn where_the_head_does_not_know_somebody_strength_decides_and_the_reason_says_so() {
        let (_, reason, _) = went(turn(&[("local", 0.0)], Effort::Medium, pool()).await);
        assert!(
            reason
                .ends_with("by the policy's strength, since the routing head does not know cloud"),
            "{reason}"
        );
    }
}
