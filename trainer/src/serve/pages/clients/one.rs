//! `GET /clients/ID`.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::super::door::escaped;
use super::super::layout::{Frame, Place, page as answer};
use super::super::refusal::Refusal;
use super::super::viewer::Viewer;
use super::super::words::{Actions, Clients, OneClient, fill};
use super::order::LENGTHS;
use super::pictures::{Beside, Drawn, Picture, beside};
use super::rows::{Row, class_word, origin_word};
use crate::config::now;
use crate::explain::{
    Asked, Background, Category, Consulted, ExplainError, Gathered, Inquiry, Lang, Report, View,
    gather_among, kinds, length,
};
use crate::figures::grouped;
use crate::serve::shared::Access;
use crate::store::{
    ClientRow, DecisionQuery, DecisionRow, End, Names, SampleRow, SourceRow, Store, StoreError, StoredLabel,
    is_pseudonym,
};
use crate::user::Role;
use crate::visible;

/// Samples that pictures are drawn of: as many as an explanation looks at.
const DRAWN: u32 = 512;
/// Samples that are listed.
const LISTED: u32 = 20;
/// Labels that are listed.
const LABELS: u32 = 100;
/// Characters of a client's text.
const SHOWN: usize = 256;

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

/// A ban as a line.
struct DecisionLine {
    nginx: String,
    begun: u32,
    until: u32,
    origin: String,
    why: String,
    ended: Option<u32>,
    end: &'static str,
}

/// A label as a line.
struct LabelLine {
    class: &'static str,
    origin: &'static str,
    author: String,
    at: u32,
    note: String,
}

/// A sample as a line.
struct SampleLine {
    id: String,
    address: String,
    at: u32,
    requests: u32,
    score: Option<f64>,
    verdict: String,
    request: String,
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
    labels: Vec<(i64, StoredLabel)>,
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
        labels: store.labels(Some(id), 0, LABELS)?,
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
            .rev()
            .map(|(_, label)| label_line(label, lists))
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

/// The newest bans of a client.
fn decisions(store: &Store, client: &ClientRow) -> Result<Vec<DecisionRow>, StoreError> {
    let query = DecisionQuery {
        zone: Some(client.zone.clone()),
        client: Some(client.name.clone()),
        limit: LISTED,
        ..DecisionQuery::default()
    };
    Ok(store.decisions(&query)?.decisions)
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

fn decision_line(row: &DecisionRow, words: &OneClient) -> DecisionLine {
    let text = |text: &str| visible::escaped(text.as_bytes(), SHOWN);
    let origin = match row.author.as_str() {
        "" => text(&row.origin),
        author => text(&format!("{}: {author}", row.origin)),
    };
    let why = match row.note.as_str() {
        "" => text(&row.reasons.join(", ")),
        note => text(note),
    };
    DecisionLine {
        nginx: text(&row.nginx),
        begun: row.begun,
        until: row.expires,
        origin,
        why,
        ended: row.ended,
        end: match row.end {
            None if row.held => words.held,
            None => match row.dry_run {
                Some(false) => words.in_force,
                Some(true) => words.dry_run,
                None => words.not_known,
            },
            Some(End::Expired) => words.end_expired,
            Some(End::Lifted) => words.end_lifted,
            Some(End::Replaced) => words.end_replaced,
            Some(End::Gone) => words.end_gone,
        },
    }
}

fn label_line(label: &StoredLabel, words: &Clients) -> LabelLine {
    LabelLine {
        class: class_word(label.class, words),
        origin: origin_word(label.origin, words),
        author: visible::escaped(label.author.as_bytes(), SHOWN),
        at: label.at,
        note: visible::escaped(label.note.as_bytes(), SHOWN),
    }
}

fn sample_line(sample: &SampleRow) -> SampleLine {
    let request = format!("{} {}", sample.method, sample.target);
    SampleLine {
        id: visible::escaped(sample.id.as_bytes(), SHOWN),
        address: format!("/look-up?id={}", escaped(&sample.id)),
        at: sample.at,
        requests: sample.requests,
        score: sample.score,
        verdict: visible::escaped(sample.verdict.as_bytes(), SHOWN),
        request: visible::escaped(request.as_bytes(), SHOWN),
    }
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
