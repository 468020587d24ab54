//! Lines as data, and the promise that no line breaks the parser.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;

const COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;

fn entry<'a>(client: &'a str, target: &'a [u8]) -> Entry<'a> {
    Entry {
        client: client.as_bytes(),
        at: 1_455_944_445,
        method: Method::Get,
        target: Cow::Borrowed(target),
        well_formed: true,
        status: 200,
        bytes: 187,
        referer: None,
        user_agent: Cow::Borrowed(b""),
    }
}

#[test]
fn combined_and_common_lines() {
    #[track_caller]
    fn check(line: &str, expected: Entry<'_>) {
        assert_eq!(Format::Auto.read(line.as_bytes()), Ok(expected), "{line}");
    }
    let plain = entry("192.0.2.1", b"/robots.txt");
    check(
        r#"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] "GET /robots.txt HTTP/1.1" 200 187"#,
        plain.clone(),
    );
    check(
        r#"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] "GET /robots.txt HTTP/1.1" 200 187 "-" "-""#,
        plain.clone(),
    );
    check(
        "192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] \"GET /robots.txt HTTP/1.1\" 200 187\r",
        plain.clone(),
    );
    check(
        r#"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] "GET /robots.txt HTTP/1.1" 200 187 "" "" "198.51.100.7""#,
        plain.clone(),
    );
    check(
        r#"192.0.2.1 - eve [at] home [20/Feb/2016:05:00:45 +0000] "GET /robots.txt HTTP/1.1" 200 187"#,
        plain.clone(),
    );
    check(
        r#"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] "-" 408 - "-" "-""#,
        Entry {
            method: Method::Other,
            target: Cow::Borrowed(b"-"),
            well_formed: false,
            status: 408,
            bytes: 0,
            ..plain.clone()
        },
    );
    check(
        r#"2001:db8::7 - - [20/Feb/2016:05:00:45 +0000] "GET /a\x22b HTTP/1.1" 200 187 "http://a/\x22" "x \"y\" z""#,
        Entry {
            referer: Some(Cow::Borrowed(b"http://a/\"")),
            user_agent: Cow::Borrowed(b"x \"y\" z"),
            ..entry("2001:db8::7", b"/a\"b")
        },
    );
}

#[test]
fn json_lines() {
    #[track_caller]
    fn check(line: &str) {
        let expected = Entry {
            referer: Some(Cow::Borrowed(b"http://a/")),
            user_agent: Cow::Borrowed(b"u\"a"),
            ..entry("192.0.2.1", b"/x?y=1")
        };
        assert_eq!(Format::Auto.read(line.as_bytes()), Ok(expected), "{line}");
    }
    check(
        r#"{"time_iso8601":"2016-02-20T05:00:45+00:00","remote_addr":"192.0.2.1","request":"GET /x?y=1 HTTP/1.1","status":"200","body_bytes_sent":"187","http_referer":"http://a/","http_user_agent":"u\"a"}"#,
    );
    check(
        r#"{ "msec": 1455944445.123, "ip": "192.0.2.1", "request_method": "GET", "request_uri": "/x?y=1", "status": 200, "bytes": 187, "referer": "http:\/\/a\/", "user_agent": "u\u0022a", "extra": [1, {"a": null}, true], "upstream": {} }"#,
    );
    check(
        r#"{"@timestamp":"2016-02-20T05:00:45.5Z","source":{"ip":"192.0.2.1"},"http":{"request":{"method":"GET","referrer":"http://a/"},"response":{"status_code":200,"body":{"bytes":187}}},"url":{"original":"/x?y=1"},"user_agent":{"original":"u\"a"}}"#,
    );
    check(
        r#"{"level":"info","ts":1455944445.9,"request":{"remote_ip":"192.0.2.1","method":"GET","uri":"/x?y=1","headers":{"User-Agent":["u\"a"],"Referer":["http://a/"]}},"size":187,"status":200}"#,
    );
}

#[test]
fn templates() {
    #[track_caller]
    fn check(format: &str, line: &str, expected: Entry<'_>) {
        let format = Format::parse(format).expect(format);
        assert_eq!(format.read(line.as_bytes()), Ok(expected), "{line}");
    }
    let plain = entry("192.0.2.1", b"/a b".split_last().expect("not empty").1);
    let plain = Entry {
        target: Cow::Borrowed(b"/a"),
        ..plain
    };
    check(
        COMBINED,
        r#"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] "GET /a HTTP/1.1" 200 187 "-" "-""#,
        plain.clone(),
    );
    check(
        "$host|$remote_addr|${msec}|$request_method|$request_uri|$status|$bytes_sent|$request_time",
        "shop.example|192.0.2.1|1455944445.120|GET|/a|200|187|0.003",
        plain.clone(),
    );
    check(
        "log_format main escape=json '{\"a\":\"$remote_addr\",\"t\":\"$time_iso8601\",'\n  '\"r\":\"$request\",\"s\":$status,\"b\":$body_bytes_sent}';",
        r#"{"a":"192.0.2.1","t":"2016-02-20T05:00:45+00:00","r":"GET /a HTTP/1.1","s":200,"b":187}"#,
        plain.clone(),
    );
    check(
        "$status $time_local $remote_addr $uri",
        "200 20/Feb/2016:05:00:45 +0000 192.0.2.1 /a",
        Entry { bytes: 0, ..plain },
    );
}

#[test]
fn formats_that_cannot_be_read_by() {
    #[track_caller]
    fn check(format: &str, expected: &str) {
        assert_eq!(Format::parse(format).expect_err(format).to_string(), expected);
    }
    check(
        "conbined",
        "\"conbined\" is no log format: give combined, json, auto, or an nginx log_format string with its $variables",
    );
    check(
        "$remote_addr [$time_local] $status",
        "the log format has no $request or $request_uri, which a scan needs",
    );
    check(
        "$remote_addr $request $status",
        "the log format has no $time_local, $time_iso8601 or $msec, which a scan needs",
    );
    check(
        "$host$remote_addr",
        "the log format has $host and $remote_addr side by side: put text between them",
    );
    check("a $ b", "the log format is broken at byte 2");
    check("${remote_addr", "the log format is broken at byte 0");
    check(
        "log_format main $remote_addr",
        "the log format is broken at byte 16",
    );
}

#[test]
fn broken_lines_say_where() {
    #[track_caller]
    fn check(line: &[u8], column: usize, expected: Expected) {
        assert_eq!(
            Format::Auto.read(line),
            Err(ParseError { column, expected }),
            "{}",
            line.escape_ascii()
        );
    }
    check(b"", 1, Expected::Client);
    check(b"\x16\x03\x01 rubbish", 1, Expected::Client);
    check(b"192.0.2.1 - - nothing", 22, Expected::Time);
    check(
        b"192.0.2.1 - - [20/Feb/2016:05:61:45 +0000] \"GET / HTTP/1.1\" 200 1",
        16,
        Expected::Time,
    );
    check(
        b"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] GET /",
        44,
        Expected::Request,
    );
    check(
        b"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] \"GET /",
        50,
        Expected::ClosingQuote,
    );
    check(
        b"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] \"GET /\\",
        51,
        Expected::ClosingQuote,
    );
    check(
        b"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] \"GET /\" abc",
        51,
        Expected::Status,
    );
    check(
        b"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] \"GET /\" 200 x",
        55,
        Expected::Bytes,
    );
    check(b"{", 2, Expected::Json);
    check(b"{}", 3, Expected::Client);
    check(b"{\"ip\":\"192.0.2.1\"} x", 20, Expected::Json);
    check(b"{\"ip\":\"192.0.2.1\",\"ts\":\"soon\"}", 25, Expected::Time);
    check("{\"a\":".repeat(99).as_bytes(), 41, Expected::Json);
    check(b"{\"a\":[[1]]}", 7, Expected::Json);
}

/// Renders as nginx does.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, &byte| match byte {
        b'"' | b'\\' | 0..32 | 127.. => text + &format!("\\x{byte:02X}"),
        _ => text + &char::from(byte).to_string(),
    })
}

proptest! {
    #[test]
    fn no_bytes_break_a_parser(line: Vec<u8>) {
        let template = Format::parse(COMBINED).unwrap();
        for format in [Format::Auto, Format::Combined, Format::Json, template] {
            let _ = format.read(&line);
        }
    }

    #[test]
    fn no_mangled_line_breaks_a_parser(cut in 0usize..300, byte: u8, at in 0usize..300) {
        let lines: [&[u8]; 2] = [
            br#"192.0.2.1 - - [20/Feb/2016:05:00:45 +0000] "GET /a\x22b HTTP/1.1" 200 187 "http://a/" "x \"y\" z""#,
            br#"{"msec": 1455944445.123, "ip": "192.0.2.1", "request": "GET \/x HTTP\/1.1", "status": 200, "n": [1, {"a": null}]}"#,
        ];
        for line in lines {
            let mut line = line.to_vec();
            line.truncate(cut);
            if let Some(place) = line.get_mut(at) {
                *place = byte;
            }
            let _ = Format::Auto.read(&line);
        }
    }

    #[test]
    fn a_rendered_entry_is_read_back(
        client in "[0-9a-f:.]{1,40}",
        at: u32,
        path: Vec<u8>,
        status in 100u16..1000,
        bytes in 0..=u64::MAX / 2,
        referer: Vec<u8>,
        user_agent: Vec<u8>,
    ) {
        let mut target = b"/".to_vec();
        // nginx refuses some paths with `%` and `..`: module `path` has its own tests.
        target.extend(path.into_iter().filter(|&byte| byte > b' ' && !matches!(byte, 127 | b'%' | b'.')));
        let expected = Entry {
            at, status, bytes,
            target: Cow::Borrowed(&target),
            referer: (!matches!(&referer[..], b"" | b"-")).then_some(Cow::Borrowed(&referer)),
            user_agent: if user_agent == b"-" { Cow::Borrowed(b"") } else { Cow::Borrowed(&user_agent) },
            ..entry(&client, b"")
        };
        let time = jiff::Timestamp::from_second(i64::from(at)).unwrap().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        let line = format!(
            "{client} - - [{time}] \"GET {} HTTP/1.1\" {status} {bytes} \"{}\" \"{}\"",
            escaped(&target), escaped(&referer), escaped(&user_agent),
        );
        prop_assert_eq!(Format::Auto.read(line.as_bytes()), Ok(expected.clone()));
        let template = Format::parse(COMBINED).unwrap();
        prop_assert_eq!(template.read(line.as_bytes()), Ok(expected));
    }

    #[test]
    fn any_format_string_compiles_or_is_refused(text: String, line: Vec<u8>) {
        if let Ok(format) = Format::parse(&text) {
            let _ = format.read(&line);
        }
    }
}
