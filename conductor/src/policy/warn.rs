//! What a reader should know though a policy is valid: rules that contradict each other, that can never fire, and workers
//! that nothing can reach.

use std::collections::BTreeSet;

use super::{Budget, Escalation, Policy};
use crate::{detect::Kind, document::nearest, id::WorkerId, label::Label, task::Target};

impl Policy {
    /// What can be said of the policy by itself.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for pair in Label::ALL.windows(2) {
            let (low, high) = (pair[0], pair[1]);
            if self.escalation(high) < self.escalation(low) {
                warnings.push(format!(
                    "escalation.{high} = \"{}\" is laxer than escalation.{low} = \"{}\"",
                    self.escalation(high).as_str(),
                    self.escalation(low).as_str()
                ));
            }
        }
        let never = |label| self.escalation(label) == Escalation::Never;
        if Label::ALL.into_iter().all(never) {
            warnings
                .push("every escalation is \"never\", so no remote worker is ever called".into());
        }
        for dictionary in &self.dictionaries {
            if dictionary.words.is_empty() {
                warnings.push(format!(
                    "the dictionary of type \"{}\" has no words",
                    dictionary.kind
                ));
            }
        }
        self.unfound(&mut warnings);
        self.by_themselves(&mut warnings);
        warnings
    }

    /// What can be said once it is known which workers there are, and which of them are remote.
    #[must_use]
    pub fn warnings_about(&self, all: &BTreeSet<&str>, remote: &BTreeSet<&str>) -> Vec<String> {
        let mut warnings = Vec::new();
        let known: Vec<(&WorkerId, Label)> = self
            .workers
            .iter()
            .filter(|(id, _)| remote.contains(id.as_str()))
            .map(|(id, worker)| (id, worker.clearance))
            .collect();
        for &(id, clearance) in &known {
            if !self.reaches(clearance) {
                warnings.push(format!(
                    "nothing can reach the worker \"{id}\": every text it may read by its clearance \"{clearance}\" stays by escalation"
                ));
            } else if clearance > Label::Public && self.escalation(clearance) == Escalation::Never {
                warnings.push(format!(
                    "workers.{id}.clearance = \"{clearance}\" never counts, since escalation.{clearance} = \"never\""
                ));
            }
        }
        let highest = known.iter().map(|(_, clearance)| *clearance).max();
        for label in Label::ALL {
            if self.escalation(label) == Escalation::Free
                && highest.is_some_and(|highest| highest < label)
            {
                warnings.push(format!(
                    "escalation.{label} = \"free\" never sends anything as it is, since no remote worker has the clearance \"{label}\""
                ));
            }
        }
        let priced = known.iter().any(|(id, _)| {
            let price = self.workers[*id].price;
            price.input.0 > 0 || price.output.0 > 0
        });
        let money = |budget: &Budget| budget.money_per_day.is_some();
        if !known.is_empty()
            && !priced
            && (money(&self.budget) || self.by_source.iter().any(|source| money(&source.budget)))
        {
            warnings.push(
                "money_per_day never counts, since no remote worker has a price: add price_in and price_out".into(),
            );
        }
        self.unknown(all, &mut warnings);
        warnings
    }

    /// Whether any text at all can come to a remote worker of this clearance: one of label `whole`, of which `left` is
    /// left after redaction.
    fn reaches(&self, clearance: Label) -> bool {
        let pairs = Label::ALL
            .into_iter()
            .flat_map(|whole| Label::ALL.into_iter().map(move |left| (whole, left)));
        pairs
            .filter(|(whole, left)| left <= whole)
            .any(
                |(whole, left)| match self.escalation(whole).max(self.escalation(left)) {
                    Escalation::Never => false,
                    Escalation::Approve => true,
                    Escalation::Free | Escalation::Redact => left <= clearance,
                },
            )
    }

    /// Types that nothing finds.
    fn unfound(&self, warnings: &mut Vec<String>) {
        let ours = Kind::defaults();
        for kind in self.types.keys() {
            let words = self.dictionaries.iter().any(|words| words.kind == *kind);
            let field = self.fields().any(|field| field.kind == *kind);
            if ours.contains_key(kind) || words || field {
                continue;
            }
            let names: Vec<&str> = ours.keys().map(Kind::as_str).collect();
            let meant = nearest(kind.as_str(), names)
                .map(|name| format!("; did you mean \"{name}\"?"))
                .unwrap_or_default();
            warnings.push(format!(
                "nothing finds text of the type \"{kind}\": no detector, no [[dictionaries]] and no field has it{meant}"
            ));
        }
    }

    fn by_themselves(&self, warnings: &mut Vec<String>) {
        for (index, source) in self.by_source.iter().enumerate() {
            if source.max_label.is_some_and(|max| max < source.label) {
                warnings.push(format!(
                    "source[{index}] refuses every task, since its label is above its max_label"
                ));
            }
            if source.workers.as_ref().is_some_and(Vec::is_empty) {
                warnings.push(format!(
                    "source[{index}] refuses every task, since it allows no worker"
                ));
            }
            let says = source.label > Label::Public
                || source.workers.is_some()
                || source.max_label.is_some()
                || source.hours.is_some()
                || source.budget != Budget::default();
            if !says {
                warnings.push(format!("source[{index}] changes nothing"));
            }
        }
    }

    /// Workers that are named and do not exist.
    fn unknown(&self, all: &BTreeSet<&str>, warnings: &mut Vec<String>) {
        let meant = |id: &str| {
            nearest(id, all.iter().copied())
                .map(|name| format!("; did you mean \"{name}\"?"))
                .unwrap_or_default()
        };
        for id in self.workers.keys().map(WorkerId::as_str) {
            if !all.contains(id) {
                warnings.push(format!(
                    "policy speaks of a worker \"{id}\" that the config does not have{}",
                    meant(id)
                ));
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if let Target::Worker(id) = &rule.target
                && !all.contains(id.as_str())
            {
                warnings.push(format!(
                    "rule[{index}] asks for a worker \"{id}\" that the config does not have{}",
                    meant(id.as_str())
                ));
            }
        }
        for (index, source) in self.by_source.iter().enumerate() {
            for id in source.workers.iter().flatten().map(WorkerId::as_str) {
                if !all.contains(id) {
                    warnings.push(format!(
                        "source[{index}] allows a worker \"{id}\" that the config does not have{}",
                        meant(id)
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn warned(text: &str, all: &[&str], remote: &[&str]) -> String {
        let policy = Policy::parse(text, Path::new(".")).unwrap();
        let mut warnings = policy.warnings();
        let all: BTreeSet<&str> = all.iter().copied().collect();
        let remote: BTreeSet<&str> = remote.iter().copied().collect();
        warnings.extend(policy.warnings_about(&all, &remote));
        warnings.join("\n")
    }

    #[test]
    fn what_can_never_fire_and_what_nothing_can_reach_is_said() {
        let cloud = "[workers.cloud]\nclearance = \"internal\"\n";
        let with = |more: &str| warned(&format!("{cloud}{more}"), &["local", "cloud"], &["cloud"]);
        assert_eq!(with(""), "");
        insta::assert_snapshot!(with("[types]\nemial = \"internal\""), @r#"nothing finds text of the type "emial": no detector, no [[dictionaries]] and no field has it; did you mean "email"?"#);
        insta::assert_snapshot!(with("[escalation]\npublic = \"never\"\ninternal = \"never\"\nconfidential = \"redact\""), @r#"
escalation.confidential = "redact" is laxer than escalation.internal = "never"
nothing can reach the worker "cloud": every text it may read by its clearance "internal" stays by escalation
"#);
        insta::assert_snapshot!(with("[escalation]\nconfidential = \"free\""), @r#"
escalation.confidential = "free" is laxer than escalation.internal = "redact"
escalation.confidential = "free" never sends anything as it is, since no remote worker has the clearance "confidential"
"#);
        insta::assert_snapshot!(with("[escalation]\ninternal = \"never\"\nconfidential = \"never\""), @r#"workers.cloud.clearance = "internal" never counts, since escalation.internal = "never""#);
        insta::assert_snapshot!(with("[budget]\nmoney_per_day = 1.0"), @r#"money_per_day never counts, since no remote worker has a price: add price_in and price_out"#);
        insta::assert_snapshot!(with("[[source]]\nkey = \"a\"\nworkers = [\"cluod\"]\nlabel = \"restricted\"\nmax_label = \"internal\""), @r#"
source[0] refuses every task, since its label is above its max_label
source[0] allows a worker "cluod" that the config does not have; did you mean "cloud"?
"#);
        insta::assert_snapshot!(with("[[source]]\nkey = \"a\"\n[[source]]\nkey = \"b\"\nworkers = []"), @r#"
source[0] changes nothing
source[1] refuses every task, since it allows no worker
"#);
        insta::assert_snapshot!(with("[workers.clouds]\nclearance = \"public\""), @r#"policy speaks of a worker "clouds" that the config does not have; did you mean "cloud"?"#);
    }
}
