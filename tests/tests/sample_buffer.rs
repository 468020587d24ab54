//! The lines that wait for the sample file, as data: the module's own source, without nginx. What the real file
//! does to them is in `module_samples`.

use std::io;

use proptest::prelude::*;

#[path = "../../nginx-module/src/sample_buffer.rs"]
mod sample_buffer;

use sample_buffer::{Buffer, CAPACITY, HALF};

/// A file of several writers that takes so many bytes a write; `None` is a full disk.
#[derive(Default)]
struct File {
    content: Vec<u8>,
    takes: Vec<Option<usize>>,
}

impl File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.takes.pop() {
            Some(None) => Err(io::Error::from_raw_os_error(libc::ENOSPC)),
            Some(Some(most)) => self.take(bytes, most),
            None => self.take(bytes, bytes.len()),
        }
    }

    fn take(&mut self, bytes: &[u8], most: usize) -> io::Result<usize> {
        let taken = most.min(bytes.len());
        self.content.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Lines that a reader understands: ours begin with `{` and end with `}`.
    fn understood(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.content);
        let lines = text.split('\n').filter(|line| line.ends_with('}'));
        lines.map(str::to_owned).collect()
    }
}

fn line(writer: usize, number: usize) -> String {
    format!("{{{writer}:{number}:{}}}", "x".repeat(number % 7))
}

proptest! {
    #[test]
    fn every_line_is_in_the_file_once_and_whole(
        takes in prop::collection::vec(prop::option::weighted(0.7, 0usize..60), 0..60),
        turns in prop::collection::vec((0usize..3, 0usize..4), 1..60),
    ) {
        let mut file = File { content: Vec::new(), takes };
        let mut buffers: [Buffer; 3] = std::array::from_fn(|_| Buffer::default());
        let (mut torn, mut counted, mut expected) = (false, 0, Vec::new());
        for (number, (writer, lines)) in turns.into_iter().enumerate() {
            for extra in 0..lines {
                let line = line(writer, number * 10 + extra);
                prop_assert!(buffers[writer].push(line.as_bytes()));
                expected.push(line);
            }
            let flushed = buffers[writer].flush(torn, |bytes| file.append(bytes));
            torn = flushed.torn;
            counted += flushed.lines;
            let ends_in_line = file.content.last().is_some_and(|&byte| byte != b'\n');
            prop_assert_eq!(torn, ends_in_line);
        }
        file.takes.clear();
        for buffer in &mut buffers {
            let flushed = buffer.flush(torn, |bytes| file.append(bytes));
            prop_assert!(flushed.error.is_none() && buffer.is_empty() && !flushed.torn);
            torn = false;
            counted += flushed.lines;
        }
        let mut found = file.understood();
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(counted, expected.len() as u64);
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_full_buffer_refuses_and_keeps_what_it_has() {
    let mut buffer = Buffer::default();
    let line = [b'x'; 1023];
    let taken = (0..1000).take_while(|_| buffer.push(&line)).count();
    assert_eq!((taken, buffer.len()), (CAPACITY / 1024, CAPACITY));
    assert_eq!(HALF * 2, CAPACITY);
    let mut full = File {
        takes: vec![None],
        ..File::default()
    };
    let flushed = buffer.flush(false, |bytes| full.append(bytes));
    assert_eq!(
        flushed.error.and_then(|error| error.raw_os_error()),
        Some(libc::ENOSPC)
    );
    assert_eq!((flushed.lines, buffer.discard()), (0, taken as u64));
    assert!(buffer.is_empty());
}

#[test]
fn a_file_that_takes_nothing_is_asked_once() {
    let (mut buffer, mut asked) = (Buffer::default(), 0);
    buffer.push(b"{}");
    let flushed = buffer.flush(false, |_| {
        asked += 1;
        Ok(0)
    });
    assert_eq!((asked, flushed.bytes, flushed.torn), (1, 0, false));
    assert!(flushed.error.is_some());
}
