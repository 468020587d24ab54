//! From a log line to the request that nginx gets.

use std::io::Write;
use std::net::IpAddr;

use sekisho_core::logline::Entry;
use sekisho_core::url::Method;
use serde::Serialize;

/// Longest target that is sent, in bytes: nginx refuses a request line over 8 KiB unless told otherwise.
pub const MAX_TARGET: usize = 8 * 1024 - 64;
/// Longest header value that is sent, in bytes; the rest is cut off.
const MAX_VALUE: usize = 4 * 1024;

/// Why a log line cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Skip {
    /// It holds no request that nginx would let in: no method, no path, blanks in the path.
    NoRequest,
    /// Its client is a name, or nothing: realip needs an address.
    NoAddress,
    /// Its target is longer than [`MAX_TARGET`].
    TooLong,
}

/// Writes the request of a log line into `buffer`, in place of what was there. `host` is the `Host` header.
///
/// Of methods the log reader keeps GET, HEAD and POST; others are sent as OPTIONS, which counts the same.
pub fn write_request(entry: &Entry<'_>, host: &str, buffer: &mut Vec<u8>) -> Result<(), Skip> {
    buffer.clear();
    if !entry.well_formed || !is_path(&entry.target) {
        return Err(Skip::NoRequest);
    }
    if entry.target.len() > MAX_TARGET {
        return Err(Skip::TooLong);
    }
    let client = str::from_utf8(entry.client)
        .ok()
        .and_then(|text| text.parse::<IpAddr>().ok());
    let client = client.ok_or(Skip::NoAddress)?;
    let method = match entry.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Other => "OPTIONS",
    };
    buffer.extend_from_slice(method.as_bytes());
    buffer.push(b' ');
    buffer.extend_from_slice(&entry.target);
    buffer.extend_from_slice(b" HTTP/1.1\r\n");
    field(buffer, "Host", host.as_bytes());
    field(buffer, "X-Real-IP", client.to_string().as_bytes());
    field(buffer, "X-Sekisho-Time", entry.at.to_string().as_bytes());
    field(buffer, "X-Replay-Time-Local", time_local(entry.at).as_bytes());
    field(buffer, "X-Replay-Status", entry.status.to_string().as_bytes());
    field(buffer, "X-Replay-Bytes", entry.bytes.to_string().as_bytes());
    if let Some(referer) = &entry.referer {
        field(buffer, "Referer", referer);
    }
    if !entry.user_agent.is_empty() {
        field(buffer, "User-Agent", &entry.user_agent);
    }
    if entry.method == Method::Post {
        field(buffer, "Content-Length", b"0");
    }
    buffer.extend_from_slice(b"\r\n");
    Ok(())
}

/// A path without blanks and control characters, which would split the request line.
fn is_path(target: &[u8]) -> bool {
    target.first() == Some(&b'/') && !target.iter().any(|&byte| byte <= b' ' || byte == 127)
}

/// A header field; bytes that could end it, or the whole head, become question marks.
fn field(buffer: &mut Vec<u8>, name: &str, value: &[u8]) {
    let value = &value[..value.len().min(MAX_VALUE)];
    let _ = write!(buffer, "{name}: ");
    buffer.extend(
        value
            .iter()
            .map(|&byte| if byte < b' ' || byte == 127 { b'?' } else { byte }),
    );
    buffer.extend_from_slice(b"\r\n");
}

/// nginx's `$time_local` in UTC: `20/Feb/2016:05:00:45 +0000`.
fn time_local(at: u32) -> String {
    let time = jiff::Timestamp::from_second(i64::from(at)).expect("every u32 is a time that jiff knows");
    time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use sekisho_core::logline::Format;

    use super::*;

    fn sent(line: &str) -> Result<String, Skip> {
        let entry = Format::Auto.read(line.as_bytes()).expect("a log line");
        let mut buffer = b"left over".to_vec();
        write_request(&entry, "shop.test", &mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    #[test]
    fn a_line_becomes_a_request() {
        let line = r#"192.0.2.7 - - [20/Feb/2016:06:00:45 +0100] "GET /a?b=c HTTP/1.1" 404 512 "http://shop.test/" "Mozilla/5.0 (\x22X\x22)""#;
        let expected = "GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\nX-Real-IP: 192.0.2.7\r\nX-Sekisho-Time: 1455944445\r\n\
            X-Replay-Time-Local: 20/Feb/2016:05:00:45 +0000\r\nX-Replay-Status: 404\r\nX-Replay-Bytes: 512\r\n\
            Referer: http://shop.test/\r\nUser-Agent: Mozilla/5.0 (\"X\")\r\n\r\n";
        assert_eq!(sent(line).unwrap(), expected);
    }

    #[test]
    fn methods() {
        #[track_caller]
        fn check(method: &str, start: &str, length: bool) {
            let request = sent(&format!(
                r#"2001:db8::1 - - [20/Feb/2016:06:00:45 +0100] "{method} /a HTTP/2.0" 200 -"#
            ))
            .unwrap();
            assert!(request.starts_with(start), "{request}");
            assert_eq!(request.contains("Content-Length: 0\r\n"), length);
        }
        check("HEAD", "HEAD /a HTTP/1.1\r\n", false);
        check("POST", "POST /a HTTP/1.1\r\n", true);
        check("PROPFIND", "OPTIONS /a HTTP/1.1\r\n", false);
    }

    #[test]
    fn lines_that_cannot_be_sent() {
        #[track_caller]
        fn check(client: &str, request: &str, expected: Skip) {
            let line = format!(r#"{client} - - [20/Feb/2016:06:00:45 +0100] "{request}" 400 -"#);
            assert_eq!(sent(&line), Err(expected), "{request}");
        }
        check("192.0.2.7", r"\x16\x03\x01", Skip::NoRequest);
        check("192.0.2.7", "-", Skip::NoRequest);
        check(
            "192.0.2.7",
            r"GET /a\x0D\x0AX-Real-IP:1 HTTP/1.1",
            Skip::NoRequest,
        );
        check(
            "192.0.2.7",
            "GET http://elsewhere.example/ HTTP/1.1",
            Skip::NoRequest,
        );
        check("host.example", "GET / HTTP/1.1", Skip::NoAddress);
        check(
            "192.0.2.7",
            &format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET)),
            Skip::TooLong,
        );
    }

    proptest! {
        #[test]
        fn nothing_splits_a_head(target: Vec<u8>, referer: Vec<u8>, user_agent: Vec<u8>, at: u32) {
            let mut path = b"/".to_vec();
            path.extend(target);
            let entry = Entry {
                client: b"192.0.2.7",
                at,
                method: Method::Get,
                target: Cow::Owned(path),
                well_formed: true,
                status: 200,
                bytes: 1,
                referer: Some(Cow::Owned(referer)),
                user_agent: Cow::Owned(user_agent),
            };
            let mut buffer = Vec::new();
            if write_request(&entry, "shop.test", &mut buffer).is_ok() {
                let names: Vec<_> = buffer
                    .strip_suffix(b"\r\n\r\n").unwrap()
                    .split(|&byte| byte == b'\n')
                    .map(|line| String::from_utf8_lossy(line.split(|&byte| byte == b' ').next().unwrap()).into_owned())
                    .collect();
                let expected = ["GET", "Host:", "X-Real-IP:", "X-Sekisho-Time:", "X-Replay-Time-Local:",
                    "X-Replay-Status:", "X-Replay-Bytes:", "Referer:", "User-Agent:"];
                prop_assert_eq!(&names[..8], &expected[..8]);
                prop_assert!(names.len() <= expected.len());
                prop_assert!(!buffer[..buffer.len() - 4].windows(4).any(|end| end == b"\r\n\r\n"));
            }
        }
    }
}
