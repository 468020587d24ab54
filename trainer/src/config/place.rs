//! Where in the file something stands.

use std::path::Path;

use toml::de::DeTable;

use super::environment::Override;
use super::{ConfigError, Fault};

/// An error of the TOML reader with file, line and column.
pub(super) fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let (line, column) = position(text, error.span().map_or(0, |span| span.start));
    ConfigError::Syntax {
        place: format!("{}:{line}:{column}", file.display()),
        reason: error.message().trim().replace('\n', ", "),
    }
}

/// Where the value stands that a fault is about: the variable that set it, its line, or the file where it has only its
/// default.
pub(super) fn of(file: &Path, text: &str, overrides: &[Override], fault: &Fault) -> String {
    let set = |each: &&Override| each.section == fault.section && each.key == fault.key;
    if let Some(each) = overrides.iter().find(set) {
        return each.variable.clone();
    }
    match offset(text, fault) {
        Some(offset) => format!("{}:{}", file.display(), position(text, offset).0),
        None => format!("{}: [{}]", file.display(), fault.section),
    }
}

fn offset(text: &str, fault: &Fault) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let section = document.get_ref().get(fault.section)?;
    let table = match section.get_ref().as_array() {
        Some(tables) => tables.get(fault.index)?,
        None => section,
    };
    let keys = table.get_ref().as_table()?;
    let value = keys.get(fault.key);
    Some(value.map_or(table.span().start, |value| value.span().start))
}

/// Line and column, from 1, of a byte.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
