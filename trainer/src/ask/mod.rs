//! `sekisho ask`: a question over what the store holds, as a closed form that is shown, run read-only and answered with
//! a table.

mod answer;
mod flags;
mod form;
mod query;
mod schema;
mod show;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use std::time::{Duration, SystemTime};

use sekisho_llm::{Ended, Question};
use thiserror::Error;

use crate::config::{AccessError, StoreAccess, now};
use crate::llm::{self, LlmError};
use crate::shape::OutputFormat;
use crate::store::Store;
use answer::{AskError, PATIENCE, ask};
use form::{Field, Filter, Form, Measure};
use schema::{instructions, question, schema};
use show::{document, text};

/// What language models may take to fill a form.
const DEADLINE: Duration = Duration::from_secs(30);
/// Tokens of a form: eight conditions take half of them.
const MAX_TOKENS: u32 = 600;

const EXAMPLES: &str = "\
Examples:
  sekisho ask --by network --where section=/search --where kind=flagged --from 24h
      which networks crawled /search most in the last day
  sekisho ask --by hour --where verdict=REJECTED --count clients --rows 24
      clients stopped, by hour
  sekisho ask --by client,reason --where 'score>=0.95' --where class!=human --format json
      for programs
  sekisho ask 'which networks crawled /search most last night?'
      a language model fills the form, which is shown; see [[llm.targets]]

Conditions: FIELD=VALUE, != (is not), ^= (begins with), *= (contains); for score >= and <.
The store keeps samples, not every request: requests are counted from a client's first matching sample to its last.

Exit status: 0 answered, also when nothing matches; 1 the store or the question refused; 2 wrong usage.";

/// Ask what the store knows, by fields, conditions and times
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// In your own words, for a language model to fill the form; nothing of any client is sent to it
    #[arg(conflicts_with_all = ["filters", "from", "to", "by", "count", "rows"])]
    question: Option<String>,

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
    format: OutputFormat,

    #[command(flatten)]
    access: StoreAccess,
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
    /// No language model can be asked.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// None is configured.
    #[error(
        "no language model is configured that could read the question: ask by flags, see `sekisho ask --help`"
    )]
    Off,
    /// None answered.
    #[error("no language model answered ({0}): ask by flags, see `sekisho ask --help`")]
    Unanswered(String),
    /// The answer is not the form.
    #[error("the language model's answer is no form: ask by flags, see `sekisho ask --help`")]
    Filled(#[source] serde_json::Error),
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

/// The form as a language model fills it. What it may ask for is what flags may.
fn filled(args: &Args, store: &Store, words: &str) -> Result<Form, CommandError> {
    let Some((chain, runtime)) = llm::at_hand(&args.access, store)? else {
        return Err(CommandError::Off);
    };
    let asked = Question {
        operation: "ask",
        system: instructions(now()),
        user: question(words),
        schema: schema(),
        max_tokens: MAX_TOKENS,
        unredacted: false,
        deadline: DEADLINE,
    };
    let outcome = runtime.block_on(chain.ask(asked, SystemTime::now()));
    runtime.block_on(chain.flush());
    match outcome.ended {
        Ended::Answered(answer) => serde_json::from_value(answer.value).map_err(CommandError::Filled),
        Ended::Unanswered(reason) => Err(CommandError::Unanswered(reason.to_string())),
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let (store, names) = args.access.open()?;
    let form = match &args.question {
        Some(question) => filled(args, &store, question)?,
        None => Form {
            filters: args.filters.clone(),
            from: args.from.clone(),
            to: args.to.clone(),
            by: args.by.clone(),
            measure: args.count,
            rows: args.rows,
        },
    };
    let answer = ask(&store, &names, &form, now(), PATIENCE)?;
    let mut output = io::stdout().lock();
    match args.format {
        OutputFormat::Table => output.write_all(text(&answer).as_bytes())?,
        OutputFormat::Json => writeln!(output, "{:#}", document(&answer))?,
    }
    Ok(())
}
