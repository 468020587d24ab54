//! The ground truth beside a simulated log: one line a client.

use std::io::Read;

use serde::{Deserialize, Serialize};

/// Most clients that are read back: as many as a swarm of all its addresses.
const MAX_ROWS: usize = 12_000_000;

/// One client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its address, as the log has it.
    pub client: String,
    /// What it is: a name of [`super::cast::Kind`].
    pub actor: String,
    /// `human` or `crawler`.
    pub class: Class,
    /// Whether it makes itself look like a person.
    pub disguised: YesNo,
    /// Its first request, RFC 3339.
    pub first: String,
    /// Its last.
    pub last: String,
    /// Its requests.
    pub requests: u64,
    /// More about it.
    pub notes: String,
}

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A person, or several.
    Human,
    /// A program.
    Crawler,
}

/// As people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum YesNo {
    /// It is so.
    Yes,
    /// It is not.
    No,
}

impl From<bool> for YesNo {
    fn from(yes: bool) -> YesNo {
        if yes { YesNo::Yes } else { YesNo::No }
    }
}

/// It is no ground truth.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// A line is wrong.
    #[error("{name} is no ground truth that `sekisho simulate --truth` wrote")]
    Row {
        /// The file.
        name: String,
        /// Where, and what.
        source: csv::Error,
    },
    /// Too many lines.
    #[error("{0} has more than {MAX_ROWS} clients; score a part of the log")]
    TooMany(String),
}

/// Reads ground truth; `name` is for errors.
pub fn read(name: &str, input: impl Read) -> Result<Vec<Row>, TruthError> {
    let mut rows = Vec::new();
    for row in csv::Reader::from_reader(input).deserialize() {
        if rows.len() == MAX_ROWS {
            return Err(TruthError::TooMany(name.to_owned()));
        }
        rows.push(row.map_err(|source| TruthError::Row {
            name: name.to_owned(),
            source,
        })?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_reads_as_it_was_written() {
        let row = Row {
            client: "2001:db8::1".to_owned(),
            actor: "walker".to_owned(),
            class: Class::Crawler,
            disguised: YesNo::Yes,
            first: "2026-01-05T00:00:00Z".to_owned(),
            last: "2026-01-05T00:00:09Z".to_owned(),
            requests: 12,
            notes: "a \"quoted\", comma\nand more".to_owned(),
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(&row).unwrap();
        let text = writer.into_inner().unwrap();
        assert_eq!(read("truth.csv", &text[..]).unwrap(), [row]);
    }

    #[test]
    fn what_is_no_truth_is_told_with_its_line() {
        let head = "client,actor,class,disguised,first,last,requests,notes\n";
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let error = read("t.csv", text.as_bytes()).unwrap_err();
            let source = std::error::Error::source(&error)
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(source.contains(expected), "{source}");
        }
        check(&format!("{head}1,a,robot,no,x,y,3,\n"), "unknown variant `robot`");
        check(&format!("{head}1,a,human,no,x,y,-3,\n"), "line: 2");
        check(&format!("{head}1,a,human\n"), "found record with 3 fields");
        check("client,score\n1,2\n", "unknown field `score`");
    }
}
