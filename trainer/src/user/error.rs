//! Why nothing is done about users.

use std::io;

use thiserror::Error;

use super::password::{LEAST, MOST};
use crate::config::AccessError;
use crate::store::StoreError;

/// Why nothing is done about users.
#[derive(Debug, Error)]
pub enum UserError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The name is none.
    #[error("a name is 1 to 64 letters, digits and . _ - @, such as ana or ana@example.org")]
    Name,
    /// There is one of this name.
    #[error("there is a user {0}: change it with `sekisho user role` or `sekisho user password`")]
    Taken(String),
    /// There is none of this name.
    #[error("there is no user {0}: `sekisho user list` shows all")]
    Unknown(String),
    /// There would be none.
    #[error(
        "{0} is the last user, and without any, everybody who reaches the dashboard may read it (unless [dashboard] user_header is set): add another user first, or say --open"
    )]
    Last(String),
    /// There are too many.
    #[error(
        "there are {0} users, which is the most: remove one, or let a proxy log people in ([dashboard] user_header)"
    )]
    Many(u32),
    /// The password is too short or too long.
    #[error(
        "a password has at least {LEAST} characters and at most {MOST} bytes, this one has {found} characters: a few words in a row do well"
    )]
    Password {
        /// Its characters.
        found: usize,
    },
    /// The two differ.
    #[error("the second was not the first: nothing was changed")]
    Differ,
    /// The hash cannot be made.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    /// Nobody types, or nobody reads.
    #[error("cannot read the password: type it, or give it on standard input")]
    Input(#[source] io::Error),
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[source] io::Error),
}
