//! The words of an nginx configuration file (`ngx_conf_read_token`).

use std::iter::Peekable;
use std::str::Chars;

/// A piece of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A word, without its quotes.
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// The tokens of a text, each with its line, from 1.
pub fn tokens(text: &str) -> impl Iterator<Item = (Token, usize)> {
    let mut cursor = Cursor {
        characters: text.chars().peekable(),
        line: 1,
    };
    std::iter::from_fn(move || cursor.token())
}

struct Cursor<'a> {
    characters: Peekable<Chars<'a>>,
    line: usize,
}

impl Cursor<'_> {
    fn step(&mut self) -> Option<char> {
        let character = self.characters.next()?;
        if character == '\n' {
            self.line += 1;
        }
        Some(character)
    }

    fn token(&mut self) -> Option<(Token, usize)> {
        loop {
            let line = self.line;
            let token = match self.step()? {
                blank if blank.is_ascii_whitespace() => continue,
                '#' => {
                    while self.step().is_some_and(|character| character != '\n') {}
                    continue;
                }
                ';' => Token::End,
                '{' => Token::Open,
                '}' => Token::Close,
                quote @ ('"' | '\'') => Token::Word(self.quoted(quote)),
                first => Token::Word(self.plain(first)),
            };
            return Some((token, line));
        }
    }

    /// Up to the closing quote; a backslash takes the next quote, and the line-end letters, for what they mean.
    fn quoted(&mut self, quote: char) -> String {
        let mut word = String::new();
        while let Some(character) = self.step() {
            match character {
                '\\' => self.backslash(&mut word),
                _ if character == quote => break,
                _ => word.push(character),
            }
        }
        word
    }

    /// Up to a blank, `;` or `{`; the braces of `${name}` and of a pattern's `{1,3}` belong to the word.
    fn plain(&mut self, first: char) -> String {
        let mut word = String::new();
        let mut next = Some(first);
        while let Some(character) = next {
            match character {
                '\\' => self.backslash(&mut word),
                _ => word.push(character),
            }
            let braced = character == '$' || self.counted();
            next = match self.characters.peek() {
                Some('{') if braced => {
                    while let Some(inner) = self.step() {
                        word.push(inner);
                        if inner == '}' {
                            break;
                        }
                    }
                    match self.characters.peek() {
                        None | Some(';' | '{') => None,
                        Some(blank) if blank.is_ascii_whitespace() => None,
                        Some(_) => self.step(),
                    }
                }
                None | Some(';' | '{') => None,
                Some(blank) if blank.is_ascii_whitespace() => None,
                Some(_) => self.step(),
            };
        }
        word
    }

    /// Whether a repetition such as `{1,3}` follows. nginx wants such patterns quoted; a block after a word
    /// without a blank never begins with a digit.
    fn counted(&self) -> bool {
        let mut ahead = self.characters.clone();
        ahead.next() == Some('{') && ahead.next().is_some_and(|character| character.is_ascii_digit())
    }

    fn backslash(&mut self, word: &mut String) {
        match self.step() {
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(quote @ ('"' | '\'' | '\\')) => word.push(quote),
            Some(other) => {
                word.push('\\');
                word.push(other);
            }
            None => word.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_nginx_words() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            let found: Vec<String> = tokens(text)
                .map(|(token, _)| match token {
                    Token::Word(word) => word,
                    Token::End => ";".to_owned(),
                    Token::Open => "{".to_owned(),
                    Token::Close => "}".to_owned(),
                })
                .collect();
            assert_eq!(found, expected, "{text}");
        }
        check("a b;", &["a", "b", ";"]);
        check("http{a b;}", &["http", "{", "a", "b", ";", "}"]);
        check("a # b;\nc;", &["a", "c", ";"]);
        check("a b#c;", &["a", "b#c", ";"]);
        check("a 'b \\' ; {' \"c\\\"\";", &["a", "b ' ; {", "c\"", ";"]);
        check(
            "a \\.php$ ${b}c{d;}",
            &["a", "\\.php$", "${b}c", "{", "d", ";", "}"],
        );
        check("~ ^/\\d{2}$ {", &["~", "^/\\d{2}$", "{"]);
        check("\"\" ;", &["", ";"]);
        check("'never closed", &["never closed"]);
        check("a\\", &["a\\"]);
        check("", &[]);
    }

    #[test]
    fn lines_are_counted() {
        let lines: Vec<usize> = tokens("a\n\n'b\nc' d;\n#\ne").map(|(_, line)| line).collect();
        assert_eq!(lines, [1, 3, 4, 4, 6]);
    }
}
