//! `sekisho explain`: why a client was judged so, from a snapshot of evidence that anybody can check.

mod background;
mod calibration;
mod canonical;
mod category;
mod claim;
mod confidence;
mod consult;
mod evidence;
mod example;
mod explanation;
pub mod feedback;
mod gather;
mod handbook;
mod measure;
mod models;
mod prompt;
mod report;
mod show;
mod similar;
mod snapshot;
mod template;
#[cfg(test)]
mod tests;
mod timeline;
mod verify;
mod view;
mod visitors;
mod words;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;

use crate::config::{AccessError, Config, ConfigError, StoreAccess, now};
use crate::label::find;
use crate::llm::{self, LlmError};
use crate::registry::RegistryError;
use crate::scan::ScanError;
use crate::store::{Names, Store, StoreError};
use crate::visible::escaped;
pub use background::Background;
pub use category::Category;
pub use consult::{Consulted, Inquiry, MOST_ANSWERS, Source};
pub use gather::{Asked, Gathered, gather, gather_among, people};
pub use models::Models;
use prompt::{Sight, prompt};
pub use report::Report;
pub use template::template;
pub use view::{View, kinds};
pub use visitors::Visitors;
pub use words::{Lang, feature_figure, feature_noun, time as length};

/// Characters of a name that are shown.
const SHOWN: usize = 256;
/// Bytes of an answer that are read: six claims and a note take one.
const MAX_ANSWER: u64 = 64 * 1024;

/// Seconds that language models may take unless said otherwise: longer than a slow one needs, shorter than patience.
const DEADLINE: u64 = 30;

const EXAMPLES: &str = "\
Examples:
  sekisho explain 192.0.2.7
      why this client was judged so: what it did, the evidence, what would have let it pass, what to do
  sekisho explain 0011223344556677 --lang ja
      by the reference id of a block page ($sekisho_id) or of a sample, in Japanese
  sekisho explain 192.0.2.7 --cluster --format markdown > incident.md
      together with those that behave alike
  sekisho explain --expand 5f1d...
      the whole of a long list, or a snapshot, by its digest
  sekisho explain 192.0.2.7 --prompt > question.json; sekisho explain 192.0.2.7 --answer answer.json
      what a language model would be asked, and what of its answer is true

Where [[llm.targets]] are configured they are asked, and what of their answer is true is shown; --rules asks nobody.
Nothing is done by itself: the suggestion is one.

Exit status: 0 explained, 1 not known or refused, 2 wrong usage.";

/// Say why a client was judged so, with the evidence
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An address, a key in hex, a pseudonym, or the reference id of a block page
    #[arg(value_name = "CLIENT|ID", required_unless_present = "expand", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    client: Option<String>,

    /// In this zone
    #[arg(long)]
    zone: Option<String>,

    /// Together with the clients that behave alike
    #[arg(long)]
    cluster: bool,

    /// Language
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,

    /// What to print
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    format: Output,

    /// Explain with this model [default: the one that scored, else the champion, else the one built in]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,

    /// Print what has this digest: a long list or a snapshot
    #[arg(long, value_name = "DIGEST", conflicts_with_all = ["client", "cluster", "prompt", "answer"])]
    expand: Option<String>,

    /// Print what a language model would be asked, as JSON, and ask nobody
    #[arg(long, conflicts_with = "answer")]
    prompt: bool,

    /// With path templates in it: for models on machines of your own
    #[arg(long, requires = "prompt")]
    unredacted: bool,

    /// Check a language model's answer and show what of it is true; - is standard input
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,

    /// Show the answer's own words too, which nobody checked
    #[arg(long)]
    notes: bool,

    /// Ask no language model, although some are configured
    #[arg(long, conflicts_with = "answer")]
    rules: bool,

    /// Seconds that language models may take
    #[arg(long, value_name = "SECONDS", default_value_t = DEADLINE, value_parser = clap::value_parser!(u64).range(1..=600))]
    deadline: u64,

    /// Ask so many times, and tell how the answers agree; what is kept of earlier answers counts
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["answer", "rules"], value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_ANSWERS)))]
    repeat: u32,

    #[command(flatten)]
    access: StoreAccess,
}

/// Shapes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For a terminal
    Text,
    /// One document
    Json,
    /// For a ticket
    Markdown,
}

/// Why nothing is explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] ScanError),
    /// A file of a model cannot be read.
    #[error(transparent)]
    File(#[from] RegistryError),
    /// Nobody knows it.
    #[error(
        "the store knows no client and no reference id {0}: check the spelling; a request of the last seconds is \
         stored when `sekisho serve` has read it"
    )]
    Unknown(String),
    /// Several zones do.
    #[error("{client} is known in several zones ({zones}): say which with --zone")]
    Ambiguous {
        /// The client.
        client: String,
        /// The zones.
        zones: String,
    },
    /// Nothing to explain.
    #[error(
        "no score of {0} is stored, or only scores over features of another version: there is nothing to explain yet"
    )]
    NotScored(String),
    /// Nothing has this digest.
    #[error(
        "no snapshot and no list has the digest {0}: the whole of it is needed; what was forgotten or is too old is gone"
    )]
    Digest(String),
    /// The answer cannot be read.
    #[error("cannot read the answer {name}")]
    Answer {
        /// Which.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The answer is no JSON.
    #[error("the answer {name} is no JSON document of at most 64 KiB")]
    Json {
        /// Which.
        name: String,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// No language model can be asked.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output(#[from] io::Error),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), ExplainError> {
    let (store, names) = args.access.open()?;
    let mut out = io::stdout().lock();
    if let Some(digest) = &args.expand {
        let found = store.expand(&digest.to_ascii_lowercase())?;
        let found = found.ok_or_else(|| ExplainError::Digest(escaped(digest.as_bytes(), SHOWN)))?;
        return Ok(writeln!(out, "{found}")?);
    }
    let config = Config::load(args.access.config.as_deref(), std::env::vars())?.config;
    let models = Models::new(config.models, args.model.clone());
    let client = args.client.as_deref().unwrap_or_default();
    let mut asked = resolve(&store, &names, client, args.zone.as_deref())?;
    asked.cluster = args.cluster;
    let mut gathered = gather(&store, &names, &models, &asked)?;
    let background = Background::of(&store, &asked.client, &gathered, &config.runbooks, now())?;
    if let Some(warning) = &background.warning {
        eprintln!("sekisho: warning: {warning}");
    }
    gathered.background = background;
    if args.prompt {
        let sight = if args.unredacted {
            Sight::Unredacted
        } else {
            Sight::Redacted
        };
        return Ok(writeln!(
            out,
            "{:#}",
            serde_json::json!(prompt(&gathered.snapshot, &gathered.background, sight))
        )?);
    }
    let report = match &args.answer {
        Some(path) => {
            let given = Consulted {
                answer: Some(read_answer(path)?),
                source: Source::Given,
                others: Vec::new(),
            };
            Report::new(&asked.client, gathered, Some(&given))
        }
        None => consult(args, &store, &asked, gathered)?,
    };
    report.keep(&store, now())?;
    let text = match args.format {
        Output::Text => show::text(&report, args.lang, args.notes),
        Output::Markdown => show::markdown(&report, args.lang, args.notes),
        Output::Json => format!("{:#}\n", report.json(args.lang, args.notes)),
    };
    Ok(out.write_all(text.as_bytes())?)
}

/// Asks the language models that are configured, unless it was asked before, or nobody shall be asked.
fn consult(args: &Args, store: &Store, asked: &Asked, gathered: Gathered) -> Result<Report, ExplainError> {
    let at_hand = match args.rules {
        true => None,
        false => llm::at_hand(&args.access, store)?,
    };
    let Some((chain, runtime)) = at_hand else {
        return Ok(Report::new(&asked.client, gathered, None));
    };
    let inquiry = Inquiry::new(&gathered, chain.targets());
    let deadline = Duration::from_secs(args.deadline);
    let begun = Instant::now();
    let mut consulted = match inquiry.before(store, &gathered.snapshot, now())? {
        Some(before) => before,
        None => runtime.block_on(inquiry.ask(&chain, deadline)),
    };
    let left = deadline.saturating_sub(begun.elapsed());
    runtime.block_on(inquiry.repeat(&chain, &mut consulted, args.repeat, left));
    let report = Report::new(&asked.client, gathered, Some(&consulted));
    report.keep(store, now())?;
    inquiry.keep(store, &chain, &report, &consulted, now())?;
    runtime.block_on(chain.flush());
    Ok(report)
}

/// Whom a name or a reference id means.
///
/// # Errors
/// Nobody, or clients of several zones.
pub fn resolve(store: &Store, names: &Names, name: &str, zone: Option<&str>) -> Result<Asked, ExplainError> {
    let shown = || escaped(name.as_bytes(), SHOWN);
    let mut found: Vec<Asked> = find(store, names, name)?
        .into_iter()
        .map(|client| Asked {
            client,
            reference: None,
            cluster: false,
        })
        .collect();
    if found.is_empty() {
        let id = name.to_ascii_lowercase();
        let meant = store.clients_of_reference(&id)?.into_iter();
        found = meant
            .map(|(client, at)| Asked {
                client,
                reference: Some((id.clone(), at)),
                cluster: false,
            })
            .collect();
    }
    found.retain(|asked| zone.is_none_or(|zone| asked.client.zone == zone));
    if found.len() > 1 {
        let zones: Vec<String> = found
            .iter()
            .map(|asked| escaped(asked.client.zone.as_bytes(), SHOWN))
            .collect();
        return Err(ExplainError::Ambiguous {
            client: shown(),
            zones: zones.join(", "),
        });
    }
    found.pop().ok_or_else(|| ExplainError::Unknown(shown()))
}

fn read_answer(path: &Path) -> Result<Value, ExplainError> {
    let name = || path.display().to_string();
    let failed = |source| ExplainError::Answer { name: name(), source };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(MAX_ANSWER + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_ANSWER + 1).read_to_end(&mut bytes))
    }
    .map_err(failed)?;
    bytes.truncate(MAX_ANSWER as usize);
    serde_json::from_slice(&bytes).map_err(|source| ExplainError::Json { name: name(), source })
}
