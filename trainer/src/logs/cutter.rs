//! Cutting a stream into lines, in memory that does not depend on the stream.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

use super::MAX_LINE;
use super::batch::{Batch, Span};

/// How much of an overlong line is kept, to show it.
const OVERLONG_SHOWN: usize = 256;

/// Cuts what `reader` gives into batches.
pub(super) struct Cutter<R> {
    reader: R,
    source: usize,
    batch_bytes: usize,
    next_line: u64,
    /// The beginning of a line whose end was not yet read.
    carry: Vec<u8>,
    /// Inside an overlong line that is already accounted for.
    skipping: bool,
    ended: bool,
    /// Kept back until the lines before it are handed out.
    failure: Option<io::Error>,
}

impl<R: Read> Cutter<R> {
    pub(super) fn new(reader: R, source: usize, batch_bytes: usize) -> Cutter<R> {
        Cutter {
            reader,
            source,
            batch_bytes,
            next_line: 1,
            carry: Vec::new(),
            skipping: false,
            ended: false,
            failure: None,
        }
    }

    /// The next lines; `None` at the end. An error comes after all complete lines before it; the broken line
    /// itself is dropped, since half a line may look like a whole one.
    pub(super) fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        while !self.ended {
            let mut text = std::mem::take(&mut self.carry);
            text.reserve_exact(self.batch_bytes.saturating_sub(text.len()));
            match self
                .reader
                .by_ref()
                .take(self.batch_bytes as u64)
                .read_to_end(&mut text)
            {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(error);
                }
            }
            let batch = self.cut(text);
            if !batch.spans.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.failure.take().map_or(Ok(None), Err)
    }

    fn cut(&mut self, text: Vec<u8>) -> Batch {
        let mut spans = Vec::new();
        let mut start = 0;
        if self.skipping {
            start = memchr(b'\n', &text).map_or(text.len(), |at| at + 1);
            self.skipping = start == text.len() && text.last() != Some(&b'\n');
        }
        for end in memchr_iter(b'\n', &text[start..])
            .map(|at| start + at)
            .collect::<Vec<_>>()
        {
            spans.push(span(start, end));
            start = end + 1;
        }
        let rest = text.len() - start;
        if self.ended {
            if rest > 0 && self.failure.is_none() {
                spans.push(span(start, text.len()));
            }
        } else if rest > MAX_LINE {
            spans.push(span(start, text.len()));
            self.skipping = true;
        } else {
            self.carry = text[start..].to_vec();
        }
        let first_line = self.next_line;
        self.next_line += spans.len() as u64;
        Batch {
            source: self.source,
            first_line,
            text,
            spans,
        }
    }
}

fn span(start: usize, end: usize) -> Span {
    let overlong = end - start > MAX_LINE;
    let end = if overlong { start + OVERLONG_SHOWN } else { end };
    Span {
        start: start as u32,
        end: end as u32,
        overlong,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives a few bytes at a time, then perhaps an error.
    struct Drip<'a> {
        rest: &'a [u8],
        step: usize,
        fails: bool,
    }

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.rest.is_empty() && self.fails {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let given = self.step.min(buffer.len()).min(self.rest.len());
            let (now, later) = self.rest.split_at(given);
            buffer[..given].copy_from_slice(now);
            self.rest = later;
            Ok(given)
        }
    }

    fn lines(
        bytes: &[u8],
        batch_bytes: usize,
        step: usize,
        fails: bool,
    ) -> (Vec<(u64, Vec<u8>, bool)>, bool) {
        let mut cutter = Cutter::new(
            Drip {
                rest: bytes,
                step,
                fails,
            },
            0,
            batch_bytes,
        );
        let mut all = Vec::new();
        loop {
            match cutter.next_batch() {
                Ok(Some(batch)) => {
                    for index in 0..batch.spans.len() {
                        let number = batch.first_line + index as u64;
                        all.push((number, batch.line(index).to_vec(), batch.spans[index].overlong));
                    }
                }
                Ok(None) => return (all, false),
                Err(_) => return (all, true),
            }
        }
    }

    #[test]
    fn overlong_lines_are_one_line_each() {
        let long = vec![b'x'; 5 * MAX_LINE];
        let text = [
            b"a\n".as_slice(),
            &long,
            b"\nb\n",
            &long[..MAX_LINE],
            b"\n",
            &long,
        ]
        .concat();
        let shown = vec![b'x'; OVERLONG_SHOWN];
        let expected = [
            (1, b"a".to_vec(), false),
            (2, shown.clone(), true),
            (3, b"b".to_vec(), false),
            (4, long[..MAX_LINE].to_vec(), false),
            (5, shown, true),
        ];
        for batch_bytes in [1000, MAX_LINE, 1 << 20] {
            assert_eq!(
                lines(&text, batch_bytes, 999, false),
                (expected.to_vec(), false),
                "{batch_bytes}"
            );
        }
    }

    #[test]
    fn half_a_line_before_an_error_is_dropped() {
        let (all, failed) = lines(b"one\ntwo\nthr", 4096, 2, true);
        assert_eq!(
            all.iter().map(|(_, line, _)| &line[..]).collect::<Vec<_>>(),
            [b"one", b"two"]
        );
        assert!(failed);
    }

    proptest! {
        #[test]
        fn batches_do_not_change_the_lines(text in "[ab\n]{0,200}", batch_bytes in 1usize..50, step in 1usize..20) {
            let mut expected: Vec<_> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            let (all, _) = lines(text.as_bytes(), batch_bytes, step, false);
            prop_assert!(all.iter().enumerate().all(|(index, line)| line.0 == index as u64 + 1));
            prop_assert_eq!(all.into_iter().map(|line| line.1).collect::<Vec<_>>(), expected);
        }
    }
}
