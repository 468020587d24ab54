//! Whom not to stop, whatever the model says: networks from the configuration, and from files that are read again
//! when they change.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sekisho_core::lines::MAX_BYTES;
use sekisho_core::networks::Networks;

use crate::watch::{Watch, look};

/// Reads a list, at most one byte more than a list may have.
pub fn read_list(path: &Path) -> io::Result<Vec<u8>> {
    // Without this, the open of a pipe waits for somebody to write.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// `sekisho_allow` of one level.
#[derive(Debug, Default)]
pub struct AllowList {
    fixed: Networks,
    files: Vec<AllowFile>,
}

#[derive(Debug)]
struct AllowFile {
    path: PathBuf,
    watch: RefCell<Watch>,
    networks: RefCell<Networks>,
}

impl AllowList {
    /// Adds an address or a network; the error says what is wrong with it.
    pub fn add(&mut self, text: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(text);
        let networks =
            Networks::from_cidr(&text).map_err(|fault| format!("invalid network \"{text}\": {fault}"))?;
        self.fixed.extend(&networks);
        Ok(())
    }

    /// Adds a file. Bad lines are told to `warn` and left out; a file of nothing but bad lines is an error.
    pub fn add_file(&mut self, path: PathBuf, warn: &dyn Fn(&str)) -> Result<(), String> {
        // Looked at before it is read: what changes in between is seen later.
        let watch = Watch::new(look(&path));
        let networks = load(&path, warn)?;
        self.files.push(AllowFile {
            path,
            watch: RefCell::new(watch),
            networks: RefCell::new(networks),
        });
        Ok(())
    }

    /// Whether an address of 4 or 16 bytes is allowed.
    pub fn contains(&self, address: &[u8]) -> bool {
        self.fixed.contains(address)
            || self
                .files
                .iter()
                .any(|file| file.networks.borrow().contains(address))
    }

    /// Reads files that changed. One that cannot be read, or has nothing but bad lines, leaves its old list in
    /// force; `report` is told once for each change.
    pub fn refresh(&self, report: &dyn Fn(&str)) {
        for file in &self.files {
            let mut watch = file.watch.borrow_mut();
            if !watch.look(look(&file.path)) {
                continue;
            }
            watch.reading();
            let emptied = || format!("sekisho_allow file \"{}\" is empty", file.path.display());
            let loaded = load(&file.path, report);
            // A file that is emptied is more likely being written, or lost, than meant.
            match loaded.and_then(|new| if new.is_empty() { Err(emptied()) } else { Ok(new) }) {
                Ok(networks) => {
                    let (path, count) = (file.path.display(), networks.len());
                    report(&format!(
                        "sekisho_allow file \"{path}\" was read again: {count} ranges"
                    ));
                    file.networks.replace(networks);
                }
                Err(error) => report(&format!("{error}; the list read before stays in force")),
            }
        }
    }
}

fn load(path: &Path, warn: &dyn Fn(&str)) -> Result<Networks, String> {
    let text = read_list(path).map_err(|error| unreadable(path, &error))?;
    let (networks, errors) = Networks::parse(&text);
    for error in &errors {
        warn(&format!("sekisho_allow file \"{}\": {error}", path.display()));
    }
    if networks.is_empty() && !errors.is_empty() {
        return Err(format!(
            "sekisho_allow file \"{}\" has no valid line",
            path.display()
        ));
    }
    Ok(networks)
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!(
        "sekisho_allow file \"{}\" cannot be read: {error}",
        path.display()
    )
}
