//! All texts of the pages, in English and Japanese. Each page has a struct of its own; both languages stand side by
//! side, so that the compiler misses the one that is missing. Templates have no text of their own, which a test sees to.

mod clients;
mod groups;
mod language_models;
mod models;
mod now;
mod shell;
mod users;

use crate::explain::Lang;

pub use clients::{Actions, Clients, OneClient};
pub use groups::{Explanations, Groups, LookUp, Reports};
pub use language_models::LanguageModels;
pub use models::Models;
pub use now::Now;
pub use shell::{LogIn, Shell};
pub use users::Users;

/// A struct of texts: `key: "English" | "Japanese"`. `{0}`, `{1}` are what [`fill`] puts there.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($key:ident: $english:literal | $japanese:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name {
            $(#[doc = $english] pub $key: &'static str,)*
        }

        impl $name {
            const ENGLISH: $name = $name { $($key: $english,)* };
            const JAPANESE: $name = $name { $($key: $japanese,)* };

            /// Those of a language.
            pub fn of(lang: crate::explain::Lang) -> &'static $name {
                match lang {
                    crate::explain::Lang::En => &$name::ENGLISH,
                    crate::explain::Lang::Ja => &$name::JAPANESE,
                }
            }

            #[cfg(test)]
            pub(super) const PAIRS: &[(&'static str, &'static str, &'static str)] =
                &[$((stringify!($key), $english, $japanese),)*];
        }
    };
}
use words;

/// Puts values for `{0}`, `{1}` and so on. What stands in the values is not looked at.
pub fn fill(text: &str, values: &[&str]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, after) = rest.split_at(start);
        filled.push_str(before);
        let inside = after[1..].split_once('}');
        let value = inside.and_then(|(number, _)| values.get(number.parse::<usize>().ok()?));
        match (inside, value) {
            (Some((_, behind)), Some(value)) => {
                filled.push_str(value);
                rest = behind;
            }
            _ => {
                filled.push('{');
                rest = &after[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// A verdict's meaning in a few words, for those who do not know nginx's.
pub fn verdict(lang: Lang, verdict: &str) -> &'static str {
    let words = Shell::of(lang);
    match verdict {
        "PASSED" => words.passed,
        "SUSPECT" => words.suspect,
        "REJECTED" => words.rejected,
        "REJECTED_DRY_RUN" => words.rejected_dry_run,
        "ALLOWED" => words.allowed,
        "TRAPPED" => words.trapped,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use regex::Regex;

    use super::*;

    /// Every struct of texts.
    const ALL: &[&[(&str, &str, &str)]] = &[
        Shell::PAIRS,
        LogIn::PAIRS,
        Now::PAIRS,
        Users::PAIRS,
        Clients::PAIRS,
        OneClient::PAIRS,
        Actions::PAIRS,
        Groups::PAIRS,
        LookUp::PAIRS,
        Explanations::PAIRS,
        Reports::PAIRS,
        LanguageModels::PAIRS,
        Models::PAIRS,
    ];

    #[test]
    fn every_text_is_there_in_both_languages() {
        // Names are the same in both.
        let names = ["nginx"];
        let places = |text: &str| {
            let mut places: Vec<String> = Regex::new(r"\{\d\}")
                .unwrap()
                .find_iter(text)
                .map(|found| found.as_str().to_owned())
                .collect();
            places.sort();
            places
        };
        for (key, english, japanese) in ALL.iter().copied().flatten() {
            assert!(
                !english.trim().is_empty() && english.is_ascii(),
                "{key}: {english}"
            );
            let is_japanese = japanese.chars().any(|character| character as u32 > 0x2fff);
            assert!(is_japanese || names.contains(japanese), "{key}: {japanese}");
            assert_eq!(places(english), places(japanese), "{key}");
        }
    }

    #[test]
    fn values_are_filled_in_once() {
        #[track_caller]
        fn check(text: &str, values: &[&str], expected: &str) {
            assert_eq!(fill(text, values), expected);
        }
        check("{0} of {1}", &["1", "2"], "1 of 2");
        check("{1} of {0}", &["1", "2"], "2 of 1");
        check("{0}", &["{1}", "x"], "{1}");
        check("{2} {x} {", &["a"], "{2} {x} {");
    }

    /// Text of a template that no struct above has: between tags, or in an attribute that people read.
    fn own_text(template: &str) -> Option<String> {
        let code = Regex::new(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}").unwrap();
        let plain = code.replace_all(template, "");
        // The value of a button goes to the daemon; people read what stands within it.
        let button = Regex::new(r#"(<button\b[^>]*?) value="[^"]*""#).unwrap();
        let plain = button.replace_all(&plain, "$1");
        let shown = Regex::new(r#"(?:aria-label|title|placeholder|alt|value)="([^"]*)""#).unwrap();
        let attributes: Vec<&str> = shown
            .captures_iter(&plain)
            .map(|found| found.get(1).unwrap().as_str())
            .collect();
        let between = Regex::new(r"(?s)<[^>]*>").unwrap();
        let text = between.replace_all(&plain, " ").into_owned();
        attributes
            .into_iter()
            .chain(text.split_whitespace())
            .find(|text| text.chars().any(char::is_alphabetic) && *text != "Sekisho")
            .map(str::to_owned)
    }

    #[test]
    fn templates_have_no_text_of_their_own() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/pages");
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let template = fs::read_to_string(&path).unwrap();
            assert_eq!(own_text(&template), None, "{}", path.display());
        }
        assert_eq!(own_text("<p>Wait</p>"), Some("Wait".to_owned()));
        assert_eq!(own_text("<a title=\"Wait\">{{ x }}</a>"), Some("Wait".to_owned()));
        assert_eq!(own_text("<!-- --><p class=\"a\">{{ words.wait }}: 1</p>"), None);
    }

    #[test]
    fn templates_name_files_that_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/pages");
        let named = Regex::new(r#"frame\.asset\("([^"]*)"\)"#).unwrap();
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let template = fs::read_to_string(entry.unwrap().path()).unwrap();
            for found in named.captures_iter(&template) {
                assert_ne!(crate::serve::pages::assets::path(&found[1]), "", "{}", &found[1]);
                count += 1;
            }
        }
        assert!(count > 3);
    }
}
