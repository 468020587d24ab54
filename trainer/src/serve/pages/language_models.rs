//! Language models: which are asked, how they do, what they cost.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use sekisho_llm::Status;

use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::{LanguageModels, fill};
use crate::llm::remembered;
use crate::serve::shared::Access;

/// Billionths of the currency's unit.
const UNIT: f64 = 1e9;

/// A line of the spend.
struct Spent {
    period: &'static str,
    cost: String,
    limit: Option<String>,
    tokens: u64,
    most_tokens: Option<u64>,
    attempts: u64,
    unpriced: u64,
    trouble: Option<String>,
    used_up: bool,
}

#[derive(Template)]
#[template(path = "pages/language-models.html")]
struct LanguageModelsPage {
    frame: Frame,
    words: &'static LanguageModels,
    status: Option<Status>,
    spent: Vec<Spent>,
    unpriced: Option<String>,
}

/// `/language-models`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new().route("/language-models", get(language_models))
}

async fn language_models(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
    let words = LanguageModels::of(viewer.lang);
    let status = match access.chain.clone() {
        None => None,
        Some(chain) => {
            let now = SystemTime::now();
            let asked = access.ask(move |store, _| remembered(chain.status(now), store, now));
            Some(asked.await?)
        }
    };
    let spent = status
        .as_ref()
        .map(|status| spent(status, words))
        .unwrap_or_default();
    let unpriced = status
        .as_ref()
        .filter(|status| !status.unpriced_models.is_empty());
    page(&LanguageModelsPage {
        frame: Frame::new(&viewer, Place::LanguageModels, words.title),
        words,
        unpriced: unpriced.map(|status| fill(words.no_price, &[&status.unpriced_models.join(", ")])),
        spent,
        status,
    })
}

fn spent(status: &Status, words: &'static LanguageModels) -> Vec<Spent> {
    let currency = &status.currency;
    let periods = status.periods.iter().zip([words.run, words.day, words.month]);
    let spent = periods.map(|(period, name)| Spent {
        period: name,
        cost: format!("{:.4} {currency}", period.spent.nanos as f64 / UNIT),
        limit: period.limit.cost.map(|cost| format!("{cost} {currency}")),
        tokens: period.spent.tokens,
        most_tokens: period.limit.tokens,
        attempts: period.spent.attempts,
        unpriced: period.spent.unpriced,
        trouble: period.error.clone(),
        used_up: period.used_up,
    });
    spent.collect()
}

/// A duration as people read it.
fn duration(millis: Option<u64>) -> String {
    match millis {
        None => "–".to_owned(),
        Some(millis) if millis < 1000 => format!("{millis} ms"),
        Some(millis) => format!("{:.1} s", millis as f64 / 1000.0),
    }
}

/// The word and the class for a breaker.
fn breaker(words: &LanguageModels, state: &str) -> (&'static str, &'static str) {
    match state {
        "closed" => (words.breaker_closed, "good"),
        "open" => (words.breaker_open, "bad"),
        _ => (words.breaker_half, "warn"),
    }
}
