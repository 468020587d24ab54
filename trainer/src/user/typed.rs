//! A password that somebody types, or pipes in.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::{Command, Stdio};

use super::UserError;
use super::password::MOST;

/// Turns the terminal's echo on again, however reading ends.
struct Silence;

impl Silence {
    /// Without `stty` the password is seen while it is typed, which is told.
    fn new() -> Option<Silence> {
        let silent = stty("-echo");
        if !silent {
            eprintln!("sekisho: warning: what you type will be seen: there is no stty");
        }
        silent.then_some(Silence)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        stty("echo");
        eprintln!();
    }
}

fn stty(setting: &str) -> bool {
    let status = Command::new("stty")
        .arg(setting)
        .stdin(Stdio::inherit())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// A new password: typed twice at a terminal, else the first line of standard input.
pub fn password() -> Result<String, UserError> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let first = asked("Password: ")?;
    if asked("The same again: ")? == first {
        Ok(first)
    } else {
        Err(UserError::Differ)
    }
}

fn asked(question: &str) -> Result<String, UserError> {
    eprint!("{question}");
    io::stderr().flush().map_err(UserError::Output)?;
    let _silence = Silence::new();
    line()
}

fn line() -> Result<String, UserError> {
    let mut line = String::new();
    // One more than is allowed, so that what is too long is seen to be.
    io::stdin()
        .lock()
        .take(MOST as u64 + 3)
        .read_line(&mut line)
        .map_err(UserError::Input)?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    Ok(password.strip_suffix('\r').unwrap_or(password).to_owned())
}
