//! The head of an HTTP/1.1 message: first line and header fields, as far as a replay needs them (RFC 9112).

use std::io::{self, BufRead, Read};

/// Longest head that is read, in bytes.
const MAX_HEAD: u64 = 64 * 1024;

/// A message's head.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Reads up to and with the empty line. False when the stream ended before the first byte.
    pub fn read(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        self.bytes.clear();
        let mut reader = reader.take(MAX_HEAD);
        loop {
            let start = self.bytes.len();
            if reader.read_until(b'\n', &mut self.bytes)? == 0 || self.bytes.last() != Some(&b'\n') {
                return match self.bytes.is_empty() {
                    true => Ok(false),
                    false => Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the head of a message is cut or too long",
                    )),
                };
            }
            if matches!(&self.bytes[start..], b"\r\n" | b"\n") {
                return Ok(true);
            }
        }
    }

    /// The words of the first line.
    pub fn first_line(&self) -> impl Iterator<Item = &[u8]> {
        self.lines()
            .next()
            .unwrap_or_default()
            .split(|&byte| byte == b' ')
    }

    /// Value of a field, without blanks around it.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":")?;
            found
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| value.trim_ascii())
        })
    }

    /// Whether a field has this value, in any case.
    pub fn says(&self, name: &str, value: &str) -> bool {
        self.field(name)
            .is_some_and(|found| found.eq_ignore_ascii_case(value.as_bytes()))
    }

    /// A field's value as a number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        str::from_utf8(self.field(name)?).ok()?.parse().ok()
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_to_its_empty_line() {
        let mut reader =
            &b"HTTP/1.1 429 Too Many Requests\r\ncontent-length:  12 \r\nConnection: Close\r\n\r\nbody"[..];
        let mut head = Head::default();
        assert!(head.read(&mut reader).unwrap());
        assert_eq!(head.first_line().nth(1), Some(&b"429"[..]));
        assert_eq!(head.number::<u64>("Content-Length"), Some(12));
        assert_eq!(head.number::<u64>("Content-Type"), None);
        assert!(head.says("connection", "close") && !head.says("connection", "keep-alive"));
        assert_eq!(reader, b"body");
    }

    #[test]
    fn what_is_no_head() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Option<bool>) {
            assert_eq!(Head::default().read(&mut &bytes[..]).ok(), expected);
        }
        check(b"", Some(false));
        check(b"GET / HTTP/1.1\r\n\r\n", Some(true));
        check(b"GET / HTTP/1.1\r\nHost: a", None);
        check(&vec![b'x'; 2 * MAX_HEAD as usize], None);
        check(&b"a: b\r\n".repeat(MAX_HEAD as usize), None);
    }
}
