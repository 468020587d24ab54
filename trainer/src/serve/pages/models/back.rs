//! Rolling back: asked once more, with the model that is to go named, so that a page that was left open does not take
//! back another one.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Models, Settings, board, fill, flat, short};
use crate::registry::promote::{Approver, Request, rollback};
use crate::serve::pages::change::{Deed, change};
use crate::serve::pages::layout::{Frame, Place, page};
use crate::serve::pages::refusal::Refusal;
use crate::serve::pages::viewer::Viewer;
use crate::serve::shared::Access;
use crate::user::Role;

#[derive(Template)]
#[template(path = "pages/roll-back.html")]
struct RollBackPage {
    frame: Frame,
    words: &'static Models,
    text: String,
    champion: String,
}

/// What the form says.
#[derive(Debug, Deserialize)]
pub struct Confirmed {
    /// The model that is to go.
    champion: String,
    #[serde(default)]
    text: String,
}

/// `GET /models/roll-back`.
pub async fn ask(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
    viewer.acts(Role::Approver)?;
    let words = Models::of(viewer.lang);
    let settings = Settings::of(access.config.clone());
    let board = flat(
        access
            .ask(move |store, _| Ok(board(&settings, store.connection())))
            .await,
    )?;
    let (Some(champion), Some(before)) = (board.champion, board.before) else {
        return Err(Refusal::Nowhere);
    };
    page(&RollBackPage {
        frame: Frame::new(&viewer, Place::Models, words.sure),
        words,
        text: fill(words.sure_text, &[short(&champion), short(&before)]),
        champion,
    })
}

/// `POST /models/roll-back`.
pub async fn roll_back(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    confirmed: Result<Form<Confirmed>, FormRejection>,
) -> Result<Response, Refusal> {
    let Form(Confirmed { champion, text }) = confirmed?;
    let settings = Settings::of(access.config.clone());
    let deed = Deed {
        role: Role::Approver,
        action: "model.rollback",
        subject: format!("model:{}", short(&champion)),
        detail: json!({}),
    };
    change(&access, &viewer, deed, move |store, _, name, at| {
        let request = Request {
            approver: Approver::Person(name.to_owned()),
            note: text,
            now: at.into(),
        };
        rollback(&settings, store.connection(), &request, Some(&champion))
    })
    .await?;
    Ok(Redirect::to("/models").into_response())
}
