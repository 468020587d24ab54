//! Does a change come from a page of ours?

use axum::http::{HeaderMap, header};

/// Whether the browser says so: by `Sec-Fetch-Site`, by `Origin`, and by both where it sends both. A request that has
/// neither is not of a browser of our days, and changes nothing.
pub fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = text("sec-fetch-site");
    if site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    match (text(header::ORIGIN.as_str()), text(header::HOST.as_str())) {
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
        (None, _) => site.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_ours_change_something() {
        #[track_caller]
        fn check(site: &str, origin: &str, expected: bool) {
            let mut headers = HeaderMap::from_iter([(header::HOST, "sekisho.example:8443".parse().unwrap())]);
            let mut put = |name: &'static str, value: &str| {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            };
            put("sec-fetch-site", site);
            put("origin", origin);
            assert_eq!(is_ours(&headers), expected, "{site} {origin}");
        }
        let ours = "https://sekisho.example:8443";
        check("same-origin", ours, true);
        check("same-origin", "", true);
        check("", ours, true);
        check("", "HTTPS://SEKISHO.example:8443", true);
        check("", "", false);
        check("cross-site", ours, false);
        check("same-site", ours, false);
        check("none", "", false);
        check("same-origin", "https://evil.example", false);
        check("", "https://sekisho.example:8443.evil.example", false);
        check("", "https://sekisho.example", false);
        check("", "null", false);
    }
}
