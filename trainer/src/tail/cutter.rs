//! Bytes of a file become lines. The end of what was read may lie anywhere.

use sekisho_core::sample::MAX_LINE;

use crate::store::Line;

/// What was cut from some bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut<'a> {
    /// The lines that end in them.
    pub lines: Vec<Line<'a>>,
    /// Bytes that are done with. What follows is the beginning of a line, and waits for its end.
    pub consumed: usize,
    /// Whether they end within a line that is too long, of which the rest is to be skipped.
    pub skipping: bool,
}

/// Cuts bytes into lines. `skipping`: they begin within a line that was found too long. More than [`MAX_LINE`] bytes
/// always make progress: a line that is longer is counted as soon as that is seen, and its rest is skipped.
pub fn cut(bytes: &[u8], skipping: bool) -> Cut<'_> {
    let mut cut = Cut {
        lines: Vec::new(),
        consumed: 0,
        skipping,
    };
    for newline in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[cut.consumed..newline];
        if !cut.skipping {
            cut.lines.push(if line.len() > MAX_LINE {
                Line::Overlong(line.len())
            } else {
                Line::Whole(line)
            });
        }
        cut.skipping = false;
        cut.consumed = newline + 1;
    }
    let rest = bytes.len() - cut.consumed;
    if !cut.skipping && rest > MAX_LINE {
        cut.lines.push(Line::Overlong(rest));
        cut.skipping = true;
    }
    if cut.skipping {
        cut.consumed = bytes.len();
    }
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_end_at_newlines() {
        #[track_caller]
        fn check(bytes: &[u8], skipping: bool, lines: &[&[u8]], consumed: usize) {
            let cut = cut(bytes, skipping);
            let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::Whole(line)).collect();
            assert_eq!((cut.lines, cut.consumed), (lines, consumed));
        }
        check(b"", false, &[], 0);
        check(b"a\nbc\n", false, &[b"a", b"bc"], 5);
        check(b"a\nhalf", false, &[b"a"], 2);
        check(b"\n\n", false, &[b"", b""], 2);
        check(b"rest\na\n", true, &[b"a"], 7);
        check(b"rest", true, &[], 4);
        let longest = vec![b'x'; MAX_LINE];
        check(&longest, false, &[], 0);
        check(
            &[longest.as_slice(), b"\n"].concat(),
            false,
            &[&longest],
            MAX_LINE + 1,
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_counted_once_and_skipped() {
        let long = vec![b'x'; MAX_LINE + 1];
        let first = cut(&long, false);
        assert_eq!(first.lines, [Line::Overlong(MAX_LINE + 1)]);
        assert!(first.skipping && first.consumed == long.len());
        let whole = [long.as_slice(), b"\na\n"].concat();
        assert_eq!(
            cut(&whole, false).lines,
            [Line::Overlong(MAX_LINE + 1), Line::Whole(b"a")]
        );
    }

    /// Reads a text in pieces as a file that grows, each time from where the last cut ended.
    fn in_pieces(text: &[u8], sizes: &[usize]) -> (Vec<Option<Vec<u8>>>, usize) {
        let (mut lines, mut offset, mut end, mut skipping) = (Vec::new(), 0, 0, false);
        let mut sizes = sizes.iter().cycle();
        while end < text.len() {
            end = (end + sizes.next().copied().unwrap_or(1)).min(text.len());
            let cut = cut(&text[offset..end], skipping);
            lines.extend(cut.lines.iter().map(|line| match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::Overlong(_) => None,
            }));
            offset += cut.consumed;
            skipping = cut.skipping;
        }
        (lines, offset)
    }

    /// What comes out, said otherwise: split at newlines, the last piece is no line yet.
    fn expected(text: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut pieces: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
        let last = pieces.pop().unwrap_or_default();
        let line = |piece: &[u8]| (piece.len() <= MAX_LINE).then(|| piece.to_vec());
        let mut lines: Vec<Option<Vec<u8>>> = pieces.into_iter().map(line).collect();
        if last.len() > MAX_LINE {
            lines.push(None);
        }
        lines
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            parts in prop::collection::vec((0usize..40, any::<bool>()), 0..40),
            long in prop::option::of((0usize..40, MAX_LINE - 1..MAX_LINE + 40)),
            sizes in prop::collection::vec(1usize..9000, 1..20),
        ) {
            let mut text = Vec::new();
            for (index, (length, ends)) in parts.iter().enumerate() {
                let length = match long {
                    Some((at, length)) if at == index => length,
                    _ => *length,
                };
                text.extend(std::iter::repeat_n(b'a' + (index % 26) as u8, length));
                if *ends {
                    text.push(b'\n');
                }
            }
            let (lines, offset) = in_pieces(&text, &sizes);
            prop_assert_eq!(lines, expected(&text));
            let rest = text.len() - offset;
            prop_assert!(rest <= MAX_LINE && !text[offset..].contains(&b'\n'));
        }
    }
}
