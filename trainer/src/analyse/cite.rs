//! Where something stands: a line of a file, and its beginning.

use std::fmt;

use serde::Serialize;

use crate::visible::escaped;

/// Characters of a line that are shown.
const SHOWN: usize = 160;

/// A line that somebody can look up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cite {
    /// The file, made visible.
    pub file: String,
    /// From 1 on; absent for what is in the store.
    pub line: Option<u64>,
    /// Its beginning, made visible.
    pub text: String,
}

impl Cite {
    /// A line of a log.
    pub fn line(file: &str, line: u64, text: &[u8]) -> Cite {
        Cite {
            file: escaped(file.as_bytes(), SHOWN),
            line: Some(line),
            text: escaped(text, SHOWN),
        }
    }

    /// Something in the store.
    pub fn store(text: String) -> Cite {
        Cite {
            file: "store".to_owned(),
            line: None,
            text,
        }
    }
}

impl fmt::Display for Cite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}
