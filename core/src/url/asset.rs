//! What a page pulls in by itself.

use crate::sip::next_word;

/// File endings of scripts, styles, pictures, fonts and media, in lower case.
const ASSETS: [&[u8]; 27] = [
    b"css", b"js", b"mjs", b"map", b"png", b"jpg", b"jpeg", b"gif", b"webp", b"avif", b"svg", b"ico", b"bmp",
    b"woff", b"woff2", b"ttf", b"otf", b"eot", b"mp4", b"webm", b"mp3", b"ogg", b"wav", b"m4a", b"swf",
    b"wasm", b"cur",
];
/// Bytes of the longest of them.
const LONGEST: usize = 5;
/// The only longer one, with its dot.
const MANIFEST: &[u8] = b".webmanifest";

/// The endings as words, first byte lowest; the most frequent ones come first.
const WORDS: [u64; ASSETS.len()] = {
    let mut words = [0; ASSETS.len()];
    let mut asset = 0;
    while asset < ASSETS.len() {
        let mut at = 0;
        while at < ASSETS[asset].len() {
            words[asset] |= (ASSETS[asset][at] as u64) << (8 * at);
            at += 1;
        }
        asset += 1;
    }
    words
};

/// Whether a path ends in one of [`ASSETS`], in whatever case.
#[inline]
pub(super) fn is_asset(path: &[u8]) -> bool {
    let tail = &path[path.len().saturating_sub(LONGEST + 1)..];
    match tail.iter().rposition(|&byte| byte == b'.') {
        Some(dot) => {
            let (word, _) = next_word(&tail[dot + 1..]);
            // Bit 5 makes a letter lower-case, and bit 6 tells letters from digits and controls.
            WORDS.contains(&(word | (word & 0x4040_4040_4040_4040) >> 1))
        }
        None => path
            .last_chunk::<{ MANIFEST.len() }>()
            .is_some_and(|end| end.eq_ignore_ascii_case(MANIFEST)),
    }
}
