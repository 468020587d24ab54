//! Text as words that an index finds again, in languages with spaces and without.
//!
//! Japanese has no spaces, and most of its words have two letters. A run of such letters is indexed as all pairs of
//! neighbours, and its last letter alone: a word of two letters is then one pair, a longer one a phrase of pairs, and a
//! single letter the beginning of a pair or the last letter. Other words are indexed whole.

use super::fold::fold;

/// Letters of a word that are looked at; the rest of a longer one says nothing.
const MAX_WORD: usize = 40;
/// Letters from which on a word also finds those that begin with it: `crawl` finds `crawling`, `cat` no catalogue.
const LEAST_STEM: usize = 4;
/// Conditions of a query at most: a question of a paragraph.
const MAX_CONDITIONS: usize = 64;
/// Words that are in every text.
const STOP: [&str; 38] = [
    "a", "an", "and", "are", "as", "at", "be", "before", "by", "for", "from", "had", "has", "have", "in",
    "is", "it", "its", "just", "last", "not", "of", "on", "one", "or", "per", "since", "so", "than", "that",
    "the", "this", "to", "with", "far", "each", "first", "what",
];

/// A stretch of text.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    /// A word between spaces or signs.
    Word(String),
    /// Letters of a script without spaces.
    Unspaced(Vec<char>),
}

/// Whether a letter is of a script that is written without spaces, or, as Korean, with particles joined on.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_hiragana(letter: char) -> bool {
    matches!(letter, '\u{3041}'..='\u{309f}')
}

fn is_kanji(letter: char) -> bool {
    matches!(letter, '\u{3005}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

fn runs(text: &str) -> Vec<Run> {
    let mut found: Vec<Run> = Vec::new();
    let mut open = false;
    for letter in fold(text).chars() {
        let unspaced = is_unspaced(letter);
        if !unspaced && !letter.is_alphanumeric() {
            open = false;
            continue;
        }
        match (found.last_mut().filter(|_| open), unspaced) {
            (Some(Run::Word(word)), false) => word.push(letter),
            (Some(Run::Unspaced(letters)), true) => letters.push(letter),
            (_, false) => found.push(Run::Word(letter.to_string())),
            (_, true) => found.push(Run::Unspaced(vec![letter])),
        }
        open = true;
    }
    for run in &mut found {
        if let Run::Word(word) = run
            && let Some((end, _)) = word.char_indices().nth(MAX_WORD)
        {
            word.truncate(end);
        }
    }
    found
}

fn pairs(letters: &[char]) -> Vec<String> {
    letters.windows(2).map(|pair| pair.iter().collect()).collect()
}

/// What a text is indexed by: words with a space between. They hold letters and digits alone.
pub fn indexed(text: &str) -> String {
    let mut words = Vec::new();
    for run in runs(text) {
        match run {
            Run::Word(word) => words.push(word),
            Run::Unspaced(letters) => {
                words.extend(pairs(&letters));
                words.extend(letters.last().map(char::to_string));
            }
        }
    }
    words.join(" ")
}

/// A query for texts that have any of these words, in FTS5's language; `None` when there is no word in it. It holds
/// nothing but words in quotes, whatever was asked.
pub fn query(text: &str) -> Option<String> {
    let mut conditions: Vec<String> = Vec::new();
    let mut add = |condition: String| {
        if conditions.len() < MAX_CONDITIONS && !conditions.contains(&condition) {
            conditions.push(condition);
        }
    };
    for run in runs(text) {
        match run {
            Run::Word(word) if STOP.contains(&word.as_str()) => {}
            Run::Word(word) if word.chars().count() < LEAST_STEM => add(format!("\"{word}\"")),
            Run::Word(word) => add(format!("\"{}\" *", stem(&word))),
            Run::Unspaced(letters) => {
                add(phrase(&letters));
                // Particles between words are hiragana: what stands between them is looked for by itself, too, and
                // of a compound of kanji its words of two.
                for part in letters
                    .split(|letter| is_hiragana(*letter))
                    .filter(|part| part.len() > 1)
                {
                    add(phrase(part));
                    for pair in part
                        .windows(2)
                        .filter(|pair| pair.iter().all(|letter| is_kanji(*letter)))
                    {
                        add(phrase(pair));
                    }
                }
            }
        }
    }
    (!conditions.is_empty()).then(|| conditions.join(" OR "))
}

/// A plural's singular, so that either finds both.
fn stem(word: &str) -> &str {
    let bare = word
        .strip_suffix('s')
        .filter(|bare| !bare.ends_with(['s', 'u', 'i']));
    bare.filter(|bare| bare.chars().count() >= LEAST_STEM)
        .unwrap_or(word)
}

fn phrase(letters: &[char]) -> String {
    match letters {
        [one] => format!("\"{one}\" *"),
        _ => format!("\"{}\"", pairs(letters).join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_without_spaces_become_pairs() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(indexed(text), expected);
        }
        check("在庫", "在庫 庫");
        check("在庫の確認", "在庫 庫の の確 確認 認");
        check("Crawler対策: APIｷｰ", "crawler 対策 策 api キー ー");
        check("棚", "棚");
        check("rate-limit, \"quoted\" OR NEAR(x)", "rate limit quoted or near x");
        check("가격 조회", "가격 격 조회 회");
        check("𠮷野家", "𠮷野 野家 家");
        check("\u{202e}x\u{0}y", "x y");
    }

    #[test]
    fn queries_are_words_in_quotes() {
        #[track_caller]
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(query(text).as_deref(), expected);
        }
        check("在庫", Some("\"在庫\""));
        check(
            "価格調査",
            Some("\"価格 格調 調査\" OR \"価格\" OR \"格調\" OR \"調査\""),
        );
        check("リスト型", Some("\"リス スト ト型\""));
        check("棚", Some("\"棚\" *"));
        check(
            "在庫の確認",
            Some("\"在庫 庫の の確 確認\" OR \"在庫\" OR \"確認\""),
        );
        check("the crawlers of shop", Some("\"crawler\" * OR \"shop\" *"));
        check("API status", Some("\"api\" OR \"status\" *"));
        check("x\" OR heading : \"y* NEAR/2 -z", {
            Some("\"x\" OR \"heading\" * OR \"y\" OR \"near\" * OR \"2\" OR \"z\"")
        });
        check("the of", None);
        check(" …「」 ", None);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_words(text in ".{0,200}") {
            prop_assert!(indexed(&text).chars().all(|letter| letter == ' ' || !letter.is_ascii() || letter.is_ascii_alphanumeric()));
            if let Some(query) = query(&text) {
                let bare = query.replace(" OR ", "").replace(" *", "");
                prop_assert!(bare.chars().all(|letter| letter == '"' || letter == ' ' || !letter.is_ascii() || letter.is_ascii_alphanumeric()), "{}", query);
                prop_assert_eq!(query.matches('"').count() % 2, 0);
            }
        }
    }
}
