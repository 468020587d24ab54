//! Weak labels: who says it is a crawler, and who does what only browsers do.

use std::num::NonZeroUsize;

use lru::LruCache;
use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::Deserialize;
use thiserror::Error;

/// Declared crawlers, monperrus/crawler-user-agents (MIT).
const CRAWLERS: &str = include_str!("../../../models/lists/crawler-user-agents.json");
/// Crawlers that feed language models, ai-robots-txt/ai.robots.txt (MIT).
const AI_CRAWLERS: &str = include_str!("../../../models/lists/ai-robots.json");
/// Tools and self-declared robots that the lists miss. Sites' logs have hundreds of small ones.
const TOOLS: [&str; 12] = [
    r"(?i)\bbot\b",
    r"(?i)bot[/;) ]",
    r"(?i)crawl",
    r"(?i)spider",
    r"(?i)scrap(e|y|er|ing)",
    r"(?i)^(python|java|ruby|perl|php|go-http|okhttp|axios|node|libwww|curl|wget|http)",
    r"(?i)(http-?client|httpclient|fetcher|archiver|scanner|masscan|zgrab|nikto|nmap|sqlmap)",
    r"(?i)(monitor|uptime|pingdom|check|validator|preview|feed|rss|reader)",
    r"(?i)headless",
    r"(?i)phantomjs",
    r"(?i)https?://",
    r"(?i)\+?www\.",
];
/// User agents whose class is remembered: a log has far fewer that are frequent.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(16 * 1024).expect("not zero");
/// User agents that one person may have; an address with more is a NAT, a proxy or a liar, and no label.
pub const MAX_AGENTS: usize = 3;
/// Longest part of a user agent that is looked at, in bytes.
const LONGEST: usize = 512;

/// Why the bundled lists cannot be used.
#[derive(Debug, Error)]
pub enum ListError {
    /// A list is not what it should be.
    #[error("the bundled crawler list does not parse: {0}")]
    Syntax(#[from] serde_json::Error),
    /// A pattern is none.
    #[error("a bundled crawler pattern does not compile: {0}")]
    Pattern(#[from] regex::Error),
}

/// What a user agent says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// A declared crawler or tool; the number is its family, the first pattern that fits.
    Crawler(u32),
    /// It says it is a browser.
    Browser,
    /// Neither.
    Unknown,
}

/// What is believed of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// Automated, of this family.
    Crawler(u32),
    /// A person with a browser, likely.
    Human,
}

/// Tells user agents apart.
pub struct UserAgents {
    patterns: RegexSet,
    seen: LruCache<Vec<u8>, Agent>,
}

#[derive(Deserialize)]
struct Listed {
    pattern: String,
}

impl UserAgents {
    /// Compiles the bundled lists.
    pub fn bundled() -> Result<UserAgents, ListError> {
        let listed: Vec<Listed> = serde_json::from_str(CRAWLERS)?;
        let named: serde_json::Map<String, serde_json::Value> = serde_json::from_str(AI_CRAWLERS)?;
        let patterns = listed
            .into_iter()
            .map(|crawler| crawler.pattern)
            // Names, not patterns: "LCC" must not find the SLCC2 of old Windows browsers.
            .chain(
                named
                    .keys()
                    .map(|name| format!(r"(^|[^A-Za-z0-9]){}([^A-Za-z0-9]|$)", regex::escape(name))),
            )
            .chain(TOOLS.map(str::to_owned));
        let patterns = RegexSetBuilder::new(patterns)
            .unicode(false)
            .size_limit(256 << 20)
            .build()?;
        Ok(UserAgents {
            patterns,
            seen: LruCache::new(REMEMBERED),
        })
    }

    /// What this user agent says of itself.
    pub fn class(&mut self, user_agent: &[u8]) -> Agent {
        let user_agent = &user_agent[..user_agent.len().min(LONGEST)];
        if let Some(&agent) = self.seen.get(user_agent) {
            return agent;
        }
        let agent = match self.patterns.matches(user_agent).iter().next() {
            Some(family) => Agent::Crawler(family as u32),
            None if is_browser(user_agent) => Agent::Browser,
            None => Agent::Unknown,
        };
        self.seen.put(user_agent.to_vec(), agent);
        agent
    }
}

fn is_browser(user_agent: &[u8]) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(user_agent, part).is_some();
    user_agent.starts_with(b"Mozilla/") && (has(b"Gecko") || has(b"MSIE") || has(b"Trident"))
        || user_agent.starts_with(b"Opera/")
}

const SCRIPTS: [&[u8]; 2] = [b".js", b".css"];
const IMAGES: [&[u8]; 7] = [b".png", b".jpg", b".jpeg", b".gif", b".webp", b".svg", b".ico"];

fn ends_in(path: &[u8], endings: &[&[u8]]) -> bool {
    let ends = |ending: &&[u8]| {
        let start = path.len().checked_sub(ending.len());
        start.is_some_and(|start| path[start..].eq_ignore_ascii_case(ending))
    };
    endings.iter().any(ends)
}

/// Whether a path is one that pages pull in, as far as labels and today's rules look.
pub(super) fn is_asset(path: &[u8]) -> bool {
    ends_in(path, &SCRIPTS) || ends_in(path, &IMAGES)
}

/// Signs of a browser, collected over a client's requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signs {
    /// Declared crawler of this family, plus one; 0 is none.
    crawler: u32,
    /// Hashes of the user agents seen, up to one more than a person has.
    agents: [u64; MAX_AGENTS + 1],
    browser: bool,
    unknown: bool,
    scripts: u32,
    images: u32,
    assets: u32,
    assets_with_referer: u32,
    pages: u32,
}

impl Signs {
    /// Notes one request.
    pub fn note(&mut self, agent: Agent, user_agent: u64, target: &[u8], has_referer: bool) {
        let user_agent = user_agent.max(1);
        if let Some(place) = self
            .agents
            .iter_mut()
            .find(|place| **place == 0 || **place == user_agent)
        {
            *place = user_agent;
        }
        match agent {
            Agent::Crawler(family) => self.crawler = self.crawler.max(family + 1),
            Agent::Browser => self.browser = true,
            Agent::Unknown => self.unknown = true,
        }
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        let (script, image) = (ends_in(path, &SCRIPTS), ends_in(path, &IMAGES));
        self.scripts += u32::from(script);
        self.images += u32::from(image);
        self.assets += u32::from(script || image);
        self.assets_with_referer += u32::from((script || image) && has_referer);
        self.pages += u32::from(!(script || image));
    }

    /// The label that the signs allow; `None` where they say nothing, or two things.
    pub fn label(&self) -> Option<Label> {
        match (self.crawler, self.browser) {
            (family, false) if family > 0 => Some(Label::Crawler(family - 1)),
            (0, true) if !self.unknown && !self.is_shared() && self.loads_pages_whole() => Some(Label::Human),
            _ => None,
        }
    }

    /// A declared crawler that behaves as a browser does: screenshot and preview services, search engines'
    /// renderers. Their label is right, but nothing can be learnt from it: evaluations give their figures with
    /// and without them.
    pub fn renders(&self) -> bool {
        self.crawler != 0 && self.loads_pages_whole()
    }

    fn is_shared(&self) -> bool {
        self.agents[MAX_AGENTS] != 0
    }

    /// Scripts or styles, and pictures, most of them with the page that pulled them in.
    fn loads_pages_whole(&self) -> bool {
        self.scripts > 0 && self.images > 0 && self.pages > 0 && self.assets_with_referer * 2 >= self.assets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agents_say_what_they_are() {
        let mut agents = UserAgents::bundled().unwrap();
        let mut check = |user_agent: &str, expected: &str| {
            let found = match agents.class(user_agent.as_bytes()) {
                Agent::Crawler(_) => "crawler",
                Agent::Browser => "browser",
                Agent::Unknown => "unknown",
            };
            assert_eq!(found, expected, "{user_agent}");
        };
        check(
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "crawler",
        );
        check(
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "crawler",
        );
        check("curl/8.5.0", "crawler");
        check("python-requests/2.31", "crawler");
        check(
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "browser",
        );
        check(
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
            "browser",
        );
        check(
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; SLCC2; Media Center PC 6.0; Trident/4.0)",
            "browser",
        );
        check("", "unknown");
        check("x", "unknown");
    }

    #[test]
    fn a_label_needs_all_signs() {
        #[track_caller]
        fn check(requests: &[(Agent, &str, bool)], expected: Option<Label>) {
            let mut signs = Signs::default();
            for (agent, target, referer) in requests {
                signs.note(*agent, 1, target.as_bytes(), *referer);
            }
            assert_eq!(signs.label(), expected, "{requests:?}");
        }
        let (browser, crawler) = (Agent::Browser, Agent::Crawler(7));
        check(
            &[
                (browser, "/", false),
                (browser, "/a.js?v=1", true),
                (browser, "/b.PNG", true),
            ],
            Some(Label::Human),
        );
        check(
            &[
                (browser, "/", false),
                (browser, "/a.js", false),
                (browser, "/b.png", false),
            ],
            None,
        );
        check(&[(browser, "/", true), (browser, "/a.js", true)], None);
        check(&[(crawler, "/", false)], Some(Label::Crawler(7)));
        check(&[(crawler, "/", false), (browser, "/", false)], None);
        check(&[(Agent::Unknown, "/", false)], None);
    }
}
