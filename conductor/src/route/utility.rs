//! What a worker is worth for one turn: points for quality, less points for money, time, energy and asking a person.
//!
//! A point is a hundredth of a sure success. Where a person must be asked, it is one that only a yes makes possible, as far as
//! a routing head knows what people say. What money, time and energy cost is the policy's; at low effort they count
//! twice, at high effort half. Money is that of a thousand tokens read and written.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::Candidate;
use crate::{
    feature::Features, head::routing::approval::Approvals, policy::Choice, task::Effort,
    trace::Scored, unit::Tokens, verdict::Verdict,
};

const SKILL: f64 = 15.0;
const ASKING: f64 = 10.0;

/// What a routing head says of those who may work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odds<'a> {
    /// The chance of success, from 0 to 1, by worker.
    pub right: &'a BTreeMap<String, f32>,
    /// What people say where they must be asked.
    pub approvals: &'a Approvals,
}

/// Where the points for quality come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Quality<'a> {
    /// Strength and skills, as the policy says.
    Policy(&'a Features),
    /// The chance that choosing a worker leads to a right answer by it.
    Head(Odds<'a>),
}

/// How much a point's worth of money or time counts.
fn thrift(effort: Effort) -> f64 {
    match effort {
        Effort::Low => 2.0,
        Effort::Medium => 1.0,
        Effort::High => 0.5,
    }
}

/// The utility of a candidate, with what it is made of.
pub(super) fn score(
    candidate: &Candidate,
    quality: Quality<'_>,
    choice: Choice,
    effort: Effort,
) -> Scored {
    let known = &candidate.known;
    let (points, mut why) = match quality {
        Quality::Policy(features) => {
            let has = |skill: &str| known.skills.iter().any(|own| own == skill);
            let skills = features.skills.iter().copied();
            let matched: Vec<&str> = skills.filter(|skill| has(skill)).collect();
            #[expect(clippy::cast_precision_loss, reason = "a handful of skills")]
            let skills = SKILL * matched.len() as f64;
            let why = format!(
                "strength {}, skills +{skills} ({})",
                known.strength,
                matched.join(", ")
            );
            (f64::from(known.strength) + skills, why)
        }
        Quality::Head(odds) => {
            let worker = candidate.worker.as_str();
            let chance = odds.right.get(worker).copied();
            let points = 100.0 * f64::from(chance.unwrap_or(0.0));
            let why = format!("chance of success {points:.0} %");
            match odds.approvals.chance(worker) {
                yes if candidate.ruling.verdict == Verdict::Ask && yes < 1.0 => {
                    let agrees = format!(", times {:.0} % that a person agrees", 100.0 * yes);
                    (points * yes, why + &agrees)
                }
                _ => (points, why),
            }
        }
    };
    let cost = known.price.of(Tokens(1_000), Tokens(1_000));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a score needs no more than a few digits"
    )]
    let price = thrift(effort) * choice.cent * cost.0 as f64 / 10_000.0;
    let asking = if candidate.ruling.verdict == Verdict::Ask {
        ASKING
    } else {
        0.0
    };
    let seconds = |span: Duration| thrift(effort) * choice.second * span.as_secs_f64();
    let (wait, time) = (seconds(candidate.wait), seconds(candidate.takes));
    let watt_hours = known.watts * candidate.takes.as_secs_f64() / 3_600.0;
    let energy = thrift(effort) * choice.watt_hour * watt_hours;
    // Writing to a string cannot fail.
    let _ = write!(why, ", price -{price:.1}, asking -{asking}");
    for (what, points) in [
        ("loading its model", wait),
        ("time", time),
        ("energy", energy),
    ] {
        // What does not show does not matter.
        if points >= 0.05 {
            let _ = write!(why, ", {what} -{points:.1}");
        }
    }
    Scored {
        worker: candidate.worker.clone(),
        verdict: candidate.ruling.verdict,
        rule: candidate.ruling.rule.clone(),
        score: points - price - asking - wait - time - energy,
        why,
    }
}
