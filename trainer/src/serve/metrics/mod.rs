//! `GET /metrics`: the daemon for Prometheus. No label is an address, a key or anything else that a visitor chose.

mod figures;
mod page;
mod requests;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::causes::with_causes;
use crate::config::now;
use crate::serve::shared::Access;
use figures::Figures;
use page::{Kind, Page};
pub use requests::{Requests, count};

/// Version of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page. A store that cannot be read is told by `sekisho_serve_store_readable`; the rest is told all the same.
pub async fn metrics(State(access): State<Arc<Access>>) -> impl IntoResponse {
    let (chain, health, retention) = (access.chain.clone(), access.shared.health(), access.retention);
    let (asked, targets) = (chain.clone(), access.targets.clone());
    let (known, at) = (access.clone(), now());
    let figures = access
        .ask(move |store, _| {
            let (totals, _) = known.known.totals(store, at)?;
            Figures::read(store, &totals, asked.as_deref(), &targets, retention, at)
        })
        .await;
    let mut page = Page::default();
    page.family(
        "sekisho_serve_build_info",
        Kind::Gauge,
        "1, with the version of the daemon.",
    );
    page.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single(
        "sekisho_serve_start_time_seconds",
        Kind::Gauge,
        "When the daemon began, unix seconds.",
        access.began,
    );
    page.single(
        "sekisho_serve_collecting",
        Kind::Gauge,
        "1 while samples are collected, 0 while something keeps them from it.",
        u8::from(health.trouble.is_none()),
    );
    page.family(
        "sekisho_serve_waiting_bytes",
        Kind::Gauge,
        "Bytes of sample files that are not stored yet.",
    );
    for (source, bytes) in &health.waiting {
        page.value(&[("source", source)], bytes);
    }
    page.family(
        "sekisho_serve_nginx_up",
        Kind::Gauge,
        "1 when a watched nginx answered the last time it was asked.",
    );
    for nginx in access.live.now() {
        page.value(&[("nginx", &nginx.name)], u8::from(nginx.status.is_ok()));
    }
    page.single(
        "sekisho_serve_store_readable",
        Kind::Gauge,
        "1 when the store answered, 0 when it did not: then its figures are missing.",
        u8::from(figures.is_ok()),
    );
    match &figures {
        Ok(figures) => figures.render(&health.waiting, &mut page),
        Err(error) => tracing::warn!("metrics are told without the store: {}", with_causes(&error)),
    }
    access.requests.render(&mut page);
    let mut text = page.into_text();
    if let Some(chain) = &chain {
        text += &chain.render(SystemTime::now());
    }
    ([(header::CONTENT_TYPE, TEXT)], text)
}
