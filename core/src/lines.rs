//! Lists that people and publishers write: one item a line.
//!
//! A `#` starts a comment, blank lines and a trailing `;` (as in nginx's own included files) mean nothing,
//! lines end with LF or CRLF. A bad line is left out and reported; the others count.

use crate::networks;

/// Bytes of a list that are read. A list of [`networks::MAX_RANGES`] IPv4 networks has about half of it.
pub const MAX_BYTES: usize = 8 << 20;

/// Bad lines that are reported one by one; the others are counted in one last [`Fault::More`].
pub const MAX_ERRORS: usize = 20;

/// Bytes of a bad line that its report repeats.
const QUOTED: usize = 48;

/// One line of a list that is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, \"{text}\": {fault}")]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// The line without its comment, escaped and cut: safe for a log and a terminal.
    pub text: String,
    /// What is wrong with it, and what to do.
    pub fault: Fault,
}

/// Why a line is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither an address nor a network.
    #[error("neither an address nor a network such as 192.0.2.0/24 or 2001:db8::/32")]
    Network,
    /// Text before the first line that opens a section.
    #[error("stands before the first \"{0} NAME\" line")]
    Homeless(&'static str),
    /// A section's name is no name.
    #[error("a name has 1 to 32 of a-z, 0-9, \".\", \"_\" and \"-\"")]
    Name,
    /// A token that no agent could be told by.
    #[error("an agent token has 4 to 64 printable characters and starts with a letter or digit")]
    Agent,
    /// A token that another bot has.
    #[error("this agent token belongs to another bot of the list")]
    TakenAgent,
    /// No domain.
    #[error("a dns suffix is a domain with at least two labels, such as crawl.example.com")]
    Suffix,
    /// No kind of bot.
    #[error("a kind is one of search, preview, monitor, ai, seo, archive, other")]
    Kind,
    /// A bound was reached.
    #[error(
        "more than {max} {what}: this line and all after it are left out, merge networks or split the list"
    )]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The list is longer than [`MAX_BYTES`].
    #[error(
        "the list has {0} bytes, this line and all after it are left out: merge networks or split the list"
    )]
    TooLong(usize),
    /// Bad lines beyond [`MAX_ERRORS`].
    #[error("the first of {0} more lines that are left out")]
    More(usize),
}

/// Hands each line that says something to `take`, and reports those that it refuses. Stops at
/// [`Fault::Full`].
pub(crate) fn read(text: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), Fault>) -> Vec<LineError> {
    let text_or_mark = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut errors: Vec<LineError> = Vec::new();
    let mut left = MAX_BYTES;
    for (index, line) in text_or_mark.split(|&byte| byte == b'\n').enumerate() {
        let content = content(line);
        let taken = match left.checked_sub(line.len()) {
            Some(rest) => {
                left = rest.saturating_sub(1);
                if content.is_empty() { Ok(()) } else { take(content) }
            }
            None => Err(Fault::TooLong(text.len())),
        };
        if let Err(fault) = taken {
            let last = matches!(fault, Fault::TooLong(_) | Fault::Full { .. });
            report(&mut errors, index + 1, content, fault);
            if last {
                break;
            }
        }
    }
    errors
}

/// A line without comment, trailing `;` and white space.
fn content(line: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'#', line).unwrap_or(line.len());
    let text = line[..end].trim_ascii();
    text.strip_suffix(b";").unwrap_or(text).trim_ascii_end()
}

fn report(errors: &mut Vec<LineError>, line: usize, content: &[u8], fault: Fault) {
    let ends = matches!(fault, Fault::TooLong(_) | Fault::Full { .. });
    if errors.len() > MAX_ERRORS && !ends {
        if let Some(LineError {
            fault: Fault::More(count),
            ..
        }) = errors.last_mut()
        {
            *count += 1;
        }
        return;
    }
    let fault = if errors.len() == MAX_ERRORS && !ends {
        Fault::More(1)
    } else {
        fault
    };
    errors.push(LineError {
        line,
        text: quoted(content),
        fault,
    });
}

/// Hostile text made safe to print.
fn quoted(text: &[u8]) -> String {
    let cut = &text[..text.len().min(QUOTED)];
    let mut quoted = cut.escape_ascii().to_string();
    if cut.len() < text.len() {
        quoted.push_str("...");
    }
    quoted
}

/// What a word is followed by: `cdn fastly` is `fastly` for `cdn`. None when the line starts otherwise.
pub(crate) fn after<'a>(line: &'a [u8], word: &str) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(word.as_bytes())?;
    match rest.first() {
        None => Some(rest),
        Some(byte) if byte.is_ascii_whitespace() => Some(rest.trim_ascii_start()),
        Some(_) => None,
    }
}

/// Longest name of a section.
const MAX_NAME: usize = 32;

/// The name of a section: it goes into logs, labels and directives as it is.
pub(crate) fn name(text: &[u8]) -> Result<&str, Fault> {
    let plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    let fits = (1..=MAX_NAME).contains(&text.len()) && text.iter().all(plain);
    str::from_utf8(text).ok().filter(|_| fits).ok_or(Fault::Name)
}

/// Networks of a list, counted against the list's bound.
#[derive(Default)]
pub(crate) struct Counted(usize);

impl Counted {
    /// The network on a line.
    pub(crate) fn network(&mut self, line: &[u8]) -> Result<ipnet::IpNet, Fault> {
        let network = networks::network(line)?;
        if self.0 == networks::MAX_RANGES {
            return Err(Fault::Full {
                what: "networks",
                max: networks::MAX_RANGES,
            });
        }
        self.0 += 1;
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &[u8]) -> (Vec<String>, Vec<LineError>) {
        let mut lines = Vec::new();
        let errors = read(text, |line| {
            if line.starts_with(b"bad") {
                return Err(Fault::Network);
            }
            lines.push(String::from_utf8_lossy(line).into_owned());
            Ok(())
        });
        (lines, errors)
    }

    #[test]
    fn lines_are_read_as_people_write_them() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(kept(text.as_bytes()).0, expected, "{text:?}");
        }
        check("", &[]);
        check("a", &["a"]);
        check("a\nb\n", &["a", "b"]);
        check("a\r\n\r\n \tb c \r\n", &["a", "b c"]);
        check("# a\n#\nb # c\nd#e", &["b", "d"]);
        check("a;\nb ; # c\n;\n", &["a", "b"]);
        check("\u{feff}a\nb", &["a", "b"]);
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_is_kept() {
        let (lines, errors) = kept(b"a\n\nbad \x1b[31m\"line\" # why\nb\n");
        assert_eq!(lines, ["a", "b"]);
        assert_eq!(errors.len(), 1);
        assert_eq!(
            errors[0].to_string(),
            "line 3, \"bad \\x1b[31m\\\"line\\\"\": neither an address nor a network such as 192.0.2.0/24 or \
             2001:db8::/32"
        );
        let long = [b"bad".as_slice(), &[b'x'; 1000]].concat();
        assert_eq!(kept(&long).1[0].text.len(), QUOTED + 3);
    }

    #[test]
    fn reports_are_bounded() {
        let (lines, errors) = kept(("bad\n".repeat(1000) + "a").as_bytes());
        assert_eq!(lines, ["a"]);
        assert_eq!(errors.len(), MAX_ERRORS + 1);
        let last = errors.last().unwrap();
        assert_eq!((last.line, &last.fault), (21, &Fault::More(980)));
    }

    #[test]
    fn a_list_is_read_to_its_bound() {
        let line = "0123456\n";
        let (lines, errors) = kept(line.repeat(MAX_BYTES / line.len()).as_bytes());
        assert_eq!((lines.len(), errors.len()), (MAX_BYTES / line.len(), 0));
        let (lines, errors) = kept(line.repeat(MAX_BYTES / line.len() + 2).as_bytes());
        assert_eq!((lines.len(), errors.len()), (MAX_BYTES / line.len(), 1));
        assert_eq!(errors[0].line, MAX_BYTES / line.len() + 1);
        assert_eq!(errors[0].fault, Fault::TooLong(MAX_BYTES + 2 * line.len()));
    }

    #[test]
    fn names_are_plain() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            assert_eq!(name(text.as_bytes()).is_ok(), expected, "{text}");
        }
        check("google-bot_2.x", true);
        check("", false);
        check("Google", false);
        check("a b", false);
        check(&"a".repeat(32), true);
        check(&"a".repeat(33), false);
    }

    #[test]
    fn a_word_opens_a_line() {
        assert_eq!(after(b"cdn  fastly", "cdn"), Some(b"fastly".as_slice()));
        assert_eq!(after(b"cdn", "cdn"), Some(b"".as_slice()));
        assert_eq!(after(b"cdnow", "cdn"), None);
        assert_eq!(after(b"192.0.2.0/24", "cdn"), None);
    }
}
