//! Sessions: a random token in the browser, its digest in the store.

use std::fmt::{self, Write};

use hmac::{Hmac, Mac};
use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};

use super::Role;
use crate::store::{Store, StoreError};

/// Sessions of a user at a time; a further one ends the one that was idle for longest.
const MOST: u32 = 16;
/// A session that was seen is written down so often, in seconds: not for each request.
const NOTED: u32 = 60;
/// Bytes of a token.
const BYTES: usize = 32;

/// How long sessions last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// From the log-in on.
    pub whole: u32,
    /// Without a request.
    pub idle: u32,
}

/// What a browser has: 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; BYTES]);

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The user's name.
    pub name: String,
    /// The user's role now.
    pub role: Role,
}

/// A token in a log would be a session of whoever reads it.
impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}

impl Token {
    /// A fresh one.
    pub fn random() -> Token {
        Token(rand::random())
    }

    /// From a cookie.
    pub fn parse(text: &str) -> Option<Token> {
        let bytes = text.as_bytes();
        if bytes.len() != 2 * BYTES || !bytes.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut token = [0; BYTES];
        for (byte, pair) in token.iter_mut().zip(bytes.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Token(token))
    }

    /// For a cookie.
    pub fn text(&self) -> String {
        hex(&self.0)
    }

    /// The token of this session's forms. Who knows it cannot tell the session's.
    pub fn form_token(&self) -> String {
        form_token(&self.0, "session")
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

/// A token of forms: HMAC-SHA-256 of `whose` under `key`.
pub fn form_token(key: &[u8; BYTES], whose: &str) -> String {
    let mut block = [0; 64];
    block[..BYTES].copy_from_slice(key);
    let mut code = Hmac::<Sha256>::new(&block.into());
    code.update(b"form ");
    code.update(whose.as_bytes());
    hex(&code.finalize().into_bytes())
}

/// Begins a session of the user of this number.
pub fn begin(store: &Store, user: i64, lifetime: Lifetime, now: u32) -> Result<Token, StoreError> {
    let token = Token::random();
    let transaction = store.write()?;
    transaction.execute(
        "DELETE FROM session WHERE begun < ?1 OR seen < ?2 OR begun > ?3",
        (
            now.saturating_sub(lifetime.whole),
            now.saturating_sub(lifetime.idle),
            now,
        ),
    )?;
    transaction.execute(
        "DELETE FROM session WHERE id IN \
         (SELECT id FROM session WHERE user = ? ORDER BY seen DESC LIMIT -1 OFFSET ?)",
        (user, MOST - 1),
    )?;
    transaction.execute(
        "INSERT INTO session (id, user, begun, seen) VALUES (?1, ?2, ?3, ?3)",
        (token.digest(), user, now),
    )?;
    transaction.commit()?;
    Ok(token)
}

/// The session of a token, unless it is over.
pub fn find(
    store: &Store,
    token: &Token,
    lifetime: Lifetime,
    now: u32,
) -> Result<Option<Session>, StoreError> {
    let id = token.digest();
    let connection = store.connection();
    let found: Option<(Session, u32, u32)> = connection
        .prepare_cached(
            "SELECT name, role, begun, seen FROM session JOIN user ON user.id = session.user WHERE session.id = ?",
        )?
        .query_row([id], |row| {
            let session = Session {
                name: row.get(0)?,
                role: row.get(1)?,
            };
            Ok((session, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((session, begun, seen)) = found else {
        return Ok(None);
    };
    // A clock that went back makes a session begin in the future: it is over, or it would last for too long.
    if begun > now || now - begun >= lifetime.whole || now.saturating_sub(seen) >= lifetime.idle {
        return Ok(None);
    }
    if now.saturating_sub(seen) >= NOTED {
        connection
            .prepare_cached("UPDATE session SET seen = ? WHERE id = ?")?
            .execute((now, id))?;
    }
    Ok(Some(session))
}

/// Ends a session.
pub fn end(store: &Store, token: &Token) -> Result<(), StoreError> {
    store
        .connection()
        .execute("DELETE FROM session WHERE id = ?", [token.digest()])?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
