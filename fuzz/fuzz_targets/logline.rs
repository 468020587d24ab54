//! Any line in any format, and any format string: an entry or an error, and what an entry promises.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sekisho_core::logline::{Entry, Format};

fuzz_target!(|data: &[u8]| {
    // The first line is a format string, the others are read by it and by the formats that need none.
    let mut lines = data.split(|&byte| byte == b'\n');
    let template = lines.next().and_then(|text| std::str::from_utf8(text).ok());
    let template = template
        .and_then(|text| Format::parse(text).ok())
        .unwrap_or_default();
    for line in lines {
        for format in [&template, &Format::Auto, &Format::Combined, &Format::Json] {
            match format.read(line) {
                Ok(entry) => check(&entry, line),
                Err(error) => assert!(error.column <= line.len() + 1, "{error}"),
            }
        }
    }
});

fn check(entry: &Entry<'_>, line: &[u8]) {
    assert!(!entry.client.is_empty());
    assert!(entry.status < 1000);
    assert!(entry.target.len() <= line.len());
    assert!(entry.user_agent.len() <= line.len());
    assert!(
        entry
            .referer
            .as_ref()
            .is_none_or(|referer| !referer.is_empty() && referer.len() <= line.len())
    );
    if entry.well_formed {
        assert!(!entry.target.is_empty());
    }
}
