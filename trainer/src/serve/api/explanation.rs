//! `GET /v1/clients/{id}/explanation`, and `POST` to have it told by a language model.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;
use crate::config::now;
use crate::explain::{Asked, ExplainError, Gathered, Inquiry, Lang, Report, gather};
use crate::serve::shared::Access;
use crate::store::ClientRow;

/// What language models may take: less than a request may.
const DEADLINE: Duration = Duration::from_secs(25);

/// What an explanation can be asked by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct How {
    #[serde(default)]
    lang: Lang,
    #[serde(default)]
    cluster: bool,
}

/// Explains a client as it is known now, by rule. Nothing is kept: reading changes no store.
pub async fn one(
    State(access): State<Arc<Access>>,
    id: Result<Path<i64>, PathRejection>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let (Path(id), Query(How { lang, cluster })) = (id?, how?);
    let (client, gathered) = look(&access, id, cluster).await?;
    Ok(Json(Report::new(&client, gathered, None).json(lang, false)))
}

/// The same with what language models say of it, as far as it is true. It is kept.
pub async fn told(
    State(access): State<Arc<Access>>,
    id: Result<Path<i64>, PathRejection>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let (Path(id), Query(How { lang, cluster })) = (id?, how?);
    let (client, gathered) = look(&access, id, cluster).await?;
    let Some(chain) = access.chain.clone() else {
        let text = "no language model is configured: set [[llm.targets]], or GET the explanation by rule";
        return Err(Refusal::new(StatusCode::CONFLICT, text));
    };
    let inquiry = Inquiry::new(&gathered.snapshot, chain.targets());
    let (asked, about) = (inquiry.clone(), gathered.snapshot.clone());
    let before = access
        .ask(move |store, _| asked.before(store, &about, now()))
        .await?;
    let consulted = match before {
        Some(before) => before,
        None => inquiry.ask(&chain, DEADLINE).await,
    };
    let report = Report::new(&client, gathered, Some(&consulted));
    let document = report.json(lang, false);
    let keep = access.ask(move |store, _| {
        report.keep(store, now())?;
        inquiry.keep(store, &chain, &report, &consulted, now())
    });
    keep.await?;
    Ok(Json(document))
}

/// What is known of a client.
async fn look(access: &Arc<Access>, id: i64, cluster: bool) -> Result<(ClientRow, Gathered), Refusal> {
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
        Ok(Some(gathered.map(|gathered| (asked.client, gathered))))
    });
    match found.await? {
        Some(Ok(found)) => Ok(found),
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
