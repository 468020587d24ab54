//! `GET /v1/labels` and `POST /v1/labels`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::TOKEN;
use super::refusal::Refusal;
use crate::config::now;
use crate::label::check_texts;
use crate::serve::shared::Access;
use crate::store::{Class, MAX_PAGE, Origin, Outcome, StoredLabel};

/// Which labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    client: Option<i64>,
    #[serde(default)]
    after: i64,
    limit: Option<u32>,
}

/// What an operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    zone: String,
    client: String,
    class: Class,
    author: String,
    #[serde(default)]
    note: String,
    /// Whether a client that was never seen is labelled in advance.
    #[serde(default)]
    unseen: bool,
}

pub async fn list(
    State(access): State<Arc<Access>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(asked) = asked?;
    let limit = asked.limit.unwrap_or(MAX_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::bad(format!("limit is 1 to {MAX_PAGE}")));
    }
    let labels = access
        .ask(move |store, _| store.labels(asked.client, asked.after, limit))
        .await?;
    let full = labels.len() == limit as usize;
    let next = labels.last().filter(|_| full).map(|(id, _)| *id);
    let labels: Vec<Value> = labels.iter().map(label_json).collect();
    Ok(Json(json!({"labels": labels, "next": next})))
}

pub async fn add(
    State(access): State<Arc<Access>>,
    said: Result<Json<Said>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let Json(said) = said?;
    let unseen = said.unseen;
    let label = StoredLabel {
        zone: said.zone,
        client: said.client,
        class: said.class,
        origin: Origin::Operator,
        author: said.author,
        at: now(),
        note: said.note,
    };
    check_texts(&label).map_err(|error| Refusal::bad(error.to_string()))?;
    let outcome = access
        .ask(move |store, names| {
            let at = label.at;
            store.add_labels(&[label], names, unseen, (at, TOKEN))
        })
        .await?;
    match outcome.as_slice() {
        [Outcome::Added] => Ok((StatusCode::CREATED, Json(json!({"added": true})))),
        [Outcome::AlreadyThere] => Ok((StatusCode::OK, Json(json!({"added": false})))),
        _ => {
            let text = "the store knows no such client in this zone; \"unseen\": true labels it in advance";
            Err(Refusal::new(StatusCode::NOT_FOUND, text))
        }
    }
}

/// A label with its number.
pub(super) fn label_json((id, label): &(i64, StoredLabel)) -> Value {
    let mut value = json!(label);
    value["id"] = (*id).into();
    value
}
