//! The HTTP interface, on a loopback address: what is in the store, and labels from people.

mod bouncers;
mod clients;
mod explanation;
mod feedback;
mod labels;
mod llm;
mod refusal;
mod status;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::connection::Peer;
use super::host;
use super::metrics::metrics;
use super::pages::Viewer;
use super::shared::Access;
use refusal::Refusal;

/// Bytes of a body at most: a label is a few hundred.
const MAX_BODY: usize = 16 * 1024;
/// Bytes of a request's target at most.
const MAX_TARGET: usize = 2048;
/// Paths that ask for a key of their own.
const KEYED: [&str; 2] = ["/v1/decisions", "/v1/decisions/stream"];
/// Figures of the daemon.
const METRICS: &str = "/metrics";
/// Who changed something here, for the audit log: whoever has the token, whatever name a body gives. No user has this
/// name.
const TOKEN: &str = "api token";
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
        .route(METRICS, get(metrics))
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
    let answer = answer(&access, request, next).await;
    let mut response = answer.unwrap_or_else(Refusal::into_response);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Once there are users, whoever reads needs a session, a proxy's word, or the token: a proxy that adds no header cannot be
/// told from a program on this machine, and clients are people. Figures for Prometheus name none, so a program on this
/// machine reads them; paths with keys of their own look at them.
async fn known(access: &Arc<Access>, headers: &HeaderMap, peer: IpAddr) -> Result<(), Refusal> {
    match Viewer::of(access, headers, peer).await {
        Ok(viewer) if viewer.reads() => Ok(()),
        Err(refusal) if refusal.status().is_server_error() => {
            let text = "whether there are users cannot be looked up now: the store does not answer";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text))
        }
        _ => {
            let text = "this needs a session of the dashboard, or `Authorization: Bearer` with the token of [api] token_file";
            Err(Refusal::new(StatusCode::UNAUTHORIZED, text))
        }
    }
}

/// Where a request comes from, when who asks must be known.
fn stranger(access: &Access, request: &Request) -> Option<(HeaderMap, IpAddr)> {
    let (headers, path) = (request.headers(), request.uri().path());
    let names_nobody = path == METRICS && host::is_direct(headers);
    if names_nobody || KEYED.contains(&path) || bears_token(access, headers) {
        return None;
    }
    let peer = request.extensions().get();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(Peer(peer))| {
        peer.ip()
    });
    Some((headers.clone(), peer))
}

async fn answer(access: &Arc<Access>, request: Request, next: Next) -> Result<Response, Refusal> {
    allowed(access, &request)?;
    if let Some((headers, peer)) = stranger(access, &request) {
        known(access, &headers, peer).await?;
    }
    tokio::time::timeout(LONGEST, next.run(request))
        .await
        .map_err(|_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "it took too long"))
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
    if bears_token(access, headers) {
        Ok(())
    } else {
        let text = "a change needs `Authorization: Bearer` with the token of [api] token_file";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, text))
    }
}

fn bears_token(access: &Access, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let token = given.and_then(|given| given.strip_prefix(b"Bearer "));
    token.is_some_and(|token| access.is_token(token))
}
