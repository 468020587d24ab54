//! The flagged clients that cost most, each with why.

use sekisho_core::feature::{Features, index};
use sekisho_core::model::Contribution;
use serde::Serialize;

use super::clusters::rounded;
use super::explained::Explained;
use super::gather::Seen;
use super::span::{duration, time};
use crate::figures::grouped;
use crate::scan::phrases;
use crate::store::Class;

/// Reasons in words.
const PHRASES: usize = 3;

/// One of them. `client`, `zone`, `network` and `request` are a visitor's text, made visible.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// Its name, plain or a pseudonym.
    pub client: String,
    /// Its number in the store.
    pub id: i64,
    /// Its zone.
    pub zone: String,
    /// Its network; empty when the name is no address.
    pub network: String,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Requests in this time, at least.
    pub requests: u64,
    /// Share of all requests of this time that samples tell of.
    pub share: f64,
    /// First and last sample, unix seconds.
    pub span: (u32, u32),
    /// The worst verdict.
    pub verdict: &'static str,
    /// The highest score.
    pub score: Option<f64>,
    /// Names of what spoke most for it, as the module wrote them.
    pub reasons: Vec<String>,
    /// The same with numbers, in words.
    pub says: Vec<String>,
    /// What it asked for then.
    pub request: String,
    /// What is believed of it.
    pub class: Option<Class>,
    /// Whether labels contradict each other.
    pub conflict: bool,
    /// Its explanation; absent when there is nothing to explain, or nobody asked for it.
    pub explained: Option<Explained>,
    /// Why, in a few sentences; nothing in it is a visitor's text.
    pub text: String,
}

impl Case {
    /// A client of a time in which samples tell of `all` requests.
    pub fn new(client: &Seen, cluster: Option<String>, all: u64, baseline: &Features) -> Case {
        let mut case = Case {
            client: client.name.clone(),
            id: client.id,
            zone: client.zone.clone(),
            network: client.network.clone(),
            cluster,
            requests: client.requests,
            share: rounded(client.requests as f32 / all.max(1) as f32),
            span: client.span,
            verdict: client.verdict(),
            score: client.score.map(|score| rounded(score as f32)),
            reasons: client.reasons.clone(),
            says: says(client, baseline),
            request: client.request.clone(),
            class: client.class,
            conflict: client.conflict,
            explained: None,
            text: String::new(),
        };
        case.text = case_text(&case);
        case
    }
}

/// Why a client was flagged, as sentences for people: what it did, what was concluded, its explanation where there is
/// one, and what speaks against that.
pub fn case_text(case: &Case) -> String {
    let (first, last) = case.span;
    let mut text = format!(
        "At least {} request{} ({:.1} % of all that samples tell of)",
        grouped(case.requests),
        if case.requests == 1 { "" } else { "s" },
        case.share * 100.0
    );
    text += &match last - first {
        0 => format!(" at {}.", time(first)),
        seconds => format!(" in {}, from {} on.", duration(seconds), time(first)),
    };
    let score = case
        .score
        .map_or(String::new(), |score| format!(" at a score of {score:.3}"));
    text += &match case.verdict {
        "TRAPPED" => " It came where only crawlers come.".to_owned(),
        "REJECTED" => format!(" It was rejected{score}."),
        "REJECTED_DRY_RUN" => {
            format!(" It would have been rejected{score}; dry run or a guard let it through.")
        }
        _ => format!(" It was suspect{score}, and was let through."),
    };
    if let Some(explained) = &case.explained {
        let sentences = explained.sentences.join(" ");
        text += &format!(" Category: {}. {sentences}", explained.category);
        for (label, said) in [
            ("Suggestion", &explained.suggestion),
            ("Confidence", &explained.confidence),
        ] {
            text += &format!(" {label}: {}.", said.trim_end_matches('.'));
        }
    } else if !case.says.is_empty() {
        text += &format!(" What spoke most for it: {}.", case.says.join("; "));
    }
    text += match (case.class, case.conflict) {
        (Some(Class::Human), _) => " A label says that it is human: look at it first.",
        (Some(Class::Crawler), true) => " It is labelled crawler, and another label says human.",
        (Some(Class::Crawler), false) => " A label confirms that it is a crawler.",
        (None, _) => "",
    };
    text
}

/// The reasons with the client's numbers; those that are no features say what they are.
fn says(client: &Seen, baseline: &Features) -> Vec<String> {
    let Some(features) = &client.features else {
        return Vec::new();
    };
    let known: Vec<Contribution> = client
        .reasons
        .iter()
        .filter_map(|name| index(name))
        .map(|place| Contribution {
            feature: place,
            value: features[place],
            baseline: baseline[place],
            contribution: 0.0,
        })
        .collect();
    let others = client.reasons.iter().filter_map(|name| match name.as_str() {
        "trap" => Some("it came into a trap"),
        "operator" => Some("an operator banned it"),
        "false_bot_claim" => Some("it claims to be a bot that it is not"),
        _ => None,
    });
    let mut says: Vec<String> = others.map(str::to_owned).collect();
    says.extend(phrases(&known, PHRASES));
    says
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::COUNT;

    use super::super::gather::tests::seen;
    use super::*;

    #[test]
    fn a_case_says_what_happened_and_what_speaks_against_it() {
        let mut client = seen(7, 1204, "192.0.2.0/24", &[("distinct_url_ratio", 0.98)]);
        client.reasons = vec!["trap".into(), "distinct_url_ratio".into(), "<unknown>".into()];
        client.span = (1_800_000_000, 1_800_005_400);
        #[track_caller]
        fn check(client: &Seen, expected: &str) {
            let case = Case::new(client, None, 4000, &[0.0; COUNT]);
            assert_eq!(case.text, expected);
        }
        check(
            &client,
            "At least 1,204 requests (30.1 % of all that samples tell of) in 90 minutes, from 2027-01-15T08:00:00Z on. It \
             was rejected at a score of 0.900. What spoke most for it: it came into a trap; 98 % of its URLs new.",
        );
        client.span.1 = client.span.0;
        client.class = Some(Class::Human);
        client.worst = 2;
        client.reasons.clear();
        check(
            &client,
            "At least 1,204 requests (30.1 % of all that samples tell of) at 2027-01-15T08:00:00Z. It was suspect at a \
             score of 0.900, and was let through. A label says that it is human: look at it first.",
        );
    }
}
