//! Bans of a CrowdSec local API become ours: its stream says what is to be banned, and each round makes it so.
//!
//! What a person lifted here stays lifted until that ban would have ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sekisho_core::key::shown_client;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::watch;
use ureq::Agent;

use super::bouncer::scope;
use super::order::{Ban, By, Done, IMPORT, OrderError, Orders};
use crate::causes::with_causes;
use crate::config::{ImportSection, SecretError, now, read_secret};
use crate::figures::counted;
use crate::nginx::{MAX_REASON, NginxError};
use crate::store::{DecisionRow, Names, Store, StoreError};
use crate::turns::turns;
use crate::visible::escaped;
use crate::watch::Live;

/// Whose bans these are.
pub const ORIGIN: &str = "crowdsec";
/// Longest that the answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of the answer: some 100,000 decisions, which a local API with public lists has.
const MAX_ANSWER: u64 = 32 << 20;
/// Orders to nginx in one round: the next goes on.
const MOST_ORDERS: usize = 200;

/// Why bans cannot be taken over.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The local API does not answer as it should.
    #[error("{url} does not answer: see that CrowdSec's local API runs there")]
    Exchange {
        /// What was asked.
        url: String,
        /// What happened.
        source: Box<ureq::Error>,
    },
    /// It refuses.
    #[error("{url} answers {status}: key_file holds what `cscli bouncers add sekisho` printed")]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
    },
    /// It answers something else.
    #[error("{url} does not answer as CrowdSec's local API does")]
    Foreign {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        source: serde_json::Error,
    },
    /// Our store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The stream's answer.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    new: Option<Vec<Foreign>>,
    deleted: Option<Vec<Foreign>>,
}

/// A decision of theirs.
#[derive(Clone, Debug, Deserialize)]
struct Foreign {
    #[serde(rename = "type")]
    kind: String,
    value: String,
    duration: String,
    #[serde(default)]
    scenario: String,
}

/// What is to be banned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    until: u32,
    scenario: String,
    /// As nginx names whom it banned for it: the group of an IPv6 address.
    banned: Option<String>,
    /// nginx has no client of that name.
    is_refused: bool,
}

impl Wanted {
    /// Keeps what became of the order for it.
    fn ordered(&mut self, outcome: Result<Vec<Done>, OrderError>) -> Result<(), ImportError> {
        let done = match outcome {
            Ok(done) => done,
            Err(OrderError::Partly(partly)) => {
                self.is_refused = partly.is_refused();
                partly.done
            }
            // Such as a network, where each client is an address.
            Err(OrderError::Nginx(NginxError::Refused { .. })) => {
                self.is_refused = true;
                return Ok(());
            }
            Err(OrderError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::debug!("{}", with_causes(&error));
                return Ok(());
            }
        };
        self.banned = done.into_iter().find_map(|done| done.client);
        Ok(())
    }
}

/// One import's work.
pub struct Import {
    section: ImportSection,
    key: String,
    agent: Agent,
    live: Arc<Live>,
    store: Store,
    names: Names,
    wanted: BTreeMap<String, Wanted>,
    is_known: bool,
    left_out: usize,
    trouble: Option<String>,
}

/// What one cannot begin without.
#[derive(Debug, Error)]
pub enum BeginError {
    /// Its key cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Nor the store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Import {
    /// Takes over the bans of a section.
    ///
    /// # Errors
    /// The key or the store cannot be read.
    pub fn new(
        section: &ImportSection,
        live: Arc<Live>,
        names: Names,
        store: &Path,
    ) -> Result<Import, BeginError> {
        let key = read_secret(&section.key_file)?;
        if let Some(warning) = &key.warning {
            tracing::warn!("{warning}");
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .build();
        Ok(Import {
            section: section.clone(),
            key: String::from_utf8_lossy(key.bytes()).into_owned(),
            agent: agent.into(),
            live,
            store: Store::open_existing(store)?,
            names,
            wanted: BTreeMap::new(),
            is_known: false,
            left_out: 0,
            trouble: None,
        })
    }

    /// Works until it is stopped.
    pub fn run(mut self, stop: &watch::Receiver<bool>) {
        let every = Duration::from_secs(self.section.poll_seconds.into());
        turns(stop, every, || {
            let outcome = self.round(now());
            self.tell(outcome.err().map(|error| with_causes(&error)));
        });
    }

    /// Asks what changed, and makes it so.
    ///
    /// # Errors
    /// [`ImportError`]
    pub fn round(&mut self, now: u32) -> Result<(), ImportError> {
        let answer = self.pull()?;
        self.take(answer, now);
        self.reconcile(now)
    }

    fn pull(&mut self) -> Result<Answer, ImportError> {
        let api = self.section.crowdsec.trim_end_matches('/');
        let startup = !self.is_known;
        let url = format!("{api}/v1/decisions/stream?startup={startup}&scopes=ip,range");
        let exchange = || {
            let request = self.agent.get(&url).header("x-api-key", &self.key);
            let mut response = request.header("user-agent", "sekisho/v0.1").call()?;
            let body = response
                .body_mut()
                .with_config()
                .limit(MAX_ANSWER)
                .read_to_vec()?;
            Ok((response.status().as_u16(), body))
        };
        let (status, body) = exchange().map_err(|source| ImportError::Exchange {
            url: url.clone(),
            source: Box::new(source),
        })?;
        if status != 200 {
            return Err(ImportError::Status { url, status });
        }
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|source| ImportError::Foreign { url, source })?;
        if startup {
            self.wanted.clear();
        }
        self.is_known = true;
        Ok(answer)
    }

    /// What is to be banned from now on.
    fn take(&mut self, answer: Answer, now: u32) {
        for gone in answer.deleted.unwrap_or_default() {
            self.wanted.remove(&gone.value);
        }
        self.left_out = 0;
        self.wanted.retain(|_, wanted| wanted.until > now);
        for new in answer.new.unwrap_or_default() {
            let Some(length) = seconds(&new.duration).filter(|_| new.kind == "ban") else {
                continue;
            };
            if scope(&new.value).is_none() {
                continue;
            }
            let until = now.saturating_add(length);
            if let Some(known) = self.wanted.get_mut(&new.value) {
                known.until = known.until.max(until);
            } else if self.wanted.len() < self.section.most as usize {
                let wanted = Wanted {
                    until,
                    scenario: new.scenario,
                    banned: None,
                    is_refused: false,
                };
                self.wanted.insert(new.value, wanted);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// Bans who is to be banned and is not, lifts whose ban is no longer wanted.
    fn reconcile(&mut self, now: u32) -> Result<(), ImportError> {
        let orders = Orders {
            live: &self.live,
            store: &self.store,
            names: &self.names,
        };
        let by = By {
            at: now,
            actor: IMPORT,
        };
        let zone = &self.section.zone;
        let mut open: Vec<DecisionRow> = self.store.open_decisions(None)?;
        // One that does not answer is made up for when it does.
        let mut targets = self.live.with_zone(zone);
        targets.retain(|target| target.answers);
        open.retain(|row| row.zone == *zone && targets.iter().any(|target| target.nginx.name() == row.nginx));
        let everywhere = targets.len();
        if everywhere == 0 {
            return Ok(());
        }
        let longest = self.section.hours * 3_600;
        let (mut given, mut kept) = (0, Vec::new());
        for (value, wanted) in &mut self.wanted {
            let names = [
                Some(value.clone()),
                Some(shown_client(value)),
                wanted.banned.clone(),
            ];
            let names: Vec<String> = names
                .iter()
                .flatten()
                .map(|name| self.names.client(name))
                .collect();
            let banned = open.iter().filter(|row| names.contains(&row.client)).count();
            kept.extend(names.clone());
            let lifted = || self.store.lifted_here(zone, &names, ORIGIN, IMPORT, now);
            if banned >= everywhere || wanted.is_refused || given >= MOST_ORDERS || lifted()? {
                continue;
            }
            given += 1;
            let ban = Ban {
                zone: zone.clone(),
                client: value.clone(),
                seconds: (wanted.until - now).min(longest),
                reason: reason(&wanted.scenario),
                origin: ORIGIN,
            };
            wanted.ordered(orders.ban(&ban, by))?;
        }
        let gone = open
            .iter()
            .filter(|row| row.origin == ORIGIN && !kept.contains(&row.client));
        for row in gone.take(MOST_ORDERS) {
            match orders.lift(zone, &row.client, by) {
                Ok(_) | Err(OrderError::NotBanned(_)) => {}
                Err(OrderError::Store(error)) => return Err(error.into()),
                Err(error) => tracing::debug!("{}", with_causes(&error)),
            }
        }
        Ok(())
    }

    /// Says what went wrong, once.
    fn tell(&mut self, error: Option<String>) {
        let trouble = error.or_else(|| {
            (self.left_out > 0).then(|| {
                let many = counted(self.left_out as u64, "ban");
                format!("{many} left out: there are more than [[decisions.import]] most")
            })
        });
        match (&self.trouble, &trouble) {
            (Some(before), Some(text)) if before == text => {}
            (_, Some(text)) => tracing::warn!("import from CrowdSec: {text}"),
            (Some(_), None) => tracing::info!("import from CrowdSec: all is well again"),
            (None, None) => {}
        }
        self.trouble = trouble;
    }
}

fn reason(scenario: &str) -> String {
    let shown = escaped(scenario.as_bytes(), MAX_REASON);
    format!("CrowdSec: {shown}").chars().take(MAX_REASON).collect()
}

/// Whole seconds of a duration as Go writes it; `None` when it is over, or none.
fn seconds(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0.0, String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let mut unit = letter.to_string();
        if let Some(next) = letters.next_if(|next| *next == 's' && letter != 's') {
            unit.push(next);
        }
        let factor = match unit.as_str() {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" | "us" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        number.clear();
    }
    // More than any ban: saturates.
    (number.is_empty() && total >= 1.0).then_some(total as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_go_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(seconds(text), expected, "{text}");
        }
        check("3h59m57.23s", Some(14_397));
        check("59s", Some(59));
        check("1m0s", Some(60));
        check("1m500ms", Some(60));
        check("168h0m0s", Some(604_800));
        check("99999999999h", Some(u32::MAX));
        for none in ["", "-1m2s", "0s", "900ms", "5", "1d", "s", "1..5s", "1h5"] {
            check(none, None);
        }
    }

    #[test]
    fn reasons_are_short_and_visible() {
        assert_eq!(
            reason("crowdsecurity/http-crawl"),
            "CrowdSec: crowdsecurity/http-crawl"
        );
        let long = reason(&"\u{1b}".repeat(500));
        assert!(long.chars().count() == MAX_REASON && !long.contains('\u{1b}'));
    }
}
