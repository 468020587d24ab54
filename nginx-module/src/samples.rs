//! Samples: what the trainer learns from. Every flagged score, a share of the passed ones, and labels.
//!
//! Lines gather in a buffer of this worker and go to the file when it is half full, at each tick, before nginx
//! opens the file anew, and at the end. A worker never waits: what the file does not take stays for the next tick,
//! and what finds the buffer full is dropped and counted.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::hash::Hasher;
use std::rc::Rc;

use sekisho_core::checkpoint::{DEFAULT_MIN_REQUESTS, Overrides, Standing, Verdict};
use sekisho_core::feature::{Features, schema_hash};
use sekisho_core::key::{Prefixes, Seed, shown_address};
use sekisho_core::sample::{
    Challenger, Class, Kind, Label, MAX_LINE, MAX_TARGET, Origin, Sample, SampleError, VERSION, reason_names,
};

use crate::case::Case;
use crate::ffi::config::{MainConf, SampleFile, ZoneRef};
use crate::ffi::log::{self, Level};
use crate::ffi::request::Request;
use crate::files::Share;
use crate::handler::Conclusion;
use crate::injected::now;
use crate::sample_buffer::{Buffer, CAPACITY, Flushed, HALF};
use crate::scorer::Scorer;
use crate::workers::Totals;
use crate::zone::reference_id;

/// Bytes of a key that is no address which a sample shows.
const MAX_KEY_SHOWN: usize = 64;
/// Bytes of a request method which a sample shows.
const MAX_METHOD: usize = 32;
/// Times that a worker which ends asks for its turn to write, before it writes without.
const LAST_TRIES: usize = 100;

/// What a sample tells.
pub struct Facts<'a> {
    /// The secret of the zone's hashes.
    pub seed: Seed,
    /// Hash of the key.
    pub hash: u64,
    /// Unix seconds.
    pub at: u32,
    /// Name of the zone.
    pub zone: &'a str,
    /// The client's key, within the zone's prefixes.
    pub key: &'a [u8],
    /// These prefixes, when the key is an address.
    pub prefixes: Option<Prefixes>,
    /// The verdict that the operator sees.
    pub verdict: Verdict,
    /// Where the client stands.
    pub standing: &'a Standing,
    /// What was scored.
    pub features: &'a Features,
    /// The model in force.
    pub scorer: &'a Scorer,
    /// What the operator set for this location.
    pub limits: &'a Overrides,
    /// Requests before which a client cannot be judged here.
    pub min_requests: u32,
    /// Request method.
    pub method: &'a [u8],
    /// Request target.
    pub target: &'a [u8],
}

impl<'a> Facts<'a> {
    /// What is known of a request before the zone that decided.
    pub fn of(case: &'a Case<'_>, conclusion: &'a Conclusion, features: &'a Features) -> Facts<'a> {
        Facts {
            seed: case.zone.header().seed(),
            hash: case.hash,
            at: case.at,
            zone: &case.data.name,
            key: case.key.as_bytes(),
            prefixes: case.data.prefixes,
            verdict: conclusion.verdict,
            standing: &conclusion.standing,
            features,
            scorer: case.scorer,
            limits: case.limits,
            min_requests: case.policy.min_requests,
            method: case.request.method(),
            target: case.request.target(),
        }
    }
}

/// `sekisho_samples`, and the lines that wait for it.
pub struct SampleLog {
    file: SampleFile,
    path: String,
    contrast: Share,
    buffer: RefCell<Buffer>,
    failing: Cell<bool>,
    lost: Cell<u64>,
}

impl SampleLog {
    /// Samples go to this file.
    pub fn new(file: SampleFile, path: String, contrast: Share) -> SampleLog {
        SampleLog {
            file,
            path,
            contrast,
            buffer: RefCell::default(),
            failing: Cell::new(false),
            lost: Cell::new(0),
        }
    }

    fn say(&self, level: Level, text: &dyn Display) {
        log::say(level, &format_args!("sekisho_samples \"{}\" {text}", self.path));
    }

    fn push(&self, line: &[u8]) -> bool {
        self.buffer.borrow_mut().push(line)
    }

    fn write(&self, torn: bool) -> (bool, Flushed) {
        let flushed = self
            .buffer
            .borrow_mut()
            .flush(torn, |bytes| self.file.append(bytes));
        (flushed.torn, flushed)
    }

    fn account(&self, main: &MainConf, flushed: &Flushed) {
        let Some(board) = main.board() else { return };
        let totals = &board.totals;
        Totals::add(&totals.samples_written, flushed.lines);
        Totals::add(&totals.sample_bytes, flushed.bytes);
        match &flushed.error {
            Some(error) if !self.failing.replace(true) => {
                Totals::add(&totals.sample_failures, 1);
                self.lost.set(0);
                let kept = CAPACITY / 1024;
                self.say(
                    Level::Error,
                    &format_args!("takes no samples: {error}; up to {kept}k wait, more are dropped"),
                );
            }
            None if flushed.bytes > 0 && self.failing.replace(false) => {
                let lost = self.lost.take();
                self.say(
                    Level::Notice,
                    &format_args!("takes samples again, {lost} were dropped"),
                );
            }
            _ => {}
        }
    }

    fn flush(&self, main: &MainConf) {
        // While another worker writes, the lines wait for the next time.
        if let Some(flushed) = main.write_alone(|torn| self.write(torn)) {
            self.account(main, &flushed);
        }
    }

    fn add(&self, main: &MainConf, line: Result<Vec<u8>, SampleError>) {
        let kept = line.is_ok_and(|line| {
            self.push(&line) || {
                // A file that refuses is tried once a tick, not once a sample.
                if !self.failing.get() {
                    self.flush(main);
                }
                self.push(&line)
            }
        });
        if !kept {
            self.lose(main, 1);
        } else if !self.failing.get() && self.buffer.borrow().len() >= HALF {
            self.flush(main);
        }
    }

    fn lose(&self, main: &MainConf, lines: u64) {
        self.lost.set(self.lost.get() + lines);
        if let Some(board) = main.board() {
            Totals::add(&board.totals.samples_dropped, lines);
        }
    }

    fn finish(&self, main: &MainConf) {
        for _ in 0..LAST_TRIES {
            if let Some(flushed) = main.write_alone(|torn| self.write(torn)) {
                self.account(main, &flushed);
                break;
            }
            std::thread::yield_now();
        }
        // Somebody wrote all the time. An append is whole or none beside another, unless the disk fills up now.
        if !self.buffer.borrow().is_empty() && !self.failing.get() {
            let (_, flushed) = self.write(false);
            self.account(main, &flushed);
        }
        let left = self.buffer.borrow_mut().discard();
        if left > 0 {
            self.lose(main, left);
        }
    }
}

/// A score was made: the challenger scores the same, and a sample is written when the score speaks against the
/// client, or when the client is of the contrast.
pub fn scored(main: &MainConf, facts: &Facts<'_>) {
    let challenger = challenge(main, facts);
    let Some(log) = &main.samples else { return };
    let kind = match facts.verdict {
        Verdict::Allowed => return,
        Verdict::Passed if log.contrast.holds(lot(facts)) => Kind::Contrast,
        Verdict::Passed => return,
        _ => Kind::Flagged,
    };
    let challenger = challenger.map(|(scorer, score)| Challenger {
        model: scorer.digest().to_owned(),
        score,
    });
    log.add(main, line(facts, kind, None, challenger));
}

/// Something told what a client is.
pub fn labelled(main: &MainConf, facts: &Facts<'_>, label: Label) {
    if let Some(log) = &main.samples {
        log.add(main, line(facts, Kind::Label, Some(label), None));
    }
}

/// The client completed what only people complete; these are its features before that made them start anew.
pub fn completed(
    request: &Request<'_>,
    place: ZoneRef,
    hash: u64,
    conclusion: &Conclusion,
    features: &Features,
) {
    let main = request.main_conf();
    let (Some(scorer), Some(data)) = (main.models.champion(), place.get()) else {
        return;
    };
    let (Some(zone), Some(key)) = (data.zone(), request.key(data)) else {
        return;
    };
    let key = data.client_key(key);
    let facts = Facts {
        seed: zone.header().seed(),
        hash,
        at: now(request),
        zone: &data.name,
        key: key.as_bytes(),
        prefixes: data.prefixes,
        verdict: conclusion.verdict,
        standing: &conclusion.standing,
        features,
        scorer: &scorer,
        limits: &Overrides::default(),
        min_requests: DEFAULT_MIN_REQUESTS,
        method: request.method(),
        target: request.target(),
    };
    let (label, origin) = (Class::Human, Origin::Conversion);
    labelled(main, &facts, Label { label, origin });
}

/// About a second has passed, or nginx is about to open the file anew.
pub fn flush(main: &MainConf) {
    if let Some(log) = &main.samples {
        log.flush(main);
    }
}

/// The worker ends.
pub fn finish(main: &MainConf) {
    if let Some(log) = &main.samples {
        log.finish(main);
    }
}

/// The challenger's score, counted where the two would reject differently. Before a client can be judged at all
/// they do not.
fn challenge(main: &MainConf, facts: &Facts<'_>) -> Option<(Rc<Scorer>, f32)> {
    let challenger = main.models.challenger()?;
    let score = challenger.score(facts.features);
    let totals = &main.board()?.totals;
    Totals::add(&totals.challenger_scores, 1);
    let (own, other) = (
        facts.limits.policy(facts.scorer.thresholds()),
        facts.limits.policy(challenger.thresholds()),
    );
    let rejected = facts.standing.score.is_some_and(|score| score >= own.reject);
    if facts.standing.requests >= facts.min_requests {
        match (rejected, score >= other.reject) {
            (true, false) => Totals::add(&totals.champion_alone, 1),
            (false, true) => Totals::add(&totals.challenger_alone, 1),
            _ => {}
        }
    }
    Some((challenger, score))
}

/// What a client drew for the contrast: the same as long as its zone lives, under the zone's secret, so nobody can
/// choose to be in it or not.
fn lot(facts: &Facts<'_>) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(facts.seed.0, facts.seed.1);
    hasher.write(b"contrast");
    hasher.write_u64(facts.hash);
    hasher.finish()
}

fn line(
    facts: &Facts<'_>,
    kind: Kind,
    label: Option<Label>,
    challenger: Option<Challenger>,
) -> Result<Vec<u8>, SampleError> {
    // One for each score, at a turn the reference id; a label at the same request has another.
    let salt = label.map_or(0, |label| 1 + label.origin as u64);
    let id = reference_id(facts.seed, facts.hash.wrapping_add(salt), facts.standing.requests);
    let mut sample = Sample {
        version: VERSION,
        kind,
        id: format!("{id:016x}"),
        at: facts.at,
        zone: facts.zone.to_owned(),
        client: client(facts.prefixes, facts.key),
        requests: facts.standing.requests,
        score: facts.standing.score,
        challenger,
        label,
        verdict: facts.verdict.as_str().to_owned(),
        reasons: reason_names(facts.standing.reasons).map(str::to_owned).collect(),
        schema: schema_hash().to_owned(),
        features: facts.features.to_vec(),
        model: facts.scorer.digest().to_owned(),
        method: shown(facts.method, MAX_METHOD),
        target: shown(facts.target, MAX_TARGET),
    };
    match sample.to_line() {
        // Escapes can make six bytes of one; a target of nothing but escapes is not worth a lost sample.
        Err(SampleError::TooLong(_)) => {
            sample.target = shown(facts.target, MAX_TARGET / 8);
            sample.to_line()
        }
        line => line,
    }
}

const _: () = assert!(MAX_TARGET * 6 < MAX_LINE && MAX_LINE < HALF);

/// The bytes as text, at most `most` of them; what is not UTF-8 is replaced.
fn shown(bytes: &[u8], most: usize) -> String {
    let mut text = String::from_utf8_lossy(bytes.get(..most).unwrap_or(bytes)).into_owned();
    let end = text.floor_char_boundary(most);
    text.truncate(end);
    text
}

/// A client's key as people read it: an address, or the key's bytes in hex.
pub fn client(prefixes: Option<Prefixes>, key: &[u8]) -> String {
    let address = prefixes.and_then(|prefixes| shown_address(key, prefixes));
    address.unwrap_or_else(|| {
        let shown = key.iter().take(MAX_KEY_SHOWN);
        shown.map(|byte| format!("{byte:02x}")).collect()
    })
}
