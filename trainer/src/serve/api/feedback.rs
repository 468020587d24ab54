//! `GET /v1/explanations/{snapshot}/feedback` and `POST`: what people say of an explanation.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::TOKEN;
use super::refusal::Refusal;
use crate::config::now;
use crate::explain::feedback::{Feedback, FeedbackError, Verdict, Vote, give, given, is_id};
use crate::serve::shared::Access;
use crate::store::MAX_PAGE;

/// What is said.
#[derive(Debug, Deserialize)]
pub struct Said {
    #[serde(flatten)]
    verdict: Verdict,
    #[serde(default)]
    votes: Vec<Vote>,
    author: String,
    #[serde(default)]
    note: String,
}

/// What was said so far, oldest first.
pub async fn list(
    State(access): State<Arc<Access>>,
    snapshot: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Refusal> {
    let snapshot = id(snapshot?)?;
    let asked = snapshot.clone();
    let found = access.ask(move |store, _| {
        let is_kept = store.explained(&asked)?.is_some();
        Ok((is_kept, given(store, Some(&asked), MAX_PAGE)?))
    });
    match found.await? {
        (false, _) => Err(unknown()),
        (true, feedback) => Ok(Json(json!({"snapshot": snapshot, "feedback": feedback}))),
    }
}

/// Takes a person's word.
pub async fn add(
    State(access): State<Arc<Access>>,
    snapshot: Result<Path<String>, PathRejection>,
    said: Result<Json<Said>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let (snapshot, Json(said)) = (id(snapshot?)?, said?);
    let feedback = Feedback {
        snapshot,
        verdict: said.verdict,
        votes: said.votes,
        author: said.author,
        note: said.note,
    };
    let taken = access.ask(move |store, _| match give(store, &feedback, (TOKEN, now())) {
        Ok(outcome) => Ok(Ok(outcome)),
        Err(FeedbackError::Store(error)) => Err(error),
        Err(error) => Ok(Err(error)),
    });
    match taken.await? {
        Ok(outcome) if outcome.added => Ok((StatusCode::CREATED, Json(json!(outcome)))),
        Ok(outcome) => Ok((StatusCode::OK, Json(json!(outcome)))),
        Err(FeedbackError::Unknown) => Err(unknown()),
        Err(error) => Err(Refusal::bad(error.to_string())),
    }
}

fn id(Path(snapshot): Path<String>) -> Result<String, Refusal> {
    match is_id(&snapshot) {
        true => Ok(snapshot.to_ascii_lowercase()),
        false => Err(Refusal::bad("the id of a snapshot has 64 hex digits")),
    }
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, FeedbackError::Unknown.to_string())
}
