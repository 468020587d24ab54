//! Sources as they are listed below an explanation.

use super::{Lang, category, figure};
use crate::explain::feedback::{Given, Verdict};
use crate::explain::handbook::Page;
use crate::explain::similar::{Case, Said};
use crate::runbooks::day;
use crate::visible::masked;

/// A past case in one line.
pub fn case(lang: Lang, case: &Case) -> String {
    let near = figure::of(lang, "query_share", case.near);
    let (day, told) = (day(case.at), category(lang, case.category));
    let said = said(lang, case.said);
    match lang {
        Lang::En => format!("past case, {near} alike, {day}: told as {told}; an operator said: {said}"),
        Lang::Ja => format!("過去の事例（類似度 {near}、{day}）：{told}と説明、担当者の判定は{said}"),
    }
}

/// The last word of a person on the explanation that is shown; the person's name is somebody's text.
pub fn feedback(lang: Lang, given: &Given) -> String {
    let said = said(
        lang,
        match given.verdict {
            Verdict::Correct => Said::Correct,
            Verdict::WrongCategory(category) => Said::WrongCategory(category),
            Verdict::FalsePositive => Said::FalsePositive,
            Verdict::Unclear => Said::Unclear,
        },
    );
    let (day, author) = (day(given.at), masked(&given.author));
    match lang {
        Lang::En => format!("{said} ({author}, {day})"),
        Lang::Ja => format!("{said}（{author}、{day}）"),
    }
}

fn said(lang: Lang, said: Said) -> String {
    match (lang, said) {
        (Lang::En, Said::Correct) => "correct".to_owned(),
        (Lang::En, Said::WrongCategory(other)) => format!("wrong category, it is {}", category(lang, other)),
        (Lang::En, Said::FalsePositive) => "false positive, people are behind it".to_owned(),
        (Lang::En, Said::Unclear) => "unclear".to_owned(),
        (Lang::En, Said::Human) => "human (label)".to_owned(),
        (Lang::En, Said::Crawler) => "crawler (label)".to_owned(),
        (Lang::Ja, Said::Correct) => "「正しい」".to_owned(),
        (Lang::Ja, Said::WrongCategory(other)) => {
            format!("「分類違い（正しくは{}）」", category(lang, other))
        }
        (Lang::Ja, Said::FalsePositive) => "「誤検知（人による利用）」".to_owned(),
        (Lang::Ja, Said::Unclear) => "「判断できない」".to_owned(),
        (Lang::Ja, Said::Human) => "「人」（ラベル）".to_owned(),
        (Lang::Ja, Said::Crawler) => "「クローラ」（ラベル）".to_owned(),
    }
}

/// What a runbook's section is, before its own text: whose words follow, of when they are, and whether they are old.
pub fn runbook(lang: Lang, page: &Page) -> String {
    let (day, stale_days) = (day(page.date), page.stale_days);
    let mut text = match (lang, page.dated) {
        (Lang::En, true) => format!("text of a runbook, reviewed {day}"),
        (Lang::En, false) => format!("text of a runbook, file of {day}"),
        (Lang::Ja, true) => format!("手順書の記載（確認日 {day}）"),
        (Lang::Ja, false) => format!("手順書の記載（ファイルの日付 {day}）"),
    };
    if page.stale {
        text.push_str(&match lang {
            Lang::En => format!("; old, more than {stale_days} days: check it before you follow it"),
            Lang::Ja => {
                format!("。【古い記載】{stale_days} 日以上前のものです。従う前に内容を確認してください")
            }
        });
    }
    text
}
