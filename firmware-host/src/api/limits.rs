//! What a request may say to narrow what its own task may use: keys of its body, and headers for clients whose body is
//! not theirs to change. Where both are there, the narrower counts.

use axum::http::HeaderMap;
use serde::Deserialize;
use shoal_conductor::{
    id::WorkerId,
    label::Label,
    limits::{self, TaskLimits},
    unit::{MicroDollars, Tokens},
};

use super::{WORKERS_HEADER, error::ApiError, wish::shorten};

/// What stands before the name of a limit in a header.
const PREFIX: &str = "x-shoal-";

/// As the body has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Narrowing {
    pub workers: Option<Vec<String>>,
    pub max_label: Option<String>,
    pub max_cost_usd: Option<f64>,
    pub max_remote_tokens: Option<u64>,
    pub max_remote_calls: Option<u64>,
}

impl Narrowing {
    /// The limits, checked.
    pub fn limits(&self) -> Result<TaskLimits, ApiError> {
        let label = self.max_label.as_deref();
        Ok(TaskLimits {
            max_label: label.map(|word| highest(limits::LABEL, word)).transpose()?,
            max_cost: self
                .max_cost_usd
                .map(|amount| dollars(limits::COST, amount))
                .transpose()?,
            max_remote_tokens: self.max_remote_tokens.map(Tokens),
            max_remote_calls: self.max_remote_calls,
        })
    }

    /// The only workers that the task may use.
    pub fn workers(&self) -> Result<Option<Vec<WorkerId>>, ApiError> {
        let names = self.workers.as_ref();
        names
            .map(|names| named("workers", names.iter().map(String::as_str)))
            .transpose()
    }
}

/// The limits that the headers name: `x-shoal-max-cost-usd` and so on.
pub fn of_headers(headers: &HeaderMap) -> Result<TaskLimits, ApiError> {
    let header = |limit: &str| {
        let name = format!("{PREFIX}{}", limit.replace('_', "-"));
        let value = headers.get(&name)?;
        // What is not ASCII is no value of any of them.
        Some((name, value.to_str().unwrap_or("?").trim().to_owned()))
    };
    let count = |limit: &str| {
        let Some((name, value)) = header(limit) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|_| {
            let said = format!("{name}: \"{}\" is no whole number from 0", shorten(&value));
            ApiError::invalid(&name, said)
        })
    };
    Ok(TaskLimits {
        max_label: header(limits::LABEL)
            .map(|(name, value)| highest(&name, &value))
            .transpose()?,
        max_cost: header(limits::COST)
            .map(|(name, value)| dollars(&name, value.parse().unwrap_or(f64::NAN)))
            .transpose()?,
        max_remote_tokens: count(limits::TOKENS)?.map(Tokens),
        max_remote_calls: count(limits::CALLS)?,
    })
}

/// The workers that a header names.
pub fn workers_of_headers(headers: &HeaderMap) -> Result<Option<Vec<WorkerId>>, ApiError> {
    let value = headers.get(WORKERS_HEADER);
    let names = value.map(|value| value.to_str().unwrap_or_default().split(','));
    names.map(|names| named(WORKERS_HEADER, names)).transpose()
}

/// The workers that both allow; an error where there is none, since nobody could do the task.
pub fn both(
    key: Option<Vec<WorkerId>>,
    wanted: Option<Vec<WorkerId>>,
    pool: &[WorkerId],
) -> Result<Option<Vec<WorkerId>>, ApiError> {
    let Some(mut wanted) = wanted else {
        return Ok(key);
    };
    let may = |id: &WorkerId| key.as_ref().is_none_or(|key| key.contains(id));
    wanted.retain(may);
    if wanted.iter().any(|id| pool.contains(id)) {
        return Ok(Some(wanted));
    }
    let open: Vec<&str> = pool
        .iter()
        .filter(|id| may(id))
        .map(WorkerId::as_str)
        .collect();
    let said = format!(
        "none of the workers that the request names is there for this key; it may use {}",
        open.join(", ")
    );
    Err(ApiError::invalid("workers", said))
}

fn named<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Result<Vec<WorkerId>, ApiError> {
    let ids: Vec<WorkerId> = names
        .map(|name| WorkerId::try_new(name.trim()))
        .collect::<Result<_, _>>()
        .map_err(|error| ApiError::invalid(key, format!("{key}: {error}")))?;
    if ids.is_empty() {
        let said =
            format!("{key} names nobody: leave it out to allow every worker that the key may use");
        return Err(ApiError::invalid(key, said));
    }
    Ok(ids)
}

fn highest(key: &str, word: &str) -> Result<Label, ApiError> {
    word.parse()
        .map_err(|error| ApiError::invalid(key, format!("{key}: {error}")))
}

fn dollars(key: &str, amount: f64) -> Result<MicroDollars, ApiError> {
    MicroDollars::from_dollars(amount).ok_or_else(|| {
        let said = format!("{key} is no amount: give dollars from 0, such as 0.05");
        ApiError::invalid(key, said)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    fn said(error: ApiError) -> String {
        error.to_string()
    }

    #[test]
    fn headers_say_what_the_body_may_say() {
        let body = Narrowing {
            max_label: Some("internal".into()),
            max_cost_usd: Some(0.05),
            max_remote_tokens: Some(1000),
            max_remote_calls: Some(0),
            workers: None,
        };
        let same = headers(&[
            ("x-shoal-max-label", "internal"),
            ("x-shoal-max-cost-usd", "0.05"),
            ("x-shoal-max-remote-tokens", "1000"),
            ("x-shoal-max-remote-calls", " 0"),
        ]);
        assert_eq!(body.limits().unwrap(), of_headers(&same).unwrap());
        assert!(of_headers(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn what_is_no_limit_is_refused_by_name() {
        for (name, value) in [
            ("x-shoal-max-label", "secret"),
            ("x-shoal-max-cost-usd", "-1"),
            ("x-shoal-max-cost-usd", "cheap"),
            ("x-shoal-max-remote-tokens", "1e3"),
            ("x-shoal-max-remote-calls", "-1"),
        ] {
            let error = said(of_headers(&headers(&[(name, value)])).unwrap_err());
            assert!(error.contains(name), "{error}");
        }
        for amount in [-0.01, f64::NAN, f64::INFINITY] {
            let body = Narrowing {
                max_cost_usd: Some(amount),
                ..Narrowing::default()
            };
            insta::allow_duplicates! {
                insta::assert_snapshot!(said(body.limits().unwrap_err()), @"max_cost_usd is no amount: give dollars from 0, such as 0.05");
            }
        }
        let nobody = Narrowing {
            workers: Some(Vec::new()),
            ..Narrowing::default()
        };
        insta::assert_snapshot!(said(nobody.workers().unwrap_err()), @"workers names nobody: leave it out to allow every worker that the key may use");
    }

    #[test]
    fn workers_are_those_that_key_and_request_allow() {
        let ids = |names: &[&str]| -> Vec<WorkerId> {
            let ids = names.iter().map(|name| WorkerId::try_new(*name).unwrap());
            ids.collect()
        };
        let pool = ids(&["local", "cloud"]);
        let both = |key: Option<&[&str]>, wanted: Option<&[&str]>| {
            both(key.map(ids), wanted.map(ids), &pool)
        };
        assert_eq!(both(None, None).unwrap(), None);
        assert_eq!(both(Some(&["local"]), None).unwrap(), Some(ids(&["local"])));
        let narrowed = both(Some(&["local"]), Some(&["cloud", "local"])).unwrap();
        assert_eq!(narrowed, Some(ids(&["local"])));
        let error = said(both(Some(&["local"]), Some(&["cloud"])).unwrap_err());
        insta::assert_snapshot!(error, @"none of the workers that the request names is there for this key; it may use local");
        assert!(both(None, Some(&["clod"])).is_err());
    }
}
