//! Who is asking, and what the key allows.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::{
    extract::FromRequestParts,
    http::{header, request},
};
use sha2::{Digest as _, Sha256};
use shoal_conductor::{id::WorkerId, label::Label, task::Target};

use super::{Api, error::ApiError};
use crate::store::{Scope, StoreError};

/// Wrong keys that one address may send in [`WINDOW`] before it is told to wait.
const MAX_FAILURES: u32 = 20;
/// The time over which wrong keys are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are watched at once; beyond it the oldest is forgotten.
const MAX_ADDRESSES: usize = 1024;

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Whoever holds a valid key.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As it stands in tasks and approvals: `api:NAME`, or `cli`.
    pub from: String,
    scopes: Vec<Scope>,
    /// The label that its tasks have at least.
    pub label: Label,
    /// The workers it may use, if not all.
    pub workers: Option<Vec<WorkerId>>,
}

impl Caller {
    /// Says no unless the key has this scope.
    pub fn needs(&self, scope: Scope) -> Result<(), ApiError> {
        if self.has(scope) {
            return Ok(());
        }
        Err(ApiError::forbidden(format!(
            "this key does not have the scope \"{scope}\"; an admin can make one that has: shoal keys create --scope {scope}"
        )))
    }

    /// Whether it may do what needs `scope`.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether it may see what `from` handed in: its own with [`Scope::Chat`], all with [`Scope::Read`].
    pub fn may_see(&self, from: &str) -> bool {
        self.has(Scope::Read) || (self.has(Scope::Chat) && self.from == from)
    }

    /// Whether it may ask for this model.
    pub fn may_use(&self, target: &Target) -> bool {
        match (target, &self.workers) {
            (Target::Worker(id), Some(allowed)) => allowed.contains(id),
            _ => true,
        }
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, api: &Api) -> Result<Self, ApiError> {
        let peer = parts
            .extensions
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        let bearer = bearer(&parts.headers)?;
        if same(bearer, api.parts().cli_key.expose()) {
            return Ok(Self {
                from: "cli".to_owned(),
                scopes: vec![Scope::Admin],
                label: Label::Public,
                workers: None,
            });
        }
        match api.appliance().store().authenticate(bearer).await {
            Ok(Some(key)) => Ok(Self {
                from: format!("api:{}", key.name),
                scopes: key.scopes,
                label: key.label,
                workers: key.workers,
            }),
            Ok(None) => Err(api.inner.throttle.failed(peer, Instant::now())),
            Err(error) => Err(of_store(&error)),
        }
    }
}

/// The store's fault as a response.
pub fn of_store(error: &StoreError) -> ApiError {
    match error {
        StoreError::Full => ApiError::full(error.to_string()),
        StoreError::Damaged(_) => {
            ApiError::unavailable(error.to_string(), Duration::from_secs(600))
        }
        StoreError::Busy | StoreError::Io(_) | StoreError::Stopped => {
            ApiError::unavailable(error.to_string(), Duration::from_secs(10))
        }
        StoreError::NoTask(_) => ApiError::not_found(error.to_string()),
        _ => {
            tracing::error!(%error, "the store failed");
            ApiError::internal("the store failed; see the log")
        }
    }
}

fn bearer(headers: &axum::http::HeaderMap) -> Result<&str, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::bad_key(
            "no key was sent: send the header \"Authorization: Bearer KEY\"; `shoal keys create` makes a key",
        ));
    };
    let (scheme, key) = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().split_once(' '))
        .unwrap_or_default();
    match key.trim() {
        key if scheme.eq_ignore_ascii_case("bearer") && !key.is_empty() => Ok(key),
        _ => Err(ApiError::bad_key(
            "the header Authorization is not of the form \"Bearer KEY\"",
        )),
    }
}

/// Compares hashes, so that the time it takes says nothing of the key.
fn same(given: &str, expected: &str) -> bool {
    Sha256::digest(given) == Sha256::digest(expected)
}

/// Counts wrong keys by address, so that guessing is not worth the appliance's time.
#[derive(Default)]
pub struct Throttle {
    failures: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Throttle {
    /// Counts one wrong key and says what to answer.
    fn failed(&self, peer: IpAddr, now: Instant) -> ApiError {
        let mut failures = self
            .failures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        if failures.len() >= MAX_ADDRESSES
            && !failures.contains_key(&peer)
            && let Some(oldest) = failures
                .iter()
                .min_by_key(|(_, (since, _))| *since)
                .map(|(peer, _)| *peer)
        {
            failures.remove(&oldest);
        }
        let (since, count) = failures.entry(peer).or_insert((now, 0));
        *count += 1;
        if *count > MAX_FAILURES {
            let left = WINDOW.saturating_sub(now.duration_since(*since));
            return ApiError::too_many(
                "too many wrong keys came from this address; wait before the next",
                left.max(Duration::from_secs(1)),
            );
        }
        ApiError::bad_key(
            "the key is not valid or was revoked; `shoal keys list` shows the valid ones",
        )
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn wrong_keys_are_slowed_down_by_address_and_forgiven_in_time() {
        let throttle = Throttle::default();
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        for _ in 0..MAX_FAILURES {
            assert_eq!(throttle.failed(a, start).status(), StatusCode::UNAUTHORIZED);
        }
        assert_eq!(
            throttle.failed(a, start).status(),
            StatusCode::TOO_MANY_REQUESTS
        );
        assert_eq!(throttle.failed(b, start).status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            throttle.failed(a, start + WINDOW).status(),
            StatusCode::UNAUTHORIZED
        );
    }

    #[test]
    fn no_number_of_addresses_fills_the_memory() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for n in 0..=u32::try_from(MAX_ADDRESSES).unwrap() {
            throttle.failed(IpAddr::from(n.to_be_bytes()), now);
        }
        assert_eq!(throttle.failures.lock().unwrap().len(), MAX_ADDRESSES);
    }
}
