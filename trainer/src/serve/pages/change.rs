//! The one way to change something from a page.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::viewer::Viewer;
use crate::config::now;
use crate::serve::shared::Access;
use crate::store::{Names, Store, StoreError};
use crate::user::Role;

/// What is changed: for the audit log.
pub struct Deed {
    /// What it takes.
    pub role: Role,
    /// What is done, such as `label` or `model.approve`.
    pub action: &'static str,
    /// To what, such as `client:7` or `model:0123456789ab`; never a client's name.
    pub subject: String,
    /// More of it.
    pub detail: Value,
}

/// Does `deed` for somebody who has its role, with their name and the time. The audit log gets its line first: what
/// cannot be written down is not done. When it fails, a second line says so.
///
/// # Errors
/// [`Refusal::Role`], or what the store or the deed say.
pub async fn change<T: Send + 'static, E: Into<Refusal> + Send + 'static>(
    access: &Arc<Access>,
    viewer: &Viewer,
    deed: Deed,
    act: impl FnOnce(&Store, &Names, &str, u32) -> Result<T, E> + Send + 'static,
) -> Result<T, Refusal> {
    let name = viewer.acts(deed.role)?.to_owned();
    access.ask(recorded(name, deed, act)).await?
}

/// The same for a deed that also asks nginx: whoever reads does not wait for that.
///
/// # Errors
/// As [`change`].
pub async fn order<T: Send + 'static, E: Into<Refusal> + Send + 'static>(
    access: &Arc<Access>,
    viewer: &Viewer,
    deed: Deed,
    act: impl FnOnce(&Store, &Names, &str, u32) -> Result<T, E> + Send + 'static,
) -> Result<T, Refusal> {
    let name = viewer.acts(deed.role)?.to_owned();
    access.order(recorded(name, deed, act)).await?
}

fn recorded<T, E: Into<Refusal>>(
    name: String,
    deed: Deed,
    act: impl FnOnce(&Store, &Names, &str, u32) -> Result<T, E>,
) -> impl FnOnce(&Store, &Names) -> Result<Result<T, Refusal>, StoreError> {
    move |store, names| {
        let at = now();
        let action = format!("dashboard.{}", deed.action);
        store.audit(at, &name, &action, &deed.subject, &deed.detail)?;
        let done = act(store, names, &name, at).map_err(Into::into);
        if let Err(refusal) = &done {
            write_failed(store, &name, &deed, refusal.status(), at)?;
        }
        Ok(done)
    }
}

/// Writes the second line of a deed that failed after its [`change`], with the status of the answer.
///
/// # Errors
/// What the store says.
pub async fn failed(
    access: &Arc<Access>,
    viewer: &Viewer,
    deed: Deed,
    status: StatusCode,
) -> Result<(), Refusal> {
    let name = viewer.acts(deed.role)?.to_owned();
    let written = access.ask(move |store, _| write_failed(store, &name, &deed, status, now()));
    Ok(written.await?)
}

fn write_failed(
    store: &Store,
    name: &str,
    deed: &Deed,
    status: StatusCode,
    at: u32,
) -> Result<(), StoreError> {
    let action = format!("dashboard.{}.failed", deed.action);
    store.audit(
        at,
        name,
        &action,
        &deed.subject,
        &json!({ "status": status.as_u16() }),
    )
}
