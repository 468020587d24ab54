//! Lines of one log, read together.

use rayon::prelude::*;
use sekisho_core::logline::{Entry, Format, ParseError};

/// Lines that one thread parses at a time.
const PARSE_CHUNK: usize = 512;

/// Where one line is in the batch's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
    /// Longer than [`super::MAX_LINE`]; the span holds its beginning.
    pub(super) overlong: bool,
}

/// Consecutive lines of one log.
#[derive(Debug)]
pub struct Batch {
    /// Which log, as an index into [`super::Logs::names`].
    pub source: usize,
    /// Number of the first line, from 1.
    pub first_line: u64,
    pub(super) text: Vec<u8>,
    pub(super) spans: Vec<Span>,
}

/// What a line turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// A log line.
    Entry(T),
    /// Not a log line.
    Unparsable(ParseError),
    /// Longer than [`super::MAX_LINE`].
    Overlong,
    /// Nothing but blanks.
    Blank,
}

impl Batch {
    /// Number of the last line, from 1.
    pub fn last_line(&self) -> u64 {
        self.first_line + self.spans.len() as u64 - 1
    }

    /// A line's bytes without its line end; of an overlong line the beginning.
    pub fn line(&self, index: usize) -> &[u8] {
        let span = self.spans[index];
        &self.text[span.start as usize..span.end as usize]
    }

    /// Parses every line, in parallel; the result is in the order of the lines. `digest` is given each entry
    /// with its line's index.
    pub fn parse<'a, T: Send>(
        &'a self,
        format: &Format,
        digest: impl Fn(usize, Entry<'a>) -> T + Sync,
    ) -> Vec<Parsed<T>> {
        let lines = self.spans.par_iter().enumerate().with_min_len(PARSE_CHUNK);
        lines
            .map(|(index, span)| {
                let line = self.line(index);
                if span.overlong {
                    return Parsed::Overlong;
                }
                if line.iter().all(u8::is_ascii_whitespace) {
                    return Parsed::Blank;
                }
                match format.read(line) {
                    Ok(entry) => Parsed::Entry(digest(index, entry)),
                    Err(error) => Parsed::Unparsable(error),
                }
            })
            .collect()
    }
}
