//! One message over HTTP: where to, signed, and what the answer means.

use std::path::Path;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use serde_json::Value;
use sha2::Sha256;
use thiserror::Error;

use super::backoff::Attempt;
use crate::config::{NotifySection, Secret, SecretError, read_secret};

/// Longest that a target may take: while it is waited for, nobody else is told anything.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// A host that does not take the connection in this time is tried later.
const CONNECT: Duration = Duration::from_secs(5);
/// Header with the time and the signature of the body.
pub const SIGNATURE: &str = "X-Sekisho-Signature";
/// Header with what tells a message that comes twice.
pub const ID: &str = "X-Sekisho-Id";

/// Why a target cannot be told anything.
#[derive(Debug, Error)]
pub enum TargetError {
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its address is none.
    #[error("{0} holds no address: one line that begins with https://, or http:// in a network of your own")]
    Address(String),
    /// There is no HTTP client.
    #[error(
        "no HTTP client can be made; are the system's CA certificates installed (package ca-certificates)? {0}"
    )]
    Client(String),
}

/// A client that waits so long, follows no redirect and asks no proxy: the address is a secret of one host.
///
/// # Errors
/// [`TargetError::Client`]
pub fn client(patience: Duration) -> Result<Client, TargetError> {
    // Another part of the program may have chosen a provider before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .timeout(patience)
        .user_agent(concat!("sekisho/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| TargetError::Client(error.to_string()))
}

/// A target's address, and the key that signs.
pub struct Address {
    url: Url,
    key: Option<Secret>,
    /// What is better otherwise.
    pub warnings: Vec<String>,
}

impl Address {
    /// Reads the secrets of a target.
    ///
    /// # Errors
    /// [`TargetError`]
    pub fn of(target: &NotifySection) -> Result<Address, TargetError> {
        let (url, warning) = address(&target.url_file)?;
        let key = target.key_file.as_deref().map(read_secret).transpose()?;
        let mut warnings: Vec<String> = warning.into_iter().collect();
        warnings.extend(key.as_ref().and_then(|key| key.warning.clone()));
        if url.scheme() == "http" && !is_loopback(&url) {
            let path = target.url_file.display();
            warnings.push(format!(
                "the address in {path} is not encrypted: whoever is between reads it"
            ));
        }
        Ok(Address { url, key, warnings })
    }
}

fn address(path: &Path) -> Result<(Url, Option<String>), TargetError> {
    let secret = read_secret(path)?;
    let none = || TargetError::Address(path.display().to_string());
    let text = std::str::from_utf8(secret.bytes()).map_err(|_| none())?;
    let url = Url::parse(text.trim()).map_err(|_| none())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(none());
    }
    Ok((url, secret.warning))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The value of [`SIGNATURE`]: HMAC-SHA256 over the time, a dot and the body.
pub fn signature(key: &[u8], at: u64, body: &[u8]) -> Option<String> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    mac.update(at.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let digest: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(format!("t={at},v1={digest}"))
}

/// Sends a message at Unix second `now`. The answer's body is not looked at, and the address is in no error.
pub async fn send(client: &Client, address: &Address, id: &str, body: &Value, now: u64) -> Attempt {
    let bytes = body.to_string().into_bytes();
    let mut request = client
        .post(address.url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(ID, id);
    let signed = address
        .key
        .as_ref()
        .and_then(|key| signature(key.bytes(), now, &bytes));
    if let Some(signed) = signed {
        request = request.header(SIGNATURE, signed);
    }
    match request.body(bytes).send().await {
        Err(error) => Attempt::Later(told(&error).to_owned(), None),
        Ok(response) => {
            let status = response.status();
            let why = format!("it answered {}", status.as_u16());
            match status.as_u16() {
                200..=299 => Attempt::Sent,
                408 | 425 | 429 | 500..=599 => {
                    Attempt::Later(why, retry_after(response.headers(), SystemTime::now()))
                }
                _ => Attempt::Refused(why),
            }
        }
    }
}

/// In our words: those of the library name the address.
fn told(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it does not take connections"
    } else {
        "the connection ended before an answer"
    }
}

/// `Retry-After`, in seconds or as an HTTP date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<u32> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(u32::try_from(seconds).unwrap_or(u32::MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let wait = date.duration_since(now).unwrap_or_default();
    Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_signature_can_be_checked_by_anybody() {
        // printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        assert_eq!(
            signature(b"0123456789abcdef", 1_800_000_000, br#"{"a":1}"#).as_deref(),
            Some("t=1800000000,v1=d3e17924cac4a72ca2ee9e5700df170fdb5733eaf69ecd909fb0c18a962b03a5")
        );
    }

    #[test]
    fn targets_say_how_long_to_wait() {
        #[track_caller]
        fn check(value: &str, expected: Option<u32>) {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            let now = UNIX_EPOCH + Duration::from_secs(784_111_700);
            assert_eq!(retry_after(&headers, now), expected, "{value}");
        }
        check("7", Some(7));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(77));
        check("Sun, 06 Nov 1994 08:40:00 GMT", Some(0));
        check("99999999999", Some(u32::MAX));
        check("soon", None);
        check("-1", None);
    }
}
