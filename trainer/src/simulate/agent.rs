//! Browsers: who they are in a real log, and what the simulated ones say of themselves.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::quantiles::Share;

/// Browsers told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browser {
    /// Chrome on a computer, and what is made of it.
    Chrome,
    /// Firefox on a computer.
    Firefox,
    /// Safari on a computer.
    Safari,
    /// Internet Explorer and Edge.
    Microsoft,
    /// Anything on a telephone or tablet by Apple.
    Apple,
    /// Anything on another telephone or tablet.
    Android,
}

/// Parts of browsers among people.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// [`Browser::Chrome`]
    pub chrome: Share,
    /// [`Browser::Firefox`]
    pub firefox: Share,
    /// [`Browser::Safari`]
    pub safari: Share,
    /// [`Browser::Microsoft`]
    pub microsoft: Share,
    /// [`Browser::Apple`]
    pub apple: Share,
    /// [`Browser::Android`]
    pub android: Share,
}

const BROWSERS: [Browser; 6] = [
    Browser::Chrome,
    Browser::Firefox,
    Browser::Safari,
    Browser::Microsoft,
    Browser::Apple,
    Browser::Android,
];

impl Browser {
    /// Which browser a user agent says it is.
    pub fn told_by(agent: &[u8]) -> Browser {
        let has = |word: &str| memchr::memmem::find(agent, word.as_bytes()).is_some();
        match () {
            () if has("iPhone") || has("iPad") || has("iPod") => Browser::Apple,
            () if has("Android") || has("Mobile") => Browser::Android,
            () if has("MSIE") || has("Trident") || has("Edg") => Browser::Microsoft,
            () if has("Firefox") => Browser::Firefox,
            () if has("Chrom") || has("Opera") => Browser::Chrome,
            () => Browser::Safari,
        }
    }

    /// Whether it is carried about.
    pub fn is_mobile(self) -> bool {
        matches!(self, Browser::Apple | Browser::Android)
    }

    /// A user agent of this browser, of the `major` version from 0 to 3.
    pub fn agent(self, major: usize) -> Agent {
        Agent(BROWSERS.iter().position(|&browser| browser == self).unwrap_or(0) * VERSIONS + major % VERSIONS)
    }
}

impl Agents {
    fn parts(&self) -> [f64; 6] {
        [
            self.chrome,
            self.firefox,
            self.safari,
            self.microsoft,
            self.apple,
            self.android,
        ]
        .map(Share::value)
    }

    /// Parts by how often each browser was seen.
    pub fn counted(counts: [u64; 6]) -> Agents {
        let total = counts.iter().sum::<u64>().max(1) as f64;
        let [chrome, firefox, safari, microsoft, apple, android] =
            counts.map(|count| Share::of((count as f64 / total * 1e4).round() / 1e4));
        Agents {
            chrome,
            firefox,
            safari,
            microsoft,
            apple,
            android,
        }
    }

    /// The place of a browser in [`Agents::counted`].
    pub fn place(browser: Browser) -> usize {
        BROWSERS.iter().position(|&known| known == browser).unwrap_or(0)
    }

    /// Whether any browser has a part.
    pub fn any(&self) -> bool {
        self.parts().iter().sum::<f64>() > 0.0
    }

    /// Draws a browser.
    pub fn draw(&self, random: &mut impl RngExt) -> Browser {
        let parts = self.parts();
        let mut rest = random.random::<f64>() * parts.iter().sum::<f64>();
        for (browser, part) in BROWSERS.into_iter().zip(parts) {
            if rest < part {
                return browser;
            }
            rest -= part;
        }
        Browser::Chrome
    }
}

/// Versions of each browser.
const VERSIONS: usize = 4;

/// One user agent of [`AGENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent(usize);

impl Agent {
    /// A search engine's, as its operator documents it.
    pub const GOOGLEBOT: Agent = Agent(24);
    /// Another's.
    pub const BINGBOT: Agent = Agent(25);
    /// A script that never changed its library's default.
    pub const SCRIPT: Agent = Agent(26);
    /// A crawler that says who it is.
    pub const ARCHIVER: Agent = Agent(27);
    /// A monitor.
    pub const MONITOR: Agent = Agent(28);
    /// A scanner whose text wants to break out of whatever shows it.
    pub const SCANNER: Agent = Agent(29);

    /// What it sends.
    pub fn text(self) -> &'static str {
        AGENTS.get(self.0).copied().unwrap_or("-")
    }
}

#[rustfmt::skip]
const AGENTS: [&str; 30] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "python-requests/2.32.3",
    "ShelfArchiver/1.4 (+https://archiver.example/about)",
    "UptimeProbe/3.0 (+https://probe.example/)",
    "() { :; }; echo \"\u{1b}[31m<script>alert(1)</script>\" 'OR 1=1-- \\",
];

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::dataset::UserAgents;
    use crate::dataset::labels;

    #[test]
    fn browsers_say_what_they_are() {
        let mut classes = UserAgents::bundled().unwrap();
        for browser in BROWSERS {
            for version in 0..VERSIONS {
                let text = browser.agent(version).text();
                assert_eq!(Browser::told_by(text.as_bytes()), browser, "{text}");
                assert_eq!(classes.class(text.as_bytes()), labels::Agent::Browser, "{text}");
            }
        }
        for declared in [
            Agent::GOOGLEBOT,
            Agent::BINGBOT,
            Agent::SCRIPT,
            Agent::ARCHIVER,
            Agent::MONITOR,
        ] {
            let class = classes.class(declared.text().as_bytes());
            assert!(matches!(class, labels::Agent::Crawler(_)), "{}", declared.text());
        }
    }

    #[test]
    fn browsers_are_drawn_by_their_parts() {
        let agents = Agents::counted([0, 3, 0, 0, 1, 0]);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<Browser> = (0..1000).map(|_| agents.draw(&mut random)).collect();
        let firefox = drawn
            .iter()
            .filter(|&&browser| browser == Browser::Firefox)
            .count();
        assert!((700..800).contains(&firefox), "{firefox}");
        assert!(
            drawn
                .iter()
                .all(|&browser| matches!(browser, Browser::Firefox | Browser::Apple))
        );
    }
}
