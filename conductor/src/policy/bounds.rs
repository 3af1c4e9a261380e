//! What the sources of a task allow it.
//!
//! Every `[[source]]` that matches a task counts, and of what they say the strictest: the highest label, the workers that
//! all of them allow, the lowest maximal label, every budget, and only hours that are in all of them. None of it can
//! loosen what else the policy says.

use super::{
    Budget, Policy,
    source::{DAY, Hours},
};
use crate::{
    id::WorkerId,
    label::Label,
    ledger::{Allowance, Whose},
    limits,
    task::Task,
    verdict::{Ruling, Verdict},
    worker::Place,
};

/// What holds for the tasks of one origin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The label that they have at least.
    pub label: Label,
    /// The only workers that they may use.
    pub workers: Option<Vec<WorkerId>>,
    /// The highest label that they may have, and the rule.
    pub max_label: Option<(Label, String)>,
    /// When they may use remote workers, and the rule.
    pub hours: Vec<(Hours, String)>,
    /// What their remote calls may take.
    pub allowances: Vec<Allowance>,
    /// Whether the request allows no remote call at all.
    pub stays: bool,
}

impl Bounds {
    /// The rule that keeps a worker from being called at this minute of the day, where there is one.
    #[must_use]
    pub fn closed(&self, place: Place, minute: u16) -> Option<&str> {
        if place == Place::Board {
            return None;
        }
        let mut closed = self
            .hours
            .iter()
            .filter(|(hours, _)| !hours.contains(minute));
        closed.next().map(|(_, rule)| rule.as_str())
    }

    /// A ruling of the gate, or a refusal where the task's sources are stricter at this time.
    #[must_use]
    pub fn rule_on(&self, worker: &WorkerId, place: Place, mut ruling: Ruling) -> Ruling {
        let outside =
            || (!self.allow(worker)).then_some("its [[source]] does not allow this worker");
        let above = || {
            let (max, rule) = self.max_label.as_ref()?;
            (ruling.label > *max).then_some(rule.as_str())
        };
        let closed = || self.closed(place, minute_of_day());
        let kept = || {
            (self.stays && place == Place::Remote)
                .then(|| format!("the request's {} = 0", limits::CALLS))
        };
        let rule = outside().or_else(above).or_else(closed);
        if let Some(rule) = rule.map(str::to_owned).or_else(kept) {
            ruling.verdict = Verdict::Refuse;
            ruling.rule = rule;
        }
        ruling
    }

    /// Makes the highest label no higher than `max`.
    fn lower(&mut self, max: Label, rule: impl Fn() -> String) {
        let known = self.max_label.as_ref();
        if known.is_none_or(|(known, _)| max < *known) {
            self.max_label = Some((max, rule()));
        }
    }

    /// Whether the sources of a task let it use this worker.
    #[must_use]
    pub fn allow(&self, worker: &WorkerId) -> bool {
        self.workers.as_ref().is_none_or(|all| all.contains(worker))
    }
}

/// Of UTC, as budgets count their days.
fn minute_of_day() -> u16 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u16::try_from(since.as_secs() / 60 % u64::from(DAY)).unwrap_or(0)
}

impl Policy {
    /// What holds for the tasks of this origin (`api:NAME`, `mqtt:TOPIC`, `cli`), the day's budget of all with it.
    #[must_use]
    pub fn bounds(&self, from: &str) -> Bounds {
        let mut bounds = Bounds {
            label: match from.split(':').next() {
                Some("mqtt") => self.sources.mqtt,
                _ => self.sources.api,
            },
            allowances: vec![Allowance::of_day(Whose::Everyone, &self.budget)],
            ..Bounds::default()
        };
        let all = self.by_source.iter().enumerate();
        for (index, source) in all.filter(|(_, source)| source.matches(from)) {
            let name = source.named(index);
            bounds.label = bounds.label.join(source.label);
            if let Some(workers) = &source.workers {
                let both = match bounds.workers.take() {
                    None => workers.clone(),
                    Some(known) => known
                        .into_iter()
                        .filter(|id| workers.contains(id))
                        .collect(),
                };
                bounds.workers = Some(both);
            }
            if let Some(max) = source.max_label {
                bounds.lower(max, || format!("{name}.max_label = \"{max}\""));
            }
            if let Some(hours) = source.hours {
                bounds
                    .hours
                    .push((hours, format!("{name}.hours = \"{hours}\"")));
            }
            if source.budget != Budget::default() {
                let from = from.to_owned();
                let whose = Whose::Origin { of: name, from };
                bounds
                    .allowances
                    .push(Allowance::of_day(whose, &source.budget));
            }
        }
        bounds
    }

    /// What holds for one task: the bounds of its origin, and within them what its request allows.
    #[must_use]
    pub fn bounds_of(&self, task: &Task) -> Bounds {
        let mut bounds = self.bounds(&task.from);
        if let Some(max) = task.limits.max_label {
            bounds.lower(max, || {
                format!("the request's {} = \"{max}\"", limits::LABEL)
            });
        }
        bounds.stays = task.limits.max_remote_calls == Some(0);
        bounds.allowances.extend(Allowance::of_task(&task.limits));
        bounds
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(text, Path::new(".")).unwrap()
    }

    #[test]
    fn of_all_that_matches_the_strictest_holds() {
        let policy = policy(
            "[sources]\nmqtt = \"internal\"\n[budget]\nrequests_per_day = 9\n\
             [[source]]\nkey = \"line-*\"\nlabel = \"internal\"\nworkers = [\"local\", \"cloud\"]\nmax_label = \"restricted\"\n\
             [[source]]\nkey = \"line-3\"\nlabel = \"confidential\"\nworkers = [\"cloud\", \"npu\"]\nmax_label = \"confidential\"\n\
             requests_per_day = 2\nhours = \"22:00-06:00\"\n\
             [[source]]\ntopic = \"plc/#\"\nlabel = \"restricted\"\n",
        );
        let bounds = policy.bounds("api:line-3");
        let cloud = WorkerId::try_new("cloud").unwrap();
        assert_eq!(bounds.label, Label::Confidential);
        assert_eq!(bounds.workers, Some(vec![cloud.clone()]));
        let (max, rule) = bounds.max_label.clone().unwrap();
        assert_eq!(max, Label::Confidential);
        assert_eq!(
            rule,
            "source[1] (key = \"line-3\").max_label = \"confidential\""
        );
        assert_eq!(bounds.allowances.len(), 2);
        let closed = |minute| bounds.closed(Place::Remote, minute).is_some();
        assert_eq!(
            [0, 359, 360, 720, 1319, 1320].map(closed),
            [false, false, true, true, true, false]
        );
        assert_eq!(bounds.closed(Place::Board, 720), None);
        assert_eq!(policy.bounds("mqtt:plc/7").label, Label::Restricted);
        assert_eq!(policy.bounds("mqtt:x").label, Label::Internal);
        let others = policy.bounds("api:line-33");
        assert_eq!(others.label, Label::Internal);
        assert!(others.allow(&cloud) && others.hours.is_empty());
        assert_eq!(policy.bounds("cli").workers, None);
    }
}
