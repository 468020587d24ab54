//! Why an nginx does not do what it is asked for.

use serde::Deserialize;
use thiserror::Error;

use crate::visible::escaped;

/// Characters of a refusal that are shown.
const SHOWN: usize = 200;

/// Why an nginx cannot be asked, or refuses.
#[derive(Debug, Error)]
pub enum NginxError {
    /// Nobody answers, not in time, or with too much.
    #[error(
        "nginx \"{name}\" does not answer at {url}: see that it runs, and that [[nginx]] api is its location with sekisho_api"
    )]
    Exchange {
        /// Its name in the configuration.
        name: String,
        /// What was asked.
        url: String,
        /// What happened.
        source: Box<ureq::Error>,
    },
    /// The API refuses.
    #[error("{url} refuses: {message}")]
    Refused {
        /// What was asked.
        url: String,
        /// Its word for the reason, such as `no_client`.
        code: String,
        /// The reason in a sentence.
        message: String,
    },
    /// nginx answers by itself.
    #[error("{url} answers {status}{}", hint(*.status))]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
    },
    /// Something else answers there.
    #[error("{url} does not answer as sekisho_api does: {reason}")]
    Foreign {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => ": let this machine's address in with `allow` in the location of sekisho_api",
        404 => ": [[nginx]] api is the address of the location with sekisho_api",
        _ => "",
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: Told,
}

#[derive(Deserialize)]
struct Told {
    code: String,
    message: String,
}

impl NginxError {
    /// What an answer that is no success says.
    pub(super) fn refusal(url: &str, status: u16, body: &[u8]) -> NginxError {
        let url = url.to_owned();
        match serde_json::from_slice::<Refusal>(body) {
            Ok(Refusal { error }) => NginxError::Refused {
                url,
                code: error.code,
                message: escaped(error.message.as_bytes(), SHOWN),
            },
            Err(_) => NginxError::Status { url, status },
        }
    }
}
