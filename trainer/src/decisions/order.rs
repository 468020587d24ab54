//! Orders to nginx: ban, lift, allow. Each is written down: the ban with who ordered it and why, and in the audit log that
//! somebody did, without whom it was about.

use sekisho_core::key::shown_client;
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::everywhere::{NotDone, Partly, Told, each};
use crate::causes::with_causes;
use crate::nginx::{
    AllowError, Allowed, Decision, MAX_BAN, MAX_REASON, Nginx, NginxError, api_name, stored_name,
};
use crate::store::{End, Names, NewDecision, Store, StoreError, is_pseudonym};
use crate::visible::{escaped, is_hidden};
use crate::watch::{Live, Target, ZoneNow};

/// Characters of a name that are shown.
const SHOWN: usize = 256;
/// Bytes of a client's name, as the API has it.
const MAX_NAME: usize = 1024;

/// Who gives the orders of an import.
pub const IMPORT: &str = "import from CrowdSec";

/// Who orders.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Unix seconds.
    pub at: u32,
    /// The name that the audit log gets.
    pub actor: &'a str,
}

/// Where orders go, and where they are written down.
#[derive(Clone, Copy)]
pub struct Orders<'a> {
    /// Every nginx.
    pub live: &'a Live,
    /// The store.
    pub store: &'a Store,
    /// How it keeps names.
    pub names: &'a Names,
}

/// A ban to put.
#[derive(Clone, Debug)]
pub struct Ban {
    /// In which zone.
    pub zone: String,
    /// On whom: an address or network, or a key as the store or the API names it.
    pub client: String,
    /// For so long; at most [`MAX_BAN`].
    pub seconds: u32,
    /// Why; at most [`MAX_REASON`] characters.
    pub reason: String,
    /// `operator`, or where it was imported from.
    pub origin: &'static str,
}

/// What one nginx did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Its name.
    pub nginx: String,
    /// Whom it bans, by the samples' name.
    #[serde(skip)]
    pub client: Option<String>,
    /// Number of the decision in the store; absent where it knew none.
    pub decision: Option<i64>,
    /// Until when a ban holds, unix seconds by our clock.
    pub expires: Option<u32>,
    /// Whether nginx does anything about the ban.
    pub effect: Effect,
}

/// What nginx does about a ban that it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It acts on it.
    #[default]
    Acted,
    /// Nothing, until `sekisho_dry_run` is off.
    DryRun,
    /// Nothing, while the breaker is open.
    Held,
}

impl Effect {
    fn of(zone: Option<ZoneNow>) -> Effect {
        match zone {
            Some(zone) if zone.dry_run == Some(true) => Effect::DryRun,
            Some(zone) if zone.held => Effect::Held,
            _ => Effect::Acted,
        }
    }
}

/// Why an order is not carried out.
#[derive(Debug, Error)]
pub enum OrderError {
    /// None is configured.
    #[error("no nginx is watched: add [[nginx]] with name and api to the configuration")]
    NoNginx,
    /// None of them has the zone.
    #[error("no watched nginx has a zone \"{0}\"")]
    NoZone(String),
    /// Nobody can tell who it is.
    #[error("the store keeps pseudonyms, and nginx does not know {0}: name the address itself")]
    Pseudonym(String),
    /// It cannot be ordered so.
    #[error("{0}")]
    Refused(String),
    /// The ban was not there.
    #[error("nobody of that name is banned in zone \"{0}\"")]
    NotBanned(String),
    /// Some nginx did it, and some did not.
    #[error(transparent)]
    Partly(#[from] Partly),
    /// nginx does not do it.
    #[error(transparent)]
    Nginx(#[from] NginxError),
    /// The list of the allowed cannot be changed.
    #[error(transparent)]
    Allow(#[from] AllowError),
    /// nginx did it, and it is not written down.
    #[error("nginx obeyed, but that could not be written down")]
    Store(#[from] StoreError),
}

impl Orders<'_> {
    /// Bans a client in every nginx that has the zone; replaces a ban in force.
    ///
    /// # Errors
    /// [`OrderError`]; those that obeyed keep the ban.
    pub fn ban(&self, ban: &Ban, by: By<'_>) -> Result<Vec<Done>, OrderError> {
        if !(1..=MAX_BAN).contains(&ban.seconds) {
            return Err(OrderError::Refused(format!("a ban lasts 1 to {MAX_BAN} seconds")));
        }
        if ban.reason.chars().count() > MAX_REASON || ban.reason.chars().any(is_hidden) {
            return Err(OrderError::Refused(format!(
                "a reason has at most {MAX_REASON} characters, and none that cannot be seen"
            )));
        }
        let client = self.plain(&ban.zone, &ban.client)?;
        let targets = self.targets(&ban.zone, by)?;
        let told = each(
            self.live,
            &targets,
            |nginx| {
                let found = nginx.ban(&ban.zone, &client, ban.seconds, &ban.reason)?;
                // A person is told what nginx does about it now, and not at the last look.
                let status = (by.actor != IMPORT).then(|| nginx.status().ok()).flatten();
                Ok((found, status.and_then(|status| ZoneNow::of(&status, &ban.zone))))
            },
            |target, (found, zone)| {
                let effect = Effect::of(zone.or(target.zone));
                self.banned(ban, target.nginx.name(), (&found, effect), by)
                    .map(Some)
            },
        );
        self.all(told, ("ban", "banned"), &ban.zone, by)
    }

    /// Lifts the bans on a client in a zone. nginx forgets its behaviour so far.
    ///
    /// # Errors
    /// [`OrderError`]; [`OrderError::NotBanned`] when no nginx had one.
    pub fn lift(&self, zone: &str, client: &str, by: By<'_>) -> Result<Vec<Done>, OrderError> {
        let client = self.plain(zone, client)?;
        let targets = self.targets(zone, by)?;
        let told = each(
            self.live,
            &targets,
            |nginx| nginx.lift(zone, &client),
            |target, was_banned| {
                let nginx = target.nginx.name();
                let lifted = || {
                    let decision = self.lifted(nginx, zone, &client, by)?;
                    Ok(done_in(nginx, decision))
                };
                was_banned.then(lifted).transpose()
            },
        );
        let done = self.all(told, ("lift", "lifted"), zone, by)?;
        if done.is_empty() {
            return Err(OrderError::NotBanned(shown(zone)));
        }
        Ok(done)
    }

    /// Lets an address or network pass, whatever the model says, in every nginx with a list that may be edited.
    ///
    /// # Errors
    /// [`OrderError`]
    pub fn allow(&self, allowed: &Allowed, by: By<'_>) -> Result<Vec<Done>, OrderError> {
        self.edit(("allow", "allowed"), by, |nginx| {
            nginx.allow(allowed).map(|()| true)
        })
    }

    /// Takes that back; only what was allowed from here.
    ///
    /// # Errors
    /// [`OrderError`]
    pub fn disallow(&self, client: &str, by: By<'_>) -> Result<Vec<Done>, OrderError> {
        let done = self.edit(("disallow", "no longer allowed"), by, |nginx| {
            nginx.disallow(client)
        })?;
        if done.is_empty() {
            let text = format!("{} is not allowed from here", shown(client));
            return Err(OrderError::Refused(text));
        }
        Ok(done)
    }

    fn edit(
        &self,
        (action, what): (&str, &'static str),
        by: By<'_>,
        edit: impl Fn(&Nginx) -> Result<bool, AllowError>,
    ) -> Result<Vec<Done>, OrderError> {
        let all = self.live.all();
        let Some(first) = all.first() else {
            return Err(OrderError::NoNginx);
        };
        let editable: Vec<_> = all.iter().filter(|nginx| nginx.allow_file().is_some()).collect();
        if editable.is_empty() {
            return Err(AllowError::NoFile(first.name().to_owned()).into());
        }
        let mut told = Told::default();
        for nginx in editable {
            let name = nginx.name();
            let edited = edit(nginx).map_err(OrderError::from).and_then(|is_new| {
                let (action, subject) = (format!("decision.{action}"), format!("nginx:{name}"));
                if is_new {
                    self.store.audit(by.at, by.actor, &action, &subject, &json!({}))?;
                }
                Ok(is_new)
            });
            told.concerned += 1;
            match edited {
                Ok(true) => told.done.push(done_in(name, None)),
                Ok(false) => {}
                Err(error) => told.failed.push(NotDone {
                    nginx: name.to_owned(),
                    error,
                }),
            }
        }
        told.all(what)
    }

    /// What was done where all obeyed; else the audit log gets who did and who did not.
    fn all(
        &self,
        told: Told,
        (action, what): (&str, &'static str),
        zone: &str,
        by: By<'_>,
    ) -> Result<Vec<Done>, OrderError> {
        if told.concerned == 0 {
            return Err(OrderError::NoZone(shown(zone)));
        }
        if !told.failed.is_empty() {
            let done: Vec<&str> = told.done.iter().map(|done| done.nginx.as_str()).collect();
            let failed: Vec<&str> = told.failed.iter().map(|failed| failed.nginx.as_str()).collect();
            let detail = json!({"zone": zone, "done": done, "failed": failed});
            if let Err(error) = self.audit(&format!("decision.{action}.failed"), "client", &detail, by) {
                // Who ordered is told of the nginx that did not obey, which weighs more.
                tracing::error!("a failed order is not in the audit log: {}", with_causes(&error));
            }
        }
        told.all(what)
    }

    /// Writes down that one nginx keeps a ban.
    fn banned(
        &self,
        ban: &Ban,
        nginx: &str,
        (found, effect): (&Decision, Effect),
        by: By<'_>,
    ) -> Result<Done, StoreError> {
        let new = NewDecision {
            nginx: nginx.to_owned(),
            zone: ban.zone.clone(),
            client: stored_name(&found.client),
            origin: ban.origin.to_owned(),
            reasons: found.reasons.clone(),
            reference: found.id.clone(),
            author: by.actor.to_owned(),
            note: ban.reason.clone(),
            begun: by.at,
            until: found.until,
            expires: by.at.saturating_add(ban.seconds),
            dry_run: Some(effect == Effect::DryRun),
        };
        let id = self.begun(&new, effect, by)?;
        self.live.remember(id, &found.client);
        Ok(Done {
            client: Some(new.client),
            expires: Some(new.expires),
            effect,
            ..done_in(nginx, Some(id))
        })
    }

    /// Writes down a ban; a watch may have seen it before.
    fn begun(&self, new: &NewDecision, effect: Effect, by: By<'_>) -> Result<i64, StoreError> {
        let transaction = self.store.write()?;
        let kept = self.names.client(&new.client);
        let mut known = None;
        for row in self.store.open_decisions(Some((&new.nginx, &new.zone)))? {
            if row.client != kept {
                continue;
            }
            if row.until == new.until {
                self.store.claim_decision(row.id, new)?;
                known = Some(row.id);
            } else {
                self.store
                    .end_decision(row.id, End::Replaced, by.actor, (by.at, by.at))?;
            }
        }
        let id = match known {
            Some(id) => id,
            None => self.begin(new, effect, by)?,
        };
        let detail = json!({
            "nginx": new.nginx,
            "zone": new.zone,
            "origin": new.origin,
            "seconds": new.expires - new.begun,
        });
        let subject = format!("decision:{id}");
        self.audit("decision.ban", &subject, &detail, by)?;
        transaction.commit()?;
        Ok(id)
    }

    fn begin(&self, new: &NewDecision, effect: Effect, by: By<'_>) -> Result<i64, StoreError> {
        let id = self.store.begin_decision(new, self.names, by.at)?;
        if effect == Effect::Held {
            self.store.set_held(id, true, by.at)?;
        }
        Ok(id)
    }

    fn lifted(&self, nginx: &str, zone: &str, client: &str, by: By<'_>) -> Result<Option<i64>, StoreError> {
        let transaction = self.store.write()?;
        let stored = stored_name(client);
        let names = [
            self.names.client(&stored),
            self.names.client(&shown_client(&stored)),
        ];
        let mut ended = None;
        for row in self.store.open_decisions(Some((nginx, zone)))? {
            if names.contains(&row.client) {
                self.store
                    .end_decision(row.id, End::Lifted, by.actor, (by.at, by.at))?;
                ended = Some(row.id);
            }
        }
        let subject = ended.map_or_else(|| "client".to_owned(), |id| format!("decision:{id}"));
        let detail = json!({"nginx": nginx, "zone": zone});
        self.audit("decision.lift", &subject, &detail, by)?;
        transaction.commit()?;
        Ok(ended)
    }

    fn audit(&self, action: &str, subject: &str, detail: &Value, by: By<'_>) -> Result<(), StoreError> {
        // What a program does all day is told by its decisions, and would bury the rest of a log that nothing leaves.
        if by.actor != IMPORT {
            self.store.audit(by.at, by.actor, action, subject, detail)?;
        }
        Ok(())
    }

    /// Those that an order goes to: a person's goes to those that do not answer, too, so that he learns which did not
    /// obey. A program comes again soon, and would wait for them all day.
    fn targets(&self, zone: &str, by: By<'_>) -> Result<Vec<Target>, OrderError> {
        if self.live.is_empty() {
            return Err(OrderError::NoNginx);
        }
        let mut targets = self.live.with_zone(zone);
        if by.actor == IMPORT {
            targets.retain(|target| target.answers);
        }
        if targets.is_empty() {
            return Err(OrderError::NoZone(shown(zone)));
        }
        Ok(targets)
    }

    /// The API's name of a client. Of a pseudonym it is known only while the client is banned.
    fn plain(&self, zone: &str, client: &str) -> Result<String, OrderError> {
        if client.is_empty() || client.len() > MAX_NAME {
            let text = format!("a client's name has 1 to {MAX_NAME} bytes");
            return Err(OrderError::Refused(text));
        }
        if !is_pseudonym(client) {
            return Ok(api_name(client));
        }
        let open = self.store.open_decisions(None)?;
        let known = open.iter().filter(|row| row.zone == zone && row.client == client);
        known
            .filter_map(|row| self.live.plain_name(row.id))
            .next()
            .ok_or_else(|| OrderError::Pseudonym(client.to_owned()))
    }
}

fn done_in(nginx: &str, decision: Option<i64>) -> Done {
    Done {
        nginx: nginx.to_owned(),
        client: None,
        decision,
        expires: None,
        effect: Effect::default(),
    }
}

fn shown(text: &str) -> String {
    escaped(text.as_bytes(), SHOWN)
}
