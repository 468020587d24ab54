//! Who decides: a person, or the policy where the operator let it.

use super::error::RetrainError;
use super::runs::{self, Run, State};
use super::steps::{Progress, Retrain};
use crate::registry::RegistryError;
use crate::registry::history::{Action, Change, History};
use crate::registry::promote::{Approver, POLICY, Request, promote};
use crate::registry::shelf::short;
use crate::visible::is_hidden;

/// Longest reason of a person, in characters.
pub const LONGEST_WHY: usize = 1_000;

/// A run that waits: the policy may promote it, else a person has to.
pub fn wait(retrain: &Retrain<'_>, run: &mut Run, now: u32) -> Result<Progress, RetrainError> {
    if let Some(hindrance) = hindrance(retrain, run)? {
        return Ok(Progress::Waits(format!(
            "run {} waits for a person ({hindrance}): `sekisho retrain report {}`, then approve or reject",
            run.id, run.id
        )));
    }
    approve(retrain, run, &Approver::Policy, "", now)?;
    Ok(Progress::Went(State::Promoted))
}

/// Who made the challenger of a run the champion already: by `sekisho model promote`, or here before a crash.
pub fn promoted_by(
    retrain: &Retrain<'_>,
    run: &Run,
    champion: Option<&str>,
) -> Result<Option<String>, RetrainError> {
    if run.challenger.is_none() || champion != run.challenger.as_deref() {
        return Ok(None);
    }
    let changes = History::of(retrain.store.connection()).changes()?;
    let last = changes.into_iter().next_back();
    let ours = last.filter(|change| Some(&change.digest) == run.challenger.as_ref());
    Ok(ours.map(|change| change.actor))
}

/// Why the policy does not decide by itself.
fn hindrance(retrain: &Retrain<'_>, run: &Run) -> Result<Option<&'static str>, RetrainError> {
    let account = &run.account;
    let calibrated = account.thresholds.as_ref().is_some_and(|cuts| cuts.calibrated);
    let shadow = account.shadow.unwrap_or_default();
    let reasons = [
        (!retrain.settings().automatic, "[retrain] policy is manual"),
        (!account.passes(), "a gate is closed"),
        (!calibrated, "its thresholds are not calibrated"),
        (shadow.clients <= 0.0, "nobody was scored beside the champion"),
        (
            shadow.jumps,
            "beside the champion it stopped more than was forecast",
        ),
        (
            rolled_back(retrain)?,
            "the last champion was taken back by itself, and nobody has acted since",
        ),
    ];
    Ok(reasons
        .into_iter()
        .find(|(holds, _)| *holds)
        .map(|(_, text)| text))
}

/// Makes the challenger of a waiting run the champion, by all rules of the registry.
///
/// # Errors
/// It does not wait, or the registry refuses.
pub fn approve(
    retrain: &Retrain<'_>,
    run: &mut Run,
    approver: &Approver,
    note: &str,
    now: u32,
) -> Result<(), RetrainError> {
    expect(run, State::Waiting, "approve")?;
    let settings = retrain.settings();
    let actor = approver.name(&settings)?.to_owned();
    let digest = run.challenger.clone().unwrap_or_default();
    let request = Request {
        approver: approver.clone(),
        note: format!("run {} {note}", run.id).trim().to_owned(),
        now: now.into(),
    };
    let promoted = promote(
        &settings,
        &settings.gates,
        retrain.store.connection(),
        &digest,
        run.account.evaluation.clone(),
        &request,
    );
    match promoted {
        // Where it broke off between the two, the promotion is done already.
        Ok(_) | Err(RegistryError::AlreadyChampion(_)) => {}
        Err(error) => return Err(error.into()),
    }
    runs::decide(retrain.store, run, State::Promoted, &actor, note, now)?;
    tracing::warn!(
        "run {}: {} is the champion now, by {actor}",
        run.id,
        short(&digest)
    );
    Ok(())
}

/// Ends a run that is open; the champion stays.
///
/// # Errors
/// It has ended already, or no reason was given.
pub fn reject(
    retrain: &Retrain<'_>,
    run: &mut Run,
    by: &str,
    why: &str,
    now: u32,
) -> Result<(), RetrainError> {
    let approver = Approver::Person(by.to_owned());
    let actor = approver.name(&retrain.settings())?.to_owned();
    let characters = why.trim().chars().count();
    if characters == 0 || characters > LONGEST_WHY || why.chars().any(is_hidden) {
        return Err(RetrainError::Why { most: LONGEST_WHY });
    }
    if !run.state.is_open() {
        return Err(not_waiting(run, "reject"));
    }
    runs::decide(retrain.store, run, State::Rejected, &actor, why.trim(), now)
}

fn expect(run: &Run, state: State, what: &'static str) -> Result<(), RetrainError> {
    if run.state == state {
        Ok(())
    } else {
        Err(not_waiting(run, what))
    }
}

fn not_waiting(run: &Run, what: &'static str) -> RetrainError {
    RetrainError::NotWaiting {
        id: run.id,
        state: run.state.as_str(),
        what,
    }
}

/// Whether the last champion was taken back by itself and no person has decided anything since.
fn rolled_back(retrain: &Retrain<'_>) -> Result<bool, RetrainError> {
    let changes = History::of(retrain.store.connection()).changes()?;
    let decided: Option<i64> = retrain.store.connection().query_row(
        "SELECT MAX(decided_at) FROM run WHERE decided_by <> ?1",
        [POLICY],
        |row| row.get(0),
    )?;
    Ok(needs_person(&changes, decided))
}

/// `decided` is when a person last decided on a run.
fn needs_person(changes: &[Change], decided: Option<i64>) -> bool {
    let by_itself = |change: &Change| change.action == Action::Rollback && change.actor == POLICY;
    let Some(place) = changes.iter().rposition(by_itself) else {
        return false;
    };
    let acted = changes[place + 1..].iter().any(|change| change.actor != POLICY);
    !acted && decided.is_none_or(|decided| decided < changes[place].at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_rollback_by_itself_a_person_must_act() {
        let change = |action, actor: &str, at| Change {
            at,
            action,
            digest: "a".to_owned(),
            previous: None,
            actor: actor.to_owned(),
            note: String::new(),
            evaluation: None,
            gates: None,
        };
        use Action::{Promote, Rollback};
        let check = |changes: &[(Action, &str, i64)], decided, expected| {
            let changes: Vec<Change> = changes.iter().map(|&(a, by, at)| change(a, by, at)).collect();
            assert_eq!(needs_person(&changes, decided), expected, "{changes:?}");
        };
        check(&[], None, false);
        check(&[(Promote, POLICY, 1)], None, false);
        check(&[(Promote, POLICY, 1), (Rollback, "Night shift", 2)], None, false);
        let back = [(Promote, POLICY, 1), (Rollback, POLICY, 2)];
        check(&back, None, true);
        check(&back, Some(1), true);
        check(&back, Some(2), false);
        let acted = [back[0], back[1], (Promote, "Night shift", 3)];
        check(&acted, None, false);
        let again = [acted[0], acted[1], acted[2], (Rollback, POLICY, 4)];
        check(&again, Some(2), true);
    }
}
