//! Bans, from their beginning to their end, as the watch over nginx saw them.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use serde::{Deserialize, Serialize};

use super::{MAX_PAGE, Names, Store, StoreError, count};

const COLUMNS: &str =
    "id, nginx, zone, client, network, origin, reasons, reference, author, note, begun, until, expires,
    dry_run, held, ended, end, ended_by";

/// How a ban ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was over.
    Expired,
    /// Somebody lifted it from here.
    Lifted,
    /// Another one took its place.
    Replaced,
    /// nginx has it no longer: it was lifted elsewhere, or the zone was made anew.
    Gone,
}

impl End {
    /// As the store has it.
    pub fn as_str(self) -> &'static str {
        match self {
            End::Expired => "expired",
            End::Lifted => "lifted",
            End::Replaced => "replaced",
            End::Gone => "gone",
        }
    }

    fn from_word(word: &str) -> Option<End> {
        [End::Expired, End::Lifted, End::Replaced, End::Gone]
            .into_iter()
            .find(|end| end.as_str() == word)
    }
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionRow {
    /// Its number in this store.
    pub id: i64,
    /// Which nginx has it.
    pub nginx: String,
    /// In which zone.
    pub zone: String,
    /// On whom, as the store keeps names.
    pub client: String,
    /// The client's network, likewise; empty when the name is no address.
    pub network: String,
    /// Who began it: `model`, `trap`, `operator`, or `crowdsec` for an imported one.
    pub origin: String,
    /// Names of the features that spoke most for it.
    pub reasons: Vec<String>,
    /// Reference id.
    pub reference: String,
    /// Who ordered it from here.
    pub author: String,
    /// Why, in the words of whoever did.
    pub note: String,
    /// Unix seconds of its beginning, or of when it was seen first.
    pub begun: u32,
    /// When it ends, by nginx's clock.
    pub until: u32,
    /// The same by ours.
    pub expires: u32,
    /// Whether nginx does not act on it; absent while that is not known.
    pub dry_run: Option<bool>,
    /// Whether a guard keeps nginx from acting on it just now.
    pub held: bool,
    /// Unix seconds of its end.
    pub ended: Option<u32>,
    /// How it ended.
    pub end: Option<End>,
    /// Who ended it from here.
    pub ended_by: String,
}

impl DecisionRow {
    /// Whether it is in force, and nginx acts on it.
    pub fn is_enforced(&self) -> bool {
        self.ended.is_none() && self.dry_run == Some(false) && !self.held
    }
}

/// A ban that begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewDecision {
    /// Which nginx has it.
    pub nginx: String,
    /// In which zone.
    pub zone: String,
    /// On whom: the plain name of the samples.
    pub client: String,
    /// See [`DecisionRow`].
    pub origin: String,
    /// See [`DecisionRow`].
    pub reasons: Vec<String>,
    /// See [`DecisionRow`].
    pub reference: String,
    /// See [`DecisionRow`].
    pub author: String,
    /// See [`DecisionRow`].
    pub note: String,
    /// See [`DecisionRow`].
    pub begun: u32,
    /// See [`DecisionRow`].
    pub until: u32,
    /// See [`DecisionRow`].
    pub expires: u32,
    /// See [`DecisionRow`].
    pub dry_run: Option<bool>,
}

/// Which page of decisions.
#[derive(Clone, Debug, Default)]
pub struct DecisionQuery {
    /// Of this nginx only.
    pub nginx: Option<String>,
    /// Of this zone only.
    pub zone: Option<String>,
    /// On this client only: the name as it is kept.
    pub client: Option<String>,
    /// Of this origin only.
    pub origin: Option<String>,
    /// Only those in force, or only those that ended.
    pub active: Option<bool>,
    /// Rows; at most [`MAX_PAGE`].
    pub limit: u32,
    /// [`DecisionPage::next`] of the page before.
    pub after: Option<(u32, i64)>,
}

/// A page, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionPage {
    /// Its rows.
    pub decisions: Vec<DecisionRow>,
    /// Where the next page begins, unless this is the last.
    pub next: Option<(u32, i64)>,
}

/// What became of a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It began.
    Begun,
    /// It became known that nginx acts on it, or does not.
    Acted,
    /// A guard keeps nginx from acting on it.
    Held,
    /// No longer.
    Freed,
    /// It ended.
    Ended,
}

impl EventKind {
    fn as_str(self) -> &'static str {
        match self {
            EventKind::Begun => "begun",
            EventKind::Acted => "acted",
            EventKind::Held => "held",
            EventKind::Freed => "freed",
            EventKind::Ended => "ended",
        }
    }

    fn from_word(word: &str) -> EventKind {
        let all = [
            EventKind::Begun,
            EventKind::Acted,
            EventKind::Held,
            EventKind::Freed,
        ];
        let found = all.into_iter().find(|kind| kind.as_str() == word);
        found.unwrap_or(EventKind::Ended)
    }
}

/// An event with the ban as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionEvent {
    /// Its number: who follows keeps that of the last one that he took.
    pub seq: i64,
    /// Unix seconds.
    pub at: u32,
    /// What became of it.
    pub kind: EventKind,
    /// The ban.
    pub decision: DecisionRow,
}

impl Store {
    /// A page of decisions, the newest first.
    pub fn decisions(&self, query: &DecisionQuery) -> Result<DecisionPage, StoreError> {
        let limit = query.limit.clamp(1, MAX_PAGE);
        let mut sql = format!("SELECT {COLUMNS} FROM decision WHERE 1");
        let mut values: Vec<Value> = Vec::new();
        let filters = [
            (" AND nginx = ?", &query.nginx),
            (" AND zone = ?", &query.zone),
            (" AND client = ?", &query.client),
            (" AND origin = ?", &query.origin),
        ];
        for (filter, value) in filters {
            if let Some(value) = value {
                sql.push_str(filter);
                values.push(value.clone().into());
            }
        }
        match query.active {
            Some(true) => sql.push_str(" AND ended IS NULL"),
            Some(false) => sql.push_str(" AND ended IS NOT NULL"),
            None => {}
        }
        if let Some((begun, id)) = query.after {
            sql.push_str(" AND (begun, id) < (?, ?)");
            values.extend([begun.into(), id.into()]);
        }
        sql.push_str(" ORDER BY begun DESC, id DESC LIMIT ?");
        values.push(limit.into());
        let mut select = self.connection.prepare_cached(&sql)?;
        let found = select.query_map(params_from_iter(values), read)?;
        let decisions: Vec<DecisionRow> = found.collect::<Result<_, _>>()?;
        let full = decisions.len() == limit as usize;
        let last = decisions.last().filter(|_| full);
        let next = last.map(|decision| (decision.begun, decision.id));
        Ok(DecisionPage { decisions, next })
    }

    /// The bans in force of one nginx' zone, or of all, the oldest first.
    pub fn open_decisions(&self, of: Option<(&str, &str)>) -> Result<Vec<DecisionRow>, StoreError> {
        let (nginx, zone) = of.unzip();
        let sql = format!(
            "SELECT {COLUMNS} FROM decision
             WHERE ended IS NULL AND (?1 IS NULL OR nginx = ?1) AND (?2 IS NULL OR zone = ?2) ORDER BY id"
        );
        let mut select = self.connection.prepare_cached(&sql)?;
        let rows = select.query_map((nginx, zone), read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Clients that are banned in a zone, however many nginx have a ban on each: those on whose ban an nginx acts, and
    /// the others, whose bans are in dry run or held by a guard.
    pub fn open_count(&self, zone: &str) -> Result<(u64, u64), StoreError> {
        let sql =
            "SELECT COUNT(DISTINCT client) FILTER (WHERE dry_run = 0 AND held = 0), COUNT(DISTINCT client)
             FROM decision
             WHERE ended IS NULL AND zone = ?";
        let mut select = self.connection.prepare_cached(sql)?;
        let (acted, all) = select.query_row([zone], |row| Ok((count(row, 0)?, count(row, 1)?)))?;
        Ok((acted, all - acted))
    }

    /// Whether a ban on a client, as the store keeps names, was lifted from here at or after unix second `at`.
    pub fn lifted_since(&self, nginx: &str, zone: &str, client: &str, at: u32) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM decision
             WHERE client = ? AND zone = ? AND nginx = ? AND end = 'lifted' AND ended >= ?)";
        let mut select = self.connection.prepare_cached(sql)?;
        Ok(select.query_row((client, zone, nginx, at), |row| row.get(0))?)
    }

    /// Whether somebody other than `actor` lifted a ban of this origin on a client of one of these names, which would go on
    /// at unix second `now`.
    pub fn lifted_here(
        &self,
        zone: &str,
        clients: &[String],
        origin: &str,
        actor: &str,
        now: u32,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM decision WHERE client = ? AND zone = ? AND origin = ?
             AND end = 'lifted' AND ended_by <> ? AND expires > ?)";
        let mut select = self.connection.prepare_cached(sql)?;
        for client in clients {
            if select.query_row((client, zone, origin, actor, now), |row| row.get(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes that a ban began; its number.
    pub fn begin_decision(&self, new: &NewDecision, names: &Names, at: u32) -> Result<i64, StoreError> {
        let reasons = serde_json::to_string(&new.reasons).unwrap_or_default();
        let sql = "INSERT INTO decision (nginx, zone, client, network, origin, reasons, reference, author, note, begun,
                until, expires, dry_run)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.connection.prepare_cached(sql)?.execute((
            &new.nginx,
            &new.zone,
            names.client(&new.client),
            names.network(&new.client),
            &new.origin,
            reasons,
            &new.reference,
            &new.author,
            &new.note,
            new.begun,
            new.until,
            new.expires,
            new.dry_run,
        ))?;
        let id = self.connection.last_insert_rowid();
        self.event(id, at, EventKind::Begun)?;
        Ok(id)
    }

    /// Writes who ordered a ban that was seen before that could be written.
    pub fn claim_decision(&self, id: i64, new: &NewDecision) -> Result<(), StoreError> {
        let sql = "UPDATE decision SET origin = ?, author = ?, note = ?, dry_run = ? WHERE id = ?";
        self.connection.prepare_cached(sql)?.execute((
            &new.origin,
            &new.author,
            &new.note,
            new.dry_run,
            id,
        ))?;
        Ok(())
    }

    /// Writes that a ban ended; nothing when it had ended before.
    pub fn end_decision(
        &self,
        id: i64,
        end: End,
        by: &str,
        (ended, at): (u32, u32),
    ) -> Result<(), StoreError> {
        let sql =
            "UPDATE decision SET ended = MAX(?, begun), end = ?, ended_by = ? WHERE id = ? AND ended IS NULL";
        let changed = self
            .connection
            .prepare_cached(sql)?
            .execute((ended, end.as_str(), by, id))?;
        if changed > 0 {
            self.event(id, at, EventKind::Ended)?;
        }
        Ok(())
    }

    /// Writes whether nginx acts on a ban.
    pub fn set_dry_run(&self, id: i64, dry_run: bool, at: u32) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE decision SET dry_run = ? WHERE id = ?")?
            .execute((dry_run, id))?;
        self.event(id, at, EventKind::Acted)
    }

    /// Writes whether a guard keeps nginx from acting on a ban.
    pub fn set_held(&self, id: i64, held: bool, at: u32) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE decision SET held = ? WHERE id = ?")?
            .execute((held, id))?;
        let kind = if held { EventKind::Held } else { EventKind::Freed };
        self.event(id, at, kind)
    }

    /// The verdict that a reference id stands for in the samples, when one stopped somebody or would have.
    pub fn verdict_of(&self, reference: &str) -> Result<Option<String>, StoreError> {
        let sql =
            "SELECT verdict FROM sample WHERE id = ? AND verdict IN ('REJECTED', 'REJECTED_DRY_RUN') LIMIT 1";
        let mut select = self.connection.prepare_cached(sql)?;
        Ok(select.query_row([reference], |row| row.get(0)).optional()?)
    }

    /// Events after number `after`, in order, at most `limit`.
    pub fn decision_events(&self, after: i64, limit: u32) -> Result<Vec<DecisionEvent>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, seq, at, kind FROM decision_event JOIN decision ON decision.id = decision_event.decision
             WHERE seq > ? ORDER BY seq LIMIT ?"
        );
        let mut select = self.connection.prepare_cached(&sql)?;
        let rows = select.query_map((after, limit), |row| {
            let kind: String = row.get(20)?;
            Ok(DecisionEvent {
                seq: row.get(18)?,
                at: row.get(19)?,
                kind: EventKind::from_word(&kind),
                decision: read(row)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Number of the last event there was; 0 before the first.
    pub fn last_event(&self) -> Result<i64, StoreError> {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'decision_event'";
        let seq: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        Ok(seq.unwrap_or_default())
    }

    /// How far somebody who follows the events came; `None` before the first time.
    pub fn followed(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT seq FROM follower WHERE name = ?")?;
        Ok(select.query_row([name], |row| row.get(0)).optional()?)
    }

    /// Keeps how far somebody came.
    pub fn set_followed(&self, name: &str, seq: i64, at: u32) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO follower (name, seq, at) VALUES (?, ?, ?)")?
            .execute((name, seq, at))?;
        Ok(())
    }

    fn event(&self, id: i64, at: u32, kind: EventKind) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO decision_event (decision, at, kind) VALUES (?, ?, ?)")?
            .execute((id, at, kind.as_str()))?;
        Ok(())
    }

    /// Deletes decisions that ended before `cutoff`, with their events, and followers that were not seen since.
    pub(super) fn prune_decisions(&self, cutoff: u32) -> Result<(), StoreError> {
        self.connection.execute(
            "DELETE FROM decision WHERE ended IS NOT NULL AND ended < ?",
            [cutoff],
        )?;
        self.connection
            .execute("DELETE FROM follower WHERE at < ?", [cutoff])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<DecisionRow> {
    let reasons: String = row.get(6)?;
    let end: Option<String> = row.get(16)?;
    Ok(DecisionRow {
        id: row.get(0)?,
        nginx: row.get(1)?,
        zone: row.get(2)?,
        client: row.get(3)?,
        network: row.get(4)?,
        origin: row.get(5)?,
        reasons: serde_json::from_str(&reasons).unwrap_or_default(),
        reference: row.get(7)?,
        author: row.get(8)?,
        note: row.get(9)?,
        begun: row.get(10)?,
        until: row.get(11)?,
        expires: row.get(12)?,
        dry_run: row.get(13)?,
        held: row.get(14)?,
        ended: row.get(15)?,
        end: end.and_then(|word| End::from_word(&word)),
        ended_by: row.get(17)?,
    })
}
