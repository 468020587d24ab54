//! Somebody else's text, made safe to show.

/// Whether a character moves the cursor, turns the direction of its neighbours, or takes no room.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// The first `limit` characters, hidden ones escaped.
pub fn escaped(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(limit) {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_made_visible() {
        #[track_caller]
        fn check(text: &str, limit: usize, expected: &str) {
            assert_eq!(escaped(text, limit), expected);
        }
        check("quota is used up", 100, "quota is used up");
        check("\u{1b}[31mred\r\n", 100, "\\u{1b}[31mred\\r\\n");
        check("a\u{202e}b", 100, "a\\u{202e}b");
        check("abcdef", 3, "abc…");
    }
}
