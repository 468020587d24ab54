//! How people behave on a site: what `--measure` prints and `--profile` reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::agent::Agents;
use super::quantiles::{Bounded, Quantiles, Share};

/// The bundled profiles, each made by `sekisho simulate --measure models/data/NAME.log.gz`.
const BUNDLED: [(&str, &str); 3] = [
    ("airis", include_str!("profiles/airis.toml")),
    ("srhegde", include_str!("profiles/srhegde.toml")),
    ("semicomplete", include_str!("profiles/semicomplete.toml")),
];
/// The profile unless another is named: the cleanest of the real logs.
pub const DEFAULT: &str = "airis";
/// Largest profile, in bytes: the measured ones have about three thousand.
const MAX_BYTES: u64 = 256 * 1024;
/// Longest pause that a distribution of pauses may have, in seconds: a month.
pub const LONGEST_PAUSE: u32 = 31 * 86_400;
/// Longest time between two pages of one visit, in seconds; after a longer pause another visit begins. The half
/// hour is web analytics' convention.
pub const VISIT_GAP: u32 = 1800;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Neither bundled nor a file that can be read.
    #[error("cannot read the profile {name}: {reason}; bundled are airis, srhegde and semicomplete")]
    Read {
        /// What was asked for.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// Larger than any profile.
    #[error("the profile {0} is larger than {MAX_BYTES} bytes; is it a profile that --measure printed?")]
    Size(String),
    /// It does not say what a profile says.
    #[error("the profile {name}, line {line}, column {column}: {reason}")]
    Content {
        /// Its name.
        name: String,
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// How people behave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Where the numbers come from.
    pub source: String,
    /// What a visit is like.
    pub visits: Visits,
    /// What a page pulls in.
    pub assets: Assets,
    /// Bodies, in bytes.
    pub bytes: Bytes,
    /// How responses to pages divide: parts of any size.
    pub status: StatusMix,
    /// How browsers divide: parts of any size.
    pub agents: Agents,
    /// What no log tells about a shop.
    #[serde(default)]
    pub shop: ShopHabits,
}

/// Visits of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visits {
    /// Pages of one visit.
    pub pages: Quantiles<1000>,
    /// Seconds from one page to the next.
    pub think: Quantiles<VISIT_GAP>,
    /// Share of people who come again.
    pub returning: Share,
    /// Seconds from one visit to the next.
    pub away: Quantiles<LONGEST_PAUSE>,
    /// Share of first pages with a referer.
    pub first_referer: Share,
    /// Share of later pages with a referer.
    pub later_referer: Share,
    /// How steeply the popularity of pages falls: Zipf's exponent.
    pub popularity: Bounded<4>,
}

/// What pages pull in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assets {
    /// Assets with the first page of a visit.
    pub first: Quantiles<500>,
    /// Assets with each later page: what the browser does not have yet.
    pub later: Quantiles<500>,
    /// Seconds from a page to its assets.
    pub delay: Quantiles<60>,
    /// Share of assets with a referer.
    pub referer: Share,
    /// Share of assets that had not changed: 304.
    pub not_modified: Share,
}

/// Bytes of bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// Of pages.
    pub page: Quantiles<1_000_000_000>,
    /// Of scripts and styles.
    pub script: Quantiles<1_000_000_000>,
    /// Of pictures, fonts and the rest.
    pub picture: Quantiles<1_000_000_000>,
}

/// Parts of responses to people's pages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusMix {
    /// 2xx.
    pub ok: Share,
    /// 301, 302 and their like.
    pub redirect: Share,
    /// 304.
    pub not_modified: Share,
    /// 4xx.
    pub client_error: Share,
    /// 5xx.
    pub server_error: Share,
}

/// What people do in a shop, assumed: the real logs are of blogs and a forum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShopHabits {
    /// Scheme and host, for referers.
    pub origin: String,
    /// Things on sale.
    pub products: Bounded<1_000_000>,
    /// Categories they are in.
    pub categories: Bounded<1000>,
    /// Pages of a visit for each that was measured, on average: a shop is walked through, a blog is landed on.
    pub depth: Bounded<100>,
    /// Share of steps that search.
    pub search: Share,
    /// Share of steps on a category that filter or sort it.
    pub filter: Share,
    /// Share of steps on a product that put it into the basket.
    pub basket: Share,
    /// Share of steps in the basket that order.
    pub order: Share,
    /// Share of steps that open a new tab or go to another open one.
    pub tabs: Share,
    /// Share of steps that go back first, perhaps again and again; going forward asks for nothing either.
    pub back: Share,
}

impl Default for ShopHabits {
    fn default() -> ShopHabits {
        ShopHabits {
            origin: "https://shop.example".to_owned(),
            products: Bounded::nearest(2400.0),
            categories: Bounded::nearest(24.0),
            depth: Bounded::nearest(5.0),
            search: Share::of(0.12),
            filter: Share::of(0.15),
            basket: Share::of(0.12),
            order: Share::of(0.5),
            tabs: Share::of(0.15),
            back: Share::of(0.2),
        }
    }
}

impl Profile {
    /// Reads a bundled profile by its name, or a file.
    pub fn load(name: &str) -> Result<Profile, ProfileError> {
        if let Some((_, text)) = BUNDLED.iter().find(|(bundled, _)| *bundled == name) {
            return Profile::parse(name, text);
        }
        let mut text = String::new();
        File::open(Path::new(name))
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
            .map_err(|reason| ProfileError::Read {
                name: name.to_owned(),
                reason,
            })?;
        if text.len() as u64 > MAX_BYTES {
            return Err(ProfileError::Size(name.to_owned()));
        }
        Profile::parse(name, &text)
    }

    /// Reads the text of a profile; `name` is for errors.
    pub fn parse(name: &str, text: &str) -> Result<Profile, ProfileError> {
        let profile: Profile = toml::from_str(text).map_err(|error| {
            let (line, column) = place(text, error.span().map_or(0, |span| span.start));
            ProfileError::Content {
                name: name.to_owned(),
                line,
                column,
                reason: error.message().replace('\n', "; "),
            }
        })?;
        let refused = |what: &str, reason: &str| {
            let (line, column) = place(text, text.find(what).unwrap_or(0));
            Err(ProfileError::Content {
                name: name.to_owned(),
                line,
                column,
                reason: reason.to_owned(),
            })
        };
        if profile.status.ok.value() <= 0.0 {
            return refused("[status]", "ok is 0; some pages must be there");
        }
        if !profile.agents.any() {
            return refused("[agents]", "all parts are 0; give one browser a part");
        }
        let shop = &profile.shop;
        if shop.categories.value() < 1.0 || shop.products.value() < shop.categories.value() {
            return refused("[shop]", "give 1 category at least, and a product for each");
        }
        Ok(profile)
    }

    /// The profile as TOML.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// Line and column of a byte, from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    (line, before.len() - start + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn airis() -> &'static str {
        BUNDLED[0].1
    }

    #[test]
    fn bundled_profiles_are_profiles() {
        for (name, text) in BUNDLED {
            let profile = Profile::load(name).unwrap();
            assert_eq!(
                profile.source,
                format!("sekisho simulate --measure models/data/{name}.log.gz")
            );
            assert_eq!(Profile::parse(name, text).unwrap(), profile);
        }
    }

    #[test]
    fn a_profile_reads_as_it_was_written() {
        let profile = Profile::load(DEFAULT).unwrap();
        let text = profile.text().unwrap();
        assert_eq!(Profile::parse("x", &text).unwrap(), profile);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        #[track_caller]
        fn check(from: &str, to: &str, line: &str, expected: &str) {
            let text = airis().replacen(from, to, 1);
            assert_ne!(text, airis(), "{from} is not in the profile");
            let number = text.lines().position(|found| found.starts_with(line)).unwrap() + 1;
            let error = Profile::parse("shop.toml", &text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the profile shop.toml, line {number}, column ")),
                "{error}"
            );
            assert!(error.contains(expected), "{error}");
        }
        check(
            "[visits]",
            "[visits]\npagse = [1.0, 2.0]",
            "pagse",
            "unknown field `pagse`, expected one of",
        );
        check(
            "[visits]\npages",
            "[visits]\npages = [9.0, 1.0]\n#",
            "pages",
            "1 comes after 9; quantiles ascend",
        );
        check(
            "[visits]\npages",
            "[visits]\npages = [9.0, 1e9]\n#",
            "pages",
            "1000000000 is not from 0 to 1000",
        );
        check(
            "[visits]\npages",
            "[visits]\npages = [nan, 2.0]\n#",
            "pages",
            "NaN is not from 0 to 1000",
        );
        check(
            "\nreferer = ",
            "\nreferer = -0.5 # ",
            "referer",
            "-0.5 is not from 0 to 1",
        );
        check(
            "\nreferer = ",
            "\nreferer = inf # ",
            "referer",
            "inf is not from 0 to 1",
        );
        check(
            "\nreferer = ",
            "\nreferer = nan # ",
            "referer",
            "NaN is not from 0 to 1",
        );
        check("[agents]", "[agents]\nlynx = 0.5", "lynx", "unknown field `lynx`");
        check("\nok = ", "\nok = 0.0 # ", "[status]", "ok is 0");
    }

    #[test]
    fn what_cannot_be_read() {
        let error = Profile::load("missing.toml").unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read the profile missing.toml"),
            "{error}"
        );
        let shop = airis().replacen("products = ", "products = 3.0 # ", 1);
        let error = Profile::parse("x", &shop).unwrap_err().to_string();
        assert!(error.contains("a product for each"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_stops_the_parser(text in "\\PC{0,200}") {
            prop_assert!(Profile::parse("x", &text).is_err());
        }

        #[test]
        fn a_damaged_profile_is_read_or_refused_with_a_place(at in 0..airis().len(), with in "[-a-z0-9.=\\[\\]\" \n]{0,3}") {
            let mut text = airis().to_owned();
            text.replace_range(at..at + 1, &with);
            if let Err(error) = Profile::parse("x", &text) {
                prop_assert!(error.to_string().contains(", line "), "{}", error);
            }
        }

        #[test]
        fn absurd_numbers_are_refused(number in prop_oneof![-1e300..-1e-300, 1.0001..1e300f64]) {
            let text = airis().replacen("\nreferer = ", &format!("\nreferer = {number:?} # "), 1);
            let error = Profile::parse("x", &text).unwrap_err().to_string();
            prop_assert!(error.contains("is not from 0 to 1; give a number within"), "{}", error);
        }
    }
}
