//! The audit log, page by page.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::Models;
use crate::registry::log::words as told;
use crate::serve::pages::layout::{Frame, Place, page};
use crate::serve::pages::refusal::Refusal;
use crate::serve::pages::viewer::Viewer;
use crate::serve::shared::Access;
use crate::store::AuditLine;

/// Lines of a page.
const LINES: u32 = 50;

/// From where on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct From {
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "pages/audit.html")]
struct AuditPage {
    frame: Frame,
    words: &'static Models,
    /// With its detail in words.
    lines: Vec<(AuditLine, String)>,
    first: Option<&'static str>,
    next: Option<String>,
}

/// `GET /audit`.
pub async fn audit(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    from: Result<Query<From>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(From { before }) = from?;
    let lines = access
        .ask(move |store, _| store.audit_lines(before, LINES))
        .await?;
    let words = Models::of(viewer.lang);
    let is_full = lines.len() == LINES as usize;
    let next = lines.last().filter(|_| is_full);
    page(&AuditPage {
        frame: Frame::new(&viewer, Place::Models, words.audit),
        words,
        first: before.map(|_| "/audit"),
        next: next.map(|line| format!("/audit?before={}", line.id)),
        lines: lines
            .into_iter()
            .map(|line| {
                let detail = told(&line.detail);
                (line, detail)
            })
            .collect(),
    })
}
