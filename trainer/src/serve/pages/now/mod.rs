//! The front page: what happens now, live while it is open.

mod figures;
mod seats;
mod series;
mod stream;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::door::escaped;
use super::known::Known;
use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::Now;
use crate::config::now;
use crate::serve::shared::{Access, Health};
use crate::store::{Store, StoreError};
use crate::watch::LiveNginx;
use figures::{Figures, Fragment};
pub use seats::{Seat, Seats};
pub use series::{Row, Span, counted};

/// Rows of the table beside the curves.
const SHOWN: usize = 24;

/// What is looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    #[serde(default)]
    span: Span,
    zone: Option<String>,
}

/// What there is to see of a zone.
struct View {
    zone: String,
    rows: Arc<Vec<Row>>,
    figures: Figures,
}

/// A span or a zone that can be chosen.
struct Choice {
    query: String,
    word: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "pages/now.html")]
struct NowPage {
    frame: Frame,
    words: &'static Now,
    health: Health,
    /// The live part, as the stream sends it again.
    fragment: Option<String>,
    spans: Vec<Choice>,
    zones: Vec<Choice>,
    events: String,
    json: String,
    labels: String,
    rows: Vec<Row>,
    samples: u64,
    clients: u64,
    labelled: u64,
    conflicts: u64,
    by_hour: String,
}

/// `/` and `/now/events`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new()
        .route("/", get(front))
        .route("/now/events", get(stream::events))
}

async fn front(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked?;
    let words = Now::of(viewer.lang);
    let frame = Frame::new(&viewer, Place::Now, words.title);
    let (live, at) = (access.live.now(), now());
    let watched = !live.is_empty();
    let (span, zones) = (asked.span, zones(&live));
    let names = zones.clone();
    let site = access.clone();
    let turn = turn(&access);
    let (totals, by_hour, view) = access
        .ask(move |store, _| {
            let (totals, _) = site.known.totals(store, at)?;
            if !watched {
                let (by_hour, _) = site.known.hours(store, at)?;
                return Ok((totals, by_hour, None));
            }
            let view = view(store, &site.known, &live, &asked, (&names, turn, at))?;
            Ok((totals, Arc::default(), Some(view)))
        })
        .await?;
    let (zone, rows, figures) = match view {
        Some(view) => (view.zone, view.rows, Some(view.figures)),
        None => (String::new(), Arc::default(), None),
    };
    let fragment = figures
        .map(|figures| {
            Fragment {
                frame: &frame,
                words,
                figures,
            }
            .render()
        })
        .transpose()?;
    let shown = rows.iter().rev().take(SHOWN).cloned().collect();
    page(&NowPage {
        spans: spans(span, &zone, words),
        zones: choices(&zones, span, &zone),
        events: format!("/now/events{}", query(span, &zone)),
        json: series::json(&rows, span, at),
        labels: series::labels(words, viewer.lang),
        rows: shown,
        fragment,
        health: access.shared.health(),
        samples: totals.samples,
        clients: totals.clients,
        labelled: totals.labelled,
        conflicts: totals.conflicts,
        by_hour: series::hours(&by_hour, at),
        frame,
        words,
    })
}

/// The query of a span and a zone.
fn query(span: Span, zone: &str) -> String {
    format!("?span={}&zone={}", span.as_str(), escaped(zone))
}

fn spans(chosen: Span, zone: &str, words: &Now) -> Vec<Choice> {
    let choice = |span: Span| Choice {
        query: query(span, zone),
        word: span.word(words).to_owned(),
        is_chosen: span == chosen,
    };
    Span::ALL.into_iter().map(choice).collect()
}

fn choices(zones: &[String], span: Span, chosen: &str) -> Vec<Choice> {
    let choice = |zone: &String| Choice {
        query: query(span, zone),
        word: zone.clone(),
        is_chosen: zone == chosen,
    };
    zones.iter().map(choice).collect()
}

/// How often an nginx was asked. It is read before what was counted is: what is counted later has another number.
fn turn(access: &Access) -> u64 {
    *access.live.changes().borrow()
}

/// What there is to see in these zones after this turn, at Unix second `at`.
fn view(
    store: &Store,
    known: &Known,
    live: &[LiveNginx],
    asked: &Asked,
    (zones, turn, at): (&[String], u64, u32),
) -> Result<View, StoreError> {
    let wanted = asked.zone.clone().filter(|zone| !zone.is_empty());
    let zone = match wanted.or_else(|| zones.first().cloned()) {
        Some(zone) => zone,
        // None of them has answered yet; what was counted before has its zones.
        None => store.zones()?.into_iter().next().unwrap_or_default(),
    };
    let rows = known.counted(store, &zone, asked.span, turn, at)?;
    let figures = figures::read(store, live, &zone, &rows, at)?;
    Ok(View { zone, rows, figures })
}

/// Zones of every nginx that answered, the busiest first.
fn zones(live: &[LiveNginx]) -> Vec<String> {
    let answered = live.iter().filter_map(|nginx| nginx.status.as_ref().ok());
    let mut zones: Vec<(u64, String)> = Vec::new();
    for zone in answered.flat_map(|status| &status.zones) {
        let requests = zone.counters.get("requests").copied().unwrap_or_default();
        match zones.iter_mut().find(|(_, name)| *name == zone.name) {
            Some((sum, _)) => *sum += requests,
            None => zones.push((requests, zone.name.clone())),
        }
    }
    zones.sort_by(|one, other| other.cmp(one));
    zones.into_iter().map(|(_, name)| name).collect()
}
