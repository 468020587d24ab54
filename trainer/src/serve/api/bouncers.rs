//! `GET /v1/decisions/stream` and `GET /v1/decisions`: bans, as bouncers ask a CrowdSec local API for them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::causes::with_causes;
use crate::config::now;
use crate::decisions::bouncer::{Bans, Filter};
use crate::serve::shared::Access;
use crate::store::{DecisionRow, StoreError, is_pseudonym};

/// Header with the key.
const KEY: &str = "x-api-key";
/// Words of one parameter at most.
const MAX_WORDS: usize = 64;

type Asked = HashMap<String, String>;

pub async fn stream(
    State(access): State<Arc<Access>>,
    method: Method,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let Some(name) = bouncer(&access, &headers) else {
        return forbidden();
    };
    let startup = asked.get("startup").is_some_and(|word| word == "true");
    let filter = filter(&asked);
    let live = access.live.clone();
    let answer = access.ask(move |store, _| {
        let plain = |row: &DecisionRow| plain(row, |id| live.plain_name(id));
        let bans = Bans {
            store,
            plain: &plain,
            now: now(),
        };
        // Who asks for the head alone has not been told anything.
        if method == Method::HEAD {
            return Ok(None);
        }
        bans.pull(&name, startup, &filter).map(Some)
    });
    told(answer.await)
}

pub async fn list(
    State(access): State<Arc<Access>>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    if bouncer(&access, &headers).is_none() {
        return forbidden();
    }
    let (filter, value) = (filter(&asked), asked.get("value").cloned());
    let address: Option<IpAddr> = match asked.get("ip").map(|text| text.parse()) {
        None => None,
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => {
            let text = json!({"message": "ip is no address"});
            return (StatusCode::BAD_REQUEST, Json(text)).into_response();
        }
    };
    let live = access.live.clone();
    let answer = access.ask(move |store, _| {
        let plain = |row: &DecisionRow| plain(row, |id| live.plain_name(id));
        let bans = Bans {
            store,
            plain: &plain,
            now: now(),
        };
        let mut found = match address {
            Some(address) => bans.on(address, &filter)?,
            None => bans.all(&filter)?,
        };
        found.retain(|decision| value.as_ref().is_none_or(|value| *value == decision.value));
        // As the original: nothing is `null`.
        Ok((!found.is_empty()).then_some(found))
    });
    told(answer.await)
}

/// Who asks.
fn bouncer(access: &Access, headers: &HeaderMap) -> Option<String> {
    let given = headers.get(KEY).map(HeaderValue::as_bytes)?;
    access.bouncers.name(given).map(str::to_owned)
}

fn forbidden() -> Response {
    let text = json!({"message": "access forbidden: X-Api-Key has a key of [decisions] bouncer_keys_file"});
    (StatusCode::FORBIDDEN, Json(text)).into_response()
}

fn told<T: serde::Serialize>(answer: Result<T, StoreError>) -> Response {
    match answer {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => {
            tracing::error!("a bouncer was not answered: {}", with_causes(&error));
            let text = json!({"message": error.to_string()});
            (StatusCode::INTERNAL_SERVER_ERROR, Json(text)).into_response()
        }
    }
}

/// The plain name of a decision's client, as far as it is known.
fn plain(row: &DecisionRow, of: impl Fn(i64) -> Option<String>) -> Option<String> {
    if is_pseudonym(&row.client) {
        of(row.id)
    } else {
        Some(row.client.clone())
    }
}

fn filter(asked: &Asked) -> Filter {
    let words = |name: &str| -> Vec<String> {
        let words = asked.get(name).map_or("", String::as_str).split(',');
        words
            .filter(|word| !word.is_empty())
            .take(MAX_WORDS)
            .map(str::to_owned)
            .collect()
    };
    Filter {
        scopes: words("scopes"),
        origins: words("origins"),
        scenarios: words("scenarios_containing"),
        without: words("scenarios_not_containing"),
    }
}
