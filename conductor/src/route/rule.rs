//! The first route: a plain rule that a person can follow.
//!
//! 1. At high effort a thinker comes first.
//! 2. Then a worker. A simple task stays on the board; any other goes to the best score: strength, plus 15 for each skill
//!    that the task seems to need, minus 10 if a person must be asked, minus one point for each tenth of a cent that a
//!    thousand tokens read and written cost, minus one for each second until it could begin. The board wins ties.
//! 3. Then, unless the task is simple, a verifier, if somebody at least as strong as the author, and at less than high
//!    effort somebody else, may read the answer; then, after REVISE, a worker again.

use std::fmt::Write as _;

use async_trait::async_trait;

use super::{Candidate, Route, Situation, Turn};
use crate::{
    feature::Features, id::WorkerId, task::Effort, trace::Scored, unit::Tokens, verdict::Verdict,
    worker::Place, workflow::Role,
};

/// Strength, skills, price and the gate's verdict, added up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rule;

const SKILL: f64 = 15.0;
const ASKING: f64 = 10.0;

#[async_trait]
impl Route for Rule {
    async fn decide(&self, situation: &Situation<'_>) -> Turn {
        match situation.done.last() {
            None if situation.effort == Effort::High => go(
                situation,
                Role::Thinker,
                "high effort begins with a thinker".into(),
                |_| true,
            ),
            None => work(situation, "there is no answer yet"),
            Some(last) => match last.role {
                Role::Thinker => work(situation, "the thinker is done and there is no answer yet"),
                Role::Worker => verify(situation),
                Role::Verifier => work(situation, "the verifier asked for a revision"),
            },
        }
    }
}

/// The strongest that may work on it; the board where the task is simple.
fn work(situation: &Situation<'_>, why: &str) -> Turn {
    let on_board = situation
        .candidates(Role::Worker)
        .iter()
        .any(|candidate| candidate.place == Place::Board && usable(candidate, situation.effort));
    if is_simple(situation) && on_board {
        let reason = format!("{why}; the task looks simple, so it stays on the board");
        return go(situation, Role::Worker, reason, |candidate| {
            candidate.place == Place::Board
        });
    }
    let needs = match situation.features.skills.as_slice() {
        [] => "no skill in particular".to_owned(),
        skills => skills.join(", "),
    };
    go(
        situation,
        Role::Worker,
        format!("{why}; the task seems to need {needs}"),
        |_| true,
    )
}

fn is_simple(situation: &Situation<'_>) -> bool {
    situation.features.simple() && situation.effort != Effort::High
}

/// Somebody as strong as the author, if there is one.
fn verify(situation: &Situation<'_>) -> Turn {
    let stop = |reason: &str| Turn::Stop {
        reason: reason.to_owned(),
    };
    if situation.effort == Effort::Low {
        return stop("low effort ends with the first answer");
    }
    if is_simple(situation) {
        return stop("the task looks simple, so nobody verifies the answer");
    }
    let Some(author) = situation.author() else {
        return stop("there is no answer to verify");
    };
    let strength = strength(situation, &author.worker);
    if !verifiable(situation, &author.worker, strength) {
        return stop("nobody at least as strong as the author may verify the answer");
    }
    go(
        situation,
        Role::Verifier,
        format!("the answer of {} is to be verified", author.worker),
        |candidate| may_verify(situation, candidate, &author.worker, strength),
    )
}

fn strength(situation: &Situation<'_>, worker: &WorkerId) -> u8 {
    situation
        .candidates(Role::Verifier)
        .iter()
        .find(|candidate| candidate.worker == *worker)
        .map_or(0, |candidate| candidate.known.strength)
}

fn may_verify(
    situation: &Situation<'_>,
    candidate: &Candidate,
    author: &WorkerId,
    strength: u8,
) -> bool {
    usable(candidate, situation.effort)
        && candidate.ruling.verdict != Verdict::Ask
        && candidate.known.strength >= strength
        && (situation.effort == Effort::High || candidate.worker != *author)
}

fn verifiable(situation: &Situation<'_>, author: &WorkerId, strength: u8) -> bool {
    situation
        .candidates(Role::Verifier)
        .iter()
        .any(|candidate| may_verify(situation, candidate, author, strength))
}

fn usable(candidate: &Candidate, effort: Effort) -> bool {
    match candidate.ruling.verdict {
        Verdict::Refuse => false,
        Verdict::Ask => effort > Effort::Low,
        Verdict::Run | Verdict::Redact => true,
    }
}

/// The best of those that `fits` admits; where nobody is usable, the first that is not refused, for the gate to judge.
fn go(
    situation: &Situation<'_>,
    role: Role,
    reason: String,
    fits: impl Fn(&Candidate) -> bool,
) -> Turn {
    let all = situation.candidates(role);
    let mut ranked: Vec<(&Candidate, Scored)> = all
        .iter()
        .filter(|candidate| fits(candidate))
        .map(|candidate| (candidate, score(candidate, situation.features)))
        .collect();
    ranked.sort_by(|(a, a_score), (b, b_score)| {
        usable(b, situation.effort)
            .cmp(&usable(a, situation.effort))
            .then(b_score.score.total_cmp(&a_score.score))
            .then((a.place == Place::Remote).cmp(&(b.place == Place::Remote)))
            .then(a.worker.cmp(&b.worker))
    });
    let Some((best, _)) = ranked.first() else {
        return Turn::Stop {
            reason: "there is no worker at all".to_owned(),
        };
    };
    let worker = best.worker.clone();
    Turn::Go {
        last: role == Role::Worker && is_last(situation, best),
        role,
        reason: format!("{reason}; {worker} has the best score of those that may"),
        worker,
        candidates: ranked.into_iter().map(|(_, scored)| scored).collect(),
    }
}

/// Whether nobody would verify the answer of `author`.
fn is_last(situation: &Situation<'_>, author: &Candidate) -> bool {
    situation.effort == Effort::Low
        || is_simple(situation)
        || !situation.candidates(Role::Worker).iter().any(|candidate| {
            may_verify(situation, candidate, &author.worker, author.known.strength)
        })
}

fn score(candidate: &Candidate, features: &Features) -> Scored {
    let known = &candidate.known;
    let matched: Vec<&str> = features
        .skills
        .iter()
        .copied()
        .filter(|skill| known.skills.iter().any(|own| own == skill))
        .collect();
    let cost = known.price.of(Tokens(1_000), Tokens(1_000));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a score needs no more than a few digits"
    )]
    let (skills, price) = (SKILL * matched.len() as f64, cost.0 as f64 / 1_000.0);
    let asking = if candidate.ruling.verdict == Verdict::Ask {
        ASKING
    } else {
        0.0
    };
    let wait = candidate.wait.as_secs_f64();
    let mut why = format!(
        "strength {}, skills +{skills} ({}), price -{price:.1}, asking -{asking}",
        known.strength,
        matched.join(", "),
    );
    if wait > 0.0 {
        // Writing to a string cannot fail.
        let _ = write!(why, ", loading its model -{wait:.1}");
    }
    Scored {
        worker: candidate.worker.clone(),
        verdict: candidate.ruling.verdict,
        rule: candidate.ruling.rule.clone(),
        score: f64::from(known.strength) + skills - price - asking - wait,
        why,
    }
}
