//! Runs of retraining, one row each in the store's table `run`.

use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;

use super::account::Account;
use super::error::RetrainError;
use crate::store::Store;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A model is learnt.
    Training,
    /// Its thresholds are set.
    Calibrating,
    /// It is compared with the champion.
    Evaluating,
    /// It is kept, and given to nginx as the challenger.
    Registering,
    /// It scores beside the champion.
    Shadowing,
    /// What was found is written down.
    Reporting,
    /// Somebody has to decide.
    Waiting,
    /// It became the champion.
    Promoted,
    /// A person said no.
    Rejected,
    /// It cannot become the champion.
    Refused,
    /// It was the champion, and was taken back by itself.
    RolledBack,
}

impl State {
    /// All of them, in order.
    pub const ALL: [State; 11] = [
        State::Training,
        State::Calibrating,
        State::Evaluating,
        State::Registering,
        State::Shadowing,
        State::Reporting,
        State::Waiting,
        State::Promoted,
        State::Rejected,
        State::Refused,
        State::RolledBack,
    ];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Training => "training",
            State::Calibrating => "calibrating",
            State::Evaluating => "evaluating",
            State::Registering => "registering",
            State::Shadowing => "shadowing",
            State::Reporting => "reporting",
            State::Waiting => "waiting",
            State::Promoted => "promoted",
            State::Rejected => "rejected",
            State::Refused => "refused",
            State::RolledBack => "rolled_back",
        }
    }

    /// Whether there is more to do before the next run.
    pub const fn is_open(self) -> bool {
        !matches!(
            self,
            State::Promoted | State::Rejected | State::Refused | State::RolledBack
        )
    }

    fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// When it began, unix seconds; nothing later is learnt from.
    pub started: u32,
    /// Where it stands.
    pub state: State,
    /// Digest of the model that it is compared with.
    pub champion: Option<String>,
    /// Digest of the model that was learnt.
    pub challenger: Option<String>,
    /// That model, until the directory of models has it.
    pub model: Option<Vec<u8>>,
    /// What was done and found.
    pub account: Account,
    /// The same for people, Markdown.
    pub report: String,
    /// When it was decided, unix seconds.
    pub decided_at: Option<u32>,
    /// By whom; the policy has a name, too.
    pub decided_by: Option<String>,
    /// Why it ended as it did.
    pub why: String,
}

const COLUMNS: &str =
    "id, started, state, champion, challenger, model, account, report, decided_at, decided_by, why";

/// The newest run; `None` before the first.
pub fn latest(store: &Store) -> Result<Option<Run>, RetrainError> {
    one(store, "1 ORDER BY id DESC LIMIT 1", None)
}

/// The run that is not finished.
pub fn open(store: &Store) -> Result<Option<Run>, RetrainError> {
    Ok(latest(store)?.filter(|run| run.state.is_open()))
}

/// A run by its number.
pub fn find(store: &Store, id: i64) -> Result<Run, RetrainError> {
    one(store, "id = ?1", Some(id))?.ok_or(RetrainError::Unknown(id))
}

/// The newest runs, newest first.
pub fn newest(store: &Store, limit: u32) -> Result<Vec<Run>, RetrainError> {
    let sql = format!("SELECT {COLUMNS} FROM run ORDER BY id DESC LIMIT ?1");
    let mut statement = store.connection().prepare(&sql)?;
    let rows = statement.query_map([limit], read)?;
    rows.map(|row| parsed(row?)).collect()
}

/// Begins a run; `None` when another one is open.
pub fn begin(store: &Store, now: u32, account: &Account) -> Result<Option<Run>, RetrainError> {
    let transaction = store.write()?;
    if open(store)?.is_some() {
        return Ok(None);
    }
    transaction.execute(
        "INSERT INTO run (started, state, account) VALUES (?1, 'training', ?2)",
        params![now, account.to_json()?],
    )?;
    let id = transaction.last_insert_rowid();
    store.audit(
        now,
        super::ACTOR,
        "retrain begin",
        &subject(id),
        &serde_json::json!({}),
    )?;
    transaction.commit()?;
    find(store, id).map(Some)
}

/// Writes what a step changed, when the run still stands where the step found it: somebody may have decided meanwhile,
/// and a step that was done twice is written once.
pub fn advance(store: &Store, run: &Run, from: State) -> Result<(), RetrainError> {
    let changed = store.connection().execute(
        "UPDATE run SET state = ?1, champion = ?2, challenger = ?3, model = ?4, account = ?5, report = ?6,
             decided_at = ?7, decided_by = ?8, why = ?9
         WHERE id = ?10 AND state = ?11",
        params![
            run.state.as_str(),
            run.champion,
            run.challenger,
            run.model,
            run.account.to_json()?,
            run.report,
            run.decided_at,
            run.decided_by,
            run.why,
            run.id,
            from.as_str()
        ],
    )?;
    if changed == 1 {
        Ok(())
    } else {
        Err(RetrainError::Overtaken(run.id))
    }
}

/// The end of a run, with its line in the audit log.
pub fn decide(
    store: &Store,
    run: &mut Run,
    state: State,
    actor: &str,
    why: &str,
    now: u32,
) -> Result<(), RetrainError> {
    let from = run.state;
    run.state = state;
    run.decided_at = Some(now);
    run.decided_by = Some(actor.to_owned());
    run.why = why.to_owned();
    run.model = None;
    let transaction = store.write()?;
    advance(store, run, from)?;
    let detail = serde_json::json!({ "challenger": run.challenger, "why": why });
    let action = format!("retrain {}", state.as_str().replace('_', " "));
    store.audit(now, actor, &action, &subject(run.id), &detail)?;
    Ok(transaction.commit()?)
}

fn subject(id: i64) -> String {
    format!("run:{id}")
}

/// A row, with its state and account as text.
type Raw = (Run, String, String);

fn one(store: &Store, condition: &str, id: Option<i64>) -> Result<Option<Run>, RetrainError> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE {condition}");
    let mut statement = store.connection().prepare_cached(&sql)?;
    let raw = match id {
        Some(id) => statement.query_row([id], read),
        None => statement.query_row([], read),
    };
    raw.optional()?.map(parsed).transpose()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let run = Run {
        id: row.get(0)?,
        started: row.get(1)?,
        state: State::Waiting,
        champion: row.get(3)?,
        challenger: row.get(4)?,
        model: row.get(5)?,
        account: Account::default(),
        report: row.get(7)?,
        decided_at: row.get(8)?,
        decided_by: row.get(9)?,
        why: row.get(10)?,
    };
    Ok((run, row.get(2)?, row.get(6)?))
}

fn parsed((run, state, account): Raw) -> Result<Run, RetrainError> {
    let damaged = || RetrainError::Damaged(run.id);
    Ok(Run {
        state: State::from_word(&state).ok_or_else(damaged)?,
        account: serde_json::from_str(&account).map_err(|_| damaged())?,
        ..run
    })
}
