//! What a page pulls in by itself.

use crate::block::few;

/// File endings of scripts, styles, pictures, fonts and media, in lower case.
const ASSETS: [&[u8]; 27] = [
    b"css", b"js", b"mjs", b"map", b"png", b"jpg", b"jpeg", b"gif", b"webp", b"avif", b"svg", b"ico", b"bmp",
    b"woff", b"woff2", b"ttf", b"otf", b"eot", b"mp4", b"webm", b"mp3", b"ogg", b"wav", b"m4a", b"swf",
    b"wasm", b"cur",
];
/// Bytes of the longest of them.
const LONGEST: u32 = 5;
/// The only longer one: its end, and what comes before that.
const MANIFEST: (&[u8; 8], &[u8; 4]) = (b"manifest", b".web");

/// A hash table without collisions: endings as words, first byte lowest, each in the place that [`place`] gives it.
const TABLE: [u64; PLACES] = filled();
const PLACES: usize = 64;
/// Found by trying: it keeps them apart.
const MULTIPLIER: u64 = 0x06fa_adb1_0a24_8cff;

const fn place(ending: u64) -> usize {
    (ending.wrapping_mul(MULTIPLIER) >> (u64::BITS - PLACES.ilog2())) as usize
}

const fn filled() -> [u64; PLACES] {
    let (mut table, mut asset) = ([u64::MAX; PLACES], 0);
    while asset < ASSETS.len() {
        let (mut word, mut at) = (0, 0);
        while at < ASSETS[asset].len() {
            word |= (ASSETS[asset][at] as u64) << (8 * at);
            at += 1;
        }
        let place = place(word);
        assert!(table[place] == u64::MAX, "two endings have one place");
        table[place] = word;
        asset += 1;
    }
    table
}

/// Whether a path ends in one of [`ASSETS`], in whatever case.
#[inline]
pub(super) fn is_asset(path: &[u8]) -> bool {
    // The last byte highest; before a shorter path there is nothing.
    let end = match path.last_chunk::<8>() {
        Some(end) => u64::from_le_bytes(*end),
        None => few(path) << 8 << (8 * (7 - path.len() as u32 % 8)),
    };
    let dots = zeros(end ^ 0x2e2e_2e2e_2e2e_2e2e);
    let behind = dots.leading_zeros() / 8;
    // Bit 5 makes a letter lower-case, and bit 6 tells letters from digits and controls.
    let lower = |word: u64| word | (word & 0x4040_4040_4040_4040) >> 1;
    if (1..=LONGEST).contains(&behind) {
        let ending = lower(end >> (u64::BITS - 8 * behind));
        return TABLE[place(ending)] == ending;
    }
    lower(end) == u64::from_le_bytes(*MANIFEST.0)
        && path[..path.len() - MANIFEST.0.len()]
            .last_chunk()
            .is_some_and(|before: &[u8; 4]| before.eq_ignore_ascii_case(MANIFEST.1))
}

/// The highest bit of each byte that is zero.
fn zeros(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW) + LOW) | word | LOW)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slowly(path: &[u8]) -> bool {
        let text = path.to_ascii_lowercase();
        let Some(dot) = text.iter().rposition(|&byte| byte == b'.') else {
            return false;
        };
        let ending = &text[dot + 1..];
        ASSETS.contains(&ending) || ending == b"webmanifest"
    }

    #[test]
    fn every_ending_is_found() {
        for asset in ASSETS {
            for before in ["", "/", "/a/long/path/to.some/file", "/x."] {
                let path = [before.as_bytes(), b".", asset].concat();
                assert!(is_asset(&path), "{}", path.escape_ascii());
                assert!(is_asset(&path.to_ascii_uppercase()));
                assert!(!is_asset(&path[..path.len() - 1]) || slowly(&path[..path.len() - 1]));
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_ending_says(path in "[/a-zA-Z0-9.]{0,12}(\\.|)(css|JS|map|html|webp|woff2|WebManifest|php|\u{0}|)[a-z.]{0,2}") {
            prop_assert_eq!(is_asset(path.as_bytes()), slowly(path.as_bytes()), "{:?}", path);
        }

        #[test]
        fn any_bytes_have_an_ending_or_none(path in prop::collection::vec(any::<u8>(), 0..14)) {
            prop_assert_eq!(is_asset(&path), slowly(&path));
        }
    }
}
