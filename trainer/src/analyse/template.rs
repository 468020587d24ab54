//! Lines that say the same thing of other numbers become one template with a count.
//!
//! As Drain does it (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017), with a tree
//! of two levels: the number of words, then the first of them. Below, a line joins the template that most of its words
//! are equal to; where they differ, the template has a gap.

use std::collections::HashMap;

/// A line joins a template when so many of its words are equal.
const ALIKE: f64 = 0.7;
/// Templates under one first word; then the most alike takes whatever comes.
const MAX_IN_LEAF: usize = 24;
/// First words; then all lines of a length share one.
const MAX_LEAVES: usize = 400;
/// Words of a line that are looked at.
const MAX_WORDS: usize = 40;
/// Digits of a word that is an id and no number.
const ID_DIGITS: usize = 8;
/// What differs.
const GAP: &str = "<*>";

/// Templates by number, in the order in which they were met.
#[derive(Debug, Default)]
pub struct Templates {
    leaves: HashMap<(usize, String), Vec<usize>>,
    words: Vec<Vec<String>>,
}

impl Templates {
    /// The number of the template of a line. The first word always stays what it is.
    pub fn place(&mut self, mut words: Vec<String>) -> usize {
        words.truncate(MAX_WORDS);
        let first = words.first().cloned().unwrap_or_default();
        let mut leaf = (words.len(), first);
        if self.leaves.len() >= MAX_LEAVES && !self.leaves.contains_key(&leaf) {
            leaf.1 = GAP.to_owned();
            if let Some(first) = words.first_mut() {
                GAP.clone_into(first);
            }
        }
        let places = self.leaves.entry(leaf).or_default();
        let nearest = places
            .iter()
            .map(|place| (*place, equal(&self.words[*place], &words)))
            .max_by(|one, other| one.1.cmp(&other.1).then(other.0.cmp(&one.0)));
        let full = places.len() >= MAX_IN_LEAF;
        match nearest {
            Some((place, equal)) if full || equal as f64 >= ALIKE * words.len() as f64 => {
                for (kept, word) in self.words[place].iter_mut().zip(&words) {
                    if kept != word {
                        GAP.clone_into(kept);
                    }
                }
                place
            }
            _ => {
                let place = self.words.len();
                places.push(place);
                self.words.push(words);
                place
            }
        }
    }

    /// A template's words between separators.
    pub fn text(&self, place: usize, separator: &str) -> String {
        self.words
            .get(place)
            .map_or(String::new(), |words| words.join(separator))
    }
}

fn equal(one: &[String], other: &[String]) -> usize {
    one.iter().zip(other).filter(|(one, other)| one == other).count()
}

/// The words of a message, with placeholders for what is quoted, numbers, ids and addresses.
pub fn message_words(message: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (place, part) in message.split('"').enumerate() {
        if place % 2 == 1 {
            // What is quoted is somebody's text, and belongs to the word before it.
            words.push("\"<text>\"".to_owned());
        } else {
            words.extend(part.split_whitespace().map(masked_word));
        }
    }
    words
}

/// The segments of a request's path, with placeholders; a query is only told to be there. `head` comes first, with the
/// first segment.
pub fn path_words(head: &str, target: &str) -> Vec<String> {
    let (path, query) = target
        .split_once('?')
        .map_or((target, false), |(path, _)| (path, true));
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let first = segments.next().map(masked_word).unwrap_or_default();
    let mut words = vec![format!("{head} /{first}")];
    words.extend(segments.map(masked_word));
    if let (true, Some(last)) = (query, words.last_mut()) {
        last.push_str("?<query>");
    }
    words
}

/// A word with its numbers, ids and addresses replaced.
fn masked_word(word: &str) -> String {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        return word.to_owned();
    }
    let core = word.trim_matches(|character: char| !character.is_ascii_hexdigit());
    if core.parse::<std::net::IpAddr>().is_ok() {
        return word.replace(core, "<address>");
    }
    let hex = |character: char| character.is_ascii_hexdigit() || character == '-';
    if core.len() >= ID_DIGITS && core.chars().all(hex) && core.bytes().any(|byte| byte.is_ascii_alphabetic())
    {
        return word.replace(core, "<id>");
    }
    let mut masked = String::new();
    let mut inside = false;
    for character in word.chars() {
        if character.is_ascii_digit() {
            if !inside {
                masked.push_str("<n>");
            }
            inside = true;
        } else {
            inside = false;
            masked.push(character);
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_lose_what_differs() {
        #[track_caller]
        fn check(message: &str, expected: &str) {
            assert_eq!(message_words(message).join(" "), expected);
        }
        check(
            "open() \"/var/www/a b.html\" failed (2: No such file or directory)",
            "open() \"<text>\" failed (<n>: No such file or directory)",
        );
        check(
            "upstream timed out (110: Connection timed out) while reading",
            "upstream timed out (<n>: Connection timed out) while reading",
        );
        check("client 192.0.2.7 sent 12kB", "client <address> sent <n>kB");
        check("id 0123456789abcdef, zone", "id <id>, zone");
        check("at 2001:db8::1:", "at <address>:");
        check("", "");
        check("\"unclosed", "\"<text>\"");
    }

    #[test]
    fn paths_lose_what_differs() {
        #[track_caller]
        fn check(target: &str, expected: &str) {
            assert_eq!(path_words("GET 200", target).join("/"), expected);
        }
        check("/", "GET 200 /");
        check("/product/123", "GET 200 /product/<n>");
        check("/product/123?page=2", "GET 200 /product/<n>?<query>");
        check("/?page=2", "GET 200 /?<query>");
        check("/img/a-17.png", "GET 200 /img/a-<n>.png");
        check("/u/550e8400-e29b-41d4-a716-446655440000/x", "GET 200 /u/<id>/x");
    }

    #[test]
    fn lines_that_say_the_same_share_a_template() {
        let mut templates = Templates::default();
        let mut place = |text: &str| templates.place(message_words(text));
        let one = place("connect() failed (111: refused) while connecting to alpha now");
        let same = place("connect() failed (111: refused) while connecting to beta now");
        let other = place("limiting requests, excess: 5.1 by zone \"x\"");
        assert_eq!((one, same, other), (0, 0, 1));
        assert_eq!(
            templates.text(0, " "),
            "connect() failed (<n>: refused) while connecting to <*> now"
        );
    }

    #[test]
    fn many_pages_become_one_template() {
        let mut templates = Templates::default();
        for number in 0..1000 {
            let slug: String = format!("{number}")
                .bytes()
                .map(|byte| char::from(byte + 49))
                .collect();
            templates.place(path_words("GET 200", &format!("/blog/{slug}")));
        }
        assert_eq!(templates.words.len(), MAX_IN_LEAF);
        assert!((0..MAX_IN_LEAF).any(|place| templates.text(place, "/") == "GET 200 /blog/<*>"));
    }

    proptest! {
        #[test]
        fn templates_are_bounded(lines in prop::collection::vec("[a-z0-9 ]{0,40}", 0..300)) {
            let mut templates = Templates::default();
            for line in &lines {
                let place = templates.place(message_words(line));
                prop_assert!(place < templates.words.len());
            }
            prop_assert!(templates.words.len() <= lines.len());
        }
    }
}
