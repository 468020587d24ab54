//! Looks for what is worth telling: new clusters, guards, models.

use thiserror::Error;

use super::event::{Event, Fact, News, Page};
use super::guards::{self, GuardState, Knowledge};
use super::outbox::Outbox;
use crate::config::{NotifySection, Topic};
use crate::explain::template;
use crate::figures::{counted, grouped};
use crate::registry::history::{Action, Change, History};
use crate::registry::shelf::short;
use crate::report::{Fresh, Leader, ReportError, Span, fresh, time};
use crate::retrain::{self, RetrainError, State};
use crate::store::{Store, StoreError};

/// Seconds between two looks at clusters: they stand on all samples of a day.
const CLUSTERS_EVERY: u32 = 300;
/// Seconds in which a cluster is new.
const NEW: u32 = 3_600;
/// Seconds before, in which there must have been none like it; and for which one that was told is not told again.
const BEFORE: u32 = 24 * 3_600;
/// Clusters that are told at a look; the others are told at the next.
const MAX_CLUSTERS: usize = 20;
/// Clients of a cluster that an event is tied to, so that it goes with them.
const MAX_CLIENTS: usize = 1000;

/// Names in the store's table `setting`.
const CLUSTERS: &str = "notify.clusters";
const GUARDS: &str = "notify.guards";
const PROMOTIONS: &str = "notify.promotions";

/// Why it cannot be looked.
#[derive(Debug, Error)]
pub enum LookError {
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Clusters cannot be found.
    #[error(transparent)]
    Report(Box<ReportError>),
    /// The state of retraining cannot be read.
    #[error(transparent)]
    Retrain(#[from] RetrainError),
}

impl From<ReportError> for LookError {
    fn from(error: ReportError) -> LookError {
        LookError::Report(Box::new(error))
    }
}

/// Looks at everything, at Unix second `now`, and puts what is new into the outbox; how many events these are.
///
/// # Errors
/// [`LookError`]
pub fn look(
    store: &Store,
    targets: &[NotifySection],
    states: &[GuardState],
    now: u32,
) -> Result<u64, LookError> {
    let outbox = Outbox(store);
    let (mut found, mut cursors) = (Vec::new(), Vec::new());
    let kept = outbox.cursor(GUARDS)?;
    let mut known: Knowledge = kept
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let before = known.clone();
    found.extend(guards::news(&mut known, states, now));
    if known != before {
        cursors.push((GUARDS, serde_json::to_string(&known).unwrap_or_default()));
    }
    promotions(store, &outbox, now, &mut found, &mut cursors)?;
    let looked: Option<u32> = outbox.cursor(CLUSTERS)?.and_then(|text| text.parse().ok());
    if looked.is_none_or(|looked| now < looked || now - looked >= CLUSTERS_EVERY) {
        found.extend(clusters(store, &outbox, now)?);
        cursors.push((CLUSTERS, now.to_string()));
    }
    if found.is_empty() && cursors.is_empty() {
        return Ok(0);
    }
    Ok(outbox.take(&found, targets, &cursors, now)?)
}

/// Changes of the champion since the last look, and a run that waits for somebody. What was before the first look is
/// nobody's news.
fn promotions(
    store: &Store,
    outbox: &Outbox<'_>,
    now: u32,
    found: &mut Vec<News>,
    cursors: &mut Vec<(&'static str, String)>,
) -> Result<(), LookError> {
    let history = History::of(store.connection());
    let after: Option<i64> = outbox.cursor(PROMOTIONS)?.and_then(|text| text.parse().ok());
    let Some(after) = after else {
        let last = history.last().map_err(StoreError::from)?;
        cursors.push((PROMOTIONS, last.to_string()));
        return Ok(());
    };
    let changes = history.changes_after(after).map_err(StoreError::from)?;
    if let Some((last, _)) = changes.last() {
        cursors.push((PROMOTIONS, last.to_string()));
    }
    found.extend(changes.iter().map(|(id, change)| promoted(*id, change, now)));
    let run = retrain::glance(store)?.run;
    found.extend(
        run.filter(|run| run.state == State::Waiting)
            .map(|run| waits(run.id, now)),
    );
    Ok(())
}

fn promoted(id: i64, change: &Change, now: u32) -> News {
    let title = match change.action {
        Action::Promote => "A model was promoted",
        Action::Rollback => "A model was taken back",
    };
    let mut facts = vec![Fact::naming("Champion from now on", [short(&change.digest)])];
    facts.extend(
        change
            .previous
            .as_ref()
            .map(|digest| Fact::naming("Before it", [short(digest)])),
    );
    facts.push(Fact::naming("By", [&change.actor]));
    if !change.note.is_empty() {
        facts.push(Fact::naming("In these words", [&change.note]));
    }
    let at = u32::try_from(change.at).unwrap_or(now);
    simple(
        format!("promotion:{id}"),
        at,
        title.to_owned(),
        facts,
        Page::Models,
    )
}

fn waits(run: i64, now: u32) -> News {
    let fact = "Its model passed the gates; a person approves or rejects it";
    let title = format!("Retraining {run} waits for a decision");
    simple(
        format!("retrain:{run}"),
        now,
        title,
        vec![Fact::new(fact)],
        Page::Models,
    )
}

fn simple(key: String, at: u32, title: String, facts: Vec<Fact>, page: Page) -> News {
    News {
        key,
        event: Event {
            kind: Topic::Promotion,
            at,
            title,
            facts,
            pages: vec![page],
        },
        mark: String::new(),
        clients: Vec::new(),
    }
}

fn clusters(store: &Store, outbox: &Outbox<'_>, now: u32) -> Result<Vec<News>, LookError> {
    let told: Vec<Leader> = outbox
        .marks(Topic::Cluster, now.saturating_sub(BEFORE))?
        .iter()
        .filter_map(|mark| serde_json::from_str(mark).ok())
        .collect();
    let from = now.saturating_sub(NEW);
    let span = Span { from, to: now };
    let before = Span {
        from: from.saturating_sub(BEFORE),
        to: from,
    };
    if span.from >= span.to || before.from >= before.to {
        return Ok(Vec::new());
    }
    let fresh = fresh(store, span, before, &told)?;
    Ok(fresh
        .iter()
        .take(MAX_CLUSTERS)
        .map(|fresh| cluster(fresh, now))
        .collect())
}

/// In our words, but for networks and shapes of paths.
fn cluster(fresh: &Fresh, now: u32) -> News {
    let Fresh { cluster, busiest, .. } = fresh;
    let verdicts: Vec<String> = (cluster.verdicts.iter())
        .map(|(verdict, clients)| format!("{verdict} {}", grouped(*clients)))
        .collect();
    let mut paths: Vec<String> = fresh.targets.iter().map(|target| template(target)).collect();
    let mut seen = std::collections::BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    let networks = cluster
        .networks
        .iter()
        .map(|place| format!("{} ({})", place.network, counted(place.load.clients, "client")));
    let mut facts = vec![
        Fact::new(format!(
            "{} with at least {} since {}",
            counted(cluster.load.clients, "client"),
            counted(cluster.load.requests, "request"),
            time(cluster.span.0)
        )),
        Fact::new(format!("What they do: {}", cluster.says)),
        Fact::new(format!("Worst verdicts: {}", verdicts.join(", "))),
    ];
    // A key that is no address is in no network.
    let named = [
        Fact::naming("Networks", networks),
        Fact::naming("They asked for", paths),
    ];
    facts.extend(named.into_iter().filter(|fact| !fact.names.is_empty()));
    facts.push(Fact::new(format!("The busiest of them: {}", busiest.1)));
    News {
        key: format!("cluster:{now}:{}", busiest.0),
        event: Event {
            kind: Topic::Cluster,
            at: now,
            title: format!("New crawlers: {}", counted(cluster.load.clients, "client")),
            facts,
            pages: vec![Page::Groups, Page::Client(busiest.0)],
        },
        mark: serde_json::to_string(&fresh.leader).unwrap_or_default(),
        clients: fresh.clients.iter().copied().take(MAX_CLIENTS).collect(),
    }
}
