//! One request as a line of an access log, spelled as nginx spells it.

use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LineFormat {
    /// Combined, as nginx and Apache write by default
    Combined,
    /// One JSON object a line, named as nginx variables
    Json,
}

/// What a line tells.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Unix seconds.
    pub at: u32,
    /// The client's address.
    pub client: &'a str,
    /// The method.
    pub method: &'a str,
    /// The target, as it was sent.
    pub target: &'a [u8],
    /// The status.
    pub status: u16,
    /// Bytes of the body.
    pub bytes: u64,
    /// The referer, empty when there is none.
    pub referer: &'a [u8],
    /// The user agent, empty when there is none.
    pub agent: &'a [u8],
}

/// Writes lines; the text of a second is made once.
pub struct LineWriter {
    format: LineFormat,
    second: Option<u32>,
    time: String,
}

impl LineWriter {
    /// Writes in this format.
    pub fn new(format: LineFormat) -> LineWriter {
        LineWriter {
            format,
            second: None,
            time: String::new(),
        }
    }

    /// Appends a line with its end.
    pub fn write(&mut self, line: &Line<'_>, out: &mut Vec<u8>) {
        if self.second != Some(line.at) {
            self.second = Some(line.at);
            self.time = time(line.at, self.format);
        }
        // Writing to memory does not fail.
        let _ = match self.format {
            LineFormat::Combined => combined(line, &self.time, out),
            LineFormat::Json => json(line, &self.time, out),
        };
    }
}

fn time(at: u32, format: LineFormat) -> String {
    // Every u32 is a time that jiff knows.
    let zoned = Timestamp::from_second(at.into())
        .unwrap_or_default()
        .to_zoned(TimeZone::UTC);
    let pattern = match format {
        LineFormat::Combined => "%d/%b/%Y:%H:%M:%S +0000",
        LineFormat::Json => "%Y-%m-%dT%H:%M:%S+00:00",
    };
    zoned.strftime(pattern).to_string()
}

fn combined(line: &Line<'_>, time: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    write!(out, "{} - - [{time}] \"{} ", line.client, line.method)?;
    backslashed(line.target, out)?;
    write!(out, " HTTP/1.1\" {} {} \"", line.status, line.bytes)?;
    backslashed(or_dash(line.referer), out)?;
    out.extend_from_slice(b"\" \"");
    backslashed(or_dash(line.agent), out)?;
    out.extend_from_slice(b"\"\n");
    Ok(())
}

fn json(line: &Line<'_>, time: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    write!(
        out,
        "{{\"time_iso8601\":\"{time}\",\"remote_addr\":\"{}\",\"request_method\":\"{}\",\"request_uri\":\"",
        line.client, line.method
    )?;
    quoted(line.target, out)?;
    write!(
        out,
        "\",\"status\":{},\"body_bytes_sent\":{},\"http_referer\":\"",
        line.status, line.bytes
    )?;
    quoted(line.referer, out)?;
    out.extend_from_slice(b"\",\"http_user_agent\":\"");
    quoted(line.agent, out)?;
    out.extend_from_slice(b"\"}\n");
    Ok(())
}

fn or_dash(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"-" } else { text }
}

/// nginx's `escape=default`: quotes, backslashes and what is not printable ASCII become `\xHH`.
fn backslashed(text: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    for &byte in text {
        match byte {
            b'"' | b'\\' | 0..b' ' | 127.. => write!(out, "\\x{byte:02X}")?,
            _ => out.push(byte),
        }
    }
    Ok(())
}

/// nginx's `escape=json`: quotes, backslashes and control characters; other bytes as they are.
fn quoted(text: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..b' ' | 127 => write!(out, "\\u{byte:04X}")?,
            _ => out.push(byte),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sekisho_core::logline::Format;

    use super::*;

    fn written(line: &Line<'_>, format: LineFormat) -> Vec<u8> {
        let mut out = Vec::new();
        LineWriter::new(format).write(line, &mut out);
        out
    }

    #[test]
    fn lines_are_as_nginx_writes_them() {
        let line = Line {
            at: 1_767_600_000,
            client: "192.0.2.7",
            method: "GET",
            target: b"/a?q=\"\\\x1b",
            status: 404,
            bytes: 153,
            referer: b"",
            agent: "caf\u{e9}\"".as_bytes(),
        };
        #[track_caller]
        fn check(line: &Line<'_>, format: LineFormat, expected: &str) {
            assert_eq!(String::from_utf8(written(line, format)).unwrap(), expected);
        }
        check(
            &line,
            LineFormat::Combined,
            "192.0.2.7 - - [05/Jan/2026:08:00:00 +0000] \"GET /a?q=\\x22\\x5C\\x1B HTTP/1.1\" 404 153 \"-\" \
             \"caf\\xC3\\xA9\\x22\"\n",
        );
        check(
            &line,
            LineFormat::Json,
            "{\"time_iso8601\":\"2026-01-05T08:00:00+00:00\",\"remote_addr\":\"192.0.2.7\",\"request_method\":\
             \"GET\",\"request_uri\":\"/a?q=\\\"\\\\\\u001B\",\"status\":404,\"body_bytes_sent\":153,\
             \"http_referer\":\"\",\"http_user_agent\":\"caf\u{e9}\\\"\"}\n",
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            target in prop::collection::vec((b'!'..).prop_filter("no request has it", |byte| *byte != 127), 0..40),
            referer in prop::collection::vec(any::<u8>(), 0..40),
            agent: Vec<u8>,
            at in 0u32..,
            status in 100u16..600,
            bytes in 0u64..1 << 40,
        ) {
            let target = [&b"/"[..], &target].concat();
            let line = Line {
                at, client: "2001:db8::1", method: "POST", target: &target, status, bytes, referer: &referer, agent: &agent,
            };
            for format in [LineFormat::Combined, LineFormat::Json] {
                let text = written(&line, format);
                prop_assert_eq!(text.iter().filter(|&&byte| byte == b'\n').count(), 1);
                let entry = Format::Auto.read(&text[..text.len() - 1]);
                let entry = entry.map_err(|error| TestCaseError::fail(format!("{error}: {}", String::from_utf8_lossy(&text))))?;
                prop_assert_eq!((entry.at, entry.status, entry.bytes), (at, status, bytes));
                // Of a request that nginx would refuse, the whole request line is the target.
                if entry.well_formed {
                    prop_assert_eq!(&*entry.target, &target[..]);
                }
                prop_assert!(memchr::memmem::find(&entry.target, &target).is_some());
                if !matches!(&referer[..], b"" | b"-") {
                    prop_assert_eq!(entry.referer.as_deref(), Some(&referer[..]));
                }
                if !matches!(&agent[..], b"" | b"-") {
                    prop_assert_eq!(&*entry.user_agent, &agent[..]);
                }
            }
        }
    }
}
