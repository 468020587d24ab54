//! Samples that a model can be learnt from: people who ordered and crawlers that were trapped, over twenty days.

use sekisho_core::feature::{COUNT, index, schema_hash};
use sekisho_core::sample::{Class, Kind, Label, Origin, Sample, VERSION};

/// People, and as many crawlers.
const EACH: u32 = 600;
/// Seconds between two clients.
const PACE: u32 = 1_440;

/// Lines of a sample file; the last client came a minute before Unix second `now`.
pub fn lines(now: u32) -> Vec<u8> {
    let clients = (0..2 * EACH).flat_map(|number| {
        let at = now - 60 - (2 * EACH - number) * PACE;
        let is_person = number % 2 == 0;
        [Kind::Flagged, Kind::Label].map(|kind| sample(number, at, is_person, kind))
    });
    let lines = clients.flat_map(|sample| {
        let mut line = sample.to_line().expect("a line");
        line.push(b'\n');
        line
    });
    lines.collect()
}

fn sample(number: u32, at: u32, is_person: bool, kind: Kind) -> Sample {
    let (class, origin, name) = match is_person {
        true => (
            Class::Human,
            Origin::Conversion,
            format!("10.{}.{}.1", number / 250, number % 250),
        ),
        false => (
            Class::Crawler,
            Origin::Trap,
            format!("172.{}.{}.1", 16 + number / 250, number % 250),
        ),
    };
    let label = (kind == Kind::Label).then_some(Label { label: class, origin });
    let kind_digit = u32::from(kind == Kind::Label);
    Sample {
        version: VERSION,
        kind,
        id: format!("{number:08x}{kind_digit:08x}"),
        at,
        zone: "clients".into(),
        client: name,
        requests: 16,
        score: Some(0.5),
        challenger: None,
        label,
        verdict: "PASSED".into(),
        reasons: Vec::new(),
        schema: schema_hash().into(),
        features: features(number, is_person),
        model: "ab".repeat(32),
        method: "GET".into(),
        target: "/".into(),
    }
}

fn features(number: u32, is_person: bool) -> Vec<f32> {
    let shade = (number % 17) as f32 / 100.0;
    let told: &[(&str, f32)] = if is_person {
        &[
            ("asset_share", 0.6),
            ("assets_per_page", 3.0),
            ("trail_referer_share", 0.5),
            ("missing_referer_share", 0.1),
        ]
    } else {
        &[
            ("missing_referer_share", 0.8),
            ("distinct_url_ratio", 0.8),
            ("long_tail_share", 0.7),
        ]
    };
    let mut features = vec![0.0; COUNT];
    for (name, value) in [("requests", 4.0)].iter().chain(told) {
        features[index(name).expect("a feature of the schema")] = value + shade;
    }
    features
}
