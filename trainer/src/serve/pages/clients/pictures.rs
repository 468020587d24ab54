//! The pictures of one client, from its newest samples.

use jiff::Timestamp;
use sekisho_core::feature::{FEATURES, index};

use super::super::words::{OneClient, fill};
use super::dot;
use crate::explain::{Lang, Visitors, feature_figure, feature_noun, length};
use crate::figures::grouped;
use crate::picture::{Curve, Dot, Label, Point, Raster, Strip, curve, pauses, period, raster, strip};
use crate::store::SourceRow;

/// Least and greatest score.
const SCORES: (f64, f64) = (0.0, 1.0);

/// A picture with what it tells.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its name.
    pub title: &'static str,
    /// What it tells.
    pub says: String,
    /// Itself.
    pub svg: String,
}

/// One feature beside the visitors'.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Its name in words.
    pub noun: &'static str,
    /// Its name in the schema.
    pub name: &'static str,
    /// This client's value.
    pub value: String,
    /// The visitors' median.
    pub median: String,
    /// What nine tenths of them have.
    pub usual: Option<String>,
    /// Whether the client is outside of that.
    pub apart: bool,
    /// The picture.
    pub svg: String,
}

/// What is drawn.
pub struct Drawn<'a> {
    /// Samples, oldest first.
    pub rows: &'a [SourceRow],
    /// Thresholds of suspicion and of rejection, where the client was explained.
    pub thresholds: Option<(f64, f64)>,
    /// Visitors, where the client was explained.
    pub visitors: Option<&'a Visitors>,
    /// Language.
    pub lang: Lang,
}

impl Drawn<'_> {
    /// All pictures that these samples are enough for.
    pub fn pictures(&self, words: &'static OneClient) -> Vec<Picture> {
        let mut pictures = Vec::new();
        pictures.extend(self.scores(words));
        pictures.extend(self.rasters(words));
        pictures.extend(self.urls(words));
        pictures
    }

    fn scores(&self, words: &'static OneClient) -> Option<Picture> {
        let point = |row: &SourceRow| {
            Some(Point {
                x: f64::from(row.at),
                y: row.score?,
                class: dot(&row.verdict),
            })
        };
        let points: Vec<Point> = self.rows.iter().filter_map(point).collect();
        let (first, last) = (points.first()?.x, points.last()?.x);
        let marks: Vec<(f64, &'static str)> = self
            .thresholds
            .map(|(suspect, reject)| vec![(suspect, "suspect"), (reject, "reject")])
            .unwrap_or_default();
        let (suspect, reject) = self.thresholds.unwrap_or_default();
        let says = fill(words.over_time_text, &[&score(suspect), &score(reject)]);
        let svg = curve(&Curve {
            title: words.over_time,
            description: &says,
            points: &points,
            x: (first, last),
            y: SCORES,
            marks: &marks,
            band: None,
            ends: (clock(first as u32), clock(last as u32)),
            height: &score,
        });
        Some(Picture {
            title: words.over_time,
            says,
            svg,
        })
    }

    fn rasters(&self, words: &'static OneClient) -> Vec<Picture> {
        let dots: Vec<Dot> = self.rows.iter().map(sample).collect();
        let times: Vec<u32> = dots.iter().map(|dot| dot.at).collect();
        if times.is_empty() {
            return Vec::new();
        }
        let beat = period(&times, self.pause());
        let span = |seconds: f64| length(self.lang, seconds.round() as u32);
        let says = match beat.coherence {
            Some(coherence) => fill(
                words.when_beat,
                &[&span(beat.seconds), &span(beat.seconds), &score(coherence)],
            ),
            None => fill(words.when_wild, &[&span(beat.seconds)]),
        };
        let drawn = |title, description| Raster {
            title,
            description,
            time: &clock,
            length: &span,
        };
        vec![
            Picture {
                title: words.when,
                svg: raster(&dots, beat, &drawn(words.when, &says)),
                says: says.clone(),
            },
            Picture {
                title: words.pauses,
                svg: pauses(&dots, &drawn(words.pauses, words.pauses_text)),
                says: words.pauses_text.to_owned(),
            },
        ]
    }

    /// The client's median pause between pages, seconds.
    fn pause(&self) -> Option<f64> {
        let place = index("page_interval_median")?;
        let features = self.rows.iter().rev().find_map(|row| row.features)?;
        Some(f64::from(features[place]).exp2() - 1.0).filter(|pause| *pause > 0.0)
    }

    fn urls(&self, words: &'static OneClient) -> Option<Picture> {
        let place = index("lifetime_url_ratio")?;
        // A counter that falls began anew: the curve is of what came then.
        let began = self
            .rows
            .windows(2)
            .rposition(|pair| pair[1].requests < pair[0].requests);
        let rows = &self.rows[began.map_or(0, |before| before + 1)..];
        let point = |row: &SourceRow| {
            let requests = f64::from(row.requests);
            Some(Point {
                x: requests,
                y: requests * f64::from(row.features?[place]),
                class: dot(&row.verdict),
            })
        };
        let points: Vec<Point> = rows.iter().filter_map(point).collect();
        let most = points.last()?.x.max(1.0);
        let band = self.visitors.and_then(|visitors| {
            let (low, high) = visitors.tails(place)?;
            let line = |ratio: f32| (0.0, most * f64::from(ratio));
            Some([line(low), line(visitors.median()[place]), line(high)])
        });
        let svg = curve(&Curve {
            title: words.urls,
            description: words.urls_text,
            points: &points,
            x: (0.0, most),
            y: (0.0, most),
            marks: &[],
            band,
            ends: (Label::plain("0"), Label::plain(grouped(most as u64))),
            height: &|urls| grouped(urls as u64),
        });
        Some(Picture {
            title: words.urls,
            says: words.urls_text.to_owned(),
            svg,
        })
    }
}

/// Every feature of a client beside what visitors have; `of` is a value by its name, as the model sees it.
pub fn beside(visitors: &Visitors, of: impl Fn(&str) -> Option<f64>, lang: Lang) -> Vec<Beside> {
    let features = FEATURES.iter().enumerate();
    let one = features.filter_map(|(place, feature)| {
        let value = of(feature.name)?;
        let tails = visitors
            .tails(place)
            .map(|(low, high)| (f64::from(low), f64::from(high)));
        let drawn = Strip {
            range: (f64::from(feature.range.0), f64::from(feature.range.1)),
            tails,
            median: f64::from(visitors.median()[place]),
            value,
        };
        let figure = |raw| feature_figure(lang, feature.name, raw);
        Some(Beside {
            noun: feature_noun(lang, feature.name),
            name: feature.name,
            value: figure(value),
            median: figure(drawn.median),
            usual: tails.map(|(low, high)| format!("{} – {}", figure(low), figure(high))),
            apart: drawn.is_apart(),
            svg: strip(&drawn),
        })
    });
    one.collect()
}

fn sample(row: &SourceRow) -> Dot {
    Dot {
        at: row.at,
        requests: row.requests,
        class: dot(&row.verdict),
    }
}

fn score(value: f64) -> String {
    format!("{value:.2}")
}

/// A time in a picture: UTC, as short as can be.
fn clock(at: u32) -> Label {
    let time = Timestamp::from_second(i64::from(at)).unwrap_or_default();
    Label {
        text: time.strftime("%m-%d %R").to_string(),
        at: Some(at),
    }
}

#[cfg(test)]
mod tests {
    use sekisho_core::feature::COUNT;

    use super::*;

    fn rows(count: u32) -> Vec<SourceRow> {
        let row = |place| SourceRow {
            id: format!("{place:016x}"),
            at: 1_800_000_000 + place * 60,
            requests: 10 + place * 6,
            score: Some(0.9),
            verdict: "<SUSPECT>".into(),
            reasons: Vec::new(),
            features: Some([0.5; COUNT]),
            model: String::new(),
            target: "/".into(),
            digest: Vec::new(),
        };
        (0..count).map(row).collect()
    }

    fn drawn(rows: &[SourceRow]) -> Vec<Picture> {
        let drawn = Drawn {
            rows,
            thresholds: Some((0.5, 0.8)),
            visitors: None,
            lang: Lang::En,
        };
        drawn.pictures(OneClient::of(Lang::En))
    }

    #[test]
    fn pictures_tell_what_they_show() {
        let found = drawn(&rows(30));
        let titles: Vec<&str> = found.iter().map(|picture| picture.title).collect();
        assert_eq!(
            titles,
            [
                "Score over time",
                "When it came",
                "Pauses between requests",
                "New URLs"
            ]
        );
        assert!(
            found[1].says.contains("on a beat of 60 s: coherence 1.00"),
            "{}",
            found[1].says
        );
        assert!(
            found
                .iter()
                .all(|picture| !picture.svg.contains("SUSPECT") && !picture.svg.contains("style="))
        );
    }

    #[test]
    fn a_client_of_one_sample_and_of_none_has_pictures_too() {
        assert_eq!(drawn(&rows(1)).len(), 4);
        assert!(drawn(&[]).is_empty());
        let mut unscored = rows(2);
        for row in &mut unscored {
            (row.score, row.features) = (None, None);
        }
        assert_eq!(drawn(&unscored).len(), 2);
    }

    #[test]
    fn urls_are_of_the_newest_run() {
        let mut two = rows(20);
        two[12].requests = 1;
        two.iter_mut()
            .skip(13)
            .zip(2..)
            .for_each(|(row, requests)| row.requests = requests * 10);
        let svg = &drawn(&two)[3].svg;
        assert!(svg.contains(">80</text>"), "{svg}");
    }
}
