//! What nginx answered, into the store: all of one look in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

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
        let zone = Watched {
            zone,
            // While the breaker keeps enforcement off, nobody else is to enforce the bans either, whoever began them.
            held: zone.is_open(answers.status.now),
            recent: stopped(&grew),
            ever: stopped(&counts),
        };
        let listed = answers.decisions.get(&zone.zone.name);
        look.follow(&zone, listed, answers.asked, &mut plain)?;
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

/// A zone as it was found.
struct Watched<'a> {
    zone: &'a Zone,
    /// Whether a guard keeps nginx from acting on its bans.
    held: bool,
    /// Requests stopped since the last look.
    recent: Stopped,
    /// And since counting began.
    ever: Stopped,
}

/// A ban that goes on, as the store has it.
struct Standing<'a> {
    id: i64,
    /// As the store keeps names.
    client: &'a str,
    origin: &'a str,
    reference: &'a str,
    dry_run: Option<bool>,
    held: bool,
}

impl<'a> Standing<'a> {
    fn of(row: &'a DecisionRow) -> Standing<'a> {
        Standing {
            id: row.id,
            client: &row.client,
            origin: &row.origin,
            reference: &row.reference,
            dry_run: row.dry_run,
            held: row.held,
        }
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
        zone: &Watched<'_>,
        listed: Option<&Decisions>,
        asked: u32,
        plain: &mut HashMap<i64, String>,
    ) -> Result<(), StoreError> {
        let name = &zone.zone.name;
        let mut open = self.store.open_decisions(Some((self.nginx, name)))?;
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
        let (mut ended, mut begun) = (HashSet::new(), Vec::new());
        for change in compare(&open, listed, self.now) {
            match change {
                Change::Ended(id, end, at) => {
                    self.store.end_decision(id, end, "", (at, self.now))?;
                    ended.insert(id);
                }
                Change::Begun(place) => {
                    let (ban, (kept, _)) = (&list[place], &bans[place]);
                    if !self.store.lifted_since(self.nginx, name, kept, asked)? {
                        begun.push(self.begin(zone, ban, kept)?);
                    }
                }
            }
        }
        open.retain(|row| !ended.contains(&row.id));
        let going = open.iter().map(Standing::of).chain(begun);
        let places: HashMap<&str, usize> = match self.names {
            Names::Keyed(_) => bans
                .iter()
                .zip(0..)
                .map(|((kept, _), place)| (kept.as_str(), place))
                .collect(),
            Names::Plain => HashMap::new(),
        };
        for ban in going {
            self.settle(zone, &ban)?;
            if let Some(place) = places.get(ban.client) {
                plain.insert(ban.id, list[*place].client.clone());
            }
        }
        Ok(())
    }

    /// Writes whether nginx acts on a ban that goes on, where that is otherwise than it was.
    fn settle(&self, zone: &Watched<'_>, ban: &Standing<'_>) -> Result<(), StoreError> {
        let dry_run = match (zone.zone.dry_run, ban.dry_run) {
            (None, None) => self.dry_run(zone, ban.origin, ban.reference)?,
            (None, known) => known,
            (told, _) => told,
        };
        if let Some(dry_run) = dry_run.filter(|_| dry_run != ban.dry_run) {
            self.store.set_dry_run(ban.id, dry_run, self.now)?;
        }
        if ban.held != zone.held {
            self.store.set_held(ban.id, zone.held, self.now)?;
        }
        Ok(())
    }

    /// Whether nginx does not act on a ban: by its own word, else by what shows.
    fn dry_run(&self, zone: &Watched<'_>, origin: &str, reference: &str) -> Result<Option<bool>, StoreError> {
        if zone.zone.dry_run.is_some() {
            return Ok(zone.zone.dry_run);
        }
        let verdict = self.store.verdict_of(reference)?;
        Ok(is_dry_run(origin, verdict.as_deref(), zone.recent, zone.ever))
    }

    fn begin<'b>(
        &self,
        zone: &Watched<'_>,
        ban: &'b Decision,
        kept: &'b str,
    ) -> Result<Standing<'b>, StoreError> {
        let expires = i64::from(ban.until).saturating_add(self.ahead);
        let dry_run = self.dry_run(zone, &ban.origin, &ban.id)?;
        let new = NewDecision {
            nginx: self.nginx.to_owned(),
            zone: zone.zone.name.clone(),
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
        Ok(Standing {
            id: self.store.begin_decision(&new, self.names, self.now)?,
            client: kept,
            origin: &ban.origin,
            reference: &ban.id,
            dry_run,
            held: false,
        })
    }
}
