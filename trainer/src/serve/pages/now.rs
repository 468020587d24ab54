//! The front page: what happens now.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::Now;
use crate::serve::shared::{Access, Health};

#[derive(Template)]
#[template(path = "pages/now.html")]
struct NowPage {
    frame: Frame,
    words: &'static Now,
    health: Health,
    clients: u64,
    samples: u64,
    labelled: u64,
    conflicts: u64,
}

/// `/`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new().route("/", get(now))
}

async fn now(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
    let words = Now::of(viewer.lang);
    let totals = access.ask(|store, _| store.totals()).await?;
    page(&NowPage {
        frame: Frame::new(&viewer, Place::Now, words.title),
        words,
        health: access.shared.health(),
        clients: totals.clients,
        samples: totals.samples,
        labelled: totals.labelled,
        conflicts: totals.conflicts,
    })
}
