//! Texts as cells of CSV that no spreadsheet runs as a formula, and back.

use crate::visible::is_hidden;

/// What begins a formula; and an apostrophe, so that ours can be told from theirs. East Asian spreadsheets take the
/// full-width signs, too.
const BEGINS: [char; 9] = ['=', '+', '-', '@', '\'', '＝', '＋', '－', '＠'];
/// Where a spreadsheet may begin a cell within a text: it splits at semicolons in half of the world, and what is quoted
/// for a comma is not for it.
const ENDS: [char; 4] = [';', '\t', '\r', '\n'];

/// A text with an apostrophe before whatever would begin a formula, also where a cell is split.
pub fn guarded(text: String) -> String {
    if !text.contains(BEGINS) && !text.starts_with(ENDS) {
        return text;
    }
    let (mut safe, mut rest) = (String::with_capacity(text.len() + 1), text.as_str());
    while !rest.is_empty() {
        if is_run(rest, safe.is_empty()) {
            safe.push('\'');
        }
        let (cell, after) = split(rest);
        safe.push_str(cell);
        rest = after;
    }
    safe
}

/// The text of such cells.
pub fn unguarded(text: String) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text.as_str());
    while !rest.is_empty() {
        let inner = rest.strip_prefix('\'');
        let inner = inner.filter(|inner| is_run(inner, plain.is_empty()));
        let (cell, after) = split(inner.unwrap_or(rest));
        plain.push_str(cell);
        rest = after;
    }
    plain
}

/// A cell with the character that ends it, and what follows.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(ENDS).map_or(text.len(), |end| end + 1);
    text.split_at(end)
}

/// Whether a spreadsheet may take what begins here for a formula. Quotes, spaces and what cannot be seen may go; so may
/// a tab or a line break, where the text begins.
fn is_run(text: &str, is_first: bool) -> bool {
    if text.starts_with(ENDS) {
        return is_first && !text.starts_with(';');
    }
    let is_dropped = |letter: char| {
        !ENDS.contains(&letter) && (letter == '"' || letter.is_whitespace() || is_hidden(letter))
    };
    text.trim_start_matches(is_dropped).starts_with(BEGINS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formulas_are_guarded_and_read_back() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(guarded(text.into()), expected);
            assert_eq!(unguarded(expected.into()), text);
        }
        check("=1", "'=1");
        check("@a", "'@a");
        check("＝1+1", "'＝1+1");
        check("'x", "''x");
        check("\"=1", "'\"=1");
        check(" \u{feff}=1", "' \u{feff}=1");
        check("/a=1", "/a=1");
        check("", "");
        check("a;b", "a;b");
        check("a;=1;b", "a;'=1;b");
        check("a; \"=1\"", "a;' \"=1\"");
        check("a\t+1\r\n-1\n＠x", "a\t'+1\r\n'-1\n'＠x");
        check("\n=1", "'\n'=1");
        check(";'=;", ";''=;");
        check("' OR 1=1; DROP TABLE client", "'' OR 1=1; DROP TABLE client");
    }

    #[test]
    fn apostrophes_that_a_person_typed_stay() {
        for text in ["'quoted'", "a;'b'"] {
            assert_eq!(unguarded(text.into()), text);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_guarded_reads_back(text in "[a=＝+'\"; \t\r\n\u{feff}]{0,12}") {
            let safe = guarded(text.clone());
            for cell in safe.split(ENDS) {
                let seen = cell.trim_start_matches(|letter: char| letter == '"' || letter.is_whitespace() || is_hidden(letter));
                prop_assert!(seen.is_empty() || seen.starts_with('\'') || !seen.starts_with(BEGINS), "{safe:?}");
            }
            prop_assert_eq!(unguarded(safe), text);
        }
    }
}
