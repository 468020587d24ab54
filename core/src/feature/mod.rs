//! The features: the only place where they exist.
//!
//! A feature is one finite number computed from a [`Record`]. Their order, names and units are the schema,
//! and the schema's hash ties a model to the code that feeds it. The user agent is never a feature. Every
//! one means the same from an access log with one-second timestamps as it does live, because the record
//! counts whole seconds.

mod behaviour;
mod timing;

use std::fmt::Write;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::record::Record;
use timing::Pace;

/// Number of features.
pub const COUNT: usize = 29;

/// A client's features, in schema order.
pub type Features = [f32; COUNT];

/// What a feature's numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A part of a whole, 0 to 1.
    Share,
    /// A pure number.
    Number,
    /// log2(1 + seconds).
    LogSeconds,
    /// log2(1 + bytes).
    LogBytes,
    /// log2(1 + count).
    LogCount,
    /// Bits of entropy.
    Bits,
    /// Path segments.
    Segments,
}

impl Unit {
    /// The unit as the schema and documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Share => "share",
            Unit::Number => "number",
            Unit::LogSeconds => "log2 s",
            Unit::LogBytes => "log2 byte",
            Unit::LogCount => "log2 count",
            Unit::Bits => "bit",
            Unit::Segments => "segment",
        }
    }
}

/// Where a feature's knowledge comes from. Models are judged with and without the ones that a crawler fakes
/// by loading assets and sending referers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// URLs and timing: costly to fake.
    Behaviour,
    /// Assets loaded beside pages.
    Asset,
    /// The referer header.
    Referer,
}

/// One column of the schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feature {
    /// Name in models, logs and JSON.
    pub name: &'static str,
    /// Unit of its numbers.
    pub unit: Unit,
    /// Least and greatest value.
    pub range: (f32, f32),
    /// What it is built from.
    pub family: Family,
}

macro_rules! schema {
    ($($name:ident $family:ident $unit:ident [$low:literal, $high:literal] = $from:expr;)*) => {
        /// The schema.
        pub static FEATURES: [Feature; COUNT] = [$(Feature {
            name: stringify!($name), unit: Unit::$unit, range: ($low, $high), family: Family::$family,
        }),*];

        /// Computes a record's features. All are finite and within their range.
        pub fn of(record: &Record) -> Features {
            let pace = Pace::of(record);
            [$({
                let compute: fn(&Record, &Pace) -> f32 = $from;
                bounded(compute(record, &pace), $low, $high)
            }),*]
        }
    };
}

schema! {
    requests Behaviour LogCount [0.0, 32.0] = |record, _| behaviour::requests(record);
    distinct_url_ratio Behaviour Share [0.0, 1.0] = |record, _| behaviour::distinct_url_ratio(record);
    distinct_path_ratio Behaviour Share [0.0, 1.0] = |record, _| behaviour::distinct_path_ratio(record);
    lifetime_url_ratio Behaviour Share [0.0, 1.0] = |record, _| behaviour::lifetime_url_ratio(record);
    long_tail_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::long_tail_share(record);
    interval_mean Behaviour LogSeconds [0.0, 32.0] = |record, _| timing::interval_mean(record);
    interval_variation Behaviour LogSeconds [0.0, 32.0] = |record, _| timing::interval_variation(record);
    interval_entropy Behaviour Bits [0.0, 4.0] = |record, _| timing::interval_entropy(record);
    short_interval_share Behaviour Share [0.0, 1.0] = |record, _| timing::short_interval_share(record);
    lag_correlation Behaviour Number [-1.0, 1.0] = |record, _| timing::lag_correlation(record);
    page_interval_median Behaviour LogSeconds [0.0, 16.0] = |_, pace| timing::page_interval_median(pace);
    page_interval_spread Behaviour Number [0.0, 16.0] = |_, pace| timing::page_interval_spread(pace);
    beacon_score Behaviour Share [0.0, 1.0] = |_, pace| timing::beacon_score(pace);
    phase_coherence Behaviour Share [0.0, 1.0] = |_, pace| timing::phase_coherence(pace);
    assets_per_page Asset Number [0.0, 64.0] = |record, _| behaviour::assets_per_page(record);
    asset_share Asset Share [0.0, 1.0] = |record, _| behaviour::asset_share(record);
    missing_referer_share Referer Share [0.0, 1.0] = |record, _| behaviour::missing_referer_share(record);
    trail_referer_share Referer Share [0.0, 1.0] = |record, _| behaviour::trail_referer_share(record);
    redirect_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::redirect_share(record);
    not_modified_share Asset Share [0.0, 1.0] = |record, _| behaviour::not_modified_share(record);
    client_error_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::client_error_share(record);
    server_error_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::server_error_share(record);
    head_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::head_share(record);
    post_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::post_share(record);
    other_method_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::other_method_share(record);
    query_share Behaviour Share [0.0, 1.0] = |record, _| behaviour::query_share(record);
    query_diversity Behaviour Share [0.0, 1.0] = |record, _| behaviour::query_diversity(record);
    path_depth Behaviour Segments [0.0, 15.0] = |record, _| behaviour::path_depth(record);
    response_bytes Behaviour LogBytes [0.0, 32.0] = |record, _| behaviour::response_bytes(record);
}

impl Record {
    /// This client's features; see [`of`].
    pub fn features(&self) -> Features {
        of(self)
    }
}

/// Hash of the schema: the first 16 hex digits of SHA-256 over the version and every `name unit` line.
pub fn schema_hash() -> &'static str {
    static HASH: LazyLock<String> = LazyLock::new(|| {
        let mut text = String::from("sekisho schema 1\n");
        for feature in &FEATURES {
            let _ = writeln!(text, "{} {}", feature.name, feature.unit.as_str());
        }
        let digest = Sha256::digest(text.as_bytes());
        digest.iter().take(8).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    });
    &HASH
}

/// Index of a feature by its name.
pub fn index(name: &str) -> Option<usize> {
    FEATURES.iter().position(|feature| feature.name == name)
}

fn bounded(value: f32, low: f32, high: f32) -> f32 {
    // `clamp` would keep NaN, and trees answer NaN with a confident constant.
    if value >= low { value.min(high) } else { low }
}

fn share(part: impl Into<f32>, whole: impl Into<f32>) -> f32 {
    let whole = whole.into();
    if whole > 0.0 { part.into() / whole } else { 0.0 }
}

#[cfg(test)]
mod tests;
