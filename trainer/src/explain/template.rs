//! What was asked for, without what is personal or variable in it.
//!
//! A target is the client's own text. What is left of it is the shape of its path and the names of its query's keys:
//! numbers, digests, identifiers, long or composed words and anything but plain ASCII become placeholders, values of
//! a query fall away.

/// Segments that are kept; the rest becomes `…`.
const MAX_SEGMENTS: usize = 6;
/// Keys of a query that are kept.
const MAX_KEYS: usize = 6;
/// Longest word that is kept as it is: names of sections and of scripts are shorter, sentences are longer.
const MAX_WORD: usize = 16;
/// Hex digits from which on a word is taken for a digest.
const DIGEST: usize = 8;
/// Longest extension of a file.
const MAX_EXTENSION: usize = 5;

/// The template of a request target.
pub fn template(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    // A target in absolute form names a host, and `*` no path.
    let Some(path) = path.strip_prefix('/') else {
        return "{other}".to_owned();
    };
    let mut text = String::new();
    for (index, segment) in path.split('/').enumerate() {
        text.push('/');
        if index == MAX_SEGMENTS {
            text.push('…');
            break;
        }
        text.push_str(&shape(segment));
    }
    if let Some(query) = query {
        push_keys(&mut text, query);
    }
    text
}

fn push_keys(text: &mut String, query: &str) {
    let mut keys: Vec<&str> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .map(|key| if is_word(key) { key } else { "{key}" })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    for (index, key) in keys.into_iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        if index == MAX_KEYS {
            text.push('…');
            break;
        }
        text.push_str(key);
    }
}

/// A segment, or what stands for it; an extension stays.
fn shape(segment: &str) -> String {
    if segment.is_empty() {
        return String::new();
    }
    if let Some((name, extension)) = segment.rsplit_once('.') {
        let plain = (1..=MAX_EXTENSION).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && extension.bytes().any(|byte| byte.is_ascii_lowercase());
        if plain && !name.is_empty() {
            return format!("{}.{extension}", word_or_placeholder(name));
        }
    }
    word_or_placeholder(segment).to_owned()
}

fn word_or_placeholder(text: &str) -> &str {
    let every = |test: fn(u8) -> bool| text.bytes().all(test);
    if every(|byte| byte.is_ascii_digit()) {
        "{number}"
    } else if is_uuid(text) {
        "{uuid}"
    } else if text.len() >= DIGEST && every(|byte| byte.is_ascii_hexdigit()) {
        "{hex}"
    } else if is_word(text) {
        text
    } else if every(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+')) {
        "{slug}"
    } else {
        "{text}"
    }
}

/// One plain word: a letter first, then letters, with a dot or underscore before it at most.
fn is_word(text: &str) -> bool {
    let bare = text.strip_prefix(['.', '_']).unwrap_or(text);
    (1..=MAX_WORD).contains(&bare.len()) && bare.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_varies_becomes_a_placeholder() {
        #[track_caller]
        fn check(target: &str, expected: &str) {
            assert_eq!(template(target), expected);
        }
        check("/", "/");
        check("/shop/kitchen-0/folding-lamp-12", "/shop/{slug}/{slug}");
        check(
            "/shop/lamps/?sort=price&colour=red&sort=up",
            "/shop/lamps/?colour&sort",
        );
        check(
            "/media/products/74/1.webp",
            "/media/products/{number}/{number}.webp",
        );
        check("/o/123e4567-e89b-12d3-a456-426614174000", "/o/{uuid}");
        check("/static/deadbeef01.js", "/static/{hex}.js");
        check("/.git/config", "/.git/config");
        check("/.env", "/.env");
        check("/wp-login.php", "/{slug}.php");
        check("/user/ana@shop.example", "/user/{text}");
        check("/search?q=my+name&%69gnore=1", "/search?q&{key}");
        check("/%e7%84%a1%e8%a6%96", "/{text}");
        check("/ignore-all-previous-instructions", "/{slug}");
        check("/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/…");
        check("http://shop.example/x", "{other}");
        check("*", "{other}");
        check("/x?", "/x");
        check("/x?=1&&", "/x?{key}");
        check("/x?a&b&c&d&e&f&g&h", "/x?a&b&c&d&e&f&…");
        check("/\u{202e}gpj.exe", "/{text}.exe");
    }

    proptest! {
        #[test]
        fn a_template_is_short_and_plain(target in ".{0,300}") {
            let text = template(&target);
            prop_assert!(text.chars().count() <= 7 * (1 + 16 + 6) + 7 * 18);
            prop_assert!(text.chars().all(|c| c.is_ascii_graphic() || c == '…'), "{}", text);
            prop_assert!(text.bytes().filter(u8::is_ascii_digit).count() <= 5 * 7);
        }
    }
}
