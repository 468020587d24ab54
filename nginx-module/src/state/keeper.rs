//! When a worker saves, and what it says when it cannot.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::save::{self, Draft};
use super::{Saved, expected, identity_of, incarnation_of, open, present};
use crate::ffi::background::Task;
use crate::ffi::log::{Level, say};
use crate::ffi::process::exiting;
use crate::ffi::shm::{Zone, ZoneData, is_gone, own_pid};
use crate::lease;
use crate::zone::Counters;

/// Between two savings, in seconds. A test build does not wait for a minute.
const SAVE_SECONDS: u32 = if cfg!(feature = "test-clock") { 1 } else { 60 };
/// Sets that are copied at once: half a megabyte, less than a millisecond in which requests wait.
const SETS_AT_ONCE: u32 = 256;
/// Records that are taken from a file at once: about as long.
const RECORDS_AT_ONCE: u64 = 2048;
/// Longest that the end of a worker waits for its last saving; after it the earlier file stays.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at the thread that flushes.
const GLANCE: Duration = Duration::from_millis(1);
/// A file of a later incarnation that was saved within so many seconds is being kept up by another nginx.
const SUPERSEDED_SECONDS: u32 = 10 * SAVE_SECONDS;

/// What this worker does for the state of one zone.
#[derive(Default)]
pub struct Keeper {
    stage: Stage,
    holding: bool,
    /// Requests that the state being saved includes.
    requests: u64,
}

#[derive(Default)]
enum Stage {
    #[default]
    Idle,
    Copying(Draft),
    Flushing(Task<io::Result<()>>),
    Opening(PathBuf, Task<Option<Saved>>),
    Merging(PathBuf, Saved),
}

/// A zone that is kept, and where.
struct Kept<'a> {
    data: &'a ZoneData,
    zone: Zone<'a>,
    path: &'a Path,
}

impl Keeper {
    /// A second has passed. True when there are sets to copy. `at` is in unix seconds.
    pub fn tick(&mut self, data: &ZoneData, at: u32) -> bool {
        let Some(kept) = Kept::of(data) else { return false };
        let saving = &kept.zone.header().saving;
        // After a reload the new workers save; the memory is the same.
        if exiting() {
            self.give_up(&kept);
            return false;
        }
        if !lease::hold(&saving.lease, own_pid(), at, is_gone) {
            self.stage = Stage::Idle;
            self.holding = false;
            return false;
        }
        if !std::mem::replace(&mut self.holding, true) {
            save::clean(kept.path);
            save::clean(&kept.left_by_others());
            if let Err(error) = Draft::open(kept.path) {
                kept.failed(&error);
            }
        }
        self.look_after_threads(&kept);
        if matches!(self.stage, Stage::Idle) {
            self.look_for_others(&kept);
        }
        let due = saving.at.load(Relaxed).abs_diff(at) >= SAVE_SECONDS && kept.changed();
        if matches!(self.stage, Stage::Idle) && due && !kept.superseded(at, SUPERSEDED_SECONDS) {
            self.begin(&kept, kept.path, at);
        }
        matches!(self.stage, Stage::Copying(_) | Stage::Merging(..))
    }

    /// Copies a few sets, or takes a few records. True while there are more. `at` is in unix seconds.
    pub fn step(&mut self, data: &ZoneData, at: u32) -> bool {
        let Some(kept) = Kept::of(data) else { return false };
        match &mut self.stage {
            Stage::Copying(draft) => match draft.copy(&kept.zone, SETS_AT_ONCE) {
                Ok(false) => return true,
                Ok(true) => self.flush(&kept),
                Err(error) => {
                    self.stage = Stage::Idle;
                    kept.failed(&error);
                }
            },
            Stage::Merging(path, saved) => {
                let taken = saved.take(&kept.zone, at, RECORDS_AT_ONCE);
                let restored = &kept.zone.counters().restored_records;
                restored.fetch_add(*taken.as_ref().unwrap_or(&0), Relaxed);
                if taken.is_ok() && saved.left() > 0 {
                    return true;
                }
                kept.forget(path);
                self.stage = Stage::Idle;
            }
            _ => {}
        }
        false
    }

    /// The worker ends: a last saving at once, unless another worker saves. `at` is in unix seconds.
    pub fn stop(&mut self, data: &ZoneData, at: u32) {
        let Some(kept) = Kept::of(data) else { return };
        let saving = &kept.zone.header().saving;
        if !lease::hold(&saving.lease, own_pid(), at, is_gone) {
            return;
        }
        let deadline = Instant::now() + EXIT_PATIENCE;
        if !matches!(self.stage, Stage::Flushing(_)) {
            self.stage = Stage::Idle;
        }
        self.run_until(deadline, &kept);
        if kept.changed() {
            let left = kept.left_by_others();
            let superseded = kept.superseded(at, u32::MAX);
            self.begin(&kept, if superseded { &left } else { kept.path }, at);
            self.run_until(deadline, &kept);
        }
        lease::release(&saving.lease, own_pid());
    }

    /// Goes on without a pause until nothing is left to do, or the deadline has passed.
    fn run_until(&mut self, deadline: Instant, kept: &Kept<'_>) {
        loop {
            match &self.stage {
                Stage::Idle => return,
                Stage::Copying(_) => {
                    self.step(kept.data, 0);
                }
                Stage::Flushing(thread) if thread.ended() => self.look_after_threads(kept),
                Stage::Flushing(_) | Stage::Opening(..) | Stage::Merging(..) => std::thread::sleep(GLANCE),
            }
            if Instant::now() > deadline && !matches!(self.stage, Stage::Idle) {
                self.stage = Stage::Idle;
                kept.failed(&io::Error::from(io::ErrorKind::TimedOut));
            }
        }
    }

    fn begin(&mut self, kept: &Kept<'_>, path: &Path, at: u32) {
        kept.zone.header().saving.at.store(at, Relaxed);
        self.requests = kept.requests();
        let head = present(&kept.zone, &kept.data.shown_key(), at);
        match Draft::begin(path, &head, &kept.zone) {
            Ok(draft) => self.stage = Stage::Copying(draft),
            Err(error) => kept.failed(&error),
        }
    }

    /// The disk is waited for by a thread of its own, which touches nothing of the zone.
    fn flush(&mut self, kept: &Kept<'_>) {
        if let Stage::Copying(draft) = std::mem::take(&mut self.stage) {
            match Task::begin(move || draft.finish()) {
                Ok(thread) => self.stage = Stage::Flushing(thread),
                Err(error) => kept.failed(&error),
            }
        }
    }

    fn look_after_threads(&mut self, kept: &Kept<'_>) {
        match std::mem::take(&mut self.stage) {
            Stage::Flushing(thread) if thread.ended() => {
                let outcome = thread.finish();
                self.done(
                    kept,
                    outcome.unwrap_or_else(|message| Err(io::Error::other(message))),
                );
            }
            Stage::Opening(path, thread) if thread.ended() => {
                let saved = thread.finish().ok().flatten();
                // Under another seed nobody would ever find the records.
                match saved.filter(|saved| saved.seed() == kept.zone.header().seed()) {
                    Some(saved) => self.stage = Stage::Merging(path, saved),
                    None => kept.forget(&path),
                }
            }
            other => self.stage = other,
        }
    }

    /// After a binary upgrade the old workers save once more, when they end; what they learnt since this zone began
    /// is taken too. The file is read once by a thread, which judges it.
    fn look_for_others(&mut self, kept: &Kept<'_>) {
        let Some(path) = kept.left() else { return };
        let (head, from) = (expected(&kept.data.shown_key()), path.clone());
        if let Ok(thread) = Task::begin(move || open(&from, &head).ok()) {
            self.stage = Stage::Opening(path, thread);
        }
    }

    fn done(&mut self, kept: &Kept<'_>, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => kept.saved(self.requests),
            Err(error) => kept.failed(&error),
        }
    }

    fn give_up(&mut self, kept: &Kept<'_>) {
        self.stage = Stage::Idle;
        self.holding = false;
        lease::release(&kept.zone.header().saving.lease, own_pid());
    }
}

impl<'a> Kept<'a> {
    fn of(data: &'a ZoneData) -> Option<Kept<'a>> {
        Some(Kept {
            data,
            zone: data.zone()?,
            path: data.state.as_deref()?,
        })
    }

    fn requests(&self) -> u64 {
        self.zone.counters().requests.load(Relaxed)
    }

    /// Whether there is something to save: a new zone says at once whose the file is now.
    fn changed(&self) -> bool {
        let saving = &self.zone.header().saving;
        self.requests() != saving.requests.load(Relaxed) || saving.at.load(Relaxed) == 0
    }

    /// Where the workers of an earlier nginx leave their last state when a later one has taken over the file.
    fn left_by_others(&self) -> PathBuf {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".left");
        PathBuf::from(path)
    }

    /// What others left: beside the file, or, before this zone was saved for the first time, in it.
    fn left(&self) -> Option<PathBuf> {
        let left = self.left_by_others();
        if left.exists() {
            return Some(left);
        }
        let saving = &self.zone.header().saving;
        let (own, origin) = (saving.incarnation.load(Relaxed), saving.origin.load(Relaxed));
        let never = saving.at.load(Relaxed) == 0 && origin != 0;
        let others = || {
            identity_of(self.path) != origin
                && incarnation_of(self.path).is_some_and(|(incarnation, _)| incarnation < own)
        };
        (never && others()).then(|| self.path.to_owned())
    }

    /// Its records are taken: what others left is removed; the file itself is about to be replaced.
    fn forget(&self, path: &Path) {
        self.zone.header().saving.origin.store(0, Relaxed);
        if path != self.path {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Whether a later nginx, after a binary upgrade or a change of the zone's size, has taken over the file.
    fn superseded(&self, at: u32, within: u32) -> bool {
        let own = self.zone.header().saving.incarnation.load(Relaxed);
        incarnation_of(self.path)
            .is_some_and(|(incarnation, saved)| incarnation > own && saved.abs_diff(at) <= within)
    }

    fn saved(&self, requests: u64) {
        let saving = &self.zone.header().saving;
        saving.requests.store(requests, Relaxed);
        Counters::add(&self.zone.counters().state_saves);
        if saving.failing.swap(false, Relaxed) {
            let (name, path) = (&self.data.name, self.path.display());
            say(
                Level::Notice,
                &format_args!("sekisho_zone \"{name}\" is saved to \"{path}\" again"),
            );
        }
    }

    /// Counts each failure and tells of the first in a row.
    fn failed(&self, error: &io::Error) {
        Counters::add(&self.zone.counters().state_failures);
        if self.zone.header().saving.failing.swap(true, Relaxed) {
            return;
        }
        let (name, path) = (&self.data.name, self.path.display());
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => ", its directory must be writable for the workers' user",
            _ => "",
        };
        say(
            Level::Error,
            &format_args!(
                "sekisho_zone \"{name}\" is not saved to \"{path}\": {error}{hint}; the earlier file stays"
            ),
        );
    }
}
