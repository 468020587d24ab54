//! Who may use the dashboard, for approvers. Users are added and changed by `sekisho user`: whoever can do that can
//! read the store anyway, and nobody gets in by a page.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::Users;
use crate::serve::shared::Access;
use crate::user::{Account, Role, all};

#[derive(Template)]
#[template(path = "pages/users.html")]
struct UsersPage {
    frame: Frame,
    words: &'static Users,
    users: Vec<Account>,
    proxied: Vec<(String, Role)>,
    header: Option<String>,
}

/// `/users`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new().route("/users", get(users))
}

async fn users(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
    viewer.acts(Role::Approver)?;
    let words = Users::of(viewer.lang);
    let users = access.ask(|store, _| all(store)).await?;
    let settings = &access.dashboard.settings;
    page(&UsersPage {
        frame: Frame::new(&viewer, Place::Users, words.title),
        words,
        users,
        proxied: settings
            .roles
            .iter()
            .map(|(name, role)| (name.clone(), *role))
            .collect(),
        header: settings.user_header.clone(),
    })
}
