//! Language and colours, kept in cookies: they are no secret and change nothing but how pages look.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Form, Router};
use cookie::{Cookie, SameSite};
use serde::Deserialize;

use super::refusal::Refusal;
use super::viewer::{LANGUAGE, THEME, Theme, Viewer};
use crate::explain::Lang;
use crate::serve::shared::Access;

/// Where they are set.
pub const PATH: &str = "/preferences";
/// A year.
const KEPT: cookie::time::Duration = cookie::time::Duration::days(365);

/// What somebody chose.
#[derive(Debug, Deserialize)]
struct Chosen {
    language: Option<Lang>,
    theme: Option<String>,
}

/// `POST /preferences`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new().route(PATH, post(set))
}

async fn set(
    viewer: Viewer,
    headers: HeaderMap,
    chosen: Result<Form<Chosen>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(chosen) = chosen?;
    let language = chosen.language.map(|lang| match lang {
        Lang::En => (LANGUAGE, "en"),
        Lang::Ja => (LANGUAGE, "ja"),
    });
    let theme = chosen.theme.map(|name| (THEME, Theme::of(&name).as_str()));
    let cookies = [language, theme].into_iter().flatten();
    let cookies = cookies.map(|(name, value)| {
        let cookie = Cookie::build((name, value))
            .path("/")
            .max_age(KEPT)
            .same_site(SameSite::Lax)
            .secure(viewer.is_https);
        (header::SET_COOKIE, cookie.to_string())
    });
    let cookies: Vec<_> = cookies.collect();
    Ok((AppendHeaders(cookies), Redirect::to(&back(&headers))).into_response())
}

/// The page that it was chosen on: its path and query, whatever host the browser names.
fn back(headers: &HeaderMap) -> String {
    let referer = headers
        .get(header::REFERER)
        .and_then(|referer| referer.to_str().ok())
        .unwrap_or_default();
    let path = referer
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|start| &rest[start..]));
    local(path.unwrap_or("/")).to_owned()
}

/// A path of ours; the front page for whatever a browser could read as another place.
pub fn local(path: &str) -> &str {
    let is_local = path.starts_with('/')
        && !path[1..].starts_with(['/', '\\'])
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_local { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_gone_to() {
        #[track_caller]
        fn check(path: &str, expected: &str) {
            assert_eq!(local(path), expected, "{path}");
        }
        check("/clients?zone=a", "/clients?zone=a");
        check("/", "/");
        check("", "/");
        check("//evil.example", "/");
        check("/\\evil.example", "/");
        check("/a\\b", "/");
        check("https://evil.example/", "/");
        check("javascript:alert(1)", "/");
        check("/a\r\nset-cookie: b", "/");
        check("/é", "/");
    }

    #[test]
    fn the_way_back_is_a_path() {
        #[track_caller]
        fn check(referer: &str, expected: &str) {
            let headers = HeaderMap::from_iter([(header::REFERER, referer.parse().unwrap())]);
            assert_eq!(back(&headers), expected, "{referer}");
        }
        check("http://127.0.0.1:9180/models?page=2", "/models?page=2");
        check("http://evil.example//evil.example", "/");
        check("http://127.0.0.1:9180", "/");
        check("", "/");
    }
}
