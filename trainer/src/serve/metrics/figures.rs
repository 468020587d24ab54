//! What the store tells for metrics.

use std::time::SystemTime;

use sekisho_llm::{Chain, PeriodStatus};

use super::page::{Kind, Page};
use crate::causes::with_causes;
use crate::config::NotifySection;
use crate::notify::{self, Tally};
use crate::registry::history::History;
use crate::retrain::{self, Glance};
use crate::store::{Census, Retention, SourceTotals, Store, StoreError, Totals};

/// Zones that are told: an nginx has a few.
const MAX_ZONES: usize = 64;
/// Sources that are told: as many as can be configured.
const MAX_SOURCES: usize = 64;

/// Everything that is read for one page.
pub struct Figures {
    sources: Vec<SourceTotals>,
    used: u64,
    limit: u64,
    aside: u64,
    census: Census,
    retraining: Option<Glance>,
    champion: Option<(String, i64)>,
    budgets: Vec<PeriodStatus>,
    notices: Vec<Tally>,
}

impl Figures {
    /// Reads the store at Unix second `now`, beside what there is in all; a chain of language models is asked what it has
    /// spent.
    ///
    /// # Errors
    /// The store's.
    pub fn read(
        store: &Store,
        totals: &Totals,
        chain: Option<&Chain>,
        targets: &[NotifySection],
        retention: Retention,
        now: u32,
    ) -> Result<Figures, StoreError> {
        // What cannot be told of models is no reason to tell nothing of samples.
        let retraining = retrain::glance(store);
        if let Err(error) = &retraining {
            tracing::debug!("metrics are told without retraining: {}", with_causes(&error));
        }
        let status = chain.map(|chain| chain.status(SystemTime::now()));
        Ok(Figures {
            sources: store.sources()?,
            used: store.used_bytes()?,
            limit: retention.bytes,
            aside: store.aside()?,
            census: store.census(totals, now)?,
            retraining: retraining.ok(),
            champion: History::of(store.connection()).champion()?,
            notices: notify::tallies(store, targets)?,
            budgets: status.map(|status| status.periods).unwrap_or_default(),
        })
    }

    /// Writes it; of sources those that are followed now, by what waits for them.
    pub fn render(&self, followed: &[(String, u64)], page: &mut Page) {
        self.render_sources(followed, page);
        self.render_store(page);
        self.render_models(page);
        self.render_notices(page);
        self.render_budgets(page);
    }

    fn render_sources(&self, followed: &[(String, u64)], page: &mut Page) {
        // A source of which nothing came yet is there with zeros, so that what grows has a beginning.
        let sources = followed.iter().take(MAX_SOURCES).map(|(name, _)| {
            let totals = self.sources.iter().find(|source| source.name == *name);
            (name.as_str(), totals.cloned().unwrap_or_default())
        });
        let sources: Vec<(&str, SourceTotals)> = sources.collect();
        page.family(
            "sekisho_serve_lines_total",
            Kind::Counter,
            "Lines of sample files by what became of them: stored, duplicate, broken, aside (kept for a newer sekisho), \
             lost (of these, no room). The count outlives restarts.",
        );
        for (name, source) in &sources {
            let outcomes = [
                ("stored", source.samples),
                ("duplicate", source.duplicates),
                ("broken", source.broken),
                ("aside", source.newer.saturating_sub(source.dropped)),
                ("lost", source.dropped),
            ];
            for (outcome, lines) in outcomes {
                page.value(&[("source", name), ("outcome", outcome)], lines);
            }
        }
        page.family(
            "sekisho_serve_odd_clocks_total",
            Kind::Counter,
            "Samples that were stored although their clock cannot be right.",
        );
        for (name, source) in &sources {
            page.value(&[("source", name)], source.clocks);
        }
    }

    fn render_store(&self, page: &mut Page) {
        let gauge = Kind::Gauge;
        page.single(
            "sekisho_serve_store_used_bytes",
            gauge,
            "Bytes of the store that hold something.",
            self.used,
        );
        page.single(
            "sekisho_serve_store_limit_bytes",
            gauge,
            "Bytes from which on the oldest samples go.",
            self.limit,
        );
        page.single(
            "sekisho_serve_aside_lines",
            gauge,
            "Lines that wait for a newer sekisho.",
            self.aside,
        );
        page.single(
            "sekisho_serve_samples",
            gauge,
            "Samples in the store.",
            self.census.samples,
        );
        if let Some(newest) = self.census.newest {
            page.single(
                "sekisho_serve_newest_sample_timestamp_seconds",
                gauge,
                "Unix seconds of the newest sample.",
                newest,
            );
        }
        page.family(
            "sekisho_serve_clients",
            gauge,
            "Clients in the store by what is believed of them, and on whose word.",
        );
        page.value(&[("class", "unknown"), ("origin", "")], self.census.unlabelled);
        for group in &self.census.believed {
            let labels = [("class", group.class.as_str()), ("origin", group.origin.as_str())];
            page.value(&labels, group.clients);
        }
        page.single(
            "sekisho_serve_conflicting_clients",
            gauge,
            "Clients whose labels contradict each other.",
            self.census.conflicts,
        );
        page.family(
            "sekisho_serve_rejected_humans",
            gauge,
            "Clients that are believed human and were rejected, or would have been but for dry run: false positives \
             unless the label is wrong.",
        );
        for group in self.census.humans() {
            page.value(&[("origin", group.origin.as_str())], group.rejected);
        }
        page.family("sekisho_serve_labels", gauge, "Labels in the store.");
        for label in &self.census.labels {
            let labels = [("class", label.class.as_str()), ("origin", label.origin.as_str())];
            page.value(&labels, label.labels);
        }
    }

    fn render_models(&self, page: &mut Page) {
        let gauge = Kind::Gauge;
        page.family(
            "sekisho_serve_champion_info",
            gauge,
            "1, with the digest of the model that was promoted last.",
        );
        if let Some((digest, _)) = &self.champion {
            page.value(&[("digest", digest)], 1);
        }
        if let Some((_, at)) = &self.champion {
            page.single(
                "sekisho_serve_champion_timestamp_seconds",
                gauge,
                "When that was, unix seconds.",
                at,
            );
        }
        let Some(retraining) = &self.retraining else {
            return;
        };
        page.family(
            "sekisho_serve_retrain_state",
            gauge,
            "1 for the state that the newest run of retraining is in; none before the first.",
        );
        for state in retrain::State::ALL {
            let is_in = retraining.run.is_some_and(|run| run.state == state);
            page.value(&[("state", state.as_str())], u8::from(is_in));
        }
        if let Some(run) = &retraining.run {
            page.single(
                "sekisho_serve_retrain_started_timestamp_seconds",
                gauge,
                "When the newest run of retraining began, unix seconds.",
                run.started,
            );
        }
        drift(retraining, page);
    }

    fn render_notices(&self, page: &mut Page) {
        page.family(
            "sekisho_serve_notices_total",
            Kind::Counter,
            "Notices that were sent or failed, and events that were suppressed. The count outlives restarts.",
        );
        for tally in &self.notices {
            let outcomes = [
                ("sent", tally.sent),
                ("failed", tally.failed),
                ("suppressed", tally.suppressed),
            ];
            for (outcome, count) in outcomes {
                page.value(&[("target", &tally.target), ("outcome", outcome)], count);
            }
        }
        page.family(
            "sekisho_serve_notices_waiting",
            Kind::Gauge,
            "Events and notices that wait.",
        );
        for tally in &self.notices {
            page.value(&[("target", &tally.target)], tally.waiting);
        }
    }

    fn render_budgets(&self, page: &mut Page) {
        if self.budgets.is_empty() {
            return;
        }
        page.family(
            "sekisho_llm_budget_used_up",
            Kind::Gauge,
            "1 while the budget of a period is used up and no language model is asked.",
        );
        for budget in &self.budgets {
            page.value(&[("period", budget.period.as_str())], u8::from(budget.used_up));
        }
    }
}

/// How far those who come now are from those who came before, zone by zone.
fn drift(retraining: &Glance, page: &mut Page) {
    type Value = fn(&retrain::ZoneDrift) -> Option<f64>;
    let families: [(&'static str, &'static str, Value); 5] = [
        (
            "sekisho_serve_drift_score_index",
            "Population stability index of the clients' scores; from 0.25 on they are others.",
            |zone| zone.score_index,
        ),
        (
            "sekisho_serve_drift_highest_index",
            "The highest population stability index of a feature.",
            |zone| zone.highest_index,
        ),
        (
            "sekisho_serve_drift_alarms",
            "Scores, features and shares that alarm.",
            |zone| zone.trouble.is_none().then_some(zone.alarms as f64),
        ),
        (
            "sekisho_serve_drift_watched",
            "Scores, features and shares to watch.",
            |zone| zone.trouble.is_none().then_some(zone.watched as f64),
        ),
        (
            "sekisho_serve_drift_timestamp_seconds",
            "When somebody looked last, unix seconds.",
            |zone| Some(f64::from(zone.at)),
        ),
    ];
    for (name, help, value) in families {
        page.family(name, Kind::Gauge, help);
        for zone in retraining.drift.iter().take(MAX_ZONES) {
            if let Some(value) = value(zone) {
                page.value(&[("zone", &zone.zone)], value);
            }
        }
    }
}
