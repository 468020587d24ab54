//! The workspace's own source text, as tokens: what the rules of its architecture are checked against.
//!
//! Tokens, not text: a word in a comment or in a string is no use of the thing, and `use std::{fs, io}` is one.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The root of the workspace.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or a keyword.
    Word,
    /// One character of an operator, or a bracket.
    Mark,
    /// A string or a number, as written.
    Literal,
}

/// One token of a source file. Comments are none; a doc comment is the attribute `# [ doc = "text" ]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its kind.
    pub kind: Kind,
    /// Its text.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
}

/// A source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path below the root, with `/`.
    pub path: String,
    /// Its number of lines.
    pub lines: usize,
    /// Its tokens, brackets included.
    pub tokens: Vec<Token>,
}

impl Source {
    /// Reads `text` as the file at `path`.
    ///
    /// # Panics
    /// When it is not Rust.
    pub fn new(path: &str, text: &str) -> Source {
        let stream = TokenStream::from_str(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Source {
            path: path.to_owned(),
            lines: text.lines().count(),
            tokens,
        }
    }

    /// Whether the whole file is test code.
    pub fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }

    /// The tokens that end up in the product: without items under `#[cfg(test)]`.
    pub fn product(&self) -> Vec<Token> {
        if self.is_test() {
            return Vec::new();
        }
        let (mut kept, mut at) = (Vec::new(), 0);
        while at < self.tokens.len() {
            if spells(&self.tokens, at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                at = item_end(&self.tokens, at + 7);
            } else {
                kept.push(self.tokens[at].clone());
                at += 1;
            }
        }
        kept
    }
}

/// All Rust files below a directory of the workspace, by path; none when there is no such directory.
///
/// # Panics
/// When a file cannot be read.
pub fn sources(directory: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(directory), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let relative = path
            .strip_prefix(root())
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        Source::new(&relative, &text)
    };
    paths.into_iter().map(read).collect()
}

/// All paths (`a::b::c`) in `tokens` with their lines; trees of `use` are spelled out.
pub fn paths(tokens: &[Token]) -> Vec<(String, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let token = &tokens[at];
        match (token.kind, token.text.as_str()) {
            (Kind::Word, "use") => at = use_tree(tokens, at + 1, "", &mut found),
            (Kind::Word, _) => {
                let (path, end) = plain_path(tokens, at);
                found.push((path, token.line));
                at = end;
            }
            _ => at += 1,
        }
    }
    found
}

/// Whether the tokens from `at` on are these.
pub fn spells(tokens: &[Token], at: usize, texts: &[&str]) -> bool {
    let rest = tokens.get(at..).unwrap_or_default();
    rest.len() >= texts.len() && rest.iter().zip(texts).all(|(token, text)| token.text == *text)
}

/// Index of the bracket that closes the one at `open`.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match (token.kind, token.text.as_str()) {
            (Kind::Mark, "(" | "[" | "{") => depth += 1,
            (Kind::Mark, ")" | "]" | "}") => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let mut push = |kind, text: String, line| tokens.push(Token { kind, text, line });
        match tree {
            TokenTree::Ident(word) => push(Kind::Word, word.to_string(), line),
            TokenTree::Punct(mark) => push(Kind::Mark, mark.as_char().to_string(), line),
            TokenTree::Literal(literal) => push(Kind::Literal, literal.to_string(), line),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                let last = group.span_close().end().line;
                push(Kind::Mark, open.to_owned(), line);
                flatten(group.stream(), tokens);
                tokens.push(Token {
                    kind: Kind::Mark,
                    text: close.to_owned(),
                    line: last,
                });
            }
        }
    }
}

/// Index after the item that begins at `at`: after its `;`, or after its body.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => return at + 1,
            "{" => return closing(tokens, at) + 1,
            "(" | "[" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    at
}

fn plain_path(tokens: &[Token], mut at: usize) -> (String, usize) {
    let mut path = tokens[at].text.clone();
    at += 1;
    while spells(tokens, at, &[":", ":"]) && tokens.get(at + 2).is_some_and(|next| next.kind == Kind::Word) {
        path = format!("{path}::{}", tokens[at + 2].text);
        at += 3;
    }
    (path, at)
}

/// Spells out one tree of a `use`; the index after it.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &str, found: &mut Vec<(String, usize)>) -> usize {
    let mut path = prefix.to_owned();
    while let Some(token) = tokens.get(at) {
        let join = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}::{name}")
            }
        };
        match (token.kind, token.text.as_str()) {
            (Kind::Mark, ":") => at += 1,
            (Kind::Mark, "{") => {
                let end = closing(tokens, at);
                at += 1;
                while at < end {
                    at = use_tree(tokens, at, &path, found);
                    at += usize::from(at < end && tokens[at].text == ",");
                }
                return end + 1;
            }
            (Kind::Word, "as") => at += 2,
            (Kind::Word, "self") if !path.is_empty() => at += 1,
            (Kind::Word, name) => {
                path = join(name);
                at += 1;
            }
            (Kind::Mark, "*") => {
                path = join("*");
                at += 1;
            }
            _ => break,
        }
    }
    let line = tokens.get(at.saturating_sub(1)).map_or(0, |token| token.line);
    found.push((path, line));
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_use_are_spelled_out() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            let found = paths(&Source::new("a.rs", text).tokens);
            assert_eq!(
                found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
                expected,
                "{text}"
            );
        }
        check("use std::fs;", &["std::fs"]);
        check("use ::std::fs as files;", &["std::fs"]);
        check(
            "use std::{fs, io::{self, Read}, net::*};",
            &["std::fs", "std::io", "std::io::Read", "std::net::*"],
        );
        check("// std::fs\nlet a = \"std::fs\";", &["let", "a"]);
        check("std::env::var(x)", &["std::env::var", "x"]);
        check("Vec::<std::fs::File>::new()", &["Vec", "std::fs::File", "new"]);
    }

    #[test]
    fn test_code_is_no_product() {
        #[track_caller]
        fn check(path: &str, text: &str, expected: &[&str]) {
            let found = Source::new(path, text).product();
            assert_eq!(
                found.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(),
                expected,
                "{text}"
            );
        }
        check("core/src/a.rs", "#[cfg(test)] mod tests; x", &["x"]);
        check(
            "core/src/a.rs",
            "#[cfg(test)] mod tests { fn a() { b } } x",
            &["x"],
        );
        check("core/src/a.rs", "#[cfg(test)] fn a(b: [u8; 4]) { b } x", &["x"]);
        check("core/src/a/tests.rs", "x", &[]);
    }
}
