//! One kept model, and its promotion.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::plots::{Plot, plots};
use super::run::Words;
use super::{Models, Settings, Turn, fill, flat, short, turns};
use crate::registry::board::{Kept, kept as find};
use crate::registry::promote::{Approver, Request, promote as make_champion};
use crate::registry::shelf::digest_of;
use crate::serve::pages::change::{Deed, change};
use crate::serve::pages::layout::{Frame, Place, page};
use crate::serve::pages::refusal::Refusal;
use crate::serve::pages::viewer::Viewer;
use crate::serve::shared::Access;
use crate::user::Role;

/// Features that a page shows.
const SHOWN_FEATURES: usize = 12;

#[derive(Template)]
#[template(path = "pages/model.html")]
struct ModelPage {
    frame: Frame,
    words: &'static Models,
    short: String,
    kept: Kept,
    kind: String,
    turns: Vec<Turn>,
    plots: Vec<Plot>,
    features: Vec<(&'static str, f64)>,
    is_champion: bool,
    may_promote: bool,
}

/// `GET /models/kept/{digest}`.
pub async fn kept(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let settings = Settings::of(access.config.clone());
    let found = access.ask(move |store, _| {
        let champion = settings.champion.as_deref().map(digest_of).transpose();
        Ok(champion.and_then(|champion| Ok((champion.flatten(), find(&settings, store.connection(), &id)?))))
    });
    let (champion, kept) = flat(found.await)?;
    let kept = kept.ok_or(Refusal::Nowhere)?;
    let words = Models::of(viewer.lang);
    let anatomy = &kept.anatomy;
    let kind = match anatomy.kind {
        "trees" => {
            let numbers = [anatomy.trees, anatomy.depth, anatomy.leaves].map(|number| number.to_string());
            fill(words.trees, &numbers.each_ref().map(String::as_str))
        }
        _ => words.dense.to_owned(),
    };
    let is_champion = champion.as_ref() == Some(&kept.entry.digest);
    let short = short(&kept.entry.digest).to_owned();
    let features = anatomy.importances.iter().take(SHOWN_FEATURES);
    page(&ModelPage {
        frame: Frame::new(&viewer, Place::Models, format!("{} {short}", words.model)),
        words,
        kind,
        turns: turns(&kept.changes, words),
        plots: plots(kept.entry.evaluation.as_ref(), words),
        features: features
            .map(|importance| (importance.feature, importance.share))
            .collect(),
        is_champion,
        may_promote: viewer.may(Role::Approver) && !is_champion,
        short,
        kept,
    })
}

/// `POST /models/kept/{digest}/promote`: it becomes the champion, when the gates are open.
pub async fn promote(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<String>, PathRejection>,
    words: Result<Form<Words>, FormRejection>,
) -> Result<Response, Refusal> {
    let (Path(id), Form(words)) = (id?, words?);
    let settings = Settings::of(access.config.clone());
    let deed = Deed {
        role: Role::Approver,
        action: "model.promote",
        subject: format!("model:{}", short(&id)),
        detail: json!({}),
    };
    change(&access, &viewer, deed, move |store, _, name, at| {
        let request = Request {
            approver: Approver::Person(name.to_owned()),
            note: words.text,
            now: at.into(),
        };
        make_champion(
            &settings,
            &settings.gates,
            store.connection(),
            &id,
            None,
            &request,
        )
    })
    .await?;
    Ok(Redirect::to("/models").into_response())
}
