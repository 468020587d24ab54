//! What every page passes: who asks, whether they may, whether a change is theirs, and the headers of the answer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::layout::{error_page, fragment, once_more};
use super::origin;
use super::preferences;
use super::refusal::Refusal;
use super::viewer::{Viewer, language};
use crate::serve::connection::Peer;
use crate::serve::host;
use crate::serve::shared::Access;

/// How long a page may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Bytes of a form at most: a label's note is a thousand.
const MAX_FORM: usize = 32 * 1024;
/// Bytes of a request's target at most.
const MAX_TARGET: usize = 2048;
/// Paths that are there before anybody is logged in.
const BEFORE: [&str; 2] = ["/log-in", preferences::PATH];

/// Nothing but what we serve ourselves; no script and no style within a page, no frame around it. `data:` is for
/// pictures that pages carry.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// `no-referrer` would make browsers send `Origin: null` with our own forms; this one tells others as little.
const REFERRER: &str = "same-origin";

/// Lets a request in, or answers it.
pub async fn door(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let partial = request.headers().contains_key("hx-request");
    let lang = language(request.headers());
    let form = (request.method() == Method::POST).then(|| form_of(request.uri().path()));
    let (viewer, answer) = enter(&access, request, next).await;
    let mut response = match answer {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let (heading, text) = refusal.words(viewer.as_ref().map_or(lang, |viewer| viewer.lang));
        let page = match (&viewer, partial) {
            (Some(viewer), false) => error_page(viewer, (heading, &text), form),
            _ => fragment(heading, &text),
        };
        response = (refusal.status(), page).into_response();
    }
    close(response.headers_mut());
    response
}

/// The page with the form that is sent to a path.
fn form_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["clients", id, _] => format!("/clients/{id}"),
        ["models", kind, id, _] => format!("/models/{kind}/{id}"),
        _ => preferences::local(path).to_owned(),
    }
}

async fn enter(
    access: &Arc<Access>,
    request: Request,
    next: Next,
) -> (Option<Viewer>, Result<Response, Refusal>) {
    if !host::is_asked(request.headers(), &access.hosts) {
        return (None, Err(Refusal::Host));
    }
    let peer = request
        .extensions()
        .get()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(Peer(peer))| {
            peer.ip()
        });
    match Viewer::of(access, request.headers(), peer).await {
        Ok(viewer) => {
            let answer = tokio::time::timeout(LONGEST, answer(viewer.clone(), request, next)).await;
            (Some(viewer), answer.unwrap_or(Err(Refusal::Slow)))
        }
        Err(refusal) => (None, Err(refusal)),
    }
}

async fn answer(viewer: Viewer, request: Request, next: Next) -> Result<Response, Refusal> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    if target.len() > MAX_TARGET {
        let text = "the target is too long";
        return Err(Refusal::Told(StatusCode::URI_TOO_LONG, text.to_owned()));
    }
    if !viewer.reads() && !BEFORE.contains(&request.uri().path()) {
        return log_in(request.uri(), request.method().is_safe(), request.headers());
    }
    let mut request = if request.method().is_safe() {
        request
    } else {
        theirs(&viewer, request).await?
    };
    request.extensions_mut().insert(viewer);
    Ok(next.run(request).await)
}

/// To the log-in, from where a page was asked for.
fn log_in(uri: &Uri, is_safe: bool, headers: &HeaderMap) -> Result<Response, Refusal> {
    let wants_page = headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().windows(9).any(|part| part == b"text/html"));
    if headers.contains_key("hx-request") {
        let back = HeaderValue::from_static("/log-in");
        let redirect = [(HeaderName::from_static("hx-redirect"), back)];
        return Ok((StatusCode::UNAUTHORIZED, redirect).into_response());
    }
    if !is_safe || !wants_page {
        return Err(Refusal::LogIn);
    }
    // A link on another site, such as in a chat, brings no strict cookie. Asked for again from a page of ours it does.
    let came_from_elsewhere = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site.as_bytes() == b"cross-site");
    if came_from_elsewhere {
        return Ok(once_more());
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let to = format!("/log-in?next={}", escaped(target));
    Ok(Redirect::to(&to).into_response())
}

/// The request, when it is a change that the viewer made on a page of ours.
async fn theirs(viewer: &Viewer, request: Request) -> Result<Request, Refusal> {
    if !origin::is_ours(request.headers()) {
        return Err(Refusal::Foreign);
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_FORM).await.map_err(|_| {
        let text = format!("a form has at most {MAX_FORM} bytes");
        Refusal::Told(StatusCode::PAYLOAD_TOO_LARGE, text)
    })?;
    let given = token(Request::from_parts(parts.clone(), Body::from(body.clone()))).await;
    // Digests are compared, so that the time that it takes tells nothing.
    let expected = Sha256::digest(viewer.csrf.as_bytes());
    if given.is_none_or(|given| Sha256::digest(given) != expected) {
        return Err(Refusal::Stale);
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The token that a form carries.
async fn token(form: Request) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Field {
        csrf: String,
    }
    let Form(Field { csrf }) = Form::from_request(form, &()).await.ok()?;
    Some(csrf.into_bytes())
}

fn close(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, REFERRER),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A text within a query.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_is_refused_is_found_again() {
        #[track_caller]
        fn check(path: &str, expected: &str) {
            assert_eq!(form_of(path), expected, "{path}");
        }
        check("/reports", "/reports");
        check("/clients/7/label", "/clients/7");
        check("/models/runs/3/approve", "/models/runs/3");
        check("/models/roll-back", "/models/roll-back");
        check("//evil.example", "/");
        check("/\\evil.example", "/");
    }

    #[test]
    fn a_target_comes_back_as_it_was() {
        assert_eq!(
            escaped("/clients?zone=a b&c=\"é"),
            "/clients%3Fzone%3Da%20b%26c%3D%22%C3%A9"
        );
    }
}
