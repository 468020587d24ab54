//! Numbers with their units.

use super::super::measure::Measure;
use super::Lang;
use crate::figures::grouped;

/// Features that are parts of a whole but read better as so many per request.
const RATIOS: [&str; 3] = ["distinct_url_ratio", "distinct_path_ratio", "lifetime_url_ratio"];

/// Whether a feature is told as so many per request.
pub fn is_ratio(feature: &str) -> bool {
    RATIOS.contains(&feature)
}

/// A feature's shown value.
pub fn of(lang: Lang, feature: &str, value: f64) -> String {
    rounded(lang, feature, value, f64::round)
}

/// A threshold below which, or above which, a client passes: rounded to the side that passes.
pub fn bound(lang: Lang, feature: &str, value: f64, below: bool) -> String {
    rounded(lang, feature, value, if below { f64::floor } else { f64::ceil })
}

fn rounded(lang: Lang, feature: &str, value: f64, round: fn(f64) -> f64) -> String {
    match Measure::named(feature) {
        Measure::Share if is_ratio(feature) => decimals(value, 2, round),
        Measure::Share => percent(lang, value, round),
        Measure::Number => decimals(value, if value.abs() < 10.0 { 2 } else { 1 }, round),
        Measure::Seconds => seconds(lang, value, round),
        Measure::Bytes => bytes(value, round),
        Measure::Requests => grouped(round(value) as u64),
        Measure::Segments => decimals(value, 1, round),
    }
}

/// At most so many decimals, trailing zeros left out.
pub fn decimals(value: f64, digits: i32, round: fn(f64) -> f64) -> String {
    let scale = 10f64.powi(digits);
    // Documents hold four decimals: what lies nearer to a step than that is the step.
    let steps = value * scale;
    let near = steps.round();
    let steps = if (steps - near).abs() < 1e-6 {
        near
    } else {
        round(steps)
    };
    (steps / scale + 0.0).to_string()
}

/// A score.
pub fn score(value: f64) -> String {
    decimals(value, 3, f64::floor)
}

fn percent(lang: Lang, share: f64, round: fn(f64) -> f64) -> String {
    let percent = share * 100.0;
    let digits = if percent > 0.0 && percent < 1.0 || percent > 99.0 && percent < 100.0 {
        1
    } else {
        0
    };
    let number = decimals(percent, digits, round);
    match lang {
        Lang::En => format!("{number} %"),
        Lang::Ja => format!("{number}%"),
    }
}

/// A time in its greatest unit.
pub fn seconds(lang: Lang, value: f64, round: fn(f64) -> f64) -> String {
    let (number, unit) = match value {
        ..10.0 => (decimals(value, 1, round), 0),
        10.0..100.0 => (decimals(value, 0, round), 0),
        100.0..6000.0 => (decimals(value / 60.0, 0, round), 1),
        6000.0..172_800.0 => (decimals(value / 3600.0, 1, round), 2),
        _ => (decimals(value / 86_400.0, 1, round), 3),
    };
    match lang {
        Lang::En => format!("{number} {}", ["s", "min", "h", "days"][unit]),
        Lang::Ja => format!("{number} {}", ["秒", "分", "時間", "日"][unit]),
    }
}

fn bytes(value: f64, round: fn(f64) -> f64) -> String {
    match value {
        ..1000.0 => format!("{} B", decimals(value, 0, round)),
        1000.0..1e6 => format!("{} kB", decimals(value / 1e3, 1, round)),
        _ => format!("{} MB", decimals(value / 1e6, 1, round)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        #[track_caller]
        fn check(feature: &str, value: f64, expected: [&str; 2]) {
            assert_eq!(
                [of(Lang::En, feature, value), of(Lang::Ja, feature, value)],
                expected
            );
        }
        check("query_share", 0.964, ["96 %", "96%"]);
        check("query_share", 0.004, ["0.4 %", "0.4%"]);
        check("query_share", 0.996, ["99.6 %", "99.6%"]);
        check("query_share", 1.0, ["100 %", "100%"]);
        check("distinct_url_ratio", 0.4, ["0.4", "0.4"]);
        check("page_interval_median", 1.0, ["1 s", "1 秒"]);
        check("page_interval_median", 60.0, ["60 s", "60 秒"]);
        check("interval_mean", 900.0, ["15 min", "15 分"]);
        check("interval_mean", 7920.0, ["2.2 h", "2.2 時間"]);
        check("response_bytes", 12_345.0, ["12.3 kB", "12.3 kB"]);
        check("requests", 1444.0, ["1,444", "1,444"]);
        check("assets_per_page", 10.5, ["10.5", "10.5"]);
        check("path_depth", 3.0, ["3", "3"]);
    }

    #[test]
    fn thresholds_are_rounded_to_the_side_that_passes() {
        assert_eq!(bound(Lang::En, "distinct_url_ratio", 0.4078, true), "0.4");
        assert_eq!(bound(Lang::En, "distinct_url_ratio", 0.4, true), "0.4");
        assert_eq!(bound(Lang::En, "assets_per_page", 0.312, false), "0.32");
        assert_eq!(bound(Lang::En, "missing_referer_share", 0.295, true), "29 %");
        assert_eq!(score(0.9999), "0.999");
    }
}
