//! `sekisho serve`: the daemon that collects samples and answers questions about them.

mod api;
mod collector;
mod connection;
mod explaining;
mod host;
mod metrics;
mod pages;
mod shared;
mod steady;

use std::fs::{File, TryLockError};
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use axum::Router;
use axum::middleware::from_fn_with_state;
use sekisho_llm::Chain;
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, ConfigError, SecretError, now, read_secret};
use crate::decisions::bouncer::{Keys, KeysError};
use crate::decisions::import::{BeginError, Import};
use crate::decisions::told::Teller;
use crate::llm::{self, LlmError};
use crate::notify::{self, GuardState};
use crate::retrain;
use crate::store::{Names, Store, StoreError};
use crate::tail::TailError;
use crate::watch::Watch;
use collector::Collector;
use connection::{Bounded, Peer};
use shared::{Access, Shared};

const EXAMPLES: &str = "\
Examples:
  sekisho serve
      with /etc/sekisho/sekisho.toml; SIGTERM or SIGINT ends it
  sekisho serve --once
      store what the sample files hold now, and end: for cron
  SEKISHO_SAMPLES_PATH=/var/log/nginx/sekisho.samples SEKISHO_STORE_PATH=/tmp/s.db sekisho serve
      without a configuration file
  SEKISHO_LOG=debug sekisho serve
      say more; error, warn, info and debug are the levels

Exit status: 0 ended as asked, 1 it cannot work, 2 wrong usage.";

/// Threads that answer requests; the store is what takes time, and has threads of its own.
const WORKERS: usize = 2;
/// How long requests under way are waited for at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// The file may outgrow `max_bytes` by an eighth before a write is refused: retention works in steps.
const MARGIN: u64 = 8;

/// Collect samples into the store, keep it within its bounds, and answer questions over HTTP
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The configuration [default: /etc/sekisho/sekisho.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Store what there is, and end
    #[arg(long)]
    once: bool,
}

/// Why the daemon does not work.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Its configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is nothing to collect.
    #[error("no sample file: add [[samples]] with the path of nginx's sekisho_samples to the configuration")]
    NoSources,
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another daemon uses the store.
    #[error("another `sekisho serve` uses the store: it holds {}", .0.display())]
    Running(PathBuf),
    /// The lock beside the store cannot be made.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is there cannot be stored.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The address is taken, or may not be used.
    #[error("cannot listen on {address}: set [api] listen to a free port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Bans cannot be imported.
    #[error(transparent)]
    Import(#[from] BeginError),
    /// Keys of bouncers are refused.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// `[llm]` is refused.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// The system has no more threads, signals or sockets.
    #[error("the system refused")]
    System(#[from] io::Error),
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), ServeError> {
    let filter = EnvFilter::try_from_env("SEKISHO_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    let loaded = Config::load(args.config.as_deref(), env::vars())?;
    if let Some(file) = &loaded.file {
        tracing::info!("configuration: {}", file.display());
    }
    for variable in &loaded.overridden {
        tracing::info!("{variable} overrides the configuration");
    }
    let config = loaded.config;
    if config.samples.is_empty() {
        return Err(ServeError::NoSources);
    }
    let (names, warning) = config.names()?;
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    let token = config.api.token_file.as_deref().map(read_secret).transpose()?;
    if let Some(warning) = token.as_ref().and_then(|token| token.warning.as_deref()) {
        tracing::warn!("{warning}");
    }
    let _lock = lock(&config.store.path)?;
    let store = open(&config, &names)?;
    let shared = Arc::new(Shared::default());
    let mut collector = Collector::new(store, names.clone(), &config, shared.clone());
    if args.once {
        return Ok(collector.drain(now())?);
    }
    let (stop, stopped) = watch::channel(false);
    let asked = stopped.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    let chain = language_models(&config, &runtime)?;
    let mut access = Access::new(&config, names.clone(), token, shared, chain.clone());
    access.bouncers = bouncers(&config)?;
    let listener = runtime.block_on(listen(config.api.listen))?;
    let collecting = thread::Builder::new()
        .name("collector".into())
        .spawn(move || collector.run(&stopped))?;
    beside(&Arc::new(config), &access, &names, &asked)?;
    let answered = runtime.block_on(answer(listener, access, stop));
    let collected = collecting.join();
    if let Some(chain) = chain {
        // Within the runtime, whose clock it needs.
        let flushed = async { tokio::time::timeout(LAST_ANSWERS, chain.flush()).await };
        let _ = runtime.block_on(flushed);
    }
    runtime.shutdown_timeout(LAST_ANSWERS);
    answered?;
    if collected.is_err() {
        return Err(io::Error::other("the collector broke off").into());
    }
    tracing::info!("ended");
    Ok(())
}

/// Who may follow bans.
fn bouncers(config: &Config) -> Result<Keys, ServeError> {
    let Some(path) = &config.decisions.bouncer_keys_file else {
        return Ok(Keys::default());
    };
    let secret = read_secret(path)?;
    if let Some(warning) = &secret.warning {
        tracing::warn!("{warning}");
    }
    Ok(Keys::parse(&String::from_utf8_lossy(secret.bytes()))?)
}

/// Work that nobody waits for at the end: what it is at, it does again.
fn beside(
    config: &Arc<Config>,
    access: &Access,
    names: &Names,
    stop: &watch::Receiver<bool>,
) -> Result<(), ServeError> {
    watch_nginx(access, names, stop)?;
    tell_decisions(config, stop)?;
    import_decisions(config, access, names, stop)?;
    let (ours, asked) = (config.clone(), stop.clone());
    thread::Builder::new()
        .name("retrain".into())
        .spawn(move || retrain::scheduled(&ours, &asked))?;
    let (ours, asked, live) = (config.clone(), stop.clone(), access.live.clone());
    thread::Builder::new()
        .name("notify".into())
        .spawn(move || notify::work(&ours, || GuardState::of(&live), &asked))?;
    Ok(())
}

/// A thread for each nginx of the configuration: one that does not answer keeps nobody waiting.
fn watch_nginx(access: &Access, names: &Names, stop: &watch::Receiver<bool>) -> Result<(), ServeError> {
    for place in 0..access.live.len() {
        let watch = Watch::new(access.live.clone(), place, names.clone(), &access.path)?;
        let stop = stop.clone();
        thread::Builder::new()
            .name(format!("watch-{place}"))
            .spawn(move || watch.run(&stop))?;
    }
    Ok(())
}

/// A thread that writes the decision log, where there is one.
fn tell_decisions(config: &Config, stop: &watch::Receiver<bool>) -> Result<(), ServeError> {
    if let Some(teller) = Teller::new(&config.decisions, &config.store.path)? {
        let stop = stop.clone();
        thread::Builder::new()
            .name("decisions".into())
            .spawn(move || teller.run(&stop))?;
    }
    Ok(())
}

/// A thread for each CrowdSec whose bans are taken over.
fn import_decisions(
    config: &Config,
    access: &Access,
    names: &Names,
    stop: &watch::Receiver<bool>,
) -> Result<(), ServeError> {
    for section in &config.decisions.import {
        let import = Import::new(section, access.live.clone(), names.clone(), &access.path)?;
        let stop = stop.clone();
        thread::Builder::new()
            .name("import".into())
            .spawn(move || import.run(&stop))?;
    }
    Ok(())
}

/// The chain of `[llm]`, where there are targets.
fn language_models(config: &Config, runtime: &Runtime) -> Result<Option<Arc<Chain>>, LlmError> {
    if config.llm.targets.is_empty() {
        return Ok(None);
    }
    let _inside = runtime.enter();
    Ok(Some(Arc::new(llm::chain(config, &config.store.path)?)))
}

/// Opens the store and reads what an earlier program could not.
fn open(config: &Config, names: &Names) -> Result<Store, StoreError> {
    let store = Store::open(&config.store.path)?;
    store.bind_names(names)?;
    let bytes = config.store.max_bytes;
    store.limit(bytes.saturating_add(bytes / MARGIN))?;
    let known = store.read_aside(names, now())?;
    if known > 0 {
        tracing::info!("{known} samples that waited for this version were stored");
    }
    Ok(store)
}

/// One daemon a store: two would store nothing twice, but each would undo the other's positions. The system lets go
/// of the lock when the process ends, however it does.
fn lock(store: &Path) -> Result<File, ServeError> {
    let mut path = store.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let failed = |source| ServeError::Lock {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::Running(path)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

async fn listen(address: SocketAddr) -> Result<Bounded, ServeError> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.local_addr()?;
    tracing::info!("listening on http://{address}");
    Ok(Bounded::new(listener))
}

/// The interface and the pages.
fn router(access: &Arc<Access>) -> Router {
    pages::router(access)
        .merge(api::router(access))
        .layer(from_fn_with_state(access.requests.clone(), metrics::count))
        .with_state(access.clone())
}

/// Answers until the system asks the daemon to end.
async fn answer(listener: Bounded, access: Access, stop: watch::Sender<bool>) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A rotation of logs sends it, and would end the daemon; the log is looked for at each line anyway.
    let _hangup = signal(SignalKind::hangup())?;
    let mut stopped = stop.subscribe();
    let access = Arc::new(access);
    let pages = access.clone();
    let asked = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending");
        let _ = stop.send(true);
        pages.dashboard.stop();
    };
    let service = router(&access).into_make_service_with_connect_info::<Peer>();
    let served = axum::serve(listener, service).with_graceful_shutdown(asked);
    tokio::select! {
        served = async { served.await } => Ok(served?),
        // Whoever keeps a request open is not waited for any longer.
        () = async {
            let _ = stopped.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(LAST_ANSWERS).await;
        } => Ok(()),
    }
}
