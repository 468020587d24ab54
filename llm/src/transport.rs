//! One HTTP request: within its time, within its size, to where it was addressed and nowhere else.

use std::error::Error;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Response, redirect};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use crate::outcome::ErrorClass;

/// The largest answer: a hundred times what any of our schemas allows.
pub const MOST_BYTES: usize = 1 << 20;
/// Of an error's body so much is read, for its message.
const MOST_ERROR_BYTES: usize = 16 << 10;
/// And for so long: the status alone says enough.
const ERROR_BODY: Duration = Duration::from_secs(1);
/// A host that does not even take the connection in this time will not answer a question either.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections that wait for the next question are closed after this.
const IDLE: Duration = Duration::from_secs(30);

/// A request, ready to go.
pub struct Request {
    /// Where to.
    pub url: String,
    /// Besides `Content-Type`.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// A whole answer.
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; of an error its begin.
    pub body: Vec<u8>,
}

/// No whole answer.
#[derive(Debug)]
pub struct Broken {
    /// What happened.
    pub class: ErrorClass,
    /// In the system's words.
    pub detail: String,
    /// The status, if it came that far.
    pub status: Option<u16>,
}

/// Why there is no HTTP client.
#[derive(Debug, Error)]
#[error(
    "no HTTP client can be made; are the system's CA certificates installed (package ca-certificates)? {0}"
)]
pub struct ClientError(#[from] reqwest::Error);

/// A client that follows no redirect, asks no proxy and repeats nothing by itself.
pub fn client() -> Result<Client, ClientError> {
    // Another part of the program may have chosen a provider before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .user_agent(concat!("sekisho/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(client)
}

/// Sends it and reads the answer, until `limit`.
pub async fn send(client: &Client, request: Request, limit: Instant) -> Result<Reply, Broken> {
    let mut builder = client
        .post(&request.url)
        .header("content-type", "application/json")
        .body(request.body);
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    let response = match timeout_at(limit, builder.send()).await {
        Err(_) => return Err(broken(ErrorClass::Timeout, "no answer began in time", None)),
        Ok(Err(error)) if error.is_connect() || error.is_builder() => {
            return Err(broken(ErrorClass::Connect, &chain_of(&error), None));
        }
        Ok(Err(error)) => return Err(broken(ErrorClass::Cut, &chain_of(&error), None)),
        Ok(Ok(response)) => response,
    };
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = if response.status().is_success() {
        read(response, MOST_BYTES, limit).await.map_err(|class| {
            let text = match class {
                ErrorClass::Slow => "the answer did not end in time",
                ErrorClass::Oversize => "the answer is larger than 1 MiB",
                _ => "the connection ended inside the answer",
            };
            broken(class, text, Some(status))
        })?
    } else {
        let limit = limit.min(Instant::now() + ERROR_BODY);
        read(response, MOST_ERROR_BYTES, limit).await.unwrap_or_default()
    };
    Ok(Reply {
        status,
        headers,
        body,
    })
}

async fn read(mut response: Response, most: usize, limit: Instant) -> Result<Vec<u8>, ErrorClass> {
    let mut body = Vec::new();
    loop {
        let chunk = timeout_at(limit, response.chunk()).await;
        match chunk
            .map_err(|_| ErrorClass::Slow)?
            .map_err(|_| ErrorClass::Cut)?
        {
            None => return Ok(body),
            Some(chunk) if body.len() + chunk.len() > most => return Err(ErrorClass::Oversize),
            Some(chunk) => body.extend_from_slice(&chunk),
        }
    }
}

fn broken(class: ErrorClass, detail: &str, status: Option<u16>) -> Broken {
    Broken {
        class,
        detail: detail.to_owned(),
        status,
    }
}

/// The innermost cause says what happened; the outer ones repeat the address.
fn chain_of(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
