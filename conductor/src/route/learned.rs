//! The route by the routing head: chances of success in place of the policy's strength, in turns that are the rule's or, where
//! the head has learnt roles, its own.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use async_trait::async_trait;

use super::{
    Done, Route, Situation, Turn,
    rule::{self, decide},
    utility::Odds,
};
use crate::{
    head::routing::{
        Routing,
        look::bounded,
        roles::{Move, Roles, facts},
    },
    prompt::asked,
    worker::Backbone,
    workflow::Role,
};

/// Prompts whose chances are kept, so that the later turns of a task need not read it again.
const KEPT: usize = 32;

/// Chances by worker.
type Chances = BTreeMap<String, f32>;

/// Chooses by a head on the backbone's states. Where the head does not know everybody who may work, or the prompt cannot be
/// read, it is the rule that chooses, and the reason says so.
pub struct Learned {
    head: Arc<Routing>,
    backbone: Arc<dyn Backbone>,
    roles: RwLock<Option<Arc<Roles>>>,
    read: Mutex<VecDeque<(String, Chances)>>,
}

impl Learned {
    /// The head must have been taught on this backbone; see [`Routing::for_backbone`].
    #[must_use]
    pub fn new(head: Arc<Routing>, backbone: Arc<dyn Backbone>) -> Self {
        Self {
            roles: RwLock::new(head.roles.clone().map(Arc::new)),
            head,
            backbone,
            read: Mutex::default(),
        }
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &Routing {
        &self.head
    }

    /// Chooses turns by these roles from now on, in place of those of the head; by the rule without.
    pub fn try_roles(&self, roles: Option<Roles>) {
        let mut now = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        *now = roles.map(Arc::new);
    }

    /// The chance of everybody who may work; or why it is not known.
    async fn chances(&self, situation: &Situation<'_>) -> Result<Chances, String> {
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
        let prompt = asked(situation.messages);
        if let Some(chances) = self.remembered(prompt) {
            return Ok(chances);
        }
        let text = bounded(prompt);
        let states = self.backbone.states(&text, &self.head.reading, None).await;
        let states = states.map_err(|error| format!("the routing head has no states: {error}"))?;
        let chances = self
            .head
            .chances(prompt, &states)
            .map_err(|error| error.to_string())?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.truncate(KEPT - 1);
        read.push_front((prompt.to_owned(), chances.clone()));
        Ok(chances)
    }

    fn remembered(&self, prompt: &str) -> Option<Chances> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let found = read.iter().find(|(known, _)| known == prompt);
        found.map(|(_, chances)| chances.clone())
    }
}

#[async_trait]
impl Route for Learned {
    async fn decide(&self, situation: &Situation<'_>) -> Turn {
        // Roles were not learnt for it, so it is as the rule has it.
        if let Some(turn) = rule::think_again(situation) {
            return turn;
        }
        let roles = {
            let roles = self.roles.read().unwrap_or_else(PoisonError::into_inner);
            roles.clone()
        };
        if roles.is_none() && !rule::works_next(situation) {
            return decide(situation, None);
        }
        let chances = self.chances(situation).await;
        let odds = |right| Odds {
            right,
            approvals: &self.head.approvals,
        };
        match (&chances, roles) {
            (Ok(chances), Some(roles)) => by_roles(situation, &roles, odds(chances)),
            (Ok(chances), None) => decide(situation, Some(odds(chances))),
            (Err(why), _) => match decide(situation, None) {
                go @ Turn::Go { .. } => go.since(&format!("by the policy's strength, since {why}")),
                stop @ Turn::Stop { .. } => stop,
            },
        }
    }
}

/// The moves that are possible, the best first. There is at least one: an answer may stand, and without one somebody may work.
fn moves(situation: &Situation<'_>, roles: &Roles, chances: &Chances) -> Vec<(Move, f32)> {
    let last = situation.done.last().map(|done| done.role);
    let facts = facts(situation, chances, |c| rule::usable(c, situation.effort));
    roles.ranked(&facts, |of| match of {
        Move::Think => last.is_none(),
        Move::Work => last != Some(Role::Worker),
        Move::Verify => last == Some(Role::Worker) && rule::verifier(situation, None).is_some(),
        Move::Stop => situation.author().is_some(),
    })
}

fn by_roles(situation: &Situation<'_>, roles: &Roles, odds: Odds<'_>) -> Turn {
    let ranked = moves(situation, roles, odds.right);
    let (best, points) = ranked.first().copied().unwrap_or((Move::Work, 0.0));
    let others: Vec<String> = ranked
        .iter()
        .skip(1)
        .map(|(of, points)| format!(", {} {points:.2}", of.as_str()))
        .collect();
    let reason = format!(
        "by what was learnt of roles: {} {points:.2}{}",
        best.as_str(),
        others.concat()
    );
    match best {
        Move::Think => rule::go(situation, Role::Thinker, reason, None, |_| true),
        Move::Work => is_last(
            rule::go(situation, Role::Worker, reason, Some(odds), |_| true),
            situation,
            roles,
            odds.right,
        ),
        Move::Verify => {
            rule::verifier(situation, Some(reason.clone())).unwrap_or(Turn::Stop { reason })
        }
        Move::Stop => Turn::Stop { reason },
    }
}

/// The turn of a worker, the last one where the answer would then stand.
fn is_last(mut turn: Turn, situation: &Situation<'_>, roles: &Roles, chances: &Chances) -> Turn {
    if let Turn::Go {
        role, worker, last, ..
    } = &mut turn
    {
        let mut done = situation.done.to_vec();
        done.push(Done {
            role: *role,
            worker: worker.clone(),
        });
        let after = Situation {
            turn: situation.turn.saturating_add(1),
            done: &done,
            suggested: None,
            candidates: situation.candidates.clone(),
            ..*situation
        };
        let next = moves(&after, roles, chances);
        *last = next.first().is_none_or(|(of, _)| *of == Move::Stop);
    }
    turn
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
                likeness::Likeness,
                look::{BUCKETS, Look},
                reading,
            },
            states::States,
        },
        label::Label,
        policy::{Choice, WorkerPolicy},
        prompt::{Message, Speaker},
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
            likeness: Likeness::default(),
            abilities: workers
                .iter()
                .map(|(name, offset)| ((*name).to_owned(), Ability(vec![*offset, 0.0])))
                .collect(),
        };
        Arc::new(Routing {
            backbone: String::new(),
            reading: reading(),
            judge,
            roles: None,
            approvals: serde_json::from_str(r#"{"denied":{"yes":1,"no":20}}"#).unwrap(),
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
        turn_after(workers, None, effort, candidates, &[]).await
    }

    async fn turn_after(
        workers: &[(&str, f32)],
        roles: Option<Roles>,
        effort: Effort,
        candidates: Vec<Candidate>,
        done: &[Done],
    ) -> Turn {
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
            done,
            suggested: None,
            candidates: [candidates.clone(), candidates.clone(), candidates],
        };
        let learned = Learned::new(head(workers), backbone);
        learned.try_roles(roles);
        learned.decide(&situation).await
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
    async fn whom_people_deny_is_asked_for_less() {
        let who = async |name: &str, verdict| {
            let mut remote = candidate(name, Place::Remote, 0.0, 0);
            remote.ruling.verdict = verdict;
            let all = vec![remote, candidate("local", Place::Board, 0.0, 0)];
            // 40 % on the board, and 88 % elsewhere.
            let chances = [("local", -0.4), (name, 2.0)];
            went(turn(&chances, Effort::Medium, all).await)
        };
        assert_eq!(who("asked", Verdict::Ask).await.0, "asked");
        assert_eq!(who("denied", Verdict::Run).await.0, "denied");
        let (worker, _, scores) = who("denied", Verdict::Ask).await;
        assert_eq!(worker, "local");
        assert!(
            scores[1].contains("88 %, times 20 % that a person agrees, "),
            "{scores:?}"
        );
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

    /// What comes after these turns with the roles that learning begins with, and whether it is the last.
    async fn role_after(chance: f32, effort: Effort, done: &[Role]) -> (Option<Role>, bool) {
        let done: Vec<Done> = done
            .iter()
            .map(|role| Done {
                role: *role,
                worker: id("local"),
            })
            .collect();
        let board = |name| candidate(name, Place::Board, 0.0, 0);
        let all = vec![board("local"), board("other")];
        let chances = [("local", chance), ("other", chance - 0.1)];
        let roles = Some(Roles::default());
        match turn_after(&chances, roles, effort, all, &done).await {
            Turn::Go { role, last, .. } => (Some(role), last),
            Turn::Stop { .. } => (None, false),
        }
    }

    #[tokio::test]
    async fn with_roles_an_answer_is_verified_where_it_may_be_wrong_and_else_it_is_the_last() {
        let medium = Effort::Medium;
        assert_eq!(
            role_after(1.0, medium, &[]).await,
            (Some(Role::Worker), true)
        );
        assert_eq!(
            role_after(-1.0, medium, &[]).await,
            (Some(Role::Worker), false)
        );
        let worked = [Role::Worker];
        assert_eq!(role_after(1.0, medium, &worked).await, (None, false));
        assert_eq!(
            role_after(-1.0, medium, &worked).await.0,
            Some(Role::Verifier)
        );
        let revised = [Role::Worker, Role::Verifier];
        assert_eq!(
            role_after(-1.0, medium, &revised).await.0,
            Some(Role::Worker)
        );
        assert_eq!(
            role_after(1.0, Effort::High, &[]).await.0,
            Some(Role::Thinker)
        );
    }
}
