//! What can be asked: a closed form, so that whoever fills it, a person's flags or a language model, can ask for nothing
//! else.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::dataset::Moment;
use crate::visible::is_hidden;

/// Filters at most: more than a question has parts.
pub const MAX_FILTERS: usize = 8;
/// Columns to group by at most: a table with more is no longer an answer.
pub const MAX_BY: usize = 3;
/// Longest value of a filter, in bytes.
pub const MAX_VALUE: usize = 256;
/// Rows at most: what a person reads.
pub const MAX_ROWS: u32 = 200;
/// Rows when nothing is said.
pub const ROWS: u32 = 10;

/// What rows are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Field {
    /// The key's zone.
    Zone,
    /// The client.
    Client,
    /// Its /24 or /48.
    Network,
    /// First directory of the request's path, such as /search.
    Section,
    /// Path of the request, without its query.
    Path,
    /// Request method.
    Method,
    /// Verdict when the sample was written.
    Verdict,
    /// Why the sample was written: flagged, contrast or label.
    Kind,
    /// The feature that spoke most for the score.
    Reason,
    /// What is believed of the client: human or crawler.
    Class,
    /// Who says so.
    Origin,
    /// Score, 0 to 1.
    Score,
    /// Hour of the sample, UTC.
    Hour,
    /// Day of the sample, UTC.
    Day,
    /// Reference id.
    Id,
}

impl Field {
    /// All.
    pub const ALL: [Field; 15] = [
        Field::Zone,
        Field::Client,
        Field::Network,
        Field::Section,
        Field::Path,
        Field::Method,
        Field::Verdict,
        Field::Kind,
        Field::Reason,
        Field::Class,
        Field::Origin,
        Field::Score,
        Field::Hour,
        Field::Day,
        Field::Id,
    ];

    /// The word in flags, JSON and tables.
    pub fn word(self) -> &'static str {
        match self {
            Field::Zone => "zone",
            Field::Client => "client",
            Field::Network => "network",
            Field::Section => "section",
            Field::Path => "path",
            Field::Method => "method",
            Field::Verdict => "verdict",
            Field::Kind => "kind",
            Field::Reason => "reason",
            Field::Class => "class",
            Field::Origin => "origin",
            Field::Score => "score",
            Field::Hour => "hour",
            Field::Day => "day",
            Field::Id => "id",
        }
    }
}

/// What is counted of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Measure {
    /// Samples.
    Samples,
    /// Different clients.
    Clients,
    /// Requests that these clients made from their first matching sample to their last.
    Requests,
    /// Highest score.
    TopScore,
    /// Mean score.
    MeanScore,
    /// Time of the last sample.
    Last,
}

impl Measure {
    /// All.
    pub const ALL: [Measure; 6] = [
        Measure::Samples,
        Measure::Clients,
        Measure::Requests,
        Measure::TopScore,
        Measure::MeanScore,
        Measure::Last,
    ];

    /// The word in flags, JSON and tables.
    pub fn word(self) -> &'static str {
        match self {
            Measure::Samples => "samples",
            Measure::Clients => "clients",
            Measure::Requests => "requests",
            Measure::TopScore => "top_score",
            Measure::MeanScore => "mean_score",
            Measure::Last => "last",
        }
    }
}

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Equal.
    Is,
    /// Different.
    Not,
    /// Begins with.
    Begins,
    /// Contains.
    Contains,
    /// For scores: at least.
    AtLeast,
    /// For scores: below.
    Below,
}

impl Comparison {
    /// All, with what stands for it in `--where`; what begins with another one comes first.
    pub const ALL: [(Comparison, &'static str); 6] = [
        (Comparison::Not, "!="),
        (Comparison::AtLeast, ">="),
        (Comparison::Begins, "^="),
        (Comparison::Contains, "*="),
        (Comparison::Below, "<"),
        (Comparison::Is, "="),
    ];

    /// What stands for it in `--where`.
    pub fn sign(self) -> &'static str {
        let found = Comparison::ALL.iter().find(|(comparison, _)| *comparison == self);
        found.map_or("", |(_, sign)| sign)
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Of what.
    pub field: Field,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub value: String,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// All of these must hold.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// From when on: `24h`, a date or a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A row for each value of these; none makes one row of everything.
    #[serde(default)]
    pub by: Vec<Field>,
    /// What is counted.
    #[serde(default = "Form::usual_measure")]
    pub measure: Measure,
    /// Rows.
    #[serde(default = "Form::usual_rows")]
    pub rows: u32,
}

/// Why a form cannot be asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormError {
    /// Too much of something.
    #[error("at most {most} {what}: ask for less at a time")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        most: usize,
    },
    /// A row number.
    #[error("rows are 1 to {MAX_ROWS}")]
    Rows,
    /// A value.
    #[error("a value of {0} is 1 to {MAX_VALUE} bytes, all of them visible")]
    Value(&'static str),
    /// Scores.
    #[error("score is compared with a number from 0 to 1, by >= or <")]
    Score,
    /// A comparison that makes no sense.
    #[error("{field} is no number: use =, !=, ^= (begins with) or *= (contains)")]
    Text {
        /// Of what.
        field: &'static str,
    },
    /// A time.
    #[error("{0:?} is no time: {1}")]
    Moment(String, String),
    /// Nothing lies between.
    #[error("from lies behind to: nothing can be between them")]
    Backwards,
    /// Two columns of the same.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// `--where` that nobody understands.
    #[error(
        "{0:?} is no condition: write FIELD=VALUE, or with !=, ^= (begins with), *= (contains), >= or <; fields are {1}"
    )]
    Where(String, String),
}

impl Form {
    fn usual_measure() -> Measure {
        Measure::Requests
    }

    fn usual_rows() -> u32 {
        ROWS
    }

    /// The form with its bounds checked, and the seconds that it spans when it is `now`.
    pub fn check(&self, now: u32) -> Result<(u32, u32), FormError> {
        if self.filters.len() > MAX_FILTERS {
            return Err(FormError::TooMany {
                what: "conditions",
                most: MAX_FILTERS,
            });
        }
        if self.by.len() > MAX_BY {
            return Err(FormError::TooMany {
                what: "columns to group by",
                most: MAX_BY,
            });
        }
        if !(1..=MAX_ROWS).contains(&self.rows) {
            return Err(FormError::Rows);
        }
        for (index, field) in self.by.iter().enumerate() {
            if self.by[..index].contains(field) {
                return Err(FormError::Twice(field.word()));
            }
        }
        self.filters.iter().try_for_each(Filter::check)?;
        let from = moment(self.from.as_deref(), now)?.unwrap_or(0);
        let to = moment(self.to.as_deref(), now)?.unwrap_or(u32::MAX);
        if from >= to {
            return Err(FormError::Backwards);
        }
        Ok((from, to))
    }
}

impl Filter {
    /// Reads `FIELD=VALUE` and its kin.
    pub fn read(text: &str) -> Result<Filter, FormError> {
        let at = text.find(|character: char| !(character.is_ascii_lowercase() || character == '_'));
        let (word, rest) = text.split_at(at.unwrap_or(text.len()));
        let field = Field::ALL.into_iter().find(|field| field.word() == word);
        let compared = Comparison::ALL
            .into_iter()
            .find_map(|(comparison, sign)| Some((comparison, rest.strip_prefix(sign)?)));
        match (field, compared) {
            (Some(field), Some((comparison, value))) => Ok(Filter {
                field,
                comparison,
                value: value.to_owned(),
            }),
            _ => {
                let fields: Vec<&str> = Field::ALL.iter().map(|field| field.word()).collect();
                Err(FormError::Where(text.to_owned(), fields.join(", ")))
            }
        }
    }

    fn check(&self) -> Result<(), FormError> {
        let visible = !self.value.chars().any(is_hidden);
        if !(1..=MAX_VALUE).contains(&self.value.len()) || !visible {
            return Err(FormError::Value(self.field.word()));
        }
        let ordered = matches!(self.comparison, Comparison::AtLeast | Comparison::Below);
        match (self.field, ordered) {
            (Field::Score, true) => self.score().map(|_| ()).ok_or(FormError::Score),
            (Field::Score, false) => Err(FormError::Score),
            (field, true) => Err(FormError::Text { field: field.word() }),
            (_, false) => Ok(()),
        }
    }

    /// The value as a score.
    pub fn score(&self) -> Option<f64> {
        let score: f64 = self.value.parse().ok()?;
        (0.0..=1.0).contains(&score).then_some(score)
    }
}

fn moment(text: Option<&str>, now: u32) -> Result<Option<u32>, FormError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(Moment::At(at)) => Ok(Some(at)),
        Ok(Moment::BeforeEnd(seconds)) => Ok(Some(now.saturating_sub(seconds))),
        Err(error) => Err(FormError::Moment(text.chars().take(MAX_VALUE).collect(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_800_000_000;

    fn form(filters: &[&str], by: &[Field]) -> Form {
        Form {
            filters: filters.iter().map(|text| Filter::read(text).unwrap()).collect(),
            from: None,
            to: None,
            by: by.to_vec(),
            measure: Measure::Requests,
            rows: 10,
        }
    }

    #[test]
    fn conditions_are_read() {
        #[track_caller]
        fn check(text: &str, expected: Option<(Field, Comparison, &str)>) {
            let read = Filter::read(text).ok();
            let read = read.as_ref().map(|f| (f.field, f.comparison, f.value.as_str()));
            assert_eq!(read, expected, "{text}");
        }
        check(
            "verdict=REJECTED",
            Some((Field::Verdict, Comparison::Is, "REJECTED")),
        );
        check(
            "path^=/search",
            Some((Field::Path, Comparison::Begins, "/search")),
        );
        check("path*=a=b", Some((Field::Path, Comparison::Contains, "a=b")));
        check("score>=0.9", Some((Field::Score, Comparison::AtLeast, "0.9")));
        check("score<0.9", Some((Field::Score, Comparison::Below, "0.9")));
        check("class!=human", Some((Field::Class, Comparison::Not, "human")));
        check("target=/", None);
        check("verdict", None);
        check("=x", None);
        check("", None);
        check("verdict ~ x", None);
    }

    #[test]
    fn bounds_are_kept() {
        #[track_caller]
        fn check(change: impl Fn(&mut Form), expected: &str) {
            let mut form = form(&["verdict=REJECTED"], &[Field::Network]);
            change(&mut form);
            let said = form
                .check(NOW)
                .map_or_else(|error| error.to_string(), |_| String::new());
            assert!(
                said.starts_with(expected) && said.is_empty() == expected.is_empty(),
                "{said}"
            );
        }
        check(|_| {}, "");
        check(|form| form.rows = 0, "rows are 1 to 200");
        check(|form| form.rows = 201, "rows are 1 to 200");
        check(|form| form.by = vec![Field::Zone; 2], "zone is there twice");
        check(|form| form.by = vec![Field::Zone; 4], "at most 3 columns");
        check(
            |form| form.filters = vec![form.filters[0].clone(); 9],
            "at most 8 conditions",
        );
        check(|form| form.filters[0].value = String::new(), "a value of verdict");
        check(
            |form| form.filters[0].value = "x\u{202e}".into(),
            "a value of verdict",
        );
        check(
            |form| form.filters[0].value = "x".repeat(257),
            "a value of verdict",
        );
        check(
            |form| form.filters[0].comparison = Comparison::Below,
            "verdict is no number",
        );
        check(
            |form| form.filters[0] = Filter::read("score>=7").unwrap(),
            "score is compared with",
        );
        check(
            |form| form.filters[0] = Filter::read("score=0.5").unwrap(),
            "score is compared with",
        );
        check(
            |form| form.from = Some("last night".into()),
            "\"last night\" is no time",
        );
        check(
            |form| (form.from, form.to) = (Some("1h".into()), Some("2h".into())),
            "from lies behind to",
        );
    }

    #[test]
    fn times_are_before_now_or_exact() {
        let mut form = form(&[], &[]);
        (form.from, form.to) = (Some("24h".into()), Some("2027-01-15T08:00:00Z".into()));
        assert_eq!(form.check(NOW), Ok((NOW - 86_400, NOW)));
    }
}
