//! The columns of an export: the same in every format.

use sekisho_core::feature::FEATURES;

use crate::store::ExportRow;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// There is none.
    Null,
    /// UTF-8.
    Text(String),
    /// 64 bits.
    Integer(i64),
    /// 64 bits.
    Real(f64),
    /// 32 bits: what the model sees.
    Single(f32),
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64-bit integers.
    Integer,
    /// Milliseconds since 1970, UTC, in Parquet; Unix seconds elsewhere.
    Time,
    /// 64-bit floats.
    Real,
    /// 32-bit floats.
    Single,
}

type Get = Box<dyn Fn(&ExportRow) -> Cell>;

/// One column.
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Its value in a row.
    pub get: Get,
}

/// All columns; features last, in schema order.
pub fn columns() -> Vec<Column> {
    let mut columns = vec![
        column("seq", Kind::Integer, |row| Cell::Integer(row.seq)),
        column("id", Kind::Text, |row| Cell::Text(row.id.clone())),
        column("at", Kind::Time, |row| Cell::Integer(i64::from(row.at))),
        column("zone", Kind::Text, |row| Cell::Text(row.zone.clone())),
        column("client", Kind::Text, |row| Cell::Text(row.client.clone())),
        column("network", Kind::Text, |row| Cell::Text(row.network.clone())),
        column("class", Kind::Text, |row| optional(row.class.as_ref())),
        column("origin", Kind::Text, |row| optional(row.origin.as_ref())),
        column("kind", Kind::Text, |row| Cell::Text(row.kind.clone())),
        column("requests", Kind::Integer, |row| {
            Cell::Integer(i64::from(row.requests))
        }),
        column("score", Kind::Real, |row| {
            row.score.map_or(Cell::Null, Cell::Real)
        }),
        column("verdict", Kind::Text, |row| Cell::Text(row.verdict.clone())),
        column("reasons", Kind::Text, |row| Cell::Text(row.reasons.clone())),
        column("schema", Kind::Text, |row| Cell::Text(row.schema.clone())),
        column("model", Kind::Text, |row| Cell::Text(row.model.clone())),
        column("challenger", Kind::Text, |row| optional(row.challenger.as_ref())),
        column("challenger_score", Kind::Real, |row| {
            row.challenger_score.map_or(Cell::Null, Cell::Real)
        }),
        column("method", Kind::Text, |row| Cell::Text(row.method.clone())),
        column("target", Kind::Text, |row| Cell::Text(row.target.clone())),
    ];
    for (index, feature) in FEATURES.iter().enumerate() {
        let name = format!("feature_{}", feature.name);
        columns.push(column(&name, Kind::Single, move |row| {
            row.features
                .map_or(Cell::Null, |features| Cell::Single(features[index]))
        }));
    }
    columns
}

fn column(name: &str, kind: Kind, get: impl Fn(&ExportRow) -> Cell + 'static) -> Column {
    Column {
        name: name.to_owned(),
        kind,
        get: Box::new(get),
    }
}

fn optional(text: Option<&String>) -> Cell {
    text.map_or(Cell::Null, |text| Cell::Text(text.clone()))
}
