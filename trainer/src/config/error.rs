//! Why a configuration is refused.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Its file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no TOML, or holds a key or a type that is not known.
    #[error("{place}: {reason}")]
    Syntax {
        /// File, line and column.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A variable of the environment names no key, or its value does not fit.
    #[error("{variable}: {reason}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong.
        reason: String,
    },
    /// A value contradicts another one, or is out of bounds.
    #[error("{place}: {reason}")]
    Invalid {
        /// File and line, or the variable.
        place: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}
