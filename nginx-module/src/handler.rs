//! What happens to a request: accounted before the access phase, once more after its response.

use std::fmt::{self, Display};

use sekisho_core::checkpoint::{self, Arrival, Policy, Standing, Verdict};
use sekisho_core::feature::Features;
use sekisho_core::key::key_hash;
use sekisho_core::record::Record;
use sekisho_core::sketch::popularity::Rating;
use sekisho_core::table::{Admission, set_index};
use sekisho_core::url::{Method, Visit};

use crate::ffi::config::{Check, LocationConf, MainConf};
use crate::ffi::request::Request;
use crate::ffi::shm::{LockedSet, Zone, ZoneData};
use crate::injected::{Fault, fault, now};
use crate::samples;
use crate::scorer::Scorer;
use crate::variables::write_reasons;
use crate::zone::{Counters, reference_id};

/// Longest key that is accounted, as limit_req.
const MAX_KEY: usize = 65_535;

/// What nginx is to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve it, or not, as without us.
    GoOn,
    /// Answer with this status.
    Stop(u16),
}

/// What was concluded about a request; kept with it until it is freed.
pub struct Conclusion {
    /// The verdict that the operator sees.
    pub verdict: Verdict,
    /// Where the client stands.
    pub standing: Standing,
    /// Reference id.
    pub id: u64,
    hash: u64,
    check: Check,
    stopped: bool,
}

/// A request that is being judged.
struct Case<'a> {
    request: Request<'a>,
    data: &'a ZoneData,
    zone: Zone<'a>,
    scorer: &'a Scorer,
    policy: Policy,
    key: &'a [u8],
    hash: u64,
    at: u32,
}

/// A request came. Accounts main requests once, whatever internal redirects follow.
pub fn arrive(request: &Request<'_>) -> Action {
    if !request.is_main() || request.conclusion().is_some() {
        return Action::GoOn;
    }
    let (main, location) = (request.main_conf(), request.location());
    location
        .check()
        .and_then(|check| judge(request, main, location, check))
        .unwrap_or(Action::GoOn)
}

/// A response went out. Requests that we stopped teach nothing: a ban would feed itself.
pub fn depart(request: &Request<'_>) {
    if !request.is_main() {
        return;
    }
    fault(request, Fault::PanicLog);
    let Some(conclusion) = request.conclusion().filter(|conclusion| !conclusion.stopped) else {
        return;
    };
    let Some(zone) = conclusion.check.zone().and_then(ZoneData::zone) else {
        return;
    };
    let Some(mut set) = zone.lock(set_index(conclusion.hash, zone.sets())) else {
        return;
    };
    let Some(way) = set.find(conclusion.hash) else {
        return;
    };
    set.announce(way);
    checkpoint::depart(set.record_mut(way), request.status(), request.body_bytes());
}

fn judge(request: &Request<'_>, main: &MainConf, location: &LocationConf, check: &Check) -> Option<Action> {
    let scorer = main.scorer.as_ref()?;
    let data = check.zone()?;
    let zone = data.zone()?;
    let key = request.key(data).filter(|key| !key.is_empty())?;
    if key.len() > MAX_KEY {
        request.log_error(&format_args!(
            "the value of the \"{}\" key is more than {MAX_KEY} bytes",
            data.key_text
        ));
        return None;
    }
    fault(request, Fault::Panic);
    let hash = key_hash(zone.header().seed(), key);
    let policy = check.limits.policy(scorer.thresholds());
    let case = Case {
        request: *request,
        data,
        zone,
        scorer,
        policy,
        key,
        hash,
        at: now(request),
    };
    let (standing, scored) = case.stand()?;

    let (verdict, action) = match standing.verdict {
        Verdict::Rejected if location.dry_run() => (Verdict::RejectedDryRun, Action::GoOn),
        Verdict::Rejected => (Verdict::Rejected, Action::Stop(location.status())),
        other => (other, Action::GoOn),
    };
    match verdict {
        Verdict::Rejected => Counters::add(&zone.counters().rejected),
        Verdict::RejectedDryRun => Counters::add(&zone.counters().rejected_dry_run),
        _ => {}
    }
    let id = reference_id(zone.header().seed(), hash, standing.evidence);
    let stopped = action != Action::GoOn;
    let conclusion = Conclusion {
        verdict,
        standing,
        id,
        hash,
        check: *check,
        stopped,
    };
    if standing.turned && standing.verdict == Verdict::Rejected {
        request.log(
            location.log_level(),
            &Turn {
                conclusion: &conclusion,
                policy: &policy,
                zone: &data.name,
            },
        );
    }
    if let (Some(file), Some(features)) = (main.samples, scored) {
        case.offer_sample(file, &conclusion, &features);
    }
    request.conclude(conclusion);
    Some(action)
}

impl Case<'_> {
    /// Accounts the request and, when a score is due, evaluates the model outside the lock. `None` when the
    /// record could not be had: the request then goes on as if it had not been seen.
    fn stand(&self) -> Option<(Standing, Option<Features>)> {
        let counters = self.zone.counters();
        let referer = self
            .request
            .referer()
            .filter(|text| !text.is_empty() && *text != b"-");
        let method = Method::parse(self.request.method());
        let visit = Visit::new(self.zone.header().seed(), method, self.request.target(), referer);
        let rating = self.zone.popularity().visit(visit.url());
        let index = set_index(self.hash, self.zone.sets());
        let arrival = self.observe(&mut self.zone.lock(index)?, &visit, rating);
        let (mut standing, scored) = match arrival {
            Arrival::Settled(standing) => (standing, None),
            Arrival::Score(features) => {
                Counters::add(&counters.scores);
                let score = self.scorer.score(&features);
                let settle = |record: &mut Record| checkpoint::settle(record, self.at, score, &self.policy);
                (self.with_record(index, settle)?, Some(features))
            }
        };
        let evidence = if standing.turned {
            self.explain(index, &mut standing, scored)
        } else {
            scored
        };
        let flagged = standing.verdict != Verdict::Passed;
        Some((standing, evidence.filter(|_| flagged)))
    }

    /// Finds the reasons for a verdict that just turned, keeps them, and returns the features that show them.
    /// Under another location's thresholds a verdict can turn without a new score; they are then those of now.
    fn explain(&self, index: u32, standing: &mut Standing, scored: Option<Features>) -> Option<Features> {
        let features = scored.or_else(|| self.with_record(index, |record| record.features()))?;
        standing.reasons = self.scorer.reasons(&features);
        self.with_record(index, |record| checkpoint::explain(record, standing.reasons));
        Some(features)
    }

    /// Changes the client's record under its lock; `None` when the lock or the record is not to be had.
    fn with_record<T>(&self, index: u32, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let mut set = self.zone.lock(index)?;
        let way = set.find(self.hash)?;
        set.announce(way);
        Some(change(set.record_mut(way)))
    }

    fn observe(&self, set: &mut LockedSet<'_>, visit: &Visit, rating: Rating) -> Arrival {
        let counters = self.zone.counters();
        Counters::add(&counters.requests);
        let way = set.victim(self.hash, self.at);
        set.announce(way);
        match set.admit_at(way, self.hash, self.at) {
            Admission::Known => {}
            Admission::Fresh => set.set_name(way, self.key),
            Admission::Evicted => {
                set.set_name(way, self.key);
                Counters::add(&counters.evictions);
            }
        }
        fault(&self.request, Fault::PanicLocked);
        fault(&self.request, Fault::DieLocked);
        checkpoint::arrive(set.record_mut(way), self.at, visit, rating, &self.policy)
    }

    fn offer_sample(
        &self,
        file: crate::ffi::config::SampleFile,
        conclusion: &Conclusion,
        features: &Features,
    ) {
        let facts = samples::Facts {
            // Unique for each sample; at a turn it is the reference id.
            id: reference_id(self.zone.header().seed(), self.hash, conclusion.standing.requests),
            at: self.at,
            zone: &self.data.name,
            key: self.key,
            key_text: &self.data.key_text,
            verdict: conclusion.verdict,
            standing: &conclusion.standing,
            features,
            model: self.scorer.digest(),
            method: self.request.method(),
            target: self.request.target(),
        };
        let counters = self.zone.counters();
        match samples::write(&facts, |line| file.append(line)) {
            Ok(()) => Counters::add(&counters.samples_written),
            Err(_) => Counters::add(&counters.samples_dropped),
        }
    }
}

/// The line that says that a client is rejected from now on.
struct Turn<'a> {
    conclusion: &'a Conclusion,
    policy: &'a Policy,
    zone: &'a str,
}

impl Display for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conclusion {
            standing,
            id,
            verdict,
            ..
        } = self.conclusion;
        let score = standing.score.unwrap_or_default();
        write!(
            f,
            "sekisho: rejecting client, score {score:.4}, threshold {:.4},",
            self.policy.reject
        )?;
        write!(f, " at request {}, reasons \"", standing.requests)?;
        write_reasons(f, standing.reasons)?;
        write!(f, "\", id {id:016x}, by zone \"{}\"", self.zone)?;
        if *verdict == Verdict::RejectedDryRun {
            f.write_str(", dry run")
        } else {
            Ok(())
        }
    }
}
