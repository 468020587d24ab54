//! The dashboard: pages for people, beside the interface for programs.
//!
//! # How to make a page
//!
//! A page is a module here with `pub fn routes() -> Router<Arc<Access>>`, merged in [`router`], a template in
//! `trainer/templates/pages`, and a struct of texts in [`words`]. A handler looks so:
//!
//! ```text
//! #[derive(Template)]
//! #[template(path = "pages/groups.html")]
//! struct GroupsPage { frame: Frame, words: &'static Groups, rows: Vec<Row>, next: Option<String> }
//!
//! async fn groups(State(access): State<Arc<Access>>, viewer: Viewer) -> Result<Response, Refusal> {
//!     let words = Groups::of(viewer.lang);
//!     let rows = access.ask(|store, _| store.groups()).await?;
//!     page(&GroupsPage { frame: Frame::new(&viewer, Place::Groups, words.title), words, rows, next: None })
//! }
//! ```
//!
//! - The [`door`] has seen to it that the viewer may read, that a change comes from a form of this viewer, and that
//!   every answer has its headers. A [`Refusal`] becomes a page in the layout, or a fragment for htmx.
//! - A change is [`change::change`] with a [`change::Deed`]: it checks the role and writes the audit log. After it,
//!   redirect (`Redirect::to`), or answer a fragment to htmx.
//! - Templates begin with `{% extends "pages/base.html" %}` and fill the blocks `content`, and `head` for further files
//!   (`<script defer src="{{ frame.asset("uplot.js") }}">`; add the file to `assets::FILES`). They have no text of their
//!   own, no inline script and no style attribute, which the policy refuses and tests find. `{% import
//!   "pages/macros.html" as m %}` brings `m::csrf(frame)` (in every form), `m::pager(frame, first, next)`,
//!   `m::empty(title, text)` and `m::figure(value, label)`, to be used as `{% call m::pager(frame, "/groups", next) %}{%
//!   endcall %}`.
//! - [`layout::Frame`] shows values: `frame.time(at)`, `frame.number(n)`, `frame.percent(share)`, `frame.bytes(n)`,
//!   `frame.score(score)`, `frame.verdict(verdict)`. What clients sent is escaped by askama; `|safe` is only for SVG of ours.
//! - Classes of `style.css`: `wide` (around a table that may scroll), `cards` and `card`, `figures` and `figure`, `plots`
//!   (figures side by side), `chip`, `quiet` (small and grey), `note`, `fault`, `empty`, `row` (controls in a line),
//!   `danger` (a button that stops or takes back), `number` (a cell that is aligned right). Colours are the variables at
//!   its top: `--ink`, `--paper`, `--faint`, `--accent`, `--human`, `--crawler`, `--warn`.
//! - Numbers for a script go into a `data-` attribute as JSON (askama escapes it), or come from a path of their own.

mod assets;
mod change;
mod clients;
mod dashboard;
mod door;
mod explanations;
mod findings;
mod groups;
mod known;
mod language_models;
mod layout;
mod login;
mod look_up;
mod markdown;
mod models;
mod now;
mod origin;
mod preferences;
mod proxy;
mod recent;
mod refusal;
mod users;
mod viewer;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};

pub use dashboard::Dashboard;
pub use known::Known;
use refusal::Refusal;
pub use viewer::Viewer;

use super::api;
use super::shared::Access;

/// All pages, their files, and what is answered where nothing is.
pub fn router(access: &Arc<Access>) -> Router<Arc<Access>> {
    let pages = Router::new()
        .merge(now::routes())
        .merge(clients::routes())
        .merge(groups::routes())
        .merge(look_up::routes())
        .merge(explanations::routes())
        .merge(findings::routes())
        .merge(models::routes())
        .merge(language_models::routes())
        .merge(users::routes())
        .merge(login::routes())
        .merge(preferences::routes())
        .fallback(nowhere)
        .method_not_allowed_fallback(async || Refusal::Method)
        .layer(from_fn_with_state(access.clone(), door::door));
    pages.merge(assets::routes())
}

async fn nowhere(request: Request) -> Response {
    if request.uri().path().starts_with("/v1/") {
        api::nothing()
    } else {
        Refusal::Nowhere.into_response()
    }
}
