//! `SEKISHO_<SECTION>_<KEY>`: what the environment overrides.

use toml::{Table, Value};

use super::{Config, ConfigError};

/// The sections that can be overridden. `SEKISHO_SAMPLES_PATH` replaces all sample files by one.
const SECTIONS: [&str; 9] = [
    "store",
    "samples",
    "api",
    "dashboard",
    "models",
    "gates",
    "retrain",
    "runbooks",
    "calibrate",
];
const PREFIX: &str = "SEKISHO_";

/// One variable.
#[derive(Clone, Debug)]
pub(super) struct Override {
    /// Its name.
    pub variable: String,
    /// The section that it is about.
    pub section: &'static str,
    /// The key within.
    pub key: String,
    value: String,
}

/// The variables that are about the configuration, in the order of their names.
pub(super) fn overrides(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Override>, ConfigError> {
    let mut found = Vec::new();
    for (variable, value) in environment {
        let Some(rest) = variable.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else {
            continue;
        };
        let section = SECTIONS
            .into_iter()
            .find_map(|section| Some((section, rest.strip_prefix(section)?.strip_prefix('_')?.to_owned())));
        if let Some((section, key)) = section {
            found.push(Override {
                variable,
                section,
                key,
                value,
            });
        }
    }
    found.sort_by(|one, other| one.variable.cmp(&other.variable));
    Ok(found)
}

/// The configuration of a text that is valid by itself, with the overrides applied one by one.
pub(super) fn apply(text: &str, overrides: &[Override]) -> Result<Config, ConfigError> {
    let refused = |each: &Override, reason: &toml::de::Error| ConfigError::Environment {
        variable: each.variable.clone(),
        reason: reason.message().trim().replace('\n', ", "),
    };
    let mut table: Table = toml::from_str(text).unwrap_or_default();
    let mut config = Config::default();
    for each in overrides {
        // A text first, as most values are; then what the text says as TOML: a number, a list.
        let literal = toml::from_str::<Table>(&format!("value = {}", each.value))
            .ok()
            .and_then(|mut table| table.remove("value"));
        let candidates = [Some(Value::String(each.value.clone())), literal];
        let mut outcome = None;
        for value in candidates.into_iter().flatten() {
            let mut changed = table.clone();
            set(&mut changed, each, value);
            let read = Config::deserialize_table(changed.clone());
            let good = read.is_ok();
            outcome = Some((changed, read));
            if good {
                break;
            }
        }
        if let Some((changed, read)) = outcome {
            config = read.map_err(|error| refused(each, &error))?;
            table = changed;
        }
    }
    Ok(config)
}

fn set(table: &mut Table, each: &Override, value: Value) {
    if each.section == "samples" {
        let only = Table::from_iter([(each.key.clone(), value)]);
        let kept = table
            .get("samples")
            .and_then(Value::as_array)
            .and_then(|all| all.first());
        let mut first = match kept {
            Some(Value::Table(first)) => first.clone(),
            _ => Table::new(),
        };
        first.extend(only);
        table.insert("samples".into(), Value::Array(vec![Value::Table(first)]));
        return;
    }
    let section = table
        .entry(each.section)
        .or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(each.key.clone(), value);
    }
}

impl Config {
    fn deserialize_table(table: Table) -> Result<Config, toml::de::Error> {
        Value::Table(table).try_into()
    }
}
