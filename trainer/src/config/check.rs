//! `sekisho config`: is it right, and what is in force?

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use std::{env, fs};

use clap::Subcommand;
use thiserror::Error;

use super::{Addresses, Config, ConfigError, DEFAULT_PATH, Fault, Loaded, fault, read_secret, runbooks};
use crate::notify::Address;

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
                writeln!(output, "warning: {}", told(&loaded, warning))?;
            }
            for fault in &faults {
                writeln!(output, "error: {}", told(&loaded, fault))?;
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

/// A finding with its place and its key.
fn told(loaded: &Loaded, found: &Fault) -> String {
    let section = match found.section {
        "samples" | "nginx" | "notify" => format!("[[{}]]", found.section),
        section => format!("[{section}]"),
    };
    let place = loaded.places.line(found).unwrap_or_else(|| loaded.places.file());
    format!("{place}: {section} {}{}", found.key, found.reason)
}

/// What the files are like that a configuration names. The reason of each goes on where the key ends.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// What keeps the daemon from its start, or a command from its work.
    pub faults: Vec<Fault>,
    /// What is better otherwise, or comes by itself.
    pub warnings: Vec<Fault>,
}

pub(super) fn look(config: &Config) -> Findings {
    let mut findings = Findings::default();
    if let Some(text) = no_directory(&config.store.path) {
        findings
            .faults
            .push(fault("store", "path", format!("{text}: make it for this user")));
    }
    sample_files(config, &mut findings);
    allow_files(config, &mut findings);
    model_files(config, &mut findings);
    secrets(config, &mut findings);
    language_models(config, &mut findings);
    runbooks::look(&config.runbooks, &mut findings);
    targets(config, &mut findings);
    if let Some(path) = &config.retrain.canaries
        && let Err(error) = fs::File::open(path)
    {
        let text = format!(": cannot read {}: {error}", path.display());
        findings.faults.push(fault("retrain", "canaries", text));
    }
    findings
}

/// The directory of a file, when there is none.
fn no_directory(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.is_dir()).then(|| format!(": there is no directory {}", folder.display()))
}

fn sample_files(config: &Config, findings: &mut Findings) {
    if config.samples.is_empty() {
        let text =
            ": there is none, and `sekisho serve` does not start; name the file of nginx's sekisho_samples";
        findings.faults.push(fault("samples", "path", text));
    }
    for (index, source) in config.samples.iter().enumerate() {
        let at = |text: String| Fault {
            index,
            ..fault("samples", "path", text)
        };
        let path = source.path.display();
        match fs::File::open(&source.path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = match no_directory(&source.path) {
                    Some(text) => format!("{text}: nginx cannot make the file before it is there"),
                    None => format!(": {path} is not there yet, nginx makes it at its start"),
                };
                findings.warnings.push(at(text));
            }
            Err(error) => findings.faults.push(at(format!(
                ": cannot read {path}: {error}; let this user into the group that owns it"
            ))),
        }
    }
}

fn allow_files(config: &Config, findings: &mut Findings) {
    for (index, nginx) in config.nginx.iter().enumerate() {
        let Some(path) = &nginx.allow_file else { continue };
        let text = match no_directory(path) {
            Some(text) => format!("{text}: make it for this user, who writes the file anew"),
            None if !path.exists() => {
                format!(
                    ": {} is not there yet: nginx does not start before it is",
                    path.display()
                )
            }
            None => continue,
        };
        findings.warnings.push(Fault {
            index,
            ..fault("nginx", "allow_file", text)
        });
    }
}

fn model_files(config: &Config, findings: &mut Findings) {
    let models = &config.models;
    if models.directory.exists() && !models.directory.is_dir() {
        let text = format!(" {} is no directory", models.directory.display());
        findings.faults.push(fault("models", "directory", text));
    } else if !models.directory.exists() {
        let text = format!(
            " {} is not there yet: the first command that keeps a model makes it, if its user may",
            models.directory.display()
        );
        findings.warnings.push(fault("models", "directory", text));
    }
    for (key, path) in [("champion", &models.champion), ("challenger", &models.challenger)] {
        if let Some(text) = path.as_deref().and_then(no_directory) {
            let text = format!("{text}: nothing can be promoted before it is there");
            findings.warnings.push(fault("models", key, text));
        }
    }
}

fn language_models(config: &Config, findings: &mut Findings) {
    for problem in config.llm.check(SystemTime::now()) {
        let place = problem.place.strip_prefix("llm.").unwrap_or(&problem.place);
        let found = fault("llm", "", format!("{place}: {}", problem.text));
        let list = match problem.is_warning {
            true => &mut findings.warnings,
            false => &mut findings.faults,
        };
        list.push(found);
    }
}

/// Whom messages go to: their addresses and keys.
fn targets(config: &Config, findings: &mut Findings) {
    for (index, target) in config.notify.iter().enumerate() {
        let at = |text: String| Fault {
            index,
            ..fault("notify", "url_file", text)
        };
        match Address::of(target) {
            Ok(address) => findings
                .warnings
                .extend(address.warnings.into_iter().map(|text| at(format!(": {text}")))),
            Err(error) => {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                findings
                    .faults
                    .push(at(format!(": {error}{}", source.unwrap_or_default())));
            }
        }
    }
    if !config.notify.is_empty() && config.dashboard.url.is_none() {
        let text = " is not set: messages have no links";
        findings.warnings.push(fault("dashboard", "url", text));
    }
}

fn secrets(config: &Config, findings: &mut Findings) {
    if let Some(path) = &config.models.signing_key_file
        && !path.exists()
    {
        let path = path.display();
        let text = format!(": {path} is not there: make it with `sekisho model key {path}`");
        findings.faults.push(fault("models", "signing_key_file", text));
    }
    let key = config.store.pseudonym_key_file.as_deref();
    let files = [
        (
            "store",
            "pseudonym_key_file",
            key.filter(|_| config.store.addresses == Addresses::Pseudonym),
        ),
        ("api", "token_file", config.api.token_file.as_deref()),
        (
            "models",
            "signing_key_file",
            config
                .models
                .signing_key_file
                .as_deref()
                .filter(|path| path.exists()),
        ),
    ];
    for (section, key, path) in files {
        let Some(path) = path else { continue };
        match read_secret(path) {
            Ok(secret) => {
                let warning = secret
                    .warning
                    .map(|text| fault(section, key, format!(": {text}")));
                findings.warnings.extend(warning);
            }
            Err(error) => {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                let text = format!(": {error}{}", source.unwrap_or_default());
                findings.faults.push(fault(section, key, text));
            }
        }
    }
    if config.api.token_file.is_none() {
        let text = " is not set: labels can be added by `sekisho label` only";
        findings.warnings.push(fault("api", "token_file", text));
    }
}
