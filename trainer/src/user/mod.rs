//! `sekisho user`: who may use the dashboard, and what each of them may do.

mod accounts;
mod attempts;
mod error;
mod password;
mod role;
mod session;
#[cfg(test)]
mod tests;
mod typed;

use std::io::{self, Write};

use clap::Subcommand;
use comfy_table::{Table, presets};
use jiff::Timestamp;

use crate::config::{StoreAccess, author, now};
use crate::shape::OutputFormat;
pub use accounts::{Account, By, all, any, find, is_name};
pub use attempts::Attempts;
pub use error::UserError;
pub use password::fits;
pub use role::Role;
pub use session::{Lifetime, Token, begin, end, find as find_session, form_token};

/// What holds while there is no user.
const NOBODY: &str = "no user: everybody who reaches the dashboard may read it, nobody may change anything";

const EXAMPLES: &str = "\
Examples:
  sekisho user add ana --role approver
      asks for the password twice
  openssl rand -base64 24 | tee /root/ben | sekisho user add ben --role operator
      a password from standard input, its first line
  sekisho user role ben viewer
      from his next request on
  sekisho user list --format json
  sekisho user remove ben
      the last user only with --open

A viewer reads; an operator also labels, bans, allows and lifts; an approver also puts models into force and takes them
back. A password has at least 12 characters; setting another one ends all sessions of its user. The daemon needs no
restart.

Exit status: 0 done, 1 refused, 2 wrong usage.";

/// Say who may use the dashboard
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a user; the password is typed, or the first line of standard input
    Add {
        /// By which they log in: letters, digits and . _ - @
        name: String,
        /// What they may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: Role,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// List users, their roles and their sessions
    List {
        /// How they are shown
        #[arg(long, value_enum, default_value = "table")]
        format: OutputFormat,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// Give a user another role
    Role {
        /// Whom
        name: String,
        /// What they may do
        #[arg(value_enum)]
        role: Role,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// Set another password, and end all sessions of the user
    Password {
        /// Whose
        name: String,
        #[command(flatten)]
        access: StoreAccess,
    },
    /// Remove a user, and end all their sessions
    Remove {
        /// Whom
        name: String,
        /// Also the last one: then everybody who reaches the dashboard may read it
        #[arg(long)]
        open: bool,
        #[command(flatten)]
        access: StoreAccess,
    },
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), UserError> {
    let actor = author();
    let by = By {
        actor: &actor,
        at: now(),
    };
    match &args.action {
        Action::Add { name, role, access } => {
            let (store, _) = access.open()?;
            if !is_name(name) {
                return Err(UserError::Name);
            }
            // Before anybody types a password for nothing.
            if find(&store, name)?.is_some() {
                return Err(UserError::Taken(name.clone()));
            }
            let hash = password::hash(&typed::password()?)?;
            accounts::add(&store, name, *role, &hash, by)?;
            eprintln!("added: {name}, {role}");
        }
        Action::List { format, access } => list(&all(&access.open()?.0)?, *format)?,
        Action::Role { name, role, access } => {
            accounts::set_role(&access.open()?.0, name, *role, by)?;
            eprintln!("{name} is {role} now");
        }
        Action::Password { name, access } => {
            let (store, _) = access.open()?;
            if !is_name(name) {
                return Err(UserError::Name);
            }
            if find(&store, name)?.is_none() {
                return Err(UserError::Unknown(name.clone()));
            }
            let hash = password::hash(&typed::password()?)?;
            accounts::set_password(&store, name, &hash, by)?;
            eprintln!("set; {name} logs in anew");
        }
        Action::Remove { name, open, access } => {
            let (store, _) = access.open()?;
            accounts::remove(&store, name, *open, by)?;
            eprintln!("removed: {name}");
            if !any(&store)? {
                eprintln!("sekisho: warning: {NOBODY}");
            }
        }
    }
    Ok(())
}

fn list(users: &[Account], format: OutputFormat) -> Result<(), UserError> {
    let mut output = io::stdout().lock();
    let written = match format {
        OutputFormat::Json => writeln!(output, "{:#}", serde_json::json!(users)),
        OutputFormat::Table if users.is_empty() => {
            writeln!(output, "{NOBODY}")
        }
        OutputFormat::Table => {
            let mut table = Table::new();
            table.load_style(presets::NOTHING);
            table.set_header(["name", "role", "since", "sessions", "last seen"]);
            for user in users {
                let seen = user.seen.map_or_else(String::new, shown);
                let sessions = user.sessions.to_string();
                table.add_row([
                    user.name.clone(),
                    user.role.to_string(),
                    shown(user.made),
                    sessions,
                    seen,
                ]);
            }
            writeln!(output, "{table}")
        }
    };
    written.map_err(UserError::Output)
}

/// A time in UTC.
fn shown(at: u32) -> String {
    let time = Timestamp::from_second(i64::from(at)).unwrap_or_default();
    time.strftime("%F %R").to_string()
}
