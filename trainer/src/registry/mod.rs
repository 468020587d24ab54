//! `sekisho model`: the models that are kept, which one is in force, and who said so.

mod anatomy;
pub mod board;
mod diff;
mod error;
pub mod evaluation;
pub mod gates;
pub mod history;
mod import;
pub mod log;
mod measure;
pub mod promote;
pub mod settings;
pub mod shelf;
mod signature;
mod view;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use sekisho_core::feature::FEATURES;
use sekisho_core::model::Limits;

pub use crate::shape::OutputFormat as Format;
use crate::store::Store;
pub use error::RegistryError;
pub use gates::Gates;
use history::{AuditRow, History};
use promote::{Approver, Changed, Request};
use settings::{Places, Settings};
use shelf::{Origin, Provenance, Shelf, read_bounded, short};
use view::{print, table, when};

const EXAMPLES: &str = "\
Examples:
  sekisho model list
      which models are kept, and which one nginx runs
  sekisho model add site.onnx --note 'first own model'
  sekisho model promote 3f2a --evaluation evaluation.json --by 'Night shift'
      the gates are asked, the file is replaced, nginx's workers take it up within seconds
  sekisho model rollback --by 'Night shift'
      the champion before it, within seconds, without a reload

Exit status: 0 done, 1 failed or refused, 2 wrong usage.";

/// Largest evaluation that is read.
const MAX_EVALUATION: u64 = 4 << 20;

/// Keep, compare, approve and roll back models
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    places: Places,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List kept models, newest first, and say what does not fit together
    List(Printed),
    /// Show all that is known of a kept model
    Inspect {
        /// champion, challenger, or the first digits of a digest
        #[arg(value_name = "MODEL")]
        id: String,

        #[command(flatten)]
        printed: Printed,
    },
    Diff(diff::Args),
    Add(AddArgs),
    Import(import::Args),
    Promote(PromoteArgs),
    Rollback(RollbackArgs),
    /// Make a key for signing: the file is yours alone, the public key is printed
    Key {
        /// Where to write the key
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Sign a kept model
    Sign {
        /// champion, challenger, or the first digits of a digest
        #[arg(value_name = "MODEL")]
        id: String,

        /// The key [default: signing_key_file of [models]]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,

        /// Who signs, for the audit log
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Check a kept model's file and its signatures; 1 when no trusted key signed it
    Verify {
        /// champion, challenger, or the first digits of a digest
        #[arg(value_name = "MODEL")]
        id: String,

        /// A public key to trust beside trusted_keys of [models]
        #[arg(long, value_name = "HEX")]
        key: Vec<String>,
    },
    /// Show the audit log of models, newest first
    Log {
        /// So many lines
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,

        #[command(flatten)]
        printed: Printed,
    },
    /// Print the schema's features, one a line: what a model is trained on, in order
    Features,
}

#[derive(Debug, clap::Args)]
struct Printed {
    /// What to print
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Keep a model; nothing is put in force
#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The model's file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// How it came to be
    #[arg(long, value_enum, default_value_t = Origin::Trained)]
    origin: Origin,

    /// The model that it succeeds: champion, challenger, or the first digits of a digest
    #[arg(long, value_name = "MODEL")]
    parent: Option<String>,

    /// What `sekisho evaluate --champion --challenger` wrote of it
    #[arg(long, value_name = "FILE")]
    evaluation: Option<PathBuf>,

    /// A few words
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// Make a kept model the champion, if every gate is open and somebody approves
#[derive(Debug, clap::Args)]
struct PromoteArgs {
    /// The first digits of its digest
    #[arg(value_name = "MODEL")]
    id: String,

    /// What `sekisho evaluate --champion --challenger` wrote [default: what it was added with]
    #[arg(long, value_name = "FILE")]
    evaluation: Option<PathBuf>,

    /// Who approves
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "automatic",
        conflicts_with = "automatic"
    )]
    by: Option<String>,

    /// Nobody approves: [retrain] policy must be "automatic"
    #[arg(long)]
    automatic: bool,

    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,

    #[command(flatten)]
    gates: gates::GateFlags,
}

/// Make the champion before this one the champion again, within seconds
#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// Who says so
    #[arg(long, value_name = "NAME")]
    by: String,

    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// Runs the command. False when the answer is no.
pub fn run(args: &Args) -> Result<bool, RegistryError> {
    match &args.command {
        Command::Import(args) => return import::run(args).map(|()| true),
        Command::Key { file } => {
            writeln!(io::stdout().lock(), "{}", signature::make_key(file)?)?;
            return Ok(true);
        }
        Command::Features => {
            let names: String = FEATURES
                .iter()
                .map(|feature| format!("{}\n", feature.name))
                .collect();
            io::stdout().lock().write_all(names.as_bytes())?;
            return Ok(true);
        }
        _ => {}
    }
    let settings = Settings::load(&args.places)?;
    match &args.command {
        Command::Diff(args) => diff::run(&settings, args)?,
        Command::Add(args) => add(&settings, args)?,
        Command::Verify { id, key } => return verify(&settings, id, key),
        command => with_history(&settings, command)?,
    }
    Ok(true)
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn with_history(settings: &Settings, command: &Command) -> Result<(), RegistryError> {
    let store = Store::open(&settings.store)?;
    let connection = store.connection();
    match command {
        Command::List(printed) => view::list(settings, connection, printed.format),
        Command::Inspect { id, printed } => view::inspect(settings, connection, id, printed.format),
        Command::Promote(args) => {
            let evaluation = args.evaluation.as_deref().map(read_evaluation).transpose()?;
            let approver = args.by.clone().map_or(Approver::Policy, Approver::Person);
            let request = Request {
                approver,
                note: args.note.clone(),
                now: now(),
            };
            let gates = args.gates.over(settings.gates);
            tell(&promote::promote(
                settings, &gates, connection, &args.id, evaluation, &request,
            )?)
        }
        Command::Rollback(args) => {
            let request = Request {
                approver: Approver::Person(args.by.clone()),
                note: args.note.clone(),
                now: now(),
            };
            tell(&promote::rollback(settings, connection, &request, None)?)
        }
        Command::Sign { id, key, by } => sign(settings, connection, id, key.as_deref(), by),
        Command::Log { limit, printed } => log(settings, connection, *limit, printed.format),
        _ => Ok(()),
    }
}

fn add(settings: &Settings, args: &AddArgs) -> Result<(), RegistryError> {
    let shelf = Shelf::open(&settings.directory)?;
    let bytes = read_bounded(&args.file, Limits::DEFAULT.max_bytes as u64)?;
    let parent = match &args.parent {
        Some(id) => Some(diff::resolve(settings, &shelf, id)?.kept()?),
        None => None,
    };
    let from = Provenance {
        origin: args.origin,
        parent,
        note: args.note.clone(),
        evaluation: args.evaluation.as_deref().map(read_evaluation).transpose()?,
    };
    let given = (from.note.clone(), from.parent.clone(), from.evaluation.clone());
    let entry = shelf.add(&bytes, &args.file.display().to_string(), from, now())?;
    // What was kept before stays as it is.
    let flags = [
        ("--note", !given.0.is_empty() && given.0 != entry.note),
        ("--parent", given.1.is_some() && given.1 != entry.parent),
        ("--evaluation", given.2.is_some() && given.2 != entry.evaluation),
    ];
    let lost: Vec<&str> = flags
        .iter()
        .filter(|(_, lost)| *lost)
        .map(|(flag, _)| *flag)
        .collect();
    if !lost.is_empty() {
        eprintln!(
            "{} is kept already, and its description stays as it is: {} {} not taken",
            short(&entry.digest),
            lost.join(" and "),
            if lost.len() == 1 { "is" } else { "are" }
        );
    }
    Ok(writeln!(io::stdout().lock(), "{}", entry.digest)?)
}

/// Reads an evaluation, and checks that it is one.
fn read_evaluation(path: &Path) -> Result<serde_json::Value, RegistryError> {
    let fault = |error: serde_json::Error| RegistryError::Evaluation {
        name: path.display().to_string(),
        reason: error::quoted(&error.to_string()),
    };
    let document: serde_json::Value =
        serde_json::from_slice(&read_bounded(path, MAX_EVALUATION)?).map_err(fault)?;
    evaluation::Evaluation::read(&document).map_err(fault)?;
    Ok(document)
}

fn tell(changed: &Changed) -> Result<(), RegistryError> {
    let mut out = io::stdout().lock();
    for result in &changed.gates {
        writeln!(out, "open: {result}")?;
    }
    let before = changed.previous.as_deref().map_or("nothing", short);
    writeln!(
        out,
        "the champion is now {}, it was {before}; nginx takes it up within seconds",
        short(&changed.digest)
    )?;
    Ok(())
}

fn sign(
    settings: &Settings,
    connection: &rusqlite::Connection,
    id: &str,
    key: Option<&Path>,
    by: &str,
) -> Result<(), RegistryError> {
    let shelf = Shelf::open(&settings.directory)?;
    let digest = diff::resolve(settings, &shelf, id)?.kept()?;
    let key = key
        .or(settings.signing_key_file.as_deref())
        .ok_or(RegistryError::Key {
            name: "no key".to_owned(),
            reason: "set signing_key_file in [models], or give --key; `sekisho model key FILE` makes one",
        })?;
    let public = signature::sign(&shelf, &digest, key)?;
    let row = AuditRow {
        at: now(),
        actor: by.to_owned(),
        action: "model sign".to_owned(),
        subject: digest.clone(),
        detail: serde_json::json!({ "key": public }).to_string(),
    };
    history::audit(connection, &row).map_err(|source| RegistryError::store(&settings.store, source))?;
    Ok(writeln!(
        io::stdout().lock(),
        "{} is signed by {public}",
        short(&digest)
    )?)
}

fn verify(settings: &Settings, id: &str, keys: &[String]) -> Result<bool, RegistryError> {
    let shelf = Shelf::open(&settings.directory)?;
    let digest = diff::resolve(settings, &shelf, id)?.kept()?;
    shelf.read(&digest)?;
    let trusted = signature::trusted(&[&settings.trusted_keys[..], keys].concat())?;
    let signatures = signature::signatures(&shelf, &digest, &trusted)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} holds what its name says", short(&digest))?;
    for signed in &signatures {
        let state = match (signed.valid, signed.trusted) {
            (false, _) => "NOT VALID",
            (true, true) => "valid and trusted",
            (true, false) => "valid, the key is not trusted",
        };
        writeln!(out, "{}: {state}", signed.key)?;
    }
    let good = signatures.iter().any(signature::Signed::counts);
    if !good {
        writeln!(out, "no trusted key signed it")?;
    }
    Ok(good)
}

fn log(
    settings: &Settings,
    connection: &rusqlite::Connection,
    limit: u32,
    format: Format,
) -> Result<(), RegistryError> {
    let rows = History::of(connection)
        .audit(limit)
        .map_err(|source| RegistryError::store(&settings.store, source))?;
    print(format, &rows, || {
        let mut table = table(&["WHEN", "WHO", "WHAT", "MODEL", "DETAIL"]);
        for row in &rows {
            let AuditRow {
                actor,
                action,
                detail,
                ..
            } = row;
            table.add_row([
                when(row.at),
                error::quoted(actor),
                error::quoted(action),
                short(&row.subject).to_owned(),
                log::words(detail),
            ]);
        }
        table.trim_fmt()
    })
}
