//! One run of retraining, and the decision on it.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::plots::{Plot, plots};
use super::verdict::{GateRow, change as change_told, gates};
use super::{Models, chip, fill, flat, short};
use crate::retrain::{self, Account, Forecast, Run};
use crate::serve::pages::change::{Deed, change};
use crate::serve::pages::layout::{Frame, Place, page};
use crate::serve::pages::markdown;
use crate::serve::pages::refusal::Refusal;
use crate::serve::pages::viewer::Viewer;
use crate::serve::shared::Access;
use crate::user::Role;

#[derive(Template)]
#[template(path = "pages/run.html")]
struct RunPage {
    frame: Frame,
    words: &'static Models,
    title: String,
    id: i64,
    started: u32,
    state: &'static str,
    chip: &'static str,
    /// Its digest, and the start of it.
    challenger: Option<(String, String)>,
    decided: Option<(String, Option<u32>)>,
    /// Who would be stopped and released, in the viewer's language.
    change: Option<String>,
    gates: Vec<GateRow>,
    account: Account,
    forecast: Option<Forecast>,
    /// The share that was stopped beside the champion.
    shadow: Option<f64>,
    plots: Vec<Plot>,
    report: String,
    may_approve: bool,
    may_reject: bool,
    /// Which roles decide, for whoever has none of them.
    needs: Option<String>,
}

/// `GET /models/runs/{id}`.
pub async fn run(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let (run, report) = flat(access.ask(move |store, _| Ok(retrain::one(store, id))).await)?;
    let words = Models::of(viewer.lang);
    page(&shown(&viewer, words, run, &report))
}

fn shown(viewer: &Viewer, words: &'static Models, run: Run, report: &str) -> RunPage {
    let title = fill(words.run_title, &[&run.id.to_string()]);
    let account = &run.account;
    let shadow = account.shadow.filter(|shadow| shadow.clients > 0.0);
    let waits = run.state == retrain::State::Waiting;
    let may_approve = viewer.may(Role::Approver) && waits;
    let may_reject = viewer.may(Role::Operator) && run.state.is_open();
    let needs = (waits && !may_approve).then(|| {
        let frame = Frame::new(viewer, Place::Models, "");
        let roles = [frame.role(&Role::Approver), frame.role(&Role::Operator)];
        fill(words.needs, &roles)
    });
    RunPage {
        frame: Frame::new(viewer, Place::Models, title.clone()),
        words,
        title,
        id: run.id,
        started: run.started,
        state: words.state(run.state),
        chip: chip(&run),
        challenger: run
            .challenger
            .as_ref()
            .map(|digest| (digest.clone(), short(digest).to_owned())),
        decided: run.decided_by.clone().map(|by| (by, run.decided_at)),
        forecast: account.evaluation.as_ref().and_then(Forecast::of),
        shadow: shadow.map(|shadow| shadow.stopped / shadow.clients),
        change: change_told(account.evaluation.as_ref(), words),
        gates: gates(&account.gates, words),
        plots: plots(account.evaluation.as_ref(), words),
        report: markdown::html(report),
        may_approve,
        may_reject,
        needs,
        account: run.account,
    }
}

/// A few words of whoever decides.
#[derive(Debug, Default, Deserialize)]
pub struct Words {
    #[serde(default)]
    pub text: String,
}

/// `POST /models/runs/{id}/approve`: its model becomes the champion.
pub async fn approve(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
    words: Result<Form<Words>, FormRejection>,
) -> Result<Response, Refusal> {
    let (Path(id), Form(Words { text })) = (id?, words?);
    let config = access.config.clone();
    let deed = deed(Role::Approver, "retrain.approve", id);
    change(&access, &viewer, deed, move |store, _, name, at| {
        retrain::approve(store, &config, id, (name, &text), at)
    })
    .await?;
    Ok(Redirect::to(&format!("/models/runs/{id}")).into_response())
}

/// `POST /models/runs/{id}/reject`: the champion stays.
pub async fn reject(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
    words: Result<Form<Words>, FormRejection>,
) -> Result<Response, Refusal> {
    let (Path(id), Form(Words { text })) = (id?, words?);
    let config = access.config.clone();
    let deed = deed(Role::Operator, "retrain.reject", id);
    change(&access, &viewer, deed, move |store, _, name, at| {
        retrain::reject(store, &config, id, (name, &text), at)
    })
    .await?;
    Ok(Redirect::to(&format!("/models/runs/{id}")).into_response())
}

fn deed(role: Role, action: &'static str, id: i64) -> Deed {
    Deed {
        role,
        action,
        subject: format!("run:{id}"),
        detail: json!({}),
    }
}
