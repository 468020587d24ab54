//! Passwords: kept as argon2id hashes (RFC 9106), and looked at in the same time whether the user exists or not.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use super::UserError;

/// Characters of a password at least: what NIST SP 800-63B asks for and a little more, as there is no second factor.
pub const LEAST: usize = 12;
/// Bytes at most: hashing must not take long because of its length.
pub const MOST: usize = 512;

/// Compared with when there is no such user. Nothing fits it that anybody types, and it costs what a true one costs.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let random: [u8; 32] = rand::random();
    hash_bytes(&random).unwrap_or_default()
});

/// The hash of a new password, in PHC's notation: argon2id with 19 MiB, two passes and one lane, a fresh random salt
/// (the least that OWASP asks for; about 20 ms here).
pub fn hash(password: &str) -> Result<String, UserError> {
    let length = password.chars().count();
    if length < LEAST || password.len() > MOST {
        return Err(UserError::Password { found: length });
    }
    hash_bytes(password.as_bytes())
}

/// Whether `password` is that of `hash`; `None` is the hash of a user who does not exist.
pub fn fits(password: &str, hash: Option<&str>) -> bool {
    let known = hash.is_some();
    let hash = hash.unwrap_or(&NOBODY);
    if password.len() > MOST {
        return false;
    }
    let fits = PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    });
    fits && known
}

fn hash_bytes(password: &[u8]) -> Result<String, UserError> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password)
        .map_err(|error| UserError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_hash_only() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(fits("correct horse battery", Some(&kept)));
        assert!(!fits("correct horse batterx", Some(&kept)));
        assert!(!fits("correct horse battery", None));
        assert!(!fits("", Some("")), "a damaged hash fits nothing");
        assert_ne!(hash("correct horse battery").unwrap(), kept, "the salt is random");
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        #[track_caller]
        fn check(password: &str, expected: bool) {
            assert_eq!(hash(password).is_ok(), expected, "{}", password.len());
        }
        check("elevenchars", false);
        check("twelve chars", true);
        check("十二文字以上の合言葉です", true);
        check(&"x".repeat(MOST + 1), false);
    }
}
