//! Parquet, by columns: a group of rows is gathered, then written column by column.

use std::fs::File;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::columns::{Cell, Column, Kind, columns};
use super::{ExportError, for_each};
use crate::store::{ExportRow, Selection, Store};

/// Rows of a group: some 40 MB of memory while it is gathered.
const GROUP: usize = 65_536;

/// Writes the samples of a selection; tells how many.
pub(super) fn write(store: &Store, selection: &Selection, file: File) -> Result<u64, ExportError> {
    let columns = columns();
    let schema = Arc::new(schema(&columns)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(format!("sekisho {}", env!("CARGO_PKG_VERSION")))
        .build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut rows: Vec<ExportRow> = Vec::with_capacity(GROUP);
    let count = for_each(store, selection, |row| {
        rows.push(row.clone());
        if rows.len() == GROUP {
            write_group(&mut writer, &columns, &rows)?;
            rows.clear();
        }
        Ok(())
    })?;
    if !rows.is_empty() {
        write_group(&mut writer, &columns, &rows)?;
    }
    writer.close()?;
    Ok(count)
}

fn schema(columns: &[Column]) -> Result<Type, ParquetError> {
    let fields: Result<Vec<Arc<Type>>, ParquetError> = columns
        .iter()
        .map(|column| {
            let (physical, logical) = match column.kind {
                Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
                Kind::Integer => (Physical::INT64, None),
                Kind::Time => (
                    Physical::INT64,
                    Some(LogicalType::timestamp(true, TimeUnit::MILLIS)),
                ),
                Kind::Real => (Physical::DOUBLE, None),
                Kind::Single => (Physical::FLOAT, None),
            };
            let field = Type::primitive_type_builder(&column.name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()?;
            Ok(Arc::new(field))
        })
        .collect();
    Type::group_type_builder("sample").with_fields(fields?).build()
}

fn write_group(
    writer: &mut SerializedFileWriter<File>,
    columns: &[Column],
    rows: &[ExportRow],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for column in columns {
        let Some(mut target) = group.next_column()? else {
            break;
        };
        let cells: Vec<Cell> = rows.iter().map(column.get.as_ref()).collect();
        // Which rows have a value.
        let levels: Vec<i16> = cells.iter().map(|cell| i16::from(*cell != Cell::Null)).collect();
        let scale = if column.kind == Kind::Time { 1000 } else { 1 };
        match target.untyped() {
            ColumnWriter::ByteArrayColumnWriter(target) => {
                let values: Vec<ByteArray> = cells.into_iter().filter_map(text).collect();
                target.write_batch(&values, Some(&levels), None)?;
            }
            ColumnWriter::Int64ColumnWriter(target) => {
                let values: Vec<i64> = cells
                    .iter()
                    .filter_map(integer)
                    .map(|value| value * scale)
                    .collect();
                target.write_batch(&values, Some(&levels), None)?;
            }
            ColumnWriter::DoubleColumnWriter(target) => {
                let values: Vec<f64> = cells.iter().filter_map(real).collect();
                target.write_batch(&values, Some(&levels), None)?;
            }
            ColumnWriter::FloatColumnWriter(target) => {
                let values: Vec<f32> = cells.iter().filter_map(single).collect();
                target.write_batch(&values, Some(&levels), None)?;
            }
            _ => return Err(ParquetError::General(format!("{} has no such type", column.name))),
        }
        target.close()?;
    }
    group.close()?;
    Ok(())
}

fn text(cell: Cell) -> Option<ByteArray> {
    match cell {
        Cell::Text(text) => Some(text.into_bytes().into()),
        _ => None,
    }
}

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(number) => Some(*number),
        _ => None,
    }
}

fn real(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Real(number) => Some(*number),
        _ => None,
    }
}

fn single(cell: &Cell) -> Option<f32> {
    match cell {
        Cell::Single(number) => Some(*number),
        _ => None,
    }
}
