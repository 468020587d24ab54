//! `GET /clients/ID`.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::super::layout::{Frame, Place, page as answer};
use super::super::refusal::Refusal;
use super::super::viewer::Viewer;
use super::super::words::{Actions, Clients, OneClient, fill};
use super::lines::{DecisionLine, LabelLine, SampleLine, decision_line, label_line, sample_line};
use super::order::LENGTHS;
use super::pictures::{Beside, Drawn, Picture, beside};
use super::rows::Row;
use crate::config::now;
use crate::explain::{
    Asked, Background, Category, Consulted, ExplainError, Gathered, Inquiry, Lang, Report, View,
    gather_among, kinds, length,
};
use crate::figures::grouped;
use crate::serve::shared::Access;
use crate::store::{
    ClientRow, DecisionQuery, DecisionRow, Names, SampleRow, SourceRow, Store, StoreError, StoredLabel,
    is_pseudonym,
};
use crate::user::Role;

/// Samples that pictures are drawn of: as many as an explanation looks at.
const DRAWN: u32 = 512;
/// Samples that are listed.
const LISTED: u32 = 20;
/// Labels that are listed.
const LABELS: u32 = 100;

#[derive(Template)]
#[template(path = "pages/client.html")]
struct ClientPage {
    frame: Frame,
    words: &'static OneClient,
    acts: &'static Actions,
    lists: &'static Clients,
    row: Row,
    first: u32,
    samples_count: u64,
    view: Option<View>,
    trouble: Option<String>,
    compared: Option<String>,
    pictures: Vec<Picture>,
    features: Vec<Beside>,
    decisions: Vec<DecisionLine>,
    labels: Vec<LabelLine>,
    samples: Vec<SampleLine>,
    /// What was just done.
    done: Option<&'static str>,
    may: bool,
    can_ask: bool,
    /// What it was explained as, and what else it could be, when there is an explanation.
    kinds: Option<Kinds>,
    /// Whether nginx can be told of it.
    orders: Reach,
}

/// Categories as forms have them and as people read them.
struct Kinds {
    /// The one that is told.
    told: &'static str,
    /// The others.
    others: Vec<(&'static str, &'static str)>,
}

impl Kinds {
    fn of(told: Category, lang: Lang) -> Kinds {
        let others = kinds(lang).into_iter().filter(|(category, _)| *category != told);
        Kinds {
            told: told.as_str(),
            others: others.map(|(category, name)| (category.as_str(), name)).collect(),
        }
    }
}

/// What nginx can be told of a client.
struct Reach {
    /// Whether an nginx is watched.
    has_nginx: bool,
    /// Whether its name is a pseudonym, of which nginx knows nothing.
    is_pseudonym: bool,
    /// Whether a ban is in force.
    is_banned: bool,
    /// Whether some nginx has a list of the allowed that may be edited.
    has_list: bool,
    /// Whether it is in that list.
    is_allowed: bool,
}

impl ClientPage {
    /// Lengths of a ban: seconds, in words.
    fn lengths(&self) -> [(u32, &'static str); 4] {
        let acts = self.acts;
        let words = [acts.minutes_10, acts.hour, acts.day, acts.week];
        std::array::from_fn(|place| (LENGTHS[place], words[place]))
    }
}

/// What came of an action.
#[derive(Debug, Deserialize)]
pub struct Came {
    #[serde(default)]
    done: String,
}

/// What is known of a client.
struct Whole {
    client: ClientRow,
    rows: Vec<SourceRow>,
    labels: Vec<StoredLabel>,
    samples: Vec<SampleRow>,
    decisions: Vec<DecisionRow>,
    is_allowed: bool,
    explained: Result<Explained, ExplainError>,
    age: u32,
}

/// An explanation, and whom it compares with.
pub(super) struct Explained {
    pub(super) report: Report,
    visitors: crate::explain::Visitors,
}

pub async fn page(
    State(access): State<Arc<Access>>,
    viewer: Viewer,
    id: Result<Path<i64>, PathRejection>,
    came: Result<Query<Came>, QueryRejection>,
) -> Result<Response, Refusal> {
    let (Path(id), Query(came)) = (id?, came?);
    let at = now();
    let whole = {
        let access = access.clone();
        let question = access.clone();
        question
            .ask(move |store, names| read(&access, store, names, id, at))
            .await?
    };
    let whole = whole.ok_or(Refusal::Nowhere)?;
    answer(&shown(&access, &viewer, whole, &came.done, at))
}

fn read(
    access: &Access,
    store: &Store,
    names: &Names,
    id: i64,
    now: u32,
) -> Result<Option<Whole>, StoreError> {
    let Some(client) = store.client(id)? else {
        return Ok(None);
    };
    let (explained, age) = explained(access, store, names, &client, now)?;
    Ok(Some(Whole {
        rows: store.source_rows(id, None, DRAWN)?,
        labels: store.newest_labels(id, LABELS)?,
        samples: store.samples_of(id, LISTED)?,
        decisions: decisions(store, &client)?,
        is_allowed: is_allowed(access, &client.name),
        client,
        explained,
        age,
    }))
}

/// Why a client was judged so as it is known now, and how many seconds ago those were read that it is compared with.
pub(super) fn explained(
    access: &Access,
    store: &Store,
    names: &Names,
    client: &ClientRow,
    now: u32,
) -> Result<(Result<Explained, ExplainError>, u32), StoreError> {
    let (people, age) = access.known.people(store, &client.zone, now)?;
    let asked = Asked {
        client: client.clone(),
        reference: None,
        cluster: false,
    };
    let mut gathered = match gather_among(store, names, &access.models, &asked, &people) {
        Ok(gathered) => gathered,
        Err(ExplainError::Store(error)) => return Err(error),
        Err(error) => return Ok((Err(error), age)),
    };
    gathered.background = Background::of(store, client, &gathered, &access.runbooks, now)?;
    let answered = answered(access, store, &gathered, now)?;
    let visitors = gathered.visitors.clone();
    let report = Report::new(client, gathered, answered.as_ref());
    Ok((Ok(Explained { report, visitors }), age))
}

/// What a language model said of the same evidence before.
fn answered(
    access: &Access,
    store: &Store,
    gathered: &Gathered,
    now: u32,
) -> Result<Option<Consulted>, StoreError> {
    match &access.chain {
        Some(chain) => Inquiry::new(gathered, chain.targets()).before(store, &gathered.snapshot, now),
        None => Ok(None),
    }
}

fn shown(access: &Access, viewer: &Viewer, whole: Whole, done: &str, at: u32) -> ClientPage {
    let lang = viewer.lang;
    let (words, acts, lists) = (OneClient::of(lang), Actions::of(lang), Clients::of(lang));
    let row = Row::new(&whole.client, &[], lists, at);
    let explained = whole.explained.as_ref().ok();
    let drawn = Drawn {
        rows: &whole.rows,
        thresholds: explained.map(|explained| {
            let policy = &explained.report.snapshot.policy;
            (policy.suspect, policy.reject)
        }),
        visitors: explained.map(|explained| &explained.visitors),
        lang,
    };
    let view = explained.map(|explained| View::of(&explained.report, lang));
    let features = explained.map(|explained| {
        let of = |name: &str| explained.report.snapshot.features.get(name).copied();
        beside(&explained.visitors, of, lang)
    });
    ClientPage {
        frame: Frame::new(viewer, Place::Clients, row.name.clone()),
        words,
        acts,
        lists,
        first: whole.client.first,
        samples_count: whole.client.samples,
        compared: view.as_ref().map(|view| compared(words, view, whole.age, lang)),
        pictures: drawn.pictures(words),
        features: features.unwrap_or_default(),
        kinds: explained.map(|explained| Kinds::of(explained.report.category(), lang)),
        trouble: whole.explained.as_ref().err().map(|error| trouble(words, error)),
        view,
        decisions: whole
            .decisions
            .iter()
            .map(|row| decision_line(row, words))
            .collect(),
        orders: reach(access, &whole),
        labels: whole
            .labels
            .iter()
            .map(|label| label_line(label, lists))
            .collect(),
        samples: whole.samples.iter().map(sample_line).collect(),
        done: came_of(acts, done),
        may: viewer.may(Role::Operator),
        can_ask: access.chain.is_some(),
        row,
    }
}

/// With whom it was compared.
fn compared(words: &OneClient, view: &View, age: u32, lang: Lang) -> String {
    match view.visitors {
        Some(visitors) => fill(words.compared, &[&grouped(visitors), &length(lang, age)]),
        None => words.compared_model.to_owned(),
    }
}

fn trouble(words: &OneClient, error: &ExplainError) -> String {
    match error {
        ExplainError::NotScored(_) => words.not_scored.to_owned(),
        other => {
            tracing::error!("a client was not explained: {other}");
            other.to_string()
        }
    }
}

/// The newest bans of a client, and below them those in force that began before: they can be lifted.
fn decisions(store: &Store, client: &ClientRow) -> Result<Vec<DecisionRow>, StoreError> {
    let of = |active| DecisionQuery {
        zone: Some(client.zone.clone()),
        client: Some(client.name.clone()),
        active,
        limit: LISTED,
        ..DecisionQuery::default()
    };
    let mut decisions = store.decisions(&of(None))?.decisions;
    let open = store.decisions(&of(Some(true)))?.decisions;
    let is_older = |row: &DecisionRow| decisions.iter().all(|newer| newer.id != row.id);
    let older: Vec<DecisionRow> = open.into_iter().filter(is_older).collect();
    decisions.extend(older);
    Ok(decisions)
}

fn reach(access: &Access, whole: &Whole) -> Reach {
    let lists = access.live.all();
    Reach {
        has_nginx: !access.live.is_empty(),
        is_pseudonym: is_pseudonym(&whole.client.name),
        is_banned: whole.decisions.iter().any(|row| row.ended.is_none()),
        has_list: lists.iter().any(|nginx| nginx.allow_file().is_some()),
        is_allowed: whole.is_allowed,
    }
}

/// Whether some nginx lets it pass because we said so. A list that cannot be read says nothing.
fn is_allowed(access: &Access, name: &str) -> bool {
    let lists = access.live.all();
    let mut lists = lists.iter().filter(|nginx| nginx.allow_file().is_some());
    lists.any(|nginx| {
        let listed = nginx.allowed().unwrap_or_default();
        listed.iter().any(|allowed| allowed.client == name)
    })
}

/// What was done, in words; the word comes from an address, so only known ones count.
fn came_of(acts: &Actions, done: &str) -> Option<&'static str> {
    Some(match done {
        "label" => acts.done_label,
        "there" => acts.done_there,
        "ban" => acts.done_ban,
        "ban-dry" => acts.done_ban_dry,
        "ban-partly" => acts.done_ban_partly,
        "ban-held" => acts.done_ban_held,
        "lift" => acts.done_lift,
        "unbanned" => acts.done_unbanned,
        "allow" => acts.done_allow,
        "disallow" => acts.done_disallow,
        "ask" => acts.done_ask,
        "feedback" => acts.done_feedback,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::{Class, End, NewDecision, Origin};

    const AT: u32 = 1_800_000_000;

    /// A store with one labelled client.
    fn bench(dir: &TempDir, labels: u32) -> (Store, ClientRow) {
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let label = |number: u32| StoredLabel {
            zone: "clients".into(),
            client: "192.0.2.7".into(),
            class: if number.is_multiple_of(2) {
                Class::Human
            } else {
                Class::Crawler
            },
            origin: Origin::Operator,
            author: "ana".into(),
            at: AT + number,
            note: number.to_string(),
        };
        let labels: Vec<StoredLabel> = (0..labels).map(label).collect();
        store
            .add_labels(&labels, &Names::Plain, true, (AT, "ana"))
            .unwrap();
        let client = store.clients_named("192.0.2.7").unwrap().remove(0);
        (store, client)
    }

    #[test]
    fn of_many_labels_the_newest_are_listed() {
        let dir = TempDir::new().unwrap();
        let (store, client) = bench(&dir, LABELS + 5);
        let labels = store.newest_labels(client.id, LABELS).unwrap();
        let notes: Vec<&str> = labels.iter().map(|label| label.note.as_str()).collect();
        assert_eq!((notes.len(), notes[0], notes[99]), (100, "104", "5"));
    }

    #[test]
    fn an_old_ban_that_is_in_force_is_listed_whatever_ended_since() {
        let dir = TempDir::new().unwrap();
        let (store, client) = bench(&dir, 1);
        let begin = |nginx: &str, number: u32| {
            let ban = NewDecision {
                nginx: nginx.into(),
                zone: "clients".into(),
                client: client.name.clone(),
                origin: "model".into(),
                begun: AT + number,
                until: AT + 10_000,
                expires: AT + 10_000,
                ..NewDecision::default()
            };
            store.begin_decision(&ban, &Names::Plain, AT).unwrap()
        };
        let old = begin("shop", 0);
        for number in 1..=LISTED {
            let ban = begin("blog", number);
            store
                .end_decision(ban, End::Lifted, "ana", (AT + 50, AT + 50))
                .unwrap();
        }
        let listed = decisions(&store, &client).unwrap();
        assert_eq!(listed.len(), 1 + LISTED as usize);
        let open: Vec<i64> = (listed.iter().filter(|row| row.ended.is_none()))
            .map(|row| row.id)
            .collect();
        assert_eq!(open, [old]);
        begin("blog", 99);
        assert_eq!(
            decisions(&store, &client).unwrap().len(),
            1 + LISTED as usize,
            "each once"
        );
    }
}
