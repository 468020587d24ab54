//! Reasons in words, where only their names are known.

/// What a feature is about. Whether the client has much or little of it is not known here, so the words do not
/// say. A name that no feature has is given back.
pub fn words(feature: &str) -> &str {
    match feature {
        "requests" => "how much it asks for",
        "distinct_url_ratio" => "new URLs beside repeated ones",
        "lifetime_url_ratio" => "new URLs over its whole visit",
        "distinct_path_ratio" => "new pages beside repeated ones",
        "long_tail_share" => "the popularity of its URLs",
        "interval_mean" => "its pace",
        "page_interval_median" => "the pace of its pages",
        "interval_variation" => "the variety of its pauses",
        "interval_entropy" => "the mix of its pauses",
        "short_interval_share" => "pauses under a second",
        "lag_correlation" => "the order of its pauses",
        "page_interval_spread" => "the evenness of its pages",
        "beacon_score" => "the regularity of its pages",
        "phase_coherence" => "the beat of its pages",
        "assets_per_page" => "images and scripts for each page",
        "asset_share" => "images and scripts among its requests",
        "missing_referer_share" => "referers sent or left out",
        "trail_referer_share" => "referers among the pages it saw",
        "redirect_share" => "redirects (3xx)",
        "not_modified_share" => "unchanged answers (304)",
        "client_error_share" => "requests that fail (4xx)",
        "server_error_share" => "requests that break the server (5xx)",
        "head_share" => "HEAD requests",
        "post_share" => "POST requests",
        "other_method_share" => "methods other than GET, HEAD and POST",
        "query_share" => "URLs with a query",
        "query_diversity" => "new queries beside repeated ones",
        "path_depth" => "the depth of its paths",
        "response_bytes" => "the size of what it fetches",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sekisho_core::feature::FEATURES;

    use super::*;

    #[test]
    fn every_feature_has_words() {
        let mut seen = HashSet::new();
        for feature in &FEATURES {
            let words = words(feature.name);
            assert!(words.contains(' '), "{}", feature.name);
            assert!(seen.insert(words), "{words:?} would stand twice in one line");
        }
        assert_eq!(words("something_else"), "something_else");
    }
}
