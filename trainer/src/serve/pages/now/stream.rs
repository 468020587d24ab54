//! What an open page is told: one stream, server-sent events, until the page is closed or the daemon ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::figures::Fragment;
use super::{Asked, Row, Seat, series, turn, view, zones};
use crate::config::now;
use crate::serve::connection::Peer;
use crate::serve::pages::layout::{Frame, Place};
use crate::serve::pages::refusal::Refusal;
use crate::serve::pages::viewer::Viewer;
use crate::serve::pages::words::Now;
use crate::serve::shared::Access;

/// Between two events at least: several nginx may be asked at the same time.
const PAUSE: Duration = Duration::from_secs(2);
/// Events come so often when nothing changes, too: times pass.
const LONGEST: Duration = Duration::from_secs(15);
/// What keeps a proxy from closing the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream ends after so long; the browser begins another one, which passes the door.
const WHOLE: Duration = Duration::from_secs(3600);

/// A page that is open.
struct Open {
    access: Arc<Access>,
    viewer: Viewer,
    headers: HeaderMap,
    peer: Peer,
    asked: Asked,
    changes: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    next: Instant,
    end: Instant,
    /// What the page has of its own zone.
    told: Arc<Vec<Row>>,
    _seat: Seat,
}

/// `GET /now/events`.
pub async fn events(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked?;
    if access.live.is_empty() {
        return Err(Refusal::Nowhere);
    }
    let whose = match viewer.name() {
        Some(name) => format!("user {name}"),
        None => format!("address {}", viewer.address),
    };
    let seat = access.dashboard.seat(&whose).ok_or_else(|| {
        let text = "as many pages are live as may be: close one";
        Refusal::Told(StatusCode::SERVICE_UNAVAILABLE, text.to_owned())
    })?;
    let open = Open {
        changes: access.live.changes(),
        stopped: access.dashboard.stopped(),
        next: Instant::now() + PAUSE,
        end: Instant::now() + WHOLE,
        told: Arc::default(),
        access,
        viewer,
        headers,
        peer,
        asked,
        _seat: seat,
    };
    let events = stream::unfold(open, async |mut open| {
        let event = open.event().await?;
        Some((Ok::<_, Infallible>(event), open))
    });
    Ok(Sse::new(Box::pin(events))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response())
}

impl Open {
    /// The next event; `None` at the end.
    async fn event(&mut self) -> Option<Event> {
        tokio::select! {
            () = wait(&mut self.changes, self.next) => {}
            _ = self.stopped.wait_for(|stopped| *stopped) => return None,
        }
        if Instant::now() >= self.end {
            return None;
        }
        self.next = Instant::now() + PAUSE;
        // Whoever was logged out, or lost the user, sees no more.
        let viewer = Viewer::of(&self.access, &self.headers, self.peer.0.ip())
            .await
            .ok()?;
        if !viewer.reads() || viewer.name() != self.viewer.name() {
            return None;
        }
        self.told().await.ok()
    }

    /// The figures, and every row that the page does not have: all of them in the first event.
    async fn told(&mut self) -> Result<Event, Refusal> {
        let words = Now::of(self.viewer.lang);
        let frame = Frame::new(&self.viewer, Place::Now, words.title);
        let (live, at, asked) = (self.access.live.now(), now(), self.asked.clone());
        let (site, turn) = (self.access.clone(), turn(&self.access));
        let view = self
            .access
            .ask(move |store, _| view(store, &site.known, &live, &asked, (&zones(&live), turn, at)))
            .await?;
        let rows = series::json(&series::news(&self.told, &view.rows), self.asked.span, at);
        self.told = view.rows;
        let figures = view.figures;
        let html = Fragment {
            frame: &frame,
            words,
            figures,
        }
        .render()?;
        let data = serde_json::json!({ "html": html, "rows": rows }).to_string();
        Ok(Event::default().event("now").data(data))
    }
}

/// Until something changed, but not before `next`; and not for ever.
async fn wait(changes: &mut watch::Receiver<u64>, next: Instant) {
    sleep_until(next).await;
    // Nobody changes anything when it is over, or too late: both are the end of waiting.
    let _ = timeout_at(next + LONGEST, changes.changed()).await;
}
