//! What happens to a request: accounted before the access phase, once more after its response.

use sekisho_core::checkpoint::{self, DEFAULT_GROUP_REQUESTS, Overrides, Standing, Verdict};
use sekisho_core::guard::{Alarm, Seen};
use sekisho_core::key::key_hash;
use sekisho_core::sample::{Class, Label, Origin};
use sekisho_core::url::{Method, Visit};

use crate::bots::{Claim, octets};
use crate::case::{Asked, Case, Outcome, with_record};
use crate::conf::MAX_ZONES;
use crate::ffi::clock::nanoseconds;
use crate::ffi::config::{Check, LocationConf, MainConf, ZoneRef};
use crate::ffi::request::Request;
use crate::guards::{Alarmed, REMEDY, Restraint};
use crate::injected::{Fault, fault, now};
use crate::reaction::MAX_DELAYED;
use crate::samples::{self, Facts};
use crate::scorer::Scorer;
use crate::turn::Turn;
use crate::zone::{Counters, reference_id};

/// Longest key that is accounted, as limit_req.
const MAX_KEY: usize = 65_535;

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
    /// Reference id.
    pub id: u64,
    decided_by: ZoneRef,
    touched: [Option<(ZoneRef, u64)>; MAX_ZONES],
    stopped: bool,
    enforced: bool,
}

impl Conclusion {
    /// Name of the zone that decided.
    pub fn zone(&self) -> Option<&str> {
        self.decided_by.get().map(|data| data.name.as_str())
    }
}

/// A request came. Accounts main requests once, whatever internal redirects follow.
pub fn arrive(request: &Request<'_>) -> Action {
    if !request.is_main() {
        return Action::GoOn;
    }
    let (main, location) = (request.main_conf(), request.location());
    // First of all, so that nothing that goes wrong later lets through what a client made up.
    tag(request, location, request.conclusion());
    if request.conclusion().is_some() {
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
    let completed = request
        .location()
        .human()
        .filter(|_| (200..400).contains(&status));
    for (order, (place, hash)) in conclusion.touched.iter().flatten().enumerate() {
        let Some(zone) = place.get().and_then(|data| data.zone()) else {
            continue;
        };
        // A person vouches for nobody but the narrowest key.
        let completed = completed.filter(|_| order == 0);
        let before = with_record(zone, *hash, |record| {
            checkpoint::depart(record, status, bytes);
            let seconds = completed?;
            let features = record.features();
            checkpoint::complete(record, now(request), seconds);
            Some(features)
        });
        if let Some(features) = before.flatten() {
            samples::completed(request, *place, *hash, conclusion, &features);
        }
    }
}

/// A request being judged.
struct Judgement<'a> {
    request: Request<'a>,
    main: &'a MainConf,
    location: &'a LocationConf,
    scorer: &'a Scorer,
    at: u32,
    allowed: bool,
}

/// The zone that decides, and what it found.
struct Decided<'a> {
    place: ZoneRef,
    case: Case<'a>,
    outcome: Outcome,
}

impl<'a> Judgement<'a> {
    fn new(
        request: &Request<'a>,
        main: &'a MainConf,
        location: &'a LocationConf,
        scorer: &'a Scorer,
    ) -> Judgement<'a> {
        let allowed = location
            .allow()
            .is_some_and(|list| list.contains(request.address()));
        Judgement {
            request: *request,
            main,
            location,
            scorer,
            at: now(request),
            allowed,
        }
    }

    /// Asks one zone after the other, the narrowest first. The first one that knows enough of the client decides;
    /// where none does, the one with the worst to say. So a group answers for those of its members that are too
    /// new to be judged, and its own record holds nothing but their requests.
    fn of(&self, checks: &'a [Check]) -> Action {
        fault(&self.request, Fault::Panic);
        let mut touched = [None; MAX_ZONES];
        let mut decided: Option<Decided<'a>> = None;
        let mut digest = None;
        for ((place, check), touch) in checks.iter().enumerate().zip(&mut touched) {
            let Some(case) = self.case(check, place) else {
                continue;
            };
            let seed = case.zone.header().seed();
            let visit = match digest {
                Some((other, visit)) if other == seed => visit,
                _ => self.digest(&case),
            };
            digest = Some((seed, visit));
            let Some(outcome) = case.judge(&visit, || self.claim(place)) else {
                continue;
            };
            *touch = Some((check.place(), case.hash));
            let enough =
                self.allowed || self.location.trap().is_some() || outcome.standing.is_judged(&case.policy);
            let worse = decided
                .as_ref()
                .is_none_or(|other| outcome.standing.verdict > other.outcome.standing.verdict);
            if enough || worse {
                decided = Some(Decided {
                    place: check.place(),
                    case,
                    outcome,
                });
            }
            if enough {
                break;
            }
        }
        match decided {
            Some(decided) => self.conclude(decided, touched),
            None => Action::GoOn,
        }
    }

    fn case(&self, check: &'a Check, place: usize) -> Option<Case<'a>> {
        let data = check.zone()?;
        let zone = data.zone()?;
        let key = self.request.key(data).filter(|key| !key.is_empty())?;
        if key.len() > MAX_KEY {
            self.request.log_error(&format_args!(
                "the value of the \"{}\" key is more than {MAX_KEY} bytes",
                data.key_text
            ));
            return None;
        }
        let key = data.client_key(key);
        let hash = key_hash(zone.header().seed(), key.as_bytes());
        let mut limits = check.limits;
        if place > 0 {
            limits.min_requests = limits.min_requests.or(Some(DEFAULT_GROUP_REQUESTS));
        }
        Some(Case {
            request: self.request,
            data,
            zone,
            scorer: self.scorer,
            policy: self.policy(&limits),
            limits,
            key,
            hash,
            at: self.at,
        })
    }

    fn policy(&self, limits: &Overrides) -> checkpoint::Policy {
        let policy = limits.policy(self.scorer.thresholds());
        if self.allowed {
            policy.for_allowed()
        } else {
            policy
        }
    }

    fn digest(&self, case: &Case<'_>) -> Visit {
        let referer = self
            .request
            .referer()
            .filter(|text| !text.is_empty() && *text != b"-");
        let method = Method::parse(self.request.method());
        Visit::new(case.zone.header().seed(), method, self.request.target(), referer)
    }

    /// What is known of the client's claim to be somebody's bot; only the first zone asks.
    fn claim(&self, place: usize) -> Asked {
        let (Some(bots), 0, Some(agent)) = (&self.main.bots, place, self.request.user_agent()) else {
            return Asked::UNKNOWN;
        };
        let address = self.request.address();
        match bots.claim(agent, address, self.at, self.request.has_resolver()) {
            Claim::Known(trust) => Asked { trust, judge: true },
            Claim::Pending => Asked {
                judge: false,
                ..Asked::UNKNOWN
            },
            Claim::Ask(bot) => {
                let asked = self.request.look_up(bot, octets(address), self.at);
                Asked {
                    judge: !asked,
                    ..Asked::UNKNOWN
                }
            }
        }
    }

    fn conclude(&self, decided: Decided<'_>, touched: [Option<(ZoneRef, u64)>; MAX_ZONES]) -> Action {
        let Decided {
            place,
            case,
            mut outcome,
        } = decided;
        if let Some(seconds) = self.location.trap().filter(|_| !self.allowed)
            && let Some(standing) = case.trap(seconds)
        {
            outcome.standing = standing;
        }
        let standing = outcome.standing;
        let found = if self.allowed {
            Verdict::Allowed
        } else {
            standing.verdict
        };
        let enforced = self.watch(&case, &outcome, found) && !self.location.dry_run();
        let verdict = match found {
            Verdict::Rejected if !enforced => Verdict::RejectedDryRun,
            found => found,
        };
        case.zone.counters().count(verdict);
        let action = if enforced {
            self.react(&case, verdict, &standing)
        } else {
            Action::GoOn
        };
        let conclusion = Conclusion {
            verdict,
            standing,
            id: reference_id(case.zone.header().seed(), case.hash, standing.evidence),
            decided_by: place,
            touched,
            stopped: matches!(action, Action::Stop { .. }),
            enforced,
        };
        if standing.turned && matches!(found, Verdict::Rejected | Verdict::Trapped) {
            self.request.log(
                self.location.log_level(),
                &Turn::new(&conclusion, &case, !enforced),
            );
        }
        if let Some(features) = outcome.features {
            samples::scored(self.main, &Facts::of(&case, &conclusion, &features));
        }
        let origin = match found {
            Verdict::Trapped => standing.turned.then_some(Origin::Trap),
            _ => outcome.proven.then_some(Origin::VerifiedBot),
        };
        if let Some(origin) = origin
            && let Some(features) = outcome.features.or_else(|| case.features())
        {
            let label = Class::Crawler;
            samples::labelled(
                self.main,
                &Facts::of(&case, &conclusion, &features),
                Label { label, origin },
            );
        }
        tag(&self.request, self.location, Some(&conclusion));
        // What is not kept would be asked again after the delay, and for ever.
        match self.request.conclude(conclusion) {
            false if matches!(action, Action::Delay(_)) => Action::GoOn,
            _ => action,
        }
    }

    /// Tells the guards, and asks them whether the client may be stopped.
    fn watch(&self, case: &Case<'_>, outcome: &Outcome, found: Verdict) -> bool {
        let (guards, state) = (&self.main.guards, &case.zone.header().guards);
        let rejected = matches!(found, Verdict::Rejected | Verdict::Trapped);
        let seen = Seen {
            at: self.at,
            hash: case.hash,
            before: outcome.before,
            rejected,
            turned: rejected && outcome.standing.turned,
        };
        let limits = guards.limits();
        let agent = || {
            key_hash(
                case.zone.header().seed(),
                self.request.user_agent().unwrap_or_default(),
            )
        };
        let alarm = state.observe(&seen, &limits, agent);
        let told = |alarm: &Alarm| guards.watches_proxies() || !matches!(alarm, Alarm::Proxy { .. });
        if let Some(alarm) = alarm.filter(told) {
            let alarmed = Alarmed {
                alarm,
                zone: &case.data.name,
                hold: limits.hold,
            };
            self.request.alert(&alarmed);
        }
        if !rejected {
            return true;
        }
        let restraint = if state.is_open(self.at) {
            Restraint::Breaker
        } else if let Some(cdn) = guards.cdn(self.request.address()) {
            Restraint::Cdn(cdn)
        } else if guards.watches_proxies() && state.is_proxy(case.hash) {
            Restraint::Proxy
        } else {
            return true;
        };
        Counters::add(&case.zone.counters().restrained);
        if let Restraint::Cdn(name) = restraint
            && seen.turned
            && case.zone.header().first_cdn()
        {
            let zone = &case.data.name;
            self.request.alert(&format_args!(
                "sekisho: a client has an address of {name}, by zone \"{zone}\": it is not stopped; {REMEDY}"
            ));
        }
        false
    }

    fn react(&self, case: &Case<'_>, verdict: Verdict, standing: &Standing) -> Action {
        let reaction = self.location.reaction(verdict);
        if let Some(status) = reaction.status {
            let retry_after = standing.banned_until.saturating_sub(self.at);
            return Action::Stop { status, retry_after };
        }
        if reaction.delay_ms == 0 {
            return Action::GoOn;
        }
        if self.main.delayed.get() >= MAX_DELAYED {
            Counters::add(&case.zone.counters().undelayed);
            return Action::GoOn;
        }
        Counters::add(&case.zone.counters().delayed);
        Action::Delay(reaction.delay_ms)
    }
}

/// Where tagging is configured every request gets the header: the upstream shall not see one that a client
/// made up.
fn tag(request: &Request<'_>, location: &LocationConf, conclusion: Option<&Conclusion>) {
    let tags = location.suspect().tag || location.rejected().tag;
    if !tags || location.checks().is_empty() {
        return;
    }
    let told = |conclusion: &&Conclusion| conclusion.enforced && location.reaction(conclusion.verdict).tag;
    request.tag(conclusion.filter(told));
}
