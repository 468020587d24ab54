//! The API: what an operator may ask a running nginx, and the bans that he may put or lift.
//!
//! A request is answered by the worker that has it, from shared memory, within bounds: no answer looks at more
//! than [`scan::MAX_SETS`] sets or lists more than [`MAX_LIMIT`] clients. `docs/openapi.yaml` is the contract.

mod clients;
mod decisions;
mod exposition;
mod metrics;
mod name;
pub mod route;
mod scan;
mod status;

use serde::Serialize;
use serde_json::json;

use crate::ffi::api::{Call, NamedZone};
use route::{BadQuery, Query, Route, Verb};

/// Longest request body, in bytes.
pub const MAX_BODY: usize = 4 * 1024;
/// Most clients or decisions in one answer, and how many unless the query says so.
pub const MAX_LIMIT: u32 = 1000;
const DEFAULT_LIMIT: u32 = 50;

const JSON: &str = "application/json";

/// What is answered.
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Content-Type`; empty when there is no body.
    pub kind: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// `Allow`, for 405.
    pub allow: Option<&'static str>,
    /// `Location`, for 201: the path behind the location's prefix.
    pub location: Option<String>,
    /// `Retry-After` in seconds, for 503.
    pub retry_after: Option<&'static str>,
}

impl Answer {
    fn empty(status: u16) -> Answer {
        Answer {
            status,
            kind: "",
            body: Vec::new(),
            allow: None,
            location: None,
            retry_after: None,
        }
    }

    fn text(kind: &'static str, body: String) -> Answer {
        Answer {
            kind,
            body: body.into_bytes(),
            ..Answer::empty(200)
        }
    }

    fn json(value: &impl Serialize) -> Answer {
        match serde_json::to_string(value) {
            Ok(text) => Answer::text(JSON, text),
            Err(error) => Fault::Internal(error.to_string()).answer(),
        }
    }
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("there is no such resource")]
    NoResource,
    #[error("there is no zone \"{0}\"")]
    NoZone(String),
    #[error("zone \"{zone}\" has no record of client \"{client}\"")]
    NoClient { zone: String, client: String },
    #[error("no ban is in force on client \"{client}\" in zone \"{zone}\"")]
    NoDecision { zone: String, client: String },
    #[error("the method is none of: {0}")]
    Method(&'static str),
    #[error("{0}")]
    Query(BadQuery),
    #[error("the body is not what is expected: {0}")]
    Body(String),
    #[error("the body has more than {MAX_BODY} bytes")]
    BodySize,
    #[error("the body must be application/json")]
    BodyType,
    #[error("the record is busy, try again")]
    Busy,
    #[error("the answer could not be made: {0}")]
    Internal(String),
}

impl From<BadQuery> for Fault {
    fn from(bad: BadQuery) -> Fault {
        Fault::Query(bad)
    }
}

impl Fault {
    fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Fault::Query(_) => (400, "bad_query"),
            Fault::Body(_) => (400, "bad_body"),
            Fault::NoResource => (404, "no_resource"),
            Fault::NoZone(_) => (404, "no_zone"),
            Fault::NoClient { .. } => (404, "no_client"),
            Fault::NoDecision { .. } => (404, "no_decision"),
            Fault::Method(_) => (405, "bad_method"),
            Fault::BodySize => (413, "body_too_large"),
            Fault::BodyType => (415, "bad_content_type"),
            Fault::Internal(_) => (500, "internal"),
            Fault::Busy => (503, "busy"),
        }
    }

    fn answer(&self) -> Answer {
        let (status, code) = self.status_and_code();
        let body = json!({"error": {"code": code, "message": self.to_string()}});
        Answer {
            status,
            kind: JSON,
            body: body.to_string().into_bytes(),
            allow: if let Fault::Method(allow) = self {
                Some(allow)
            } else {
                None
            },
            location: None,
            retry_after: matches!(self, Fault::Busy).then_some("1"),
        }
    }
}

/// What to do with a request whose head is there.
pub enum Step {
    /// Answer now; a body is of no interest.
    Answer(Answer),
    /// Read the body first, then [`with_body`].
    ReadBody,
}

/// A request's head is there.
pub fn head(call: &Call<'_>) -> Step {
    match answer_head(call) {
        Ok(Some(answer)) => Step::Answer(answer),
        Ok(None) => Step::ReadBody,
        Err(fault) => Step::Answer(fault.answer()),
    }
}

/// A request's body is there; `None` when it has more than [`MAX_BODY`] bytes or could not be read.
pub fn with_body(call: &Call<'_>, body: Option<&[u8]>) -> Answer {
    let answer = body
        .ok_or(Fault::BodySize)
        .and_then(|body| decisions::add(call, body));
    answer.unwrap_or_else(|fault| fault.answer())
}

fn answer_head(call: &Call<'_>) -> Result<Option<Answer>, Fault> {
    let route = call.path().and_then(Route::parse).ok_or(Fault::NoResource)?;
    let verb = route.verb(call.method()).ok_or(Fault::Method(route.allow()))?;
    let no_query = || Query::parse(call.query(), &[]);
    let answer = match (route, verb) {
        (Route::Decisions, Verb::Post) => {
            no_query()?;
            return expect_body(call).map(|()| None);
        }
        (Route::Decision { zone, client }, Verb::Delete) => {
            no_query()?;
            decisions::lift(call, zone, client)?
        }
        (Route::Status, _) => {
            no_query()?;
            status::answer(call)
        }
        (Route::Metrics, _) => {
            no_query()?;
            metrics::answer(call)
        }
        (Route::Client { zone, client }, _) => {
            no_query()?;
            clients::one(call, zone, client)?
        }
        (Route::Decision { zone, client }, _) => {
            no_query()?;
            decisions::one(call, zone, client)?
        }
        (Route::Clients, _) => clients::list(call)?,
        (Route::Decisions, _) => decisions::list(call)?,
    };
    Ok(Some(answer))
}

/// Refuses a body by what its head says of it.
fn expect_body(call: &Call<'_>) -> Result<(), Fault> {
    let kind = call.content_type().unwrap_or_default();
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default();
    if !kind.trim_ascii().eq_ignore_ascii_case(JSON.as_bytes()) {
        return Err(Fault::BodyType);
    }
    match call.content_length() {
        Some(length) if length > MAX_BODY as u64 => Err(Fault::BodySize),
        _ => Ok(()),
    }
}

/// The zone of that name.
fn zone_of<'a>(call: &'a Call<'_>, name: &str) -> Result<NamedZone<'a>, Fault> {
    call.zones()
        .into_iter()
        .find(|zone| zone.data.name == name)
        .ok_or_else(|| Fault::NoZone(name.to_owned()))
}

/// `limit=`
fn limit(query: &Query) -> Result<usize, BadQuery> {
    let expected = "a number from 1 to 1000";
    let limit = query.read("limit", expected, |text| {
        route::number(text).filter(|limit| (1..=MAX_LIMIT).contains(limit))
    })?;
    Ok(limit.unwrap_or(DEFAULT_LIMIT) as usize)
}

/// `cursor=`: the place at which to go on.
fn cursor(query: &Query) -> Result<u32, BadQuery> {
    let cursor = query.read("cursor", "the \"next\" of an answer before", |text| {
        route::number(text).filter(|&cursor| cursor <= scan::MAX_CURSOR)
    })?;
    Ok(cursor.unwrap_or(0))
}
