//! `sekisho decisions`, and bans as other programs deal with them.

pub mod bouncer;
mod ecs;
pub mod everywhere;
mod export;
pub mod import;
mod log_file;
pub mod order;
mod show;
mod syslog;
pub mod told;
mod wanted;

use std::collections::HashMap;
use std::io;

use clap::{Subcommand, ValueEnum};
use sekisho_core::key::shown_client;
use thiserror::Error;

use crate::config::{AccessError, Config, ConfigError, StoreAccess, author, now};
use crate::figures::counted;
use crate::nginx::{AllowError, Allowed, NginxError};
use crate::shape::OutputFormat;
use crate::store::{DecisionQuery, DecisionRow, MAX_PAGE, Names, Store, StoreError, is_pseudonym};
use crate::watch::Live;
use order::{Ban, By, Done, Effect, OrderError, Orders};
use show::plain_names;

const EXAMPLES: &str = "\
Examples:
  sekisho decisions list
      bans in force: on whom, since when, until when, why
  sekisho decisions list --all --client 192.0.2.7
      all that there ever were on a client
  sekisho decisions export --format nftables | nft -f -
      bans with their timeouts as sets of the table inet sekisho
  sekisho decisions ban 192.0.2.7 --zone clients --for 2h --reason 'scrapes prices'
  sekisho decisions lift 192.0.2.7 --zone clients
  sekisho decisions allow 192.0.2.7 --note 'our probe' --for 30d
      never stopped, whatever the model says; --remove takes it back

nginx is asked by [[nginx]] of the configuration. Bans that it does not act on, in dry run, are listed and not exported.

Exit status: 0 done, 1 refused or nginx does not answer, 2 wrong usage.";

/// Names of sets: what nftables and ipset both take.
const MAX_SET: usize = 24;

/// See bans, put and lift them, and hand them to firewalls
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show bans, the newest first
    List(List),
    /// Write the bans in force for a firewall or a spreadsheet
    Export(Export),
    /// Ban a client
    Ban(BanArgs),
    /// Lift the ban on a client; nginx forgets its behaviour so far
    Lift(LiftArgs),
    /// Never stop an address or network, by the list of sekisho_allow
    Allow(AllowArgs),
}

#[derive(clap::Args)]
struct List {
    /// Those that ended, too
    #[arg(long)]
    all: bool,

    /// Of this client only
    #[arg(long)]
    client: Option<String>,

    /// Of this zone only
    #[arg(long)]
    zone: Option<String>,

    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MAX_PAGE as i64))]
    limit: u32,

    /// How they are shown
    #[arg(long, value_enum, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    access: StoreAccess,
}

/// What a file of bans is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    /// A script for `nft -f`
    Nftables,
    /// Input for `ipset restore`
    Ipset,
    /// A spreadsheet; all bans, those in dry run too
    Csv,
    /// Programs; all bans, those in dry run too
    Json,
}

#[derive(clap::Args)]
struct Export {
    /// What for
    #[arg(long, value_enum)]
    format: For,

    /// Name of the firewall's sets, to which 4 and 6 are added
    #[arg(long, default_value = "banned", value_parser = set_name)]
    set: String,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(clap::Args)]
struct BanArgs {
    /// An address, a network that is one client of the zone, or a key
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    client: String,

    /// The zone
    #[arg(long)]
    zone: String,

    /// For so long, such as 90s, 10m, 2h, 7d; at most 30d
    #[arg(long = "for", default_value = "1h", value_parser = duration)]
    length: u32,

    /// Why, at most 200 characters
    #[arg(long, default_value = "")]
    reason: String,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(clap::Args)]
struct LiftArgs {
    /// Its name
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    client: String,

    /// The zone
    #[arg(long)]
    zone: String,

    #[command(flatten)]
    access: StoreAccess,
}

#[derive(clap::Args)]
struct AllowArgs {
    /// An address or network
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    client: String,

    /// For so long, such as 12h or 30d; for ever without it
    #[arg(long = "for", value_parser = duration)]
    length: Option<u32>,

    /// Why
    #[arg(long, default_value = "")]
    note: String,

    /// Take it back; only what was allowed from here
    #[arg(long)]
    remove: bool,

    #[command(flatten)]
    access: StoreAccess,
}

/// Why a command does not do it.
#[derive(Debug, Error)]
pub enum DecisionsError {
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The order is not carried out.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// nginx does not answer.
    #[error(transparent)]
    Nginx(#[from] NginxError),
    /// The list of the allowed cannot be changed.
    #[error(transparent)]
    Allow(#[from] AllowError),
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
    /// Nobody reads.
    #[error("cannot write")]
    Csv(#[from] csv::Error),
    /// Nobody reads.
    #[error("cannot write")]
    Json(#[from] serde_json::Error),
}

/// What every action works with.
struct Site {
    store: Store,
    names: Names,
    live: Live,
}

impl Site {
    fn open(access: &StoreAccess) -> Result<Site, DecisionsError> {
        let config = Config::load(access.config.as_deref(), std::env::vars())?.config;
        let (store, names) = access.open()?;
        let live = Live::new(&config.nginx);
        Ok(Site { store, names, live })
    }

    /// The same, with all nginx asked how they are.
    fn ask(access: &StoreAccess) -> Result<Site, DecisionsError> {
        let site = Site::open(access)?;
        for text in site.live.refresh(now()) {
            eprintln!("sekisho: warning: {text}");
        }
        Ok(site)
    }

    fn orders(&self) -> Orders<'_> {
        Orders {
            live: &self.live,
            store: &self.store,
            names: &self.names,
        }
    }

    /// Where names are pseudonyms, who is banned can only be asked of nginx.
    fn plain(&self) -> Result<HashMap<String, String>, DecisionsError> {
        match self.names {
            Names::Plain => Ok(HashMap::new()),
            Names::Keyed(_) => Ok(plain_names(&self.live, &self.names)?),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), DecisionsError> {
    let actor = author();
    let by = By {
        at: now(),
        actor: &actor,
    };
    match &args.action {
        Action::List(list) => show_list(list),
        Action::Export(export) => write_export(export),
        Action::Ban(ban) => {
            let site = Site::ask(&ban.access)?;
            let order = Ban {
                zone: ban.zone.clone(),
                client: ban.client.clone(),
                seconds: ban.length,
                reason: ban.reason.clone(),
                origin: "operator",
            };
            told("banned", &site.orders().ban(&order, by)?);
            Ok(())
        }
        Action::Lift(lift) => {
            let site = Site::ask(&lift.access)?;
            told("lifted", &site.orders().lift(&lift.zone, &lift.client, by)?);
            Ok(())
        }
        Action::Allow(allow) => {
            let site = Site::open(&allow.access)?;
            if allow.remove {
                told("no longer allowed", &site.orders().disallow(&allow.client, by)?);
                return Ok(());
            }
            let allowed = Allowed {
                client: allow.client.clone(),
                until: allow.length.map(|length| by.at.saturating_add(length)),
                note: format!("{actor}: {}", allow.note)
                    .trim_end_matches([' ', ':'])
                    .to_owned(),
            };
            told("allowed", &site.orders().allow(&allowed, by)?);
            Ok(())
        }
    }
}

fn told(what: &str, done: &[Done]) {
    for done in done {
        let but = match done.effect {
            Effect::Acted => "",
            Effect::DryRun => ", which does nothing about it until sekisho_dry_run is off",
            Effect::Held => ", which does nothing about it while the breaker is open",
        };
        eprintln!("{what} in nginx {}{but}", done.nginx);
    }
}

fn show_list(list: &List) -> Result<(), DecisionsError> {
    let site = Site::open(&list.access)?;
    let query = |client: Option<String>| DecisionQuery {
        zone: list.zone.clone(),
        client,
        active: (!list.all).then_some(true),
        limit: list.limit,
        ..DecisionQuery::default()
    };
    let mut rows = match &list.client {
        None => site.store.decisions(&query(None))?.decisions,
        Some(client) => {
            let exact = site.store.decisions(&query(Some(site.names.client(client))))?;
            let wider = site.names.client(&shown_client(client));
            match exact.decisions.is_empty() {
                true => site.store.decisions(&query(Some(wider)))?.decisions,
                false => exact.decisions,
            }
        }
    };
    rows.sort_by_key(|row| std::cmp::Reverse((row.begun, row.id)));
    show::list(&rows, list.format)
}

fn write_export(export: &Export) -> Result<(), DecisionsError> {
    let site = Site::open(&export.access)?;
    let rows = site.store.open_decisions(None)?;
    let mut output = io::stdout().lock();
    match export.format {
        For::Csv => export::csv(&rows, &mut output)?,
        For::Json => show::json(&rows, &mut output)?,
        For::Nftables | For::Ipset => {
            let plain = site.plain()?;
            let name = |row: &DecisionRow| {
                if is_pseudonym(&row.client) {
                    plain.get(&row.client).cloned().unwrap_or_default()
                } else {
                    row.client.clone()
                }
            };
            let elements = export::elements(rows.iter().map(|row| (row, name(row))), now());
            let text = match export.format {
                For::Ipset => export::ipset(&elements, &export.set),
                _ => export::nftables(&elements, &export.set),
            };
            io::Write::write_all(&mut output, text.as_bytes())?;
            let left_out = rows.len() - elements.len();
            if left_out > 0 {
                eprintln!(
                    "{} left out: in dry run, held back by a guard, no address, or within a network",
                    counted(left_out as u64, "ban")
                );
            }
        }
    }
    Ok(())
}

fn set_name(text: &str) -> Result<String, String> {
    let mut bytes = text.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if begins && bytes.all(good) && text.len() <= MAX_SET {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "a set's name is a letter, then letters, digits and _, at most {MAX_SET}"
        ))
    }
}

/// Seconds of a text such as `90s`, `10m`, `2h`, `7d`.
fn duration(text: &str) -> Result<u32, String> {
    let unit = |unit: char| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let read = || {
        let last = text.chars().last()?;
        let seconds = unit(last)?;
        let digits = &text[..text.len() - 1];
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = plain.then(|| digits.parse().ok()).flatten()?;
        number.checked_mul(seconds).filter(|length| *length > 0)
    };
    read().ok_or_else(|| "a time is a number with s, m, h or d, such as 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        #[track_caller]
        fn check(text: &str, expected: Option<u32>) {
            assert_eq!(duration(text).ok(), expected, "{text}");
        }
        check("90s", Some(90));
        check("10m", Some(600));
        check("2h", Some(7_200));
        check("30d", Some(2_592_000));
        for bad in ["", "s", "0s", "1", "1w", "-1s", "1.5h", "99999999d", "１s"] {
            check(bad, None);
        }
    }

    #[test]
    fn sets_have_names_that_firewalls_take() {
        let check = |text: &str| set_name(text).is_ok();
        assert!(check("banned") && check("a_1"));
        assert!(
            ["", "1a", "a b", "a;flush ruleset", "a-b", &"a".repeat(25)]
                .iter()
                .all(|text| !check(text))
        );
    }
}
