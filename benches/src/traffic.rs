//! Requests of a real access log, read once and kept, so that only the work itself is measured.

use std::fs::File;
use std::io::{self, Read};

use flate2::read::GzDecoder;
use sekisho_core::key::{Seed, client_key, key_hash};
use sekisho_core::logline::Format;
use sekisho_core::url::Method;
use sekisho_tests::source::root;

/// The log that is measured with, below the workspace's root.
pub const LOG: &str = "models/data/airis.log.gz";

/// One request, as nginx would have it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The client's address.
    pub client: String,
    /// Hash of the client's key.
    pub hash: u64,
    /// Unix seconds.
    pub at: u32,
    /// Method.
    pub method: Method,
    /// Raw request target.
    pub target: Vec<u8>,
    /// Referer.
    pub referer: Option<Vec<u8>>,
    /// Response status.
    pub status: u16,
    /// Bytes of the response body.
    pub bytes: u64,
}

/// The whole log, uncompressed.
///
/// # Errors
/// When it cannot be read.
pub fn log_text() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(File::open(root().join(LOG))?).read_to_end(&mut text)?;
    Ok(text)
}

/// The requests of a log's text, in its order; lines that are none are left out.
pub fn requests(text: &[u8]) -> Vec<Request> {
    text.split(|&byte| byte == b'\n').filter_map(request).collect()
}

fn request(line: &[u8]) -> Option<Request> {
    let entry = Format::Combined
        .read(line)
        .ok()
        .filter(|entry| entry.well_formed)?;
    let client = String::from_utf8_lossy(entry.client).into_owned();
    Some(Request {
        hash: key_hash(Seed::FIXED, client_key(&client).as_bytes()),
        client,
        at: entry.at,
        method: entry.method,
        target: entry.target.into_owned(),
        referer: entry.referer.map(|referer| referer.into_owned()),
        status: entry.status,
        bytes: entry.bytes,
    })
}
