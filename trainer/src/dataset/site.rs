//! One site: its log, read once in order.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use sekisho_core::logline::Format;
use thiserror::Error;

use super::labels::{Label, UserAgents};
use super::snapshots::{Client, Extractor};
use crate::logs::{LogError, Logs, Parsed};

/// A site's clients, with what is believed of them.
#[derive(Debug)]
pub struct Site {
    /// The log's name up to its first dot.
    pub name: String,
    /// Clients in the order of their first request.
    pub clients: Vec<Client>,
    /// Lines that were read.
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
        }
        self
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
    let format = Format::Auto;
    let logs = Logs::open(&[PathBuf::from(path)], &format)?;
    let mut extractor = Extractor::new(agents, counts);
    let (mut lines, mut unparsable) = (0, 0);
    let troubles = logs.for_each(&AtomicU64::new(0), |batch| -> Result<(), Infallible> {
        for parsed in batch.parse(&format, |_, entry| entry) {
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
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = name.split('.').next().unwrap_or_default().to_owned();
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
