//! `sekisho forget`: everything about one client goes.

use thiserror::Error;

use crate::config::{AccessError, StoreAccess, author, now};
use crate::figures::counted;
use crate::label::find;
use crate::store::{Forgotten, StoreError};
use crate::visible::escaped;

/// Characters of a name that are shown.
const SHOWN: usize = 256;

const EXAMPLES: &str = "\
Examples:
  sekisho forget 192.0.2.7
      its record, samples and labels in every zone; the audit log says that somebody was forgotten, not who
  sekisho forget 2001:db8:1:2::9 --zone clients
      an IPv6 client goes by its /64

The store is then written anew, so that no free page holds what was deleted; that takes as much room again, and a
minute for some gigabytes. What nginx has of the client is not touched: its zones, its sample files that are not
rotated away yet, its access log.

Exit status: 0 forgotten, 1 not known or refused, 2 wrong usage.";

/// Delete everything about a client
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Its name: an address, a key in hex, or a pseudonym
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    client: String,

    /// In this zone only
    #[arg(long)]
    zone: Option<String>,

    #[command(flatten)]
    access: StoreAccess,
}

/// Why a client is not forgotten.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows are gone, their bytes may not be.
    #[error(
        "the client was deleted, but the store could not be written anew: run the same again when there is room"
    )]
    Scrub(#[source] StoreError),
    /// Nobody knows it.
    #[error("the store knows no client {0}")]
    Unknown(String),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), ForgetError> {
    let (store, names) = args.access.open()?;
    let found = find(&store, &names, &args.client)?;
    let name = found
        .first()
        .map_or(args.client.as_str(), |client| client.name.as_str());
    let zone = args.zone.as_deref();
    let forgotten = store.forget(zone, name, &names, (now(), &author()))?;
    // Even when nothing was found: an earlier try may have ended before this.
    store.scrub().map_err(ForgetError::Scrub)?;
    if forgotten == Forgotten::default() {
        return Err(ForgetError::Unknown(escaped(args.client.as_bytes(), SHOWN)));
    }
    eprintln!(
        "forgotten: {}, {}, {}",
        counted(forgotten.clients as u64, "client"),
        counted(forgotten.samples as u64, "sample"),
        counted(forgotten.labels as u64, "label")
    );
    Ok(())
}
