//! What happens to a request: accounted before the access phase, once more after its response.

use sekisho_core::checkpoint::{self, DEFAULT_GROUP_REQUESTS, Standing, Verdict};
use sekisho_core::feature::Features;
use sekisho_core::guard::{Alarm, Seen};
use sekisho_core::key::{Seed, key_hash};
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
use crate::reaction::{MAX_DELAYED, Reaction};
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
    seed: Seed,
    hash: u64,
    decided_by: ZoneRef,
    touched: Touched,
    stopped: bool,
}

/// The zones that accounted a request, the narrowest first, and the key's hash there.
type Touched = [Option<(ZoneRef, u64)>; MAX_ZONES];

impl Conclusion {
    /// Reference id. Few requests are asked for it, so it is computed when one is.
    pub fn id(&self) -> u64 {
        reference_id(self.seed, self.hash, self.standing.evidence)
    }

    /// Name of the zone that decided.
    pub fn zone(&self) -> Option<&str> {
        self.decided_by.get().map(|data| data.name.as_str())
    }
}

/// A request came. Accounts main requests once, whatever internal redirects follow.
pub fn arrive(request: &Request<'_>) -> Action {
    if !request.is_main() || request.conclusion().is_some() {
        return Action::GoOn;
    }
    let (main, location) = (request.main_conf(), request.location());
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
    for (place, hash) in conclusion.touched.iter().map_while(Option::as_ref) {
        if let Some(zone) = place.get().and_then(|data| data.zone()) {
            with_record(zone, *hash, |record| checkpoint::depart(record, status, bytes));
        }
    }
    // A person vouches for nobody but the narrowest key.
    if let Some(seconds) = completed
        && let Some((place, hash)) = conclusion.touched[0]
    {
        complete(request, conclusion, place, hash, seconds);
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
        checkpoint::complete(record, now(request), seconds);
        features
    });
    if let Some(features) = before {
        samples::completed(request, place, hash, conclusion, &features);
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
    features: Option<Features>,
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

    fn of(&self, checks: &'a [Check]) -> Action {
        fault(&self.request, Fault::Panic);
        match checks {
            [check] => self.one(check),
            checks => self.several(checks),
        }
    }

    /// Most locations have one zone, whose word is final: nothing of the case is moved or kept for later.
    fn one(&self, check: &'a Check) -> Action {
        let Some(case) = self.case(check, 0) else {
            return Action::GoOn;
        };
        let visit = self.digest(case.zone.header().seed());
        let mut shown = None;
        let Some(outcome) = case.judge(&visit, || self.claim(0), &mut shown) else {
            return Action::GoOn;
        };
        let touched = [Some((check.place(), case.hash)), None, None, None];
        self.conclude(check.place(), &case, &outcome, touched, shown.as_ref())
    }

    /// Asks one zone after the other, the narrowest first. The first one that knows enough of the client decides;
    /// where none does, the one with the worst to say. So a group answers for those of its members that are too
    /// new to be judged, and its own record holds nothing but their requests.
    fn several(&self, checks: &'a [Check]) -> Action {
        let (mut touched, mut digest) = ([None; MAX_ZONES], None);
        let mut decided: Option<Decided<'a>> = None;
        let mut count = 0;
        for (place, check) in checks.iter().enumerate() {
            let Some(case) = self.case(check, place) else {
                continue;
            };
            // Zones of one seed share one digest of the request.
            let seed = case.zone.header().seed();
            let visit = match digest {
                Some((other, visit)) if other == seed => visit,
                _ => self.digest(seed),
            };
            digest = Some((seed, visit));
            let mut features = None;
            let Some(outcome) = case.judge(&visit, || self.claim(place), &mut features) else {
                continue;
            };
            if let Some(touch) = touched.get_mut(count) {
                *touch = Some((check.place(), case.hash));
                count += 1;
            }
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
                    features,
                });
            }
            if enough {
                break;
            }
        }
        let Some(decided) = decided else {
            return Action::GoOn;
        };
        let (case, outcome) = (&decided.case, &decided.outcome);
        self.conclude(decided.place, case, outcome, touched, decided.features.as_ref())
    }

    #[inline]
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
        let mut policy = check.limits.policy(self.scorer.thresholds());
        if place > 0 && check.limits.min_requests.is_none() {
            policy.min_requests = DEFAULT_GROUP_REQUESTS;
        }
        if self.allowed {
            policy = policy.for_allowed();
        }
        Some(Case {
            request: self.request,
            data,
            zone,
            scorer: self.scorer,
            policy,
            limits: &check.limits,
            key,
            hash,
            at: self.at,
        })
    }

    fn digest(&self, seed: Seed) -> Visit {
        let referer = self
            .request
            .referer()
            .filter(|text| !text.is_empty() && *text != b"-");
        let method = Method::parse(self.request.method());
        Visit::new(seed, method, self.request.target(), referer)
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

    fn conclude(
        &self,
        place: ZoneRef,
        case: &Case<'_>,
        outcome: &Outcome,
        touched: Touched,
        shown: Option<&Features>,
    ) -> Action {
        let mut standing = outcome.standing;
        if let Some(seconds) = self.location.trap().filter(|_| !self.allowed)
            && let Some(trapped) = case.trap(seconds)
        {
            standing = trapped;
        }
        let found = if self.allowed {
            Verdict::Allowed
        } else {
            standing.verdict
        };
        let enforced = self.watch(case, &standing, outcome.before, found) && !self.location.dry_run();
        let verdict = match found {
            Verdict::Rejected if !enforced => Verdict::RejectedDryRun,
            found => found,
        };
        case.zone.counters().count(verdict);
        let action = if enforced {
            self.react(case, verdict, &standing)
        } else {
            Action::GoOn
        };
        let conclusion = self.request.conclude(|| Conclusion {
            verdict,
            standing,
            seed: case.zone.header().seed(),
            hash: case.hash,
            decided_by: place,
            touched,
            stopped: matches!(action, Action::Stop { .. }),
        });
        if let Some(conclusion) = conclusion {
            if standing.turned || shown.is_some() || outcome.proven {
                self.tell(case, outcome, conclusion, (found, enforced), shown);
            }
            self.tag(enforced, conclusion);
        }
        action
    }

    /// The error log and the samples learn of what is new of a client.
    #[inline(never)]
    fn tell(
        &self,
        case: &Case<'_>,
        outcome: &Outcome,
        conclusion: &Conclusion,
        (found, enforced): (Verdict, bool),
        shown: Option<&Features>,
    ) {
        let turned = conclusion.standing.turned;
        if turned && matches!(found, Verdict::Rejected | Verdict::Trapped) {
            self.request
                .log(self.location.log_level(), &Turn::new(conclusion, case, !enforced));
        }
        if let Some(features) = shown {
            samples::scored(self.main, &Facts::of(case, conclusion, features));
        }
        let origin = match found {
            Verdict::Trapped => turned.then_some(Origin::Trap),
            _ => outcome.proven.then_some(Origin::VerifiedBot),
        };
        if let Some(origin) = origin
            && let Some(features) = shown.copied().or_else(|| case.features())
        {
            let label = Class::Crawler;
            samples::labelled(
                self.main,
                &Facts::of(case, conclusion, &features),
                Label { label, origin },
            );
        }
    }

    /// Tells the guards, and asks them whether the client may be stopped.
    fn watch(&self, case: &Case<'_>, standing: &Standing, before: u32, found: Verdict) -> bool {
        let (guards, state) = (&self.main.guards, &case.zone.header().guards);
        let rejected = matches!(found, Verdict::Rejected | Verdict::Trapped);
        let seen = Seen {
            at: self.at,
            hash: case.hash,
            before,
            rejected,
            turned: rejected && standing.turned,
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
        let reaction = self.reaction(verdict);
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

    fn reaction(&self, verdict: Verdict) -> Reaction {
        match verdict {
            Verdict::Suspect => self.location.suspect(),
            Verdict::Rejected | Verdict::Trapped => self.location.rejected(),
            _ => Reaction::default(),
        }
    }

    /// Where tagging is configured every request gets the header: the upstream shall not see one that a client
    /// made up.
    fn tag(&self, enforced: bool, conclusion: &Conclusion) {
        let (suspect, rejected) = (self.location.suspect(), self.location.rejected());
        if !(suspect.tag || rejected.tag) {
            return;
        }
        let told = enforced && self.reaction(conclusion.verdict).tag;
        self.request.tag(told.then_some(conclusion));
    }
}
