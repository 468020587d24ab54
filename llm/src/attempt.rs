//! One request to one target, and what came of it.

use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::clock::{Clock, seconds};
use crate::config::Target;
use crate::outcome::{Attempt, ErrorClass};
use crate::price::{Cost, PriceTable};
use crate::provider::{self, LONGEST_MESSAGE, Reading};
use crate::question::Question;
use crate::quota::{Pause, Quota};
use crate::schema::Schema;
use crate::secret::Secret;
use crate::transport::{self, Reply};
use crate::visible::escaped;

/// What came of it.
pub struct Tried {
    /// For the record.
    pub attempt: Attempt,
    /// The answer, if it is one.
    pub value: Option<Value>,
    /// How long the provider asks to wait.
    pub pause: Option<Pause>,
    /// What it says is left.
    pub quota: Quota,
}

/// What an attempt needs besides its target.
pub struct Means<'a> {
    /// Of the chain.
    pub client: &'a Client,
    /// Of the chain.
    pub prices: &'a PriceTable,
    /// What is asked.
    pub question: &'a Question,
    /// What the answer must follow.
    pub schema: &'a Schema<'a>,
    /// Of the operation.
    pub clock: &'a Clock,
}

/// Asks `target`, until `limit`.
pub async fn run(target: &Target, means: &Means<'_>, limit: Instant) -> Tried {
    let mut tried = Tried {
        attempt: Attempt {
            provider: target.name.clone(),
            kind: target.kind,
            model: target.model.clone(),
            served: None,
            began: means.clock.elapsed(),
            duration: Duration::ZERO,
            error: None,
            detail: None,
            status: None,
            finish: None,
            tokens_in: None,
            tokens_out: None,
            cost: Cost::Nothing,
        },
        value: None,
        pause: None,
        quota: Quota::default(),
    };
    match key(target, limit).await {
        Err(detail) => tried.fail(ErrorClass::Key, detail),
        Ok(key) => tried.ask(target, key.as_ref(), means, limit).await,
    }
    tried.attempt.duration = means.clock.elapsed().saturating_sub(tried.attempt.began);
    tried
}

/// Reads the key anew each time, so that a changed one counts at once; off the runtime, because a disk may hang.
async fn key(target: &Target, limit: Instant) -> Result<Option<Secret>, String> {
    let Some(path) = target.key_file.clone() else {
        return Ok(None);
    };
    let reading = tokio::task::spawn_blocking(move || Secret::read(&path));
    match timeout_at(limit, reading).await {
        Ok(Ok(read)) => read.map(Some).map_err(|error| error.to_string()),
        Ok(Err(_)) | Err(_) => Err("the key file could not be read in time".to_owned()),
    }
}

impl Tried {
    async fn ask(&mut self, target: &Target, key: Option<&Secret>, means: &Means<'_>, limit: Instant) {
        let request = provider::request(target, key, means.question);
        match transport::send(means.client, request, limit).await {
            Ok(reply) => {
                let now = means.clock.now();
                self.attempt.status = Some(reply.status);
                self.quota = Quota::of(&reply.headers, now);
                self.pause = Pause::of(&reply.headers, now);
                if (200..300).contains(&reply.status) {
                    self.read(provider::read(target.kind, &reply.body), means);
                } else {
                    let (class, detail) = refused(&reply);
                    self.fail(class, detail);
                }
            }
            Err(broken) => {
                self.attempt.status = broken.status;
                if !matches!(broken.class, ErrorClass::Connect) {
                    // The question was sent: whether it is charged nobody can tell.
                    self.attempt.cost = Cost::Unpriced;
                }
                self.fail(broken.class, broken.detail);
            }
        }
        if let (Some(key), Some(detail)) = (key, &mut self.attempt.detail) {
            *detail = key.removed_from(detail);
        }
    }

    fn read(&mut self, reading: Reading, means: &Means<'_>) {
        let now = seconds(means.clock.now());
        self.attempt.cost = means.prices.cost(
            reading.served.as_deref(),
            now,
            reading.tokens_in,
            reading.tokens_out,
        );
        self.attempt.served = reading.served;
        self.attempt.finish = reading.finish;
        self.attempt.tokens_in = reading.tokens_in;
        self.attempt.tokens_out = reading.tokens_out;
        match reading.content {
            Err((class, detail)) => self.fail(class, detail),
            Ok(value) => match means.schema.check(&value) {
                Err(error) => self.fail(ErrorClass::WrongSchema, error.to_string()),
                Ok(()) => self.value = Some(value),
            },
        }
    }

    fn fail(&mut self, class: ErrorClass, detail: String) {
        self.attempt.error = Some(class);
        let detail = escaped(&detail, LONGEST_MESSAGE);
        self.attempt.detail = Some(detail).filter(|detail| !detail.is_empty());
    }
}

/// What a status other than 2xx means.
fn refused(reply: &Reply) -> (ErrorClass, String) {
    let class = match reply.status {
        402 => ErrorClass::Quota,
        429 | 400 | 403 if provider::is_used_up(&reply.body) => ErrorClass::Quota,
        429 => ErrorClass::RateLimited,
        401 | 403 => ErrorClass::Unauthorised,
        300..400 => ErrorClass::Redirect,
        408 | 500.. => ErrorClass::Server,
        _ => ErrorClass::Rejected,
    };
    (class, provider::message(&reply.body).unwrap_or_default())
}
