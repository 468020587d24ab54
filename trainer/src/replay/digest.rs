//! What a decision log adds up to: who was stopped, and whether they were the right ones.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sekisho_core::checkpoint::DEFAULT_MIN_REQUESTS;
use sekisho_core::key::{Seed, key_hash};
use serde::Serialize;

use super::decisions::Decision;
use crate::dataset::{Label, ListError, Signs, UserAgents};

/// Longest line of a decision log that is read, in bytes.
const MAX_LINE: u64 = 128 * 1024;
/// Clients that are told apart; further ones are counted as unread.
const MAX_CLIENTS: usize = 1_000_000;
/// Longest part of a user agent that is kept, in characters.
const MAX_AGENT: usize = 160;
/// Stopped clients that are listed.
const LISTED: usize = 10;

/// Why a decision log cannot be summed up.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// It cannot be read.
    #[error("cannot read the decision log {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list of declared crawlers is broken.
    #[error(transparent)]
    List(#[from] ListError),
}

/// Who a client probably is, from its user agent and what only browsers do. The checkpoint never sees this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Its user agent names a crawler or a tool.
    DeclaredCrawler,
    /// A browser that loads scripts and pictures with their pages.
    LikelyPerson,
    /// Neither is clear: a crawler in a browser's clothes, a feed reader, a person without pictures.
    Unclear,
}

impl Kind {
    /// All of them, in the order of reports.
    pub const ALL: [Kind; 3] = [Kind::DeclaredCrawler, Kind::LikelyPerson, Kind::Unclear];
}

/// Sums over clients of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Clients.
    pub clients: u64,
    /// Clients with enough requests to be judged.
    pub judged: u64,
    /// Clients that were stopped at least once.
    pub stopped: u64,
    /// Requests.
    pub requests: u64,
    /// Requests that were stopped.
    pub stopped_requests: u64,
}

/// A client that was stopped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stopped {
    /// Its address.
    pub client: String,
    /// Who it probably is.
    pub kind: Kind,
    /// Requests, and how many of them were stopped.
    pub requests: u64,
    /// Requests that were stopped.
    pub stopped_requests: u64,
    /// Number of the first request that was stopped.
    pub first_stopped: u64,
    /// Its score then.
    pub score: f32,
    /// Names of the features that spoke most for it.
    pub reasons: Vec<String>,
    /// Its user agent then; the client's own words.
    pub user_agent: String,
}

/// What a decision log says.
#[derive(Debug, Serialize)]
pub struct Digest {
    /// Requests that the checkpoint saw.
    pub requests: u64,
    /// Requests it did not see, and lines that are none.
    pub unread: u64,
    /// Whether anything was really stopped, or all under dry run.
    pub enforced: bool,
    /// Sums by kind of client.
    pub kinds: BTreeMap<Kind, Tally>,
    /// Stopped clients by the first reason, most frequent first.
    pub reasons: Vec<(String, u64)>,
    /// The clients with the most stopped requests.
    pub stopped: Vec<Stopped>,
    /// Likely people among the stopped: the checkpoint's mistakes, if they are people.
    pub stopped_people: Vec<Stopped>,
}

#[derive(Default)]
struct Client {
    requests: u64,
    stopped_requests: u64,
    signs: Signs,
    first: Option<First>,
}

/// The first stop of a client.
struct First {
    number: u64,
    score: f32,
    reasons: String,
    user_agent: String,
}

/// Reads a decision log to its end.
pub fn read(path: &Path) -> Result<Digest, DigestError> {
    let failed = |source| DigestError::Read {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::with_capacity(256 * 1024, File::open(path).map_err(failed)?);
    let mut collector = Collector::new()?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .map_err(failed)?
            == 0
        {
            return Ok(collector.finish());
        }
        // nginx's JSON escaping leaves bytes over 127 as they came.
        collector.note(&String::from_utf8_lossy(&line));
    }
}

/// Takes decisions one by one.
pub(super) struct Collector {
    agents: UserAgents,
    clients: HashMap<String, Client>,
    requests: u64,
    unread: u64,
    enforced: bool,
}

impl Collector {
    pub(super) fn new() -> Result<Collector, ListError> {
        let agents = UserAgents::bundled()?;
        Ok(Collector {
            agents,
            clients: HashMap::new(),
            requests: 0,
            unread: 0,
            enforced: false,
        })
    }

    pub(super) fn note(&mut self, line: &str) {
        match serde_json::from_str::<Decision<'_>>(line) {
            Ok(decision) if !decision.verdict.is_empty() && self.has_room(&decision.client) => {
                self.add(&decision);
            }
            _ => self.unread += 1,
        }
    }

    fn has_room(&self, client: &str) -> bool {
        self.clients.len() < MAX_CLIENTS || self.clients.contains_key(client)
    }

    fn add(&mut self, decision: &Decision<'_>) {
        self.requests += 1;
        if !self.clients.contains_key(&*decision.client) {
            self.clients
                .insert(decision.client.to_string(), Client::default());
        }
        let Some(client) = self.clients.get_mut(&*decision.client) else {
            return;
        };
        client.requests += 1;
        let agent = self.agents.class(decision.user_agent.as_bytes());
        let has_referer = !matches!(&*decision.referer, "" | "-");
        let user_agent = key_hash(Seed::FIXED, decision.user_agent.as_bytes());
        client
            .signs
            .note(agent, user_agent, decision.target.as_bytes(), has_referer);
        if decision.stopped() {
            self.enforced |= decision.verdict == "REJECTED";
            client.stopped_requests += 1;
            client.first.get_or_insert_with(|| First {
                number: client.requests,
                score: decision.score.parse().unwrap_or_default(),
                reasons: decision.reasons.to_string(),
                user_agent: decision.user_agent.chars().take(MAX_AGENT).collect(),
            });
        }
    }

    pub(super) fn finish(self) -> Digest {
        let mut kinds: BTreeMap<Kind, Tally> = Kind::ALL.map(|kind| (kind, Tally::default())).into();
        let mut reasons: HashMap<String, u64> = HashMap::new();
        let mut stopped = Vec::new();
        for (name, client) in self.clients {
            let kind = kind(&client.signs);
            let tally = kinds.entry(kind).or_default();
            tally.clients += 1;
            tally.judged += u64::from(client.requests >= u64::from(DEFAULT_MIN_REQUESTS));
            tally.requests += client.requests;
            tally.stopped_requests += client.stopped_requests;
            if let Some(first) = client.first {
                tally.stopped += 1;
                let names: Vec<String> = first
                    .reasons
                    .split(',')
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
                if let Some(most) = names.first() {
                    *reasons.entry(most.clone()).or_default() += 1;
                }
                stopped.push(Stopped {
                    client: name,
                    kind,
                    requests: client.requests,
                    stopped_requests: client.stopped_requests,
                    first_stopped: first.number,
                    score: first.score,
                    reasons: names,
                    user_agent: first.user_agent,
                });
            }
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        stopped.sort_unstable_by(|a, b| {
            Reverse(a.stopped_requests)
                .cmp(&Reverse(b.stopped_requests))
                .then_with(|| a.client.cmp(&b.client))
        });
        let people = stopped.iter().filter(|client| client.kind == Kind::LikelyPerson);
        let stopped_people = people.take(LISTED).cloned().collect();
        stopped.truncate(LISTED);
        Digest {
            requests: self.requests,
            unread: self.unread,
            enforced: self.enforced,
            kinds,
            reasons,
            stopped,
            stopped_people,
        }
    }
}

fn kind(signs: &Signs) -> Kind {
    match signs.label() {
        Some(Label::Crawler(_)) => Kind::DeclaredCrawler,
        Some(Label::Human) => Kind::LikelyPerson,
        None => Kind::Unclear,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

    fn line(client: &str, target: &str, verdict: &str, referer: &str, user_agent: &str) -> String {
        let reasons = if verdict == "PASSED" {
            ""
        } else {
            "missing_referer_share,long_tail_share"
        };
        let score = if verdict == "PASSED" { "" } else { "0.9731" };
        json!({"client": client, "target": target, "verdict": verdict, "score": score, "reasons": reasons,
            "referer": referer, "user_agent": user_agent, "time": "", "status": "200", "id": ""})
        .to_string()
    }

    /// A crawler that is stopped from its tenth request on, a person, a stopped person, a client in between.
    pub fn example() -> Digest {
        let mut collector = Collector::new().unwrap();
        let bot = "EvilBot/1.0 \u{1b}[31m(+http://bot.example/)";
        for number in 0..40 {
            let verdict = if number < 9 { "PASSED" } else { "REJECTED" };
            collector.note(&line("192.0.2.1", &format!("/item/{number}"), verdict, "", bot));
        }
        for (client, verdict) in [("192.0.2.2", "PASSED"), ("2001:db8::3", "REJECTED")] {
            for target in ["/", "/a.css", "/a.png", "/b"] {
                collector.note(&line(client, target, verdict, "http://shop.test/", BROWSER));
            }
        }
        collector.note(&line("192.0.2.4", "/", "SUSPECT", "", BROWSER));
        collector.note(&line("192.0.2.4", "/", "", "", BROWSER));
        collector.note("rubbish");
        collector.finish()
    }

    #[test]
    fn sums_by_kind() {
        let digest = example();
        let tally = |clients, judged, stopped, requests, stopped_requests| Tally {
            clients,
            judged,
            stopped,
            requests,
            stopped_requests,
        };
        assert_eq!(digest.kinds[&Kind::DeclaredCrawler], tally(1, 1, 1, 40, 31));
        assert_eq!(digest.kinds[&Kind::LikelyPerson], tally(2, 0, 1, 8, 4));
        assert_eq!(digest.kinds[&Kind::Unclear], tally(1, 0, 0, 1, 0));
        assert_eq!((digest.requests, digest.unread, digest.enforced), (49, 2, true));
    }

    #[test]
    fn the_stopped_are_listed_by_what_they_cost() {
        let digest = example();
        let listed: Vec<_> = digest
            .stopped
            .iter()
            .map(|client| (client.client.as_str(), client.first_stopped))
            .collect();
        assert_eq!(listed, [("192.0.2.1", 10), ("2001:db8::3", 1)]);
        let people: Vec<_> = digest
            .stopped_people
            .iter()
            .map(|client| client.client.as_str())
            .collect();
        assert_eq!(people, ["2001:db8::3"]);
        assert_eq!(digest.reasons, [("missing_referer_share".to_owned(), 2)]);
    }
}
