//! Figures of one model: ranking, verdicts by site and segment, requests until flagged, calibration.

use std::collections::BTreeMap;
use std::collections::HashMap;

use sekisho_core::feature::index;
use serde::{Deserialize, Serialize};

use super::bootstrap::Ranked;
use super::{Contender, Pair};
use crate::learn::Judged;
use crate::learn::proportion::interval;
use crate::learn::ranking::{auc, recall};

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;
/// Bins of the calibration curve and of score distributions.
pub const BINS: usize = 10;
/// Clients of one network from which on it counts as shared.
const SHARED: usize = 3;

/// A number with its interval.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Estimate {
    /// `None` when a class is missing.
    pub value: Option<f64>,
    /// At [`CONFIDENCE`].
    pub interval: Option<(f64, f64)>,
}

/// Clients of one class that were rejected.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Rejected {
    /// Clients that can be judged.
    pub clients: usize,
    /// Rejected ones.
    pub rejected: usize,
    /// Interval of the share, Clopper and Pearson.
    pub interval: (f64, f64),
}

/// Both classes somewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Of what.
    pub name: String,
    /// False positives.
    pub humans: Rejected,
    /// Found.
    pub crawlers: Rejected,
}

/// One bin of the calibration curve.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Bin {
    /// Scores from here ...
    pub from: f64,
    /// ... to here.
    pub to: f64,
    /// Labelled clients with such a last score.
    pub crawlers: usize,
    /// See above.
    pub humans: usize,
    /// Mean of their scores; `None` without any.
    pub mean_score: Option<f64>,
    /// Interval of the share of crawlers among them.
    pub interval: (f64, f64),
}

/// Requests at which labelled crawlers were rejected first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UntilFlagged {
    /// Crawlers that can be judged.
    pub crawlers: usize,
    /// Rejected ones.
    pub rejected: usize,
    /// Requests within which half, and nine of ten, of all crawlers were rejected; `None` when fewer were.
    pub half: Option<u32>,
    /// See above.
    pub nine_of_ten: Option<u32>,
    /// For the curve: requests, and the share of all crawlers rejected by then.
    pub curve: Vec<(u32, f64)>,
}

/// Figures of one model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Its file's name.
    pub name: String,
    /// SHA-256 of its file.
    pub digest: String,
    /// From here on suspect.
    pub suspect: f32,
    /// From here on rejected.
    pub reject: f32,
    /// Area under the ROC curve, clients at their worst score.
    pub auc: Estimate,
    /// Share of crawlers above the cut that the budget of people is above.
    pub recall_at_budget: Estimate,
    /// At the threshold.
    pub all: Segment,
    /// By site.
    pub sites: Vec<Segment>,
    /// By what clients are like.
    pub segments: Vec<Segment>,
    /// How soon.
    pub until_rejected: UntilFlagged,
    /// Share of crawlers by score.
    pub calibration: Vec<Bin>,
    /// For the plot: share of people above, share of crawlers above.
    pub curve: Vec<(f64, f64)>,
}

impl Figures {
    /// Measures a contender.
    pub fn of<'p>(
        contender: &Contender,
        pairs: &'p [Pair<'p>],
        side: fn(&'p Pair<'p>) -> &'p Judged<'p>,
        budget: f64,
        ranked: &Ranked,
    ) -> Figures {
        let labelled: Vec<(&Judged<'_>, &str)> = pairs
            .iter()
            .map(|pair| (side(pair), pair.site))
            .filter(|(judged, _)| judged.client.label.is_some() && judged.worst().is_some())
            .collect();
        let scores = |human: bool| -> Vec<f64> {
            let of_class = labelled
                .iter()
                .filter(|(judged, _)| judged.client.is_human() == human);
            of_class
                .filter_map(|(judged, _)| judged.worst())
                .map(f64::from)
                .collect()
        };
        let (crawlers, humans) = (scores(false), scores(true));
        let reject = contender.reject;
        Figures {
            name: contender.name.clone(),
            digest: contender.model.digest().to_owned(),
            suspect: contender.suspect,
            reject,
            auc: Estimate {
                value: auc(&crawlers, &humans),
                interval: ranked.auc,
            },
            recall_at_budget: Estimate {
                value: recall(&crawlers, &humans, budget),
                interval: ranked.recall,
            },
            all: Segment::of(
                "all".to_owned(),
                labelled.iter().map(|(judged, _)| *judged),
                reject,
            ),
            sites: by(&labelled, reject, |_, site| (0, site.to_owned())),
            segments: segments(&labelled, pairs, reject),
            until_rejected: until(&labelled, reject),
            calibration: calibration(&labelled),
            curve: curve(&crawlers, &humans),
        }
    }
}

impl Segment {
    fn of<'a>(name: String, labelled: impl Iterator<Item = &'a Judged<'a>>, reject: f32) -> Segment {
        let (mut humans, mut crawlers) = (Rejected::default(), Rejected::default());
        for judged in labelled {
            let class = if judged.client.is_human() {
                &mut humans
            } else {
                &mut crawlers
            };
            class.clients += 1;
            class.rejected += usize::from(judged.reached(reject).is_some());
        }
        for class in [&mut humans, &mut crawlers] {
            class.interval = interval(class.rejected as f64, class.clients as f64, CONFIDENCE);
        }
        Segment {
            name,
            humans,
            crawlers,
        }
    }
}

fn by(
    labelled: &[(&Judged<'_>, &str)],
    reject: f32,
    name: impl Fn(&Judged<'_>, &str) -> (u8, String),
) -> Vec<Segment> {
    let mut groups: BTreeMap<(u8, String), Vec<&Judged<'_>>> = BTreeMap::new();
    for (judged, site) in labelled {
        groups.entry(name(judged, site)).or_default().push(judged);
    }
    let segments = groups.into_iter();
    segments
        .map(|((_, name), group)| Segment::of(name, group.into_iter(), reject))
        .collect()
}

fn segments(labelled: &[(&Judged<'_>, &str)], pairs: &[Pair<'_>], reject: f32) -> Vec<Segment> {
    let assets = index("asset_share").unwrap_or_default();
    let mut neighbours: HashMap<(&str, &str), usize> = HashMap::new();
    for pair in pairs {
        *neighbours
            .entry((pair.site, pair.champion.client.group()))
            .or_default() += 1;
    }
    let requests = by(labelled, reject, |judged, _| {
        let size = match judged.client.requests {
            0..=31 => (0, "up to 31"),
            32..=127 => (1, "32 to 127"),
            _ => (2, "128 and more"),
        };
        (size.0, format!("requests: {}", size.1))
    });
    let network = by(labelled, reject, |judged, site| {
        let shared = neighbours
            .get(&(site, judged.client.group()))
            .is_some_and(|count| *count >= SHARED);
        let kind = if shared { "with neighbours" } else { "alone" };
        (u8::from(shared), format!("network: {kind}"))
    });
    let rendering = by(labelled, reject, |judged, _| {
        let loads = judged
            .client
            .rows
            .last()
            .is_some_and(|row| row.features[assets] > 0.0);
        let kind = if loads { "loads assets" } else { "pages only" };
        (u8::from(loads), format!("rendering: {kind}"))
    });
    [requests, network, rendering].concat()
}

fn until(labelled: &[(&Judged<'_>, &str)], reject: f32) -> UntilFlagged {
    let crawlers: Vec<&Judged<'_>> = labelled
        .iter()
        .map(|(judged, _)| *judged)
        .filter(|judged| judged.client.is_crawler())
        .collect();
    let reached = crawlers.iter().filter_map(|judged| {
        let first = judged.reached(reject)?;
        Some(first.saturating_sub(judged.client.earlier))
    });
    let mut at: Vec<u32> = reached.collect();
    at.sort_unstable();
    let within = |share: f64| {
        let count = (crawlers.len() as f64 * share).ceil() as usize;
        count.checked_sub(1).and_then(|last| at.get(last)).copied()
    };
    let mut curve: Vec<(u32, f64)> = Vec::new();
    for (rank, requests) in at.iter().enumerate() {
        let share = (rank + 1) as f64 / crawlers.len() as f64;
        match curve.last_mut() {
            Some(last) if last.0 == *requests => last.1 = share,
            _ => curve.push((*requests, share)),
        }
    }
    UntilFlagged {
        crawlers: crawlers.len(),
        rejected: at.len(),
        half: within(0.5),
        nine_of_ten: within(0.9),
        curve,
    }
}

/// Clients at their last score: each counts once, as it stands at the end.
fn calibration(labelled: &[(&Judged<'_>, &str)]) -> Vec<Bin> {
    let mut sums = [(0usize, 0usize, 0.0f64); BINS];
    for (judged, _) in labelled {
        let Some(score) = judged.scores.last().copied().map(f64::from) else {
            continue;
        };
        let bin = &mut sums[((score * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += usize::from(judged.client.is_crawler());
        bin.1 += usize::from(judged.client.is_human());
        bin.2 += score;
    }
    let bins = sums.iter().enumerate().map(|(place, &(crawlers, humans, sum))| {
        let count = crawlers + humans;
        Bin {
            from: place as f64 / BINS as f64,
            to: (place + 1) as f64 / BINS as f64,
            crawlers,
            humans,
            mean_score: (count > 0).then(|| sum / count as f64),
            interval: interval(crawlers as f64, count as f64, CONFIDENCE),
        }
    });
    bins.collect()
}

/// Corners of the ROC curve.
fn curve(crawlers: &[f64], humans: &[f64]) -> Vec<(f64, f64)> {
    if crawlers.is_empty() || humans.is_empty() {
        return Vec::new();
    }
    let scored = |scores: &[f64], human| scores.iter().map(|score| (*score, human)).collect::<Vec<_>>();
    let mut all = [scored(crawlers, false), scored(humans, true)].concat();
    all.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut points = vec![(0.0, 0.0)];
    let (mut people, mut found) = (0usize, 0usize);
    for (place, (score, human)) in all.iter().enumerate() {
        if *human {
            people += 1
        } else {
            found += 1
        }
        if all.get(place + 1).is_none_or(|next| next.0 != *score) {
            points.push((
                people as f64 / humans.len() as f64,
                found as f64 / crawlers.len() as f64,
            ));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_from_none_to_all() {
        assert_eq!(
            curve(&[0.9, 0.8], &[0.8, 0.1]),
            [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
        );
        assert_eq!(curve(&[], &[0.5]), []);
    }
}
