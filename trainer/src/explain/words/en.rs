//! English.

use super::super::category::{Category, Fact};
use super::super::claim::Claim;
use super::super::explanation::{Action, Explanation};
use super::super::snapshot::{Counterfactual, Evidence};
use super::figure::{self, is_ratio, score, seconds};
use super::{Labels, Lang, Told, Voice, noun};
use crate::figures::grouped;

const LANG: Lang = Lang::En;

pub(super) struct English;

const LABELS: Labels = Labels {
    action: "Suggestion (nothing is done by itself)",
    confidence: "Confidence",
    evidence: "Evidence",
    columns: [
        "",
        "what",
        "this client",
        "visitors",
        "usual range",
        "passes",
        "weight",
    ],
    timeline: "Requests over time",
    paths: "Asked for (samples)",
    claims: "What a language model found, checked against the evidence",
    notes: "Its own words, which nobody checked",
    feedback: "Feedback",
    sources: "Sources",
    snapshot: "Snapshot",
};

fn noun(item: &Evidence) -> &'static str {
    noun::of(LANG, &item.feature)
}

fn value(item: &Evidence) -> String {
    figure::of(LANG, &item.feature, item.value)
}

fn median(item: &Evidence) -> String {
    figure::of(LANG, &item.feature, item.baseline.median)
}

fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `, visitors here 4 %`, in brackets; nothing when it is not among the evidence.
fn usual(told: &Told<'_>, feature: &str) -> String {
    let who = who(told);
    told.usual(LANG, feature)
        .map_or_else(String::new, |usual| format!(" ({who}: {usual})"))
}

fn who(told: &Told<'_>) -> &'static str {
    match told.snapshot.site.baseline.as_str() {
        "site" => "visitors here",
        _ => "a typical visitor",
    }
}

fn span(told: &Told<'_>) -> String {
    seconds(LANG, f64::from(told.snapshot.span().max(1)), f64::round)
}

/// What a client that goes through many pages did.
fn crawl(told: &Told<'_>, requests: &str, span: &str) -> String {
    let snapshot = told.snapshot;
    let figure = |feature| told.figure(LANG, feature);
    let usual = |feature| usual(told, feature);
    let urls = Fact::DistinctUrls.of(snapshot);
    let number = grouped(urls as u64);
    match told.category {
        Category::SwarmMember if snapshot.subject.members > 1 => format!(
            "{} clients from {} behaved alike in the same hours: {requests} in {span} together.",
            grouped(snapshot.subject.members),
            plural(snapshot.alike.networks.max(1), "network", "networks"),
        ),
        Category::SwarmMember => format!(
            "It is one of {} clients from {} that behaved alike in the same hours and made {} together; its own \
                 share: {requests} in {span}.",
            grouped(snapshot.alike.clients.total + 1),
            plural(snapshot.alike.networks.max(1), "network", "networks"),
            plural(snapshot.alike.requests + snapshot.requests, "request", "requests"),
        ),
        Category::PriceWatch => format!(
            "It came back to the same {number} or so URLs: {requests} in {span}, so each about {} times, {} \
                 distinct URLs per request{}.",
            grouped((snapshot.requests as f64 / urls).round().max(1.0) as u64),
            figure("lifetime_url_ratio"),
            usual("lifetime_url_ratio"),
        ),
        Category::FacetedCrawl => format!(
            "It went through combinations of filters: {} of {requests} in {span} had a query{}, and {} of those \
                 queries were new{}, for only {} distinct paths per page.",
            figure("query_share"),
            usual("query_share"),
            figure("query_diversity"),
            usual("query_diversity"),
            figure("distinct_path_ratio"),
        ),
        Category::CatalogueScrape => format!(
            "It went through the catalogue: {requests} in {span}, hardly ever for the same URL twice; distinct URLs \
             per request: {}{}.",
            figure("lifetime_url_ratio"),
            usual("lifetime_url_ratio"),
        ),
        _ => String::new(),
    }
}

/// Claims about the score and about other things than a baseline.
fn found(told: &Told<'_>, claim: &Claim) -> Option<String> {
    let item = |id: &str| told.snapshot.item(id);
    Some(match claim {
        Claim::DrivesScore { e } => {
            let item = item(e)?;
            let odds = figure::decimals(item.attribution, 2, f64::round);
            format!(
                "A main reason of the score: {}, {} ({odds} log-odds).",
                noun(item),
                value(item)
            )
        }
        Claim::Decides { e } => {
            let item = item(e)?;
            let (bound, below) = (item.threshold?, item.threshold? < item.value);
            let side = if below { "below" } else { "above" };
            let bound = figure::bound(LANG, &item.feature, bound, below);
            format!(
                "One thing decides: with {} {side} {bound} it would have passed.",
                noun(item)
            )
        }
        Claim::Periodic {} => format!(
            "Its pages come at a fixed beat, one every {}.",
            told.figure(LANG, "page_interval_median")
        ),
        Claim::ManyAlike { .. } => English.alike(told.snapshot.alike.clients.total),
        Claim::PathShare { template, .. } => {
            let path = told.snapshot.template(template)?;
            let share = path.count as f64 / told.snapshot.paths.samples.max(1) as f64;
            let share = figure::of(LANG, "query_share", share);
            format!("{share} of its samples asked for path template {}.", path.id)
        }
        _ => return None,
    })
}

impl Voice for English {
    fn category(&self, category: Category) -> &'static str {
        match category {
            Category::CredentialStuffing => "credential stuffing",
            Category::VulnerabilityScan => "vulnerability scan",
            Category::Monitoring => "monitoring",
            Category::SwarmMember => "member of a swarm",
            Category::PriceWatch => "price watch",
            Category::FacetedCrawl => "faceted crawl",
            Category::CatalogueScrape => "catalogue scrape",
            Category::Unclear => "unclear",
        }
    }

    fn verdict(&self, verdict: &str) -> &'static str {
        match verdict {
            "PASSED" => "let pass",
            "ALLOWED" => "on the allow-list",
            "SUSPECT" => "suspect",
            "REJECTED_DRY_RUN" => "would be stopped (dry run)",
            "REJECTED" => "stopped",
            "TRAPPED" => "walked into a trap",
            _ => "verdict unknown",
        }
    }

    fn headline(&self, told: &Told<'_>) -> String {
        let verdict = self.verdict(&told.snapshot.verdict);
        let score = score(told.snapshot.score);
        if told.is_held_against() {
            format!(
                "{}, score {score}, {verdict}",
                capital(self.category(told.category))
            )
        } else {
            format!("Nothing held against it, score {score}, {verdict}")
        }
    }

    fn deed(&self, told: &Told<'_>) -> String {
        let snapshot = told.snapshot;
        let requests = plural(snapshot.requests, "request", "requests");
        let (span, figure) = (span(told), |feature| told.figure(LANG, feature));
        let usual = |feature| usual(told, feature);
        let urls = Fact::DistinctUrls.of(snapshot);
        let number = grouped(urls as u64);
        if !told.is_suspect() {
            let suspect = score(snapshot.policy.suspect);
            let known = format!("{requests} in {span} scored {}", score(snapshot.score));
            return format!("{known}, below {suspect}, from which on a client is suspect.");
        }
        match told.category {
            Category::CredentialStuffing => format!(
                "It tried to log in again and again: {} of {requests} in {span} were POST{}, to about {}, and {} were \
                 refused with a 4xx error{}.",
                figure("post_share"),
                usual("post_share"),
                plural(urls as u64, "URL", "URLs"),
                figure("client_error_share"),
                usual("client_error_share"),
            ),
            Category::VulnerabilityScan => format!(
                "It looked for weak spots: of {requests} in {span}, for about {number} different URLs, {} ended in a \
                 4xx error{}.",
                figure("client_error_share"),
                usual("client_error_share"),
            ),
            Category::Monitoring => format!(
                "It asked for the same {} every {}, {} of the time exactly on the beat{}: {requests} in {span}.",
                if urls > 1.0 {
                    format!("{number} URLs")
                } else {
                    "URL".to_owned()
                },
                figure("page_interval_median"),
                figure("phase_coherence"),
                usual("phase_coherence"),
            ),
            Category::SwarmMember
            | Category::PriceWatch
            | Category::FacetedCrawl
            | Category::CatalogueScrape => crawl(told, &requests, &span),
            Category::Unclear => format!(
                "It behaved like a program, {requests} in {span}, but like none of the kinds that are known."
            ),
        }
    }

    fn telling(&self, told: &Told<'_>, items: &[&Evidence]) -> String {
        let who = who(told);
        let parts: Vec<String> = items
            .iter()
            .zip([who, "", ""])
            .map(|(item, who)| {
                let colon = if who.is_empty() { "" } else { ": " };
                format!("{}, {} ({who}{colon}{})", noun(item), value(item), median(item))
            })
            .collect();
        let begin = if told.is_suspect() {
            "Most telling"
        } else {
            "What came closest"
        };
        format!("{begin}: {}.", parts.join("; "))
    }

    fn mark(&self, mark: &str) -> Option<&'static str> {
        match mark {
            "trap" => Some("It also asked for a trap that no person gets to see."),
            "operator" => Some("An operator had decided about it."),
            "false_bot_claim" => Some("It claims to be a known bot, and its address says that it is not."),
            _ => None,
        }
    }

    fn alike(&self, clients: u64) -> String {
        format!(
            "{} other clients behaved alike in the same hours.",
            grouped(clients)
        )
    }

    fn counterfactual(&self, told: &Told<'_>) -> Option<String> {
        if !told.is_suspect() {
            return None;
        }
        if let Some(item) = told.single() {
            let (bound, below) = (item.threshold?, item.threshold? < item.value);
            let side = if below { "below" } else { "above" };
            let bound = figure::bound(LANG, &item.feature, bound, below);
            return Some(if is_ratio(&item.feature) {
                format!(
                    "It would have passed {side} {bound} {}, with all else unchanged.",
                    noun(item)
                )
            } else {
                format!(
                    "It would have passed with {} {side} {bound}, and all else unchanged.",
                    noun(item)
                )
            });
        }
        let part = |item: &&Evidence| format!("{} ({})", noun(item), median(item));
        let joint: Vec<String> = told.joint().iter().map(part).collect();
        match (&told.snapshot.counterfactual, joint.len()) {
            (Counterfactual::Nothing, _) => Some(
                "Even with all of the evidence as visitors have it, it would not have passed.".to_owned(),
            ),
            (_, 0) => None,
            (_, 1) => Some(format!(
                "It would have passed with {} as visitors have it.",
                list(&joint)
            )),
            _ => Some(format!(
                "No single change would have let it pass, but these together, as visitors have them, would: {}.",
                list(&joint)
            )),
        }
    }

    fn action(&self, explanation: &Explanation) -> &'static str {
        match (explanation.action, explanation.category) {
            (Action::Nothing, _) => "Nothing to do.",
            (Action::Watch, _) => "Watch it: too little is known to act.",
            (Action::Tag, _) => "Tag its requests, so that the application decides what it gets to see.",
            (Action::Delay, Category::SwarmMember) => {
                "Delay it and those like it; before stopping their networks, look at who else is there."
            }
            (Action::Delay, _) => {
                "Delay it: that costs a program that wants many pages, and hardly anybody else."
            }
            (Action::Ban, _) => "Ban it for a time.",
            (Action::AllowVerifiedBot, _) => "Allow it as the verified bot that it proved to be.",
            (Action::AskOperator, Category::Monitoring) => {
                "Ask who runs it: your own monitor belongs on the allow-list, somebody else's can be stopped."
            }
            (Action::AskOperator, _) => "Have a person look at it before anything is done.",
        }
    }

    fn grounds(&self, told: &Told<'_>, explanation: &Explanation) -> String {
        let (snapshot, sure) = (told.snapshot, explanation.grounds);
        let side = if sure.margin < 0.0 { "below" } else { "above" };
        let exact = if snapshot.policy.exact {
            ""
        } else {
            "; the model that scored is not at hand, the weights are another one's"
        };
        format!(
            "score {} is {} {side} the threshold {}; {} of {} speak against it{exact}",
            score(snapshot.score),
            score(sure.margin.abs()),
            score(snapshot.policy.suspect),
            grouped(sure.flagged),
            plural(sure.samples, "sample", "samples"),
        )
    }

    fn claim(&self, told: &Told<'_>, claim: &Claim) -> Option<String> {
        let item = |id: &str| told.snapshot.item(id);
        let who = who(told);
        Some(match claim {
            Claim::AboveBaseline { e } => {
                let item = item(e)?;
                format!(
                    "Unusually high: {}, {} ({who}: {}).",
                    noun(item),
                    value(item),
                    median(item)
                )
            }
            Claim::BelowBaseline { e } => {
                let item = item(e)?;
                format!(
                    "Unusually low: {}, {} ({who}: {}).",
                    noun(item),
                    value(item),
                    median(item)
                )
            }
            Claim::RatioOf { e, .. } => {
                let item = item(e)?;
                let times = figure::decimals(item.value / item.baseline.median, 1, f64::floor);
                format!(
                    "{times} times the usual: {}, {} ({who}: {}).",
                    noun(item),
                    value(item),
                    median(item)
                )
            }
            Claim::CoOccurs { e1, e2 } => {
                let (one, other) = (item(e1)?, item(e2)?);
                format!(
                    "Two things come together: {}, {} ({who}: {}), and {}, {} ({}).",
                    noun(one),
                    value(one),
                    median(one),
                    noun(other),
                    value(other),
                    median(other)
                )
            }
            _ => return found(told, claim),
        })
    }

    fn labels(&self) -> &'static Labels {
        &LABELS
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
