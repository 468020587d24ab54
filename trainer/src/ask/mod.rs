//! `sekisho ask`: a question over what the store holds, as a closed form that is shown, run read-only and answered with
//! a table.

mod answer;
mod form;
mod query;
mod schema;
mod show;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use clap::ValueEnum;
use thiserror::Error;

use crate::config::{AccessError, StoreAccess, now};
use answer::{AskError, PATIENCE, ask};
use form::{Field, Filter, Form, Measure};
use schema::{instructions, question, schema};
use show::{document, text};

const EXAMPLES: &str = "\
Examples:
  sekisho ask --by network --where section=/search --where kind=flagged --from 24h
      which networks crawled /search most in the last day
  sekisho ask --by hour --where verdict=REJECTED --count clients --rows 24
      clients stopped, by hour
  sekisho ask --by client,reason --where 'score>=0.95' --where class!=human --format json
      for programs

Conditions: FIELD=VALUE, != (is not), ^= (begins with), *= (contains); for score >= and <.
The store keeps samples, not every request: requests are counted from a client's first matching sample to its last.

Exit status: 0 answered, also when nothing matches; 1 the store or the question refused; 2 wrong usage.";

/// Ask what the store knows, by fields, conditions and times
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only samples of which this holds; again for more
    #[arg(long = "where", value_name = "CONDITION", value_parser = Filter::read)]
    filters: Vec<Filter>,

    /// From then on: 24h or 7d before now, a date or a time
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,

    /// Until then
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,

    /// A row for each value of these
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    by: Vec<Field>,

    /// What rows are sorted by, most first
    #[arg(long, value_name = "MEASURE", default_value = "requests")]
    count: Measure,

    /// Rows at most
    #[arg(long, value_name = "N", default_value_t = form::ROWS)]
    rows: u32,

    /// How the answer is shown
    #[arg(long, value_enum, default_value = "table")]
    format: Output,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Why nothing was answered.
#[derive(Debug, Error)]
pub enum CommandError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It has no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let form = Form {
        filters: args.filters.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        by: args.by.clone(),
        measure: args.count,
        rows: args.rows,
    };
    let (store, names) = args.access.open()?;
    let answer = ask(&store, &names, &form, now(), PATIENCE)?;
    let mut output = io::stdout().lock();
    match args.format {
        Output::Table => output.write_all(text(&answer).as_bytes())?,
        Output::Json => writeln!(output, "{:#}", document(&answer))?,
    }
    Ok(())
}
