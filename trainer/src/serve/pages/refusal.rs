//! What is shown instead of a page.

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::words::{Shell, fill};
use crate::causes::with_causes;
use crate::explain::Lang;
use crate::store::StoreError;
use crate::user::Role;
use crate::visible::escaped;

/// Characters of a reason.
const MAX_TEXT: usize = 1000;

/// Why a page is not shown, or a change not made. A handler returns it; the door makes a page of it, in the viewer's
/// language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing here.
    Nowhere,
    /// The path does not take the method.
    Method,
    /// Log in first.
    LogIn,
    /// It takes this role.
    Role(Role),
    /// The change does not come from a page of ours.
    Foreign,
    /// The token of the form is not the viewer's.
    Stale,
    /// The request's name for us is not ours.
    Host,
    /// The proxy names its user unclearly.
    Proxy,
    /// What was sent makes no sense, or cannot be done now; the text says why, and is in English.
    Told(StatusCode, String),
    /// The store is busy or full.
    Busy(String),
    /// Something is wrong with us; the log says what.
    Broken,
    /// It took too long.
    Slow,
}

impl Refusal {
    /// What was asked makes no sense.
    pub fn bad(text: impl Into<String>) -> Refusal {
        Refusal::Told(StatusCode::BAD_REQUEST, text.into())
    }

    /// What was asked cannot be done as things are.
    pub fn conflict(text: impl Into<String>) -> Refusal {
        Refusal::Told(StatusCode::CONFLICT, text.into())
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Nowhere => StatusCode::NOT_FOUND,
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::LogIn => StatusCode::UNAUTHORIZED,
            Refusal::Role(_) | Refusal::Foreign | Refusal::Stale | Refusal::Host | Refusal::Proxy => {
                StatusCode::FORBIDDEN
            }
            Refusal::Told(status, _) => *status,
            Refusal::Busy(_) | Refusal::Slow => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A heading, and what can be done.
    pub fn words(&self, lang: Lang) -> (&'static str, String) {
        let words = Shell::of(lang);
        match self {
            Refusal::Nowhere => (words.nowhere, words.nowhere_text.to_owned()),
            Refusal::Method => (words.refused, words.method_text.to_owned()),
            Refusal::LogIn => (words.log_in, words.log_in_first.to_owned()),
            Refusal::Role(role) => {
                let role = words.role(*role);
                (words.forbidden, fill(words.role_text, &[role]))
            }
            Refusal::Foreign => (words.refused, words.foreign_text.to_owned()),
            Refusal::Stale => (words.refused, words.stale_text.to_owned()),
            Refusal::Host => (words.refused, words.host_text.to_owned()),
            Refusal::Proxy => (words.refused, words.proxy_text.to_owned()),
            Refusal::Told(_, text) => (words.refused, visible(text)),
            Refusal::Busy(text) => (words.busy, visible(text)),
            Refusal::Broken => (words.broken, words.broken_text.to_owned()),
            Refusal::Slow => (words.busy, words.slow_text.to_owned()),
        }
    }
}

/// It may quote what was asked.
fn visible(text: &str) -> String {
    escaped(text.as_bytes(), MAX_TEXT)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        tracing::error!("a page was not shown: {}", with_causes(&error));
        if error.is_passing() {
            Refusal::Busy(error.to_string())
        } else {
            Refusal::Broken
        }
    }
}

impl From<askama::Error> for Refusal {
    fn from(error: askama::Error) -> Refusal {
        tracing::error!("a page was not written: {}", with_causes(&error));
        Refusal::Broken
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Refusal {
        Refusal::Told(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Refusal {
        match rejection.status() {
            StatusCode::BAD_REQUEST => Refusal::Nowhere,
            status => Refusal::Told(status, rejection.body_text()),
        }
    }
}

impl From<FormRejection> for Refusal {
    fn from(rejection: FormRejection) -> Refusal {
        Refusal::Told(rejection.status(), rejection.body_text())
    }
}
