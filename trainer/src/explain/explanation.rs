//! What is made of a snapshot without any language model: category, suggestion, and what grounds there are for it.

use serde::Serialize;

use super::canonical::tidy;
use super::category::{Category, by_rule, is_held_against};
use super::snapshot::Snapshot;

/// Requests below which nothing that stops a client is suggested.
const FEW_REQUESTS: u64 = 20;
/// Samples from which on a client was seen often enough to be sure.
const ENOUGH_SAMPLES: u64 = 4;

/// What somebody may do about a client. It is a suggestion and never done by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Leave it alone.
    Nothing,
    /// Look again when there is more.
    Watch,
    /// Let it through with a header that the application sees.
    Tag,
    /// Answer it later.
    Delay,
    /// Stop it for a time.
    Ban,
    /// Allow it as the bot that it proved to be.
    AllowVerifiedBot,
    /// Somebody must know whether it is wanted.
    AskOperator,
}

/// How good the grounds for a suggestion are; computed, never asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Little is known of the client, or other samples of it say otherwise.
    Weak,
    /// In between.
    Fair,
    /// Many requests and samples that agree, beyond the higher threshold.
    Strong,
}

/// What a suggestion stands on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Grounds {
    /// The level.
    pub level: Level,
    /// Score less the threshold of suspicion.
    pub margin: f64,
    /// Samples.
    pub samples: u64,
    /// Samples that a score spoke against.
    pub flagged: u64,
}

/// The explanation by rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What kind of client.
    pub category: Category,
    /// What to do.
    pub action: Action,
    /// What that stands on.
    pub grounds: Grounds,
}

/// Explains a snapshot. It depends on nothing else.
pub fn explain(snapshot: &Snapshot) -> Explanation {
    let category = by_rule(snapshot);
    let grounds = grounds(snapshot);
    Explanation {
        category,
        action: action(snapshot, category, grounds.level),
        grounds,
    }
}

fn grounds(snapshot: &Snapshot) -> Grounds {
    let (samples, flagged) = (snapshot.samples.total, snapshot.flagged);
    let agreed = if is_held_against(snapshot) {
        flagged
    } else {
        samples - flagged.min(samples)
    };
    let trapped = snapshot.marks.iter().any(|mark| mark == "trap");
    let beyond = snapshot.score >= snapshot.policy.reject || snapshot.score < snapshot.policy.suspect / 2.0;
    let enough = samples >= ENOUGH_SAMPLES && snapshot.requests >= 2 * FEW_REQUESTS;
    let level = if trapped || (beyond && enough && agreed * 10 >= samples * 9) {
        Level::Strong
    } else if snapshot.requests < FEW_REQUESTS || agreed * 2 < samples {
        Level::Weak
    } else {
        Level::Fair
    };
    Grounds {
        level,
        margin: tidy(snapshot.score - snapshot.policy.suspect),
        samples,
        flagged,
    }
}

fn action(snapshot: &Snapshot, category: Category, level: Level) -> Action {
    let labelled = |class: &str, origin: &str| {
        let label = snapshot.label.as_ref();
        label.is_some_and(|label| label.0 == class && (origin.is_empty() || label.1 == origin))
    };
    if labelled("crawler", "verified_bot") {
        return Action::AllowVerifiedBot;
    }
    if !is_held_against(snapshot) || snapshot.verdict == "ALLOWED" {
        return Action::Nothing;
    }
    // A person said, or an order showed, that people are behind it.
    if labelled("human", "") {
        return Action::AskOperator;
    }
    match (category, level) {
        (Category::Monitoring, _) => Action::AskOperator,
        (_, Level::Weak) => Action::Watch,
        (Category::CredentialStuffing | Category::VulnerabilityScan, Level::Strong) => Action::Ban,
        (Category::CredentialStuffing | Category::VulnerabilityScan, Level::Fair) => Action::Delay,
        (Category::PriceWatch, _) => Action::Tag,
        (Category::CatalogueScrape | Category::FacetedCrawl | Category::SwarmMember, _) => Action::Delay,
        (Category::Unclear, _) => Action::AskOperator,
    }
}
