//! What the configuration file says about models, and where its sections are overridden by flags.

use std::path::{Path, PathBuf};

use super::error::RegistryError;
use super::gates::Gates;
use crate::config::{Config, Policy};

/// Flags that every command of the registry has.
#[derive(Debug, Clone, clap::Args)]
pub struct Places {
    /// The configuration file [default: /etc/sekisho/sekisho.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Where models are kept [default: the configuration's, or /var/lib/sekisho/models]
    #[arg(long, value_name = "DIR", global = true)]
    models: Option<PathBuf>,

    /// The file that nginx loads as its model [default: the configuration's]
    #[arg(long, value_name = "FILE", global = true)]
    champion: Option<PathBuf>,

    /// The file that nginx loads as its challenger [default: the configuration's]
    #[arg(long, value_name = "FILE", global = true)]
    challenger: Option<PathBuf>,

    /// The store, for history and audit log [default: the configuration's, or /var/lib/sekisho/sekisho.db]
    #[arg(long, value_name = "FILE", global = true)]
    store: Option<PathBuf>,
}

/// What holds after file and flags.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where models are kept.
    pub directory: PathBuf,
    /// The file that nginx loads as its model.
    pub champion: Option<PathBuf>,
    /// The file that nginx loads as its challenger.
    pub challenger: Option<PathBuf>,
    /// The key that models are signed with.
    pub signing_key_file: Option<PathBuf>,
    /// Public keys, in hex, of which one must have signed what is promoted; none asks for no signature.
    pub trusted_keys: Vec<String>,
    /// What a model must pass.
    pub gates: Gates,
    /// Whether models may go live without a person.
    pub automatic: bool,
    /// History and audit log.
    pub store: PathBuf,
}

impl Settings {
    /// Reads the configuration file, then the flags.
    pub fn load(places: &Places) -> Result<Settings, RegistryError> {
        let config = Config::load(places.config.as_deref(), std::env::vars())?.config;
        let pick = |flag: &Option<PathBuf>, file: Option<PathBuf>| flag.clone().or(file);
        let settings = Settings::of(config);
        Ok(Settings {
            directory: places.models.clone().unwrap_or(settings.directory),
            champion: pick(&places.champion, settings.champion),
            challenger: pick(&places.challenger, settings.challenger),
            store: places.store.clone().unwrap_or(settings.store),
            ..settings
        })
    }

    /// What the configuration says.
    pub fn of(config: Config) -> Settings {
        let models = config.models;
        Settings {
            directory: models.directory,
            champion: models.champion,
            challenger: models.challenger,
            signing_key_file: models.signing_key_file,
            trusted_keys: models.trusted_keys,
            gates: config.gates,
            automatic: config.retrain.policy == Policy::Automatic,
            store: config.store.path,
        }
    }

    /// The champion's file.
    pub fn champion(&self) -> Result<&Path, RegistryError> {
        self.champion.as_deref().ok_or(RegistryError::NoChampionFile)
    }
}
