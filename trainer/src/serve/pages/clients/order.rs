//! Orders to nginx about a client: ban, lift, allow.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::super::change;
use super::super::refusal::Refusal;
use super::super::viewer::Viewer;
use super::act::{back, deed, known};
use crate::causes::with_causes;
use crate::decisions::order::{Ban, By, Done, Effect, OrderError, Orders};
use crate::nginx::Allowed;
use crate::serve::shared::Access;
use crate::store::ClientRow;

/// Lengths of a ban that can be chosen, in seconds.
pub const LENGTHS: [u32; 4] = [600, 3600, 86_400, 604_800];

/// How long, and why.
#[derive(Debug, Deserialize)]
pub struct Wish {
    #[serde(default)]
    seconds: u32,
    #[serde(default)]
    note: String,
}

type Id = Result<Path<i64>, PathRejection>;
type Wanted = Result<Form<Wish>, FormRejection>;

/// `POST /clients/ID/ban`.
pub async fn ban(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Id,
    wish: Wanted,
) -> Result<Response, Refusal> {
    let (Path(id), Form(wish)) = (id?, wish?);
    if !LENGTHS.contains(&wish.seconds) {
        return Err(Refusal::bad("a ban lasts as long as one of the form's choices"));
    }
    let detail = json!({ "seconds": wish.seconds });
    let done = order(
        &access,
        &viewer,
        ("ban", id, detail),
        move |orders, client, by| {
            let ban = Ban {
                zone: client.zone,
                client: client.name,
                seconds: wish.seconds,
                reason: wish.note.trim().to_owned(),
                origin: "operator",
            };
            orders.ban(&ban, by)
        },
    );
    Ok(back(id, banned(&done.await?)))
}

/// `POST /clients/ID/lift`.
pub async fn lift(State(access): State<Arc<Access>>, viewer: Viewer, id: Id) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let done = order(
        &access,
        &viewer,
        ("lift", id, json!({})),
        |orders, client, by| match orders.lift(&client.zone, &client.name, by) {
            Err(OrderError::NotBanned(_)) => Ok(Vec::new()),
            done => done,
        },
    );
    let word = if done.await?.is_empty() {
        "unbanned"
    } else {
        "lift"
    };
    Ok(back(id, word))
}

/// `POST /clients/ID/allow`.
pub async fn allow(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Id,
    wish: Wanted,
) -> Result<Response, Refusal> {
    let (Path(id), Form(wish)) = (id?, wish?);
    let done = order(
        &access,
        &viewer,
        ("allow", id, json!({})),
        move |orders, client, by| {
            let allowed = Allowed {
                client: client.name,
                until: None,
                note: wish.note.trim().to_owned(),
            };
            orders.allow(&allowed, by)
        },
    );
    done.await?;
    Ok(back(id, "allow"))
}

/// `POST /clients/ID/disallow`.
pub async fn disallow(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Id,
) -> Result<Response, Refusal> {
    let Path(id) = id?;
    let done = order(
        &access,
        &viewer,
        ("disallow", id, json!({})),
        |orders, client, by| orders.disallow(&client.name, by),
    );
    done.await?;
    Ok(back(id, "disallow"))
}

/// The word for what nginx does about a ban that was put everywhere.
fn banned(done: &[Done]) -> &'static str {
    let so = |effect: Effect| move |done: &Done| done.effect == effect;
    if done.iter().all(so(Effect::DryRun)) {
        "ban-dry"
    } else if done.iter().any(so(Effect::DryRun)) {
        "ban-partly"
    } else if done.iter().any(so(Effect::Held)) {
        "ban-held"
    } else {
        "ban"
    }
}

async fn order(
    access: &Arc<Access>,
    viewer: &Viewer,
    (action, id, detail): (&'static str, i64, serde_json::Value),
    give: impl FnOnce(&Orders<'_>, ClientRow, By<'_>) -> Result<Vec<Done>, OrderError> + Send + 'static,
) -> Result<Vec<Done>, Refusal> {
    let live = access.live.clone();
    change::order(
        access,
        viewer,
        deed(action, id, detail),
        move |store, names, actor, at| {
            let client = known(store, id)?;
            let orders = Orders {
                live: &live,
                store,
                names,
            };
            give(&orders, client, By { at, actor }).map_err(Refusal::from)
        },
    )
    .await
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Refusal {
        match error {
            OrderError::Store(error) => error.into(),
            OrderError::Refused(text) => Refusal::bad(text),
            error @ (OrderError::Nginx(_) | OrderError::Partly(_)) => {
                let text = with_causes(&error);
                tracing::warn!("an order was not carried out everywhere: {text}");
                Refusal::Told(StatusCode::BAD_GATEWAY, text)
            }
            other => Refusal::conflict(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_nginx_does_about_a_ban() {
        #[track_caller]
        fn check(effects: &[Effect], expected: &str) {
            let done = |effect: &Effect| Done {
                nginx: "shop".to_owned(),
                client: None,
                decision: None,
                expires: None,
                effect: *effect,
            };
            let all: Vec<Done> = effects.iter().map(done).collect();
            assert_eq!(banned(&all), expected, "{effects:?}");
        }
        use Effect::{Acted, DryRun, Held};
        check(&[Acted, Acted], "ban");
        check(&[DryRun, DryRun], "ban-dry");
        check(&[Acted, DryRun], "ban-partly");
        check(&[Held, Acted], "ban-held");
    }
}
