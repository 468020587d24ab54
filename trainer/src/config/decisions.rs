//! `[decisions]`: who is told about bans, and whose bans are taken over.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use super::{Fault, fault, size};

/// The least that a log may be bounded to: a thousand lines or so.
const LEAST_LOG: u64 = 1 << 20;
/// Logs kept at most beside the one that is written.
const MOST_LOGS: u32 = 1_000;
/// Imports at most.
const MOST_IMPORTS: usize = 4;
/// Bans of one import at a time at most: each is a request to nginx.
const MOST_BANS: u32 = 10_000;
/// Hours of an imported ban at most: the API takes no longer one.
const MOST_HOURS: u32 = 720;

/// `[decisions]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionsSection {
    /// The log: a JSON object a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// It is rotated before it has more bytes than this.
    #[serde(deserialize_with = "size")]
    pub log_bytes: u64,
    /// So many rotated ones are kept.
    pub log_files: u32,
    /// `unix:/dev/log` or `udp://host:514`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<String>,
    /// File with the names and keys of those who follow bans over the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bouncer_keys_file: Option<PathBuf>,
    /// `[[decisions.import]]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub import: Vec<ImportSection>,
}

/// `[[decisions.import]]`: a CrowdSec local API whose bans become ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportSection {
    /// Its address.
    pub crowdsec: String,
    /// File with the key that it gave us.
    pub key_file: PathBuf,
    /// The zone, by addresses, in which its bans are put.
    pub zone: String,
    /// Bans at a time.
    #[serde(default = "usual_most")]
    pub most: u32,
    /// Hours of a ban; longer ones are put again when they end.
    #[serde(default = "usual_hours")]
    pub hours: u32,
    /// Seconds between two pulls.
    #[serde(default = "usual_poll")]
    pub poll_seconds: u32,
}

fn usual_most() -> u32 {
    1_000
}

fn usual_hours() -> u32 {
    24
}

fn usual_poll() -> u32 {
    10
}

impl Default for DecisionsSection {
    fn default() -> DecisionsSection {
        DecisionsSection {
            log: None,
            log_bytes: 64 << 20,
            log_files: 7,
            syslog: None,
            bouncer_keys_file: None,
            import: Vec::new(),
        }
    }
}

/// Where a syslog daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTarget {
    /// On this socket.
    Unix(PathBuf),
    /// At this host and port.
    Udp(String),
}

impl SyslogTarget {
    /// Reads `unix:PATH` and `udp://HOST:PORT`; the port is 514 without one.
    pub fn parse(text: &str) -> Option<SyslogTarget> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| SyslogTarget::Unix(path.into()));
        }
        let host = text.strip_prefix("udp://")?;
        let uri: Uri = format!("http://{host}").parse().ok()?;
        let authority = uri.authority()?;
        let is_whole = authority.as_str() == host && !host.contains('@') && !authority.host().is_empty();
        is_whole.then(|| {
            let port = authority.port_u16().unwrap_or(514);
            SyslogTarget::Udp(format!("{}:{port}", authority.host()))
        })
    }
}

/// What is of the right type and wrong nevertheless.
pub(super) fn validate(decisions: &DecisionsSection) -> Result<(), Fault> {
    let refused = |key, reason: String| Err(fault("decisions", key, reason));
    if decisions
        .log
        .as_ref()
        .is_some_and(|path| path.file_name().is_none())
    {
        return refused("log", "log names a file".to_owned());
    }
    if decisions.log_bytes < LEAST_LOG {
        return refused("log_bytes", format!("log_bytes is at least {}m", LEAST_LOG >> 20));
    }
    if decisions.log_files > MOST_LOGS {
        return refused("log_files", format!("log_files is 0 to {MOST_LOGS}"));
    }
    if decisions
        .syslog
        .as_deref()
        .is_some_and(|text| SyslogTarget::parse(text).is_none())
    {
        let reason = "syslog is unix:/dev/log, or udp://host:514".to_owned();
        return refused("syslog", reason);
    }
    if decisions.import.len() > MOST_IMPORTS {
        return refused("import", format!("at most {MOST_IMPORTS} imports"));
    }
    for import in &decisions.import {
        let whole = |most: u32, count: u32| (1..=most).contains(&count);
        let reason = if !import.crowdsec.starts_with("http://") || import.crowdsec.contains('@') {
            "crowdsec is the address of a local API, such as http://127.0.0.1:8080".to_owned()
        } else if import.zone.is_empty() {
            "zone names the zone in which bans are put".to_owned()
        } else if !whole(MOST_BANS, import.most) {
            format!("most is 1 to {MOST_BANS}")
        } else if !whole(MOST_HOURS, import.hours) {
            format!("hours is 1 to {MOST_HOURS}")
        } else if !whole(3_600, import.poll_seconds) {
            "poll_seconds is 1 to 3600".to_owned()
        } else {
            continue;
        };
        return refused("import", format!("[[decisions.import]] {reason}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syslog_is_a_socket_or_a_host() {
        #[track_caller]
        fn check(text: &str, expected: Option<SyslogTarget>) {
            assert_eq!(SyslogTarget::parse(text), expected, "{text}");
        }
        let udp = |text: &str| Some(SyslogTarget::Udp(text.to_owned()));
        check("unix:/dev/log", Some(SyslogTarget::Unix("/dev/log".into())));
        check("unix:log", None);
        check("udp://127.0.0.1:1514", udp("127.0.0.1:1514"));
        check("udp://logs.internal", udp("logs.internal:514"));
        check("udp://[::1]:514", udp("[::1]:514"));
        check("udp://a/b", None);
        check("udp://", None);
        check("tcp://a:514", None);
    }
}
