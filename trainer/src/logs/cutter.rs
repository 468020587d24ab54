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
    limits: BatchLimits,
    next_line: u64,
    /// What was read: from `start` on not yet handed out.
    text: Vec<u8>,
    start: usize,
    /// The last batch ended at its number of lines: there may be more lines in `text`.
    more: bool,
    /// Inside an overlong line that is already accounted for.
    skipping: bool,
    ended: bool,
    /// Kept back until the lines before it are handed out.
    failure: Option<io::Error>,
}

/// What one batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimits {
    /// About how much text, in bytes.
    pub(super) bytes: usize,
    /// How many lines: what is kept for each is larger than the shortest line.
    pub(super) lines: usize,
}

impl<R: Read> Cutter<R> {
    pub(super) fn new(reader: R, source: usize, limits: BatchLimits) -> Cutter<R> {
        Cutter {
            reader,
            source,
            limits,
            next_line: 1,
            text: Vec::new(),
            start: 0,
            more: false,
            skipping: false,
            ended: false,
            failure: None,
        }
    }

    /// The next lines; `None` at the end. An error comes after all complete lines before it; the broken line
    /// itself is dropped, since half a line may look like a whole one.
    pub(super) fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        while self.more || !self.ended {
            if !self.more {
                self.read();
            }
            let batch = self.cut();
            if !batch.spans.is_empty() {
                return Ok(Some(batch));
            }
        }
        self.failure.take().map_or(Ok(None), Err)
    }

    /// Reads behind the beginning of a line whose end was not yet read.
    fn read(&mut self) {
        let wanted = self.limits.bytes;
        self.text.reserve_exact(wanted.saturating_sub(self.text.len()));
        match self
            .reader
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut self.text)
        {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) => {
                self.ended = true;
                self.failure = Some(error);
            }
        }
    }

    fn cut(&mut self) -> Batch {
        let text = &self.text[self.start..];
        let mut spans = Vec::new();
        let mut start = 0;
        if self.skipping {
            start = memchr(b'\n', text).map_or(text.len(), |at| at + 1);
            self.skipping = start == text.len() && text.last() != Some(&b'\n');
        }
        let first = start;
        for end in memchr_iter(b'\n', &text[first..]).take(self.limits.lines) {
            spans.push(span(start, first + end));
            start = first + end + 1;
        }
        self.more = spans.len() == self.limits.lines;
        let text = if self.more {
            let text = text[..start].to_vec();
            self.start += start;
            text
        } else {
            self.take_text(start, &mut spans)
        };
        let first_line = self.next_line;
        self.next_line += spans.len() as u64;
        Batch {
            source: self.source,
            first_line,
            text,
            spans,
        }
    }

    /// All text that was not handed out; lines end at `end`, and what follows is the beginning of one.
    fn take_text(&mut self, end: usize, spans: &mut Vec<Span>) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.text);
        text.drain(..std::mem::take(&mut self.start));
        let rest = text.len() - end;
        if self.ended {
            if rest > 0 && self.failure.is_none() {
                spans.push(span(end, text.len()));
            }
        } else if rest > MAX_LINE {
            spans.push(span(end, text.len()));
            self.skipping = true;
        } else {
            self.text = text[end..].to_vec();
        }
        text
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

    use super::super::{BATCH_BYTES, BATCH_LINES};
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
        limits: BatchLimits,
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
            limits,
        );
        let mut all = Vec::new();
        loop {
            match cutter.next_batch() {
                Ok(Some(batch)) => {
                    assert!((1..=limits.lines).contains(&batch.spans.len()));
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
        for bytes in [1000, MAX_LINE, 1 << 20] {
            for lines_a_batch in [1, 2, 100] {
                let limits = BatchLimits {
                    bytes,
                    lines: lines_a_batch,
                };
                assert_eq!(
                    lines(&text, limits, 999, false),
                    (expected.to_vec(), false),
                    "{limits:?}"
                );
            }
        }
    }

    #[test]
    fn half_a_line_before_an_error_is_dropped() {
        let (all, failed) = lines(
            b"one\ntwo\nthr",
            BatchLimits {
                bytes: 4096,
                lines: 2,
            },
            2,
            true,
        );
        assert_eq!(
            all.iter().map(|(_, line, _)| &line[..]).collect::<Vec<_>>(),
            [b"one", b"two"]
        );
        assert!(failed);
    }

    #[test]
    fn batches_of_short_lines_end_at_their_number() {
        const LIMITS: BatchLimits = BatchLimits {
            bytes: BATCH_BYTES,
            lines: BATCH_LINES,
        };
        #[track_caller]
        fn check(line: &[u8]) {
            let count = 3 * BATCH_BYTES / line.len();
            let text = line.repeat(count);
            let mut cutter = Cutter::new(&text[..], 0, LIMITS);
            let mut found = 0;
            while let Some(batch) = cutter.next_batch().unwrap() {
                assert_eq!(batch.first_line, found as u64 + 1);
                assert!(batch.spans.len() <= BATCH_LINES, "{}", batch.spans.len());
                assert!(
                    batch.spans.capacity() <= 2 * BATCH_LINES && batch.text.capacity() <= 2 * BATCH_BYTES
                );
                found += batch.spans.len();
            }
            assert_eq!(found, count);
        }
        check(b"\n");
        check(b"x\n");
    }

    proptest! {
        #[test]
        fn batches_do_not_change_the_lines(
            text in "[ab\n]{0,200}",
            bytes in 1usize..50,
            lines_a_batch in 1usize..20,
            step in 1usize..20,
        ) {
            let mut expected: Vec<_> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            let (all, _) = lines(text.as_bytes(), BatchLimits { bytes, lines: lines_a_batch }, step, false);
            prop_assert!(all.iter().enumerate().all(|(index, line)| line.0 == index as u64 + 1));
            prop_assert_eq!(all.into_iter().map(|line| line.1).collect::<Vec<_>>(), expected);
        }
    }
}
