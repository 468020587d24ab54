//! A running nginx, asked over the API of its module (`docs/api.md`).

mod allow;
mod answer;
mod error;
mod name;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::json;
use ureq::Agent;
use ureq::http::Response;

pub use allow::{AllowError, Allowed};
pub use answer::{Cost, Decision, Status, Zone};
#[cfg(test)]
pub use answer::{Guards, Totals};
pub use error::NginxError;
pub use name::{address_of, api_name, stored_name};

use crate::config::NginxSection;

/// Longest that one answer may take: a worker that does not answer for so long answers no visitor either.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer: a thousand decisions of the longest names are some 2 MiB.
const MAX_ANSWER: u64 = 4 << 20;
/// Bytes of a refusal that are read.
const MAX_REFUSAL: u64 = 64 << 10;
/// Decisions asked for at a time; the API gives no more.
const PAGE: u32 = 1_000;
/// Bans of one zone that are followed: more would not fit the memory of most firewalls either.
const MAX_DECISIONS: usize = 100_000;
/// Requests for one list: that many parts has a zone of 16 GiB.
const MAX_PARTS: u32 = 400;
/// Characters of a reason, as the API has it.
pub const MAX_REASON: usize = 200;
/// Seconds of a ban, as the API has it.
pub const MAX_BAN: u32 = 30 * 86_400;

/// One nginx.
#[derive(Clone, Debug)]
pub struct Nginx {
    name: String,
    api: String,
    allow_file: Option<PathBuf>,
    agent: Agent,
}

/// The bans of a zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decisions {
    /// Those in force, each client once.
    pub list: Vec<Decision>,
    /// Whether all are there: sets that a worker kept busy are left out by the API, and so is what is beyond
    /// [`MAX_DECISIONS`].
    pub complete: bool,
}

impl Nginx {
    /// The one that a section of the configuration names.
    pub fn new(section: &NginxSection) -> Nginx {
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            // A proxy of the environment is for the world outside.
            .proxy(None)
            .build();
        Nginx {
            name: section.name.clone(),
            api: section.api.trim_end_matches('/').to_owned(),
            allow_file: section.allow_file.clone(),
            agent: agent.into(),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The list of the allowed that may be edited, where there is one.
    pub fn allow_file(&self) -> Option<&Path> {
        self.allow_file.as_deref()
    }

    /// How it is doing.
    ///
    /// # Errors
    /// [`NginxError`]: it does not answer, or refuses.
    pub fn status(&self) -> Result<Status, NginxError> {
        self.get("v1/status")
    }

    /// What decisions cost, by zone.
    ///
    /// # Errors
    /// [`NginxError`]
    pub fn costs(&self) -> Result<Vec<Cost>, NginxError> {
        let url = self.url("v1/metrics");
        let (status, body) = self.exchange(&url, || self.agent.get(&url).call())?;
        if status != 200 {
            return Err(NginxError::refusal(&url, status, &body));
        }
        let text = String::from_utf8_lossy(&body);
        answer::costs(&text).map_err(|reason| NginxError::Foreign { url, reason })
    }

    /// The bans in force in a zone.
    ///
    /// # Errors
    /// [`NginxError`]
    pub fn decisions(&self, zone: &str) -> Result<Decisions, NginxError> {
        let (mut cursor, mut known) = (0, HashSet::new());
        let mut found = Decisions {
            complete: true,
            ..Decisions::default()
        };
        for _ in 0..MAX_PARTS {
            let path = format!(
                "v1/decisions?zone={}&limit={PAGE}&cursor={cursor}",
                name::escaped(zone)
            );
            let page: answer::Page = self.get(&path)?;
            found.complete &= page.seen.busy_sets == 0;
            // A record that moved between two parts is in both.
            let new = page
                .decisions
                .into_iter()
                .filter(|one| known.insert(one.client.clone()));
            found.list.extend(new);
            match page.next {
                _ if found.list.len() > MAX_DECISIONS => break,
                None => return Ok(found),
                // An answer that leads back would be followed for ever.
                Some(next) if next <= cursor => break,
                Some(next) => cursor = next,
            }
        }
        found.list.truncate(MAX_DECISIONS);
        found.complete = false;
        Ok(found)
    }

    /// Bans a client, for whatever reason is told in nginx's error log; replaces the ban in force.
    ///
    /// # Errors
    /// [`NginxError`]
    pub fn ban(&self, zone: &str, client: &str, seconds: u32, reason: &str) -> Result<Decision, NginxError> {
        let url = self.url("v1/decisions");
        let order = json!({
            "zone": zone,
            "client": api_name(client),
            "seconds": seconds,
            "reason": reason.chars().take(MAX_REASON).collect::<String>(),
        });
        let (status, body) = self.exchange(&url, || {
            let request = self.agent.post(&url).header("content-type", "application/json");
            request.send(order.to_string())
        })?;
        if status != 201 {
            return Err(NginxError::refusal(&url, status, &body));
        }
        read(url, &body)
    }

    /// Lifts the ban on a client; false when there was none.
    ///
    /// # Errors
    /// [`NginxError`]
    pub fn lift(&self, zone: &str, client: &str) -> Result<bool, NginxError> {
        let url = self.url(&decision_path(zone, client));
        let (status, body) = self.exchange(&url, || self.agent.delete(&url).call())?;
        match status {
            204 => Ok(true),
            _ => match NginxError::refusal(&url, status, &body) {
                NginxError::Refused { code, .. } if code == "no_decision" => Ok(false),
                error => Err(error),
            },
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.api)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, NginxError> {
        let url = self.url(path);
        let (status, body) = self.exchange(&url, || self.agent.get(&url).call())?;
        if status != 200 {
            return Err(NginxError::refusal(&url, status, &body));
        }
        read(url, &body)
    }

    /// Status and body of an answer.
    fn exchange(
        &self,
        url: &str,
        call: impl FnOnce() -> Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<(u16, Vec<u8>), NginxError> {
        let answered = || {
            let mut response = call()?;
            let status = response.status().as_u16();
            let limit = match status {
                200..300 => MAX_ANSWER,
                _ => MAX_REFUSAL,
            };
            let body = response.body_mut().with_config().limit(limit).read_to_vec()?;
            Ok((status, body))
        };
        answered().map_err(|source| NginxError::Exchange {
            name: self.name.clone(),
            url: url.to_owned(),
            source: Box::new(source),
        })
    }
}

fn decision_path(zone: &str, client: &str) -> String {
    format!(
        "v1/decisions/{}/{}",
        name::escaped(zone),
        name::escaped(&api_name(client))
    )
}

fn read<T: DeserializeOwned>(url: String, body: &[u8]) -> Result<T, NginxError> {
    serde_json::from_slice(body).map_err(|error| NginxError::Foreign {
        url,
        reason: error.to_string(),
    })
}
