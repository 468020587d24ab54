//! Japanese.

use super::super::category::{Category, Fact};
use super::super::claim::Claim;
use super::super::explanation::{Action, Explanation};
use super::super::snapshot::{Counterfactual, Evidence};
use super::figure::{self, score, seconds};
use super::{Labels, Lang, Told, Voice, noun};
use crate::figures::grouped;

const LANG: Lang = Lang::Ja;

pub(super) struct Japanese;

const LABELS: Labels = Labels {
    action: "対応案（自動では実行されません）",
    confidence: "確信度",
    evidence: "根拠",
    columns: [
        "",
        "項目",
        "このクライアント",
        "一般の訪問者",
        "通常の範囲",
        "通過する値",
        "寄与",
    ],
    timeline: "リクエストの推移",
    paths: "要求先（サンプル数）",
    claims: "言語モデルの指摘（根拠と照合済み）",
    notes: "言語モデルの自由記述（未検証）",
    feedback: "担当者の判定",
    sources: "出典",
    snapshot: "スナップショット",
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

fn usual(told: &Told<'_>, feature: &str) -> String {
    let who = who(told);
    told.usual(LANG, feature)
        .map_or_else(String::new, |usual| format!("（{who}は {usual}）"))
}

fn who(told: &Told<'_>) -> &'static str {
    match told.snapshot.site.baseline.as_str() {
        "site" => "このサイトの一般の訪問者",
        _ => "典型的な訪問者",
    }
}

fn span(told: &Told<'_>) -> String {
    seconds(LANG, f64::from(told.snapshot.span().max(1)), f64::round)
}

fn side(item: &Evidence) -> Option<(String, &'static str)> {
    let (bound, below) = (item.threshold?, item.threshold? < item.value);
    let bound = figure::bound(LANG, &item.feature, bound, below);
    Some((bound, if below { "未満" } else { "超" }))
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
            "{} のネットワークの {} クライアントが、同じ時間帯に同じように振る舞っています。{span}で合計 {requests}の\
                 リクエストがありました。",
            grouped(snapshot.alike.networks.max(1)),
            grouped(snapshot.subject.members),
        ),
        Category::SwarmMember => format!(
            "同じ時間帯に同じように振る舞った、{} のネットワークにまたがる {} クライアントの一つです。全体のリクエストは \
                 {} 件で、うちこのクライアントのものは{span}で {requests}です。",
            grouped(snapshot.alike.networks.max(1)),
            grouped(snapshot.alike.clients.total + 1),
            grouped(snapshot.alike.requests + snapshot.requests),
        ),
        Category::PriceWatch => format!(
            "約 {number} 種類の同じ URL を繰り返し見ています。{span}で {requests}、1 URL あたり約 {} 回の\
                 リクエストがあり、1 リクエストあたりの異なる URL は {} 個です{}。",
            grouped((snapshot.requests as f64 / urls).round().max(1.0) as u64),
            figure("lifetime_url_ratio"),
            usual("lifetime_url_ratio"),
        ),
        Category::FacetedCrawl => format!(
            "絞り込み条件の組み合わせを順に試しています。{span}で {requests}のリクエストがあり、そのうち {}{}がクエリ付きで、\
                 その {}{}が新しいクエリでしたが、異なるパスは 1 ページ要求あたり {} 個しかありません。",
            figure("query_share"),
            usual("query_share"),
            figure("query_diversity"),
            usual("query_diversity"),
            figure("distinct_path_ratio"),
        ),
        Category::CatalogueScrape => format!(
            "カタログを端から順に収集しています。{span}で {requests}のリクエストを送り、同じ URL をほとんど二度見て\
             いません。1 リクエストあたりの異なる URL は {} 個です{}。",
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
                "{}が {} であることが、スコアの主な要因です（対数オッズ {odds}）。",
                noun(item),
                value(item)
            )
        }
        Claim::Decides { e } => {
            let item = item(e)?;
            let (bound, side) = side(item)?;
            format!(
                "{}だけで判定が変わります。{bound} {side}であれば通過していました。",
                noun(item)
            )
        }
        Claim::Periodic {} => format!(
            "ページ要求が {}ごとの一定の周期で届いています。",
            told.figure(LANG, "page_interval_median")
        ),
        Claim::ManyAlike { .. } => Japanese.alike(told.snapshot.alike.clients.total),
        Claim::PathShare { template, .. } => {
            let path = told.snapshot.template(template)?;
            let share = path.count as f64 / told.snapshot.paths.samples.max(1) as f64;
            let share = figure::of(LANG, "query_share", share);
            format!(
                "サンプルの {share} がパステンプレート {} を要求しています。",
                path.id
            )
        }
        _ => return None,
    })
}

impl Voice for Japanese {
    fn category(&self, category: Category) -> &'static str {
        match category {
            Category::CredentialStuffing => "パスワードリスト攻撃",
            Category::VulnerabilityScan => "脆弱性スキャン",
            Category::Monitoring => "監視",
            Category::SwarmMember => "クライアント群の一員",
            Category::PriceWatch => "価格の定点観測",
            Category::FacetedCrawl => "絞り込み条件の総当たり",
            Category::CatalogueScrape => "カタログの網羅的な収集",
            Category::Unclear => "分類不能",
        }
    }

    fn verdict(&self, verdict: &str) -> &'static str {
        match verdict {
            "PASSED" => "通過",
            "ALLOWED" => "許可リストにより通過",
            "SUSPECT" => "要注意",
            "REJECTED_DRY_RUN" => "遮断相当（ドライラン）",
            "REJECTED" => "遮断",
            "TRAPPED" => "トラップに接触",
            _ => "判定不明",
        }
    }

    fn headline(&self, told: &Told<'_>) -> String {
        let verdict = self.verdict(&told.snapshot.verdict);
        let score = score(told.snapshot.score);
        if told.is_held_against() {
            format!("{}：スコア {score}、{verdict}", self.category(told.category))
        } else {
            format!("問題は見つかっていません：スコア {score}、{verdict}")
        }
    }

    fn deed(&self, told: &Told<'_>) -> String {
        let snapshot = told.snapshot;
        let requests = format!("{} 件", grouped(snapshot.requests));
        let (span, figure) = (span(told), |feature| told.figure(LANG, feature));
        let usual = |feature| usual(told, feature);
        let urls = Fact::DistinctUrls.of(snapshot);
        let number = grouped(urls as u64);
        if !told.is_suspect() {
            let (own, suspect) = (score(snapshot.score), score(snapshot.policy.suspect));
            return format!(
                "{span}で {requests}のリクエストがあり、スコアは {own} で、要注意とする {suspect} を下回っています。"
            );
        }
        match told.category {
            Category::CredentialStuffing => format!(
                "ログインを繰り返し試みています。{span}で {requests}のリクエストがあり、そのうち POST が {}{}を占め、宛先は約 \
                 {number} 種類の URL だけで、応答の {}{}が 4xx エラーでした。",
                figure("post_share"),
                usual("post_share"),
                figure("client_error_share"),
                usual("client_error_share"),
            ),
            Category::VulnerabilityScan => format!(
                "脆弱な箇所を探しています。{span}で約 {number} 種類の URL へ {requests}のリクエストを送り、応答の \
                 {}{}が 4xx エラーでした。",
                figure("client_error_share"),
                usual("client_error_share"),
            ),
            Category::Monitoring => format!(
                "同じ{} を {}ごとに要求しています。{span}で {requests}のリクエストがあり、そのうち、{}{}が一定の周期に正確に\
                 乗っています。",
                if urls > 1.0 {
                    format!(" {number} 種類の URL")
                } else {
                    " URL".to_owned()
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
                "{span}で送られた {requests}のリクエストはプログラムによるものと見られますが、既知のどの種類にも当てはまりません。"
            ),
        }
    }

    fn telling(&self, told: &Told<'_>, items: &[&Evidence]) -> String {
        let who = who(told);
        let parts: Vec<String> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let usual = median(item);
                let usual = if index == 0 {
                    format!("{who}は {usual}")
                } else {
                    format!("同 {usual}")
                };
                format!("{}が {}（{usual}）", noun(item), value(item))
            })
            .collect();
        let parts = parts.join("、");
        if told.is_suspect() {
            format!("主な根拠は、{parts}であることです。")
        } else {
            format!("自動化に近い点は、{parts}であることです。")
        }
    }

    fn mark(&self, mark: &str) -> Option<&'static str> {
        match mark {
            "trap" => Some("また、人の目には触れないトラップの URL を要求しています。"),
            "operator" => Some("また、運用者がこのクライアントについて判断を下しています。"),
            "false_bot_claim" => {
                Some("また、既知のボットを名乗っていますが、アドレスから本物ではないと確認されています。")
            }
            _ => None,
        }
    }

    fn alike(&self, clients: u64) -> String {
        format!(
            "同じ時間帯に、ほかに {} クライアントが同じように振る舞っています。",
            grouped(clients)
        )
    }

    fn counterfactual(&self, told: &Told<'_>) -> Option<String> {
        if !told.is_suspect() {
            return None;
        }
        if let Some(item) = told.single() {
            let (bound, side) = side(item)?;
            return Some(format!(
                "ほかの条件が同じでも、{}が {bound} {side}であれば通過していました。",
                noun(item)
            ));
        }
        let part = |item: &&Evidence| format!("{}（{}）", noun(item), median(item));
        let joint: Vec<String> = told.joint().iter().map(part).collect();
        match (&told.snapshot.counterfactual, joint.len()) {
            (Counterfactual::Nothing, _) => {
                Some("すべての根拠が一般の訪問者並みであったとしても、通過しませんでした。".to_owned())
            }
            (_, 0) => None,
            (_, 1) => Some(format!(
                "{}が一般の訪問者並みであれば、通過していました。",
                joint.join("")
            )),
            _ => Some(format!(
                "一つの項目が変わるだけでは通過しませんが、{}がそろって一般の訪問者並みであれば通過していました。",
                joint.join("、")
            )),
        }
    }

    fn action(&self, explanation: &Explanation) -> &'static str {
        match (explanation.action, explanation.category) {
            (Action::Nothing, _) => "対応は不要です。",
            (Action::Watch, _) => "様子を見てください。対応を決めるには情報が足りません。",
            (Action::Tag, _) => "リクエストに印を付け、何を見せるかをアプリケーション側で決めてください。",
            (Action::Delay, Category::SwarmMember) => {
                "同様のクライアントとまとめて応答を遅らせてください。ネットワーク単位で遮断する前に、ほかの利用者がいないか\
                 確認してください。"
            }
            (Action::Delay, _) => {
                "応答を遅らせてください。大量のページを求めるプログラムには負担になり、ほかの利用者にはほとんど影響しません。"
            }
            (Action::Ban, _) => "一定期間遮断してください。",
            (Action::AllowVerifiedBot, _) => "本物と確認されたボットとして許可してください。",
            (Action::AskOperator, Category::Monitoring) => {
                "誰が動かしているかを確認してください。自社の監視であれば許可リストに加え、他社のものであれば遮断できます。"
            }
            (Action::AskOperator, _) => "対応する前に、担当者が内容を確認してください。",
        }
    }

    fn grounds(&self, told: &Told<'_>, explanation: &Explanation) -> String {
        let (snapshot, sure) = (told.snapshot, explanation.grounds);
        let side = if sure.margin < 0.0 {
            "下回り"
        } else {
            "上回り"
        };
        let exact = if snapshot.policy.exact {
            ""
        } else {
            "。判定に使われたモデルが手元にないため、寄与は別のモデルによる値です"
        };
        format!(
            "スコア {} はしきい値 {} を {} {side}、サンプル {} 件のうち {} 件が自動化を示しています{exact}",
            score(snapshot.score),
            score(snapshot.policy.suspect),
            score(sure.margin.abs()),
            grouped(sure.samples),
            grouped(sure.flagged),
        )
    }

    fn claim(&self, told: &Told<'_>, claim: &Claim) -> Option<String> {
        let item = |id: &str| told.snapshot.item(id);
        let who = who(told);
        Some(match claim {
            Claim::AboveBaseline { e } => {
                let item = item(e)?;
                format!(
                    "{}が {} と高くなっています（{who}は {}）。",
                    noun(item),
                    value(item),
                    median(item)
                )
            }
            Claim::BelowBaseline { e } => {
                let item = item(e)?;
                format!(
                    "{}が {} と低くなっています（{who}は {}）。",
                    noun(item),
                    value(item),
                    median(item)
                )
            }
            Claim::RatioOf { e, .. } => {
                let item = item(e)?;
                let times = figure::decimals(item.value / item.baseline.median, 1, f64::floor);
                format!(
                    "{}が {} で、{who}（{}）の {times} 倍です。",
                    noun(item),
                    value(item),
                    median(item)
                )
            }
            Claim::CoOccurs { e1, e2 } => {
                let (one, other) = (item(e1)?, item(e2)?);
                format!(
                    "{}が {}（{who}は {}）、{}が {}（同 {}）という二つの特徴が同時に現れています。",
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
