//! A server with the module and one without it, asked the same: what must not differ, and what ours says of it.
//!
//! A [`Case`] is data: what else is configured, who asks for what, and the access log that must come of it. In
//! shadow each answer is compared byte for byte with that of a server without the module; enforced, everybody is
//! stopped at the first request. Either way the zone must have counted exactly the lines that have a verdict.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use crate::nginx::{Module, Nginx, Site};
use crate::visitors::{COUNTERS, counters, site};

/// Longest answer that is read; more is cut on both sides alike.
const MAX_ANSWER: u64 = 8 << 20;
/// `http` level of the server with the module.
const ZONE: &str = "
    sekisho_zone $binary_remote_addr zone=clients:1m;
    sekisho_model %DIR%/model.onnx;
    log_format along '$status $sekisho_status $limit_req_status $limit_conn_status $request_uri';";
/// Everybody is REJECTED from the first request on.
const STRICT: &str = "sekisho zone=clients threshold=0 suspect=0 min_requests=1;
    access_log %DIR%/along.log along;";

/// A configuration of other modules around ours, and what comes of requests to it.
#[derive(Clone, Copy, Default)]
pub struct Case<'a> {
    /// `http` level: zones, maps, backends. Not watched by us.
    pub http: &'a str,
    /// Inside the server that is watched.
    pub server: &'a str,
    /// More files of the site: path under its directory, content.
    pub files: &'a [(&'a str, &'a str)],
    /// See [`wire`]. Each entry is a connection of its own.
    pub requests: &'a [&'a str],
    /// The access log: status, verdict, `$limit_req_status`, `$limit_conn_status`, target.
    pub log: &'a [&'a str],
}

impl Case<'_> {
    /// In dry run: as a server without the module, and the log as expected. Returns the server for more questions.
    #[track_caller]
    pub fn shadow(&self, name: &str) -> Nginx {
        let shadow = self.start(Module::TestClock, "");
        let bare = self.start_bare();
        for request in self.requests {
            let bytes = wire(request);
            let (ours, theirs) = (answer(&shadow, &bytes), answer(&bare, &bytes));
            assert!(!theirs.is_empty(), "{name}: no answer to {request}");
            assert_eq!(ours, theirs, "{name}: {request}");
        }
        self.look(name, &shadow);
        shadow
    }

    /// With everybody stopped: the log as expected. Returns the server and the answers.
    #[track_caller]
    pub fn enforced(&self, name: &str) -> (Nginx, Vec<String>) {
        let nginx = self.start(Module::TestClock, "sekisho_dry_run off;");
        let answers = self.requests.iter().map(|request| answer(&nginx, &wire(request)));
        let answers = answers.collect();
        self.look(name, &nginx);
        (nginx, answers)
    }

    /// The server with the module, and `more` said in it.
    pub fn start(&self, module: Module, more: &str) -> Nginx {
        let http = format!(
            "{ZONE} {} server {{ listen 127.0.0.1:%PORT%; {STRICT} {more} {COUNTERS} {} }}",
            self.http, self.server
        );
        self.site(module).start(&http)
    }

    fn start_bare(&self) -> Nginx {
        let http = format!(
            "{} server {{ listen 127.0.0.1:%PORT%; {} }}",
            self.http,
            without_ours(self.server)
        );
        self.site(Module::Absent).start(&http)
    }

    fn site(&self, module: Module) -> Site {
        let site = site(module);
        for (name, content) in self.files {
            site.write(name, content.as_bytes());
        }
        date_files(&site);
        site
    }

    #[track_caller]
    fn look(&self, name: &str, nginx: &Nginx) {
        if self.log.is_empty() {
            return;
        }
        // A worker writes its line after the client has its answer, and perhaps after another worker's next line.
        let (mut lines, mut expected) = (nginx.lines("along.log", self.log.len()), self.log.to_vec());
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected, "{name}");
        let judged = |line: &&&str| line.split(' ').nth(1) != Some("-");
        let counted = self.log.iter().filter(judged).count() as u64;
        assert_eq!(counters(nginx)["requests"], counted, "{name}: accounted");
    }
}

/// Configuration text without the directives that only the module knows.
pub fn without_ours(text: &str) -> String {
    let foreign = |statement: &str| {
        let directive = statement.rfind(['{', '}']).map_or(0, |brace| brace + 1);
        if statement[directive..].trim_start().starts_with("sekisho") {
            statement[..directive].to_owned()
        } else {
            statement.to_owned()
        }
    };
    text.split_inclusive(';').map(foreign).collect()
}

/// Gives every file of a site the same date, so that dates and entity tags agree between sites.
pub fn date_files(site: &Site) {
    let mut directories = vec![site.path().join("html")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("own directory") {
            let path = entry.expect("own directory").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let file = File::open(path).expect("own file");
                let date = UNIX_EPOCH + Duration::from_secs(1_600_000_000);
                file.set_modified(date).expect("own file");
            }
        }
    }
}

/// The bytes of requests written short: a request line without the protocol, more header lines, an empty line, a
/// body. `|` on a line of its own starts the next request on the same connection; the last one closes it.
pub fn wire(text: &str) -> Vec<u8> {
    let requests: Vec<&str> = text.split("\n|\n").collect();
    let last = requests.len() - 1;
    let one = |(number, request): (usize, &&str)| {
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
        let close = if number == last {
            "Connection: close\r\n"
        } else {
            ""
        };
        let headers: String = headers.lines().map(|header| format!("{header}\r\n")).collect();
        let close = if headers.contains("Connection: ") {
            ""
        } else {
            close
        };
        format!("{line} HTTP/1.1\r\nHost: shop.test\r\n{close}{headers}\r\n{body}").into_bytes()
    };
    requests.iter().enumerate().flat_map(one).collect()
}

/// All that comes back until nginx closes, one character a byte, with the port, the directory and the one header
/// that tells the time blanked.
pub fn answer(nginx: &Nginx, request: &[u8]) -> String {
    let mut stream = nginx.connect();
    // nginx may answer and close before it has read all of a large request.
    let _ = std::io::Write::write_all(&mut stream, request);
    let mut response = Vec::new();
    let _ = stream.take(MAX_ANSWER).read_to_end(&mut response);
    let text: String = response.iter().map(|&byte| char::from(byte)).collect();
    let text = text
        .replace(&nginx.port().to_string(), "PORT")
        .replace(&nginx.path().display().to_string(), "DIR");
    let blank = |line: &str| {
        if line.starts_with("Date: ") {
            "Date: then\r\n".to_owned()
        } else {
            line.to_owned()
        }
    };
    text.split_inclusive('\n').map(blank).collect()
}

#[cfg(test)]
mod tests {
    use super::{wire, without_ours};

    #[test]
    fn our_directives_are_taken_out() {
        #[track_caller]
        fn check(text: &str, left: &str) {
            assert_eq!(without_ours(text), left);
        }
        check("sekisho off;", "");
        check("a b; sekisho_status 403; c;", "a b; c;");
        check(
            "location / { sekisho off; return 200 $sekisho_id; } sekisho_dry_run on;",
            "location / { return 200 $sekisho_id; }",
        );
    }

    #[test]
    fn requests_are_written_short() {
        #[track_caller]
        fn check(short: &str, bytes: &str) {
            assert_eq!(String::from_utf8(wire(short)).expect("text"), bytes);
        }
        check(
            "GET /",
            "GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n",
        );
        check(
            "POST /\nContent-Length: 2\n\nhi",
            "POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        );
        check(
            "GET /a\n|\nGET /b",
            "GET /a HTTP/1.1\r\nHost: shop.test\r\n\r\nGET /b HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n",
        );
        check(
            "GET /\nConnection: Upgrade",
            "GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\n\r\n",
        );
    }
}
