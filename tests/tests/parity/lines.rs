//! What clients try: log lines to be replayed, and request lines as they come.

/// Lines as nginx might write them for clients that try what they can.
pub fn invented_lines() -> Vec<String> {
    let mut lines = Vec::new();
    let targets = [
        "/",
        "/a",
        "//a///b",
        "/a?b=1&c=2",
        "/a?c=2&b=1",
        "/a?utm_source=x",
        "/%7Euser",
        "/%7euser/%2F",
        "/caf\\xC3\\xA9",
        "/\\x22quoted\\x22",
        "/back\\x5Cslash",
        "/a#fragment",
        "/?",
        "/a;b=c",
        "/a?=&=&",
        "/style.css?v=1",
        "/x.PNG",
        "/feed/",
        "/wp-login.php",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r",
        "/a:b@c",
        "/a?b=%00%zz",
    ];
    let long = format!("/long/{}", "x".repeat(4000));
    let refused = ["/%zz", "/%00", "/../../etc/passwd", "/a/%2e%2e/%2E./../x", "/%"];
    let odd = [
        (
            "GET",
            "20/Feb/2016:05:00:45 +0000",
            "200",
            "512",
            "http://shop.test/a",
            "Mozilla/5.0 \\x1B[31m\\x22",
        ),
        ("HEAD", "20/Feb/2016:05:00:44 +0000", "200", "0", "-", "-"),
        (
            "POST",
            "01/Jan/1970:00:00:00 +0000",
            "303",
            "17",
            "/a",
            "\\xFF\\xFE",
        ),
        (
            "GET",
            "31/Dec/2099:23:59:59 +0000",
            "304",
            "0",
            "https://\\x0D\\x0AX-Sekisho-Time: 1",
            "a\\x0Ab",
        ),
        (
            "PROPFIND",
            "20/Feb/2016:06:00:45 +0100",
            "405",
            "100000",
            " ",
            " ",
        ),
        (
            "GET",
            "21/Feb/2016:05:00:45 +0000",
            "404",
            "-",
            "//shop.test//a",
            "x",
        ),
        (
            "GET",
            "20/Feb/2016:07:00:00 +0000",
            "500",
            "3",
            "http://shop.test/?a=b",
            "Mozilla/5.0",
        ),
    ];
    let clients = [
        "2001:db8::1",
        "2001:db8:0:0:1::2",
        "::ffff:192.0.2.9",
        "192.0.2.77",
        "fe80::1",
    ];
    for (index, target) in targets.iter().chain([&long.as_str()]).chain(&refused).enumerate() {
        for (method, time, status, bytes, referer, agent) in odd {
            let client = clients[(index + lines.len()) % clients.len()];
            lines.push(format!(
                r#"{client} - - [{time}] "{method} {target} HTTP/1.1" {status} {bytes} "{referer}" "{agent}""#
            ));
        }
    }
    let unsendable = [
        r#"192.0.2.77 - - [20/Feb/2016:07:00:00 +0000] "\x16\x03\x01" 400 0 "-" "-""#,
        r#"192.0.2.77 - - [20/Feb/2016:07:00:00 +0000] "GET /a b HTTP/1.1" 400 0 "-" "-""#,
        r#"192.0.2.77 - - [20/Feb/2016:07:00:00 +0000] "-" 408 0 "-" "-""#,
        r#"shop.test - - [20/Feb/2016:07:00:00 +0000] "GET / HTTP/1.1" 200 0 "-" "-""#,
        "no log line",
    ];
    lines.extend(unsendable.map(str::to_owned));
    lines
}

/// Request lines as they come, straight to nginx: some it answers by itself, and its log shows them like others.
pub const REQUEST_LINES: [&str; 26] = [
    "GET /%zz HTTP/1.1",
    "GET /100% HTTP/1.1",
    "GET /%2 HTTP/1.1",
    "GET /a%00b HTTP/1.1",
    "GET /.. HTTP/1.1",
    "GET /../etc/passwd HTTP/1.1",
    "GET /a/%2e%2E/.%2e/x HTTP/1.1",
    "GET /a//../../b HTTP/1.1",
    "GET /a/b%2f..%2f../.. HTTP/1.1",
    "TRACE / HTTP/1.1",
    "CONNECT / HTTP/1.1",
    "get / HTTP/1.1",
    "GET /a b HTTP/1.1",
    "GET * HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET http://shop.test/../b HTTP/1.1",
    "GET /a/../b HTTP/1.1",
    "GET /a/b/../.. HTTP/1.1",
    "GET /a%2Fb/../.. HTTP/1.1",
    "GET /%252e%252e/ HTTP/1.1",
    "GET /.../..a HTTP/1.1",
    "GET /a?../../%zz HTTP/1.1",
    "GET /a#/../../% HTTP/1.1",
    "GET http://shop.test/absolute?a=b HTTP/1.1",
    "GET http://shop.test?a=b HTTP/1.1",
    "M-SEARCH /a HTTP/1.1",
];
