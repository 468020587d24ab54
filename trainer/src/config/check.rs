//! `sekisho config`: is it right, and what is in force?

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use clap::Subcommand;
use thiserror::Error;

use super::{Addresses, Config, ConfigError, DEFAULT_PATH, Loaded, read_secret};

const EXAMPLES: &str = "\
Examples:
  sekisho config check
      is /etc/sekisho/sekisho.toml right, and are the files there that it names?
  SEKISHO_STORE_RETENTION_DAYS=7 sekisho config show
      what is in force, with what the environment overrides

Exit status: 0 it can be used, 1 it cannot, 2 wrong usage.";

/// Check the configuration, or show what is in force
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Read it, and look at the files that it names
    Check(File),
    /// Print what is in force, as TOML; secrets stay in their files
    Show(File),
}

#[derive(clap::Args)]
struct File {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// Why nothing can be shown.
#[derive(Debug, Error)]
pub enum ShowError {
    /// It is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It cannot be written as TOML.
    #[error("the configuration cannot be shown")]
    Toml(#[from] toml::ser::Error),
    /// Nobody reads.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<ExitCode, ShowError> {
    let mut output = io::stdout().lock();
    match &args.action {
        Action::Show(file) => {
            let loaded = load(&file.config)?;
            for variable in &loaded.overridden {
                writeln!(output, "# {variable} overrides the file")?;
            }
            write!(output, "{}", toml::to_string(&loaded.config)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Check(file) => {
            let loaded = load(&file.config)?;
            let Findings { faults, warnings } = look(&loaded.config);
            for warning in &warnings {
                writeln!(output, "warning: {warning}")?;
            }
            for fault in &faults {
                writeln!(output, "error: {fault}")?;
            }
            if !faults.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
            writeln!(output, "{} is right", file.config.display())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(path: &Path) -> Result<Loaded, ConfigError> {
    Config::load(Some(path), env::vars())
}

/// What the files are like that a configuration names.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What keeps it from being used.
    pub faults: Vec<String>,
    /// What is better otherwise.
    pub warnings: Vec<String>,
}

pub(super) fn look(config: &Config) -> Findings {
    let mut findings = Findings::default();
    let store = config
        .store
        .path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = store
        && !folder.is_dir()
    {
        let text = "[store] path: there is no directory";
        findings
            .faults
            .push(format!("{text} {}: make it for this user", folder.display()));
    }
    if config.samples.is_empty() {
        let text = "no [[samples]]: name the file of nginx's sekisho_samples, or nothing is collected";
        findings.warnings.push(text.to_owned());
    }
    for source in &config.samples {
        let path = source.path.display();
        match fs::File::open(&source.path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("[[samples]] {path} is not there yet: nginx makes it at its start");
                findings.warnings.push(text);
            }
            Err(error) => {
                let text = format!(
                    "[[samples]] cannot read {path}: {error}; let this user into the group that owns it"
                );
                findings.faults.push(text);
            }
        }
    }
    let key = config.store.pseudonym_key_file.as_deref();
    let secrets = [
        key.filter(|_| config.store.addresses == Addresses::Pseudonym),
        config.api.token_file.as_deref(),
        config.models.signing_key_file.as_deref(),
    ];
    for path in secrets.into_iter().flatten() {
        match read_secret(path) {
            Ok(secret) => findings.warnings.extend(secret.warning),
            Err(error) => {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                findings
                    .faults
                    .push(format!("{error}{}", source.unwrap_or_default()));
            }
        }
    }
    if let Some(path) = &config.retrain.canaries
        && let Err(error) = fs::File::open(path)
    {
        let text = format!("[retrain] canaries: cannot read {}: {error}", path.display());
        findings.faults.push(text);
    }
    if config.api.token_file.is_none() {
        let text = "no [api] token_file: labels can be added by `sekisho label` only";
        findings.warnings.push(text.to_owned());
    }
    findings
}
