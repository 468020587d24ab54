use std::fs::File;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use sekisho_core::feature::{COUNT, FEATURES, schema_hash};
use sekisho_core::sample::{Challenger, Kind, Sample, VERSION};
use tempfile::TempDir;

use super::*;
use crate::store::{Class, FileId, Intake, Line, Names, Origin, Position, StoredLabel};

const AT: u32 = 1_800_000_000;

fn sample(id: u32) -> Sample {
    Sample {
        version: VERSION,
        kind: Kind::Contrast,
        id: format!("{id:016x}"),
        at: AT + id,
        zone: "clients".into(),
        client: format!("192.0.2.{}", id % 3),
        requests: 12,
        score: (id != 1).then_some(0.25),
        challenger: (id == 2).then(|| Challenger {
            model: "cd".repeat(32),
            score: 0.5,
        }),
        label: None,
        verdict: "PASSED".into(),
        reasons: vec!["pace".into()],
        schema: schema_hash().into(),
        features: (0..COUNT).map(|index| index as f32 / 8.0).collect(),
        model: "ab".repeat(32),
        method: "GET".into(),
        target: if id == 0 {
            "=1+1".into()
        } else {
            format!("/ä,\"{id}\"")
        },
    }
}

fn store(dir: &TempDir) -> Store {
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    let lines: Vec<Vec<u8>> = (0..6).map(|id| sample(id).to_line().unwrap()).collect();
    let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::Whole(line)).collect();
    let mut position = Position {
        row: None,
        path: "s".into(),
        id: FileId { device: 1, inode: 1 },
        head: Vec::new(),
        head_length: 0,
        offset: 9,
        skipping: false,
    };
    let intake = Intake {
        source: "s",
        names: &Names::Plain,
        now: AT,
    };
    store.take(intake, &lines, &mut position).unwrap();
    let label = StoredLabel {
        zone: "clients".into(),
        client: "192.0.2.1".into(),
        class: Class::Human,
        origin: Origin::Operator,
        author: "ana".into(),
        at: AT,
        note: String::new(),
    };
    store
        .add_labels(&[label], &Names::Plain, false, (AT, "ana"))
        .unwrap();
    store
}

#[test]
fn parquet_reads_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("s.parquet");
    let rows = to_file(&store(&dir), &Selection::default(), Format::Parquet, &path).unwrap();
    assert_eq!(rows, 6);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "what clients did is nobody else's to read");
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 6);
    let rows: Vec<Vec<(String, Field)>> = reader
        .get_row_iter(None)
        .unwrap()
        .map(|row| {
            row.unwrap()
                .get_column_iter()
                .map(|(name, field)| (name.clone(), field.clone()))
                .collect()
        })
        .collect();
    let field = |row: usize, name: &str| {
        let found = rows[row].iter().find(|(column, _)| column == name);
        found.unwrap_or_else(|| panic!("no column {name}")).1.clone()
    };
    assert_eq!(rows[0].len(), 19 + COUNT);
    assert_eq!(field(0, "target"), Field::Str("=1+1".into()));
    assert_eq!(field(3, "target"), Field::Str("/ä,\"3\"".into()));
    assert_eq!(field(2, "at"), Field::TimestampMillis(i64::from(AT + 2) * 1000));
    assert_eq!(
        (field(0, "score"), field(1, "score")),
        (Field::Double(0.25), Field::Null)
    );
    assert_eq!(
        (field(1, "challenger"), field(2, "challenger_score")),
        (Field::Null, Field::Double(0.5))
    );
    assert_eq!(
        (field(1, "class"), field(2, "class")),
        (Field::Str("human".into()), Field::Null)
    );
    let last = format!("feature_{}", FEATURES[COUNT - 1].name);
    assert_eq!(field(5, &last), Field::Float((COUNT - 1) as f32 / 8.0));
}

#[test]
fn csv_and_json_lines_hold_the_same() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    let mut csv = Vec::new();
    let all = Selection::default();
    assert_eq!(write(&store, &all, Format::Csv, &mut csv).unwrap(), 6);
    let mut jsonl = Vec::new();
    assert_eq!(write(&store, &all, Format::Jsonl, &mut jsonl).unwrap(), 6);
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let column = |name: &str| header.iter().position(|column| column == name).unwrap();
    assert_eq!(
        &rows[0][column("target")],
        "'=1+1",
        "a spreadsheet must not run it"
    );
    assert_eq!(&rows[1][column("score")], "");
    for (line, row) in jsonl.split(|&byte| byte == b'\n').zip(&rows) {
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["id"], row[column("id")]);
        assert_eq!(value["at"].to_string(), row[column("at")]);
        assert_eq!(
            unguarded(row[column("target")].to_owned()),
            value["target"].as_str().unwrap()
        );
        assert_eq!(
            value["feature_error_share"].is_null(),
            !header.iter().any(|name| name == "feature_error_share")
        );
    }
}

#[test]
fn a_selection_selects() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir);
    #[track_caller]
    fn check(store: &Store, selection: &Selection, expected: u64) {
        assert_eq!(
            for_each(store, selection, |_| Ok(())).unwrap(),
            expected,
            "{selection:?}"
        );
    }
    let of = |zone: &str| Selection {
        zone: Some(zone.into()),
        ..Selection::default()
    };
    check(&store, &of("clients"), 6);
    check(&store, &of("other"), 0);
    let labelled = Selection {
        labelled: true,
        ..Selection::default()
    };
    check(&store, &labelled, 2);
    let between = Selection {
        from: Some(AT + 2),
        until: Some(AT + 4),
        ..Selection::default()
    };
    check(&store, &between, 2);
}

#[test]
fn moments_are_days_or_times() {
    #[track_caller]
    fn check(text: &str, expected: Option<u32>) {
        assert_eq!(moment(text).ok(), expected, "{text}");
    }
    check("2026-11-01", Some(1_793_491_200));
    check("2026-11-01T12:00:00Z", Some(1_793_534_400));
    check("2026-11-01T12:00:00+02:00", Some(1_793_527_200));
    check("yesterday", None);
    check("1960-01-01", None);
}
