//! `GET /v1/clients/{id}/explanation`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;
use crate::explain::{Asked, ExplainError, Lang, Report, gather};
use crate::serve::shared::Access;

/// What an explanation can be asked by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct How {
    #[serde(default)]
    lang: Lang,
    #[serde(default)]
    cluster: bool,
}

/// Explains a client as it is known now. Nothing is kept: reading changes no store.
pub async fn one(
    State(access): State<Arc<Access>>,
    id: Result<Path<i64>, PathRejection>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let (Path(id), Query(How { lang, cluster })) = (id?, how?);
    let models = access.clone();
    let found = access.ask(move |store, names| {
        let Some(client) = store.client(id)? else {
            return Ok(None);
        };
        let asked = Asked {
            client,
            reference: None,
            cluster,
        };
        let gathered = gather(store, names, &models.models, &asked);
        Ok(Some(gathered.map(|gathered| {
            Report::new(&asked.client, gathered, None).json(lang, false)
        })))
    });
    match found.await? {
        Some(Ok(answer)) => Ok(Json(answer)),
        Some(Err(ExplainError::Store(error))) => Err(error.into()),
        Some(Err(error @ ExplainError::NotScored(_))) => {
            Err(Refusal::new(StatusCode::NOT_FOUND, error.to_string()))
        }
        Some(Err(error)) => {
            tracing::error!("a client was not explained: {error}");
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
        }
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "there is no client with this number",
        )),
    }
}
