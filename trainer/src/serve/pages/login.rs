//! Log-in and log-out.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use cookie::{Cookie, SameSite};
use serde::Deserialize;

use super::layout::{Frame, Place, page};
use super::preferences::local;
use super::refusal::Refusal;
use super::viewer::{SESSION, Viewer};
use super::words::{LogIn, fill};
use crate::config::now;
use crate::serve::shared::Access;
use crate::user::{begin, end, find, fits, is_name};

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
struct After {
    #[serde(default)]
    next: String,
}

/// Who says so.
#[derive(Debug, Deserialize)]
struct Said {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "pages/log-in.html")]
struct LogInPage<'a> {
    frame: Frame,
    words: &'static LogIn,
    next: &'a str,
    name: &'a str,
    trouble: Option<String>,
    is_open: bool,
    has_proxy: bool,
}

/// `/log-in` and `/log-out`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new()
        .route("/log-in", get(form).post(log_in))
        .route("/log-out", post(log_out))
}

async fn form(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(After { next }) = after?;
    let next = local(&next);
    if viewer.name().is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    shown(&access, &viewer, next, "", None)
}

fn shown(
    access: &Access,
    viewer: &Viewer,
    next: &str,
    name: &str,
    trouble: Option<String>,
) -> Result<Response, Refusal> {
    let words = LogIn::of(viewer.lang);
    page(&LogInPage {
        frame: Frame::new(viewer, Place::Elsewhere, words.title),
        words,
        next,
        name,
        trouble,
        is_open: viewer.is_open,
        has_proxy: access.dashboard.settings.user_header.is_some(),
    })
}

async fn log_in(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    said: Result<Form<Said>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(Said { name, password, next }) = said?;
    let (next, words) = (local(&next), LogIn::of(viewer.lang));
    let again = |status: StatusCode, trouble: String| {
        let page = shown(&access, &viewer, next, &name, Some(trouble))?;
        Ok((status, page).into_response())
    };
    if !is_name(&name) {
        return again(StatusCode::FORBIDDEN, words.wrong.to_owned());
    }
    if let Some(wait) = access.dashboard.attempt(&name, viewer.address, now()) {
        tracing::warn!("too many failed log-ins as {name} or from {}", viewer.address);
        let minutes = wait.div_ceil(60).to_string();
        return again(StatusCode::TOO_MANY_REQUESTS, fill(words.wait, &[&minutes]));
    }
    let place = access.dashboard.hashers.acquire().await;
    let (asked, lifetime) = (name.clone(), access.dashboard.lifetime());
    // A guess holds no reader of the store while it is hashed.
    let account = access.ask(move |store, _| find(store, &asked)).await?;
    let checked = tokio::task::spawn_blocking(move || {
        let (id, hash) = account.unzip();
        let fits = fits(&password, hash.as_deref());
        id.filter(|_| fits)
    });
    let id = checked.await.map_err(|_| Refusal::Broken)?;
    drop(place);
    let Some(id) = id else {
        tracing::warn!("a log-in as {name} from {} failed", viewer.address);
        return again(StatusCode::FORBIDDEN, words.wrong.to_owned());
    };
    access.dashboard.succeeded(&name, viewer.address);
    // A session of before ends: nobody goes on in one that somebody else put there.
    let earlier = viewer.session.clone();
    let token = access
        .ask(move |store, _| {
            if let Some(earlier) = earlier {
                end(store, &earlier)?;
            }
            begin(store, id, lifetime, now())
        })
        .await?;
    tracing::info!("{name} logged in from {}", viewer.address);
    let text = token.text();
    let cookie = session_cookie(&viewer, &text);
    Ok(([(header::SET_COOKIE, cookie.to_string())], Redirect::to(next)).into_response())
}

async fn log_out(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
    if let Some(token) = viewer.session.clone() {
        access.ask(move |store, _| end(store, &token)).await?;
    }
    let mut cookie = session_cookie(&viewer, "");
    cookie.make_removal();
    Ok((
        [(header::SET_COOKIE, cookie.to_string())],
        Redirect::to("/log-in"),
    )
        .into_response())
}

fn session_cookie<'a>(viewer: &Viewer, value: &'a str) -> Cookie<'a> {
    Cookie::build((SESSION, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(viewer.is_https)
        .build()
}
