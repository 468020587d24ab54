//! One site: its log, read once in order.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use sekisho_core::logline::Format;
use thiserror::Error;

use super::client::Client;
use super::labels::{Label, UserAgents};
use super::origin::Origin;
use super::snapshots::{Extractor, When};
use crate::logs::{LogError, Logs, Parsed};

/// A site's clients, with what is believed of them.
#[derive(Debug)]
pub struct Site {
    /// The log's name up to its first dot, or the zone's.
    pub name: String,
    /// Clients in the order of their first request.
    pub clients: Vec<Client>,
    /// Lines of log, or samples, that were read.
    pub lines: u64,
    /// Lines that were none.
    pub unparsable: u64,
}

/// Why a site cannot be learnt from.
#[derive(Debug, Error)]
pub enum SiteError {
    /// Its log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its log broke off: a model from half a log would look like one from the whole.
    #[error("{name} broke off after line {line}: {reason}; mend or remove it")]
    Broken {
        /// The log.
        name: String,
        /// Lines before.
        line: u64,
        /// What happened.
        reason: String,
    },
    /// More clients than are followed.
    #[error("{name} has more clients than are followed ({left_out} requests left out); give a shorter log")]
    TooMany {
        /// The log.
        name: String,
        /// Requests of clients past the bound.
        left_out: u64,
    },
}

impl Site {
    /// Declares every client automated: a log that has only attackers.
    pub fn all_automated(mut self, family: u32) -> Site {
        for client in &mut self.clients {
            client.label = Some(Label::Crawler(family));
            client.origin = Some(Origin::Declared);
        }
        self
    }

    /// What happened from `since` on: clients seen then, their rows and requests of that time.
    pub fn since(&self, since: u32) -> Site {
        let clients = self.clients.iter().filter(|client| client.last >= since);
        let clients = clients.map(|client| {
            let mut later = client.clone();
            let earlier = client.rows.iter().filter(|row| row.at < since);
            let before = earlier.map(|row| row.requests).max().unwrap_or_default();
            later.earlier = client.earlier.max(before);
            later.requests = (client.earlier + client.requests)
                .saturating_sub(later.earlier)
                .max(1);
            later.rows.retain(|row| row.at >= since);
            later.first = later.first.max(since);
            later
        });
        self.with(clients.collect())
    }

    /// What had happened before `until`: clients seen by then, their rows and requests of that time.
    pub fn until(&self, until: u32) -> Site {
        let clients = self.clients.iter().filter(|client| client.first < until);
        let clients = clients.map(|client| {
            let mut earlier = client.clone();
            if client.last >= until {
                earlier.rows.retain(|row| row.at < until);
                let last = earlier
                    .rows
                    .iter()
                    .map(|row| row.requests)
                    .max()
                    .unwrap_or_default();
                earlier.requests = last.saturating_sub(client.earlier).max(1);
                earlier.last = until - 1;
            }
            earlier
        });
        self.with(clients.collect())
    }

    /// Lets each drawn client stand for as many as were not drawn beside it. `contrast` is the share of
    /// `sekisho_samples`, more than 0.
    pub fn weigh(&mut self, contrast: f64) {
        for client in self.clients.iter_mut().filter(|client| client.drawn) {
            client.weight = 1.0 / contrast;
        }
    }

    /// First and last time that a client was seen, unix seconds; `None` without clients.
    pub fn span(&self) -> Option<(u32, u32)> {
        let first = self.clients.iter().map(|client| client.first).min()?;
        Some((first, self.clients.iter().map(|client| client.last).max()?))
    }

    /// The same site with other clients.
    pub fn with(&self, clients: Vec<Client>) -> Site {
        Site {
            name: self.name.clone(),
            clients,
            ..*self
        }
    }

    /// Numbers of clients labelled crawler and human.
    pub fn labelled(&self) -> (usize, usize) {
        let count = |human| {
            let is = |client: &&Client| client.label.is_some_and(|label| (label == Label::Human) == human);
            self.clients.iter().filter(is).count()
        };
        (count(false), count(true))
    }
}

/// Reads a site's log; rows are taken at `counts` requests.
pub fn read_site(path: &Path, agents: &mut UserAgents, counts: &[u32]) -> Result<Site, SiteError> {
    let log = Log {
        paths: &[PathBuf::from(path)],
        format: &Format::Auto,
    };
    log.read(agents, When::At(counts), &AtomicU64::new(0))
}

/// The log of one site, in one file or several.
pub struct Log<'a> {
    /// Its files, in any order.
    pub paths: &'a [PathBuf],
    /// How it is written.
    pub format: &'a Format,
}

impl Log<'_> {
    /// Reads it; the first file names the site. `done` counts the bytes read.
    pub fn read(&self, agents: &mut UserAgents, when: When<'_>, done: &AtomicU64) -> Result<Site, SiteError> {
        let logs = Logs::open(self.paths, self.format)?;
        let mut extractor = Extractor::new(agents, when);
        let (mut lines, mut unparsable) = (0, 0);
        let troubles = logs.for_each(done, |batch| -> Result<(), Infallible> {
            for parsed in batch.parse(self.format, |_, entry| entry) {
                lines += 1;
                match parsed {
                    Parsed::Entry(entry) => extractor.push(&entry),
                    _ => unparsable += 1,
                }
            }
            Ok(())
        });
        let Ok(troubles) = troubles;
        if let Some(trouble) = troubles.into_iter().next() {
            return Err(SiteError::Broken {
                name: trouble.name,
                line: trouble.lines,
                reason: trouble.reason,
            });
        }
        let name = self.paths.first().map(|path| site_name(path)).unwrap_or_default();
        let (clients, left_out) = extractor.finish();
        if left_out > 0 {
            return Err(SiteError::TooMany { name, left_out });
        }
        Ok(Site {
            name,
            clients,
            lines,
            unparsable,
        })
    }
}

/// The file's name up to its first dot.
fn site_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}
