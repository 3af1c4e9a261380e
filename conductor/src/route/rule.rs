//! The first route: a plain rule that a person can follow.
//!
//! 1. At high effort a thinker comes first. At more than low effort another one comes then, if the first suggests it and it
//!    can be somebody else about whom no person must be asked.
//! 2. Then a worker. A simple task stays on the board, unless somebody elsewhere is stronger by more than 60; any other goes
//!    to the best score: strength, plus 15 for each skill that the task seems to need, minus 10 if a person must be asked,
//!    minus what policy says for money, time and energy: if it says nothing, a point for each tenth of a cent that a
//!    thousand tokens read and written cost and for each second that loading its model and then the call take, twice that at
//!    low effort and half at high. The board wins ties. Where a routing head says how likely each is to succeed, a hundred
//!    times that takes the place of strength and skills, if a person must be asked times the chance of a yes, and simple
//!    tasks need no rule of their own.
//! 3. Then, unless the task is simple, a verifier, if somebody at least as strong as the author, and at less than high
//!    effort somebody else, may read the answer; then, after REVISE, a worker again.

use async_trait::async_trait;

use super::{
    Candidate, Route, Situation, Turn,
    utility::{Odds, Quality, score},
};
use crate::{
    id::WorkerId, suggestion, task::Effort, trace::Scored, verdict::Verdict, worker::Place,
    workflow::Role,
};

/// How much stronger another must be for a simple task to leave the board, though it may.
const FAR: u8 = 60;

/// Strength, skills, price and the gate's verdict, added up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rule;

#[async_trait]
impl Route for Rule {
    async fn decide(&self, situation: &Situation<'_>) -> Turn {
        decide(situation, None)
    }
}

/// Whether the next turn is a worker's.
pub(super) fn works_next(situation: &Situation<'_>) -> bool {
    match situation.done.last() {
        None => situation.effort != Effort::High,
        Some(last) => last.role != Role::Worker,
    }
}

/// The turn of the other thinker that the first one suggested, where there is to be one.
pub(super) fn think_again(situation: &Situation<'_>) -> Option<Turn> {
    let is_asked = situation.suggested == Some(Role::Thinker);
    (is_asked && suggestion::barred(situation).is_none()).then(|| {
        let reason = "the task is to be studied once more".to_owned();
        go(situation, Role::Thinker, reason, None, |candidate| {
            suggestion::may_think(situation, candidate)
        })
    })
}

/// The next turn; with odds, whoever works is chosen by them.
pub(super) fn decide(situation: &Situation<'_>, odds: Option<Odds<'_>>) -> Turn {
    if let Some(turn) = think_again(situation) {
        return turn;
    }
    let why = match situation.done.last() {
        None if situation.effort == Effort::High => {
            let reason = "high effort begins with a thinker".to_owned();
            return go(situation, Role::Thinker, reason, None, |_| true);
        }
        None => "there is no answer yet",
        Some(last) => match last.role {
            Role::Thinker => "the thinker is done and there is no answer yet",
            Role::Worker => return verify(situation),
            Role::Verifier => "the verifier asked for a revision",
        },
    };
    work(situation, why, odds)
}

/// The strongest that may work on it; the board where the task is simple.
fn work(situation: &Situation<'_>, why: &str, odds: Option<Odds<'_>>) -> Turn {
    if odds.is_some() {
        let reason = format!("{why}; the routing head says how likely each is to succeed");
        return go(situation, Role::Worker, reason, odds, |_| true);
    }
    if is_simple(situation) && board_will_do(situation) {
        let reason = format!("{why}; the task looks simple, so it stays on the board");
        return go(situation, Role::Worker, reason, None, |candidate| {
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
        None,
        |_| true,
    )
}

/// Whether somebody on the board may work who is not far weaker than everybody else.
fn board_will_do(situation: &Situation<'_>) -> bool {
    let strongest = |place: Place| {
        let all = situation.candidates(Role::Worker).iter();
        let may = all.filter(|c| c.place == place && usable(c, situation.effort));
        may.map(|candidate| candidate.known.strength).max()
    };
    let elsewhere = strongest(Place::Remote).unwrap_or(0);
    strongest(Place::Board).is_some_and(|own| own.saturating_add(FAR) >= elsewhere)
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
    verifier(situation, None)
        .unwrap_or_else(|| stop("nobody at least as strong as the author may verify the answer"))
}

/// The turn of a verifier, where there is an answer that somebody may verify.
pub(super) fn verifier(situation: &Situation<'_>, reason: Option<String>) -> Option<Turn> {
    let author = situation.author()?;
    let strength = strength(situation, &author.worker);
    let usual = || format!("the answer of {} is to be verified", author.worker);
    verifiable(situation, &author.worker, strength).then(|| {
        go(
            situation,
            Role::Verifier,
            reason.unwrap_or_else(usual),
            None,
            |candidate| may_verify(situation, candidate, &author.worker, strength),
        )
    })
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

pub(crate) fn usable(candidate: &Candidate, effort: Effort) -> bool {
    match candidate.ruling.verdict {
        Verdict::Refuse => false,
        Verdict::Ask => effort > Effort::Low,
        Verdict::Run | Verdict::Redact => true,
    }
}

/// The best of those that `fits` admits; where nobody is usable, the first that is not refused, for the gate to judge.
pub(super) fn go(
    situation: &Situation<'_>,
    role: Role,
    reason: String,
    odds: Option<Odds<'_>>,
    fits: impl Fn(&Candidate) -> bool,
) -> Turn {
    let all = situation.candidates(role);
    let quality = odds.map_or(Quality::Policy(situation.features), Quality::Head);
    let mut ranked: Vec<(&Candidate, Scored)> = all
        .iter()
        .filter(|candidate| fits(candidate))
        .map(|candidate| {
            (
                candidate,
                score(candidate, quality, situation.choice, situation.effort),
            )
        })
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
    let margin = match ranked.as_slice() {
        [(_, first), (next, second), ..] if usable(next, situation.effort) => {
            let lead = first.score - second.score;
            if lead < 0.05 {
                format!(", as good as that of {}", next.worker)
            } else {
                format!(", {lead:.1} above {}", next.worker)
            }
        }
        _ => String::new(),
    };
    Turn::Go {
        last: role == Role::Worker && is_last(situation, best),
        role,
        reason: format!("{reason}; {worker} has the best score of those that may{margin}"),
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
