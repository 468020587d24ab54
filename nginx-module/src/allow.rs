//! Whom not to stop, whatever the model says: networks from the configuration, and from files that are read again
//! when they change.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use sekisho_core::lines::MAX_BYTES;
use sekisho_core::networks::Networks;

use crate::regular_file;
use crate::watch::{Watch, look};

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
    let text = regular_file::read(path, MAX_BYTES).map_err(|error| unreadable(path, &error))?;
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
