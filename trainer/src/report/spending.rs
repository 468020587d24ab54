//! What language models said of the cases, and what they cost.

use std::fmt::Write;

use super::cases::Case;
use super::document::Report;
use super::markdown::code;
use crate::figures::{counted, grouped};
use crate::llm::ModelCost;

/// Decimals of a cost: a question costs fractions of a cent.
const DECIMALS: usize = 4;

/// What of a language model's claims is true, below a case.
pub fn claims(text: &mut String, case: &Case) {
    let Some(explained) = &case.explained else { return };
    if let Some(asked) = &explained.asked {
        let _ = writeln!(text, "\n   A language model was asked: {}", code(asked));
    }
    for claim in &explained.claims {
        let _ = writeln!(text, "   - {claim}");
    }
}

/// The part of the report about their cost; nothing where none was asked.
pub fn markdown(text: &mut String, report: &Report) {
    let spent = &report.language_models.spent;
    if spent.is_empty() {
        return;
    }
    text.push_str("\n## Language models\n\n");
    let _ = writeln!(text, "{}\n", sentence(report));
    text.push_str(
        "| target | served by | requests | answered | tokens in | tokens out | cost | without a price |\n",
    );
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|\n");
    for model in spent {
        let [provider, served, rest @ ..] = row(model);
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            code(&provider),
            code(&served),
            rest.join(" | ")
        );
    }
}

/// What they cost, in one sentence.
pub fn sentence(report: &Report) -> String {
    let spent = &report.language_models.spent;
    let requests = spent.iter().map(|model| model.attempts).sum();
    let unpriced: u64 = spent.iter().map(|model| model.unpriced).sum();
    let cost: f64 = spent.iter().map(|model| model.cost).sum();
    let currency = match report.language_models.currency.as_str() {
        "" => "of the configured currency",
        currency => currency,
    };
    let mut text = format!(
        "{} cost {cost:.DECIMALS$} {currency}.",
        counted(requests, "request")
    );
    if unpriced > 0 {
        let _ = write!(
            text,
            " {} of these have no known price and are not in it: set [[llm.prices]].",
            grouped(unpriced)
        );
    }
    text
}

/// Target, serving model, requests, answered, tokens in and out, cost, without a price.
pub fn row(model: &ModelCost) -> [String; 8] {
    [
        model.provider.clone(),
        model.model.clone(),
        grouped(model.attempts),
        grouped(model.answered),
        grouped(model.tokens_in),
        grouped(model.tokens_out),
        format!("{:.DECIMALS$}", model.cost),
        grouped(model.unpriced),
    ]
}
