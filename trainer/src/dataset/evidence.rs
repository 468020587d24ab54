//! What the site itself tells beside its logs: sample files, and the store that keeps them.

use std::path::PathBuf;

use clap::ArgGroup;
use thiserror::Error;

use super::samples::{Gathering, Rest};
use super::site::{Site, SiteError};
use super::stored::sites_of;
use crate::store::StoreError;

/// Where samples are.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(group(ArgGroup::new("given").args(["samples", "store"]).multiple(true)))]
pub struct Evidence {
    /// Sample file of the module, plain or gzip; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub samples: Vec<PathBuf>,

    /// Store of `sekisho serve`
    #[arg(long, value_name = "DB")]
    pub store: Option<PathBuf>,

    /// Only the samples of this zone
    #[arg(long, value_name = "ZONE", requires = "given")]
    pub zone: Option<String>,

    /// The share contrast= of sekisho_samples, such as 1%: weighs drawn clients back
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "given")]
    pub contrast: Option<f64>,
}

/// Why samples cannot be used.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// A file is broken.
    #[error(transparent)]
    Read(#[from] SiteError),
    /// The store is missing or broken.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No line is a sample that this build understands.
    #[error("the samples hold no row of this build's features ({} broken lines, {} of another version or schema{}); \
             collect samples with this version of the module", rest.broken, rest.foreign, named(rest))]
    Empty {
        /// What there was.
        rest: Rest,
    },
    /// The zone is not in the samples.
    #[error("no samples of the zone \"{zone}\"; there are samples of {}", known.join(", "))]
    Zone {
        /// Asked for.
        zone: String,
        /// Zones that there are.
        known: Vec<String>,
    },
    /// Several zones, and none was chosen.
    #[error("the samples are of the zones {}: choose one with --zone", zones.join(", "))]
    Several {
        /// Their names.
        zones: Vec<String>,
    },
}

fn named(rest: &Rest) -> String {
    let first = rest.first_foreign.as_ref();
    first.map(|first| format!(": {first}")).unwrap_or_default()
}

impl Evidence {
    /// Whether any was given.
    pub fn is_given(&self) -> bool {
        !self.samples.is_empty() || self.store.is_some()
    }

    /// The only zone that there is, or was chosen; what was left out is told.
    ///
    /// # Errors
    /// See [`EvidenceError`].
    pub fn only_site(&self) -> Result<Site, EvidenceError> {
        let (mut sites, rest) = self.sites()?;
        if let Some(told) = rest.told() {
            eprintln!("{told}");
        }
        if sites.len() > 1 {
            let zones = sites.into_iter().map(|site| site.name).collect();
            return Err(EvidenceError::Several { zones });
        }
        sites.pop().ok_or(EvidenceError::Empty { rest })
    }

    /// One site for each zone, with what was left out; nothing when nothing was given.
    ///
    /// # Errors
    /// See [`EvidenceError`].
    pub fn sites(&self) -> Result<(Vec<Site>, Rest), EvidenceError> {
        if !self.is_given() {
            return Ok((Vec::new(), Rest::default()));
        }
        let mut gathering = Gathering::default();
        if !self.samples.is_empty() {
            gathering.read(&self.samples)?;
        }
        let (mut sites, rest) = gathering.finish();
        if let Some(store) = &self.store {
            sites.extend(sites_of(store, self.zone.as_deref())?);
        }
        sites.retain(|site| !site.clients.is_empty());
        if sites.is_empty() {
            return Err(EvidenceError::Empty { rest });
        }
        if let Some(contrast) = self.contrast {
            sites.iter_mut().for_each(|site| site.weigh(contrast));
        }
        if let Some(zone) = &self.zone {
            let known = sites.iter().map(|site| site.name.clone()).collect();
            sites.retain(|site| site.name == *zone);
            if sites.is_empty() {
                let zone = zone.clone();
                return Err(EvidenceError::Zone { zone, known });
            }
        }
        Ok((sites, rest))
    }
}

/// A share as the directive has it, `1%`, or as a number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.parse::<f64>().ok();
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|percent| percent / 100.0),
        None => number(text),
    };
    share
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "a share is more than 0% and at most 100%, such as 1%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_or_numbers() {
        #[track_caller]
        fn check(text: &str, expected: Option<f64>) {
            assert_eq!(share(text).ok(), expected, "{text}");
        }
        check("1%", Some(0.01));
        check("0.5%", Some(0.005));
        check("0.25", Some(0.25));
        check("100%", Some(1.0));
        for bad in ["0", "0%", "-1%", "101%", "NaN", "x", "", "%"] {
            check(bad, None);
        }
    }
}
