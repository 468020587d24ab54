//! What is concluded of a request: by which zone, and what follows.

use sekisho_core::checkpoint::{Trust, Verdict};
use sekisho_core::feature::Features;
use sekisho_core::key::{Prefixes, Seed, key_hash};
use sekisho_core::sample::{Class, Label, Origin};
use sekisho_core::url::Visit;

use crate::bots::{Claim, octets};
use crate::case::{Asked, Case, Outcome};
use crate::conf::MAX_ZONES;
use crate::ffi::config::{Check, LocationConf, MainConf};
use crate::ffi::request::Request;
use crate::ffi::shm::{Zone, ZoneData};
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

/// What one zone has to say.
struct Voice<'h, 'a> {
    /// Its place among those that accounted the request.
    place: usize,
    /// Whether it is the location's narrowest.
    narrowest: bool,
    case: &'h Case<'a>,
    outcome: &'h Outcome,
    shown: Option<&'h Features>,
}

/// What the narrower zones had to say. Kept where each was asked: a request that the first one decides keeps nothing.
#[derive(Clone, Copy)]
struct Heard<'h, 'a> {
    /// The worst of them.
    worst: Option<&'h Voice<'h, 'a>>,
    /// Those that accounted the request; `None` while there is none.
    witnesses: Option<Witnesses<'a>>,
    /// How many of them there are.
    count: usize,
    /// Zones of one seed share one digest of the request.
    digest: Option<(Seed, &'h Visit)>,
}

impl Heard<'_, '_> {
    const NOTHING: Self = Heard {
        worst: None,
        witnesses: None,
        count: 0,
        digest: None,
    };
}

/// The zones that accounted a request. Made where it is used, for a function that returned it would copy it.
#[derive(Clone, Copy)]
struct Witnesses<'a> {
    /// The first of them.
    watched: Watched<'a>,
    /// Whether that is the location's narrowest.
    narrow: bool,
    touched: Touched,
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

impl<'a> Witnesses<'a> {
    /// The zone that was just asked joins those before it.
    #[inline(always)]
    fn join(&mut self, check: &Check, voice: &Voice<'_, 'a>, before: Option<&Heard<'_, 'a>>) {
        if let Some(known) = before.and_then(|heard| heard.witnesses.as_ref()) {
            *self = *known;
        }
        if let Some(slot) = self.touched.get_mut(voice.place) {
            *slot = Some(Touch {
                zone: check.place(),
                hash: voice.case.hash,
                way: voice.outcome.way,
            });
        }
    }
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
        self.hear(checks, None)
    }

    /// Asks one zone after the other, the narrowest first. The first one that knows enough of the client decides;
    /// where none does, the one with the worst to say. So a group answers for those of its members that are too
    /// new to be judged, and its own record holds nothing but their requests.
    #[inline(always)]
    fn hear(&self, checks: &'a [Check], before: Option<&Heard<'_, 'a>>) -> Action {
        let narrowest = before.is_none();
        let Some((check, wider)) = checks.split_first() else {
            return self.decide(before);
        };
        let Some((data, zone, key)) = self.keyed(check) else {
            return self.hear_wider(wider, before);
        };
        let key = data.client_key(key);
        let mut policy = check.policy(self.scorer, !narrowest);
        if self.allowed {
            policy = policy.for_allowed();
        }
        let case = Case {
            hash: key_hash(zone.header().seed(), key.as_bytes()),
            request: self.request,
            data,
            zone,
            scorer: self.scorer,
            policy,
            limits: &check.limits,
            key,
            at: self.at,
        };
        let seed = case.zone.header().seed();
        let visit = match before.and_then(|heard| heard.digest) {
            Some((other, visit)) if other == seed => *visit,
            _ => self.digest(seed),
        };
        // Only the narrowest zone asks whose bot the client is.
        let claim = || match narrowest {
            true => self.claim(&case),
            false => Asked::UNKNOWN,
        };
        let (mut outcome, mut shown) = (Outcome::default(), None);
        if case.judge(&visit, claim, &mut outcome, &mut shown).is_none() {
            return self.hear_wider(wider, before);
        }
        let voice = Voice {
            place: before.map_or(0, |heard| heard.count),
            narrowest,
            case: &case,
            outcome: &outcome,
            shown: shown.as_ref(),
        };
        let verdict = outcome.standing.verdict;
        let worst = before.and_then(|heard| heard.worst);
        let worse = worst.is_none_or(|other| verdict > other.outcome.standing.verdict);
        let trapped = narrowest && self.location.trap().is_some();
        let enough = self.allowed || trapped || outcome.standing.is_judged(&case.policy);
        // A bot that can prove who it is does not answer for its neighbours.
        let flagged = !narrowest && worse && verdict != Verdict::Passed;
        let excused = flagged && self.asked().trust == Trust::Verified;
        let mut witnesses = Witnesses {
            watched: Watched::of(&case, &outcome),
            narrow: narrowest,
            touched: [None; MAX_ZONES],
        };
        witnesses.join(check, &voice, before);
        if !excused && (enough || wider.is_empty() && worse) {
            return self.conclude(&voice, &witnesses);
        }
        let heard = Heard {
            worst: if worse && !excused { Some(&voice) } else { worst },
            witnesses: Some(witnesses),
            count: voice.place + 1,
            digest: Some((seed, &visit)),
        };
        self.hear_wider(if excused { &[] } else { wider }, Some(&heard))
    }

    #[cold]
    fn decide(&self, before: Option<&Heard<'_, 'a>>) -> Action {
        let decided = before.and_then(|heard| Some((heard.worst?, heard.witnesses.as_ref()?)));
        decided.map_or(Action::GoOn, |(voice, witnesses)| self.conclude(voice, witnesses))
    }

    #[inline(never)]
    fn hear_wider(&self, checks: &'a [Check], before: Option<&Heard<'_, 'a>>) -> Action {
        self.hear(checks, Some(before.unwrap_or(&Heard::NOTHING)))
    }

    /// A zone of the location, and the request's key there.
    #[inline(always)]
    fn keyed(&self, check: &'a Check) -> Option<(&'a ZoneData, Zone<'a>, &'a [u8])> {
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
        Some((data, zone, key))
    }

    #[inline(always)]
    fn digest(&self, seed: Seed) -> Visit {
        let referer = self
            .request
            .referer()
            .filter(|text| !text.is_empty() && *text != b"-");
        Visit::new(seed, self.request.kind(), self.request.target(), referer)
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
    fn conclude(&self, voice: &Voice<'_, 'a>, witnesses: &Witnesses<'a>) -> Action {
        let Voice {
            case, outcome, shown, ..
        } = *voice;
        let mut after = None;
        let springs = |_: &u32| voice.narrowest && !self.allowed && !self.is_sent_by_others();
        if let Some(seconds) = self.location.trap().filter(springs)
            && let Some(trapped) = case.trap(seconds)
        {
            after = Some(trapped);
        }
        let standing = after.as_ref().unwrap_or(&outcome.standing);
        let found = if self.allowed {
            Verdict::Allowed
        } else {
            standing.verdict
        };
        let enforced = self.watch(case, witnesses.watched, standing, found) && !self.location.dry_run();
        let verdict = match found {
            Verdict::Rejected if !enforced => Verdict::RejectedDryRun,
            found => found,
        };
        case.zone.counters().count(verdict);
        let action = if enforced {
            self.react(case, verdict, standing)
        } else {
            Action::GoOn
        };
        let conclusion = self.request.conclude(|| Conclusion {
            verdict,
            standing: *standing,
            touched: witnesses.touched,
            decided: voice.place,
            narrow: witnesses.narrow,
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
