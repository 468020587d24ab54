//! `/reports`: findings reports of a chosen time, made beside the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;
use serde_json::json;

use super::change::{Deed, change};
use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::{Reports, fill};
use crate::causes::with_causes;
use crate::config::now;
use crate::dataset::Moment;
use crate::report::{Explainer, Report, ReportError, Span, body};
use crate::serve::shared::Access;
use crate::store::Store;
use crate::user::Role;
use crate::visible;

/// Reports that are kept: each takes some hundred kilobytes.
const KEPT: usize = 8;
/// Bytes of a report at most: clusters, cases and names in it are bounded, so that none comes near.
const MAX_BYTES: usize = 4 << 20;
/// What is said of a report that ended by itself, such as by a panic.
const GIVEN_UP: &str = "it was given up: see the daemon's log";
/// Characters of a name.
const SHOWN: usize = 64;

/// Reports that were asked for since the daemon began, the newest first.
#[derive(Debug, Default)]
pub struct Made(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    asked: u64,
    reports: VecDeque<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    at: u32,
    by: String,
    span: Span,
    zone: Option<String>,
    state: Progress,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Working,
    Ready(Arc<String>),
    Failed(String),
}

impl Made {
    /// Notes that a report is being made. Nothing while another one is.
    fn begin(self: &Arc<Made>, at: u32, by: &str, span: Span, zone: Option<String>) -> Option<Making> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelf.reports.iter().any(|entry| entry.state == Progress::Working) {
            return None;
        }
        shelf.asked += 1;
        let number = shelf.asked;
        shelf.reports.push_front(Entry {
            number,
            at,
            by: by.to_owned(),
            span,
            zone,
            state: Progress::Working,
        });
        shelf.reports.truncate(KEPT);
        Some(Making {
            made: self.clone(),
            number,
        })
    }

    fn end(&self, number: u64, made: Result<String, String>) {
        let state = match made {
            Ok(text) if text.len() <= MAX_BYTES => Progress::Ready(Arc::new(text)),
            Ok(text) => Progress::Failed(format!(
                "the report has {} bytes, at most {MAX_BYTES} are shown",
                text.len()
            )),
            Err(error) => Progress::Failed(error),
        };
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shelf.reports.iter_mut().find(|entry| entry.number == number) {
            entry.state = state;
        }
    }

    /// Gives up a report that nobody ended.
    fn give_up(&self, number: u64) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reports = shelf.reports.iter_mut();
        if let Some(entry) = reports.find(|entry| entry.number == number && entry.state == Progress::Working)
        {
            entry.state = Progress::Failed(GIVEN_UP.to_owned());
        }
    }

    fn list(&self) -> Vec<Entry> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.reports.iter().cloned().collect()
    }
}

/// A report that is being made. However that ends, another one may be made afterwards.
#[derive(Debug)]
struct Making {
    made: Arc<Made>,
    number: u64,
}

impl Making {
    fn end(self, made: Result<String, String>) {
        self.made.end(self.number, made);
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.made.give_up(self.number);
    }
}

#[derive(Template)]
#[template(path = "pages/reports.html")]
struct ReportsPage {
    frame: Frame,
    words: &'static Reports,
    zones: Vec<String>,
    rows: Vec<Line>,
    may: bool,
    is_working: bool,
    /// How the newest one is doing.
    said: &'static str,
}

#[derive(Template)]
#[template(path = "pages/report-one.html")]
struct ReportPage {
    frame: Frame,
    words: &'static Reports,
    body: Arc<String>,
}

/// A report as a line.
struct Line {
    number: u64,
    at: u32,
    by: String,
    span: Span,
    zone: Option<String>,
    is_ready: bool,
    trouble: Option<String>,
}

impl Line {
    fn is_working(&self) -> bool {
        !self.is_ready && self.trouble.is_none()
    }
}

/// How the newest report is doing; nothing where none was asked for.
fn said(words: &'static Reports, newest: Option<&Line>) -> &'static str {
    match newest {
        None => "",
        Some(line) if line.is_working() => words.said_working,
        Some(line) if line.is_ready => words.said_ready,
        Some(_) => words.said_failed,
    }
}

/// Which time.
#[derive(Debug, Deserialize)]
struct Wanted {
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    zone: String,
}

/// `/reports` and what is below.
pub fn routes() -> Router<Arc<Access>> {
    Router::new()
        .route("/reports", get(list).post(make))
        .route("/reports/{number}", get(one))
}

async fn list(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
    let words = Reports::of(viewer.lang);
    let rows: Vec<Line> = access.known.made.list().into_iter().map(line).collect();
    page(&ReportsPage {
        frame: Frame::new(&viewer, Place::Explanations, words.title),
        words,
        zones: access.ask(|store, _| store.zones()).await?,
        is_working: rows.iter().any(Line::is_working),
        said: said(words, rows.first()),
        rows,
        may: viewer.may(Role::Operator),
    })
}

/// The time that was asked for.
fn span(wanted: &Wanted, words: &Reports, now: u32) -> Result<Span, Refusal> {
    let moment = |text: &str| {
        let moment = text.trim().parse::<Moment>();
        moment.map_err(|_| Refusal::bad(fill(words.bad_time, &[text.trim()])))
    };
    let to = Some(&wanted.to).filter(|to| !to.trim().is_empty());
    let to = to.map(|to| moment(to)).transpose()?;
    Span::new(moment(&wanted.from)?, to, now).map_err(|_| Refusal::bad(words.bad_span))
}

async fn make(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    wanted: Result<Form<Wanted>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(wanted) = wanted?;
    let words = Reports::of(viewer.lang);
    let span = span(&wanted, words, now())?;
    let zone = Some(wanted.zone).filter(|zone| !zone.is_empty());
    let deed = Deed {
        role: Role::Operator,
        action: "report",
        subject: "store".to_owned(),
        detail: json!({ "from": span.from, "to": span.to }),
    };
    let (shelf, of) = (access.clone(), zone.clone());
    let busy = words.busy;
    let making = change(&access, &viewer, deed, move |_, _, name, at| {
        shelf
            .known
            .made
            .begin(at, name, span, of)
            .ok_or_else(|| Refusal::conflict(busy))
    });
    let making = making.await?;
    // Beside the readers of pages: it reads for minutes, and its own connection is closed behind it.
    tokio::task::spawn_blocking(move || {
        let made = made(&access, span, zone.as_deref()).map_err(|error| {
            tracing::error!("a report was not made: {}", with_causes(&error));
            with_causes(&error)
        });
        making.end(made);
    });
    Ok(Redirect::to("/reports").into_response())
}

async fn one(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    number: Result<Path<u64>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(number) = number?;
    let words = Reports::of(viewer.lang);
    let entry = access
        .known
        .made
        .list()
        .into_iter()
        .find(|entry| entry.number == number);
    match entry.map(|entry| entry.state) {
        Some(Progress::Ready(body)) => page(&ReportPage {
            frame: Frame::new(&viewer, Place::Explanations, words.title),
            words,
            body,
        }),
        _ => Err(Refusal::Nowhere),
    }
}

fn made(access: &Access, span: Span, zone: Option<&str>) -> Result<String, ReportError> {
    let store = Store::open_existing(&access.path)?;
    let mut report = Report::of(&store, span, zone)?;
    report.explain(&Explainer {
        store: &store,
        names: &access.names,
        models: &access.models,
        asking: None,
    })?;
    body(&report)
}

fn line(entry: Entry) -> Line {
    Line {
        number: entry.number,
        at: entry.at,
        by: visible::escaped(entry.by.as_bytes(), SHOWN),
        span: entry.span,
        zone: entry.zone.map(|zone| visible::escaped(zone.as_bytes(), SHOWN)),
        is_ready: matches!(entry.state, Progress::Ready(_)),
        trouble: match entry.state {
            Progress::Failed(error) => Some(error),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::Lang;

    fn begin(made: &Arc<Made>) -> Option<Making> {
        made.begin(5, "ana", Span { from: 1, to: 2 }, None)
    }

    #[test]
    fn a_time_that_cannot_be_is_told_in_the_viewers_language() {
        #[track_caller]
        fn check(from: &str, to: &str, lang: Lang, expected: &str) {
            let wanted = Wanted {
                from: from.to_owned(),
                to: to.to_owned(),
                zone: String::new(),
            };
            match span(&wanted, Reports::of(lang), 1_800_000_000) {
                Ok(span) => assert_eq!(format!("{} s", span.seconds()), expected),
                Err(Refusal::Told(_, text)) => assert!(text.contains(expected), "{text}"),
                Err(other) => panic!("{other:?}"),
            }
        }
        check("1h", "", Lang::En, "3600 s");
        check(" 2h ", " 1h ", Lang::En, "3600 s");
        check("1h", "2h", Lang::En, "ends before it begins");
        check("soon", "", Lang::En, "\"soon\" is no time");
        check("1h", "{0}", Lang::En, "\"{0}\" is no time");
        check("soon", "", Lang::Ja, "「soon」は時刻");
    }

    #[test]
    fn one_report_is_made_at_a_time_and_few_are_kept() {
        let made = Arc::new(Made::default());
        let first = begin(&made).expect("begun");
        assert!(begin(&made).is_none());
        first.end(Err("no".into()));
        assert_eq!(made.list()[0].state, Progress::Failed("no".into()));
        for _ in 0..2 * KEPT {
            begin(&made).expect("begun").end(Ok("<p>".into()));
        }
        let list = made.list();
        assert_eq!(list.len(), KEPT);
        assert_eq!(list[0].number, 1 + 2 * KEPT as u64);
        begin(&made).expect("begun").end(Ok("x".repeat(MAX_BYTES + 1)));
        assert!(matches!(made.list()[0].state, Progress::Failed(_)));
    }

    #[test]
    fn a_report_that_panics_keeps_no_other_from_being_made() {
        let made = Arc::new(Made::default());
        let making = begin(&made).expect("begun");
        let thread = std::thread::spawn(move || {
            let _making = making;
            panic!("as a report may");
        });
        assert!(thread.join().is_err());
        assert_eq!(made.list()[0].state, Progress::Failed(GIVEN_UP.into()));
        assert!(begin(&made).is_some());
    }
}
