//! Features as people count: seconds instead of their logarithm.

use sekisho_core::feature::{FEATURES, Feature, Unit, index};

use super::canonical::tidy;

/// What the numbers of a feature count once they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A part of a whole, 0 to 1.
    Share,
    /// A pure number.
    Number,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Requests.
    Requests,
    /// Path segments.
    Segments,
}

impl Measure {
    /// Of a feature. A deviation of logarithms and an entropy have no unit that anybody counts in.
    pub fn of(feature: &Feature) -> Measure {
        match feature.unit {
            Unit::LogSeconds if feature.name == "interval_variation" => Measure::Number,
            Unit::Share => Measure::Share,
            Unit::Number | Unit::Bits => Measure::Number,
            Unit::LogSeconds => Measure::Seconds,
            Unit::LogBytes => Measure::Bytes,
            Unit::LogCount => Measure::Requests,
            Unit::Segments => Measure::Segments,
        }
    }

    /// Of a feature by its name.
    pub fn named(name: &str) -> Measure {
        index(name).map_or(Measure::Number, |index| Measure::of(&FEATURES[index]))
    }

    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Share => "share",
            Measure::Number => "number",
            Measure::Seconds => "seconds",
            Measure::Bytes => "bytes",
            Measure::Requests => "requests",
            Measure::Segments => "segments",
        }
    }

    /// From the feature's number to the shown one, unrounded.
    pub fn shown(self, raw: f64) -> f64 {
        match self {
            Measure::Seconds | Measure::Bytes | Measure::Requests => raw.exp2() - 1.0,
            Measure::Share | Measure::Number | Measure::Segments => raw,
        }
    }

    /// Back.
    pub fn raw(self, shown: f64) -> f64 {
        match self {
            Measure::Seconds | Measure::Bytes | Measure::Requests => (shown + 1.0).max(1.0).log2(),
            Measure::Share | Measure::Number | Measure::Segments => shown,
        }
    }

    /// The shown number as documents hold it.
    pub fn tidy(self, raw: f64) -> f64 {
        tidy(self.shown(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_people_count() {
        #[track_caller]
        fn check(name: &str, raw: f64, expected: (f64, &str)) {
            let measure = Measure::named(name);
            assert_eq!((measure.tidy(raw), measure.as_str()), expected, "{name}");
            assert!((measure.raw(measure.shown(raw)) - raw).abs() < 1e-9, "{name}");
        }
        check("requests", 5.0, (31.0, "requests"));
        check("page_interval_median", 0.0, (0.0, "seconds"));
        check("interval_variation", 1.5, (1.5, "number"));
        check("interval_entropy", 1.5, (1.5, "number"));
        check("response_bytes", 10.0, (1023.0, "bytes"));
        check("query_share", 0.25, (0.25, "share"));
        check("path_depth", 3.5, (3.5, "segments"));
        check("assets_per_page", 10.5, (10.5, "number"));
    }
}
