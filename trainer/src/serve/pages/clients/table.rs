//! `GET /clients.csv`: the list for a spreadsheet.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::super::refusal::Refusal;
use super::filter::{Asked, Filter};
use super::found::find;
use crate::export::guarded;
use crate::serve::shared::Access;
use crate::store::{ClientRow, MAX_PAGE};
use crate::visible::escaped;

/// Rows at most: what a spreadsheet opens at once, and a megabyte or two. `sekisho export` has no bound.
pub const MOST_ROWS: usize = 10_000;
/// Characters of a text: longest names of clients.
const SHOWN: usize = 1_100;
const HEADER: [&str; 12] = [
    "zone", "client", "network", "first", "last", "requests", "samples", "score", "worst", "class", "origin",
    "conflict",
];

pub async fn csv(
    State(access): State<Arc<Access>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked?;
    let filter = Filter::of(&asked);
    let question = access.ask(move |store, names| {
        let (mut clients, mut filter) = (Vec::new(), filter);
        while clients.len() < MOST_ROWS {
            let found = find(store, names, &filter, MAX_PAGE)?;
            clients.extend(found.clients);
            filter.after = found.next;
            if filter.after.is_none() {
                break;
            }
        }
        clients.truncate(MOST_ROWS);
        Ok(clients)
    });
    let text = written(&question.await?);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"clients.csv\"",
        ),
    ];
    Ok((headers, text).into_response())
}

/// The rows with a header. No text of a client is a formula to a spreadsheet.
fn written(clients: &[ClientRow]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let rows = clients.iter().map(row);
    for fields in std::iter::once(HEADER.map(str::to_owned)).chain(rows) {
        // A vector takes every row, and all have the same length.
        let _ = writer.write_record(&fields);
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn row(client: &ClientRow) -> [String; 12] {
    let text = |text: &str| guarded(escaped(text.as_bytes(), SHOWN));
    [
        text(&client.zone),
        text(&client.name),
        text(&client.network),
        client.first.to_string(),
        client.last.to_string(),
        client.requests.to_string(),
        client.samples.to_string(),
        client.score.map(|score| score.to_string()).unwrap_or_default(),
        text(&client.worst),
        client
            .class
            .map(|class| class.as_str().to_owned())
            .unwrap_or_default(),
        client
            .origin
            .map(|origin| origin.as_str().to_owned())
            .unwrap_or_default(),
        u8::from(client.conflict).to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let client = ClientRow {
            id: 1,
            zone: "=zone".into(),
            name: "=HYPERLINK(\"http://evil.example\",\"a\")".into(),
            network: "+1".into(),
            first: 1,
            last: 2,
            samples: 3,
            requests: 4,
            score: Some(0.5),
            worst: "@SUM(A1)".into(),
            class: None,
            origin: None,
            conflict: true,
        };
        let name = "a;=1\u{202e}\n＝2".into();
        let split = written(&[ClientRow {
            name,
            ..client.clone()
        }]);
        assert!(split.contains(",a;'=1\\u{202e}\\n＝2,"), "{split}");
        let text = written(std::slice::from_ref(&client));
        let line = text.lines().nth(1).expect("a row");
        assert_eq!(
            line,
            "'=zone,\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"a\"\")\",'+1,1,2,4,3,0.5,'@SUM(A1),,,1"
        );
        assert_eq!(written(&[]).lines().count(), 1);
    }
}
