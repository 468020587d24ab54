//! How likely an explanation is right, in one line.

use super::Lang;
use super::figure;
use crate::explain::confidence::{Confidence, Tally};
use crate::figures::grouped;

/// The number, whether people's verdicts bear it out, and what it was computed from; `grounds` are the first of these.
pub fn told(lang: Lang, confidence: &Confidence, grounds: &str) -> String {
    let number = figure::of(lang, "query_share", confidence.value);
    let (verdicts, needed) = (grouped(confidence.verdicts), grouped(confidence.verdicts_needed));
    let parts = &confidence.parts;
    let mut text = match (lang, confidence.calibrated) {
        (Lang::En, true) => format!("{number}, calibrated on {verdicts} verdicts; {grounds}"),
        (Lang::En, false) => {
            format!("{number}, uncalibrated ({verdicts} of {needed} verdicts so far); {grounds}")
        }
        (Lang::Ja, true) => format!("{number}（担当者の判定 {verdicts} 件で校正済み）。{grounds}"),
        (Lang::Ja, false) => {
            format!("{number}（未校正。校正に必要な担当者の判定 {needed} 件中 {verdicts} 件）。{grounds}")
        }
    };
    let told: [(Option<Tally>, &str, &str); 3] = [
        (parts.claims, "claims hold", "件の指摘が根拠と一致"),
        (parts.agreement, "answers agree", "件の回答が同じ分類"),
        (
            Some(parts.record).filter(|record| record.all > 0),
            "verdicts found this category right",
            "件の判定でこの分類は正しいとされました",
        ),
    ];
    for (tally, english, japanese) in told {
        let Some(Tally { good, all }) = tally else {
            continue;
        };
        let (good, all) = (grouped(good), grouped(all));
        text.push_str(&match lang {
            Lang::En => format!("; {good} of {all} {english}"),
            Lang::Ja => format!("。{all} 件中 {good} {japanese}"),
        });
    }
    text
}
