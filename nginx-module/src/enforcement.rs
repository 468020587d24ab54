//! What a verdict leads to: the guards hear of it, and what the location configures is done.

use sekisho_core::checkpoint::{Standing, Verdict};
use sekisho_core::guard::{Alarm, Seen};
use sekisho_core::key::key_hash;

use crate::case::Case;
use crate::guards::{Alarmed, REMEDY, Restraint};
use crate::handler::Action;
use crate::judgement::{Judgement, Watched};
use crate::reaction::MAX_DELAYED;
use crate::zone::Counters;

impl Judgement<'_> {
    /// Tells the guards, and asks them whether the client may be stopped.
    #[inline(always)]
    pub(super) fn watch(
        &self,
        case: &Case<'_>,
        watched: Watched<'_>,
        standing: &Standing,
        found: Verdict,
    ) -> bool {
        let (guards, state) = (&self.main.guards, &watched.zone.header().guards);
        // A suspect counts where it is answered or delayed: it is stopped, by another name.
        let rejected = match found {
            Verdict::Rejected | Verdict::Trapped => true,
            Verdict::Suspect => {
                let reaction = self.location.suspect();
                reaction.status.is_some() || reaction.delay_ms != 0
            }
            _ => false,
        };
        let seen = Seen {
            at: self.at,
            hash: watched.hash,
            before: watched.before,
            rejected,
            turned: rejected && standing.turned,
        };
        let agent = || {
            key_hash(
                case.zone.header().seed(),
                self.request.user_agent().unwrap_or_default(),
            )
        };
        let alarm = state.observe(&seen, || guards.limits(), agent);
        let told = |alarm: &Alarm| guards.watches_proxies() || !matches!(alarm, Alarm::Proxy { .. });
        if let Some(alarm) = alarm.filter(told) {
            let alarmed = Alarmed {
                alarm,
                zone: watched.name,
                hold: guards.limits().hold,
            };
            self.request.alert(&alarmed);
        }
        // In dry run nobody is stopped whatever a guard says, which is then only asked so that it can warn.
        !rejected || (seen.turned || !self.location.dry_run()) && self.may_stop(case, watched, seen.turned)
    }

    /// Whether no guard keeps a client from being stopped.
    #[inline(never)]
    fn may_stop(&self, case: &Case<'_>, watched: Watched<'_>, turned: bool) -> bool {
        let (guards, state) = (&self.main.guards, &watched.zone.header().guards);
        let restraint = if state.is_open(self.at) {
            Restraint::Breaker
        } else if let Some(cdn) = guards.cdn(self.request.address()) {
            Restraint::Cdn(cdn)
        } else if guards.watches_proxies() && state.is_proxy(watched.hash) {
            Restraint::Proxy
        } else {
            return true;
        };
        if !self.location.dry_run() {
            Counters::add(&case.zone.counters().restrained);
        }
        if let Restraint::Cdn(name) = restraint
            && turned
            && watched.zone.header().first_cdn()
        {
            let zone = watched.name;
            self.request.alert(&format_args!(
                "sekisho: a client has an address of {name}, by zone \"{zone}\": it is not stopped; {REMEDY}"
            ));
        }
        false
    }

    /// Whether a browser asks for this because another site's page says so, or in advance: nobody chose to come.
    #[cold]
    pub(super) fn is_sent_by_others(&self) -> bool {
        let is = |name: &[u8], value: &[u8]| {
            let sent = self.request.header(name);
            sent.is_some_and(|sent| {
                sent.windows(value.len())
                    .any(|part| part.eq_ignore_ascii_case(value))
            })
        };
        is(b"sec-fetch-site", b"cross-site") || is(b"sec-purpose", b"prefetch") || is(b"purpose", b"prefetch")
    }

    pub(super) fn react(&self, case: &Case<'_>, verdict: Verdict, standing: &Standing) -> Action {
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
