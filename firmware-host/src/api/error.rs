//! Errors as the API gives them, in the form that OpenAI's clients know.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shoal_conductor::{id::TaskId, task::Failure};

/// The body of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// For a person.
    pub message: String,
    /// The kind, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The parameter that is wrong.
    pub param: Option<String>,
    /// For a program, such as `model_not_found`.
    pub code: Option<String>,
}

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    /// In seconds.
    retry_after: Option<u32>,
    task: Option<TaskId>,
}

impl ApiError {
    fn new(
        status: StatusCode,
        kind: &'static str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            param: None,
            message: message.into(),
            retry_after: None,
            task: None,
        }
    }

    /// The request makes no sense.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            Some("invalid_value"),
            message,
        );
        error.param = (!param.is_empty()).then(|| param.to_owned());
        error
    }

    /// The request asks for something that is not there yet.
    pub fn unsupported(param: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some("unsupported_parameter"),
            ..Self::invalid(param, message)
        }
    }

    /// No key, or one that is not valid.
    pub fn bad_key(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            Some("invalid_api_key"),
            message,
        )
    }

    /// The key may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "permission_error",
            Some("insufficient_permissions"),
            message,
        )
    }

    /// No such task, path or question.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            Some("not_found"),
            message,
        )
    }

    /// No such model, or not for this key.
    pub fn no_model(message: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            Some("model_not_found"),
            message,
        );
        error.param = Some("model".to_owned());
        error
    }

    /// A path that takes another method.
    pub fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "invalid_request_error",
            Some("method_not_allowed"),
            "this path takes another method",
        )
    }

    /// It contradicts what is already so.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "invalid_request_error",
            Some(code),
            message,
        )
    }

    /// The body is longer than allowed.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request_error",
            Some("request_too_large"),
            format!("a request may have at most {limit} bytes (http.max_body_kib in shoal.toml)"),
        )
    }

    /// The body did not come in time.
    pub fn slow(limit: Duration) -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "invalid_request_error",
            Some("request_timeout"),
            format!(
                "the request did not come in whole within {} s",
                limit.as_secs()
            ),
        )
    }

    /// Too much at once; later it may do.
    pub fn too_many(message: impl Into<String>, after: Duration) -> Self {
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            Some("rate_limit_exceeded"),
            message,
        );
        error.retry_after = Some(seconds(after));
        error
    }

    /// Not now; later it may do.
    pub fn unavailable(message: impl Into<String>, after: Duration) -> Self {
        let mut error = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unavailable",
            Some("unavailable"),
            message,
        );
        error.retry_after = Some(seconds(after));
        error
    }

    /// There is no room for it on the disk.
    pub fn full(message: impl Into<String>) -> Self {
        let mut error = Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "service_unavailable",
            Some("disk_full"),
            message,
        );
        error.retry_after = Some(60);
        error
    }

    /// A fault in this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            Some("internal"),
            message,
        )
    }

    /// Why a task has no answer.
    pub fn of_failure(failure: &Failure) -> Self {
        let message = failure.to_string();
        match failure {
            Failure::UnknownWorker { .. } => Self::no_model(message),
            Failure::NobodyMay { .. } => Self {
                code: Some("not_allowed_by_policy"),
                ..Self::forbidden(message)
            },
            Failure::EveryoneFailed { .. } => Self::new(
                StatusCode::BAD_GATEWAY,
                "server_error",
                Some("workers_failed"),
                message,
            ),
            Failure::TooLong { .. } => Self {
                code: Some("context_length_exceeded"),
                ..Self::invalid("messages", message)
            },
            Failure::Invalid { .. } => Self::invalid("", message),
            Failure::TimedOut { .. } | Failure::Expired => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "server_error",
                Some("timed_out"),
                message,
            ),
            Failure::Store { .. } => Self::unavailable(message, Duration::from_secs(10)),
            Failure::Fault { .. } => Self::internal(message),
            Failure::Cancelled => Self::conflict("task_cancelled", message),
        }
    }

    /// With the task that it is about.
    #[must_use]
    pub fn with_task(mut self, id: &TaskId) -> Self {
        self.task = Some(id.clone());
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                message: self.message.clone(),
                kind: self.kind.to_owned(),
                param: self.param.clone(),
                code: self.code.map(str::to_owned),
            },
        }
    }
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
        } else {
            // OpenAI's clients repeat a request after 409 and 5xx unless told not to; a task that failed once has
            // already been tried on every worker that may do it.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(task) = &self.task
            && let Ok(value) = HeaderValue::from_str(task.as_str())
        {
            headers.insert(super::TRACE_HEADER, value);
        }
        response
    }
}
