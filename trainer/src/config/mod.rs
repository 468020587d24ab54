//! The configuration: a TOML file, what the environment overrides, and secrets in files of their own.

mod access;
mod check;
mod dashboard;
mod decisions;
mod environment;
mod error;
mod nginx;
mod notify;
mod place;
mod retrain;
mod runbooks;
mod secret;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Deserializer, Serialize, de};

pub use access::{AccessError, StoreAccess, author, now};
pub use check::{Args, run};
pub use dashboard::DashboardSection;
pub use decisions::{DecisionsSection, ImportSection, SyslogTarget};
pub use error::ConfigError;
pub use nginx::NginxSection;
pub use notify::{NotifyKind, NotifySection, Topic};
pub use retrain::{Policy, RetrainSection};
pub use runbooks::RunbooksSection;
pub use secret::{Secret, SecretError, read_secret};

use crate::registry::Gates;
use crate::store::{Names, Retention};
use crate::visible::escaped;
use place::Places;

/// Where the configuration is unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/sekisho/sekisho.toml";
/// A configuration is a page or two; what is larger is another file.
const MAX_BYTES: u64 = 1 << 20;
/// Sources at most: an nginx each.
const MAX_SOURCES: usize = 64;
/// The least that a store may be bounded to: its tables, and samples of an hour or so.
const LEAST_STORE: u64 = 16 << 20;
/// Hex digits of an ed25519 public key.
const KEY_DIGITS: usize = 64;
/// Characters shown of what is no such key.
const SHOWN_KEY: usize = 80;
/// Days that samples are kept at most: ten years.
const MOST_DAYS: u32 = 3650;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[store]`
    pub store: StoreSection,
    /// `[[samples]]`
    pub samples: Vec<Source>,
    /// `[api]`
    pub api: ApiSection,
    /// `[models]`
    pub models: ModelsSection,
    /// `[gates]`
    pub gates: Gates,
    /// `[retrain]`
    pub retrain: RetrainSection,
    /// `[runbooks]`
    pub runbooks: RunbooksSection,
    /// `[calibrate]`
    pub calibrate: CalibrateSection,
    /// `[decisions]`
    pub decisions: DecisionsSection,
    /// `[[nginx]]`
    pub nginx: Vec<NginxSection>,
    /// `[llm]`
    pub llm: sekisho_llm::Config,
    /// `[dashboard]`
    pub dashboard: DashboardSection,
    /// `[[notify]]`
    pub notify: Vec<NotifySection>,
}

/// How addresses are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addresses {
    /// As they are.
    #[default]
    Plain,
    /// As a pseudonym under a key.
    Pseudonym,
}

/// `[store]`: what is kept, where, and how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// The SQLite file.
    pub path: PathBuf,
    /// Samples older than so many days go.
    pub retention_days: u32,
    /// The oldest go when the store uses more bytes than this.
    #[serde(deserialize_with = "size")]
    pub max_bytes: u64,
    /// How addresses are kept.
    pub addresses: Addresses,
    /// File with the key of the pseudonyms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pseudonym_key_file: Option<PathBuf>,
}

/// `[[samples]]`: one sample file of one nginx, and those that it was rotated to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The file of `sekisho_samples`.
    pub path: PathBuf,
    /// What it is called in counts and logs; the path without one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// `[api]`: the HTTP interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiSection {
    /// Where it listens; a loopback address.
    pub listen: SocketAddr,
    /// File with the token that a change asks for; without one nothing can be changed through the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Names besides `localhost` and addresses by which it is asked, such as that of a proxy before it.
    pub hosts: Vec<String>,
}

/// `[models]`: where models are, and which files nginx watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsSection {
    /// Directory of all models.
    pub directory: PathBuf,
    /// The file of `sekisho_model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub champion: Option<PathBuf>,
    /// Its `challenger=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenger: Option<PathBuf>,
    /// File with the key that signs models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key_file: Option<PathBuf>,
    /// Public keys, in hex, of which one must have signed what is promoted; none asks for no signature.
    pub trusted_keys: Vec<String>,
}

/// `[calibrate]`: thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalibrateSection {
    /// Share of people that may be stopped, 0 to 1.
    pub budget: f64,
}

impl Default for StoreSection {
    fn default() -> StoreSection {
        StoreSection {
            path: "/var/lib/sekisho/sekisho.db".into(),
            retention_days: 30,
            max_bytes: 8 << 30,
            addresses: Addresses::Plain,
            pseudonym_key_file: None,
        }
    }
}

impl Default for ApiSection {
    fn default() -> ApiSection {
        ApiSection {
            listen: SocketAddr::from(([127, 0, 0, 1], 9180)),
            token_file: None,
            hosts: Vec::new(),
        }
    }
}

impl Default for ModelsSection {
    fn default() -> ModelsSection {
        ModelsSection {
            directory: "/var/lib/sekisho/models".into(),
            champion: None,
            challenger: None,
            signing_key_file: None,
            trusted_keys: Vec::new(),
        }
    }
}

impl Default for CalibrateSection {
    fn default() -> CalibrateSection {
        CalibrateSection { budget: 0.001 }
    }
}

/// A configuration and where it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// The file, when there is one.
    pub file: Option<PathBuf>,
    /// The variables that overrode it.
    pub overridden: Vec<String>,
    /// Where each value stands.
    places: Places,
}

impl Config {
    /// Reads `path`, or [`DEFAULT_PATH`] when it is `None`, where the file may be missing; then the variables of
    /// `environment`.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let text = match read(file) {
            Ok(text) => Some(text),
            Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(ConfigError::Read {
                    path: file.to_owned(),
                    source,
                });
            }
        };
        let is_there = text.is_some();
        let (config, places) = parse(file, text.unwrap_or_default(), environment)?;
        Ok(Loaded {
            config,
            file: is_there.then(|| file.to_owned()),
            overridden: places.overridden(),
            places,
        })
    }

    /// How long samples stay, and how many.
    pub fn retention(&self) -> Retention {
        Retention {
            seconds: self.store.retention_days * 86_400,
            bytes: self.store.max_bytes,
        }
    }

    /// How names are kept, with the secret that it takes and what is to be said about its file.
    pub fn names(&self) -> Result<(Names, Option<String>), SecretError> {
        match (self.store.addresses, &self.store.pseudonym_key_file) {
            (Addresses::Pseudonym, Some(path)) => {
                let secret = read_secret(path)?;
                Ok((Names::keyed(secret.bytes()), secret.warning))
            }
            _ => Ok((Names::Plain, None)),
        }
    }
}

impl Source {
    /// What it is called.
    pub fn name(&self) -> String {
        if self.name.is_empty() {
            self.path.display().to_string()
        } else {
            self.name.clone()
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > MAX_BYTES {
        return Err(io::Error::other("it is larger than a configuration is"));
    }
    fs::read_to_string(path)
}

/// Reads the text of `file`, lets the environment override it, and checks what comes out.
fn parse(
    file: &Path,
    text: String,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Places), ConfigError> {
    let config: Config = toml::from_str(&text).map_err(|error| place::syntax(file, &text, &error))?;
    let overrides = environment::overrides(environment)?;
    let config = if overrides.is_empty() {
        config
    } else {
        environment::apply(&text, &overrides)?
    };
    let places = Places::new(file, text, overrides);
    validate(&config).map_err(|fault| ConfigError::Invalid {
        place: places.of(&fault),
        reason: fault.reason,
    })?;
    Ok((config, places))
}

/// A value that is of the right type and wrong nevertheless.
#[derive(Debug)]
struct Fault {
    section: &'static str,
    key: &'static str,
    /// Which of several sections of that name.
    index: usize,
    reason: String,
}

fn fault(section: &'static str, key: &'static str, reason: impl Into<String>) -> Fault {
    Fault {
        section,
        key,
        index: 0,
        reason: reason.into(),
    }
}

fn validate(config: &Config) -> Result<(), Fault> {
    let store = &config.store;
    if store.path.as_os_str().is_empty() {
        return Err(fault("store", "path", "name a file"));
    }
    if !(1..=MOST_DAYS).contains(&store.retention_days) {
        let reason = format!("retention_days is 1 to {MOST_DAYS}");
        return Err(fault("store", "retention_days", reason));
    }
    if store.max_bytes < LEAST_STORE {
        let reason = format!("max_bytes is at least {}m", LEAST_STORE >> 20);
        return Err(fault("store", "max_bytes", reason));
    }
    match (store.addresses, &store.pseudonym_key_file) {
        (Addresses::Pseudonym, None) => {
            let reason =
                "addresses = \"pseudonym\" needs pseudonym_key_file, such as from `openssl rand -hex 32`";
            return Err(fault("store", "addresses", reason));
        }
        (Addresses::Plain, Some(_)) => {
            let reason = "pseudonym_key_file is of no use while addresses = \"plain\"";
            return Err(fault("store", "pseudonym_key_file", reason));
        }
        _ => {}
    }
    if !config.api.listen.ip().is_loopback() {
        let reason = "listen is a loopback address, such as 127.0.0.1:9180: to reach it from elsewhere, put nginx with TLS and a login before it";
        return Err(fault("api", "listen", reason));
    }
    if !(config.calibrate.budget > 0.0 && config.calibrate.budget < 1.0) {
        return Err(fault(
            "calibrate",
            "budget",
            "budget is a share between 0 and 1, such as 0.001",
        ));
    }
    limits(&config.gates)?;
    let models = &config.models;
    if let Some(key) = models.trusted_keys.iter().find(|key| !is_public_key(key)) {
        let shown = escaped(key.as_bytes(), SHOWN_KEY);
        let reason = format!(
            "trusted_keys are 64 hex digits each, as `sekisho model key` prints them: \"{shown}\" is none"
        );
        return Err(fault("models", "trusted_keys", reason));
    }
    if models.champion.is_some() && models.champion == models.challenger {
        let reason = "challenger is the champion's file: what is only to be tried would be in force";
        return Err(fault("models", "challenger", reason));
    }
    retrain::validate(&config.retrain)?;
    nginx::validate(&config.nginx)?;
    runbooks::validate(&config.runbooks)?;
    decisions::validate(&config.decisions)?;
    dashboard::validate(&config.dashboard)?;
    notify::validate(&config.notify)?;
    sources(&config.samples)
}

/// Limits of the gates that are shares, or differences of shares.
fn limits(gates: &Gates) -> Result<(), Fault> {
    let shares = [
        ("min_auc", gates.min_auc),
        ("max_auc_loss", gates.max_auc_loss),
        ("max_recall_loss", gates.max_recall_loss),
        ("min_rejected_crawlers", gates.min_rejected_crawlers),
        ("max_rejected_crawlers_loss", gates.max_rejected_crawlers_loss),
        ("max_false_positive_rate", gates.max_false_positive_rate),
    ];
    match shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some((key, _)) => Err(fault("gates", key, format!("{key} is 0 to 1"))),
        None => Ok(()),
    }
}

fn is_public_key(text: &str) -> bool {
    text.len() == KEY_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn sources(samples: &[Source]) -> Result<(), Fault> {
    let at = |index: usize, key: &'static str, reason: String| Fault {
        index,
        ..fault("samples", key, reason)
    };
    if samples.len() > MAX_SOURCES {
        return Err(at(
            MAX_SOURCES,
            "path",
            format!("at most {MAX_SOURCES} sample files are followed"),
        ));
    }
    for (index, source) in samples.iter().enumerate() {
        if source.path.file_name().is_none() {
            return Err(at(index, "path", "path names a file".to_owned()));
        }
        for (other, earlier) in samples[..index].iter().enumerate() {
            if earlier.path == source.path {
                let reason = format!("the same file as number {}", other + 1);
                return Err(at(index, "path", reason));
            }
            if earlier.name() == source.name() {
                let reason = format!("the same name as number {}", other + 1);
                return Err(at(index, "name", reason));
            }
        }
    }
    Ok(())
}

/// A number of bytes, or a text such as `"500m"` or `"8g"`.
fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Bytes(u64),
        Text(String),
    }
    match Size::deserialize(deserializer) {
        Ok(Size::Bytes(bytes)) => Ok(bytes),
        Ok(Size::Text(text)) => parse_size(&text).ok_or_else(|| de::Error::custom(SIZE)),
        Err(_) => Err(de::Error::custom(SIZE)),
    }
}

const SIZE: &str = "a size is a number of bytes, or a text with k, m or g, such as \"8g\"";

fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.to_ascii_lowercase().chars().last()? {
        'k' => (&text[..text.len() - 1], 10),
        'm' => (&text[..text.len() - 1], 20),
        'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = plain.then(|| digits.parse().ok()).flatten()?;
    number.checked_mul(1 << shift)
}
