//! What an operator is told about the chain.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::Period;
use crate::config::{Kind, Limit};
use crate::ledger::Spend;
use crate::price::UNIT;
use crate::visible::escaped;

/// Characters of one cell.
const WIDEST: usize = 40;

/// The chain as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether any target is configured.
    pub on: bool,
    /// What costs are in.
    pub currency: String,
    /// In the order in which they are asked.
    pub targets: Vec<TargetStatus>,
    /// Questions since this process began.
    pub operations: u64,
    /// Of them, those with an answer.
    pub answered: u64,
    /// Half of the last operations took no longer.
    pub p50_ms: Option<u64>,
    /// 95 in a hundred of the last operations took no longer.
    pub p95_ms: Option<u64>,
    /// Run, day and month.
    pub periods: Vec<PeriodStatus>,
    /// Models that answered and have no price.
    pub unpriced_models: Vec<String>,
}

/// One target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Its name.
    pub name: String,
    /// Its API.
    pub kind: Kind,
    /// Its model.
    pub model: String,
    /// Where it is.
    pub base_url: String,
    /// Whether it may see unredacted texts.
    pub local_only: bool,
    /// `closed`, `open` or `half-open`.
    pub breaker: String,
    /// Until when it is open, unix seconds.
    pub open_until: Option<u64>,
    /// Requests since this process began.
    pub attempts: u64,
    /// Of them, those without an answer.
    pub failures: u64,
    /// Class of the last failure.
    pub last_error: Option<String>,
    /// Half of the last requests took no longer.
    pub p50_ms: Option<u64>,
    /// 95 in a hundred of the last requests took no longer.
    pub p95_ms: Option<u64>,
    /// Its claims, after they were checked.
    pub claims: Claims,
}

/// Claims of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Found true.
    pub kept: u64,
    /// Found false, unfounded or double.
    pub dropped: u64,
}

/// What was spent in a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeriodStatus {
    /// Which.
    pub period: Period,
    /// Sums.
    pub spent: Spend,
    /// Its budget.
    pub limit: Limit,
    /// Whether that is used up.
    pub used_up: bool,
    /// Why the sums are not known.
    pub error: Option<String>,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.on {
            return writeln!(
                formatter,
                "No language model is configured. Explanations are written without one."
            );
        }
        let head = [
            "TARGET",
            "MODEL",
            "API",
            "SEES",
            "BREAKER",
            "ASKED",
            "FAILED",
            "P50",
            "P95",
            "CLAIMS KEPT",
            "LAST ERROR",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.targets.iter().map(TargetStatus::row));
        table(formatter, &rows)?;
        writeln!(
            formatter,
            "\n{} questions, {} answered, p50 {}, p95 {} over all targets\n",
            self.operations,
            self.answered,
            time(self.p50_ms),
            time(self.p95_ms)
        )?;
        let head = [
            "SPENT IN",
            &self.currency,
            "OF",
            "TOKENS",
            "OF",
            "REQUESTS",
            "UNPRICED",
            "",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.periods.iter().map(PeriodStatus::row));
        table(formatter, &rows)?;
        if !self.unpriced_models.is_empty() {
            let names: Vec<String> = self
                .unpriced_models
                .iter()
                .map(|name| escaped(name, WIDEST))
                .collect();
            writeln!(
                formatter,
                "\nWithout a price in [[llm.prices]]: {}",
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

impl TargetStatus {
    fn row(&self) -> Vec<String> {
        let claims = self.claims.kept + self.claims.dropped;
        vec![
            self.name.clone(),
            self.model.clone(),
            self.kind.label().to_owned(),
            if self.local_only { "all" } else { "redacted" }.to_owned(),
            match self
                .open_until
                .and_then(|until| Timestamp::from_second(i64::try_from(until).ok()?).ok())
            {
                Some(until) => format!("{} until {until}", self.breaker),
                None => self.breaker.clone(),
            },
            self.attempts.to_string(),
            self.failures.to_string(),
            time(self.p50_ms),
            time(self.p95_ms),
            if claims == 0 {
                "-".to_owned()
            } else {
                format!("{} of {claims}", self.claims.kept)
            },
            self.last_error.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }
}

impl PeriodStatus {
    fn row(&self) -> Vec<String> {
        let period = match self.period {
            Period::Run => "this run",
            Period::Day => "this day",
            Period::Month => "this month",
        };
        let state = match &self.error {
            Some(error) => error.as_str(),
            None if self.used_up => "used up",
            None => "",
        };
        vec![
            period.to_owned(),
            format!("{:.4}", self.spent.nanos as f64 / UNIT),
            self.limit
                .cost
                .map_or_else(|| "-".to_owned(), |cost| cost.to_string()),
            self.spent.tokens.to_string(),
            self.limit
                .tokens
                .map_or_else(|| "-".to_owned(), |tokens| tokens.to_string()),
            self.spent.attempts.to_string(),
            self.spent.unpriced.to_string(),
            state.to_owned(),
        ]
    }
}

fn time(millis: Option<u64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 1000 => format!("{millis} ms"),
        Some(millis) => format!("{:.1} s", millis as f64 / 1000.0),
    }
}

/// Columns as wide as their widest cell.
fn table(formatter: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| escaped(cell, WIDEST)).collect())
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(formatter, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
