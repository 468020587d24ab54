//! Figures as the table and the page show them.

use super::figures::{Estimate, Rejected};

/// A number with its interval.
pub fn estimate(estimate: &Estimate) -> String {
    let value = estimate
        .value
        .map_or("unknown".to_owned(), |value| format!("{value:.4}"));
    match estimate.interval {
        Some(_) => format!("{value} ({})", range(estimate.interval)),
        None => value,
    }
}

/// An interval; nothing where there is none.
pub fn range(interval: Option<(f64, f64)>) -> String {
    interval.map_or(String::new(), |(low, high)| format!("{low:.4} to {high:.4}"))
}

/// Rejected clients of a class.
pub fn share(class: &Rejected) -> String {
    format!(
        "{} of {} ({} to {})",
        class.rejected,
        class.clients,
        percent(class.interval.0),
        percent(class.interval.1)
    )
}

/// Requests until something; never is possible.
pub fn count(requests: Option<u32>) -> String {
    requests.map_or("never".to_owned(), |requests| requests.to_string())
}

/// A share.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_measured_is_said_so() {
        let unknown = Estimate {
            value: None,
            interval: None,
        };
        assert_eq!(estimate(&unknown), "unknown");
        let known = Estimate {
            value: Some(0.97),
            interval: Some((0.95, 0.99)),
        };
        assert_eq!(estimate(&known), "0.9700 (0.9500 to 0.9900)");
        assert_eq!([count(None), count(Some(7))], ["never", "7"]);
    }
}
