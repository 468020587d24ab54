//! A decision's event as a line of the decision log: JSON with the names of the Elastic Common Schema, version 8.11.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::nginx::address_of;
use crate::store::{DecisionEvent, DecisionRow, End, EventKind, is_pseudonym};
use crate::visible::escaped;

/// The schema's version.
const ECS: &str = "8.11.0";
/// In a second: the schema's unit of durations.
const NANOSECONDS: u64 = 1_000_000_000;
/// Characters of a text from elsewhere: longest names of clients, and reasons.
const SHOWN: usize = 1_100;

/// The line, without its end.
pub fn line(event: &DecisionEvent) -> String {
    let decision = &event.decision;
    let (action, kind) = action(event);
    // The row is as it is now; an earlier event knows nothing of its end.
    let ended = decision.ended.filter(|_| event.kind == EventKind::Ended);
    let until = ended.unwrap_or(decision.expires);
    let mut line = json!({
        "@timestamp": time(event.at),
        "ecs": {"version": ECS},
        "message": message(event, action),
        "event": {
            "kind": "event",
            "category": ["intrusion_detection"],
            "type": [kind],
            "action": action,
            "outcome": outcome(decision),
            "id": format!("{}-{}", decision.id, event.seq),
            "sequence": event.seq,
            "provider": decision.nginx,
            "reason": reason(decision),
            "start": time(decision.begun),
            "end": time(until),
            "duration": u64::from(until.saturating_sub(decision.begun)) * NANOSECONDS,
        },
        "source": source(&decision.client),
        "observer": {
            "vendor": "Sekisho",
            "product": "sekisho",
            "type": "waf",
            "name": decision.nginx,
            "version": env!("CARGO_PKG_VERSION"),
        },
        "rule": {"name": decision.origin, "ruleset": decision.zone},
        "sekisho": {
            "decision": decision.id,
            "zone": decision.zone,
            "client": shown(&decision.client),
            "origin": decision.origin,
            "reasons": decision.reasons,
            "reference": decision.reference,
            "note": shown(&decision.note),
            "expires": time(decision.expires),
            "dry_run": decision.dry_run,
            "held": decision.held,
            "end": decision.end.filter(|_| ended.is_some()),
        },
    });
    let author = match event.kind {
        EventKind::Ended => &decision.ended_by,
        _ => &decision.author,
    };
    if !author.is_empty()
        && let Some(fields) = line.as_object_mut()
    {
        fields.insert("user".to_owned(), json!({"name": shown(author)}));
    }
    line.to_string()
}

/// What was done, and which type of event that is: of those that the schema has for intrusion detection, which are
/// `allowed`, `denied` and `info`.
fn action(event: &DecisionEvent) -> (&'static str, &'static str) {
    let enforced = if event.decision.dry_run == Some(false) {
        "denied"
    } else {
        "info"
    };
    match (event.kind, event.decision.end) {
        (EventKind::Begun, _) => ("ban-begun", enforced),
        (EventKind::Acted, _) => ("ban-acted", enforced),
        (EventKind::Held, _) => ("ban-held", "info"),
        (EventKind::Freed, _) => ("ban-freed", enforced),
        (EventKind::Ended, Some(End::Expired)) => ("ban-expired", "info"),
        (EventKind::Ended, Some(End::Lifted)) => ("ban-lifted", "allowed"),
        (EventKind::Ended, Some(End::Replaced)) => ("ban-replaced", "info"),
        (EventKind::Ended, _) => ("ban-gone", "info"),
    }
}

/// Whether nginx acts on it. The schema has no word for dry run: `sekisho.dry_run` tells.
fn outcome(decision: &DecisionRow) -> &'static str {
    match decision.dry_run {
        Some(false) if !decision.held => "success",
        Some(false) => "failure",
        _ => "unknown",
    }
}

fn reason(decision: &DecisionRow) -> String {
    let said = [decision.reasons.join(", "), shown(&decision.note)];
    let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
    if said.is_empty() {
        decision.origin.clone()
    } else {
        said.join("; ")
    }
}

fn message(event: &DecisionEvent, action: &str) -> String {
    let decision = &event.decision;
    let dry = match decision.dry_run {
        Some(true) => ", dry run",
        _ => "",
    };
    format!(
        "{action}: {} in zone {} of {}, by {}{dry}: {}",
        shown(&decision.client),
        decision.zone,
        decision.nginx,
        decision.origin,
        reason(decision)
    )
}

/// Who it is about: an address by itself, anything else as text.
fn source(client: &str) -> Value {
    let mut source = Map::new();
    source.insert("address".to_owned(), json!(shown(client)));
    if let Some((address, _)) = address_of(client).filter(|_| !client.contains('/') && !is_pseudonym(client))
    {
        source.insert("ip".to_owned(), json!(address));
    }
    Value::Object(source)
}

fn shown(text: &str) -> String {
    escaped(text.as_bytes(), SHOWN)
}

/// Unix seconds as RFC 3339 has it.
pub fn time(at: u32) -> String {
    Timestamp::from_second(i64::from(at)).map_or_else(|_| at.to_string(), |time| time.to_string())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An event of a ban of the model.
    pub fn event(seq: i64, kind: EventKind, client: &str) -> DecisionEvent {
        DecisionEvent {
            seq,
            at: 1_800_000_060,
            kind,
            decision: DecisionRow {
                id: 7,
                nginx: "shop".to_owned(),
                zone: "clients".to_owned(),
                client: client.to_owned(),
                network: String::new(),
                origin: "model".to_owned(),
                reasons: vec!["pace".to_owned(), "depth".to_owned()],
                reference: "00000000000000ab".to_owned(),
                author: String::new(),
                note: String::new(),
                begun: 1_800_000_000,
                until: 1_800_000_600,
                expires: 1_800_000_600,
                dry_run: Some(false),
                held: false,
                ended: None,
                end: None,
                ended_by: String::new(),
            },
        }
    }

    #[test]
    fn a_line_has_the_names_of_the_schema() {
        let text = line(&event(3, EventKind::Begun, "192.0.2.7"));
        assert!(!text.contains('\n'));
        let value: Value = serde_json::from_str(&text).unwrap();
        let expected = json!({
            "@timestamp": "2027-01-15T08:01:00Z",
            "ecs": {"version": "8.11.0"},
            "message": "ban-begun: 192.0.2.7 in zone clients of shop, by model: pace, depth",
            "event": {
                "kind": "event", "category": ["intrusion_detection"], "type": ["denied"],
                "action": "ban-begun", "outcome": "success", "id": "7-3", "sequence": 3, "provider": "shop",
                "reason": "pace, depth", "start": "2027-01-15T08:00:00Z", "end": "2027-01-15T08:10:00Z",
                "duration": 600_000_000_000_u64,
            },
            "source": {"address": "192.0.2.7", "ip": "192.0.2.7"},
            "observer": {
                "vendor": "Sekisho", "product": "sekisho", "type": "waf", "name": "shop",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "rule": {"name": "model", "ruleset": "clients"},
            "sekisho": {
                "decision": 7, "zone": "clients", "client": "192.0.2.7", "origin": "model",
                "reasons": ["pace", "depth"], "reference": "00000000000000ab", "note": "",
                "expires": "2027-01-15T08:10:00Z", "dry_run": false, "held": false, "end": null,
            },
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn actions_types_and_outcomes() {
        #[track_caller]
        fn check(change: impl FnOnce(&mut DecisionEvent), action: &str, kind: &str, outcome: &str) {
            let mut one = event(3, EventKind::Begun, "192.0.2.7");
            change(&mut one);
            let value: Value = serde_json::from_str(&line(&one)).unwrap();
            assert_eq!(value["event"]["action"], action);
            assert_eq!(value["event"]["category"], json!(["intrusion_detection"]));
            assert_eq!(value["event"]["type"], json!([kind]), "{action}");
            assert_eq!(value["event"]["outcome"], outcome, "{action}");
        }
        check(
            |one| one.decision.dry_run = Some(true),
            "ban-begun",
            "info",
            "unknown",
        );
        check(|one| one.decision.dry_run = None, "ban-begun", "info", "unknown");
        check(
            |one| one.kind = EventKind::Acted,
            "ban-acted",
            "denied",
            "success",
        );
        let hold = |one: &mut DecisionEvent| {
            one.kind = EventKind::Held;
            one.decision.held = true;
        };
        check(hold, "ban-held", "info", "failure");
        check(
            |one| one.kind = EventKind::Freed,
            "ban-freed",
            "denied",
            "success",
        );
        let end = |end| {
            move |one: &mut DecisionEvent| {
                one.kind = EventKind::Ended;
                one.decision.end = Some(end);
            }
        };
        check(end(End::Expired), "ban-expired", "info", "success");
        check(end(End::Lifted), "ban-lifted", "allowed", "success");
        check(end(End::Replaced), "ban-replaced", "info", "success");
        check(end(End::Gone), "ban-gone", "info", "success");
    }

    #[test]
    fn hostile_names_are_text_in_one_line() {
        let mut one = event(1, EventKind::Ended, "a\u{1b}[31m\n\"}\u{202e}");
        one.decision.ended_by = "ana\r\n".to_owned();
        one.decision.note = "<script>\u{2028}".to_owned();
        let text = line(&one);
        assert!(!text.chars().any(crate::visible::is_hidden), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["source"], json!({"address": "a\\u{1b}[31m\\n\"}\\u{202e}"}));
        assert_eq!(value["user"]["name"], "ana\\r\\n");
        for client in ["p:16104e1d5c8ddc455fdba7e01a775ebb", "2001:db8::/64"] {
            let value: Value = serde_json::from_str(&line(&event(1, EventKind::Begun, client))).unwrap();
            assert_eq!(value["source"], json!({"address": client}));
        }
    }
}
