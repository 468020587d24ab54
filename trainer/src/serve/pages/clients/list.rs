//! `GET /clients`.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;

use super::super::layout::{Frame, Place, page as answer};
use super::super::refusal::Refusal;
use super::super::viewer::Viewer;
use super::super::words::{Clients, fill};
use super::filter::{Asked, Filter, VERDICTS};
use super::found::{By, find};
use super::rows::{self, Row};
use super::table::MOST_ROWS;
use crate::config::now;
use crate::figures::grouped;
use crate::serve::shared::Access;
use crate::store::{ClientRow, StoreError};
use crate::visible;

/// Rows of a page: what a person looks through, and what a page's weight allows.
const PAGE: u32 = 50;
/// Samples of a client that its row of small bars counts at most.
const COUNTED: u32 = 500;
/// Characters of a text of the viewer's own that are shown again.
const SHOWN: usize = 128;

#[derive(Template)]
#[template(path = "pages/clients.html")]
struct ClientsPage {
    frame: Frame,
    words: &'static Clients,
    filter: Filter,
    zones: Vec<String>,
    rows: Vec<Row>,
    /// By what the text found them, and how many.
    told: String,
    next: Option<String>,
    first: Option<String>,
    csv: String,
    csv_hint: String,
    is_empty: bool,
    /// Whether those that were found stand by zone and name, so that no order is offered.
    sorted_by_name: bool,
}

impl ClientsPage {
    /// Verdicts that can be chosen, and whether each is.
    fn verdicts(&self) -> [(&'static str, bool); 6] {
        VERDICTS.map(|verdict| (verdict, self.filter.worst == Some(verdict)))
    }

    /// Orders that can be chosen: in the form, in words, and whether it is.
    fn orders(&self) -> [(&'static str, &'static str, bool); 3] {
        let words = self.words;
        [
            ("", words.by_last),
            ("score", words.by_score),
            ("requests", words.by_requests),
        ]
        .map(|(value, word)| (value, word, value == self.filter.order_word()))
    }

    /// Labels that can be chosen: in the form, in words, and whether it is.
    fn labels(&self) -> [(&'static str, &'static str, bool); 3] {
        let words = self.words;
        [
            ("human", words.human),
            ("crawler", words.crawler),
            ("none", words.none),
        ]
        .map(|(value, word)| (value, word, value == self.filter.label()))
    }
}

pub async fn page(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked?;
    let (words, filter) = (Clients::of(viewer.lang), Filter::of(&asked));
    let (wanted, at) = (filter.clone(), now());
    let question = access.ask(move |store, names| {
        let found = find(store, names, &wanted, PAGE)?;
        let row = |client: &ClientRow| -> Result<Row, StoreError> {
            let seen = store.seen(client.id, rows::since(at), COUNTED)?;
            Ok(Row::new(client, &seen, words, at))
        };
        let rows: Vec<Row> = found.clients.iter().map(row).collect::<Result<_, _>>()?;
        Ok((store.zones()?, rows, found.by, found.next))
    });
    let (zones, rows, by, next) = question.await?;
    let at_first = Filter {
        after: None,
        ..filter.clone()
    };
    let more = next.is_some();
    let following = next.map(|next| Filter {
        after: Some(next),
        ..filter.clone()
    });
    answer(&ClientsPage {
        frame: Frame::new(&viewer, Place::Clients, words.title),
        words,
        is_empty: filter.is_empty() && filter.after.is_none(),
        sorted_by_name: by == By::Beginning,
        told: told(words, &filter, by, (rows.len(), more)),
        zones,
        rows,
        next: following.map(|following| following.address("/clients")),
        first: filter.after.is_some().then(|| at_first.address("/clients")),
        csv: at_first.address("/clients.csv"),
        csv_hint: fill(words.export_hint, &[&grouped(MOST_ROWS as u64)]),
        filter,
    })
}

/// What was found, for those who do not see the table change; nothing of the whole list.
fn told(words: &Clients, filter: &Filter, by: By, (rows, more): (usize, bool)) -> String {
    if filter.is_empty() {
        return String::new();
    }
    let shown = visible::escaped(filter.text.as_bytes(), SHOWN);
    let by = match by {
        By::List => String::new(),
        By::Reference => fill(words.found_reference, &[&shown]),
        By::Beginning | By::Name => fill(words.found_name, &[&shown]),
        By::Network => fill(words.found_network, &[&shown]),
    };
    let count = if more { words.count_more } else { words.count_all };
    format!("{by} {}", fill(count, &[&grouped(rows as u64)]))
        .trim()
        .to_owned()
}
