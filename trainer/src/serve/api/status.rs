//! `GET /v1/status`: how collecting goes, and how much there is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::causes::with_causes;
use crate::retrain;
use crate::serve::shared::Access;

pub async fn status(State(access): State<Arc<Access>>) -> Result<Json<Value>, Refusal> {
    let health = access.shared.health();
    let retention = access.retention;
    let nginx = access.live.now();
    let answer = access.ask(move |store, _| {
        let totals = store.totals()?;
        // What cannot be told of models is no reason to tell nothing of samples.
        let retraining =
            retrain::overview(store).unwrap_or_else(|error| json!({ "trouble": with_causes(&error) }));
        let sources: Vec<Value> = store
            .sources()?
            .into_iter()
            .map(|source| {
                let waiting = health.waiting.iter().find(|(name, _)| *name == source.name);
                let mut value = json!(source);
                value["waiting_bytes"] = json!(waiting.map(|(_, bytes)| bytes));
                value
            })
            .collect();
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "collecting": health.trouble.is_none(),
            "trouble": health.trouble,
            "since": health.since,
            "store": {
                "used_bytes": store.used_bytes()?,
                "max_bytes": retention.bytes,
                "retention_seconds": retention.seconds,
                "aside": store.aside()?,
            },
            "totals": totals,
            "sources": sources,
            "retrain": retraining,
            "nginx": nginx,
        }))
    });
    Ok(Json(answer.await?))
}
