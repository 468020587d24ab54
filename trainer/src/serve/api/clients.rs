//! `GET /v1/clients` and `GET /v1/clients/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::labels::label_json;
use super::refusal::Refusal;
use crate::label;
use crate::serve::shared::Access;
use crate::store::{ClientOrder, MAX_PAGE, PageQuery};

/// Rows of a page when nothing is said.
const USUAL: u32 = 50;
/// Labels shown with a client.
const LABELS: u32 = 200;

/// What a page can be asked by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    zone: Option<String>,
    network: Option<String>,
    worst: Option<String>,
    name: Option<String>,
    #[serde(default)]
    conflicts: bool,
    #[serde(default)]
    order: ClientOrder,
    limit: Option<u32>,
    after: Option<String>,
}

pub async fn page(
    State(access): State<Arc<Access>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(asked) = asked?;
    let limit = asked.limit.unwrap_or(USUAL);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::bad(format!("limit is 1 to {MAX_PAGE}")));
    }
    let after = match asked.after {
        None => None,
        Some(text) => {
            Some(cursor(&text).ok_or_else(|| Refusal::bad("after is the `next` of an earlier answer"))?)
        }
    };
    if let Some(name) = asked.name {
        let named = access.ask(move |store, names| label::find(store, names, &name));
        return Ok(Json(json!({"clients": named.await?, "next": null})));
    }
    let query = PageQuery {
        zone: asked.zone,
        network: asked.network,
        worst: asked.worst,
        conflicts: asked.conflicts,
        class: None,
        order: asked.order,
        limit,
        after,
    };
    let page = access.ask(move |store, _| store.clients(&query)).await?;
    let next = page.next.map(|(value, id)| format!("{value}:{id}"));
    Ok(Json(json!({"clients": page.clients, "next": next})))
}

pub async fn one(
    State(access): State<Arc<Access>>,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let Path(id) = id?;
    let found = access.ask(move |store, _| {
        let Some(client) = store.client(id)? else {
            return Ok(None);
        };
        let labels = store.labels(Some(id), 0, LABELS)?;
        let labels: Vec<Value> = labels.iter().map(label_json).collect();
        let samples = store.samples_of(id, USUAL)?;
        let mut answer = json!(client);
        answer["labels"] = json!(labels);
        answer["newest_samples"] = json!(samples);
        Ok(Some(answer))
    });
    match found.await? {
        Some(answer) => Ok(Json(answer)),
        None => Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "there is no client with this number",
        )),
    }
}

fn cursor(text: &str) -> Option<(f64, i64)> {
    let (value, id) = text.split_once(':')?;
    let value: f64 = value.parse().ok()?;
    Some((value, id.parse().ok()?)).filter(|(value, _)| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back() {
        for value in [0.1_f64, 1.0 / 3.0, -1.0, 1_800_000_000.0] {
            assert_eq!(cursor(&format!("{value}:7")), Some((value, 7)));
        }
        for bad in ["", "1", "a:1", "1:a", "NaN:1", "inf:1", "1:1:1"] {
            assert_eq!(cursor(bad), None, "{bad}");
        }
    }
}
