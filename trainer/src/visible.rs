//! Somebody else's text, made safe to show on a terminal.

/// Whether a character moves the cursor, turns the direction of what stands beside it, or takes no room: text
/// with it may look like other text.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{e0000}'..='\u{e0fff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// Hostile bytes as text: hidden characters are escaped, what is not UTF-8 becomes U+FFFD, and what is longer
/// than `limit` characters is cut.
pub fn escaped(bytes: &[u8], limit: usize) -> String {
    let head = &bytes[..bytes.len().min(limit.saturating_mul(4))];
    let text = String::from_utf8_lossy(head);
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(limit) {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() || head.len() < bytes.len() {
        shown.push('…');
    }
    shown
}

/// The same where width matters: each hidden character becomes one question mark.
pub fn masked(text: &str) -> String {
    text.chars()
        .map(|character| if is_hidden(character) { '?' } else { character })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_made_visible() {
        #[track_caller]
        fn check(bytes: &[u8], limit: usize, expected: &str) {
            assert_eq!(escaped(bytes, limit), expected);
        }
        check(b"192.0.2.1", 100, "192.0.2.1");
        check(b"\x1b[31mred\r\n", 100, "\\u{1b}[31mred\\r\\n");
        check("caf\u{e9} \u{202e}gpj".as_bytes(), 100, "café \\u{202e}gpj");
        check("1\u{61c}2".as_bytes(), 100, "1\\u{61c}2");
        check("\u{9b}31m".as_bytes(), 100, "\\u{9b}31m");
        check("a\u{e0041}b".as_bytes(), 100, "a\\u{e0041}b");
        check(&[0xff, b'a'], 100, "\u{fffd}a");
        check(b"abcdef", 3, "abc…");
        check(&[b'x'; 1000], 2, "xx…");
    }

    #[test]
    fn masked_text_keeps_its_width() {
        assert_eq!(masked("a\u{202e}b\u{9b}c\r\u{61c}\u{feff}é"), "a?b?c???é");
    }
}
