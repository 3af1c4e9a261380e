//! The form of `policy.toml`.

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use serde::Deserialize;

use super::{
    Approver, Budget, Choice, Dictionary, Escalation, Limits, Policy, PolicyError, Sources,
    WorkerPolicy, pattern, rule,
    source::{Source, SourceRow},
};
use crate::{
    detect::Kind,
    id::WorkerId,
    label::Label,
    unit::{MicroDollars, Millis, Price, Tokens},
};

/// The most words that dictionaries may have together.
pub const MAX_WORDS: usize = 500_000;
/// The most people that can be asked for one approval.
pub const MAX_PEOPLE: u8 = 5;

/// The longest word or phrase of a dictionary, in bytes: a text is compared with it from each of its words on.
pub const MAX_WORD: usize = 256;

/// The largest file of words, in bytes.
pub const MAX_WORD_FILE: u64 = 64 << 20;

/// `policy.toml` as it is written. Unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    escalation: EscalationTable,
    types: BTreeMap<Kind, Label>,
    sources: SourceTable,
    source: Vec<SourceRow>,
    rule: Vec<rule::RuleRow>,
    workers: BTreeMap<String, WorkerTable>,
    dictionaries: Vec<DictionaryTable>,
    patterns: Vec<pattern::Table>,
    budget: BudgetTable,
    choice: ChoiceTable,
    limits: LimitTable,
    retention: RetentionTable,
    approvals: ApprovalTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ApprovalTable {
    people: PeopleTable,
    approvers: BTreeMap<String, String>,
}

/// How many.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PeopleTable {
    public: u8,
    internal: u8,
    confidential: u8,
    restricted: u8,
}

impl Default for PeopleTable {
    fn default() -> Self {
        Self {
            public: 1,
            internal: 1,
            confidential: 1,
            restricted: 1,
        }
    }
}

/// Days.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RetentionTable {
    public: Option<u16>,
    internal: Option<u16>,
    confidential: Option<u16>,
    restricted: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EscalationTable {
    public: Escalation,
    internal: Escalation,
    confidential: Escalation,
    restricted: Escalation,
}

impl Default for EscalationTable {
    fn default() -> Self {
        Self {
            public: Escalation::Free,
            internal: Escalation::Redact,
            confidential: Escalation::Approve,
            restricted: Escalation::Never,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SourceTable {
    api: Label,
    mqtt: Label,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkerTable {
    clearance: Label,
    #[serde(default)]
    price_in: f64,
    #[serde(default)]
    price_out: f64,
    #[serde(default = "middling")]
    strength: u8,
    #[serde(default)]
    skills: Vec<String>,
    #[serde(default)]
    watts: f64,
}

const fn middling() -> u8 {
    50
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DictionaryTable {
    r#type: Kind,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BudgetTable {
    money_per_day: Option<f64>,
    tokens_per_day: Option<u64>,
    requests_per_day: Option<u64>,
}

/// Points.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ChoiceTable {
    points_per_second: Option<f64>,
    points_per_cent: Option<f64>,
    points_per_watt_hour: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitTable {
    step_seconds: u64,
    task_seconds: u64,
    approval_seconds: u64,
}

impl Default for LimitTable {
    fn default() -> Self {
        Self {
            step_seconds: 120,
            task_seconds: 600,
            approval_seconds: 900,
        }
    }
}

impl File {
    /// Checks every value and reads the word lists, relative to `folder`.
    pub fn resolve(self, folder: &Path) -> Result<Policy, PolicyError> {
        let mut types = Kind::defaults();
        types.extend(self.types);
        let lists = self
            .dictionaries
            .iter()
            .filter_map(|table| table.file.as_ref());
        let files = lists.map(|file| folder.join(file)).collect();
        let by_source = sources(self.source, &mut types)?;
        let dictionaries = dictionaries(self.dictionaries, folder, &types)?;
        let patterns = pattern::resolve(self.patterns, &types)?;
        let mut workers = BTreeMap::new();
        for (name, table) in self.workers {
            let key = format!("workers.{name}");
            let id = WorkerId::try_new(name).map_err(|error| value(&key, error.to_string()))?;
            workers.insert(id, worker(&key, table)?);
        }
        Ok(Policy {
            workers,
            escalation: [
                self.escalation.public,
                self.escalation.internal,
                self.escalation.confidential,
                self.escalation.restricted,
            ],
            types,
            sources: Sources {
                api: self.sources.api,
                mqtt: self.sources.mqtt,
            },
            by_source,
            rules: rule::resolve(self.rule).map_err(|(key, reason)| value(&key, reason))?,
            dictionaries,
            patterns,
            budget: budget("budget", &self.budget)?,
            choice: choice(&self.choice)?,
            limits: limits(&self.limits)?,
            retention: [
                self.retention.public,
                self.retention.internal,
                self.retention.confidential,
                self.retention.restricted,
            ],
            people: people(&self.approvals.people)?,
            approvers: approvers(self.approvals.approvers)?,
            files,
        })
    }
}

fn value(key: &str, reason: impl Into<String>) -> PolicyError {
    PolicyError::Value {
        key: key.to_owned(),
        reason: reason.into(),
    }
}

fn dollars(key: &str, amount: f64) -> Result<MicroDollars, PolicyError> {
    MicroDollars::from_dollars(amount)
        .ok_or_else(|| value(key, format!("{amount} is not an amount of dollars")))
}

fn worker(key: &str, table: WorkerTable) -> Result<WorkerPolicy, PolicyError> {
    if table.strength > 100 {
        return Err(value(
            &format!("{key}.strength"),
            format!("{} is not from 0 to 100", table.strength),
        ));
    }
    Ok(WorkerPolicy {
        clearance: table.clearance,
        price: Price {
            input: dollars(&format!("{key}.price_in"), table.price_in)?,
            output: dollars(&format!("{key}.price_out"), table.price_out)?,
        },
        strength: table.strength,
        skills: table.skills,
        watts: amount(&format!("{key}.watts"), table.watts)?,
    })
}

/// A number that can be weighed with.
fn amount(key: &str, amount: f64) -> Result<f64, PolicyError> {
    match amount {
        0.0..=1e6 => Ok(amount),
        _ => Err(value(key, format!("{amount} is not from 0 to 1000000"))),
    }
}

fn choice(table: &ChoiceTable) -> Result<Choice, PolicyError> {
    let usual = Choice::default();
    let points = |key: &str, said: Option<f64>, usual: f64| {
        amount(&format!("choice.points_per_{key}"), said.unwrap_or(usual))
    };
    Ok(Choice {
        second: points("second", table.points_per_second, usual.second)?,
        cent: points("cent", table.points_per_cent, usual.cent)?,
        watt_hour: points("watt_hour", table.points_per_watt_hour, usual.watt_hour)?,
    })
}

fn budget(key: &str, table: &BudgetTable) -> Result<Budget, PolicyError> {
    let money_per_day = match table.money_per_day {
        Some(amount) => Some(dollars(&format!("{key}.money_per_day"), amount)?),
        None => None,
    };
    Ok(Budget {
        money_per_day,
        tokens_per_day: table.tokens_per_day.map(Tokens),
        requests_per_day: table.requests_per_day,
    })
}

fn people(table: &PeopleTable) -> Result<[u8; 4], PolicyError> {
    let all = [
        table.public,
        table.internal,
        table.confidential,
        table.restricted,
    ];
    for (label, people) in Label::ALL.into_iter().zip(all) {
        if !(1..=MAX_PEOPLE).contains(&people) {
            return Err(value(
                &format!("approvals.people.{label}"),
                format!("{people} is not from 1 to {MAX_PEOPLE}"),
            ));
        }
    }
    Ok(all)
}

fn approvers(table: BTreeMap<String, String>) -> Result<BTreeMap<String, Approver>, PolicyError> {
    let mut all = BTreeMap::new();
    for (name, text) in table {
        let key = format!("approvals.approvers.{name}");
        // A name stands in traces and in what is signed, like an id.
        WorkerId::try_new(name.as_str()).map_err(|error| value(&key, error.to_string()))?;
        let mut bytes = Approver::default();
        hex::decode_to_slice(text.trim(), &mut bytes)
            .map_err(|_| value(&key, "it is no Ed25519 public key: 64 hexadecimal digits"))?;
        all.insert(name, bytes);
    }
    Ok(all)
}

/// A field's type has the label that the field gives it, unless `[types]` gives it a higher one.
fn sources(
    rows: Vec<SourceRow>,
    types: &mut BTreeMap<Kind, Label>,
) -> Result<Vec<Source>, PolicyError> {
    let mut all = Vec::with_capacity(rows.len());
    for (index, row) in rows.into_iter().enumerate() {
        let key = format!("source[{index}]");
        let table = BudgetTable {
            money_per_day: row.money_per_day,
            tokens_per_day: row.tokens_per_day,
            requests_per_day: row.requests_per_day,
        };
        let budget = budget(&key, &table)?;
        let source = row.resolve(budget).map_err(|(name, reason)| {
            let dot = if name.is_empty() { "" } else { "." };
            value(&format!("{key}{dot}{name}"), reason)
        })?;
        if let Some(field) = &source.field {
            let label = types.entry(field.kind.clone()).or_default();
            *label = (*label).max(source.label);
        }
        all.push(source);
    }
    Ok(all)
}

fn limits(table: &LimitTable) -> Result<Limits, PolicyError> {
    let seconds = |key: &str, seconds: u64| match seconds {
        1..=86_400 => Ok(Millis(seconds * 1_000)),
        _ => Err(value(key, format!("{seconds} is not from 1 to 86400"))),
    };
    Ok(Limits {
        step: seconds("limits.step_seconds", table.step_seconds)?,
        task: seconds("limits.task_seconds", table.task_seconds)?,
        approval: seconds("limits.approval_seconds", table.approval_seconds)?,
    })
}

fn dictionaries(
    tables: Vec<DictionaryTable>,
    folder: &Path,
    types: &BTreeMap<Kind, Label>,
) -> Result<Vec<Dictionary>, PolicyError> {
    let mut total = 0;
    let mut all = Vec::with_capacity(tables.len());
    for (index, table) in tables.into_iter().enumerate() {
        let key = format!("dictionaries[{index}]");
        if !types.contains_key(&table.r#type) {
            return Err(value(
                &key,
                format!(
                    "the type \"{0}\" has no label: add `{0} = \"confidential\"` to [types]",
                    table.r#type
                ),
            ));
        }
        let mut words = table.words;
        if let Some(file) = table.file {
            let path = folder.join(file);
            let read = std::fs::metadata(&path).and_then(|about| match about.len() {
                0..=MAX_WORD_FILE => std::fs::read_to_string(&path),
                _ => Err(std::io::ErrorKind::FileTooLarge.into()),
            });
            let text = read.map_err(|source| PolicyError::Read { path, source })?;
            words.extend(text.lines().map(str::to_owned));
        }
        let words: Vec<String> = words
            .iter()
            .map(|word| word.trim())
            .filter(|word| !word.is_empty() && !word.starts_with('#'))
            .map(str::to_owned)
            .collect();
        total += words.len();
        if let Some(long) = words.iter().find(|word| word.len() > MAX_WORD) {
            let start: String = long.chars().take(24).collect();
            return Err(value(
                &key,
                format!(
                    "\"{start}…\" is longer than {MAX_WORD} bytes: put one word or phrase on each line"
                ),
            ));
        }
        if total > MAX_WORDS {
            return Err(value(&key, format!("more than {MAX_WORDS} words")));
        }
        all.push(Dictionary {
            kind: table.r#type,
            words,
        });
    }
    Ok(all)
}
