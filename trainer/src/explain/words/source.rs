//! Who was asked, and how much of the answer holds.

use super::Lang;
use crate::explain::consult::Source;
use crate::visible::masked;

/// One sentence; `kept` and `dropped` are the claims of the answer.
pub fn source(lang: Lang, source: &Source, kept: usize, dropped: usize) -> String {
    let all = kept + dropped;
    match (lang, source) {
        (Lang::En, Source::Unanswered { reason }) => {
            format!("No language model answered ({reason}): what you read is written by rule.")
        }
        (Lang::Ja, Source::Unanswered { reason }) => {
            format!("言語モデルからの回答はありません（{reason}）。この文章は規則のみで作成しています。")
        }
        (Lang::En, _) => {
            let who = match source {
                Source::Asked { provider, model, .. } => format!("{provider} ({model}) answered"),
                Source::Kept {
                    provider,
                    model,
                    exact: true,
                } => format!("{provider} ({model}) answered this before"),
                Source::Kept { provider, model, .. } => {
                    format!("{provider} ({model}) answered this of a client that is nearly the same")
                }
                _ => "An answer was given".to_owned(),
            };
            format!(
                "{}: {kept} of {all} claims hold, the others are not shown.",
                masked(&who)
            )
        }
        (Lang::Ja, _) => {
            let who = match source {
                Source::Asked { provider, model, .. } => format!("{provider}（{model}）の回答"),
                Source::Kept {
                    provider,
                    model,
                    exact: true,
                } => format!("{provider}（{model}）の以前の回答"),
                Source::Kept { provider, model, .. } => {
                    format!("ほぼ同じクライアントについての{provider}（{model}）の回答")
                }
                _ => "渡された回答".to_owned(),
            };
            format!(
                "{}：{all}件中{kept}件が根拠と一致しました。それ以外は表示しません。",
                masked(&who)
            )
        }
    }
}
