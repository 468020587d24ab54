//! What nginx answered, into the store: all of one look in one transaction.

use std::collections::{BTreeMap, HashMap};

use super::growth::{self, NO_ZONE, grown, spread};
use super::life::{Change, Listed, Stopped, compare, is_dry_run};
use crate::nginx::{Cost, Decision, Decisions, Status, Zone, stored_name};
use crate::store::{DecisionRow, Names, NewDecision, Reading, Store, StoreError, TrafficCounts};

/// By so many seconds nginx's clock and ours may differ without notice: they are read at different moments.
const TOLERANCE: u32 = 5;

/// What one look at an nginx found.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// How it is doing.
    pub status: Status,
    /// What decisions cost.
    pub costs: Vec<Cost>,
    /// Bans of the zones that were asked for them.
    pub decisions: BTreeMap<String, Decisions>,
    /// Unix seconds, by our clock, before anything was asked.
    pub asked: u32,
}

/// Writes what was found of the nginx of this name, at unix second `now`. Under pseudonyms, gives back the API's name of
/// each client that is banned, by the number of its decision: the store cannot tell it.
///
/// # Errors
/// The store's; nothing is written then, and the next look makes up for it.
pub fn keep(
    store: &Store,
    names: &Names,
    nginx: &str,
    answers: &Answers,
    now: u32,
) -> Result<HashMap<i64, String>, StoreError> {
    let look = Look {
        store,
        names,
        nginx,
        now,
        ahead: ahead(now, answers.status.now),
    };
    let transaction = store.write()?;
    let readings = store.readings(nginx)?;
    let mut plain = HashMap::new();
    let none = growth::of_none(&answers.status);
    look.count(NO_ZONE, 0, u32::MAX, none, readings.get(NO_ZONE))?;
    for zone in &answers.status.zones {
        let cost = answers.costs.iter().find(|cost| cost.zone == zone.name);
        let counts = growth::of_zone(zone, cost);
        let age = answers.status.now.saturating_sub(zone.since);
        let grew = look.count(&zone.name, zone.since, age, counts, readings.get(&zone.name))?;
        let stopped = |counts: &TrafficCounts| Stopped {
            acted: counts.rejected,
            dry: counts.rejected_dry_run,
        };
        let listed = answers.decisions.get(&zone.name);
        let evidence = (stopped(&grew), stopped(&counts));
        look.follow(zone, listed, answers.asked, evidence, &mut plain)?;
        look.hold(zone, answers.status.now)?;
    }
    transaction.commit()?;
    Ok(plain)
}

/// How far our clock is ahead of nginx's, in seconds; 0 while they agree.
fn ahead(ours: u32, theirs: u32) -> i64 {
    let ahead = i64::from(ours) - i64::from(theirs);
    if ahead.unsigned_abs() <= u64::from(TOLERANCE) {
        0
    } else {
        ahead
    }
}

struct Look<'a> {
    store: &'a Store,
    names: &'a Names,
    nginx: &'a str,
    now: u32,
    ahead: i64,
}

impl Look<'_> {
    /// Writes what a zone counted since the last look; gives it back.
    fn count(
        &self,
        zone: &str,
        since: u32,
        age: u32,
        counts: TrafficCounts,
        before: Option<&Reading>,
    ) -> Result<TrafficCounts, StoreError> {
        let present = Reading {
            since,
            at: self.now,
            counts,
        };
        let grew = grown(before, &present, age);
        if let Some((from, counts)) = &grew {
            for (when, part) in spread(*from, self.now, counts) {
                self.store.add_traffic((self.nginx, zone), when, &part)?;
            }
        }
        self.store.set_reading(self.nginx, zone, &present)?;
        Ok(grew.map(|(_, counts)| counts).unwrap_or_default())
    }

    /// Writes which bans of a zone began and ended, and on which nginx acts.
    fn follow(
        &self,
        zone: &Zone,
        listed: Option<&Decisions>,
        asked: u32,
        (recent, ever): (Stopped, Stopped),
        plain: &mut HashMap<i64, String>,
    ) -> Result<(), StoreError> {
        let open = self.store.open_decisions(Some((self.nginx, &zone.name)))?;
        let empty = Vec::new();
        let list = listed.map_or(&empty, |listed| &listed.list);
        let bans: Vec<(String, u32)> = list
            .iter()
            .map(|ban| (self.names.client(&stored_name(&ban.client)), ban.until))
            .collect();
        let listed = listed.map(|listed| Listed {
            bans: &bans,
            complete: listed.complete,
            asked,
        });
        let dry_run = |origin: &str, reference: &str| -> Result<Option<bool>, StoreError> {
            let verdict = self.store.verdict_of(reference)?;
            Ok(is_dry_run(origin, verdict.as_deref(), recent, ever))
        };
        for change in compare(&open, listed, self.now) {
            match change {
                Change::Ended(id, end, ended) => self.store.end_decision(id, end, "", (ended, self.now))?,
                Change::Begun(place) => {
                    let (ban, (kept, _)) = (&list[place], &bans[place]);
                    let known = self.store.lifted_since(self.nginx, &zone.name, kept, asked)?;
                    if !known {
                        let dry_run = dry_run(&ban.origin, &ban.id)?;
                        self.begin(zone, ban, dry_run)?;
                    }
                }
            }
        }
        for row in self.store.open_decisions(Some((self.nginx, &zone.name)))? {
            if row.dry_run.is_none()
                && let Some(dry_run) = dry_run(&row.origin, &row.reference)?
            {
                self.store.set_dry_run(row.id, dry_run, self.now)?;
            }
            if let Names::Keyed(_) = self.names
                && let Some(place) = bans.iter().position(|(client, _)| *client == row.client)
            {
                plain.insert(row.id, list[place].client.clone());
            }
        }
        Ok(())
    }

    fn begin(&self, zone: &Zone, ban: &Decision, dry_run: Option<bool>) -> Result<(), StoreError> {
        let expires = i64::from(ban.until).saturating_add(self.ahead);
        let new = NewDecision {
            nginx: self.nginx.to_owned(),
            zone: zone.name.clone(),
            client: stored_name(&ban.client),
            origin: ban.origin.clone(),
            reasons: ban.reasons.clone(),
            reference: ban.id.clone(),
            begun: self.now,
            until: ban.until,
            expires: u32::try_from(expires.max(0)).unwrap_or(u32::MAX),
            dry_run,
            ..NewDecision::default()
        };
        self.store.begin_decision(&new, self.names, self.now).map(|_| ())
    }

    /// While the breaker keeps enforcement off, nobody else is to enforce a model's bans either.
    fn hold(&self, zone: &Zone, theirs: u32) -> Result<(), StoreError> {
        let open = zone.guards.open_until.is_some_and(|until| until > theirs);
        let is_model = |row: &DecisionRow| matches!(row.origin.as_str(), "model" | "trap");
        for row in self.store.open_decisions(Some((self.nginx, &zone.name)))? {
            if is_model(&row) && row.held != open {
                self.store.set_held(row.id, open, self.now)?;
            }
        }
        Ok(())
    }
}
