//! What features are called by people.

use super::Lang;

/// Name, English, Japanese.
const NOUNS: [(&str, &str, &str); 29] = [
    ("requests", "requests so far", "リクエスト数"),
    (
        "distinct_url_ratio",
        "distinct URLs per request",
        "1 リクエストあたりの異なる URL 数",
    ),
    (
        "distinct_path_ratio",
        "distinct paths per page request",
        "1 ページ要求あたりの異なるパス数",
    ),
    (
        "lifetime_url_ratio",
        "distinct URLs per request since first seen",
        "初回観測以降の 1 リクエストあたりの異なる URL 数",
    ),
    (
        "long_tail_share",
        "requests for rarely visited URLs",
        "ほとんど閲覧されない URL へのリクエスト",
    ),
    (
        "interval_mean",
        "typical pause between requests",
        "リクエスト間隔の目安",
    ),
    (
        "interval_variation",
        "variation of its pauses",
        "リクエスト間隔のばらつき",
    ),
    (
        "interval_entropy",
        "variety of its pauses",
        "リクエスト間隔の多様さ",
    ),
    (
        "short_interval_share",
        "requests within a second of the last",
        "直前から 1 秒以内のリクエスト",
    ),
    (
        "lag_correlation",
        "likeness of each pause to the one before",
        "連続するリクエスト間隔の相関",
    ),
    (
        "page_interval_median",
        "median pause between pages",
        "ページ要求の間隔の中央値",
    ),
    (
        "page_interval_spread",
        "unevenness of its pauses between pages",
        "ページ要求の間隔の不均一さ",
    ),
    (
        "beacon_score",
        "beacon-like timing of its pages",
        "ページ要求のビーコンらしさ",
    ),
    (
        "phase_coherence",
        "pages on a fixed beat",
        "一定の周期に乗ったページ要求",
    ),
    (
        "assets_per_page",
        "images, scripts and styles per page",
        "1 ページあたりの画像・スクリプト・スタイルの数",
    ),
    (
        "asset_share",
        "requests for images, scripts and styles",
        "画像・スクリプト・スタイルへのリクエスト",
    ),
    (
        "missing_referer_share",
        "requests without a referer",
        "リファラーのないリクエスト",
    ),
    (
        "trail_referer_share",
        "requests that follow a page it just loaded",
        "直前に開いたページからたどったリクエスト",
    ),
    (
        "redirect_share",
        "redirects among its responses",
        "リダイレクトの応答",
    ),
    (
        "not_modified_share",
        "responses that its cache had already (304)",
        "キャッシュ済み（304）の応答",
    ),
    (
        "client_error_share",
        "responses with a 4xx error",
        "4xx エラーの応答",
    ),
    (
        "server_error_share",
        "responses with a 5xx error",
        "5xx エラーの応答",
    ),
    ("head_share", "HEAD requests", "HEAD リクエスト"),
    ("post_share", "POST requests", "POST リクエスト"),
    (
        "other_method_share",
        "requests with unusual methods",
        "まれなメソッドのリクエスト",
    ),
    ("query_share", "requests with a query", "クエリ付きのリクエスト"),
    (
        "query_diversity",
        "new ones among its queries",
        "クエリのうち新しいもの",
    ),
    ("path_depth", "mean depth of its paths", "パスの平均の深さ"),
    (
        "response_bytes",
        "typical size of its responses",
        "応答サイズの目安",
    ),
];

/// A feature's name in a language.
pub fn of(lang: Lang, feature: &str) -> &'static str {
    let found = NOUNS.iter().find(|(name, _, _)| *name == feature);
    match (found, lang) {
        (Some((_, english, _)), Lang::En) => english,
        (Some((_, _, japanese)), Lang::Ja) => japanese,
        (None, Lang::En) => "a feature of another version",
        (None, Lang::Ja) => "別バージョンの特徴量",
    }
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::FEATURES;

    use super::*;

    #[test]
    fn every_feature_has_a_name_in_the_order_of_the_schema() {
        let names: Vec<&str> = NOUNS.iter().map(|(name, _, _)| *name).collect();
        let schema: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        assert_eq!(names, schema);
    }
}
