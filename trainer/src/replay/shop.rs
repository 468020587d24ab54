//! The demo shop: a few pages for a person's browser, without anything from elsewhere.

use std::borrow::Cow;

const INDEX: &str = include_str!("../../../contrib/demo/shop/index.html");
const CARD: &str = include_str!("../../../contrib/demo/shop/card.html");
const ITEM: &str = include_str!("../../../contrib/demo/shop/item.html");
const ABOUT: &str = include_str!("../../../contrib/demo/shop/about.html");
const MISSING: &str = include_str!("../../../contrib/demo/shop/missing.html");
const STYLE: &str = include_str!("../../../contrib/demo/shop/shop.css");
const SCRIPT: &str = include_str!("../../../contrib/demo/shop/shop.js");
const PICTURE: &str = include_str!("../../../contrib/demo/shop/picture.svg");
const GOODS: &str = include_str!("../../../contrib/demo/shop/goods.txt");

const HTML: &str = "text/html; charset=utf-8";

/// What the shop answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Status code.
    pub status: u16,
    /// Media type.
    pub content_type: &'static str,
    /// Content.
    pub body: Cow<'static, str>,
}

/// One thing on the shelf: a line of goods.txt.
struct Good {
    number: usize,
    name: &'static str,
    price: &'static str,
    colours: [&'static str; 2],
    text: &'static str,
}

/// The page of a request target. Queries change nothing.
pub fn page(target: &[u8]) -> Page {
    let target = str::from_utf8(target).unwrap_or_default();
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let numbered = |before: &str, after: &str| {
        let number: usize = path.strip_prefix(before)?.strip_suffix(after)?.parse().ok()?;
        goods().find(|good| good.number == number)
    };
    if let Some(good) = numbered("/item/", "") {
        return found(HTML, fill(ITEM, &good));
    }
    if let Some(good) = numbered("/picture/", ".svg") {
        return found("image/svg+xml", fill(PICTURE, &good));
    }
    match path {
        "/" | "/index.html" => {
            let cards: String = goods().map(|good| fill(CARD, &good)).collect();
            found(HTML, INDEX.replace("{{cards}}", &cards))
        }
        "/about" => found(HTML, ABOUT),
        "/shop.css" => found("text/css", STYLE),
        "/shop.js" => found("text/javascript", SCRIPT),
        "/robots.txt" => found("text/plain", "User-agent: *\nDisallow: /basket\n"),
        "/favicon.ico" => Page {
            status: 204,
            content_type: "image/x-icon",
            body: Cow::Borrowed(""),
        },
        _ => Page {
            status: 404,
            content_type: HTML,
            body: Cow::Borrowed(MISSING),
        },
    }
}

fn found(content_type: &'static str, body: impl Into<Cow<'static, str>>) -> Page {
    Page {
        status: 200,
        content_type,
        body: body.into(),
    }
}

fn goods() -> impl Iterator<Item = Good> {
    GOODS.lines().enumerate().filter_map(|(index, line)| {
        let mut parts = line.split(" | ");
        Some(Good {
            number: index + 1,
            name: parts.next()?,
            price: parts.next()?,
            colours: [parts.next()?, parts.next()?],
            text: parts.next()?,
        })
    })
}

fn fill(template: &str, good: &Good) -> String {
    template
        .replace("{{number}}", &good.number.to_string())
        .replace("{{name}}", good.name)
        .replace("{{price}}", good.price)
        .replace("{{light}}", good.colours[0])
        .replace("{{dark}}", good.colours[1])
        .replace("{{text}}", good.text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every address that a page names.
    fn links(page: &Page) -> Vec<String> {
        let body = page.body.replace('\'', "\"");
        let after =
            ["href=\"", "src=\""].map(|mark| body.split(mark).skip(1).map(str::to_owned).collect::<Vec<_>>());
        after
            .concat()
            .iter()
            .filter_map(|rest| rest.split('"').next().map(str::to_owned))
            .collect()
    }

    #[test]
    fn every_link_leads_into_the_shop() {
        let mut open = vec!["/".to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(target) = open.pop() {
            assert!(
                target.starts_with('/') && !target.starts_with("//"),
                "{target} is elsewhere"
            );
            if seen.insert(target.clone()) {
                let page = page(target.as_bytes());
                assert_eq!(page.status, 200, "{target}");
                assert!(!page.body.contains("{{"), "{target} has an unfilled place");
                open.extend(links(&page).into_iter().filter(|link| !link.starts_with('#')));
            }
        }
        assert_eq!(
            seen.len(),
            4 + 2 * 12,
            "home, about, style, script; items and pictures: {seen:?}"
        );
    }

    #[test]
    fn what_is_not_there() {
        #[track_caller]
        fn check(target: &[u8], status: u16) {
            assert_eq!(page(target).status, status);
        }
        check(b"/item/1?from=mail", 200);
        check(b"/item/0", 404);
        check(b"/item/13", 404);
        check(b"/item/99999999999999999999999", 404);
        check(b"/\xff", 404);
        check(b"", 404);
    }
}
