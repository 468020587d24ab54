//! Who was seen in a time, from its samples, read page by page.

use std::collections::BTreeMap;

use sekisho_core::feature::Features;

use super::span::Span;
use crate::store::{Class, PeriodRow, Standing, Store, StoreError};
use crate::visible::escaped;

/// Clients that are looked at one by one; some 600 bytes each. Later ones are only counted by their samples.
const MAX_CLIENTS: usize = 100_000;
/// Models that are told apart: a site has a few.
const MAX_MODELS: usize = 100;
/// Characters of a name, a network and a target that are kept.
const MAX_TEXT: usize = 160;
/// Reasons that are kept of a sample: the module writes three.
const MAX_REASONS: usize = 3;
/// Verdicts from mild to severe; what is unknown is as mild as can be.
pub const VERDICTS: [&str; 6] = [
    "ALLOWED",
    "PASSED",
    "SUSPECT",
    "REJECTED_DRY_RUN",
    "REJECTED",
    "TRAPPED",
];
/// From this place of [`VERDICTS`] on a client is flagged.
const FLAGGED: usize = 2;

/// One client, as the samples of a time tell of it. Texts are made visible already.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its number in the store.
    pub id: i64,
    /// Its zone.
    pub zone: String,
    /// Its name.
    pub name: String,
    /// Its network; empty when the name is no address.
    pub network: String,
    /// What is believed of it.
    pub class: Option<Class>,
    /// Whether labels contradict each other.
    pub conflict: bool,
    /// Unix seconds of its first and last sample here.
    pub span: (u32, u32),
    /// Samples.
    pub samples: u64,
    /// Requests that it made here at least.
    pub requests: u64,
    /// The worst verdict, as a place in [`VERDICTS`].
    pub worst: usize,
    /// The highest score.
    pub score: Option<f64>,
    /// Features at that score.
    pub features: Option<Features>,
    /// Names of what spoke most for that score.
    pub reasons: Vec<String>,
    /// Method and target of that request.
    pub request: String,
    counted: u32,
}

impl Seen {
    /// Whether the client was suspect or worse.
    pub fn flagged(&self) -> bool {
        self.worst >= FLAGGED
    }

    /// The target of that request, made visible.
    pub fn target(&self) -> &str {
        self.request.split_once(' ').map_or("", |(_, target)| target)
    }

    /// The worst verdict.
    pub fn verdict(&self) -> &'static str {
        VERDICTS[self.worst]
    }

    /// `counted` is what the client's last sample before this time counts.
    fn new(row: &PeriodRow, counted: u32) -> Seen {
        Seen {
            id: row.client,
            zone: escaped(row.zone.as_bytes(), MAX_TEXT),
            name: escaped(row.name.as_bytes(), MAX_TEXT),
            network: escaped(row.network.as_bytes(), MAX_TEXT),
            class: row.class,
            conflict: row.conflict,
            span: (row.at, row.at),
            samples: 0,
            requests: 0,
            worst: 0,
            score: None,
            features: None,
            reasons: Vec::new(),
            request: String::new(),
            counted,
        }
    }

    /// As the store has a flagged client now.
    pub fn standing(row: &Standing) -> Seen {
        Seen {
            id: row.id,
            zone: escaped(row.zone.as_bytes(), MAX_TEXT),
            name: escaped(row.name.as_bytes(), MAX_TEXT),
            network: escaped(row.network.as_bytes(), MAX_TEXT),
            class: row.class,
            conflict: row.conflict,
            span: row.span,
            samples: row.samples,
            requests: u64::from(row.requests),
            worst: severity(&row.worst),
            score: row.score,
            features: Some(row.features),
            reasons: Vec::new(),
            request: String::new(),
            counted: row.requests,
        }
    }

    fn take(&mut self, row: &PeriodRow) {
        self.samples += 1;
        self.span.1 = row.at;
        // A record that was forgotten meanwhile counts from the beginning.
        let made = row.requests.checked_sub(self.counted).unwrap_or(row.requests);
        self.requests += u64::from(made);
        self.counted = row.requests;
        self.worst = self.worst.max(severity(&row.verdict));
        if self.samples == 1 || row.score.is_some_and(|score| Some(score) >= self.score) {
            self.score = row.score;
            self.features = row.features;
            let reasons = row.reasons.iter().take(MAX_REASONS);
            self.reasons = reasons
                .map(|reason| escaped(reason.as_bytes(), MAX_TEXT))
                .collect();
            let request = format!("{} {}", row.method, row.target);
            self.request = escaped(request.as_bytes(), MAX_TEXT);
        }
    }
}

fn severity(verdict: &str) -> usize {
    let place = VERDICTS.iter().position(|known| *known == verdict);
    place.unwrap_or_default()
}

/// All that the samples of a time tell.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Clients by their number.
    pub clients: BTreeMap<i64, Seen>,
    /// Samples.
    pub samples: u64,
    /// Of clients beyond [`MAX_CLIENTS`].
    pub beyond: u64,
    /// Samples by verdict, as places in [`VERDICTS`].
    pub verdicts: [u64; VERDICTS.len()],
    /// For each bin of the time: samples of flagged requests, and others.
    pub bins: Vec<(u64, u64)>,
    /// Samples by the digest of the model that scored.
    pub models: BTreeMap<String, u64>,
}

impl Gathered {
    /// Reads the samples of a time.
    ///
    /// # Errors
    /// The store's.
    pub fn read(store: &Store, span: Span, zone: Option<&str>) -> Result<Gathered, StoreError> {
        let mut gathered = Gathered {
            bins: vec![(0, 0); span.bins()],
            ..Gathered::default()
        };
        let mut after = (span.from, 0);
        loop {
            let rows = store.period(&span.range(), zone, after)?;
            let Some(last) = rows.last() else {
                return Ok(gathered);
            };
            after = (last.at, last.seq);
            for row in &rows {
                let known = gathered.clients.contains_key(&row.client);
                let counted = if known || row.first >= span.from {
                    Some(0)
                } else {
                    store.requests_before(row.client, span.from)?
                };
                // Its earlier samples may be gone: then of what the first one here counts, one request is certain.
                let counted = counted.unwrap_or(row.requests.saturating_sub(1));
                gathered.take(row, span, counted);
            }
        }
    }

    /// Clients that were suspect or worse.
    pub fn flagged(&self) -> impl Iterator<Item = &Seen> {
        self.clients.values().filter(|client| client.flagged())
    }

    fn take(&mut self, row: &PeriodRow, span: Span, counted: u32) {
        let severity = severity(&row.verdict);
        self.samples += 1;
        self.verdicts[severity] += 1;
        if let Some(bin) = span.bin(row.at).and_then(|bin| self.bins.get_mut(bin)) {
            if severity >= FLAGGED {
                bin.0 += 1;
            } else {
                bin.1 += 1;
            }
        }
        let model = escaped(row.model.as_bytes(), MAX_TEXT);
        if self.models.len() < MAX_MODELS || self.models.contains_key(&model) {
            *self.models.entry(model).or_default() += 1;
        }
        if self.clients.len() >= MAX_CLIENTS && !self.clients.contains_key(&row.client) {
            self.beyond += 1;
            return;
        }
        let client = self.clients.entry(row.client);
        client.or_insert_with(|| Seen::new(row, counted)).take(row);
    }
}

#[cfg(test)]
pub mod tests {
    use sekisho_core::feature::{COUNT, index};

    use super::*;

    /// A sample's row; the features by name, the others 0.
    pub fn row(client: i64, at: u32, requests: u32, verdict: &str, features: &[(&str, f32)]) -> PeriodRow {
        let mut values = [0.0; COUNT];
        for (name, value) in features {
            values[index(name).expect("a feature")] = *value;
        }
        PeriodRow {
            seq: i64::from(at),
            at,
            client,
            zone: "clients".into(),
            name: format!("192.0.2.{client}"),
            network: "192.0.2.0/24".into(),
            first: 0,
            class: None,
            conflict: false,
            requests,
            score: Some(0.9),
            verdict: verdict.into(),
            reasons: vec!["pace".into()],
            features: Some(values),
            model: "ab".repeat(32),
            method: "GET".into(),
            target: "/\u{202e}x".into(),
        }
    }

    /// A client seen once with this load.
    pub fn seen(client: i64, requests: u32, network: &str, features: &[(&str, f32)]) -> Seen {
        let mut row = row(client, 100, requests, "REJECTED", features);
        row.network = network.into();
        let mut seen = Seen::new(&row, 0);
        seen.take(&row);
        seen
    }

    #[test]
    fn requests_are_counted_from_sample_to_sample() {
        #[track_caller]
        fn check(counted: u32, counts: &[u32], expected: u64) {
            let span = Span { from: 100, to: 200 };
            let mut gathered = Gathered {
                bins: vec![(0, 0); span.bins()],
                ..Gathered::default()
            };
            for (place, count) in counts.iter().enumerate() {
                let row = row(1, 100 + place as u32, *count, "PASSED", &[]);
                gathered.take(&row, span, counted);
            }
            assert_eq!(gathered.clients[&1].requests, expected);
        }
        check(0, &[10, 16, 32], 32);
        check(499, &[500, 532], 33);
        check(400, &[500], 100);
        check(0, &[40, 10, 16], 56);
        check(499, &[500, 10], 11);
    }

    #[test]
    fn the_worst_verdict_and_the_highest_score_are_kept() {
        let span = Span { from: 100, to: 200 };
        let mut gathered = Gathered {
            bins: vec![(0, 0); span.bins()],
            ..Gathered::default()
        };
        gathered.take(&row(1, 110, 10, "REJECTED", &[("query_share", 0.5)]), span, 0);
        let mut milder = row(1, 120, 16, "PASSED", &[]);
        milder.score = Some(0.2);
        gathered.take(&milder, span, 0);
        let client = &gathered.clients[&1];
        assert_eq!((client.verdict(), client.score), ("REJECTED", Some(0.9)));
        assert_eq!(client.request, "GET /\\u{202e}x");
        assert_eq!((gathered.bins[1], gathered.bins[2]), ((1, 0), (0, 1)));
        assert_eq!(gathered.verdicts, [0, 1, 0, 0, 1, 0]);
        assert!(client.features.is_some_and(|features| features.contains(&0.5)));
    }
}
