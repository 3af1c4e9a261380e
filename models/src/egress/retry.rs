//! What a failure means, and whether the call may be made again.

use std::{error::Error, time::Duration};

use reqwest::{Response, StatusCode, header::RETRY_AFTER};
use serde_json::Value;
use shoal_conductor::{id::WorkerId, worker::WorkerError};

use super::{Answer, Dialect};

/// The most that is read of a refusal, in bytes.
const MAX_REFUSAL: usize = 16 * 1024;
/// The longest reason that is passed on, in characters.
const MAX_REASON: usize = 300;

/// How one try ended.
pub(super) enum Attempt {
    /// The answer began.
    Answered(Answer),
    /// No, and once more would not help or might do the work twice.
    Failed(WorkerError),
    /// No, but nothing was done, so it may be tried again, after a time if the provider named one.
    NothingDone {
        error: WorkerError,
        after: Option<Duration>,
    },
}

/// The wait before the try after `tries`: doubling, less up to a half by chance, so that boards do not march in step.
pub(super) fn backoff(first: Duration, tries: u32) -> Duration {
    let whole = first.saturating_mul(1 << tries.saturating_sub(1).min(16));
    let chance = getrandom::u32().unwrap_or(0);
    whole.mul_f64(1.0 - f64::from(chance) / f64::from(u32::MAX) / 2.0)
}

/// What a status other than success means.
pub(super) async fn status(dialect: &dyn Dialect, response: Response) -> Attempt {
    let worker = dialect.worker().clone();
    let status = response.status();
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        let after = retry_after(&response);
        return Attempt::NothingDone {
            error: WorkerError::Overloaded {
                worker,
                retry_after: after,
            },
            after,
        };
    }
    let reason = match status {
        _ if status.is_redirection() => {
            "it points elsewhere, and redirects are not followed".into()
        }
        _ => refusal(dialect, response).await,
    };
    Attempt::Failed(if status.is_server_error() {
        let reason = format!("status {}: {reason}", status.as_u16());
        WorkerError::BrokeOff { worker, reason }
    } else {
        WorkerError::Refused {
            worker,
            status: status.as_u16(),
            reason,
        }
    })
}

/// What a failure before the answer's head means.
pub(super) fn broken(worker: &WorkerId, error: &reqwest::Error, silence: Duration) -> Attempt {
    if error.is_connect() {
        return Attempt::NothingDone {
            error: WorkerError::Unreachable {
                worker: worker.clone(),
                reason: words(error),
            },
            after: None,
        };
    }
    if error.is_builder() {
        return Attempt::Failed(WorkerError::Internal {
            worker: worker.clone(),
            reason: words(error),
        });
    }
    Attempt::Failed(late(worker, error, silence))
}

/// What a failure after the request was sent means.
pub(super) fn late(worker: &WorkerId, error: &reqwest::Error, silence: Duration) -> WorkerError {
    let worker = worker.clone();
    if error.is_timeout() {
        return WorkerError::TimedOut {
            worker,
            limit: silence,
        };
    }
    WorkerError::BrokeOff {
        worker,
        reason: words(error),
    }
}

/// An error's innermost reason; the outer ones repeat the URL.
pub(super) fn words(error: &reqwest::Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    shorten(&inner.to_string())
}

/// At most [`MAX_REASON`] characters on one line.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_REASON {
        return line;
    }
    line.chars().take(MAX_REASON).chain("...".chars()).collect()
}

fn retry_after(response: &Response) -> Option<Duration> {
    // The form with a date is rare, and needs a clock that is right.
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}

/// The provider's message, short and without our key.
async fn refusal(dialect: &dyn Dialect, mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > MAX_REFUSAL {
            body.truncate(MAX_REFUSAL);
            break;
        }
    }
    let text = String::from_utf8_lossy(&body);
    let message = serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| message(&value));
    shorten(&dialect.scrub(&message.unwrap_or_else(|| text.into_owned())))
}

/// The message in the forms that providers give it.
pub(crate) fn message(value: &Value) -> Option<String> {
    let places = ["/error/message", "/message", "/error", "/detail"];
    let found = places
        .iter()
        .find_map(|place| value.pointer(place)?.as_str());
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_vary_below() {
        let first = Duration::from_millis(100);
        for (tries, whole) in [(1, 100), (2, 200), (3, 400), (9, 25_600)] {
            let wait = backoff(first, tries).as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{tries}: {wait}");
        }
        assert!(backoff(first, u32::MAX) <= first * (1 << 16));
    }

    #[test]
    fn reasons_are_one_short_line() {
        assert_eq!(shorten("a\n  b\tc"), "a b c");
        assert_eq!(shorten(&"ä".repeat(999)).chars().count(), MAX_REASON + 3);
    }
}
