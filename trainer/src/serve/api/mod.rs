//! The HTTP interface, on a loopback address: what is in the store, and labels from people.

mod bouncers;
mod clients;
mod explanation;
mod feedback;
mod labels;
mod llm;
mod refusal;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::host;
use super::metrics::metrics;
use super::shared::Access;
use refusal::Refusal;

/// Bytes of a body at most: a label is a few hundred.
const MAX_BODY: usize = 16 * 1024;
/// Bytes of a request's target at most.
const MAX_TARGET: usize = 2048;
/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(30);

/// All paths.
pub fn router(access: &Arc<Access>) -> Router<Arc<Access>> {
    Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/clients", get(clients::page))
        .route("/v1/clients/{id}", get(clients::one))
        .route(
            "/v1/clients/{id}/explanation",
            get(explanation::one).post(explanation::told),
        )
        .route(
            "/v1/explanations/{snapshot}/feedback",
            get(feedback::list).post(feedback::add),
        )
        .route("/v1/decisions", get(bouncers::list))
        .route("/v1/decisions/stream", get(bouncers::stream))
        .route("/v1/llm", get(llm::status))
        .route("/metrics", get(metrics))
        .route("/v1/labels", get(labels::list).post(labels::add))
        .method_not_allowed_fallback(async || {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take this method",
            )
        })
        .layer(from_fn_with_state(access.clone(), gate))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// What is answered where nothing is.
pub fn nothing() -> Response {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path").into_response()
}

/// What holds for every request: who may ask, how long it may take, and that nobody keeps the answer.
async fn gate(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let mut response = match allowed(&access, &request) {
        Ok(()) => match tokio::time::timeout(LONGEST, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "it took too long").into_response(),
        },
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn allowed(access: &Access, request: &Request) -> Result<(), Refusal> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET {
        return Err(Refusal::new(StatusCode::URI_TOO_LONG, "the target is too long"));
    }
    if !host::is_asked(request.headers(), &access.hosts) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, host::REFUSED));
    }
    if !request.method().is_safe() {
        authorise(access, request.headers())?;
    }
    Ok(())
}

fn authorise(access: &Access, headers: &HeaderMap) -> Result<(), Refusal> {
    if !access.has_token() {
        let text = "nothing can be changed here: set [api] token_file";
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
    }
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let token = given.and_then(|given| given.strip_prefix(b"Bearer "));
    if token.is_some_and(|token| access.is_token(token)) {
        Ok(())
    } else {
        let text = "a change needs `Authorization: Bearer` with the token of [api] token_file";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, text))
    }
}
