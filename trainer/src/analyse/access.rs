//! What access logs tell of a time: how requests went over it, then who and what changed between two parts of it.
//!
//! The logs are read twice, so that memory holds two counts for each network and template and not their course.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

use sekisho_core::key::Seed;
use sekisho_core::logline::{Entry, Format};
use sekisho_core::sketch::registers::{self, BYTES};
use sekisho_core::url::{Method, Visit};
use serde::Serialize;

use super::cite::Cite;
use super::template::{Templates, path_words};
use crate::logs::{LogError, Logs, Parsed};
use crate::report::Span;
use crate::store::Names;
use crate::visible::escaped;

/// Networks that are looked at one by one, some 900 bytes each; requests of others are counted together.
const MAX_NETWORKS: usize = 20_000;
/// Lines that are kept of a network and of a template.
const CITED: usize = 3;
/// Characters of a client's name and of a template.
const SHOWN: usize = 120;
/// How paths of images, styles, scripts and fonts end.
const ASSETS: [&str; 16] = [
    ".css", ".js", ".mjs", ".map", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".avif",
    ".woff", ".woff2", ".ttf", ".mp4",
];

/// Counts of one bin, or of one part of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Answered with 5xx.
    pub server_errors: u64,
    /// Of these, 502, 503 or 504: what stands behind nginx did not answer.
    pub gateway_errors: u64,
    /// Answered with 403, 429 or 444: refused.
    pub refused: u64,
    /// Images, styles, scripts and fonts.
    pub assets: u64,
    /// POST answered with 401 or 403.
    pub denied: u64,
}

impl Counts {
    fn take(&mut self, entry: &Entry<'_>) {
        self.requests += 1;
        self.server_errors += u64::from(entry.status >= 500);
        self.gateway_errors += u64::from(matches!(entry.status, 502..=504));
        self.refused += u64::from(matches!(entry.status, 403 | 429 | 444));
        self.assets += u64::from(is_asset(&entry.target));
        self.denied += u64::from(is_denied(entry));
    }
}

/// How requests went over the time.
#[derive(Debug, Default)]
pub struct Course {
    /// Each bin of the span.
    pub bins: Vec<Counts>,
    /// First and last second within the span.
    pub covered: Option<(u32, u32)>,
    /// Lines that are no log lines.
    pub unparsable: u64,
    /// Lines outside the span.
    pub outside: u64,
    /// Logs that could not be read to their end.
    pub troubles: Vec<String>,
}

/// One network in the two parts of the time.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its name, made visible.
    pub name: String,
    /// The same for the store: a pseudonym where the store has pseudonyms.
    pub stored: String,
    /// Requests before.
    pub before: u64,
    /// What came since.
    pub after: Counts,
    /// A client of those who came since, made visible.
    pub client: String,
    /// The first lines since.
    pub cites: Vec<Cite>,
    urls: [u8; BYTES],
    agents: [u8; BYTES],
    clients: [u8; BYTES],
}

impl Network {
    /// Different URLs since, about.
    pub fn urls(&self) -> f64 {
        f64::from(registers::estimate(&self.urls))
    }

    /// Different user agents since, about.
    pub fn agents(&self) -> f64 {
        f64::from(registers::estimate(&self.agents))
    }

    /// Different clients since, about.
    pub fn clients(&self) -> f64 {
        f64::from(registers::estimate(&self.clients)).max(1.0).round()
    }

    /// Share of images, styles, scripts and fonts since.
    pub fn asset_share(&self) -> f64 {
        self.after.assets as f64 / self.after.requests.max(1) as f64
    }
}

/// Lines of one kind in the two parts of the time.
#[derive(Clone, Debug, Serialize)]
pub struct Kind {
    /// The template, made visible.
    pub template: String,
    /// Lines before.
    pub before: u64,
    /// Lines since.
    pub after: u64,
    /// The first lines since.
    pub cites: Vec<Cite>,
}

/// What access logs tell of the two parts.
#[derive(Debug, Default)]
pub struct Access {
    /// How long each part is, as far as there are lines, seconds.
    pub seconds: (f64, f64),
    /// Counts of the two.
    pub totals: (Counts, Counts),
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
    /// Requests of networks beyond [`MAX_NETWORKS`].
    pub beyond: u64,
    /// Kinds of requests.
    pub kinds: Vec<Kind>,
}

/// Reads how requests went.
///
/// # Errors
/// A log that is not there.
pub fn course(paths: &[PathBuf], format: &Format, span: Span) -> Result<Course, LogError> {
    let mut course = Course {
        bins: vec![Counts::default(); span.bins()],
        ..Course::default()
    };
    let troubles = each(paths, format, |_, _, parsed| match parsed {
        Some(entry) => match span.bin(entry.at) {
            Some(bin) => {
                course.bins[bin].take(entry);
                let (first, last) = course.covered.unwrap_or((entry.at, entry.at));
                course.covered = Some((first.min(entry.at), last.max(entry.at)));
            }
            None => course.outside += 1,
        },
        None => course.unparsable += 1,
    })?;
    course.troubles = troubles;
    Ok(course)
}

/// Reads what changed at `split`.
///
/// # Errors
/// A log that is not there.
pub fn compare(
    paths: &[PathBuf],
    format: &Format,
    (covered, split): ((u32, u32), u32),
    names: &Names,
) -> Result<Access, LogError> {
    let span = Span {
        from: covered.0,
        to: covered.1.saturating_add(1),
    };
    let mut access = Access {
        seconds: (
            f64::from(split.saturating_sub(span.from)),
            f64::from(span.to.saturating_sub(split)),
        ),
        ..Access::default()
    };
    let mut templates = Templates::default();
    each(paths, format, |file, (number, line), parsed| {
        let Some(entry) = parsed.filter(|entry| span.holds(entry.at)) else {
            return;
        };
        let since = entry.at >= split;
        let side = if since {
            &mut access.totals.1
        } else {
            &mut access.totals.0
        };
        side.take(entry);
        let cite = || Cite::line(file, number, line);
        access.network(entry, since, names, &cite);
        let target = String::from_utf8_lossy(&entry.target);
        let head = format!("{} {}", method(entry.method), entry.status);
        let place = templates.place(path_words(&head, &target));
        count(&mut access.kinds, place, since, &cite);
    })?;
    for (place, kind) in access.kinds.iter_mut().enumerate() {
        kind.template = escaped(templates.text(place, "/").as_bytes(), SHOWN);
    }
    Ok(access)
}

/// Counts a line of a kind.
pub fn count(kinds: &mut Vec<Kind>, place: usize, since: bool, cite: &dyn Fn() -> Cite) {
    while kinds.len() <= place {
        kinds.push(Kind {
            template: String::new(),
            before: 0,
            after: 0,
            cites: Vec::new(),
        });
    }
    let kind = &mut kinds[place];
    if since {
        kind.after += 1;
        if kind.cites.len() < CITED {
            kind.cites.push(cite());
        }
    } else {
        kind.before += 1;
    }
}

impl Access {
    fn network(&mut self, entry: &Entry<'_>, since: bool, names: &Names, cite: &dyn Fn() -> Cite) {
        let client = String::from_utf8_lossy(entry.client);
        let plain = Names::Plain.network(&client);
        let name = if plain.is_empty() {
            client.to_string()
        } else {
            plain
        };
        if self.networks.len() >= MAX_NETWORKS && !self.networks.contains_key(&name) {
            self.beyond += 1;
            return;
        }
        let network = self.networks.entry(name).or_insert_with_key(|name| Network {
            name: escaped(name.as_bytes(), SHOWN),
            stored: names.network(&client),
            before: 0,
            after: Counts::default(),
            client: String::new(),
            cites: Vec::new(),
            urls: [0; BYTES],
            agents: [0; BYTES],
            clients: [0; BYTES],
        });
        if !since {
            network.before += 1;
            return;
        }
        network.after.take(entry);
        let visit = Visit::new(Seed::FIXED, entry.method, &entry.target, None);
        registers::insert(&mut network.urls, visit.url());
        registers::insert(&mut network.agents, hash(&entry.user_agent));
        registers::insert(&mut network.clients, hash(entry.client));
        if network.client.is_empty() {
            network.client = escaped(entry.client, SHOWN);
        }
        if network.cites.len() < CITED {
            network.cites.push(cite());
        }
    }
}

/// Hands over each line with its file, its number and what it says; tells which logs could not be read to their end.
pub fn each(
    paths: &[PathBuf],
    format: &Format,
    mut take: impl FnMut(&str, (u64, &[u8]), Option<&Entry<'_>>),
) -> Result<Vec<String>, LogError> {
    let logs = Logs::open(paths, format)?;
    let names = logs.names();
    let troubles = logs.for_each(&AtomicU64::new(0), |batch| {
        let file = names.get(batch.source).map_or("", String::as_str);
        for (place, parsed) in batch.parse(format, |_, entry| entry).iter().enumerate() {
            let line = (batch.first_line + place as u64, batch.line(place));
            match parsed {
                Parsed::Entry(entry) => take(file, line, Some(entry)),
                Parsed::Unparsable(_) | Parsed::Overlong => take(file, line, None),
                Parsed::Blank => {}
            }
        }
        Ok::<(), LogError>(())
    })?;
    Ok(troubles
        .iter()
        .map(|trouble| {
            let text = format!(
                "{} was read up to line {}: {}",
                trouble.name, trouble.lines, trouble.reason
            );
            escaped(text.as_bytes(), 2 * SHOWN)
        })
        .collect())
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Other => "other",
    }
}

fn is_denied(entry: &Entry<'_>) -> bool {
    entry.method == Method::Post && matches!(entry.status, 401 | 403)
}

fn is_asset(target: &[u8]) -> bool {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    ASSETS.iter().any(|end| {
        let from = path.len().checked_sub(end.len());
        from.is_some_and(|from| path[from..].eq_ignore_ascii_case(end.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_known_by_their_end() {
        #[track_caller]
        fn check(target: &str, expected: bool) {
            assert_eq!(is_asset(target.as_bytes()), expected, "{target}");
        }
        check("/a/b.CSS?v=1", true);
        check("/a.png", true);
        check("/a.pngx", false);
        check("/page?x=.png", false);
        check("", false);
    }
}
