//! `v1/clients`: who is known, in what order of suspicion, and all that is known of one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use sekisho_core::checkpoint::Verdict;
use sekisho_core::feature::{FEATURES, Features};
use sekisho_core::model::Contribution;
use sekisho_core::name::Name;
use sekisho_core::profile::Profile;
use sekisho_core::sample::reason_names;
use serde::Serialize;

use super::route::Query;
use super::scan::{self, Seen};
use super::{Answer, Fault, name};
use crate::ffi::api::{Call, NamedZone};

/// What is told of a client in a list.
#[derive(Serialize)]
pub struct ClientLine {
    client: String,
    requests: u32,
    first_seen: u32,
    last_seen: u32,
    score: Option<f32>,
    verdict: &'static str,
    reasons: Vec<&'static str>,
    banned_until: Option<u32>,
    id: String,
}

impl ClientLine {
    /// Of a record with this key hash.
    pub fn new(named: &NamedZone<'_>, hash: u64, key: Name, profile: &Profile) -> Self {
        let flagged = profile.verdict != Verdict::Passed;
        ClientLine {
            client: name::of_record(named.data, hash, key),
            requests: profile.requests,
            first_seen: profile.first,
            last_seen: profile.last,
            score: profile.score,
            verdict: profile.verdict.as_str(),
            reasons: reason_names(profile.reasons).filter(|_| flagged).collect(),
            banned_until: profile.ban.map(|ban| ban.until),
            id: name::reference(named.zone, hash, profile),
        }
    }
}

#[derive(Clone, Copy)]
enum Order {
    Score,
    Requests,
    Last,
}

impl Order {
    fn parse(text: &str) -> Option<Order> {
        match text {
            "score" => Some(Order::Score),
            "requests" => Some(Order::Requests),
            "last" => Some(Order::Last),
            _ => None,
        }
    }

    /// Greater comes first. Where equal, who made more requests.
    fn rank(self, profile: &Profile) -> (u32, u32) {
        let first = match self {
            // Bits of numbers from 0 up are in the numbers' order; without a score comes last.
            Order::Score => profile.score.map_or(0, |score| score.max(0.0).to_bits() + 1),
            Order::Requests => profile.requests,
            Order::Last => profile.last,
        };
        (first, profile.requests)
    }
}

/// A client among the first so far. Ordered by rank; by place where equal, so that an answer is repeatable.
struct Ranked {
    order: ((u32, u32), Reverse<u32>),
    hash: u64,
    profile: Profile,
    key: Name,
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.order == other.order
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}

fn verdict(text: &str) -> Option<Verdict> {
    let all = [
        Verdict::Passed,
        Verdict::Suspect,
        Verdict::Rejected,
        Verdict::Allowed,
    ];
    all.into_iter().find(|verdict| verdict.as_str() == text)
}

#[derive(Serialize)]
struct List<'a> {
    zone: &'a str,
    clients: Vec<ClientLine>,
    next: Option<u32>,
    seen: Seen,
}

/// `v1/clients?zone=`: the first by some order among the records from the cursor on.
pub fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    let query = Query::parse(call.query(), &["zone", "limit", "order", "verdict", "cursor"])?;
    let name = query.require("zone")?;
    let limit = super::limit(&query)?;
    let cursor = super::cursor(&query)?;
    let order = query.read("order", "score, requests or last", Order::parse)?;
    let order = order.unwrap_or(Order::Score);
    let wanted = query.read("verdict", "PASSED, SUSPECT, REJECTED or ALLOWED", verdict)?;
    let named = super::zone_of(call, name)?;
    let now = call.now();
    let mut first: BinaryHeap<Reverse<Ranked>> = BinaryHeap::with_capacity(limit + 1);
    let seen = scan::walk(named.zone, cursor, |place, set, way| {
        let record = set.record(way);
        let profile = record.profile(now);
        if wanted.is_some_and(|wanted| wanted != profile.verdict) {
            return ControlFlow::Continue(());
        }
        let order = (order.rank(&profile), Reverse(place));
        let last = first.peek().filter(|_| first.len() == limit);
        if last.is_none_or(|Reverse(last)| order > last.order) {
            first.push(Reverse(Ranked {
                order,
                hash: record.key_hash(),
                profile,
                key: set.name(way),
            }));
            if first.len() > limit {
                first.pop();
            }
        }
        ControlFlow::Continue(())
    });
    let clients = first
        .into_sorted_vec()
        .into_iter()
        .map(|Reverse(ranked)| ClientLine::new(&named, ranked.hash, ranked.key, &ranked.profile));
    Ok(Answer::json(&List {
        zone: &named.data.name,
        clients: clients.collect(),
        next: seen.next(),
        seen,
    }))
}

#[derive(Serialize)]
struct FeatureValue {
    name: &'static str,
    unit: &'static str,
    value: f32,
}

#[derive(Serialize)]
struct Reason {
    feature: &'static str,
    unit: &'static str,
    value: f32,
    baseline: f32,
    contribution: f32,
}

impl Reason {
    fn new(contribution: &Contribution) -> Option<Reason> {
        let feature = FEATURES.get(contribution.feature)?;
        Some(Reason {
            feature: feature.name,
            unit: feature.unit.as_str(),
            value: contribution.value,
            baseline: contribution.baseline,
            contribution: contribution.contribution,
        })
    }
}

#[derive(Serialize)]
struct OneClient<'a> {
    zone: &'a str,
    #[serde(flatten)]
    line: ClientLine,
    bans: u8,
    immune_until: Option<u32>,
    human: bool,
    verified_bot: bool,
    false_bot_claim: bool,
    score_now: Option<f32>,
    reasons_now: Vec<Reason>,
    features: Vec<FeatureValue>,
}

/// `v1/clients/{zone}/{client}`: one record, its features, and what speaks for its score as it stands now.
pub fn one(call: &Call<'_>, zone: &str, client: &str) -> Result<Answer, Fault> {
    let named = super::zone_of(call, zone)?;
    let who = name::resolve(&named, client)?;
    let found = scan::read(named.zone, who.hash)?;
    let Some((record, key)) = found else {
        return Err(Fault::NoClient {
            zone: zone.to_owned(),
            client: who.name,
        });
    };
    let now = call.now();
    let values: Features = record.features();
    let scorer = call.main_conf().models.champion();
    let reasons = scorer.as_ref().map(|scorer| scorer.contributions(&values));
    let reasons = reasons
        .iter()
        .flatten()
        .filter(|reason| reason.contribution > 0.0)
        .filter_map(Reason::new);
    let features = FEATURES.iter().zip(values).map(|(feature, value)| FeatureValue {
        name: feature.name,
        unit: feature.unit.as_str(),
        value,
    });
    Ok(Answer::json(&OneClient {
        zone: &named.data.name,
        line: ClientLine::new(&named, who.hash, key, &record.profile(now)),
        bans: record.bans(),
        immune_until: record.immune_until(now),
        human: record.is_human(),
        verified_bot: record.is_verified(),
        false_bot_claim: record.is_false_claim(),
        score_now: scorer.map(|scorer| scorer.score(&values)),
        reasons_now: reasons.collect(),
        features: features.collect(),
    }))
}
