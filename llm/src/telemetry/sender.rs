//! Carries exports to the collector. The exporters block on threads of their own, and our HTTP client needs a
//! runtime: so it has one, on a thread of its own, and no answer ever waits for a collector.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::{Builder, Handle, Runtime};

use super::TelemetryError;
use crate::transport;

/// A collector's answer is a few bytes; of a larger one the rest does not matter.
const MOST_ANSWER: usize = 64 << 10;

/// An HTTP client with its own runtime.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
    timeout: Duration,
}

impl Sender {
    /// Starts its thread.
    pub fn new(timeout: Duration) -> Result<Sender, TelemetryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sekisho-otlp")
            .enable_all()
            .build()?;
        Ok(Sender {
            client: transport::client()?,
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            timeout,
        })
    }

    /// Ends its thread without waiting for it.
    pub fn stop(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // A runtime that is dropped inside another one panics.
        self.stop();
    }
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Sender {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sent<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        let sending = self
            .handle
            .spawn(send(self.client.clone(), request, self.timeout));
        Box::pin(async move { sending.await? })
    }
}

async fn send(
    client: Client,
    request: Request<Bytes>,
    timeout: Duration,
) -> Result<Response<Bytes>, HttpError> {
    let (parts, body) = request.into_parts();
    let mut response = client
        .request(parts.method, parts.uri.to_string())
        .headers(parts.headers)
        .timeout(timeout)
        .body(body)
        .send()
        .await?;
    let mut answer = Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MOST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == MOST_ANSWER {
            break;
        }
    }
    Ok(answer.body(Bytes::from(body))?)
}
