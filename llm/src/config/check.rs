//! What is wrong with a configuration, in words of who has to mend it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use reqwest::Url;

use super::{Config, Limit, Target};
use crate::clock::seconds;
use crate::price::{PriceTable, day_begins, is_price};
use crate::secret::Secret;

/// Targets at most: each may cost its share of the deadline.
const MOST_TARGETS: usize = 16;
/// Questions at once at most.
const MOST_AT_ONCE: u32 = 64;
/// The longest that one request may take, in seconds.
const LONGEST_TIMEOUT: f64 = 600.0;
/// Prices at most.
const MOST_PRICES: usize = 1000;
/// Characters of a name or model: it is a label of each metric.
const LONGEST_NAME: usize = 128;

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `llm.targets[0].base_url`.
    pub place: String,
    /// What is wrong with it and what to do.
    pub text: String,
    /// Whether it can be used all the same.
    pub is_warning: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.text)
    }
}

#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
}

impl Found {
    fn error(&mut self, place: String, text: impl Into<String>) {
        self.add(place, text.into(), false);
    }

    fn warning(&mut self, place: String, text: impl Into<String>) {
        self.add(place, text.into(), true);
    }

    fn add(&mut self, place: String, text: String, is_warning: bool) {
        self.problems.push(Problem {
            place,
            text,
            is_warning,
        });
    }
}

impl Config {
    /// Everything that is wrong with it; reads the key files. Without targets only what was written is looked at.
    pub fn check(&self, now: SystemTime) -> Vec<Problem> {
        let mut found = Found::default();
        self.check_bounds(&mut found);
        let mut names = BTreeSet::new();
        for (index, target) in self.targets.iter().enumerate() {
            let place = |field: &str| format!("llm.targets[{index}].{field}");
            if !names.insert(target.name.as_str()) {
                found.error(
                    place("name"),
                    format!("\"{}\" is the name of another target, too", target.name),
                );
            }
            check_target(target, &mut found, place);
        }
        self.check_prices(&mut found);
        self.check_budgets(&mut found, seconds(now));
        if let Some(otlp) = &self.otlp {
            let place = "llm.otlp.endpoint".to_owned();
            if let Err(problem) = web_address(&otlp.endpoint) {
                found.error(place, problem);
            }
            if !(1..=3600).contains(&otlp.every_seconds) {
                found.error("llm.otlp.every_seconds".to_owned(), "from 1 to 3600");
            }
        }
        found.problems
    }

    fn check_bounds(&self, found: &mut Found) {
        if self.targets.len() > MOST_TARGETS {
            found.error("llm.targets".to_owned(), format!("{MOST_TARGETS} are the most"));
        }
        if !(1..=MOST_AT_ONCE).contains(&self.at_once) {
            found.error("llm.at_once".to_owned(), format!("from 1 to {MOST_AT_ONCE}"));
        }
        if self.breaker.failures == 0 {
            found.error("llm.breaker.failures".to_owned(), "at least 1");
        }
        if self.breaker.pause_seconds == 0 || self.breaker.longest_seconds < self.breaker.pause_seconds {
            let text = "at least 1 second, and longest_seconds at least as much";
            found.error("llm.breaker.pause_seconds".to_owned(), text);
        }
    }

    fn check_prices(&self, found: &mut Found) {
        if self.prices.len() > MOST_PRICES {
            found.error("llm.prices".to_owned(), format!("{MOST_PRICES} are the most"));
        }
        let mut seen = BTreeSet::new();
        for (index, price) in self.prices.iter().enumerate() {
            let place = |field: &str| format!("llm.prices[{index}].{field}");
            match price.since.as_deref() {
                None => found.error(place("since"), "from which day on? write since = \"2026-01-31\""),
                Some(date) if day_begins(date).is_none() => {
                    found.error(
                        place("since"),
                        format!("{date:?} is no day; write since = \"2026-01-31\""),
                    );
                }
                Some(_) => {}
            }
            for (field, number) in [("input", price.input), ("output", price.output)] {
                if !number.is_some_and(is_price) {
                    let text = format!("what a million tokens cost in {}, 0 or more", self.currency);
                    found.error(place(field), text);
                }
            }
            if !seen.insert((price.model.as_str(), price.since.as_deref())) {
                found.error(
                    place("model"),
                    format!("{:?} has a price of that day already", price.model),
                );
            }
        }
    }

    fn check_budgets(&self, found: &mut Found, now: u64) {
        let limits = [
            ("run", &self.budget.run),
            ("day", &self.budget.day),
            ("month", &self.budget.month),
        ];
        for (name, Limit { cost, .. }) in limits {
            if cost.is_some_and(|cost| !cost.is_finite() || cost < 0.0) {
                found.error(format!("llm.budget.{name}.cost"), "0 or more");
            }
        }
        if limits.iter().all(|(_, limit)| limit.cost.is_none()) {
            return;
        }
        let prices = PriceTable::new(&self.prices);
        for (index, target) in self.targets.iter().enumerate() {
            if !prices.knows(&target.model, now) {
                let text = format!(
                    "{:?} has no price: what it costs is counted as unpriced and no budget in {} holds it back; \
                     if it answers by another name, that one needs the price",
                    target.model, self.currency
                );
                found.warning(format!("llm.targets[{index}].model"), text);
            }
        }
    }
}

fn check_target(target: &Target, found: &mut Found, place: impl Fn(&str) -> String) {
    for (field, text) in [("name", &target.name), ("model", &target.model)] {
        if text.is_empty() || text.len() > LONGEST_NAME || text.chars().any(char::is_control) {
            found.error(place(field), format!("1 to {LONGEST_NAME} printable characters"));
        }
    }
    if !(0.01..=LONGEST_TIMEOUT).contains(&target.timeout_seconds) {
        found.error(
            place("timeout_seconds"),
            format!("from 0.01 to {LONGEST_TIMEOUT}"),
        );
    }
    if target.max_tokens == Some(0) {
        found.error(place("max_tokens"), "at least 1");
    }
    match web_address(&target.base_url) {
        Err(problem) => found.error(place("base_url"), problem),
        Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
            if target.key_file.is_some() {
                found.error(
                    place("base_url"),
                    "the key would travel unencrypted: use https, or a loopback address",
                );
            } else {
                found.warning(place("base_url"), "questions travel unencrypted");
            }
        }
        Ok(_) => {}
    }
    if let Some(path) = &target.key_file {
        match Secret::read(path) {
            Err(error) => found.error(place("key_file"), error.to_string()),
            Ok(secret) => {
                if let Some(warning) = secret.warning {
                    found.warning(place("key_file"), warning);
                }
            }
        }
    }
}

fn web_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("{text:?} is no URL ({error}); write it with its scheme, https://HOST"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(format!(
            "{text:?} is no web address; write it with its scheme, https://HOST"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with a password would be shown; use key_file".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a path is appended to it: no ? and no #".to_owned());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
