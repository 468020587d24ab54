//! What an operator does about a client.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::super::change::{Deed, change, failed};
use super::super::refusal::Refusal;
use super::super::viewer::Viewer;
use crate::label::check_texts;
use crate::serve::explaining::{self, Unexplained};
use crate::serve::shared::Access;
use crate::store::{Class, ClientRow, Origin, Outcome, Store, StoredLabel};
use crate::user::Role;

/// What somebody says of a client.
#[derive(Debug, Deserialize)]
pub struct Said {
    class: Class,
    #[serde(default)]
    note: String,
}

/// `POST /clients/ID/label`.
pub async fn label(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
    said: Result<Form<Said>, FormRejection>,
) -> Result<Response, Refusal> {
    let (Path(id), Form(said)) = (id?, said?);
    let deed = deed("label", id, json!({ "class": said.class }));
    let done = change(&access, &viewer, deed, move |store, names, name, at| {
        let client = known(store, id)?;
        let label = StoredLabel {
            zone: client.zone,
            client: client.name,
            class: said.class,
            origin: Origin::Operator,
            author: name.to_owned(),
            at,
            note: said.note.trim().to_owned(),
        };
        check_texts(&label).map_err(|error| Refusal::bad(error.to_string()))?;
        let outcomes = store.add_labels(&[label], names, false, (at, name))?;
        Ok::<_, Refusal>(match outcomes.as_slice() {
            [Outcome::Added] => "label",
            [Outcome::AlreadyThere] => "there",
            _ => return Err(Refusal::Nowhere),
        })
    });
    Ok(back(id, done.await?))
}

/// `POST /clients/ID/ask`: asks the language models, and keeps what of their answer is true.
pub async fn ask(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    change(
        &access,
        &viewer,
        deed("explain", id, json!({})),
        move |store, _, _, _| known(store, id).map(|_| ()),
    )
    .await?;
    match explaining::told(&access, id, false).await.map_err(Refusal::from) {
        Ok(_) => Ok(back(id, "ask")),
        Err(refusal) => {
            let deed = deed("explain", id, json!({}));
            failed(&access, &viewer, deed, refusal.status()).await?;
            Err(refusal)
        }
    }
}

/// What is written down of an order about a client.
pub(super) fn deed(action: &'static str, id: i64, detail: serde_json::Value) -> Deed {
    Deed {
        role: Role::Operator,
        action,
        subject: format!("client:{id}"),
        detail,
    }
}

/// The client of this number.
pub(super) fn known(store: &Store, id: i64) -> Result<ClientRow, Refusal> {
    store.client(id)?.ok_or(Refusal::Nowhere)
}

/// Back to the client, saying what was done.
pub(super) fn back(id: i64, done: &str) -> Response {
    Redirect::to(&format!("/clients/{id}?done={done}#done")).into_response()
}

impl From<Unexplained> for Refusal {
    fn from(unexplained: Unexplained) -> Refusal {
        match unexplained {
            Unexplained::Unknown => Refusal::Nowhere,
            Unexplained::NoModel => Refusal::conflict("no language model is configured: set [[llm.targets]]"),
            Unexplained::NotScored(text) => Refusal::conflict(text),
            Unexplained::Store(error) => error.into(),
            Unexplained::Failed(text) => Refusal::Told(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}
