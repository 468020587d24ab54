//! The list of `sekisho_allow file=`: whom nginx never stops. Workers read it again within seconds of a change.
//!
//! Lines of ours end with a comment that says so; all others are the operator's and stay as they are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use sekisho_core::lines::MAX_BYTES;
use thiserror::Error;

use super::{Nginx, address_of};
use crate::visible::{escaped, is_hidden};

/// What a comment of ours begins with.
const MARK: &str = "# sekisho:";
/// Until when a line holds, in a comment of ours.
const UNTIL: &str = "until=";
/// nginx takes an empty list for one that is being written, and keeps the list before: this line stops nobody from
/// being stopped, as no client has the address.
const PLACEHOLDER: &str =
    "255.255.255.255 # sekisho: keeps the list from being empty, which nginx would not take";
/// Characters of a note.
const MAX_NOTE: usize = 200;
/// Mode of a list that is made: workers read it as another user.
const MODE: u32 = 0o644;

/// One line of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The address or network.
    pub client: String,
    /// Until when, unix seconds; for ever without one.
    pub until: Option<u32>,
    /// What somebody wrote about it.
    pub note: String,
}

/// Why a list is not changed.
#[derive(Debug, Error)]
pub enum AllowError {
    /// None is configured.
    #[error(
        "nginx \"{0}\" has no list that may be edited: set [[nginx]] allow_file to the file= of its sekisho_allow"
    )]
    NoFile(String),
    /// The client is no address.
    #[error("only addresses and networks can be allowed, and {0} is neither")]
    NoAddress(String),
    /// The list cannot be read or written.
    #[error("cannot change the list {}: this user must be able to write it and its directory", path.display())]
    File {
        /// The list.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is larger than nginx reads.
    #[error("the list {} has more than {MAX_BYTES} bytes, which nginx would not read", .0.display())]
    TooLarge(PathBuf),
}

impl Nginx {
    /// Lets a client pass whatever the model says; replaces an earlier line of ours about it.
    ///
    /// # Errors
    /// [`AllowError`]
    pub fn allow(&self, allowed: &Allowed) -> Result<(), AllowError> {
        if address_of(&allowed.client).is_none() {
            let shown = escaped(allowed.client.as_bytes(), MAX_NOTE);
            return Err(AllowError::NoAddress(shown));
        }
        self.edit(|text| with(text, allowed)).map(|_| ())
    }

    /// Takes a line of ours away again; false when there was none.
    ///
    /// # Errors
    /// [`AllowError`]
    pub fn disallow(&self, client: &str) -> Result<bool, AllowError> {
        self.edit(|text| without(text, |line| line.client == client))
    }

    /// Takes away lines of ours that held until a time before `now`; whether there were any.
    ///
    /// # Errors
    /// [`AllowError`]
    pub fn expire_allowed(&self, now: u32) -> Result<bool, AllowError> {
        let path = self.file()?;
        let is_over = |line: &Allowed| line.until.is_some_and(|until| until <= now);
        if !self.allowed()?.iter().any(is_over) || !path.exists() {
            return Ok(false);
        }
        self.edit(|text| without(text, is_over))
    }

    /// The lines of ours.
    ///
    /// # Errors
    /// [`AllowError`]
    pub fn allowed(&self) -> Result<Vec<Allowed>, AllowError> {
        let text = read(self.file()?)?;
        Ok(text.lines().filter_map(ours).collect())
    }

    fn file(&self) -> Result<&Path, AllowError> {
        self.allow_file()
            .ok_or_else(|| AllowError::NoFile(self.name().to_owned()))
    }

    /// Changes the list as a whole: whoever reads it meanwhile sees the one or the other. Whether it changed.
    fn edit(&self, change: impl FnOnce(&str) -> String) -> Result<bool, AllowError> {
        let path = self.file()?;
        let failed = |source| AllowError::File {
            path: path.to_owned(),
            source,
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Of two who edit at the same time, the second sees what the first wrote.
        let lock = File::open(folder).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let text = read(path)?;
        let changed = change(&text);
        if changed == text {
            return Ok(false);
        }
        if changed.len() > MAX_BYTES {
            return Err(AllowError::TooLarge(path.to_owned()));
        }
        replace(path, &changed).map_err(failed)?;
        Ok(true)
    }
}

fn read(path: &Path) -> Result<String, AllowError> {
    match fs::metadata(path) {
        Ok(data) if data.len() > MAX_BYTES as u64 => return Err(AllowError::TooLarge(path.to_owned())),
        _ => {}
    }
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(AllowError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // One name is enough: only who holds the lock writes.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    let (mode, owner) = match fs::metadata(path) {
        Ok(data) => (data.permissions().mode(), Some((data.uid(), data.gid()))),
        Err(_) => (MODE, None),
    };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    if let Some((user, group)) = owner {
        // Only root can give a file away; another's is this user's from now on, with the same mode.
        let _ = fchown(&file, Some(user), Some(group));
    }
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// The text with this line of ours.
fn with(text: &str, allowed: &Allowed) -> String {
    let mut changed = kept(text, |line| line.client == allowed.client);
    let until = allowed.until.map(|until| format!("{UNTIL}{until} "));
    let note: String = allowed
        .note
        .chars()
        .map(|character| if is_hidden(character) { ' ' } else { character })
        .take(MAX_NOTE)
        .collect();
    let line = format!("{} {MARK} {}{note}", allowed.client, until.unwrap_or_default());
    changed.push_str(line.trim_end());
    changed.push('\n');
    changed
}

/// The text without those of our lines.
fn without(text: &str, goes: impl Fn(&Allowed) -> bool) -> String {
    if !text.lines().filter_map(ours).any(|line| goes(&line)) {
        return text.to_owned();
    }
    let mut changed = kept(text, goes);
    let says = |line: &str| !line.split('#').next().unwrap_or_default().trim().is_empty();
    if !changed.lines().any(says) {
        changed.push_str(PLACEHOLDER);
        changed.push('\n');
    }
    changed
}

fn kept(text: &str, goes: impl Fn(&Allowed) -> bool) -> String {
    let mut kept = String::with_capacity(text.len() + 128);
    for line in text.lines() {
        if line != PLACEHOLDER && !ours(line).is_some_and(|line| goes(&line)) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// A line of ours.
fn ours(line: &str) -> Option<Allowed> {
    let (client, comment) = line.split_once(MARK)?;
    let client = client.trim();
    if line == PLACEHOLDER || client.is_empty() || client.contains('#') {
        return None;
    }
    let comment = comment.trim_start();
    let (until, note) = match comment.strip_prefix(UNTIL) {
        Some(rest) => {
            let (digits, note) = rest.split_once(' ').unwrap_or((rest, ""));
            (Some(digits.parse().ok()?), note)
        }
        None => (None, comment),
    };
    Some(Allowed {
        client: client.to_owned(),
        until,
        note: note.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(client: &str, until: Option<u32>, note: &str) -> Allowed {
        Allowed {
            client: client.to_owned(),
            until,
            note: note.to_owned(),
        }
    }

    #[test]
    fn lines_of_ours_come_and_go_and_others_stay() {
        let own = "# our probes\n10.0.0.0/8\n192.0.2.7 # the boss";
        let one = with(own, &allowed("192.0.2.7", None, "office\n10.0.0.0/0"));
        assert_eq!(
            one,
            "# our probes\n10.0.0.0/8\n192.0.2.7 # the boss\n192.0.2.7 # sekisho: office 10.0.0.0/0\n"
        );
        let two = with(&one, &allowed("192.0.2.7", Some(1_800_000_000), ""));
        assert_eq!(
            two,
            "# our probes\n10.0.0.0/8\n192.0.2.7 # the boss\n192.0.2.7 # sekisho: until=1800000000\n"
        );
        assert_eq!(
            without(&two, |line| line.client == "192.0.2.7"),
            format!("{own}\n")
        );
        assert_eq!(without(&two, |line| line.client == "10.0.0.0/8"), two);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for line in [
            allowed("192.0.2.7", None, "a note"),
            allowed("2001:db8::/64", Some(9), "# two"),
            allowed("192.0.2.8", Some(9), ""),
        ] {
            assert_eq!(ours(with("", &line).trim_end()), Some(line));
        }
        for line in [
            "192.0.2.7",
            "192.0.2.7 # mine",
            "# sekisho: x # sekisho: y",
            PLACEHOLDER,
        ] {
            assert_eq!(ours(line), None, "{line}");
        }
    }

    #[test]
    fn the_last_one_leaves_a_list_that_nginx_takes() {
        let one = with("", &allowed("192.0.2.7", None, ""));
        let none = without(&one, |_| true);
        let (networks, errors) = sekisho_core::networks::Networks::parse(none.as_bytes());
        assert!(errors.is_empty() && networks.len() == 1, "{none}");
        assert!(!networks.contains(&[192, 0, 2, 7]));
        let again = with(&none, &allowed("192.0.2.8", None, ""));
        assert_eq!(again, "192.0.2.8 # sekisho:\n");
    }
}
