//! `GET /look-up`: why a visitor was stopped, by the reference id of the block page.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::layout::{Frame, Place, page};
use super::refusal::Refusal;
use super::viewer::Viewer;
use super::words::{LookUp, fill, verdict};
use crate::causes::with_causes;
use crate::config::now;
use crate::explain::{Asked, Background, ExplainError, Report, View, gather_among, length};
use crate::serve::shared::Access;
use crate::store::{Names, Store, StoreError};
use crate::visible;

/// Digits of a reference id.
const DIGITS: usize = 16;
/// Characters of a client's name.
const SHOWN: usize = 128;

#[derive(Template)]
#[template(path = "pages/look-up.html")]
struct LookUpPage {
    frame: Frame,
    words: &'static LookUp,
    reference: String,
    trouble: Option<(&'static str, String)>,
    found: Vec<Answer>,
}

impl LookUpPage {
    /// What was concluded, in words.
    fn stopped(&self, one: &Answer) -> String {
        fill(self.words.stopped, &[&one.verdict])
    }
}

/// What is known of a request.
struct Answer {
    client: i64,
    name: String,
    zone: String,
    at: u32,
    view: Option<View>,
    verdict: String,
}

/// The query of `/look-up`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sought {
    id: String,
}

/// `/look-up`.
pub fn routes() -> Router<Arc<Access>> {
    Router::new().route("/look-up", get(look_up))
}

async fn look_up(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    sought: Result<Query<Sought>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(sought) = sought?;
    let (words, lang) = (LookUp::of(viewer.lang), viewer.lang);
    let reference = reference(&sought.id);
    let mut found = Vec::new();
    let mut trouble = None;
    match &reference {
        Some(id) => {
            let (id, known) = (id.clone(), access.clone());
            let question = access.ask(move |store, names| {
                let clients = store.clients_of_reference(&id)?.into_iter();
                clients
                    .map(|(client, at)| {
                        let asked = Asked {
                            client,
                            reference: Some((id.clone(), at)),
                            cluster: false,
                        };
                        answer(&known, store, names, &asked, at, lang)
                    })
                    .collect::<Result<Vec<Answer>, StoreError>>()
            });
            found = question.await?;
            if found.is_empty() {
                let kept = length(lang, access.retention.seconds);
                trouble = Some((words.unknown, fill(words.unknown_text, &[&kept])));
            }
        }
        None if !sought.id.trim().is_empty() => trouble = Some((words.malformed, words.hint.to_owned())),
        None => {}
    }
    page(&LookUpPage {
        frame: Frame::new(&viewer, Place::LookUp, words.title),
        words,
        reference: visible::escaped(sought.id.trim().as_bytes(), SHOWN),
        trouble,
        found,
    })
}

/// A reference id as people copy it: spaces and dashes between its digits do not matter.
fn reference(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|character| !character.is_whitespace() && *character != '-')
        .take(DIGITS + 1)
        .collect();
    let is_one = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| digits.to_ascii_lowercase())
}

fn answer(
    access: &Access,
    store: &Store,
    names: &Names,
    asked: &Asked,
    at: u32,
    lang: crate::explain::Lang,
) -> Result<Answer, StoreError> {
    let client = &asked.client;
    let (people, _) = access.known.people(store, &client.zone, now())?;
    let report = match gather_among(store, names, &access.models, asked, &people) {
        Ok(mut gathered) => {
            gathered.background = Background::of(store, client, &gathered, &access.runbooks, now())?;
            Some(Report::new(client, gathered, None))
        }
        Err(ExplainError::Store(error)) => return Err(error),
        Err(error) => {
            tracing::info!(
                "a look-up found a client that is not explained: {}",
                with_causes(&error)
            );
            None
        }
    };
    let judged = report
        .as_ref()
        .map_or(client.worst.as_str(), |report| report.snapshot.verdict.as_str());
    let meaning = verdict(lang, judged);
    Ok(Answer {
        client: client.id,
        name: visible::escaped(client.name.as_bytes(), SHOWN),
        zone: visible::escaped(client.zone.as_bytes(), SHOWN),
        at,
        verdict: if meaning.is_empty() {
            visible::escaped(judged.as_bytes(), SHOWN)
        } else {
            meaning.to_owned()
        },
        view: report.as_ref().map(|report| View::of(report, lang)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_people_copy_them() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(reference(text).as_deref(), expected, "{text}");
        }
        check("0011223344556677", Some("0011223344556677"));
        check(" 0011-2233 4455-66AB ", Some("00112233445566ab"));
        check("001122334455667", None);
        check("00112233445566770", None);
        check("001122334455667g", None);
        check("", None);
        check("' OR 1=1 -- aaaaaaaa", None);
    }
}
