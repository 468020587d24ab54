//! The rules that people use today, for comparison: whether and when each would have stopped a client.

use std::collections::HashSet;

use sekisho_core::logline::Entry;
use sekisho_core::url::Method;

/// `limit_req rate=5r/s burst=20 nodelay`.
const RATE: f64 = 5.0;
const BURST: f64 = 20.0;
/// Distinct pages that a leaky bucket holds, and seconds in which it leaks one.
const BUCKET: f64 = 40.0;
const LEAK_SECONDS: f64 = 0.5;

/// A rule of today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// nginx's `limit_req`, 5 requests a second, burst 20.
    LimitReq,
    /// 40 distinct pages in a leaky bucket that loses one every half second: the usual HTTP-crawl scenario.
    DistinctPages,
}

impl Rule {
    /// All of them, in the order of [`Rules::stopped_at`].
    pub const ALL: [Rule; 2] = [Rule::LimitReq, Rule::DistinctPages];

    /// How tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::LimitReq => "limit_req 5r/s burst 20",
            Rule::DistinctPages => "40 distinct pages, leak 0.5 s",
        }
    }
}

/// One client under all rules.
#[derive(Debug, Default)]
pub struct Rules {
    last: u32,
    excess: f64,
    level: f64,
    pages: HashSet<Box<[u8]>>,
    stopped: [Option<u32>; 2],
}

impl Rules {
    /// Takes the client's request number `requests`, from 1.
    pub fn note(&mut self, entry: &Entry<'_>, requests: u32) {
        let elapsed = if requests == 1 {
            0.0
        } else {
            f64::from(entry.at.saturating_sub(self.last))
        };
        self.last = self.last.max(entry.at);
        self.limit_req(elapsed, requests);
        self.distinct_pages(elapsed, entry, requests);
    }

    /// Number of the first request that each rule of [`Rule::ALL`] would have stopped.
    pub fn stopped_at(&self) -> [Option<u32>; 2] {
        self.stopped
    }

    /// As `ngx_http_limit_req_lookup` counts: a refused request does not add to the excess.
    fn limit_req(&mut self, elapsed: f64, requests: u32) {
        let excess = if requests == 1 {
            0.0
        } else {
            (self.excess - RATE * elapsed + 1.0).max(0.0)
        };
        if excess > BURST {
            self.stopped[0].get_or_insert(requests);
        } else {
            self.excess = excess;
        }
    }

    fn distinct_pages(&mut self, elapsed: f64, entry: &Entry<'_>, requests: u32) {
        self.level -= elapsed / LEAK_SECONDS;
        if self.level <= 0.0 {
            self.level = 0.0;
            self.pages.clear();
        }
        let path = entry
            .target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        let page = matches!(entry.method, Method::Get | Method::Head) && !super::labels::is_asset(path);
        if !page || self.stopped[1].is_some() || !self.pages.insert(path.into()) {
            return;
        }
        self.level += 1.0;
        if self.level > BUCKET {
            self.stopped[1] = Some(requests);
            self.pages.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use sekisho_core::logline::Format;

    use super::*;

    #[track_caller]
    fn check(seconds: impl Fn(u32) -> u32, target: impl Fn(u32) -> String, expected: [Option<u32>; 2]) {
        let mut rules = Rules::default();
        for number in 1..=200 {
            let (second, target) = (seconds(number), target(number));
            let time = format!("01/Jan/2024:00:{:02}:{:02} +0000", second / 60, second % 60);
            let line = format!("192.0.2.1 - - [{time}] \"GET {target} HTTP/1.1\" 200 1 \"-\" \"-\"");
            rules.note(&Format::Combined.read(line.as_bytes()).unwrap(), number);
        }
        assert_eq!(rules.stopped_at(), expected);
    }

    #[test]
    fn each_rule_stops_what_it_counts() {
        check(|_| 0, |_| "/".into(), [Some(22), None]);
        check(|_| 0, |number| format!("/{number}"), [Some(22), Some(41)]);
        check(|_| 0, |number| format!("/{number}.css"), [Some(22), None]);
        check(|number| number, |number| format!("/{number}"), [None, None]);
    }
}
