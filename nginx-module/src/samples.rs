//! The sample file: one JSON line for each score that speaks against a client.
//!
//! A line is one append. A worker never waits and never tries again; what the file does not take is counted.

use std::io;

use sekisho_core::checkpoint::{Standing, Verdict};
use sekisho_core::feature::{Features, schema_hash};
use sekisho_core::key::{Prefixes, shown_address};
use sekisho_core::sample::{MAX_LINE, MAX_TARGET, Sample, SampleError, VERSION, reason_names};

use crate::case::Case;
use crate::ffi::config::SampleFile;
use crate::handler::Conclusion;
use crate::zone::{Counters, reference_id};

/// Bytes of a key that is no address which a sample shows.
const MAX_KEY_SHOWN: usize = 64;
/// Bytes of a request method which a sample shows.
const MAX_METHOD: usize = 32;

/// What a sample tells.
pub struct Facts<'a> {
    /// Reference id.
    pub id: u64,
    /// Unix seconds.
    pub at: u32,
    /// Name of the zone.
    pub zone: &'a str,
    /// The client's key as people read it.
    pub client: String,
    /// The verdict that the operator sees.
    pub verdict: Verdict,
    /// Where the client stands.
    pub standing: &'a Standing,
    /// What was scored.
    pub features: &'a Features,
    /// Digest of the model file.
    pub model: &'a str,
    /// Request method.
    pub method: &'a [u8],
    /// Request target.
    pub target: &'a [u8],
}

/// Why a sample is lost.
#[derive(Debug, thiserror::Error)]
pub enum LostSample {
    /// It cannot be written as a line.
    #[error(transparent)]
    Line(#[from] SampleError),
    /// The file took nothing.
    #[error("the sample file takes nothing: {0}")]
    Write(#[from] io::Error),
    /// The file took a part.
    #[error("the sample file took {0} of {1} bytes")]
    Short(usize, usize),
}

/// Writes a sample of a client that was just scored; what the file does not take is counted.
pub fn offer(case: &Case<'_>, file: SampleFile, conclusion: &Conclusion, features: &Features) {
    let facts = Facts {
        // Unique for each sample; at a turn it is the reference id.
        id: reference_id(case.zone.header().seed(), case.hash, conclusion.standing.requests),
        at: case.at,
        zone: &case.data.name,
        client: client(case.data.prefixes, case.key.as_bytes()),
        verdict: conclusion.verdict,
        standing: &conclusion.standing,
        features,
        model: case.scorer.digest(),
        method: case.request.method(),
        target: case.request.target(),
    };
    let counters = case.zone.counters();
    match write(&facts, |line| file.append(line)) {
        Ok(()) => Counters::add(&counters.samples_written),
        Err(_) => Counters::add(&counters.samples_dropped),
    }
}

/// Writes one line through `append`, which says how many bytes were taken.
pub fn write(facts: &Facts<'_>, append: impl Fn(&[u8]) -> io::Result<usize>) -> Result<(), LostSample> {
    let mut line = line(facts)?;
    line.push(b'\n');
    let taken = append(&line)?;
    if taken == line.len() {
        return Ok(());
    }
    // Ends the torn line, so that only this one is lost.
    let _ = append(b"\n");
    Err(LostSample::Short(taken, line.len()))
}

fn line(facts: &Facts<'_>) -> Result<Vec<u8>, SampleError> {
    let mut sample = Sample {
        version: VERSION,
        id: format!("{:016x}", facts.id),
        at: facts.at,
        zone: facts.zone.to_owned(),
        client: facts.client.clone(),
        requests: facts.standing.requests,
        score: facts.standing.score.unwrap_or_default(),
        verdict: facts.verdict.as_str().to_owned(),
        reasons: reason_names(facts.standing.reasons).map(str::to_owned).collect(),
        schema: schema_hash().to_owned(),
        features: facts.features.to_vec(),
        model: facts.model.to_owned(),
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

const _: () = assert!(MAX_TARGET * 6 < MAX_LINE);

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
