//! Text as it is compared: one spelling for what people read as the same.
//!
//! The useful part of Unicode's NFKC with case folding: letters of full and half width, half-width kana with their
//! voicing marks, capitals, Latin letters with accents.

/// Full-width kana of U+FF66 to U+FF9D, in that order.
const KANA: &str = "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";
/// Kana that can be voiced, and what they become.
const PLAIN: &str = "かきくけこさしすせそたちつてとはひふへほうカキクケコサシスセソタチツテトハヒフヘホウ";
const VOICED: &str = "がぎぐげござじずぜぞだぢづでどばびぶべぼゔガギグゲゴザジズゼゾダヂヅデドバビブベボヴ";
const BEFORE_RING: &str = "はひふへほハヒフヘホ";
const WITH_RING: &str = "ぱぴぷぺぽパピプペポ";
/// Latin letters with accents, lower case, and what is left of them.
const ACCENTED: &str =
    "àáâãäåāăąçćĉċčďđèéêëēĕėęěĝğġģĥħìíîïĩīĭįĵķĺļľłñńņňòóôõöøōŏőŕŗřśŝşšţťŧùúûüũūŭůűųŵýÿŷźżž";
const BARE: &str = "aaaaaaaaacccccddeeeeeeeeegggghhiiiiiiiijkllllnnnnooooooooorrrsssstttuuuuuuuuuuwyyyzzz";

/// The text folded. What stands between letters stays, as far as it is not a mark on one.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{3099}' | '\u{309b}' | '\u{ff9e}' => mark(&mut folded, PLAIN, VOICED),
            '\u{309a}' | '\u{309c}' | '\u{ff9f}' => mark(&mut folded, BEFORE_RING, WITH_RING),
            // Accents that stand after their letter.
            '\u{300}'..='\u{36f}' => {}
            'ß' | 'ẞ' => folded.push_str("ss"),
            _ => {
                for lower in width(character).to_lowercase() {
                    match lower {
                        '\u{300}'..='\u{36f}' => {}
                        lower => folded.push(exchange(lower, ACCENTED, BARE).unwrap_or(lower)),
                    }
                }
            }
        }
    }
    folded
}

/// Of the width in which a character is usually written.
fn width(character: char) -> char {
    match character {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        '\u{ff66}'..='\u{ff9d}' => {
            let place = u32::from(character) - 0xff66;
            KANA.chars().nth(place as usize).unwrap_or(character)
        }
        other => other,
    }
}

/// Puts a mark on the last letter; one that cannot have it loses it.
fn mark(folded: &mut String, from: &str, to: &str) {
    if let Some(last) = folded.pop() {
        folded.push(exchange(last, from, to).unwrap_or(last));
    }
}

fn exchange(letter: char, from: &str, to: &str) -> Option<char> {
    let place = from.chars().position(|each| each == letter)?;
    to.chars().nth(place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_the_same_are_the_same() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(fold(text), expected);
        }
        check("ＣＲＡＷＬＥＲ　２０２６", "crawler 2026");
        check("ｸﾛｰﾗｰ ﾊﾞｯﾁ ﾌﾟﾛｷｼ", "クローラー バッチ プロキシ");
        check("か\u{3099}は\u{309a}", "がぱ");
        check(
            "Über Café cafe\u{301} STRASSE Straße",
            "uber cafe cafe strasse strasse",
        );
        check("ÉTÉ ŁÓDŹ İstanbul", "ete lodz istanbul");
        check("在庫", "在庫");
        check("\u{3099}\u{ff9f}", "");
        check("", "");
    }

    #[test]
    fn tables_are_as_long_as_each_other() {
        for (from, to) in [(PLAIN, VOICED), (BEFORE_RING, WITH_RING), (ACCENTED, BARE)] {
            assert_eq!(from.chars().count(), to.chars().count(), "{from}");
        }
        assert_eq!(KANA.chars().count(), 0xff9d - 0xff66 + 1);
    }

    proptest! {
        #[test]
        fn what_is_folded_stays(text in ".{0,60}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
        }
    }
}
