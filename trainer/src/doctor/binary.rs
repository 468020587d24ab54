//! What a compiled nginx or module says about itself, read from its bytes.
//!
//! nginx loads a module only if its version is nginx's own and its signature, a string of the features that
//! change the layout of structures, is the same (`ngx_add_module`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem;

/// Most bytes of a file that are looked at.
const MAX_BYTES: u64 = 256 << 20;
/// Flags of a signature: 34 since nginx 1.9.11, and some to come.
const FLAGS: std::ops::RangeInclusive<usize> = 30..=48;
/// Versions as nginx numbers them: 1.22.1 is 1,022,001.
const VERSIONS: std::ops::Range<u64> = 1_000_000..10_000_000;
/// Only the build for tests and the demo has this variable; it believes a request header.
const TEST_BUILD: &[u8] = b"sekisho_counters";
/// Names of a signature's flags, from the first (`ngx_module.h`).
const FLAG_NAMES: [&str; 34] = [
    "kqueue",
    "IOCP",
    "file AIO",
    "sendfile NODISKIO",
    "eventfd",
    "epoll",
    "keepalive options",
    "IPv6",
    "flag 9",
    "flag 10",
    "deferred accept",
    "flag 12",
    "setfib",
    "TCP fast open",
    "unix sockets",
    "variadic macros",
    "flag 17",
    "flag 18",
    "openat",
    "atomic operations",
    "POSIX semaphores",
    "threads",
    "PCRE",
    "SSL",
    "flag 25",
    "gzip",
    "flag 27",
    "X-Forwarded-For",
    "realip",
    "headers",
    "DAV",
    "cache",
    "upstream zone",
    "--with-compat",
];

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// nginx's version number in a module's table.
    pub version: Option<String>,
    /// The first signature.
    pub signature: Option<String>,
    /// Whether it is the module's test build.
    pub test_build: bool,
}

/// Reads a file's stamp.
pub fn read(path: &Path) -> io::Result<Stamp> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(stamp(&bytes))
}

/// Finds the stamp in a file's bytes.
pub fn stamp(bytes: &[u8]) -> Stamp {
    Stamp {
        version: version(bytes),
        signature: signature(bytes),
        test_build: memmem::find(bytes, TEST_BUILD).is_some(),
    }
}

/// The beginning of `ngx_module_t` as `NGX_MODULE_V1` writes it: two unset indices, no name, two spare words,
/// then the version.
fn version(bytes: &[u8]) -> Option<String> {
    let mut head = [0xff; 40];
    head[16..].fill(0);
    let numbers = memmem::find_iter(bytes, &head).filter_map(|at| {
        let word = bytes.get(at + head.len()..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*word))
    });
    let number = numbers.into_iter().find(|number| VERSIONS.contains(number))?;
    Some(format!(
        "{}.{}.{}",
        number / 1_000_000,
        number / 1000 % 1000,
        number % 1000
    ))
}

/// `8,4,8,0011...`: three sizes and the flags.
fn signature(bytes: &[u8]) -> Option<String> {
    memmem::find_iter(bytes, b",").find_map(|comma| {
        let start = comma.checked_sub(1)?;
        let text = &bytes[start..bytes.len().min(start + 6 + FLAGS.end() + 1)];
        let sizes = text.get(..6)?;
        let plain = sizes
            .chunks(2)
            .all(|pair| pair[0].is_ascii_digit() && pair[1] == b',');
        let before = start.checked_sub(1).map(|at| bytes[at]);
        let flags = text[6..]
            .iter()
            .take_while(|byte| matches!(byte, b'0' | b'1'))
            .count();
        let whole = !text.get(6 + flags).is_some_and(u8::is_ascii_alphanumeric)
            && !before.is_some_and(|byte| byte.is_ascii_alphanumeric());
        (plain && whole && FLAGS.contains(&flags))
            .then(|| String::from_utf8_lossy(&text[..6 + flags]).into_owned())
    })
}

/// In what two signatures differ, in words.
pub fn difference(nginx: &str, module: &str) -> String {
    let flags = |signature: &str| signature.get(6..).unwrap_or_default().to_owned();
    let (ours, theirs) = (flags(nginx), flags(module));
    if nginx.get(..6) != module.get(..6) || ours.len() != theirs.len() {
        return format!("nginx has {nginx}, the module {module}");
    }
    let differing = ours
        .bytes()
        .zip(theirs.bytes())
        .enumerate()
        .filter(|(_, (a, b))| a != b);
    let names: Vec<String> = differing
        .map(|(at, (has, _))| {
            let name = FLAG_NAMES.get(at).copied().unwrap_or("an unknown flag");
            format!("{name} ({} in nginx)", if has == b'1' { "on" } else { "off" })
        })
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REAL: &str = "8,4,8,0011111111010111001111111111111111";

    #[test]
    fn signatures_are_found_in_bytes() {
        #[track_caller]
        fn check(before: &str, text: &str, after: &str, expected: bool) {
            let bytes = [before.as_bytes(), text.as_bytes(), after.as_bytes()].concat();
            let found = signature(&bytes);
            assert_eq!(found.as_deref(), expected.then_some(text), "{before:?} {after:?}");
        }
        check("\0", REAL, "\0", true);
        check("", REAL, "", true);
        check(",8,1,", REAL, "\n", true);
        check("a,b\0", REAL, "\0,", true);
        check("1", REAL, "\0", false);
        check("\0", REAL, "2", false);
        check("\0", "8,4,8,0011", "\0", false);
        check("\0", "8,4,8 0011111111010111001111111111111111", "\0", false);
    }

    #[test]
    fn versions_are_found_in_module_tables() {
        #[track_caller]
        fn check(number: u64, expected: Option<&str>) {
            let mut bytes = b"\x7fELF junk\xff\xff\xff".to_vec();
            bytes.extend([0xff; 16]);
            bytes.extend([0; 24]);
            bytes.extend(number.to_le_bytes());
            assert_eq!(version(&bytes).as_deref(), expected, "{number}");
        }
        check(1_022_001, Some("1.22.1"));
        check(1_028_003, Some("1.28.3"));
        check(0, None);
        check(u64::MAX, None);
        assert_eq!(version(&[0xff; 100]), None);
    }

    #[test]
    fn differences_have_names() {
        #[track_caller]
        fn check(nginx: &str, module: &str, expected: &str) {
            assert_eq!(difference(nginx, module), expected);
        }
        check(
            REAL,
            "8,4,8,0011111111010111001111111111011111",
            "realip (on in nginx)",
        );
        check(
            "8,4,8,0011111111010111001111111111111110",
            REAL,
            "--with-compat (off in nginx)",
        );
        check("8,4,8,00", "4,4,4,00", "nginx has 8,4,8,00, the module 4,4,4,00");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            stamp(&bytes);
        }
    }
}
