//! Reasons in words, for people who do not know what a feature is.

use sekisho_core::feature::FEATURES;
use sekisho_core::model::Contribution;

/// What the reasons say, at most `limit`, each on another subject.
pub fn phrases(reasons: &[Contribution], limit: usize) -> Vec<String> {
    let mut told = Vec::new();
    let mut phrases = Vec::new();
    for reason in reasons {
        let Some(feature) = FEATURES.get(reason.feature) else {
            continue;
        };
        let subject = subject(feature.name);
        if phrases.len() < limit && !told.contains(&subject) {
            told.push(subject);
            phrases.push(phrase(feature.name, reason.value, reason.baseline));
        }
    }
    phrases
}

/// Features that tell the same story, so that it is told once.
pub fn subject(name: &str) -> &str {
    match name {
        "distinct_url_ratio" | "distinct_path_ratio" | "lifetime_url_ratio" => "novelty",
        "interval_mean" | "page_interval_median" => "pace",
        "interval_variation"
        | "interval_entropy"
        | "page_interval_spread"
        | "beacon_score"
        | "phase_coherence" => "regularity",
        "assets_per_page" | "asset_share" => "assets",
        "missing_referer_share" | "trail_referer_share" => "referers",
        _ => name,
    }
}

/// `value` is the client's, `typical` that of a typical human.
fn phrase(name: &str, value: f32, typical: f32) -> String {
    let percent = percent(value);
    let less = value < typical;
    match name {
        "requests" => format!("{} requests", count(value)),
        "distinct_url_ratio" | "lifetime_url_ratio" => format!("{percent} of its URLs new"),
        "distinct_path_ratio" => format!("{percent} of its pages new"),
        "long_tail_share" => format!("{percent} rarely visited URLs"),
        "interval_mean" => every("request", value),
        "interval_variation" if less => "pauses too much alike".to_owned(),
        "interval_variation" => "pauses vary too much".to_owned(),
        "interval_entropy" if less => "pauses of few lengths".to_owned(),
        "interval_entropy" => "pauses of every length".to_owned(),
        "short_interval_share" => format!("{percent} within 1 s of the last"),
        "lag_correlation" => "pauses follow a pattern".to_owned(),
        "page_interval_median" => every("page", value),
        "page_interval_spread" if less => "evenly spaced pages".to_owned(),
        "page_interval_spread" => "bursts, then long pauses".to_owned(),
        "beacon_score" => format!("pages {percent} beacon-like"),
        "phase_coherence" => format!("pages {percent} on a beat"),
        "assets_per_page" | "asset_share" if value == 0.0 => "no images or scripts".to_owned(),
        "assets_per_page" => format!("{value:.1} images, scripts a page"),
        "asset_share" => format!("{percent} images and scripts"),
        "missing_referer_share" => format!("{percent} without a referer"),
        "trail_referer_share" if value == 0.0 => "follows no link it saw".to_owned(),
        "trail_referer_share" => format!("{percent} follow its own links"),
        "redirect_share" => format!("{percent} redirects"),
        "not_modified_share" => format!("{percent} unchanged (304)"),
        "client_error_share" => format!("{percent} errors (4xx)"),
        "server_error_share" => format!("{percent} errors (5xx)"),
        "head_share" => format!("{percent} HEAD requests"),
        "post_share" => format!("{percent} POST requests"),
        "other_method_share" => format!("{percent} unusual methods"),
        "query_share" => format!("{percent} of URLs with a query"),
        "query_diversity" => format!("{percent} of its queries new"),
        "path_depth" => format!("paths {value:.1} levels deep"),
        "response_bytes" => format!("{} a response", bytes(value)),
        _ => format!("{name} {value:.2}"),
    }
}

/// `a page every 12 s`, from log2(1 + seconds).
fn every(what: &str, logarithm: f32) -> String {
    let seconds = linear(logarithm);
    match seconds {
        ..1.0 => format!("under 1 s between {what}s"),
        1.0..90.0 => format!("a {what} every {seconds:.0} s"),
        90.0..5400.0 => format!("a {what} every {:.0} min", seconds / 60.0),
        _ => format!("a {what} every {:.0} h", seconds / 3600.0),
    }
}

fn percent(share: f32) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 {
        "under 1 %".to_owned()
    } else {
        format!("{percent:.0} %")
    }
}

/// Undoes log2(1 + n).
fn linear(logarithm: f32) -> f32 {
    logarithm.exp2() - 1.0
}

fn count(logarithm: f32) -> String {
    format!("{:.0}", linear(logarithm))
}

fn bytes(logarithm: f32) -> String {
    let bytes = linear(logarithm);
    match bytes {
        ..1000.0 => format!("{bytes:.0} bytes"),
        1000.0..1e6 => format!("{:.0} kB", bytes / 1e3),
        _ => format!("{:.0} MB", bytes / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the table leaves for a reason beside an IPv4 address.
    const LINE: usize = 28;

    #[test]
    fn every_feature_has_words() {
        let mut text = String::new();
        for feature in &FEATURES {
            let (low, high) = feature.range;
            let middle = (low + high) / 4.0;
            let said = phrase(feature.name, middle, high);
            assert!(
                !said.starts_with(&format!("{} ", feature.name)),
                "{} has no words",
                feature.name
            );
            assert!(said.len() <= LINE, "{said:?} is too long for the table");
            text += &format!(
                "{}: {said} | {}\n",
                feature.name,
                phrase(feature.name, high.min(12.5), low)
            );
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_subject_is_told_once() {
        let reason = |name: &str, value| Contribution {
            feature: sekisho_core::feature::index(name).unwrap(),
            value,
            baseline: 0.5,
            contribution: 1.0,
        };
        let reasons = [
            reason("distinct_url_ratio", 0.98),
            reason("lifetime_url_ratio", 0.97),
            reason("asset_share", 0.0),
            reason("head_share", 0.004),
        ];
        let expected = [
            "98 % of its URLs new",
            "no images or scripts",
            "under 1 % HEAD requests",
        ];
        assert_eq!(phrases(&reasons, 3), expected);
        assert_eq!(phrases(&reasons, 1), expected[..1]);
    }
}
