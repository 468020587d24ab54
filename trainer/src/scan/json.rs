//! The result for programs: one document, or one object a line.

use std::io::{self, Write};

use sekisho_core::feature::{FEATURES, Features, schema_hash};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::report::{self, Client, Fate, Report};
use super::truth::ActorScore;

/// One object per client and line, in the order of the report.
pub fn write_lines(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for client in &report.clients {
        serde_json::to_writer(&mut *out, &row(client))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// One document: `summary` and `clients`, and `simulated_actors` where there is a ground truth.
pub fn write_document(
    report: &Report,
    scores: Option<&[ActorScore]>,
    out: &mut impl Write,
) -> io::Result<()> {
    let document = Document {
        summary: summary(report),
        simulated_actors: scores,
        clients: report.clients.iter().map(row).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Document<'a> {
    summary: Summary<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    simulated_actors: Option<&'a [ActorScore]>,
    clients: Vec<Row<'a>>,
}

/// One client. Times are ISO 8601, UTC.
#[derive(Serialize)]
struct Row<'a> {
    client: &'a str,
    requests: u64,
    first_seen: String,
    last_seen: String,
    score: Option<f32>,
    last_score: Option<f32>,
    verdict: &'static str,
    flagged_at_request: Option<u64>,
    flagged_at: Option<String>,
    requests_stopped: u64,
    #[serde(serialize_with = "by_name")]
    features: &'a Features,
    reasons: Vec<Reason>,
}

/// `contribution` is in log-odds of the score; `typical` is what a typical human has.
#[derive(Serialize)]
struct Reason {
    feature: &'static str,
    value: f32,
    contribution: f32,
    typical: f32,
}

#[derive(Serialize)]
struct Summary<'a> {
    files: &'a [String],
    lines: u64,
    unparsable: u64,
    first_unparsable: Option<BadLine<'a>>,
    malformed_requests: u64,
    incomplete_files: Vec<Incomplete<'a>>,
    clients: u64,
    requests: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    verdicts: Verdicts,
    requests_stopped: u64,
    evicted: Evicted,
    model: ModelIdentity<'a>,
    thresholds: Thresholds,
}

#[derive(Serialize)]
struct BadLine<'a> {
    file: &'a str,
    line: u64,
    reason: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Incomplete<'a> {
    file: &'a str,
    lines: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct Verdicts {
    rejected: Tally,
    suspect: Tally,
    passed: Tally,
    allowed: Tally,
}

#[derive(Serialize)]
struct Tally {
    clients: u64,
    requests: u64,
}

#[derive(Serialize)]
struct Evicted {
    clients: u64,
    requests: u64,
    flagged: u64,
    requests_stopped: u64,
}

#[derive(Serialize)]
struct ModelIdentity<'a> {
    digest: &'a str,
    schema: &'static str,
}

#[derive(Serialize)]
struct Thresholds {
    suspect: f32,
    reject: f32,
    min_requests: u32,
}

fn row(client: &Client) -> Row<'_> {
    let reasons = client.reasons.iter().map(|reason| Reason {
        feature: FEATURES[reason.feature].name,
        value: reason.value,
        contribution: reason.contribution,
        typical: reason.baseline,
    });
    Row {
        client: &client.name,
        requests: client.requests,
        first_seen: time(client.seen.0),
        last_seen: time(client.seen.1),
        score: client.score,
        last_score: client.last_score,
        verdict: client.fate.as_str(),
        flagged_at_request: client.flag.map(|flag| flag.request),
        flagged_at: client.flag.map(|flag| time(flag.at)),
        requests_stopped: client.stopped,
        features: &client.features,
        reasons: reasons.collect(),
    }
}

fn summary(report: &Report) -> Summary<'_> {
    let intake = &report.intake;
    let incomplete = intake.troubles.iter().map(|trouble| Incomplete {
        file: &trouble.name,
        lines: trouble.lines,
        reason: &trouble.reason,
    });
    let tally = |fate| {
        let tally = report.tallies.get(&fate).copied().unwrap_or_default();
        Tally {
            clients: tally.clients,
            requests: tally.requests,
        }
    };
    Summary {
        files: &intake.files,
        lines: intake.lines,
        unparsable: intake.unparsable,
        first_unparsable: intake.first_unparsable.as_ref().map(bad_line),
        malformed_requests: intake.malformed,
        incomplete_files: incomplete.collect(),
        clients: report.client_count(),
        requests: intake.requests,
        first_seen: intake.seen.map(|seen| time(seen.0)),
        last_seen: intake.seen.map(|seen| time(seen.1)),
        verdicts: Verdicts {
            rejected: tally(Fate::Rejected),
            suspect: tally(Fate::Suspect),
            passed: tally(Fate::Passed),
            allowed: tally(Fate::Allowed),
        },
        requests_stopped: report.stopped,
        evicted: Evicted {
            clients: report.forgotten.clients,
            requests: report.forgotten.requests,
            flagged: report.forgotten.flagged,
            requests_stopped: report.forgotten.stopped,
        },
        model: ModelIdentity {
            digest: &report.model,
            schema: schema_hash(),
        },
        thresholds: Thresholds {
            suspect: report.policy.suspect,
            reject: report.policy.reject,
            min_requests: report.policy.min_requests,
        },
    }
}

fn bad_line(bad: &report::BadLine) -> BadLine<'_> {
    BadLine {
        file: &bad.file,
        line: bad.line,
        reason: &bad.reason,
        text: &bad.text,
    }
}

/// Features by their names, in schema order.
fn by_name<S: Serializer>(features: &&Features, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(features.len()))?;
    for (feature, value) in FEATURES.iter().zip(features.iter()) {
        map.serialize_entry(feature.name, value)?;
    }
    map.end()
}

fn time(at: u32) -> String {
    jiff::Timestamp::from_second(i64::from(at)).map_or_else(|_| at.to_string(), |time| time.to_string())
}
