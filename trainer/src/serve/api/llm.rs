//! `GET /v1/llm`: how the language models do; `GET /metrics`: the same for Prometheus.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::llm::remembered;
use crate::serve::shared::Access;

/// Version of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The chain with its breakers, durations, claims and spend.
pub async fn status(State(access): State<Arc<Access>>) -> Result<Json<Value>, Refusal> {
    let Some(chain) = access.chain.clone() else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "no language model is configured",
        ));
    };
    let now = SystemTime::now();
    let status = access.ask(move |store, _| remembered(chain.status(now), store, now));
    Ok(Json(json!(status.await?)))
}

/// Without language models there are no metrics of them.
pub async fn metrics(State(access): State<Arc<Access>>) -> impl IntoResponse {
    let text = access.chain.as_ref().map(|chain| chain.render(SystemTime::now()));
    ([(header::CONTENT_TYPE, TEXT)], text.unwrap_or_default())
}
