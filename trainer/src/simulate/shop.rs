//! The shop that is simulated: what can be asked for, and how that is spelled.

use std::io::Write;

use rand::RngExt;
use rand_distr::{Distribution, Zipf};

use super::profile::Profile;

/// Products on one page of a category.
pub const PER_PAGE: u32 = 24;
/// Pictures of one product.
pub const PICTURES: u8 = 8;
/// Different things that people search for.
pub const TERMS: u16 = 400;

/// What every page needs, in the order in which browsers ask: some of everything early.
pub const SHARED: [&str; 14] = [
    "/static/css/shop.css",
    "/static/img/logo.svg",
    "/static/js/shop.js",
    "/static/img/icons.svg",
    "/static/js/vendor.js",
    "/static/css/fonts.css",
    "/static/fonts/text.woff2",
    "/static/fonts/bold.woff2",
    "/static/js/basket.js",
    "/static/img/banner.webp",
    "/static/img/delivery.png",
    "/static/img/payment.png",
    "/static/img/footer.jpg",
    "/favicon.ico",
];

const SECTIONS: [&str; 12] = [
    "kitchen", "garden", "lamps", "tools", "paper", "textiles", "shelves", "tea", "games", "bath", "travel",
    "toys",
];
const KINDS: [&str; 10] = [
    "copper", "oak", "linen", "blue", "small", "folding", "round", "glass", "wool", "steel",
];
const THINGS: [&str; 16] = [
    "kettle", "lamp", "stool", "basket", "towel", "box", "clock", "tray", "bowl", "brush", "rug", "hook",
    "jug", "mat", "rack", "mug",
];
const COLOURS: [&str; 8] = [
    "red", "blue", "green", "black", "white", "grey", "brown", "yellow",
];
const SORTS: [&str; 4] = ["price", "price_desc", "newest", "rating"];
const INFO: [&str; 5] = ["/about", "/delivery", "/returns", "/contact", "/imprint"];

/// What scanners try; some of it would break whatever shows it unescaped.
const PROBES: [&str; 20] = [
    "/.env",
    "/.git/config",
    "/wp-login.php",
    "/wp-admin/setup-config.php",
    "/phpmyadmin/index.php",
    "/admin/login",
    "/server-status",
    "/backup.zip",
    "/actuator/env",
    "/cgi-bin/test.cgi",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/solr/admin/info/system",
    "/console/",
    "/.aws/credentials",
    "/search?q=\"><script>alert(1)</script>",
    "/search?q=1'%20OR%20'1'='1",
    "/shop/../../../../etc/passwd",
    "/item?id=\u{1b}[2J\u{7f}",
    "/login?next=\\x00\\\"\u{202e}gpj",
    "/config.json",
];

/// One thing that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Page {
    /// The first page.
    Home,
    /// A page of a category, from 0.
    Category { category: u32, page: u32 },
    /// A category, narrowed down: colour, size, sort order (0 is none) and page.
    Filter {
        category: u32,
        facets: [u8; 3],
        page: u32,
    },
    /// A product.
    Product(u32),
    /// Results of a search.
    Search { term: u16, page: u32 },
    /// The basket.
    Basket,
    /// Puts something into the basket; answered with a redirect.
    Add,
    /// Address and payment.
    Checkout,
    /// Orders; answered with a redirect.
    Order,
    /// An order that was placed.
    Thanks(u32),
    /// The login form, and where it is sent.
    Login,
    /// The landing page of a sale.
    Sale,
    /// About the shop.
    Info(u8),
    /// What once was there.
    Old(u32),
    /// One of [`SHARED`].
    Shared(u8),
    /// A picture of a product; 0 is the small one.
    Picture { product: u32, number: u8 },
    /// robots.txt.
    Robots,
    /// The site map.
    Sitemap,
    /// What a scanner tries.
    Probe(u8),
}

/// What kind of body an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A page.
    Page,
    /// A script or style.
    Script,
    /// A picture, a font.
    Picture,
}

/// The shop.
#[derive(Debug)]
pub struct Shop {
    /// Scheme and host.
    pub origin: String,
    /// Things on sale, numbered from 0.
    pub products: u32,
    /// Categories, numbered from 0.
    pub categories: u32,
    popularity: Zipf<f64>,
    step: u64,
}

impl Shop {
    /// The shop of a profile.
    pub fn new(profile: &Profile) -> Shop {
        let products = (profile.shop.products.value() as u32).max(1);
        let exponent = profile.visits.popularity.value();
        Shop {
            origin: profile.shop.origin.clone(),
            products,
            categories: (profile.shop.categories.value() as u32).clamp(1, products),
            // Both arguments are in range: a profile has a product at least, and no negative exponent.
            popularity: Zipf::new(f64::from(products), exponent).expect("a product and a finite exponent"),
            step: coprime(u64::from(products)),
        }
    }

    /// A product, popular ones more often. Popularity does not follow the numbers.
    pub fn popular_product(&self, random: &mut impl RngExt) -> u32 {
        let rank = self.popularity.sample(random) as u64 - 1;
        (rank * self.step % u64::from(self.products)) as u32
    }

    /// A category, popular ones more often.
    pub fn popular_category(&self, random: &mut impl RngExt) -> u32 {
        self.category_of(self.popular_product(random))
    }

    /// Where a product is.
    pub fn category_of(&self, product: u32) -> u32 {
        product % self.categories
    }

    /// Products of a category.
    pub fn size_of(&self, category: u32) -> u32 {
        (self.products + self.categories - 1 - category % self.categories) / self.categories
    }

    /// The product at a place of a category, from 0, around its end.
    pub fn product_at(&self, category: u32, place: u32) -> u32 {
        let category = category % self.categories;
        category + place % self.size_of(category).max(1) * self.categories
    }

    /// Pages of a category.
    pub fn pages_of(&self, category: u32) -> u32 {
        self.size_of(category).div_ceil(PER_PAGE).max(1)
    }

    /// Writes the target of a request.
    pub fn write(&self, page: Page, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = self.spell(page, out);
    }

    fn spell(&self, page: Page, out: &mut Vec<u8>) -> std::io::Result<()> {
        match page {
            Page::Home => write!(out, "/"),
            Page::Category { category, page } => {
                write!(out, "/shop/{}-{category}/", section(category))?;
                paged(out, '?', page)
            }
            Page::Filter {
                category,
                facets,
                page,
            } => {
                write!(out, "/shop/{}-{category}/?", section(category))?;
                facets_of(facets, out)?;
                paged(out, '&', page)
            }
            Page::Product(product) => {
                let category = self.category_of(product);
                let words = words(product);
                write!(out, "/shop/{}-{category}/{words}-{product}", section(category))
            }
            Page::Search { term, page } => {
                let term = u32::from(term);
                let (kind, thing) = (KINDS[(term / 16) as usize % 10], THINGS[term as usize % 16]);
                match term / 160 {
                    0 => write!(out, "/search?q={kind}+{thing}")?,
                    number => write!(out, "/search?q={thing}+{number}+{kind}")?,
                }
                paged(out, '&', page)
            }
            Page::Basket => write!(out, "/basket"),
            Page::Add => write!(out, "/basket/add"),
            Page::Checkout => write!(out, "/checkout"),
            Page::Order => write!(out, "/checkout/order"),
            Page::Thanks(number) => write!(out, "/order/{number:08}/thanks"),
            Page::Login => write!(out, "/login"),
            Page::Sale => write!(out, "/sale"),
            Page::Info(number) => write!(out, "{}", INFO[usize::from(number) % INFO.len()]),
            Page::Old(number) => write!(out, "/shop/archive/{number}.html"),
            Page::Shared(number) => write!(out, "{}", SHARED[usize::from(number) % SHARED.len()]),
            Page::Picture { product, number: 0 } => write!(out, "/media/products/{product}/small.webp"),
            Page::Picture { product, number } => write!(out, "/media/products/{product}/{number}.webp"),
            Page::Robots => write!(out, "/robots.txt"),
            Page::Sitemap => write!(out, "/sitemap.xml"),
            Page::Probe(number) => write!(out, "{}", PROBES[usize::from(number) % PROBES.len()]),
        }
    }
}

impl Page {
    /// Different probes.
    pub const PROBES: u8 = PROBES.len() as u8;
    /// Different pages about the shop.
    pub const INFOS: u8 = INFO.len() as u8;

    /// Whether nginx answers it with 400 before any module sees it: control characters, and paths that lead out of
    /// the site.
    pub fn is_malformed(self) -> bool {
        let Page::Probe(number) = self else { return false };
        let text = PROBES[usize::from(number) % PROBES.len()];
        text.contains("/../../../") || text.bytes().any(|byte| byte.is_ascii_control())
    }

    /// What kind of body the answer has.
    pub fn body(self) -> Body {
        match self {
            Page::Shared(number) => {
                let name = SHARED[usize::from(number) % SHARED.len()];
                match name.ends_with(".css") || name.ends_with(".js") {
                    true => Body::Script,
                    false => Body::Picture,
                }
            }
            Page::Picture { .. } => Body::Picture,
            _ => Body::Page,
        }
    }

    /// A number that is the same whenever the same is asked for: sizes stay what they were.
    pub fn fingerprint(self) -> u64 {
        let (kind, number): (u64, u64) = match self {
            Page::Home | Page::Basket | Page::Add | Page::Checkout | Page::Order | Page::Login => (0, 0),
            Page::Sale | Page::Robots | Page::Sitemap => (1, 0),
            Page::Category { category, page } => (2, u64::from(category) << 32 | u64::from(page)),
            Page::Filter {
                category,
                facets,
                page,
            } => {
                let [a, b, c] = facets.map(u64::from);
                (
                    3,
                    u64::from(category) << 40 | u64::from(page) << 24 | a << 16 | b << 8 | c,
                )
            }
            Page::Product(product) => (4, product.into()),
            Page::Search { term, page } => (5, u64::from(term) << 32 | u64::from(page)),
            Page::Thanks(number) | Page::Old(number) => (6, number.into()),
            Page::Info(number) | Page::Probe(number) => (7, number.into()),
            Page::Shared(number) => (8, number.into()),
            Page::Picture { product, number } => (9, u64::from(product) << 8 | u64::from(number)),
        };
        mixed(number ^ kind << 56)
    }
}

/// Spreads a number over all bits: the finaliser of splitmix64 (Steele, Lea, Flood, 2014).
pub fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

fn section(category: u32) -> &'static str {
    SECTIONS[category as usize % SECTIONS.len()]
}

fn words(product: u32) -> String {
    let spread = mixed(product.into()) as usize;
    format!("{}-{}", KINDS[spread % 10], THINGS[spread / 10 % 16])
}

fn paged(out: &mut Vec<u8>, before: char, page: u32) -> std::io::Result<()> {
    match page {
        0 => Ok(()),
        _ => write!(out, "{before}page={}", page + 1),
    }
}

fn facets_of([colour, size, sort]: [u8; 3], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut separator = "";
    if colour > 0 {
        write!(out, "colour={}", COLOURS[usize::from(colour - 1) % COLOURS.len()])?;
        separator = "&";
    }
    if size > 0 {
        write!(out, "{separator}size={size}")?;
        separator = "&";
    }
    if sort > 0 || separator.is_empty() {
        write!(out, "{separator}sort={}", SORTS[usize::from(sort) % SORTS.len()])?;
    }
    Ok(())
}

/// A step that visits every one of `count` places.
fn coprime(count: u64) -> u64 {
    let wanted = (count as f64 * 0.618) as u64;
    let divides = |a: u64| {
        let (mut a, mut b) = (a, count);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a != 1
    };
    let mut step = wanted.max(1);
    while divides(step) {
        step += 1;
    }
    step
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::simulate::profile;

    fn shop() -> Shop {
        Shop::new(&Profile::load(profile::DEFAULT).unwrap())
    }

    #[test]
    fn pages_have_addresses() {
        let shop = shop();
        let check = |page: Page, expected: &str| {
            let mut out = Vec::new();
            shop.write(page, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(Page::Home, "/");
        check(Page::Category { category: 1, page: 0 }, "/shop/garden-1/");
        check(Page::Category { category: 1, page: 2 }, "/shop/garden-1/?page=3");
        let filter = |facets, page| Page::Filter {
            category: 13,
            facets,
            page,
        };
        check(
            filter([1, 2, 3], 1),
            "/shop/garden-13/?colour=red&size=2&sort=rating&page=2",
        );
        check(filter([0, 0, 0], 0), "/shop/garden-13/?sort=price");
        check(Page::Search { term: 17, page: 0 }, "/search?q=oak+lamp");
        check(Page::Thanks(7), "/order/00000007/thanks");
        check(
            Page::Picture {
                product: 5,
                number: 0,
            },
            "/media/products/5/small.webp",
        );
    }

    #[test]
    fn every_product_is_in_one_category() {
        let shop = shop();
        let found: BTreeSet<u32> = (0..shop.categories)
            .flat_map(|category| (0..shop.size_of(category)).map(move |place| (category, place)))
            .map(|(category, place)| shop.product_at(category, place))
            .collect();
        assert_eq!(found, (0..shop.products).collect());
        assert!(
            found
                .iter()
                .all(|&product| shop.category_of(product) < shop.categories)
        );
    }

    #[test]
    fn popularity_is_zipf_and_not_in_the_order_of_numbers() {
        let shop = shop();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut counts = vec![0u32; shop.products as usize];
        for _ in 0..100_000 {
            counts[shop.popular_product(&mut random) as usize] += 1;
        }
        assert_eq!(counts.iter().max(), counts.first(), "the first rank is product 0");
        let second = shop.step as usize;
        let exponent = (f64::from(counts[0]) / f64::from(counts[second])).log2();
        let wanted = Profile::load(profile::DEFAULT).unwrap().visits.popularity.value();
        assert!((exponent - wanted).abs() < 0.15, "{exponent}, wanted {wanted}");
        assert!(second > 100, "ranks are spread");
    }
}
