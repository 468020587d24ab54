//! `sekisho feedback`.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::json;
use thiserror::Error;

use super::{Feedback, FeedbackError, Given, Verdict, Vote, Way, give, given, is_id};
use crate::config::{AccessError, StoreAccess, author, now};
use crate::explain::category::Category;
use crate::explain::{ExplainError, resolve};
use crate::runbooks::day;
use crate::shape::OutputFormat;
use crate::store::{Class, Store, StoreError};
use crate::visible::masked;

/// Feedback that is listed at most.
const MOST: u32 = 500;
/// Digits of an id that tell it from others.
const SHORT: usize = 12;

const EXAMPLES: &str = "\
Examples:
  sekisho feedback 192.0.2.7 correct
      the newest explanation of this client is right
  sekisho feedback 5f1d... wrong-category price_watch --note 'the same 40 pages each hour'
      by the id that stands at the end of an explanation
  sekisho feedback 192.0.2.7 false-positive --author ana
      people are behind it: it is labelled human
  sekisho feedback 192.0.2.7 correct --claim 1 up --claim 3 down
      the first of a language model's claims helped, the third did not
  sekisho feedback 192.0.2.7
      what was said so far

Feedback becomes labels, past cases, examples for language models and the calibration of confidence. It lifts no ban.

Exit status: 0 taken or shown, 1 not known or refused, 2 wrong usage.";

/// Say whether an explanation is right, or see what was said
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The id of an explanation's snapshot; or whom it is of: an address, a key in hex, a pseudonym, a reference id
    #[arg(value_name = "SNAPSHOT|CLIENT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    explanation: String,

    /// What you say of it [default: show what was said]
    #[arg(value_enum)]
    verdict: Option<Word>,

    /// The right category, for wrong-category
    #[arg(value_parser = category, required_if_eq("verdict", "wrong-category"))]
    category: Option<Category>,

    /// Vote on a claim by its number; may be given again
    #[arg(long, num_args = 2, value_names = ["N", "up|down"], action = clap::ArgAction::Append, requires = "verdict")]
    claim: Vec<String>,

    /// Who says so [default: you]
    #[arg(long, requires = "verdict")]
    author: Option<String>,

    /// Why
    #[arg(long, default_value = "", requires = "verdict")]
    note: String,

    /// In this zone
    #[arg(long)]
    zone: Option<String>,

    /// How it is shown
    #[arg(long, value_enum, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    /// It is right
    Correct,
    /// It is of another category
    WrongCategory,
    /// People are behind the client
    FalsePositive,
    /// It cannot be said
    Unclear,
}

/// Why nothing is taken or shown.
#[derive(Debug, Error)]
pub enum CommandError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Nobody is known by this name.
    #[error(transparent)]
    Client(#[from] ExplainError),
    /// The feedback is refused.
    #[error(transparent)]
    Feedback(#[from] FeedbackError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A vote is none.
    #[error("--claim takes a number and up or down, such as --claim 2 down")]
    Vote,
    /// A category has no place there.
    #[error("only wrong-category takes a category")]
    Category,
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// Whether the arguments contradict each other.
    pub fn is_usage(&self) -> bool {
        matches!(self, CommandError::Vote | CommandError::Category)
    }
}

fn category(text: &str) -> Result<Category, String> {
    Category::from_word(&text.replace('-', "_")).ok_or_else(|| {
        let names: Vec<&str> = crate::explain::category::RULES
            .iter()
            .map(|(category, _)| category.as_str())
            .collect();
        format!("one of {}", names.join(", "))
    })
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let verdict = args.verdict()?;
    let votes = votes(&args.claim)?;
    let (store, names) = args.access.open()?;
    let snapshot = match is_id(&args.explanation) {
        true => args.explanation.to_ascii_lowercase(),
        false => {
            let asked = resolve(&store, &names, &args.explanation, args.zone.as_deref())?;
            let newest = store.newest_snapshot(asked.client.id)?;
            newest.ok_or(FeedbackError::Unknown)?
        }
    };
    let mut output = io::stdout().lock();
    let Some(verdict) = verdict else {
        return show(args.format, &store, &snapshot, &mut output);
    };
    let feedback = Feedback {
        snapshot,
        verdict,
        votes,
        author: args.author.clone().unwrap_or_else(author),
        note: args.note.clone(),
    };
    let outcome = give(&store, &feedback, (&author(), now()))?;
    if args.format == OutputFormat::Json {
        writeln!(output, "{:#}", json!(outcome))?;
        return Ok(());
    }
    let taken = if outcome.added { "taken" } else { "said before" };
    let label = match outcome.label {
        Some(Class::Human) => "; the client is labelled human",
        Some(Class::Crawler) => "; the client is labelled crawler",
        None => "",
    };
    eprintln!("{taken}, on {}{label}", &feedback.snapshot[..SHORT]);
    Ok(())
}

impl Args {
    fn verdict(&self) -> Result<Option<Verdict>, CommandError> {
        Ok(match (self.verdict, self.category) {
            (Some(Word::WrongCategory), Some(category)) => Some(Verdict::WrongCategory(category)),
            (_, Some(_)) => return Err(CommandError::Category),
            (Some(Word::Correct), None) => Some(Verdict::Correct),
            (Some(Word::FalsePositive), None) => Some(Verdict::FalsePositive),
            (Some(Word::Unclear), None) => Some(Verdict::Unclear),
            (Some(Word::WrongCategory) | None, None) => None,
        })
    }
}

fn votes(words: &[String]) -> Result<Vec<Vote>, CommandError> {
    let vote = |pair: &[String]| {
        let way = match pair.get(1).map(String::as_str) {
            Some("up") => Way::Up,
            Some("down") => Way::Down,
            _ => return Err(CommandError::Vote),
        };
        let claim = pair[0].parse().map_err(|_| CommandError::Vote)?;
        Ok(Vote { claim, vote: way })
    };
    words.chunks(2).map(vote).collect()
}

fn show(
    format: OutputFormat,
    store: &Store,
    snapshot: &str,
    output: &mut impl Write,
) -> Result<(), CommandError> {
    if store.explained(snapshot)?.is_none() {
        return Err(FeedbackError::Unknown.into());
    }
    let all = given(store, Some(snapshot), MOST)?;
    if format == OutputFormat::Json {
        return Ok(writeln!(
            output,
            "{:#}",
            json!({ "snapshot": snapshot, "feedback": all })
        )?);
    }
    if all.is_empty() {
        writeln!(output, "nobody has said anything of {}", &snapshot[..SHORT])?;
    }
    for each in &all {
        writeln!(output, "{}", line(each))?;
    }
    Ok(())
}

/// One feedback in a line; author and note are somebody's text.
fn line(given: &Given) -> String {
    let said = match given.verdict {
        Verdict::WrongCategory(category) => format!("wrong category, it is {}", category.as_str()),
        other => other.as_str().replace('_', " "),
    };
    let votes = given.votes.iter().filter(|(_, way)| *way == Way::Up).count();
    let votes = match given.votes.len() {
        0 => String::new(),
        all => format!("; {votes} of {all} votes on claims are up"),
    };
    let note = match given.note.is_empty() {
        true => String::new(),
        false => format!(": {}", masked(&given.note)),
    };
    format!(
        "{}  {said}, told as {}{votes} ({}){note}",
        day(given.at),
        given.told.as_str(),
        masked(&given.author)
    )
}
