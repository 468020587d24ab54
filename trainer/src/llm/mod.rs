//! Language models: the chain of `[llm]` over the store's ledger, and `sekisho llm`.

mod answers;
mod ledger;
#[cfg(test)]
mod tests;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sekisho_llm::{Chain, ChainError, Claims, Status};
use thiserror::Error;
use tokio::runtime::Runtime;

use crate::config::{AccessError, Config, ConfigError, StoreAccess};
use crate::shape::OutputFormat;
use crate::store::{Store, StoreError};
pub use answers::Keys;
pub use ledger::ModelCost;
use ledger::StoreLedger;

/// What percentiles of a status are over, in seconds: a week.
const WEEK: u64 = 7 * 86_400;
/// How long the daemon may take to say how it is.
const DAEMON: Duration = Duration::from_secs(2);
/// Bytes of what it says: a few hundred for each target.
const MAX_STATUS: u64 = 1 << 20;
/// What claims are counted as that were found true.
pub const KEPT: &str = "kept";

const EXAMPLES: &str = "\
Examples:
  sekisho llm status
      which language models are asked in which order, how long they take, what they cost
  sekisho llm status --format json

Nothing is asked unless [[llm.targets]] are configured, and nothing ever depends on an answer.

Exit status: 0 shown, 1 the configuration or the store refused, 2 wrong usage.";

/// Watch the language models that explain
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show the chain, how long its models take, what became of their claims, and what they cost
    Status {
        /// How it is shown
        #[arg(long, value_enum, default_value = "table")]
        format: OutputFormat,

        #[command(flatten)]
        access: StoreAccess,
    },
}

/// Why no language model can be asked.
#[derive(Debug, Error)]
pub enum LlmError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no store.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// It refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `[llm]` is refused.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// No threads, or nobody reads.
    #[error("the system refused")]
    System(#[from] io::Error),
}

/// The chain of a configuration, with its ledger in the store of `path`.
///
/// # Errors
/// `[llm]` or the store is refused.
pub fn chain(config: &Config, path: &Path) -> Result<Chain, LlmError> {
    let ledger = Arc::new(StoreLedger::open(path)?);
    Ok(Chain::new(config.llm.clone(), ledger, SystemTime::now())?)
}

/// What a command asks with: the chain of its configuration, where one is on, and a runtime for it.
///
/// # Errors
/// `[llm]` or the store is refused.
pub fn at_hand(access: &StoreAccess, store: &Store) -> Result<Option<(Chain, Runtime)>, LlmError> {
    let config = Config::load(access.config.as_deref(), env::vars())?.config;
    if config.llm.targets.is_empty() {
        return Ok(None);
    }
    let path = store.connection().path().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let chain = chain(&config, Path::new(path))?;
    Ok(Some((chain, runtime)))
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), LlmError> {
    let Action::Status { format, access } = &args.action;
    let (store, _) = access.open()?;
    let config = Config::load(access.config.as_deref(), env::vars())?.config;
    let status = match of_daemon(&config) {
        Some(status) => status,
        None => of_store(&config, &store)?,
    };
    let mut output = io::stdout().lock();
    match format {
        OutputFormat::Table => write!(output, "{status}")?,
        OutputFormat::Json => writeln!(output, "{:#}", serde_json::json!(status))?,
    }
    Ok(())
}

/// What the daemon knows, whose breakers are the ones that count; `None` where none runs.
fn of_daemon(config: &Config) -> Option<Status> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(DAEMON))
        .build()
        .new_agent();
    let mut answer = agent
        .get(format!("http://{}/v1/llm", config.api.listen))
        .call()
        .ok()?;
    let text = answer
        .body_mut()
        .with_config()
        .limit(MAX_STATUS)
        .read_to_string()
        .ok()?;
    serde_json::from_str(&text).ok()
}

/// What the store remembers.
fn of_store(config: &Config, store: &Store) -> Result<Status, LlmError> {
    let path = store.connection().path().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let _inside = runtime.enter();
    let now = SystemTime::now();
    Ok(remembered(
        chain(config, Path::new(path))?.status(now),
        store,
        now,
    )?)
}

/// A status with what other processes saw: attempts and durations of a week, and all claims.
pub fn remembered(mut status: Status, store: &Store, now: SystemTime) -> Result<Status, StoreError> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    for target in &mut status.targets {
        let seen = store.attempts(&target.name, &target.model, now.saturating_sub(WEEK))?;
        (target.attempts, target.failures) = (seen.attempts, seen.failures);
        (target.p50_ms, target.p95_ms) = (seen.half_ms, seen.most_ms);
        target.last_error = seen.last_error;
        let claims = store.claims_of(&target.name, &target.model)?;
        let kept = claims.get(KEPT).copied().unwrap_or_default();
        target.claims = Claims {
            kept,
            dropped: claims.values().sum::<u64>() - kept,
        };
    }
    Ok(status)
}
