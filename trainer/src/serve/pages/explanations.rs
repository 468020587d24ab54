//! `GET /explanations` and `GET /explanations/ID`: what was explained and kept.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::{Explanations, fill};
use crate::explain::{Lang, View};
use crate::serve::shared::Access;
use crate::store::ToldRow;
use crate::visible;

/// Rows of a page: each reads a document of some kilobytes.
const PAGE: u32 = 30;
/// Characters of a name.
const SHOWN: usize = 128;

#[derive(Template)]
#[template(path = "pages/explanations.html")]
struct ExplanationsPage {
    frame: Frame,
    words: &'static Explanations,
    rows: Vec<Line>,
    first: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/explanation.html")]
struct ExplanationPage {
    frame: Frame,
    words: &'static Explanations,
    line: Line,
    view: Option<View>,
}

/// An explanation as a line.
struct Line {
    id: i64,
    at: u32,
    client: i64,
    /// Its name, while the store knows it.
    name: Option<String>,
    category: &'static str,
    score: Option<f64>,
    source: String,
    /// Past cases and runbooks that it cites.
    sources: usize,
}

/// Where a page begins.
#[derive(Debug, Deserialize)]
struct Asked {
    before: Option<i64>,
}

/// `/explanations` and what is below.
pub fn routes() -> Router<Arc<Access>> {
    Router::new()
        .route("/explanations", get(list))
        .route("/explanations/{id}", get(one))
}

async fn list(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Asked { before }) = asked?;
    let words = Explanations::of(viewer.lang);
    let mut rows = access
        .ask(move |store, _| store.explanations(before, PAGE + 1))
        .await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let next = rows.last().filter(|_| more);
    page(&ExplanationsPage {
        frame: Frame::new(&viewer, Place::Explanations, words.title),
        words,
        next: next.map(|row| format!("/explanations?before={}", row.id)),
        first: before.map(|_| "/explanations".to_owned()),
        rows: rows.iter().map(|row| told(row, words, viewer.lang).0).collect(),
    })
}

async fn one(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let words = Explanations::of(viewer.lang);
    let row = access.ask(move |store, _| store.explanation(id)).await?;
    let (line, view) = told(&row.ok_or(Refusal::Nowhere)?, words, viewer.lang);
    let name = line.name.clone().unwrap_or_else(|| words.gone.to_owned());
    page(&ExplanationPage {
        frame: Frame::new(&viewer, Place::Explanations, fill(words.one, &[&name])),
        words,
        line,
        view,
    })
}

fn told(row: &ToldRow, words: &Explanations, lang: Lang) -> (Line, Option<View>) {
    let view = View::kept(&row.snapshot, &row.evidence, &row.document, lang);
    let name = row
        .named
        .as_ref()
        .map(|(_, name)| visible::escaped(name.as_bytes(), SHOWN));
    let line = Line {
        id: row.id,
        at: row.at,
        client: row.client,
        name,
        sources: view.as_ref().map_or(0, |view| view.sources.len()),
        category: view.as_ref().map_or(words.newer, |view| view.category),
        score: view.as_ref().map(|view| view.scores[0]),
        source: match row.source.as_str() {
            "rules" => words.rules.to_owned(),
            "answer" => words.answer.to_owned(),
            model => visible::escaped(model.as_bytes(), SHOWN),
        },
    };
    (line, view)
}
