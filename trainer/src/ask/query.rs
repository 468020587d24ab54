//! A form as one statement that only reads. Values are bound, never written into the text.

use rusqlite::types::Value;
use sekisho_core::key::shown_client;

use super::form::{Comparison, Field, Filter, Form, Measure};
use crate::store::Names;

/// A statement and what it binds, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// SQL.
    pub sql: String,
    /// Values.
    pub values: Vec<Value>,
}

/// The statement of a form over `from <= at < to`. Its columns are the form's, then every measure in the order of
/// [`Measure::ALL`].
pub fn statement(form: &Form, (from, to): (u32, u32), names: &Names) -> Statement {
    let mut values: Vec<Value> = vec![from.into(), to.into()];
    let mut conditions = String::from("sample.at >= ? AND sample.at < ?");
    for filter in &form.filters {
        let (condition, value) = condition(filter, names);
        conditions.push_str(" AND ");
        conditions.push_str(&condition);
        values.push(value);
    }
    let columns: String = (form.by.iter().enumerate())
        .map(|(index, field)| format!("{} AS c{index}, ", expression(*field)))
        .collect();
    let outer: String = (0..form.by.len()).map(|index| format!("c{index}, ")).collect();
    let grouped = |list: &str| match list.trim_end_matches(", ") {
        "" => String::new(),
        list => format!(" GROUP BY {list}"),
    };
    let inner_groups = format!("{outer}client");
    let measure = order(form.measure);
    // A client counts its own requests, so that those of one row are the sum over its clients.
    let sql = format!(
        "SELECT {outer}SUM(samples), COUNT(DISTINCT client), SUM(requests), MAX(top), SUM(total) / SUM(scored), MAX(last)
         FROM (SELECT {columns}sample.client AS client, COUNT(*) AS samples,
                 MAX(sample.requests) - MIN(sample.requests) + 1 AS requests, MAX(sample.score) AS top,
                 SUM(sample.score) AS total, COUNT(sample.score) AS scored, MAX(sample.at) AS last
               FROM sample JOIN client ON client.id = sample.client WHERE {conditions} GROUP BY {inner_groups})
         {groups} HAVING SUM(samples) > 0 ORDER BY {measure} DESC NULLS LAST, SUM(samples) DESC{ties} LIMIT ?",
        groups = grouped(&outer),
        ties = (0..form.by.len()).map(|index| format!(", c{index}")).collect::<String>(),
    );
    values.push(form.rows.into());
    Statement { sql, values }
}

fn order(measure: Measure) -> &'static str {
    match measure {
        Measure::Samples => "SUM(samples)",
        Measure::Clients => "COUNT(DISTINCT client)",
        Measure::Requests => "SUM(requests)",
        Measure::TopScore => "MAX(top)",
        Measure::MeanScore => "SUM(total) / SUM(scored)",
        Measure::Last => "MAX(last)",
    }
}

/// What a field is in SQL.
fn expression(field: Field) -> String {
    let path = "substr(sample.target, 1, instr(sample.target || '?', '?') - 1)";
    match field {
        Field::Zone => "client.zone".to_owned(),
        Field::Client => "client.name".to_owned(),
        Field::Network => "client.network".to_owned(),
        Field::Section => format!("substr({path}, 1, instr(substr({path}, 2) || '/', '/'))"),
        Field::Path => path.to_owned(),
        Field::Method => "sample.method".to_owned(),
        Field::Verdict => "sample.verdict".to_owned(),
        Field::Kind => "sample.kind".to_owned(),
        Field::Reason => "json_extract(sample.reasons, '$[0]')".to_owned(),
        Field::Class => "client.class".to_owned(),
        Field::Origin => "client.origin".to_owned(),
        Field::Score => "sample.score".to_owned(),
        Field::Hour => "strftime('%Y-%m-%d %H:00', sample.at, 'unixepoch')".to_owned(),
        Field::Day => "strftime('%Y-%m-%d', sample.at, 'unixepoch')".to_owned(),
        Field::Id => "sample.id".to_owned(),
    }
}

fn condition(filter: &Filter, names: &Names) -> (String, Value) {
    let field = expression(filter.field);
    let value = value(filter, names);
    match filter.comparison {
        Comparison::Is => (format!("{field} = ?"), value.into()),
        // What is not known is not that value either.
        Comparison::Not => (format!("{field} IS NOT ?"), value.into()),
        Comparison::Begins => (
            format!("substr({field}, 1, {}) = ?", value.chars().count()),
            value.into(),
        ),
        Comparison::Contains => (format!("instr({field}, ?) > 0"), value.into()),
        Comparison::AtLeast => (format!("{field} >= ?"), filter.score().unwrap_or(1.0).into()),
        Comparison::Below => (format!("{field} < ?"), filter.score().unwrap_or(0.0).into()),
    }
}

/// The value as the store has it: addresses as it keeps them, verdicts and words in their case.
fn value(filter: &Filter, names: &Names) -> String {
    let whole = matches!(filter.comparison, Comparison::Is | Comparison::Not);
    match filter.field {
        Field::Client if whole => names.client(&shown_client(&filter.value)),
        Field::Network if whole && filter.value.contains(['.', ':']) && !filter.value.starts_with("p:") => {
            match names.network(&filter.value) {
                network if network.is_empty() => filter.value.clone(),
                network => network,
            }
        }
        Field::Verdict | Field::Method => filter.value.to_ascii_uppercase(),
        Field::Class | Field::Kind | Field::Origin => filter.value.to_ascii_lowercase(),
        _ => filter.value.clone(),
    }
}
