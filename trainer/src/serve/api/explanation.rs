//! `GET /v1/clients/{id}/explanation`, and `POST` to have it told by a language model.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::TOKEN;
use super::refusal::Refusal;
use crate::config::now;
use crate::explain::{Lang, Report};
use crate::serve::explaining::{self, Unexplained};
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

/// Explains a client as it is known now, by rule. Nothing is kept: reading changes no store.
pub async fn one(
    State(access): State<Arc<Access>>,
    id: Result<Path<i64>, PathRejection>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let (Path(id), Query(How { lang, cluster })) = (id?, how?);
    let (client, gathered) = explaining::look(&access, id, cluster).await?;
    Ok(Json(Report::new(&client, gathered, None).json(lang, false)))
}

/// The same with what language models say of it, as far as it is true. It is kept.
pub async fn told(
    State(access): State<Arc<Access>>,
    id: Result<Path<i64>, PathRejection>,
    how: Result<Query<How>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let (Path(id), Query(How { lang, cluster })) = (id?, how?);
    if access.chain.is_none() {
        return Err(Unexplained::NoModel.into());
    }
    // Before it is asked: what costs money is written down, also when nothing comes of it.
    let is_known = access.ask(move |store, _| {
        let is_known = store.client(id)?.is_some();
        if is_known {
            let subject = format!("client:{id}");
            store.audit(now(), TOKEN, "explain", &subject, &json!({ "cluster": cluster }))?;
        }
        Ok(is_known)
    });
    if !is_known.await? {
        return Err(Unexplained::Unknown.into());
    }
    let report = explaining::told(&access, id, cluster).await?;
    Ok(Json(report.json(lang, false)))
}

impl From<Unexplained> for Refusal {
    fn from(unexplained: Unexplained) -> Refusal {
        let (status, text) = match unexplained {
            Unexplained::Unknown => (
                StatusCode::NOT_FOUND,
                "there is no client with this number".to_owned(),
            ),
            Unexplained::NoModel => {
                let text =
                    "no language model is configured: set [[llm.targets]], or GET the explanation by rule";
                (StatusCode::CONFLICT, text.to_owned())
            }
            Unexplained::NotScored(text) => (StatusCode::NOT_FOUND, text),
            Unexplained::Store(error) => return error.into(),
            Unexplained::Failed(text) => (StatusCode::INTERNAL_SERVER_ERROR, text),
        };
        Refusal::new(status, text)
    }
}
