//! The chain: targets in order, one deadline over all of them.

mod spending;
mod watching;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::Client;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use crate::attempt::{self, Means, Tried};
use crate::breaker::{Admission, Breaker};
use crate::clock::Clock;
use crate::config::{Config, Target};
use crate::ledger::{Ledger, Spend};
use crate::metrics::Metrics;
use crate::outcome::{Answer, Attempt, Ended, ErrorClass, Outcome, Reason, Skip, SkipReason};
use crate::price::PriceTable;
use crate::question::Question;
use crate::schema::Schema;
use crate::telemetry::{Telemetry, TelemetryError};
use crate::transport::{self, ClientError};

/// What an outcome may take beyond the deadline: booking the last attempt. Everything else is inside.
pub(crate) const SLACK: Duration = Duration::from_millis(250);
/// The longest deadline: nobody waits longer for a paragraph.
const LONGEST_DEADLINE: Duration = Duration::from_secs(900);
/// While others wait behind it, a target gets this share of the time that is left: a hanging one must leave room.
const SHARE: f64 = 0.6;
/// Less time than this is not worth a request.
const LEAST: Duration = Duration::from_millis(50);
/// Requests that one target is sent again for one question.
const MOST_RETRIES: u32 = 2;

/// An ordered chain of language models. Shared by reference; [`Chain::flush`] sends what telemetry
/// still holds; dropping the chain does not.
pub struct Chain {
    config: Config,
    client: Client,
    prices: PriceTable,
    ledger: Arc<dyn Ledger>,
    /// One for each target.
    breakers: Vec<Mutex<Breaker>>,
    permits: Semaphore,
    run: Mutex<Spend>,
    /// What the ledger could not keep: it counts all the same while this process lives.
    unbooked: Mutex<Spend>,
    metrics: Metrics,
    telemetry: Option<Telemetry>,
}

/// Why there is no chain.
#[derive(Debug, Error)]
pub enum ChainError {
    /// The configuration has errors, one a line.
    #[error("{0}")]
    Config(String),
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No telemetry.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

/// What happened so far.
#[derive(Default)]
struct Trail {
    attempts: Vec<Attempt>,
    skips: Vec<Skip>,
    first_trouble: Option<&'static str>,
}

/// What a target's turn came to.
enum Turn {
    Answered(Answer),
    Next,
    Stop(Reason),
}

impl Chain {
    /// Builds a chain. Without targets it is off, and answers nothing.
    ///
    /// # Errors
    /// When the configuration has errors, or no HTTP client or exporter can be made.
    pub fn new(config: Config, ledger: Arc<dyn Ledger>, now: SystemTime) -> Result<Chain, ChainError> {
        let problems = config.check(now);
        let errors: Vec<String> = problems
            .iter()
            .filter(|problem| !problem.is_warning)
            .map(ToString::to_string)
            .collect();
        if !errors.is_empty() {
            return Err(ChainError::Config(errors.join("\n")));
        }
        let telemetry = match &config.otlp {
            Some(otlp) if !config.targets.is_empty() => Some(Telemetry::new(otlp)?),
            _ => None,
        };
        Ok(Chain {
            client: transport::client()?,
            prices: PriceTable::new(&config.prices),
            ledger,
            breakers: config.targets.iter().map(|_| Mutex::default()).collect(),
            permits: Semaphore::new(config.at_once as usize),
            run: Mutex::default(),
            unbooked: Mutex::default(),
            metrics: Metrics::default(),
            telemetry,
            config,
        })
    }

    /// Whether there are targets at all.
    pub fn is_on(&self) -> bool {
        !self.config.targets.is_empty()
    }

    /// In the order in which they are asked.
    pub fn targets(&self) -> &[Target] {
        &self.config.targets
    }

    /// Asks until one target answers or the deadline is over. It always returns, at the latest a quarter of a second
    /// after the deadline; await it to the end, or the attempt under way is neither booked nor counted.
    pub async fn ask(&self, question: Question, now: SystemTime) -> Outcome {
        let clock = Clock::start(now, question.deadline.min(LONGEST_DEADLINE));
        let mut trail = Trail::default();
        let ended = if self.is_on() {
            let travel = self.travel(&question, &clock, &mut trail);
            let late = timeout_at(clock.end() + SLACK, travel).await;
            late.unwrap_or(Ended::Unanswered(Reason::Deadline))
        } else {
            Ended::Unanswered(Reason::Off)
        };
        let first = self.config.targets.first().map(|target| target.name.as_str());
        let fallback = match &ended {
            Ended::Answered(answer) if Some(answer.provider.as_str()) == first => None,
            Ended::Answered(_) => trail.first_trouble,
            Ended::Unanswered(reason) => Some(reason.label()),
        };
        let outcome = Outcome {
            ended,
            attempts: trail.attempts,
            skips: trail.skips,
            fallback,
            duration: clock.elapsed(),
        };
        if self.is_on() {
            self.watch(&question, &outcome, now);
        }
        outcome
    }

    async fn travel(&self, question: &Question, clock: &Clock, trail: &mut Trail) -> Ended {
        let Ok(schema) = Schema::new(&question.schema) else {
            return Ended::Unanswered(Reason::Question);
        };
        let Ok(Ok(_permit)) = timeout_at(clock.end(), self.permits.acquire()).await else {
            return Ended::Unanswered(Reason::Busy);
        };
        let means = Means {
            client: &self.client,
            prices: &self.prices,
            question,
            schema: &schema,
            clock,
        };
        for (index, target) in self.config.targets.iter().enumerate() {
            if question.unredacted && !target.local_only {
                trail.skip(target, SkipReason::NotLocal);
                continue;
            }
            match self.turn(index, target, &means, trail).await {
                Turn::Answered(answer) => return Ended::Answered(answer),
                Turn::Next => {}
                Turn::Stop(reason) => return Ended::Unanswered(reason),
            }
        }
        Ended::Unanswered(match trail.attempts.len() {
            0 => Reason::NoTarget,
            _ if clock.left() < LEAST => Reason::Deadline,
            _ => Reason::Failed,
        })
    }

    /// One target's turn: a request, and again when it asks to wait and there is time for it.
    async fn turn(&self, index: usize, target: &Target, means: &Means<'_>, trail: &mut Trail) -> Turn {
        let clock = means.clock;
        let end = self.end_of_turn(index, means.question.unredacted, clock);
        for retry in 0..=MOST_RETRIES {
            if end.saturating_duration_since(Instant::now()) < LEAST {
                return if clock.left() < LEAST {
                    Turn::Stop(Reason::Deadline)
                } else {
                    Turn::Next
                };
            }
            if let Err(reason) = self.may_spend(clock).await {
                return Turn::Stop(reason);
            }
            if let Admission::Refuse(_) = self.breaker(index, |breaker| breaker.admit(clock.millis())) {
                trail.skip(target, SkipReason::BreakerOpen);
                return Turn::Next;
            }
            let limit = end.min(Instant::now() + target.timeout());
            let given = limit.saturating_duration_since(Instant::now());
            let tried = attempt::run(target, means, limit).await;
            self.book(means.question, &tried.attempt, clock).await;
            let wait =
                pause(&tried).filter(|wait| retry < MOST_RETRIES && Instant::now() + *wait + LEAST <= end);
            let was_given_time = given * 2 >= target.timeout().min(means.question.deadline);
            self.learn(index, &tried, wait.is_some(), was_given_time, clock.millis());
            if let Some(answer) = trail.add(tried) {
                return Turn::Answered(answer);
            }
            match wait {
                Some(wait) => sleep(wait).await,
                None => return Turn::Next,
            }
        }
        Turn::Next
    }

    /// Until when a target may take, so that those behind it have a turn, too.
    fn end_of_turn(&self, index: usize, unredacted: bool, clock: &Clock) -> Instant {
        let now = clock.millis();
        let can_answer = |(later, target): (usize, &Target)| {
            let is_open = |breaker: &mut Breaker| matches!(breaker.would_admit(now), Admission::Refuse(_));
            later > index && (target.local_only || !unredacted) && !self.breaker(later, is_open)
        };
        if self.config.targets.iter().enumerate().any(can_answer) {
            Instant::now() + clock.left().mul_f64(SHARE)
        } else {
            clock.end()
        }
    }

    /// What an attempt says about the next one.
    fn learn(&self, index: usize, tried: &Tried, will_wait: bool, was_given_time: bool, now: u64) {
        let settings = &self.config.breaker;
        let until = tried
            .pause
            .map(|pause| now.saturating_add(as_millis(pause.0)))
            .max(tried.quota.reset);
        self.breaker(index, |breaker| match tried.attempt.error {
            None => {
                breaker.success();
                if tried.quota.is_used_up {
                    breaker.exhausted(now, until, settings);
                }
            }
            Some(ErrorClass::Quota) => breaker.exhausted(now, until, settings),
            Some(_) if will_wait => breaker.undecided(now),
            Some(ErrorClass::RateLimited) if until.is_some() => breaker.exhausted(now, until, settings),
            Some(ErrorClass::Timeout | ErrorClass::Slow) if !was_given_time => breaker.undecided(now),
            Some(_) => breaker.failure(now, settings),
        });
    }

    fn breaker<T>(&self, index: usize, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let mut breaker = self.breakers[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut breaker)
    }
}

impl Trail {
    fn skip(&mut self, target: &Target, reason: SkipReason) {
        self.first_trouble.get_or_insert(reason.label());
        self.skips.push(Skip {
            provider: target.name.clone(),
            model: target.model.clone(),
            reason,
        });
    }

    fn add(&mut self, tried: Tried) -> Option<Answer> {
        let attempt = tried.attempt;
        if attempt.error.is_some() {
            self.first_trouble.get_or_insert(attempt.label());
        }
        let answer = tried.value.map(|value| Answer {
            value,
            provider: attempt.provider.clone(),
            model: attempt.model.clone(),
            served: attempt.served.clone(),
            tokens_in: attempt.tokens_in,
            tokens_out: attempt.tokens_out,
            cost: attempt.cost,
            duration: attempt.duration,
        });
        self.attempts.push(attempt);
        answer
    }
}

/// How long a target asks to wait before the same request. Only those that say so are asked again.
fn pause(tried: &Tried) -> Option<Duration> {
    match tried.attempt.error {
        Some(ErrorClass::RateLimited | ErrorClass::Server) => tried.pause.map(|pause| pause.0),
        _ => None,
    }
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
