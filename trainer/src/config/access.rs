//! Which store a command works on.

use std::env;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use thiserror::Error;

use super::{Config, ConfigError, SecretError};
use crate::store::{Names, Store, StoreError};

/// Options of every command that works on the store.
#[derive(clap::Args)]
pub struct StoreAccess {
    /// The configuration [default: /etc/sekisho/sekisho.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The store, instead of the one that the configuration names
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// Why a command has no store.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key of the pseudonyms cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreAccess {
    /// Whether a store or a configuration was named.
    pub fn is_given(&self) -> bool {
        self.config.is_some() || self.store.is_some()
    }

    /// Opens the store, which must be there, and tells how it keeps names.
    pub fn open(&self) -> Result<(Store, Names), AccessError> {
        let loaded = Config::load(self.config.as_deref(), env::vars())?;
        let (names, warning) = loaded.config.names()?;
        if let Some(warning) = warning {
            eprintln!("sekisho: warning: {warning}");
        }
        let store = Store::open_existing(self.store.as_ref().unwrap_or(&loaded.config.store.path))?;
        store.bind_names(&names)?;
        Ok((store, names))
    }
}

/// Unix seconds.
pub fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// Who runs the command: the user behind `sudo`, else the user.
pub fn author() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| env::var(name).ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
