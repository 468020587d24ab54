//! What became of a question.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::budget::Period;
use crate::config::Kind;
use crate::price::Cost;

/// What became of a question, with everything that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// Requests that were sent or at least begun, in order.
    pub attempts: Vec<Attempt>,
    /// Targets that were passed over without a request.
    pub skips: Vec<Skip>,
    /// Why it was not the first target that answered; a label of the metrics. `None` when it was.
    pub fallback: Option<&'static str>,
    /// From the call to here: all targets, waits and retries.
    pub duration: Duration,
}

impl Outcome {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.ended {
            Ended::Answered(answer) => Some(answer),
            Ended::Unanswered(_) => None,
        }
    }

    /// Why there is none, if so.
    pub fn reason(&self) -> Option<Reason> {
        match self.ended {
            Ended::Answered(_) => None,
            Ended::Unanswered(reason) => Some(reason),
        }
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// By an answer that follows the schema.
    Answered(Answer),
    /// Without: the caller's own text takes its place.
    Unanswered(Reason),
}

/// An answer. Its figures are those of the attempt that brought it; all attempts are in [`Outcome::attempts`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// It follows the question's schema; whether it is true nobody has checked.
    pub value: Value,
    /// Name of the target.
    pub provider: String,
    /// Model that was asked.
    pub model: String,
    /// Model that answered, by its own word.
    pub served: Option<String>,
    /// Tokens of the prompt, if the provider says.
    pub tokens_in: Option<u64>,
    /// Tokens of the answer, if the provider says.
    pub tokens_out: Option<u64>,
    /// What it costs.
    pub cost: Cost,
    /// Of the attempt.
    pub duration: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No targets are configured.
    Off,
    /// The question's schema or operation name cannot be used: a mistake of the caller.
    Question,
    /// As many questions as allowed were under way until the deadline.
    Busy,
    /// A budget is used up.
    Budget(Period),
    /// Budgets are set, and what was spent cannot be read.
    Ledger,
    /// No target may or can be asked now.
    NoTarget,
    /// Every target that was asked failed.
    Failed,
    /// The time was over.
    Deadline,
}

impl Reason {
    /// Its label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Reason::Off => "off",
            Reason::Question => "question",
            Reason::Busy => "busy",
            Reason::Budget(Period::Run) => "budget_run",
            Reason::Budget(Period::Day) => "budget_day",
            Reason::Budget(Period::Month) => "budget_month",
            Reason::Ledger => "ledger",
            Reason::NoTarget => "no_target",
            Reason::Failed => "failed",
            Reason::Deadline => "deadline",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Reason::Off => "no language model is configured",
            Reason::Question => "the question's schema is not one that answers can be checked against",
            Reason::Busy => "too many questions were under way",
            Reason::Budget(Period::Run) => "the budget of this run is used up",
            Reason::Budget(Period::Day) => "the budget of this day is used up",
            Reason::Budget(Period::Month) => "the budget of this month is used up",
            Reason::Ledger => "what was spent so far cannot be read, and a budget is set",
            Reason::NoTarget => "no language model may be asked now",
            Reason::Failed => "every language model failed",
            Reason::Deadline => "the time for an answer was over",
        };
        formatter.write_str(text)
    }
}

/// One request to one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// Name of the target.
    pub provider: String,
    /// Its kind.
    pub kind: Kind,
    /// Model that was asked.
    pub model: String,
    /// Model that answered, by its own word.
    pub served: Option<String>,
    /// From the operation's start to this attempt's.
    pub began: Duration,
    /// From the request to the last byte, or to giving up.
    pub duration: Duration,
    /// What went wrong; `None` for the answer.
    pub error: Option<ErrorClass>,
    /// The provider's or system's words on it: bounded, hidden characters escaped, without the key.
    pub detail: Option<String>,
    /// HTTP status, when there was one.
    pub status: Option<u16>,
    /// Why the model stopped, in the provider's word.
    pub finish: Option<String>,
    /// Tokens of the prompt, if the provider says.
    pub tokens_in: Option<u64>,
    /// Tokens of the answer, if the provider says.
    pub tokens_out: Option<u64>,
    /// What it costs.
    pub cost: Cost,
}

impl Attempt {
    /// `ok`, or the label of its error.
    pub fn label(&self) -> &'static str {
        self.error.map_or("ok", ErrorClass::label)
    }
}

/// A target that was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skip {
    /// Name of the target.
    pub provider: String,
    /// Its model.
    pub model: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a target was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The texts are unredacted and the target is not `local_only`.
    NotLocal,
    /// Its breaker is open.
    BreakerOpen,
}

impl SkipReason {
    /// Its label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            SkipReason::NotLocal => "not_local",
            SkipReason::BreakerOpen => "breaker_open",
        }
    }
}

/// What went wrong with an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The key file cannot be read, or holds no key.
    Key,
    /// No connection: refused, unreachable, no such name, no TLS.
    Connect,
    /// No answer began in time.
    Timeout,
    /// An answer began and did not end in time.
    Slow,
    /// The connection ended inside the answer, or before it.
    Cut,
    /// The answer is larger than any should be.
    Oversize,
    /// It sends us elsewhere; prompts and keys do not follow.
    Redirect,
    /// 401 or 403.
    Unauthorised,
    /// Too many requests for now.
    RateLimited,
    /// What was paid for, or may be asked in a period, is used up.
    Quota,
    /// Another status below 500: it does not like the request.
    Rejected,
    /// 5xx: its own failure, or it is overloaded.
    Server,
    /// The body is not what this API answers with.
    BadBody,
    /// The model refused, or said nothing.
    Refusal,
    /// It ended at the token limit.
    Truncated,
    /// The model's text is not JSON.
    InvalidJson,
    /// It is JSON and does not follow the schema.
    WrongSchema,
}

impl ErrorClass {
    /// Its label in metrics and spans.
    pub fn label(self) -> &'static str {
        match self {
            ErrorClass::Key => "key",
            ErrorClass::Connect => "connect",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Slow => "slow",
            ErrorClass::Cut => "cut",
            ErrorClass::Oversize => "oversize",
            ErrorClass::Redirect => "redirect",
            ErrorClass::Unauthorised => "unauthorised",
            ErrorClass::RateLimited => "rate_limited",
            ErrorClass::Quota => "quota",
            ErrorClass::Rejected => "rejected",
            ErrorClass::Server => "server",
            ErrorClass::BadBody => "bad_body",
            ErrorClass::Refusal => "refusal",
            ErrorClass::Truncated => "truncated",
            ErrorClass::InvalidJson => "invalid_json",
            ErrorClass::WrongSchema => "wrong_schema",
        }
    }
}
