//! Where a label comes from, and whom to believe when origins disagree.

use std::cmp::Reverse;

use sekisho_core::sample::{self, Class};
use serde::Serialize;

/// Where a label comes from; the most trusted comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person who looked.
    Operator,
    /// It proved to be the crawler that it claims to be.
    VerifiedBot,
    /// It came where only crawlers come.
    Trap,
    /// It completed what only people complete.
    Conversion,
    /// What it says of itself, and does besides.
    Declared,
}

impl From<sample::Origin> for Origin {
    fn from(origin: sample::Origin) -> Origin {
        match origin {
            sample::Origin::Operator => Origin::Operator,
            sample::Origin::VerifiedBot => Origin::VerifiedBot,
            sample::Origin::Trap => Origin::Trap,
            sample::Origin::Conversion => Origin::Conversion,
        }
    }
}

/// What was said of a client once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Human or crawler.
    pub class: Class,
    /// Who says so.
    pub origin: Origin,
    /// When, unix seconds.
    pub at: u32,
}

/// The word that counts: of the most trusted origin, its newest.
pub fn resolve(told: &[Told]) -> Option<Told> {
    told.iter()
        .copied()
        .min_by_key(|told| (told.origin, Reverse(told.at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_trusted_origin_wins_and_in_it_the_newest() {
        #[track_caller]
        fn check(told: &[(Class, Origin, u32)], expected: Option<Class>) {
            let told: Vec<Told> = told
                .iter()
                .map(|&(class, origin, at)| Told { class, origin, at })
                .collect();
            assert_eq!(resolve(&told).map(|told| told.class), expected, "{told:?}");
        }
        let (human, crawler) = (Class::Human, Class::Crawler);
        check(&[], None);
        check(
            &[(human, Origin::Conversion, 9), (crawler, Origin::Trap, 1)],
            Some(crawler),
        );
        check(
            &[(crawler, Origin::Trap, 9), (human, Origin::Operator, 1)],
            Some(human),
        );
        check(
            &[(crawler, Origin::Operator, 1), (human, Origin::Operator, 2)],
            Some(human),
        );
        check(
            &[
                (crawler, Origin::Declared, 9),
                (human, Origin::Conversion, 1),
                (crawler, Origin::VerifiedBot, 1),
            ],
            Some(crawler),
        );
    }
}
