//! Undoing what logs do to awkward bytes.

use std::borrow::Cow;

use memchr::memchr;

/// How a log writes bytes that it cannot write as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escaping {
    /// nginx `escape=default` (`\xHH`) and Apache (`\xhh`, `\"`, `\\`, `\n`, `\t` ...).
    #[default]
    Backslash,
    /// JSON strings; nginx `escape=json`.
    Json,
    /// nginx `escape=none`.
    None,
}

impl Escaping {
    /// The bytes behind `text`; borrowed when nothing was escaped.
    pub(super) fn undo(self, text: &[u8]) -> Cow<'_, [u8]> {
        if self == Escaping::None {
            return Cow::Borrowed(text);
        }
        match memchr(b'\\', text) {
            None => Cow::Borrowed(text),
            Some(first) => Cow::Owned(undo_from(text, first, self)),
        }
    }
}

/// An escape that means nothing stays as it is: a log line is evidence, not a document to refuse.
fn undo_from(text: &[u8], first: usize, escaping: Escaping) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let used = match escaping {
            Escaping::Json => undo_json(rest, &mut plain),
            _ => undo_backslash(rest, &mut plain),
        };
        if used == 0 {
            plain.push(b'\\');
            rest = &rest[1..];
        } else {
            rest = &rest[used..];
        }
        next = memchr(b'\\', rest);
    }
    plain.extend_from_slice(rest);
    plain
}

/// `rest` begins with a backslash. Returns how many bytes the escape took, 0 when it is none.
fn undo_backslash(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    let byte = match rest.get(1) {
        Some(b'x') => {
            let Some(value) = rest.get(2..4).and_then(hex) else {
                return 0;
            };
            plain.push(value as u8);
            return 4;
        }
        Some(b'"') => b'"',
        Some(b'\\') => b'\\',
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'v') => 11,
        _ => return 0,
    };
    plain.push(byte);
    2
}

fn undo_json(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    let byte = match rest.get(1) {
        Some(b'u') => return undo_unicode(rest, plain),
        Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'f') => 12,
        _ => return 0,
    };
    plain.push(byte);
    2
}

/// `\uXXXX`, and two of them for what lies beyond the basic plane; lone surrogates become U+FFFD.
fn undo_unicode(rest: &[u8], plain: &mut Vec<u8>) -> usize {
    let unit = |at: usize| match rest.get(at..at + 6) {
        Some([b'\\', b'u', digits @ ..]) => hex(digits),
        _ => None,
    };
    let Some(high) = unit(0) else { return 0 };
    let (code, used) = match (high, unit(6)) {
        (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
            (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), 12)
        }
        _ => (high, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    plain.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    used
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |value, &byte| Some(value << 4 | (byte as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes() {
        #[track_caller]
        fn check(escaping: Escaping, text: &str, expected: &[u8]) {
            assert_eq!(&*escaping.undo(text.as_bytes()), expected, "{text}");
        }
        let log = Escaping::Backslash;
        check(log, r"plain", b"plain");
        check(log, r"\x22\x5C\x00\xff", &[b'"', b'\\', 0, 255]);
        check(log, r#"a\"b\\c\n"#, b"a\"b\\c\n");
        check(log, r"\x2", br"\x2");
        check(log, r"\xzz\q\", br"\xzz\q\");
        let json = Escaping::Json;
        check(json, r#"\"\\\/\u0041\n"#, b"\"\\/A\n");
        check(json, r"\u00e9", "é".as_bytes());
        check(json, r"\ud83d\ude00", "😀".as_bytes());
        check(json, r"\ud83d!", "\u{fffd}!".as_bytes());
        check(json, r"\u12", br"\u12");
        check(Escaping::None, r"\x22", br"\x22");
    }

    #[test]
    fn nothing_is_copied_without_a_backslash() {
        assert!(matches!(
            Escaping::Backslash.undo(b"/a?b=c"),
            Cow::Borrowed(b"/a?b=c")
        ));
    }

    proptest! {
        #[test]
        fn nginx_escaping_is_undone(bytes: Vec<u8>) {
            let mut text = String::new();
            for &byte in &bytes {
                match byte {
                    b'"' | b'\\' | 0..32 | 127.. => text.push_str(&format!("\\x{byte:02X}")),
                    _ => text.push(byte as char),
                }
            }
            prop_assert_eq!(&*Escaping::Backslash.undo(text.as_bytes()), &bytes[..]);
        }

        #[test]
        fn json_strings_are_undone(text: String) {
            let quoted = serde_json::to_string(&text).unwrap();
            let inner = &quoted.as_bytes()[1..quoted.len() - 1];
            prop_assert_eq!(&*Escaping::Json.undo(inner), text.as_bytes());
        }

        #[test]
        fn any_bytes_are_taken(text: Vec<u8>) {
            Escaping::Json.undo(&text);
            Escaping::Backslash.undo(&text);
        }
    }
}
