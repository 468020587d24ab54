//! What happens to a request: accounted before the access phase, once more after its response.

use sekisho_core::checkpoint::{self, Standing, Verdict};

use crate::case::{with_record, with_record_at};
use crate::conf::MAX_ZONES;
use crate::ffi::clock::nanoseconds;
use crate::ffi::config::{Check, LocationConf, ZoneRef};
use crate::ffi::request::Request;
use crate::injected::{Fault, fault, now};
use crate::judgement::Judgement;
use crate::samples;
use crate::zone::reference_id;

/// What nginx is to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve it, or not, as without us.
    GoOn,
    /// Serve it after so many milliseconds.
    Delay(u64),
    /// Answer with this status; the client may come back after so many seconds.
    Stop {
        /// Status code.
        status: u16,
        /// For the header Retry-After.
        retry_after: u32,
    },
}

/// What was concluded about a request; kept with it until it is freed.
pub struct Conclusion {
    /// The verdict that the operator sees.
    pub verdict: Verdict,
    /// Where the client stands in the zone that decided.
    pub standing: Standing,
    pub(super) touched: Touched,
    /// Which of them decided.
    pub(super) decided: usize,
    /// Whether the first of those is the location's narrowest.
    pub(super) narrow: bool,
    /// How long a completion makes immune, in seconds, where the request arrived.
    pub(super) human: Option<u32>,
    pub(super) stopped: bool,
    pub(super) enforced: bool,
}

/// A zone that accounted a request.
#[derive(Clone, Copy)]
pub struct Touch {
    /// The zone.
    pub zone: ZoneRef,
    /// The key's hash there.
    pub hash: u64,
    /// Where in its set the record was.
    pub way: usize,
}

/// The zones that accounted a request, the narrowest first.
pub type Touched = [Option<Touch>; MAX_ZONES];

impl Conclusion {
    /// Reference id. Few requests are asked for it, so it is computed when one is.
    pub fn id(&self) -> u64 {
        let id = |touch: &Touch| {
            let seed = touch.zone.get()?.zone()?.header().seed();
            Some(reference_id(seed, touch.hash, self.standing.evidence))
        };
        self.decided_by().and_then(id).unwrap_or(0)
    }

    /// Name of the zone that decided.
    pub fn zone(&self) -> Option<&str> {
        Some(self.decided_by()?.zone.get()?.name.as_str())
    }

    fn decided_by(&self) -> Option<&Touch> {
        self.touched.get(self.decided)?.as_ref()
    }
}

/// A request came. Accounts main requests once, whatever internal redirects follow.
pub fn arrive(request: &Request<'_>) -> Action {
    if !request.is_main() {
        return Action::GoOn;
    }
    let (main, location) = (request.main_conf(), request.location());
    // First of all, so that nothing that goes wrong later lets through what a client made up.
    let concluded = request.conclusion();
    tag(request, location, concluded);
    if concluded.is_some() {
        return Action::GoOn;
    }
    match (main.models.champion(), location.checks()) {
        (None, _) | (_, []) => Action::GoOn,
        (Some(scorer), checks) => {
            let started = main.meter.start(nanoseconds);
            let action = Judgement::new(request, main, location, &scorer).of(checks);
            note_cost(checks, started);
            action
        }
    }
}

/// Keeps what a timed decision cost with the zone that was asked first.
fn note_cost(checks: &[Check], started: Option<u64>) {
    let zone = || checks.first()?.zone()?.zone();
    if let Some((started, zone)) = started.and_then(|started| Some((started, zone()?))) {
        zone.counters().cost.add(nanoseconds().saturating_sub(started));
    }
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
    let (status, bytes) = (request.status(), request.body_bytes());
    for touch in conclusion.touched.iter().map_while(Option::as_ref) {
        if let Some(zone) = touch.zone.get().and_then(|data| data.zone()) {
            with_record_at(zone, touch.hash, touch.way, |record| {
                checkpoint::depart(record, status, bytes);
            });
        }
    }
    // try_files and error_page may have led elsewhere since.
    let human = conclusion.human.or_else(|| request.location().human());
    // A person vouches for nobody but the narrowest key.
    if let Some(seconds) = human
        && conclusion.narrow
        && (200..400).contains(&status)
        && let Some(touch) = conclusion.touched[0]
    {
        complete(request, conclusion, touch.zone, touch.hash, seconds);
    }
}

/// The client completed what only people complete: it starts anew, and what it did before is a label.
#[cold]
fn complete(request: &Request<'_>, conclusion: &Conclusion, place: ZoneRef, hash: u64, seconds: u32) {
    let Some(zone) = place.get().and_then(|data| data.zone()) else {
        return;
    };
    let before = with_record(zone, hash, |record| {
        let features = record.features();
        checkpoint::complete(record, now(request), seconds).then_some(features)
    });
    if let Some(features) = before.flatten() {
        samples::completed(request, place, hash, conclusion, &features);
    }
}

/// Where tagging is configured every request gets the header: the upstream shall not see one that a client
/// made up.
#[inline]
pub fn tag(request: &Request<'_>, location: &LocationConf, conclusion: Option<&Conclusion>) {
    if location.tags() {
        tell_upstream(request, location, conclusion);
    }
}

#[cold]
fn tell_upstream(request: &Request<'_>, location: &LocationConf, conclusion: Option<&Conclusion>) {
    if location.checks().is_empty() {
        return;
    }
    let told = |conclusion: &&Conclusion| conclusion.enforced && location.reaction(conclusion.verdict).tag;
    request.tag(conclusion.filter(told));
}
