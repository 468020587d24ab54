//! The HTTP interface, on a loopback address: what is in the store, and labels from people.

mod clients;
mod explanation;
mod labels;
mod llm;
mod refusal;
mod status;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::metrics::{count, metrics};
use super::shared::Access;
use refusal::Refusal;

/// Bytes of a body at most: a label is a few hundred.
const MAX_BODY: usize = 16 * 1024;
/// Bytes of a request's target at most.
const MAX_TARGET: usize = 2048;
/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(30);

/// All paths.
pub fn router(access: Arc<Access>) -> Router {
    Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/clients", get(clients::page))
        .route("/v1/clients/{id}", get(clients::one))
        .route(
            "/v1/clients/{id}/explanation",
            get(explanation::one).post(explanation::told),
        )
        .route("/v1/llm", get(llm::status))
        .route("/metrics", get(metrics))
        .route("/v1/labels", get(labels::list).post(labels::add))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not take this method",
            )
        })
        .layer(from_fn_with_state(access.clone(), gate))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn_with_state(access.requests.clone(), count))
        .with_state(access)
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
    // A page of the web can make a browser on this machine ask here under a name of its own, and would be answered.
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if !host.is_some_and(|host| is_ours(host, &access.hosts)) {
        let text = "asked by a name that is not ours: ask by address, or add the name to [api] hosts";
        return Err(Refusal::new(StatusCode::FORBIDDEN, text));
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

/// Whether a `Host` is an address, `localhost`, or one of these names; its port does not matter.
fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|ours| name.eq_ignore_ascii_case(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_answered() {
        #[track_caller]
        fn check(host: &str, expected: bool) {
            assert_eq!(is_ours(host, &["sekisho.example".to_owned()]), expected, "{host}");
        }
        check("127.0.0.1:9180", true);
        check("127.0.0.1", true);
        check("[::1]:9180", true);
        check("LOCALHOST:9180", true);
        check("sekisho.example", true);
        check("rebind.example:9180", false);
        check("", false);
        check("localhost.rebind.example", false);
        check("127.0.0.1.rebind.example", false);
    }
}
