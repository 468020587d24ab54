//! `sekisho label`: what people say of clients, and what is believed.

mod files;
mod show;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use sekisho_core::key::shown_client;
use thiserror::Error;

use crate::config::{AccessError, StoreAccess, author, now};
use crate::figures::counted;
use crate::store::{Class, ClientRow, Names, Origin, Outcome, Store, StoreError, StoredLabel};
use crate::visible::{escaped, is_hidden};

/// Bytes of an author's name.
const MAX_AUTHOR: usize = 64;
/// Bytes of a note.
const MAX_NOTE: usize = 1000;
/// Bytes of a zone's and a client's name: the module writes no longer ones.
const MAX_NAME: usize = 256;
/// Clients that were not found which are named.
const NAMED: usize = 10;

const EXAMPLES: &str = "\
Examples:
  sekisho label add 192.0.2.7 --class human --note 'our office'
      people sit there, whatever the score says
  sekisho label resolve 192.0.2.7
      all that is said of a client, and what is believed
  sekisho label list --conflicts
      clients of which two origins say different things
  sekisho label export --format csv > labels.csv; sekisho label import labels.csv
      to another store, or a colleague

Of what contradicts, the more trusted is believed: operator, verified_bot, trap, conversion, declared; of one
origin the newest. Labels are only added, never changed: to take one back, add the other.

Exit status: 0 done, 1 refused or a client is not known, 2 wrong usage.";

/// Say what clients are, and see what is believed
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Say what a client is
    Add(Add),
    /// List labels, or clients with contradicting ones
    List(List),
    /// Write all labels to standard output
    Export {
        /// How
        #[arg(long, value_enum, default_value_t = files::Format::Csv)]
        format: files::Format,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// Add the labels of a file; those that are there already are left alone
    Import(Import),
    /// Count per zone what a model could learn from: clients with samples, and what is believed of them
    Count {
        /// Days to look back
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// Show all that is said of a client, and what is believed
    Resolve {
        /// Its name: an address, a key in hex, or a pseudonym
        client: String,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Output::Table)]
        format: Output,
        #[command(flatten)]
        access: StoreAccess,
    },
}

#[derive(clap::Args)]
struct Add {
    /// Its name: an address, a key in hex, or a pseudonym
    client: String,
    /// What it is
    #[arg(long, value_enum)]
    class: Class,
    /// Its zone [default: the one that knows it]
    #[arg(long)]
    zone: Option<String>,
    /// Why
    #[arg(long, default_value = "")]
    note: String,
    /// Who says so [default: you]
    #[arg(long)]
    author: Option<String>,
    /// Label it even if it was never seen; needs --zone
    #[arg(long, requires = "zone")]
    unseen: bool,
    #[command(flatten)]
    access: StoreAccess,
}

#[derive(clap::Args)]
struct List {
    /// Only clients of which two origins say different things
    #[arg(long)]
    conflicts: bool,
    /// Labels or clients to show at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Output::Table)]
    format: Output,
    #[command(flatten)]
    access: StoreAccess,
}

#[derive(clap::Args)]
struct Import {
    /// The file, CSV or JSON lines; - is standard input
    file: PathBuf,
    /// How it is written [default: by its name, else CSV]
    #[arg(long, value_enum)]
    format: Option<files::Format>,
    /// Add clients that were never seen
    #[arg(long)]
    unseen: bool,
    #[command(flatten)]
    access: StoreAccess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// One document
    Json,
}

/// Why a label is not taken, or not shown.
#[derive(Debug, Error)]
pub enum LabelError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody knows the client.
    #[error("the store knows no client {0}; --unseen --zone ZONE labels it in advance")]
    Unknown(String),
    /// The same, where nothing can be said in advance.
    #[error("the store knows no client {0}: `sekisho label list` shows who has labels")]
    Nobody(String),
    /// Several zones know it.
    #[error("{client} is known in several zones ({zones}): say which with --zone")]
    Ambiguous {
        /// The client.
        client: String,
        /// The zones.
        zones: String,
    },
    /// A text of it cannot be taken.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

/// Why a text of a label is refused.
#[derive(Debug, Error)]
pub enum TextError {
    /// It is too long, or there is none.
    #[error("{what} has 1 to {most} bytes")]
    Length {
        /// Which text.
        what: &'static str,
        /// Its bound.
        most: usize,
    },
    /// It holds characters that cannot be seen.
    #[error("{0} holds control characters")]
    Hidden(&'static str),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode, LabelError> {
    match &args.action {
        Action::Add(add) => add_one(add).map(|()| ExitCode::SUCCESS),
        Action::List(list) => {
            let (store, _) = list.access.open()?;
            show::list(&store, list.conflicts, list.limit, list.format)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Export { format, access } => {
            let (store, _) = access.open()?;
            files::export(&store, *format, &mut io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Import(import) => import_all(import),
        Action::Count { days, access } => {
            let (store, _) = access.open()?;
            show::count(&store, now().saturating_sub(days * 86_400))?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Resolve {
            client,
            format,
            access,
        } => {
            let (store, names) = access.open()?;
            let found = find(&store, &names, client)?;
            if found.is_empty() {
                return Err(LabelError::Nobody(escaped(client.as_bytes(), MAX_NAME)));
            }
            show::resolve(&store, &found, *format)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The clients of a name as people write it: an IPv6 address is found by its network too.
pub fn find(store: &Store, names: &Names, name: &str) -> Result<Vec<ClientRow>, StoreError> {
    let found = store.clients_named(&names.client(name))?;
    if found.is_empty() {
        store.clients_named(&names.client(&shown_client(name)))
    } else {
        Ok(found)
    }
}

/// Whether the texts of a label may be stored: bounded, and nothing in them that cannot be seen.
pub fn check_texts(label: &StoredLabel) -> Result<(), TextError> {
    let texts = [
        ("the zone", &label.zone, 1, MAX_NAME),
        ("the client", &label.client, 1, MAX_NAME),
        ("the author", &label.author, 1, MAX_AUTHOR),
        ("the note", &label.note, 0, MAX_NOTE),
    ];
    for (what, text, least, most) in texts {
        if !(least..=most).contains(&text.len()) {
            return Err(TextError::Length { what, most });
        }
        if text.chars().any(is_hidden) {
            return Err(TextError::Hidden(what));
        }
    }
    Ok(())
}

fn add_one(add: &Add) -> Result<(), LabelError> {
    let (store, names) = add.access.open()?;
    let found = find(&store, &names, &add.client)?;
    let shown = escaped(add.client.as_bytes(), MAX_NAME);
    let of_zone = |client: &&ClientRow| add.zone.as_ref().is_none_or(|zone| *zone == client.zone);
    let matching: Vec<&ClientRow> = found.iter().filter(of_zone).collect();
    let (zone, client) = match (matching.as_slice(), &add.zone) {
        ([one], _) => (one.zone.clone(), one.name.clone()),
        ([], Some(zone)) if add.unseen => (zone.clone(), shown_client(&add.client)),
        ([], _) => return Err(LabelError::Unknown(shown)),
        (several, _) => {
            let zones: Vec<&str> = several.iter().map(|client| client.zone.as_str()).collect();
            return Err(LabelError::Ambiguous {
                client: shown,
                zones: zones.join(", "),
            });
        }
    };
    let label = StoredLabel {
        zone,
        client,
        class: add.class,
        origin: Origin::Operator,
        author: add.author.clone().unwrap_or_else(author),
        at: now(),
        note: add.note.clone(),
    };
    check_texts(&label)?;
    let actor = author();
    let by = (label.at, actor.as_str());
    store.add_labels(std::slice::from_ref(&label), &names, add.unseen, by)?;
    for client in find(&store, &names, &label.client)? {
        if client.zone == label.zone && client.conflict {
            eprintln!("{shown} has labels that say otherwise; `sekisho label resolve {shown}` shows them");
        }
    }
    Ok(())
}

fn import_all(import: &Import) -> Result<ExitCode, LabelError> {
    let (store, names) = import.access.open()?;
    let labels = files::read(&import.file, import.format)?;
    let outcomes = store.add_labels(&labels, &names, import.unseen, (now(), &author()))?;
    let count = |wanted: Outcome| outcomes.iter().filter(|outcome| **outcome == wanted).count();
    let unknown = count(Outcome::UnknownClient);
    eprintln!(
        "{} added, {} there already, {unknown} of clients that the store does not know",
        counted(count(Outcome::Added) as u64, "label"),
        count(Outcome::AlreadyThere)
    );
    if unknown == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let strangers = labels
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == Outcome::UnknownClient);
    for (label, _) in strangers.take(NAMED) {
        let client = escaped(label.client.as_bytes(), MAX_NAME);
        eprintln!(
            "  not known: {client} in zone {}",
            escaped(label.zone.as_bytes(), MAX_NAME)
        );
    }
    eprintln!("--unseen adds them");
    Ok(ExitCode::FAILURE)
}
