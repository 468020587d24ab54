//! Reasons in words, where only their names are known.

/// What a feature that speaks against a client is about. A name that no feature has is given back.
pub fn words(feature: &str) -> &str {
    match feature {
        "requests" => "how much it asks for",
        "distinct_url_ratio" | "lifetime_url_ratio" => "a new URL nearly every time",
        "distinct_path_ratio" => "a new page nearly every time",
        "long_tail_share" => "URLs that hardly anyone visits",
        "interval_mean" | "page_interval_median" => "its pace",
        "interval_variation" | "interval_entropy" => "the variety of its pauses",
        "short_interval_share" => "how often it does not pause",
        "lag_correlation" => "pauses that predict each other",
        "page_interval_spread" | "beacon_score" => "the regularity of its pages",
        "phase_coherence" => "pages that keep a beat",
        "assets_per_page" | "asset_share" => "how few images, styles and scripts it loads",
        "missing_referer_share" => "requests without a referer",
        "trail_referer_share" => "it does not follow the links it saw",
        "redirect_share" => "how often it is redirected",
        "not_modified_share" => "it keeps no cache",
        "client_error_share" => "requests that fail (4xx)",
        "server_error_share" => "requests that break the server (5xx)",
        "head_share" => "HEAD requests",
        "post_share" => "POST requests",
        "other_method_share" => "unusual methods",
        "query_share" => "how many URLs have a query",
        "query_diversity" => "ever new queries",
        "path_depth" => "the depth of its paths",
        "response_bytes" => "the size of what it fetches",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::FEATURES;

    use super::*;

    #[test]
    fn every_feature_has_words() {
        for feature in &FEATURES {
            assert!(words(feature.name).contains(' '), "{}", feature.name);
        }
        assert_eq!(words("something_else"), "something_else");
    }
}
