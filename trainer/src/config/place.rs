//! Where in the file something stands.

use std::path::{Path, PathBuf};

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

/// Where the values of a configuration stand.
#[derive(Clone, Debug)]
pub(super) struct Places {
    file: PathBuf,
    text: String,
    overrides: Vec<Override>,
}

impl Places {
    pub fn new(file: &Path, text: String, overrides: Vec<Override>) -> Places {
        Places {
            file: file.to_owned(),
            text,
            overrides,
        }
    }

    /// The variables that override the file.
    pub fn overridden(&self) -> Vec<String> {
        self.overrides.iter().map(|each| each.variable.clone()).collect()
    }

    /// Where the value stands that a fault is about: the variable that set it, its line, or the file and the section
    /// where it has only its default.
    pub fn of(&self, fault: &Fault) -> String {
        let default = || format!("{}: [{}]", self.file.display(), fault.section);
        self.line(fault).unwrap_or_else(default)
    }

    /// The same; nothing where it has only its default.
    pub fn line(&self, fault: &Fault) -> Option<String> {
        let set = |each: &&Override| each.section == fault.section && each.key == fault.key;
        if let Some(each) = self.overrides.iter().find(set) {
            return Some(each.variable.clone());
        }
        let offset = offset(&self.text, fault)?;
        Some(format!(
            "{}:{}",
            self.file.display(),
            position(&self.text, offset).0
        ))
    }

    /// The file.
    pub fn file(&self) -> String {
        self.file.display().to_string()
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
