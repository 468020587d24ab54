//! What is concluded of a request: by which zone, and what follows.

use sekisho_core::checkpoint::{Trust, Verdict};
use sekisho_core::feature::Features;
use sekisho_core::key::{Prefixes, Seed, key_hash};
use sekisho_core::sample::{Class, Label, Origin};
use sekisho_core::url::{Method, Visit};

use crate::bots::{Claim, octets};
use crate::case::{Asked, Case, Outcome};
use crate::conf::MAX_ZONES;
use crate::ffi::config::{Check, LocationConf, MainConf};
use crate::ffi::request::Request;
use crate::ffi::shm::Zone;
use crate::handler::{Action, Conclusion, Touch, Touched, tag};
use crate::injected::{Fault, fault, now};
use crate::samples::{self, Facts};
use crate::scorer::Scorer;
use crate::turn::Turn;

/// Longest key that is accounted, as limit_req.
const MAX_KEY: usize = 65_535;

/// A request being judged.
pub struct Judgement<'a> {
    pub(super) request: Request<'a>,
    pub(super) main: &'a MainConf,
    pub(super) location: &'a LocationConf,
    scorer: &'a Scorer,
    pub(super) at: u32,
    allowed: bool,
}

/// The zone that decides, and what it found.
struct Decided<'a> {
    /// Its place among those that accounted the request.
    place: usize,
    by_narrowest: bool,
    case: Case<'a>,
    outcome: Outcome,
    features: Option<Features>,
}

/// The narrowest zone that accounted a request, whose guards hear of it.
#[derive(Clone, Copy)]
pub(super) struct Watched<'a> {
    pub(super) zone: Zone<'a>,
    pub(super) name: &'a str,
    pub(super) hash: u64,
    pub(super) before: u32,
}

impl<'a> Watched<'a> {
    fn of(case: &Case<'a>, outcome: &Outcome) -> Watched<'a> {
        Watched {
            zone: case.zone,
            name: &case.data.name,
            hash: case.hash,
            before: outcome.before,
        }
    }
}

/// What else [`Judgement::conclude`] has to know.
struct Found<'a> {
    /// The place of the deciding zone in `touched`.
    place: usize,
    /// Whether the deciding zone is the location's narrowest.
    by_narrowest: bool,
    /// Whether the narrowest accounted the request at all.
    narrow: bool,
    watched: Watched<'a>,
    touched: Touched,
}

impl<'a> Judgement<'a> {
    /// A request that arrives.
    pub fn new(
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

    /// Judges it by the zones of its location.
    pub fn of(&self, checks: &'a [Check]) -> Action {
        fault(&self.request, Fault::Panic);
        match checks {
            [check] => self.one(check),
            checks => self.several(checks),
        }
    }

    /// Most locations have one zone, whose word is final: nothing of the case is moved or kept for later.
    #[inline(always)]
    fn one(&self, check: &'a Check) -> Action {
        let Some(case) = self.case(check, 0) else {
            return Action::GoOn;
        };
        let visit = self.digest(case.zone.header().seed());
        let mut shown = None;
        let Some(outcome) = case.judge(&visit, || self.claim(&case), &mut shown) else {
            return Action::GoOn;
        };
        let found = Found {
            place: 0,
            by_narrowest: true,
            narrow: true,
            watched: Watched::of(&case, &outcome),
            touched: [Some(touch(check, &case, &outcome)), None, None, None],
        };
        self.conclude(&case, &outcome, found, shown.as_ref())
    }

    /// Asks one zone after the other, the narrowest first. The first one that knows enough of the client decides;
    /// where none does, the one with the worst to say. So a group answers for those of its members that are too
    /// new to be judged, and its own record holds nothing but their requests.
    #[inline(never)]
    fn several(&self, checks: &'a [Check]) -> Action {
        let (mut touched, mut digest) = ([None; MAX_ZONES], None);
        let mut decided: Option<Decided<'a>> = None;
        let mut first: Option<(usize, Watched<'a>)> = None;
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
            // Only the first zone asks whose bot the client is.
            let claim = || {
                if place == 0 {
                    self.claim(&case)
                } else {
                    Asked::UNKNOWN
                }
            };
            let Some(outcome) = case.judge(&visit, claim, &mut features) else {
                continue;
            };
            first.get_or_insert_with(|| (place, Watched::of(&case, &outcome)));
            let Some(slot) = touched.get_mut(count) else {
                continue;
            };
            *slot = Some(touch(check, &case, &outcome));
            count += 1;
            let trapped = place == 0 && self.location.trap().is_some();
            let enough = self.allowed || trapped || outcome.standing.is_judged(&case.policy);
            let worse = decided
                .as_ref()
                .is_none_or(|other| outcome.standing.verdict > other.outcome.standing.verdict);
            // A bot that can prove who it is does not answer for its neighbours.
            let flagged = place > 0 && worse && outcome.standing.verdict != Verdict::Passed;
            if flagged && self.asked().trust == Trust::Verified {
                break;
            }
            if enough || worse {
                decided = Some(Decided {
                    place: count - 1,
                    by_narrowest: place == 0,
                    case,
                    outcome,
                    features,
                });
            }
            if enough {
                break;
            }
        }
        let (Some(decided), Some((narrowest, watched))) = (decided, first) else {
            return Action::GoOn;
        };
        let found = Found {
            place: decided.place,
            by_narrowest: decided.by_narrowest,
            narrow: narrowest == 0,
            watched,
            touched,
        };
        self.conclude(&decided.case, &decided.outcome, found, decided.features.as_ref())
    }

    #[inline(always)]
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
        let mut policy = check.policy(self.scorer.thresholds(), place > 0);
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

    #[inline(always)]
    fn digest(&self, seed: Seed) -> Visit {
        let referer = self
            .request
            .referer()
            .filter(|text| !text.is_empty() && *text != b"-");
        let method = Method::parse(self.request.method());
        Visit::new(seed, method, self.request.target(), referer)
    }

    /// What is known of the client's claim to be somebody's bot. A key that several clients share says nothing.
    fn claim(&self, case: &Case<'_>) -> Asked {
        let prefixes = case.data.prefixes;
        match prefixes.is_some_and(|prefixes| !prefixes.wider_than(Prefixes::CLIENT)) {
            true => self.asked(),
            false => Asked::UNKNOWN,
        }
    }

    /// The same of the request's own address. The resolver is asked when it has to be.
    #[cold]
    fn asked(&self) -> Asked {
        let (Some(bots), Some(agent)) = (&self.main.bots, self.request.user_agent()) else {
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

    #[inline(always)]
    fn conclude(
        &self,
        case: &Case<'_>,
        outcome: &Outcome,
        found: Found<'_>,
        shown: Option<&Features>,
    ) -> Action {
        let Found {
            place,
            by_narrowest,
            narrow,
            watched,
            touched,
        } = found;
        let mut standing = outcome.standing;
        let springs = |_: &u32| by_narrowest && !self.allowed && !self.is_sent_by_others();
        if let Some(seconds) = self.location.trap().filter(springs)
            && let Some(trapped) = case.trap(seconds)
        {
            standing = trapped;
        }
        let found = if self.allowed {
            Verdict::Allowed
        } else {
            standing.verdict
        };
        let enforced = self.watch(case, watched, &standing, found) && !self.location.dry_run();
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
            touched,
            decided: place,
            narrow,
            human: self.location.human(),
            stopped: matches!(action, Action::Stop { .. }),
            enforced,
        });
        let Some(conclusion) = conclusion else {
            // What is not kept would be asked again after the delay, and for ever.
            return match action {
                Action::Delay(_) => Action::GoOn,
                action => action,
            };
        };
        if standing.turned || shown.is_some() || outcome.proven {
            self.tell(case, outcome, conclusion, (found, enforced), shown);
        }
        tag(&self.request, self.location, Some(conclusion));
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
}

fn touch(check: &Check, case: &Case<'_>, outcome: &Outcome) -> Touch {
    Touch {
        zone: check.place(),
        hash: case.hash,
        way: outcome.way,
    }
}
