//! The record: all that is remembered of one client, in 256 bytes.
//!
//! Counters are 8 bits wide and halve together when the window of 255 requests is full, so that old
//! behaviour fades by half every 128 requests. Distinct counts carry over as half of their estimate. Zero
//! bytes are a valid, free record: a zone needs no initialisation.

use crate::sketch::popularity::Rating;
use crate::sketch::{bitmap, registers};
use crate::url::{Method, Referer, Visit, tag};

/// Requests after which all counters of the window halve.
pub const WINDOW: u8 = 255;
/// Bins of the interval histogram: up to 1 s, 2 s, 4 s, ... 1024 s, and longer.
pub const INTERVAL_BINS: usize = 12;
/// Intervals between pages that are kept as they were.
pub const RING: usize = 16;
/// Pages that a referer is compared with.
pub const TRAIL: usize = 8;
/// A scored client is scored again after this many requests. Time alone brings no evidence.
pub const SCORE_GAP: u8 = 32;
/// Longest ban that can be asked for, in seconds: every ban expires.
pub const LONGEST_BAN: u32 = 30 * 86_400;
/// Time that runs backwards by more than this was set right: requests that answer late differ by less. In seconds.
const CLOCK_SLACK: u32 = 3600;
/// Weight of a new value in the running means, once there are this many: 1/32.
const MEAN_WINDOW: u32 = 32;
/// Log-scaled values are kept as multiples of 1/2048.
const LOG_UNIT: u16 = 2048;
const LOG_SCALE: f32 = LOG_UNIT as f32;
/// "No reason": the place of a feature index in [`Record`] is empty.
pub const NO_REASON: u8 = 255;
/// A reason that is no feature: the client walked into a trap.
pub const REASON_TRAP: u8 = 254;
/// A reason that is no feature: a person banned the client.
pub const REASON_OPERATOR: u8 = 253;
/// A reason that is no feature: the client claims to be a bot whose operator says it is not.
pub const REASON_FALSE_CLAIM: u8 = 252;

/// Bits of a record's flags.
pub(crate) mod flag {
    /// A bot that its operator vouches for.
    pub const VERIFIED: u8 = 1;
    /// Banned until `until`.
    pub const BANNED: u8 = 1 << 1;
    /// Immune until `until`.
    pub const IMMUNE: u8 = 1 << 2;
    /// The ban is a trap's.
    pub const TRAPPED: u8 = 1 << 3;
    /// The ban is an operator's.
    pub const OPERATOR: u8 = 1 << 4;
    /// Behaviour was forgotten once: evidence is what is in the window.
    pub const RESTARTED: u8 = 1 << 5;
    /// What only a person does was done.
    pub const HUMAN: u8 = 1 << 6;
    /// Claims to be a bot whose operator says it is not.
    pub const FALSE_CLAIM: u8 = 1 << 7;
    /// What stays when behaviour is forgotten.
    pub const LASTING: u8 = HUMAN | VERIFIED | FALSE_CLAIM;
}

/// State of one client.
#[repr(C, align(8))]
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub(crate) key_hash: u64,
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) last_page: u32,
    pub(crate) requests: u32,
    /// Time of the last score; 0 when there was none.
    pub(crate) scored_at: u32,
    pub(crate) flagged_at: u32,
    /// End of the present or the last ban, or of immunity; [`flag`] says which.
    pub(crate) until: u32,
    pub(crate) score: f32,
    pub(crate) standing: u8,
    pub(crate) reasons: [u8; 3],
    pub(crate) since_score: u8,
    /// Low half: next place of the ring; high half: next place of the trail.
    pub(crate) cursors: u8,
    pub(crate) bans: u8,
    /// Bits of [`flag`].
    pub(crate) flags: u8,
    pub(crate) counters: Counters,
    pub(crate) depth_sum: u16,
    pub(crate) last_interval: u16,
    pub(crate) bytes_mean: u16,
    pub(crate) histogram: [u8; INTERVAL_BINS],
    pub(crate) interval_mean: f32,
    pub(crate) interval_variance: f32,
    pub(crate) interval_lag: f32,
    pub(crate) url_bits: [u8; 32],
    pub(crate) path_bits: [u8; 32],
    pub(crate) query_bits: [u8; 16],
    pub(crate) url_registers: [u8; registers::BYTES],
    pub(crate) ring: [u16; RING],
    pub(crate) trail: [u16; TRAIL],
}

const _: () = assert!(
    size_of::<Record>() == 256,
    "a record is 256 bytes: a zone's size is planned by it"
);

/// Counts within the window; see [`WINDOW`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub requests: u8,
    pub pages: u8,
    pub referer_missing: u8,
    pub referer_trail: u8,
    pub head: u8,
    pub post: u8,
    pub other_method: u8,
    pub query: u8,
    pub rated: u8,
    pub long_tail: u8,
    pub responses: u8,
    pub redirect: u8,
    pub client_error: u8,
    pub server_error: u8,
    pub not_modified: u8,
    pub url_carry: u8,
    pub path_carry: u8,
    pub query_carry: u8,
}

impl Counters {
    fn halve(&mut self) {
        for counter in [
            &mut self.requests,
            &mut self.pages,
            &mut self.referer_missing,
            &mut self.referer_trail,
            &mut self.head,
            &mut self.post,
            &mut self.other_method,
            &mut self.query,
            &mut self.rated,
            &mut self.long_tail,
            &mut self.responses,
            &mut self.redirect,
            &mut self.client_error,
            &mut self.server_error,
            &mut self.not_modified,
        ] {
            *counter /= 2;
        }
    }
}

impl Record {
    /// A new client's record.
    pub fn fresh(key_hash: u64, at: u32) -> Record {
        Record {
            key_hash,
            first: at,
            last: at,
            reasons: [NO_REASON; 3],
            ..Record::default()
        }
    }

    /// Hash of the key; 0 marks a free record.
    pub fn key_hash(&self) -> u64 {
        self.key_hash
    }

    /// Requests since the record was made.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Whether the present behaviour was scored.
    pub fn is_scored(&self) -> bool {
        self.scored_at != 0
    }

    /// Times of the first and the last request, unix seconds.
    pub fn seen(&self) -> (u32, u32) {
        (self.first, self.last)
    }

    /// Requests that the present behaviour stands on: all of them, or those of the window once it was forgotten.
    pub fn evidence(&self) -> u32 {
        if self.is(flag::RESTARTED) {
            u32::from(self.counters.requests)
        } else {
            self.requests
        }
    }

    /// Whether a flag is set.
    pub(crate) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a ban is in force.
    pub fn is_banned(&self, at: u32) -> bool {
        self.is(flag::BANNED) && self.lasts(at)
    }

    /// Whether `until` is still to come. An end further away than any ban lasts was set by a clock that was wrong.
    pub(crate) fn lasts(&self, at: u32) -> bool {
        self.until > at && self.until - at <= LONGEST_BAN
    }

    /// Learns a request. `at` may run backwards; the interval is then 0.
    #[inline]
    pub(crate) fn observe_request(&mut self, at: u32, visit: &Visit, rating: Rating) {
        if self.counters.requests == WINDOW {
            self.halve();
        }
        if self.last.saturating_sub(at) > CLOCK_SLACK {
            self.last = at;
            self.last_page = self.last_page.min(at);
            self.scored_at = self.scored_at.min(at.max(1));
        }
        if self.counters.requests > 0 {
            self.observe_interval(at.saturating_sub(self.last));
        }
        self.last = self.last.max(at);
        self.requests = self.requests.saturating_add(1);
        self.since_score = self.since_score.saturating_add(1);
        self.count_request(visit, rating);
        bitmap::insert(&mut self.url_bits, visit.url);
        registers::insert(&mut self.url_registers, visit.url);
        if !visit.asset {
            self.observe_page(at, visit);
        }
    }

    /// Learns a response: status code and body size in bytes.
    #[inline]
    pub(crate) fn observe_response(&mut self, status: u16, body_bytes: u64) {
        let counters = &mut self.counters;
        // A request whose record was halved or forgiven meanwhile may answer into a fuller window.
        counters.responses = counters.responses.saturating_add(1);
        let class = match status {
            304 => Some(&mut counters.not_modified),
            300..400 => Some(&mut counters.redirect),
            400..500 => Some(&mut counters.client_error),
            500..600 => Some(&mut counters.server_error),
            _ => None,
        };
        if let Some(counter) = class {
            *counter = counter.saturating_add(1);
        }
        let mean = i32::from(self.bytes_mean);
        let apart = i32::from(log2_scaled(body_bytes.saturating_add(1))) - mean;
        let weight = i32::from(counters.responses).min(MEAN_WINDOW as i32).max(1);
        // Between the two, so it fits.
        self.bytes_mean = (mean + apart / weight) as u16;
    }

    /// Whether enough happened since the last score for a new one: first when the client has made the
    /// `min_requests` from which a score has consequences, then at ever wider steps. Scores that come to nothing
    /// would be most of what scoring costs: half of all clients never make ten requests.
    #[inline]
    pub(crate) fn due(&self, min_requests: u32) -> bool {
        let evidence = self.evidence();
        // A first score that was put off, or could not be kept, stays due.
        if evidence <= min_requests || self.scored_at == 0 {
            return evidence >= min_requests;
        }
        if evidence <= u32::from(SCORE_GAP) {
            // Not two scores on nearly the same evidence.
            return matches!(evidence, 6 | 8 | 12 | 16 | 24 | 32) && 2 * evidence >= 3 * min_requests;
        }
        self.since_score >= SCORE_GAP
    }

    /// Forgets behaviour, keeps identity and history: what follows a ban is judged on what follows.
    pub(crate) fn forget(&mut self) {
        *self = Record {
            first: self.first,
            last: self.last,
            requests: self.requests,
            bans: self.bans,
            until: self.until,
            flags: flag::RESTARTED | self.flags & flag::LASTING,
            ..Record::fresh(self.key_hash, self.first)
        };
    }

    #[inline]
    fn count_request(&mut self, visit: &Visit, rating: Rating) {
        let counters = &mut self.counters;
        counters.requests += 1;
        counters.pages += u8::from(!visit.asset);
        match visit.method {
            Method::Get => {}
            Method::Head => counters.head += 1,
            Method::Post => counters.post += 1,
            Method::Other => counters.other_method += 1,
        }
        match rating {
            Rating::Unrated => {}
            Rating::Popular => counters.rated += 1,
            Rating::LongTail => {
                counters.rated += 1;
                counters.long_tail += 1;
            }
        }
        match visit.referer {
            Referer::Missing => counters.referer_missing += 1,
            Referer::Page(page) => counters.referer_trail += u8::from(self.trail.contains(&page)),
        }
        if let Some(query) = visit.query {
            counters.query += 1;
            bitmap::insert(&mut self.query_bits, query);
        }
        self.depth_sum += u16::from(visit.depth);
    }

    #[inline]
    fn observe_page(&mut self, at: u32, visit: &Visit) {
        bitmap::insert(&mut self.path_bits, visit.path);
        let (ring, trail) = (usize::from(self.cursors & 15), usize::from(self.cursors >> 4));
        let mut next_ring = ring;
        if self.last_page != 0 {
            let interval = at.saturating_sub(self.last_page).min(u32::from(u16::MAX) - 1);
            if let Some(place) = self.ring.get_mut(ring) {
                *place = interval as u16 + 1;
            }
            next_ring = (ring + 1) % RING;
        }
        self.last_page = self.last_page.max(at).max(1);
        if let Some(place) = self.trail.get_mut(trail) {
            *place = tag(visit.path);
        }
        self.cursors = next_ring as u8 | (((trail + 1) % TRAIL) as u8) << 4;
    }

    #[inline]
    fn observe_interval(&mut self, seconds: u32) {
        let bin = match seconds {
            0 | 1 => 0,
            _ => (32 - (seconds - 1).leading_zeros()) as usize,
        };
        let bin = bin.min(INTERVAL_BINS - 1);
        if self.histogram.get(bin) == Some(&u8::MAX) {
            self.histogram.iter_mut().for_each(|count| *count /= 2);
        }
        if let Some(count) = self.histogram.get_mut(bin) {
            *count += 1;
        }
        let before = unscale(self.last_interval);
        self.last_interval = log2_scaled(u64::from(seconds) + 1);
        let interval = unscale(self.last_interval);
        // The first request of a window has no interval before it.
        let seen = u32::from(self.counters.requests);
        let weight = 1.0 / seen.min(MEAN_WINDOW) as f32;
        let apart = interval - self.interval_mean;
        if seen > 1 {
            let lag = apart * (before - self.interval_mean);
            self.interval_lag = (1.0 - weight) * (self.interval_lag + weight * lag);
        }
        self.interval_variance = (1.0 - weight) * (self.interval_variance + weight * apart * apart);
        self.interval_mean += weight * apart;
    }

    #[cold]
    fn halve(&mut self) {
        let carry = |estimate: f32| libm::roundf(estimate / 2.0).min(f32::from(WINDOW / 2)) as u8;
        self.counters.url_carry = carry(self.distinct_urls());
        self.counters.path_carry = carry(self.distinct_paths());
        self.counters.query_carry = carry(self.distinct_queries());
        self.counters.halve();
        self.depth_sum /= 2;
        self.url_bits = Default::default();
        self.path_bits = Default::default();
        self.query_bits = Default::default();
    }

    /// Distinct URLs of the window, never more than its requests.
    pub(crate) fn distinct_urls(&self) -> f32 {
        distinct(self.counters.url_carry, &self.url_bits, self.counters.requests)
    }

    /// Distinct paths of the window's pages.
    pub(crate) fn distinct_paths(&self) -> f32 {
        distinct(self.counters.path_carry, &self.path_bits, self.counters.pages)
    }

    /// Distinct queries of the window's requests that had one.
    pub(crate) fn distinct_queries(&self) -> f32 {
        distinct(self.counters.query_carry, &self.query_bits, self.counters.query)
    }

    /// Mean of log2(1 + body bytes).
    pub(crate) fn bytes_mean(&self) -> f32 {
        unscale(self.bytes_mean)
    }
}

fn distinct(carry: u8, bits: &[u8], most: u8) -> f32 {
    (f32::from(carry) + bitmap::estimate(bits)).min(f32::from(most))
}

/// Bits behind a number's highest one by which [`FRACTIONS`] are found.
const FRACTION_BITS: u32 = 8;
/// The scaled binary logarithms of 1, 1 + 1/256, 1 + 2/256 ... below 2.
const FRACTIONS: [u16; 1 << FRACTION_BITS] = {
    let mut fractions = [0; 1 << FRACTION_BITS];
    let mut at = 0;
    while at < fractions.len() {
        fractions[at] = fraction((1 << FRACTION_BITS) + at as u64);
        at += 1;
    }
    fractions
};

/// The logarithm of `number / 256`, from 1 to below 2, scaled: squaring doubles it, and what then reaches 2 says
/// its next bit (Knuth, The Art of Computer Programming 1, 1.2.2 exercise 25).
const fn fraction(number: u64) -> u16 {
    const POINT: u32 = 40;
    const BITS: u32 = 24;
    let (mut value, mut bits, mut done) = ((number as u128) << (POINT - FRACTION_BITS), 0u64, 0);
    while done < BITS {
        value = (value * value) >> POINT;
        let bit = (value >> (POINT + 1)) as u64;
        value >>= bit;
        bits = bits << 1 | bit;
        done += 1;
    }
    // Rounded half up, from 24 bits to the scale's eleven.
    ((bits + (1 << 12)) >> 13) as u16
}

/// The binary logarithm of a number of at least 1, scaled; from 2^32 on that of the number before. Numbers of more
/// than nine bits are cut to them first, which is off by 0.006 at most.
#[inline]
fn log2_scaled(number: u64) -> u16 {
    let number = number.min(u64::from(u32::MAX)) as u32;
    let above = number.leading_zeros().min(31);
    let fraction = (number << above << 1) >> (32 - FRACTION_BITS);
    LOG_UNIT * (31 - above) as u16 + FRACTIONS[fraction as usize % FRACTIONS.len()]
}

fn unscale(value: u16) -> f32 {
    f32::from(value) / LOG_SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds half up. What is left after the whole part is exact, unlike the sum of a value and one half.
    fn scale(value: f32) -> u16 {
        let scaled = (value * LOG_SCALE).clamp(0.0, f32::from(u16::MAX));
        let whole = scaled as u16;
        whole + u16::from(scaled - f32::from(whole) >= 0.5)
    }

    #[test]
    fn scaled_logarithms_are_what_would_be_computed() {
        #[track_caller]
        fn check(number: u64, slack: u16) {
            let exact = scale(libm::log2f(number as f32));
            let found = log2_scaled(number);
            assert!(
                found <= exact && exact - found <= slack,
                "{number}: {found}, not {exact}"
            );
        }
        (1..512).for_each(|number| check(number, 0));
        for number in [512, 513, 1_023, 1_500, 65_535, 1 << 20, (1 << 31) - 1] {
            check(number, 12);
        }
        assert_eq!(log2_scaled(u64::MAX), 31 * LOG_UNIT + 2042);
    }
}
