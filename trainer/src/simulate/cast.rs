//! Who takes part, and how many of each.

use std::fmt;
use std::str::FromStr;

use super::address::Range;

/// Kinds of actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person at a computer.
    Shopper,
    /// A person with a telephone.
    Mobile,
    /// A person who comes again.
    Returning,
    /// People behind one address.
    Office,
    /// A person who comes for a flash sale.
    Sale,
    /// People behind one address who come for it together.
    SaleOffice,
    /// A search engine.
    Googlebot,
    /// Another one.
    Bingbot,
    /// Products by number, once a second, no referer.
    Naive,
    /// Says who it is, waits with jitter.
    Polite,
    /// Renders every page with an empty cache.
    Headless,
    /// Renders, keeps a cache, takes its time, walks the catalogue in order.
    Walker,
    /// The same products every quarter of an hour.
    Prices,
    /// Every combination of every filter.
    Facets,
    /// One request from each of many addresses.
    Swarm,
    /// Stolen passwords.
    Stuffing,
    /// Known holes.
    Scan,
    /// A monitor.
    Uptime,
}

/// Names, most of them also in `--crawlers`, and where the addresses come from. In the order of [`Kind`].
const KINDS: [(Kind, &str, Range); 18] = [
    (Kind::Shopper, "shopper", Range::People),
    (Kind::Mobile, "mobile", Range::People),
    (Kind::Returning, "returning", Range::People),
    (Kind::Office, "office", Range::People),
    (Kind::Sale, "sale", Range::People),
    (Kind::SaleOffice, "sale-office", Range::People),
    (Kind::Googlebot, "googlebot", Range::Google),
    (Kind::Bingbot, "bingbot", Range::Bing),
    (Kind::Naive, "naive", Range::Hosting),
    (Kind::Polite, "polite", Range::Hosting),
    (Kind::Headless, "headless", Range::Proxies),
    (Kind::Walker, "walker", Range::Proxies),
    (Kind::Prices, "prices", Range::Hosting),
    (Kind::Facets, "facets", Range::Hosting),
    (Kind::Swarm, "swarm", Range::Botnet),
    (Kind::Stuffing, "stuffing", Range::Botnet),
    (Kind::Scan, "scan", Range::Hosting),
    (Kind::Uptime, "uptime", Range::Bing),
];

impl Kind {
    /// As the ground truth and `--crawlers` have it.
    pub fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    /// Where its addresses come from.
    pub fn range(self) -> Range {
        KINDS[self as usize].2
    }

    /// Whether it is a person, or several.
    pub fn is_human(self) -> bool {
        (self as usize) < Kind::Googlebot as usize
    }

    /// Whether it makes itself look like a person: renders pages and sends referers.
    pub fn is_disguised(self) -> bool {
        matches!(self, Kind::Headless | Kind::Walker)
    }

    /// A number of its own, for the streams of random numbers.
    pub fn stream(self) -> u64 {
        (self as u64 + 1) << 32
    }

    fn crawlers() -> impl Iterator<Item = Kind> {
        KINDS
            .into_iter()
            .map(|(kind, _, _)| kind)
            .filter(|kind| !kind.is_human())
    }
}

/// It is no list of crawlers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CastError {
    /// Without a number.
    #[error("{0:?} is not NAME=N, such as swarm=70000")]
    Shape(String),
    /// No such crawler.
    #[error("there is no crawler {name:?}; there are {known}")]
    Unknown {
        /// What was given.
        name: String,
        /// What could be.
        known: String,
    },
    /// No number of clients.
    #[error("{count:?} is no number of clients; give 0 to {most}")]
    Count {
        /// What was given.
        count: String,
        /// The most that have addresses.
        most: u32,
    },
    /// Too many for a range of addresses.
    #[error("{clients} clients are to have addresses of {range:?}, which has {room}; take fewer {names}")]
    Room {
        /// The range.
        range: Range,
        /// How many clients there are to be.
        clients: u64,
        /// How many it has.
        room: u32,
        /// Who they are.
        names: String,
    },
}

/// How many clients of one kind of crawler: an item of `--crawlers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crawlers {
    /// Who.
    pub kind: Kind,
    /// How many addresses.
    pub count: u32,
}

impl FromStr for Crawlers {
    type Err = CastError;

    fn from_str(text: &str) -> Result<Crawlers, CastError> {
        let (name, count) = text
            .split_once('=')
            .ok_or_else(|| CastError::Shape(text.to_owned()))?;
        let kind = Kind::crawlers()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| CastError::Unknown {
                name: name.to_owned(),
                known: Kind::crawlers().map(Kind::name).collect::<Vec<_>>().join(", "),
            })?;
        let most = kind.range().room();
        let parsed = count.parse().ok().filter(|count| *count <= most);
        let count = parsed.ok_or_else(|| CastError::Count {
            count: count.to_owned(),
            most,
        })?;
        Ok(Crawlers { kind, count })
    }
}

/// Ready-made mixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// A day of a shop: 3,000 people and a few of every crawler
    Day,
    /// Two hours around a flash sale, with many people behind a few addresses
    FlashSale,
    /// An hour of attack: a swarm of 70,000 addresses, stolen passwords, scans
    Attack,
    /// An hour of a small shop with one disguised crawler: what `make loop` learns from
    Loop,
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Preset::Day => "day",
            Preset::FlashSale => "flash-sale",
            Preset::Attack => "attack",
            Preset::Loop => "loop",
        })
    }
}

impl Preset {
    /// Seconds that it lasts.
    pub fn seconds(self) -> u32 {
        match self {
            Preset::Day => 86_400,
            Preset::FlashSale => 7200,
            Preset::Attack | Preset::Loop => 3600,
        }
    }

    /// People.
    pub fn people(self) -> u32 {
        match self {
            Preset::Day => 3000,
            Preset::FlashSale => 2000,
            Preset::Attack => 500,
            Preset::Loop => 300,
        }
    }

    /// Share of people who come for a flash sale.
    pub fn sale(self) -> f64 {
        if self == Preset::FlashSale { 0.6 } else { 0.0 }
    }

    /// Crawlers.
    pub fn crawlers(self) -> Vec<Crawlers> {
        let mix: &[(Kind, u32)] = match self {
            Preset::Day => &[
                (Kind::Googlebot, 4),
                (Kind::Bingbot, 3),
                (Kind::Naive, 2),
                (Kind::Polite, 3),
                (Kind::Headless, 3),
                (Kind::Walker, 6),
                (Kind::Prices, 2),
                (Kind::Facets, 2),
                (Kind::Swarm, 2000),
                (Kind::Stuffing, 3),
                (Kind::Scan, 4),
                (Kind::Uptime, 2),
            ],
            Preset::FlashSale => &[
                (Kind::Googlebot, 2),
                (Kind::Prices, 3),
                (Kind::Headless, 4),
                (Kind::Uptime, 2),
            ],
            Preset::Attack => &[
                (Kind::Googlebot, 2),
                (Kind::Swarm, 70_000),
                (Kind::Stuffing, 40),
                (Kind::Scan, 20),
                (Kind::Facets, 20),
                (Kind::Naive, 10),
                (Kind::Uptime, 2),
            ],
            Preset::Loop => &[
                (Kind::Googlebot, 3),
                (Kind::Bingbot, 2),
                (Kind::Walker, 16),
                (Kind::Uptime, 1),
            ],
        };
        mix.iter()
            .map(|&(kind, count)| Crawlers { kind, count })
            .collect()
    }
}

/// People of an office.
pub const OFFICE: u32 = 6;
/// So many people there are for each office.
const PEOPLE_AN_OFFICE: u32 = 100;
/// People behind one address who wait for a sale together.
pub const SALE_OFFICE: u32 = 20;
/// So many people at a sale there are for each such address.
const PEOPLE_A_SALE_OFFICE: u32 = 80;

/// How many clients of each kind there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// Clients of each kind; of people who come alone all are [`Kind::Shopper`] until they turn out otherwise.
    pub clients: Vec<Crawlers>,
}

impl Cast {
    /// `people` of whom a share comes for a sale, some of both behind one address, and crawlers.
    pub fn new(people: u32, sale: f64, crawlers: &[Crawlers]) -> Result<Cast, CastError> {
        let at_sale = (f64::from(people) * sale) as u32;
        let offices = (people - at_sale) / PEOPLE_AN_OFFICE;
        let sale_offices = at_sale / PEOPLE_A_SALE_OFFICE;
        let mut clients = Vec::new();
        for (kind, count) in [
            (Kind::Shopper, people - at_sale - offices * OFFICE),
            (Kind::Office, offices),
            (Kind::Sale, at_sale - sale_offices * SALE_OFFICE),
            (Kind::SaleOffice, sale_offices),
        ] {
            clients.push(Crawlers { kind, count });
        }
        clients.extend_from_slice(crawlers);
        clients.retain(|part| part.count > 0);
        let cast = Cast { clients };
        cast.fits()?;
        Ok(cast)
    }

    fn fits(&self) -> Result<(), CastError> {
        for part in &self.clients {
            let range = part.kind.range();
            let same = || self.clients.iter().filter(|other| other.kind.range() == range);
            let clients: u64 = same().map(|other| u64::from(other.count)).sum();
            if clients > u64::from(range.room()) {
                return Err(CastError::Room {
                    range,
                    clients,
                    room: range.room(),
                    names: same()
                        .map(|other| other.kind.name())
                        .collect::<Vec<_>>()
                        .join(", "),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_their_order() {
        for (place, (kind, name, _)) in KINDS.into_iter().enumerate() {
            assert_eq!((kind as usize, kind.name()), (place, name));
        }
    }

    #[test]
    fn crawlers_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Result<(Kind, u32), &str>) {
            let found = text.parse::<Crawlers>();
            match (found, expected) {
                (Ok(found), Ok((kind, count))) => assert_eq!(found, Crawlers { kind, count }),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, expected) => panic!("{found:?}, expected {expected:?}"),
            }
        }
        check("swarm=70000", Ok((Kind::Swarm, 70_000)));
        check("uptime=0", Ok((Kind::Uptime, 0)));
        check("swarm", Err("\"swarm\" is not NAME=N, such as swarm=70000"));
        check(
            "shopper=3",
            Err("there is no crawler \"shopper\"; there are googlebot, bingbot, "),
        );
        check(
            "swarm=-1",
            Err("\"-1\" is no number of clients; give 0 to 10000000"),
        );
        check("naive=251", Err("give 0 to 250"));
        check("=", Err("there is no crawler \"\""));
    }

    #[test]
    fn everybody_has_a_place() {
        let part = |kind, count| Crawlers { kind, count };
        let cast = Cast::new(2000, 0.6, &[part(Kind::Scan, 0), part(Kind::Naive, 2)]).unwrap();
        let expected = [
            part(Kind::Shopper, 752),
            part(Kind::Office, 8),
            part(Kind::Sale, 900),
            part(Kind::SaleOffice, 15),
            part(Kind::Naive, 2),
        ];
        assert_eq!(cast.clients, expected);
        let error = Cast::new(0, 0.0, &[part(Kind::Naive, 200), part(Kind::Facets, 60)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "260 clients are to have addresses of Hosting, which has 250; take fewer naive, facets"
        );
    }
}
