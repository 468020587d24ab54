//! The figures of the front page: the part that is sent again while the page is open.

use std::collections::BTreeMap;

use askama::Template;

use super::series::{Row, automated};
use crate::registry::shelf::short;
use crate::serve::pages::layout::Frame;
use crate::serve::pages::words::{Now, fill};
use crate::store::{Store, StoreError, TrafficCounts};
use crate::watch::LiveNginx;

/// Seconds that a rate of now is over.
const RATE: u32 = 60;

/// What is told of now.
pub struct Figures {
    /// Requests a second.
    rate: f64,
    /// Share of the load.
    automated: f64,
    /// Requests.
    stopped: u64,
    dry: u64,
    /// Clients.
    banned: u64,
    held: u64,
    /// Mean of a decision, nanoseconds.
    cost: Option<f64>,
    /// 99 of 100 took no longer, nanoseconds.
    cost_most: Option<f64>,
    /// Clients remembered, and how many fit.
    clients: (u64, u64),
    guards: Vec<Guard>,
    /// Models by their digest: the workers that run each.
    models: Vec<(String, usize)>,
    servers: Vec<Server>,
    lost: u64,
    faults: u64,
}

/// What holds enforcement back at one nginx.
struct Guard {
    name: String,
    open_until: Option<u32>,
    proxy: Option<u32>,
    shares: Option<(u32, u32)>,
}

/// Whether one nginx answers.
struct Server {
    name: String,
    version: String,
    failing: Option<(u32, String)>,
}

/// The live part of the page.
#[derive(Template)]
#[template(path = "pages/now-figures.html")]
pub struct Fragment<'a> {
    pub frame: &'a Frame,
    pub words: &'static Now,
    pub figures: Figures,
}

/// The figures at Unix second `now`, over the rows that are shown.
pub fn read(
    store: &Store,
    live: &[LiveNginx],
    zone: &str,
    rows: &[Row],
    now: u32,
) -> Result<Figures, StoreError> {
    let sum = sum(rows.iter());
    let recent: Vec<&Row> = rows
        .iter()
        .filter(|row| row.at + RATE >= now.saturating_sub(row.step))
        .collect();
    let seconds: u32 = recent.iter().map(|row| row.step).sum();
    let requests: u64 = recent.iter().map(|row| row.counts.requests).sum();
    let (banned, held) = store.open_count(zone)?;
    let mut figures = Figures {
        rate: requests as f64 / f64::from(seconds.max(1)),
        automated: automated(&sum),
        // A trapped request is told by a verdict of its own: in dry run it goes on.
        stopped: sum.rejected,
        dry: sum.rejected_dry_run,
        banned,
        held,
        cost: (sum.measured > 0).then(|| sum.nanoseconds as f64 / sum.measured as f64),
        cost_most: None,
        clients: (0, 0),
        guards: Vec::new(),
        models: Vec::new(),
        servers: Vec::new(),
        lost: 0,
        faults: sum.panics,
    };
    let mut models: BTreeMap<String, usize> = BTreeMap::new();
    for nginx in live {
        figures.add(nginx, zone);
        let workers = nginx.status.iter().flat_map(|status| &status.workers);
        for worker in workers {
            *models
                .entry(worker.model.clone().unwrap_or_default())
                .or_default() += 1;
        }
    }
    figures.models = models.into_iter().collect();
    Ok(figures)
}

impl Figures {
    fn add(&mut self, nginx: &LiveNginx, zone: &str) {
        let (version, failing) = match &nginx.status {
            Ok(status) => (status.nginx_version.clone(), None),
            Err(text) => (
                String::new(),
                Some((nginx.failing_since.unwrap_or_default(), text.clone())),
            ),
        };
        self.servers.push(Server {
            name: nginx.name.clone(),
            version,
            failing,
        });
        let Ok(status) = &nginx.status else { return };
        self.lost += status.totals.samples_dropped;
        let cost = nginx.costs.iter().find(|cost| cost.zone == zone);
        if let Some(most) = cost.and_then(|cost| cost.most) {
            let most = most * 1e9;
            self.cost_most = Some(self.cost_most.map_or(most, |other: f64| other.max(most)));
        }
        let Some(zone) = status.zones.iter().find(|found| found.name == zone) else {
            return;
        };
        self.clients.0 += zone.clients.held;
        self.clients.1 += zone.clients.capacity;
        let guards = &zone.guards;
        self.guards.push(Guard {
            name: nginx.name.clone(),
            open_until: guards.open_until,
            proxy: guards.proxy_share,
            shares: guards.clients_share.zip(guards.requests_share),
        });
    }
}

impl Fragment<'_> {
    fn shown(&self, number: &f64) -> String {
        if *number < 10.0 {
            format!("{number:.1}")
        } else {
            self.frame.number(number.round())
        }
    }

    fn cost(&self, nanoseconds: &f64) -> String {
        match *nanoseconds {
            ns if ns < 1_000.0 => format!("{ns:.0} ns"),
            ns if ns < 1_000_000.0 => format!("{:.1} µs", ns / 1_000.0),
            ns => format!("{:.1} ms", ns / 1_000_000.0),
        }
    }

    fn percent(&self, hundredths: &u32) -> String {
        format!("{hundredths} %")
    }
}

fn sum<'a>(rows: impl Iterator<Item = &'a Row>) -> TrafficCounts {
    let mut sums = TrafficCounts::default().values();
    for row in rows {
        for (sum, count) in sums.iter_mut().zip(row.counts.values()) {
            *sum = sum.saturating_add(count);
        }
    }
    TrafficCounts::of(sums)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::{Names, NewDecision};

    const NOW: u32 = 1_800_000_000;

    #[test]
    fn requests_and_clients_that_are_stopped_are_each_counted_once() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("s.db")).unwrap();
        let ban = |nginx: &str, client: &str, dry_run: Option<bool>| {
            let new = NewDecision {
                nginx: nginx.to_owned(),
                zone: "clients".to_owned(),
                client: client.to_owned(),
                begun: NOW,
                until: NOW + 600,
                expires: NOW + 600,
                dry_run,
                ..NewDecision::default()
            };
            store.begin_decision(&new, &Names::Plain, NOW).unwrap();
        };
        ban("shop", "192.0.2.7", Some(false));
        ban("blog", "192.0.2.7", Some(false));
        ban("shop", "192.0.2.8", Some(false));
        ban("blog", "192.0.2.8", Some(true));
        ban("shop", "192.0.2.9", Some(true));
        ban("blog", "192.0.2.9", None);
        let row = |at: u32| Row {
            at,
            step: 10,
            counts: TrafficCounts {
                requests: 9,
                rejected: 2,
                trapped: 3,
                ..TrafficCounts::default()
            },
        };
        let rows = [row(NOW - 10), row(NOW)];
        let figures = read(&store, &[], "clients", &rows, NOW).unwrap();
        // The table of the same page has rejected requests under the same word.
        assert_eq!(
            figures.stopped,
            rows.iter().map(|row| row.counts.rejected).sum::<u64>()
        );
        assert_eq!((figures.banned, figures.held), (2, 1));
    }
}
