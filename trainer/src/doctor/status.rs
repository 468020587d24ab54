//! What the running module says of itself: `v1/status` below the location of `sekisho_api`.

use std::time::Duration;

use serde::Deserialize;

/// Longest that the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of the answer.
const MAX_BYTES: u64 = 4 << 20;

/// The part of the answer that is looked at.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Status {
    /// Every zone.
    #[serde(default)]
    pub zones: Vec<ZoneStatus>,
}

/// One zone, as it is now.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ZoneStatus {
    /// Its name.
    pub name: String,
    /// How full it is.
    pub clients: Occupancy,
    /// What was counted since it began.
    #[serde(default)]
    pub counters: Counters,
}

/// Records of a zone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Occupancy {
    /// That fit.
    pub capacity: u64,
    /// That there are.
    pub held: u64,
}

/// What a zone counts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Counters {
    /// Clients that were still active and had to make room.
    #[serde(default)]
    pub evictions: u64,
    /// Clients that got a record.
    #[serde(default)]
    pub requests: u64,
    /// Requests that were stopped, or would have been.
    #[serde(default)]
    pub rejected: u64,
    /// See `rejected`.
    #[serde(default)]
    pub rejected_dry_run: u64,
}

/// Why the running module cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Nobody answers, or not as expected.
    #[error("{url} does not answer")]
    Exchange {
        /// Where it should.
        url: String,
        /// What happened.
        source: Box<ureq::Error>,
    },
    /// Something else answers there.
    #[error("{url} does not answer as sekisho_api does")]
    Foreign {
        /// Where.
        url: String,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
}

/// Asks the module. `api` is the address of the location with `sekisho_api`.
pub fn ask(api: &str) -> Result<Status, StatusError> {
    let url = format!("{}/v1/status", api.trim_end_matches('/'));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .build()
        .into();
    let exchange = || {
        let mut response = agent.get(&url).call()?;
        response.body_mut().with_config().limit(MAX_BYTES).read_to_vec()
    };
    let body = exchange().map_err(|source| StatusError::Exchange {
        url: url.clone(),
        source: Box::new(source),
    })?;
    serde_json::from_slice(&body).map_err(|source| StatusError::Foreign { url, source })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request, whatever it is.
    fn answering(body: &'static str) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap();
            let asked = request[..length].starts_with(b"GET /sekisho/v1/status HTTP/1.1\r\n");
            let code = if asked { "200 OK" } else { "404 Not Found" };
            let head = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
        });
        format!("http://{address}/sekisho/")
    }

    #[test]
    fn the_status_is_read() {
        let body = r#"{"version":"0.1.0","zones":[{"name":"clients","key":"$binary_remote_addr","bytes":1048576,
            "clients":{"capacity":3800,"held":3790,"estimated":false},"counters":{"requests":90,"evictions":7}}]}"#;
        let status = ask(&answering(body)).unwrap();
        let zone = ZoneStatus {
            name: "clients".to_owned(),
            clients: Occupancy {
                capacity: 3800,
                held: 3790,
            },
            counters: Counters {
                evictions: 7,
                requests: 90,
                ..Counters::default()
            },
        };
        assert_eq!(status.zones, [zone]);
    }

    #[test]
    fn what_is_no_status_is_told() {
        let foreign = ask(&answering("<html>")).unwrap_err();
        assert!(matches!(foreign, StatusError::Foreign { .. }), "{foreign}");
        // Port 1 of this machine: nobody listens there.
        let nobody = ask("http://127.0.0.1:1").unwrap_err();
        assert_eq!(nobody.to_string(), "http://127.0.0.1:1/v1/status does not answer");
        let wrong = ask("no address").unwrap_err();
        assert!(matches!(wrong, StatusError::Exchange { .. }), "{wrong}");
    }
}
