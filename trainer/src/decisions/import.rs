//! Bans of a CrowdSec local API become ours: its stream says what is to be banned, and each round makes it so.
//!
//! What a person lifted here stays lifted until that ban would have ended.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;
use ureq::Agent;

use super::order::{Ban, By, Done, IMPORT, OrderError, Orders};
use super::wanted::{Answer, ORIGIN, Plan, Wanted};
use crate::causes::with_causes;
use crate::config::{ImportSection, SecretError, now, read_secret};
use crate::figures::counted;
use crate::nginx::NginxError;
use crate::store::{DecisionRow, Names, Store, StoreError};
use crate::turns::turns;
use crate::watch::Live;

/// Longest that the answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of the answer: some 100,000 decisions, which a local API with public lists has.
const MAX_ANSWER: u64 = 32 << 20;
/// Orders to nginx in one round: the next goes on.
const MOST_ORDERS: usize = 200;
/// Seconds after which it is told again that bans are left out.
const REMIND: u32 = 3_600;

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

/// One import's work.
pub struct Import {
    section: ImportSection,
    key: String,
    agent: Agent,
    live: Arc<Live>,
    store: Store,
    names: Names,
    wanted: Wanted,
    /// Whether the next answer need only have what changed.
    is_known: bool,
    left_out: usize,
    told: Told,
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
            wanted: Wanted::default(),
            is_known: false,
            left_out: 0,
            told: Told::default(),
            trouble: None,
        })
    }

    /// Works until it is stopped.
    pub fn run(mut self, stop: &watch::Receiver<bool>) {
        let every = Duration::from_secs(self.section.poll_seconds.into());
        turns(stop, every, || {
            let outcome = self.round(now());
            self.tell(outcome.err().map(|error| with_causes(&error)), now());
        });
    }

    /// Asks what changed, and makes it so.
    ///
    /// # Errors
    /// [`ImportError`]
    pub fn round(&mut self, now: u32) -> Result<(), ImportError> {
        // Only a pull that succeeds goes on where the last one ended: what one told that failed is not told again.
        let is_all = !std::mem::replace(&mut self.is_known, false);
        let answer = self.pull(is_all)?;
        self.wanted.take(answer, is_all, &self.names, now);
        self.is_known = !self.wanted.is_short();
        self.reconcile(now)
    }

    fn pull(&self, is_all: bool) -> Result<Answer, ImportError> {
        let api = self.section.crowdsec.trim_end_matches('/');
        let url = format!("{api}/v1/decisions/stream?startup={is_all}&scopes=ip,range");
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
        serde_json::from_slice(&body).map_err(|source| ImportError::Foreign { url, source })
    }

    /// Bans who is to be banned and is not, lifts whose ban is no longer wanted.
    fn reconcile(&mut self, now: u32) -> Result<(), ImportError> {
        let zone = self.section.zone.clone();
        let mut open: Vec<DecisionRow> = self.store.open_decisions(None)?;
        // One that does not answer is made up for when it does.
        let mut targets = self.live.with_zone(&zone);
        targets.retain(|target| target.answers);
        if targets.is_empty() {
            return Ok(());
        }
        let is_reached = |row: &DecisionRow| targets.iter().any(|target| target.nginx.name() == row.nginx);
        open.retain(|row| row.zone == zone && is_reached(row));
        let most = self.section.most as usize;
        let plan = self.wanted.plan(&open, targets.len(), most);
        self.left_out = plan.left_out;
        self.ban(&plan, now)?;
        let gone = open
            .iter()
            .filter(|row| row.origin == ORIGIN && !plan.kept.contains(&row.client));
        let orders = self.orders();
        for row in gone.take(MOST_ORDERS) {
            match orders.lift(&zone, &row.client, by(now)) {
                Ok(_) | Err(OrderError::NotBanned(_)) => {}
                Err(OrderError::Store(error)) => return Err(error.into()),
                Err(error) => tracing::debug!("{}", with_causes(&error)),
            }
        }
        Ok(())
    }

    /// Bans those that are missing, as far as there is room, except whom a person let go.
    fn ban(&mut self, plan: &Plan, now: u32) -> Result<(), ImportError> {
        let (mut room, mut given) = (plan.room, 0);
        let longest = self.section.hours * 3_600;
        for value in &plan.missing {
            let Some(wish) = self.wanted.wish(value) else {
                continue;
            };
            let is_begun = wish.names().iter().any(|name| plan.kept.contains(name));
            if given >= MOST_ORDERS {
                break;
            }
            let zone = &self.section.zone;
            let is_let_go = || self.store.lifted_here(zone, wish.names(), ORIGIN, IMPORT, now);
            if (room == 0 && !is_begun) || is_let_go()? {
                continue;
            }
            given += 1;
            let ban = Ban {
                zone: zone.clone(),
                client: value.clone(),
                seconds: (wish.until - now).min(longest),
                reason: wish.reason.clone(),
                origin: ORIGIN,
            };
            let outcome = self.orders().ban(&ban, by(now));
            let has_begun = self.ordered(value, outcome)?;
            room -= usize::from(has_begun && !is_begun);
        }
        Ok(())
    }

    /// Keeps what became of an order to ban one of them; whether a ban stands by it.
    fn ordered(&mut self, value: &str, outcome: Result<Vec<Done>, OrderError>) -> Result<bool, ImportError> {
        let mut is_refused = false;
        let done = match outcome {
            Ok(done) => done,
            Err(OrderError::Partly(partly)) => {
                is_refused = partly.is_refused();
                partly.done
            }
            // Such as a network, where each client is an address.
            Err(OrderError::Nginx(NginxError::Refused { .. })) => {
                is_refused = true;
                Vec::new()
            }
            Err(OrderError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::debug!("{}", with_causes(&error));
                Vec::new()
            }
        };
        // What one of several has taken stays.
        if is_refused && done.is_empty() {
            self.wanted.refused(value);
        }
        let has_begun = !done.is_empty();
        for banned in done.into_iter().filter_map(|done| done.client) {
            self.wanted.banned_as(value, self.names.client(&banned));
        }
        Ok(has_begun)
    }

    fn orders(&self) -> Orders<'_> {
        Orders {
            live: &self.live,
            store: &self.store,
            names: &self.names,
        }
    }

    /// Says what went wrong, once, and who is left out.
    fn tell(&mut self, trouble: Option<String>, now: u32) {
        match (&self.trouble, &trouble) {
            (Some(before), Some(text)) if before == text => {}
            (_, Some(text)) => tracing::warn!("import from CrowdSec: {text}"),
            (Some(_), None) => tracing::info!("import from CrowdSec: it goes on"),
            (None, None) => {}
        }
        self.trouble = trouble;
        match self.told.next(self.left_out, now) {
            News::None => {}
            News::Over => tracing::info!("import from CrowdSec: no ban is left out any more"),
            News::LeftOut => {
                let many = counted(self.left_out as u64, "ban");
                tracing::warn!(
                    "import from CrowdSec: {many} left out until there is room: there are more than [[decisions.import]] most"
                );
            }
        }
    }
}

fn by(at: u32) -> By<'static> {
    By { at, actor: IMPORT }
}

/// How many were left out when that was last told, and when.
#[derive(Debug, Default)]
struct Told {
    left_out: usize,
    at: u32,
}

/// What there is to tell of those who are left out.
#[derive(Debug, PartialEq, Eq)]
enum News {
    None,
    LeftOut,
    Over,
}

impl Told {
    fn next(&mut self, left_out: usize, now: u32) -> News {
        let is_more = left_out > 0 && left_out >= self.left_out.saturating_mul(2);
        let is_due = left_out > 0 && now.saturating_sub(self.at) >= REMIND;
        let is_over = left_out == 0 && self.left_out > 0;
        if !(is_more || is_due || is_over) {
            return News::None;
        }
        *self = Told { left_out, at: now };
        if is_over { News::Over } else { News::LeftOut }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    const NOW: u32 = 1_800_000_000;

    /// Pulls once for each answer; the value of `startup` in each.
    fn asked(answers: Vec<String>) -> Vec<String> {
        let dir = TempDir::new().unwrap();
        let (store, key) = (dir.path().join("s.db"), dir.path().join("key"));
        Store::open(&store).unwrap();
        std::fs::write(&key, "k".repeat(32)).unwrap();
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        let section = ImportSection {
            crowdsec: format!("http://{}", api.local_addr().unwrap()),
            key_file: key,
            zone: "clients".to_owned(),
            most: 10,
            hours: 1,
            poll_seconds: 1,
        };
        let count = answers.len();
        let serve = move |answer: String| {
            let (mut peer, _) = api.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            peer.write_all(answer.as_bytes()).unwrap();
            let head = String::from_utf8(head).unwrap();
            let (_, rest) = head.split_once("startup=").unwrap();
            rest.split_once('&').unwrap().0.to_owned()
        };
        let api = thread::spawn(move || answers.into_iter().map(serve).collect());
        let live = Arc::new(Live::new(&[]));
        let mut import = Import::new(&section, live, Names::Plain, &store).unwrap();
        for _ in 0..count {
            let _ = import.round(NOW);
        }
        api.join().unwrap()
    }

    #[test]
    fn everything_is_asked_for_after_a_pull_that_failed() {
        let answer = |status: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        };
        let good = || answer("200 OK", r#"{"new":null,"deleted":null}"#);
        let cut = good().replace("content-length: 27", "content-length: 270");
        let bad = [cut, answer("200 OK", "{"), answer("500 No", "{}")];
        let mut answers = vec![good(), good()];
        for bad in bad {
            answers.extend([bad, good()]);
        }
        let expected = ["true", "false", "false", "true", "false", "true", "false", "true"];
        assert_eq!(asked(answers), expected);
    }

    #[test]
    fn who_is_left_out_is_told_at_first_when_more_and_each_hour() {
        let mut told = Told::default();
        #[track_caller]
        fn check(told: &mut Told, left_out: usize, later: u32, expected: News) {
            assert_eq!(told.next(left_out, NOW + later), expected, "{left_out} {later}");
        }
        check(&mut told, 0, 0, News::None);
        check(&mut told, 5, 1, News::LeftOut);
        check(&mut told, 6, 2, News::None);
        check(&mut told, 10, 3, News::LeftOut);
        check(&mut told, 10, 2 + REMIND, News::None);
        check(&mut told, 9, 3 + REMIND, News::LeftOut);
        check(&mut told, 0, 4 + REMIND, News::Over);
        check(&mut told, 0, 5 + 3 * REMIND, News::None);
    }
}
