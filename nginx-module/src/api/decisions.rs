//! `v1/decisions`: the bans in force; putting one, lifting one.

use std::fmt::{self, Display};
use std::ops::ControlFlow;

use sekisho_core::checkpoint;
use sekisho_core::name::Name;
use sekisho_core::profile::Profile;
use sekisho_core::sample::reason_names;
use sekisho_core::table::{Admission, set_index};
use serde::{Deserialize, Serialize};

use super::route::{self, Query};
use super::scan::{self, Seen};
use super::{Answer, Fault, name};
use crate::ffi::api::{Call, NamedZone};
use crate::zone::Counters;

/// Longest ban, in seconds: 30 days.
const MAX_SECONDS: u32 = 30 * 24 * 60 * 60;
/// Longest reason, in characters.
const MAX_REASON: usize = 200;

#[derive(Serialize)]
struct Decision {
    client: String,
    origin: &'static str,
    until: u32,
    reasons: Vec<&'static str>,
    id: String,
}

#[derive(Serialize)]
struct OneDecision<'a> {
    zone: &'a str,
    #[serde(flatten)]
    decision: Decision,
}

#[derive(Serialize)]
struct List<'a> {
    zone: &'a str,
    decisions: Vec<Decision>,
    next: Option<u32>,
    seen: Seen,
}

/// A body that puts a ban.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    zone: String,
    client: String,
    seconds: u32,
    #[serde(default)]
    reason: String,
}

impl Order {
    fn read(body: &[u8]) -> Result<Order, Fault> {
        let order: Order = serde_json::from_slice(body).map_err(|error| Fault::Body(error.to_string()))?;
        let refuse = |what: &str| Err(Fault::Body(what.to_owned()));
        if !(1..=MAX_SECONDS).contains(&order.seconds) {
            return refuse("seconds must be a number from 1 to 2592000");
        }
        if order.client.is_empty() {
            return refuse("client must not be empty");
        }
        if order.reason.chars().count() > MAX_REASON {
            return refuse("reason must have at most 200 characters");
        }
        Ok(order)
    }
}

fn decision(zone: &NamedZone<'_>, hash: u64, key: Name, profile: &Profile) -> Option<Decision> {
    let ban = profile.ban?;
    Some(Decision {
        client: name::of_record(zone.data, hash, key),
        origin: ban.origin.as_str(),
        until: ban.until,
        reasons: reason_names(profile.reasons).collect(),
        id: name::reference(zone.zone, hash, profile),
    })
}

/// `GET v1/decisions?zone=`
pub fn list(call: &Call<'_>) -> Result<Answer, Fault> {
    let query = Query::parse(call.query(), &["zone", "limit", "cursor"])?;
    let name = query.require("zone")?;
    let (limit, cursor) = (super::limit(&query)?, super::cursor(&query)?);
    let named = super::zone_of(call, name)?;
    let now = call.now();
    let mut found = Vec::with_capacity(limit);
    let seen = scan::walk(named.zone, cursor, |_, set, way| {
        let record = set.record(way);
        let profile = record.profile(now);
        if profile.ban.is_some() {
            found.push((record.key_hash(), set.name(way), profile));
        }
        if found.len() < limit {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    let decisions = found
        .into_iter()
        .filter_map(|(hash, key, profile)| decision(&named, hash, key, &profile));
    Ok(Answer::json(&List {
        zone: &named.data.name,
        decisions: decisions.collect(),
        next: seen.next(),
        seen,
    }))
}

/// `GET v1/decisions/{zone}/{client}`
pub fn one(call: &Call<'_>, zone: &str, client: &str) -> Result<Answer, Fault> {
    let named = super::zone_of(call, zone)?;
    let who = name::resolve(&named, client)?;
    let found = scan::read(named.zone, who.hash)?;
    let decision = found.and_then(|(record, key)| {
        let profile = record.profile(call.now());
        decision(&named, who.hash, key, &profile)
    });
    let decision = decision.ok_or_else(|| Fault::NoDecision {
        zone: zone.to_owned(),
        client: who.name,
    })?;
    Ok(Answer::json(&OneDecision {
        zone: &named.data.name,
        decision,
    }))
}

/// `POST v1/decisions`: bans a client, known or not.
pub fn add(call: &Call<'_>, body: &[u8]) -> Result<Answer, Fault> {
    let order = Order::read(body)?;
    let named = super::zone_of(call, &order.zone)?;
    let who = name::resolve(&named, &order.client)?;
    let now = call.now();
    let (profile, key) = {
        let mut set = named
            .zone
            .lock(set_index(who.hash, named.zone.sets()))
            .ok_or(Fault::Busy)?;
        // Whose key is not known cannot be begun anew: nobody could tell who it is.
        let known: Option<&[u8]> = set.find(who.hash).map(|_| Default::default());
        let Some(key) = who.key.as_deref().or(known) else {
            return Err(Fault::NoClient {
                zone: order.zone.clone(),
                client: who.name,
            });
        };
        let way = set.victim(who.hash, now);
        set.announce(way);
        let admission = set.admit_at(way, who.hash, now);
        if admission != Admission::Known {
            set.set_name(way, key);
        }
        if admission == Admission::Evicted {
            Counters::add(&named.zone.counters().evictions);
        }
        checkpoint::ban(set.record_mut(way), now, order.seconds);
        (set.record(way).profile(now), set.name(way))
    };
    call.log_notice(&Note {
        what: "ban by operator",
        zone: &order.zone,
        client: &who.name,
        seconds: Some(order.seconds),
        reason: &order.reason,
    });
    let location = format!(
        "v1/decisions/{}/{}",
        route::segment(&named.data.name),
        route::segment(&who.name)
    );
    let decision = decision(&named, who.hash, key, &profile)
        .ok_or_else(|| Fault::Internal("the ban is not in force".to_owned()))?;
    Ok(Answer {
        status: 201,
        location: Some(location),
        ..Answer::json(&OneDecision {
            zone: &named.data.name,
            decision,
        })
    })
}

/// `DELETE v1/decisions/{zone}/{client}`
pub fn lift(call: &Call<'_>, zone: &str, client: &str) -> Result<Answer, Fault> {
    let named = super::zone_of(call, zone)?;
    let who = name::resolve(&named, client)?;
    let now = call.now();
    let lifted = {
        let mut set = named
            .zone
            .lock(set_index(who.hash, named.zone.sets()))
            .ok_or(Fault::Busy)?;
        set.find(who.hash).is_some_and(|way| {
            set.announce(way);
            checkpoint::lift(set.record_mut(way), now)
        })
    };
    if !lifted {
        return Err(Fault::NoDecision {
            zone: zone.to_owned(),
            client: who.name,
        });
    }
    call.log_notice(&Note {
        what: "ban lifted by operator",
        zone,
        client: &who.name,
        seconds: None,
        reason: "",
    });
    Ok(Answer::empty(204))
}

/// What an operator did, for the error log. Everything in it came over the network.
struct Note<'a> {
    what: &'a str,
    zone: &'a str,
    client: &'a str,
    seconds: Option<u32>,
    reason: &'a str,
}

impl Display for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sekisho: {}, zone \"{}\", client \"{}\"",
            self.what,
            self.zone.escape_default(),
            self.client.escape_default()
        )?;
        if let Some(seconds) = self.seconds {
            write!(
                f,
                ", {seconds} seconds, reason \"{}\"",
                self.reason.escape_default()
            )?;
        }
        Ok(())
    }
}
