//! `GET /v1/llm`: how the language models do.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::llm::remembered;
use crate::serve::shared::Access;

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
