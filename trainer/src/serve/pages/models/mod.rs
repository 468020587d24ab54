//! Models: which is in force, which waits, who decided what.

mod audit;
mod back;
mod kept;
mod plots;
mod run;
mod verdict;

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};

use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::{Models, fill};
use crate::causes::with_causes;
use crate::registry::RegistryError;
use crate::registry::board::{Board, board};
use crate::registry::history::{Action, Change};
use crate::registry::settings::Settings;
use crate::registry::shelf::{Entry, short};
use crate::retrain::{RetrainError, Run, Seen, seen};
use crate::serve::shared::Access;
use crate::store::StoreError;
use crate::user::Role;
use crate::watch::LiveNginx;

/// A model in a card or a line.
struct Model {
    digest: String,
    short: String,
    entry: Option<Entry>,
    /// When it became the champion, and by whom.
    since: Option<(i64, String)>,
    role: &'static str,
}

/// A line of the history.
struct Turn {
    at: i64,
    what: &'static str,
    digest: String,
    before: String,
    actor: String,
    note: String,
}

#[derive(Template)]
#[template(path = "pages/models.html")]
struct ModelsPage {
    frame: Frame,
    words: &'static Models,
    board: Board,
    champion: Option<Model>,
    challenger: Option<Model>,
    seen: Seen,
    /// Digests of what nginx runs, as it says.
    running: BTreeSet<String>,
    waiting: Option<i64>,
    kept: Vec<Model>,
    turns: Vec<Turn>,
    may_roll_back: bool,
}

/// `/models` and what is below it, and `/audit`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new()
        .route("/models", get(models))
        .route("/models/runs/{id}", get(run::run))
        .route("/models/runs/{id}/approve", post(run::approve))
        .route("/models/runs/{id}/reject", post(run::reject))
        .route("/models/kept/{digest}", get(kept::kept))
        .route("/models/kept/{digest}/promote", post(kept::promote))
        .route("/models/roll-back", get(back::ask).post(back::roll_back))
        .route("/audit", get(audit::audit))
}

async fn models(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
    let words = Models::of(viewer.lang);
    let settings = Settings::of(access.config.clone());
    let (board, seen) = access
        .ask(move |store, _| Ok((board(&settings, store.connection()), seen(store))))
        .await?;
    let (board, seen) = (board?, seen?);
    let model = |digest: &String, role| {
        let became = board.changes.iter().find(|change| change.digest == *digest);
        Model {
            digest: digest.clone(),
            short: short(digest).to_owned(),
            entry: board
                .entries
                .iter()
                .find(|entry| entry.digest == *digest)
                .cloned(),
            since: became.map(|change| (change.at, change.actor.clone())),
            role,
        }
    };
    let role = |digest: &String| match (
        Some(digest) == board.champion.as_ref(),
        Some(digest) == board.challenger.as_ref(),
    ) {
        (true, _) => words.champion,
        (false, true) => words.challenger,
        _ => "",
    };
    let waiting = seen
        .runs
        .iter()
        .find(|run| run.state == crate::retrain::State::Waiting);
    page(&ModelsPage {
        frame: Frame::new(&viewer, Place::Models, words.title),
        words,
        champion: board
            .champion
            .as_ref()
            .map(|digest| model(digest, words.champion)),
        challenger: board
            .challenger
            .as_ref()
            .map(|digest| model(digest, words.challenger)),
        kept: board
            .entries
            .iter()
            .map(|entry| model(&entry.digest, role(&entry.digest)))
            .collect(),
        turns: turns(&board.changes, words),
        waiting: waiting.map(|run| run.id),
        running: running(&access.live.now()),
        may_roll_back: viewer.may(Role::Approver) && board.before.is_some(),
        board,
        seen,
    })
}

/// What nginx says that its workers run, each once.
fn running(live: &[LiveNginx]) -> BTreeSet<String> {
    let answered = live.iter().filter_map(|nginx| nginx.status.as_ref().ok());
    let models = answered
        .flat_map(|status| &status.workers)
        .filter_map(|worker| worker.model.clone());
    models.collect()
}

fn turns(changes: &[Change], words: &'static Models) -> Vec<Turn> {
    let turn = |change: &Change| Turn {
        at: change.at,
        what: match change.action {
            Action::Promote => words.action_promote,
            Action::Rollback => words.action_rollback,
        },
        digest: change.digest.clone(),
        before: change.previous.as_deref().map_or("–", short).to_owned(),
        actor: change.actor.clone(),
        note: change.note.clone(),
    };
    changes.iter().map(turn).collect()
}

/// The class of a chip for where a run stands.
fn chip(run: &Run) -> &'static str {
    use crate::retrain::State as Stands;
    match run.state {
        Stands::Waiting => "warn",
        Stands::Promoted => "good",
        Stands::Rejected | Stands::Refused | Stands::RolledBack => "bad",
        _ => "",
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Refusal {
        let text = with_causes(&error);
        tracing::warn!("models: {text}");
        Refusal::conflict(text)
    }
}

impl From<RetrainError> for Refusal {
    fn from(error: RetrainError) -> Refusal {
        match error {
            RetrainError::Unknown(_) => Refusal::Nowhere,
            RetrainError::Store(error) => error.into(),
            error => {
                let text = with_causes(&error);
                tracing::warn!("retraining: {text}");
                Refusal::conflict(text)
            }
        }
    }
}

/// A store's answer that holds another error.
fn flat<T, E: Into<Refusal>>(answer: Result<Result<T, E>, StoreError>) -> Result<T, Refusal> {
    answer?.map_err(Into::into)
}
