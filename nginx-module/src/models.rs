//! The models that this worker runs: the champion decides, the challenger only scores beside it.
//!
//! Both are swapped without a reload when their file changes. Once a second each file is looked at; one that
//! changed is read and checked in a thread of its own, and what it made is put in place between two requests. A
//! file that is no good changes nothing but the error log.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::path::Path;
use std::rc::Rc;

use crate::ffi::background::Task;
use crate::ffi::config::MainConf;
use crate::ffi::log::{self, Level};
use crate::scorer::{self, Scorer, ScorerError};
use crate::watch::{Watch, look};
use crate::workers::{Digest, Totals, WorkerStatus};

/// A file that is being read.
type Reading = Task<Result<Scorer, ScorerError>>;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its score decides.
    Champion,
    /// Its score is only written down.
    Challenger,
}

impl Role {
    const ALL: [Role; 2] = [Role::Champion, Role::Challenger];

    fn noun(self) -> &'static str {
        match self {
            Role::Champion => "model",
            Role::Challenger => "challenger",
        }
    }
}

/// A model's place: what is in it, and the file that it comes from.
#[derive(Default)]
struct Seat {
    scorer: RefCell<Option<Rc<Scorer>>>,
    path: Option<String>,
    watch: RefCell<Option<Watch>>,
    refused: Cell<bool>,
}

impl Seat {
    fn scorer(&self) -> Option<Rc<Scorer>> {
        self.scorer.borrow().clone()
    }

    fn digest(&self) -> Option<Digest> {
        Digest::parse(self.scorer()?.digest())
    }

    /// Whether the file has to be read now.
    fn due(&self) -> Option<&str> {
        let path = self.path.as_deref()?;
        let due = self.watch.borrow_mut().as_mut()?.look(look(Path::new(path)));
        due.then_some(path)
    }
}

/// The models of a configuration, in this process.
#[derive(Default)]
pub struct Models {
    champion: Seat,
    challenger: Seat,
    reading: RefCell<Option<(Role, Reading)>>,
    row: Cell<Option<usize>>,
    status: Cell<WorkerStatus>,
}

impl Models {
    fn seat(&self, role: Role) -> &Seat {
        match role {
            Role::Champion => &self.champion,
            Role::Challenger => &self.challenger,
        }
    }

    /// The model in force; `None` when no location checks anything, or the process only sends a signal. What a
    /// request holds stays as it is until its end.
    pub fn champion(&self) -> Option<Rc<Scorer>> {
        self.champion.scorer()
    }

    /// The model that only scores beside it, if there is one.
    pub fn challenger(&self) -> Option<Rc<Scorer>> {
        self.challenger.scorer()
    }

    /// Loads a model while the configuration is read: from a file, or the one built in.
    pub fn load(&mut self, role: Role, path: Option<&str>) -> Result<(), ScorerError> {
        // Looked at before it is read: what changes in between is seen later.
        let seen = path.map(|path| look(Path::new(path)));
        let scorer = match path {
            Some(path) => scorer::load_file(Path::new(path))?,
            None => scorer::load_default()?,
        };
        let seat = match role {
            Role::Champion => &mut self.champion,
            Role::Challenger => &mut self.challenger,
        };
        *seat = Seat {
            scorer: RefCell::new(Some(Rc::new(scorer))),
            path: path.map(str::to_owned),
            watch: RefCell::new(seen.map(Watch::new)),
            refused: Cell::new(false),
        };
        Ok(())
    }
}

/// The worker starts, or finds itself under another configuration.
fn sit_down(main: &MainConf, at: u32) {
    let models = &main.models;
    models.row.set(main.claim_row());
    let mut status = WorkerStatus {
        pid: std::process::id(),
        generation: main.generation(),
        started_at: at,
        ..WorkerStatus::default()
    };
    status.champion = models.champion.digest();
    status.champion_at = at;
    status.challenger = models.challenger.digest();
    status.challenger_at = status.challenger.map_or(0, |_| at);
    tell(main, status);
}

/// Keeps what is told about this worker, and tells it on the board.
fn tell(main: &MainConf, status: WorkerStatus) {
    main.models.status.set(status);
    if let (Some(row), Some(board)) = (main.models.row.get(), main.board()) {
        board.publish(row, &status);
    }
}

/// About a second has passed: looks at the files, and takes what was read.
pub fn tick(main: &MainConf, at: u32) {
    let models = &main.models;
    if models.status.get().pid != std::process::id() {
        sit_down(main, at);
    }
    // At most one file is being read; the looks at the other one go on when it is done.
    let ended = match &*models.reading.borrow() {
        Some((_, task)) if !task.ended() => return,
        reading => reading.is_some(),
    };
    if ended && let Some((role, task)) = models.reading.take() {
        take(main, role, task, at);
    }
    for role in Role::ALL {
        let Some(path) = models.seat(role).due() else {
            continue;
        };
        begin(main, role, path.to_owned(), at);
        return;
    }
}

fn begin(main: &MainConf, role: Role, path: String, at: u32) {
    let seat = main.models.seat(role);
    if let Some(watch) = seat.watch.borrow_mut().as_mut() {
        watch.reading();
    }
    match Task::begin(move || scorer::load_file(Path::new(&path))) {
        Ok(task) => *main.models.reading.borrow_mut() = Some((role, task)),
        Err(error) => refuse(main, role, &format_args!("no thread can read it: {error}"), at),
    }
}

/// A file was read: its model takes the seat, or the one that is there stays.
fn take(main: &MainConf, role: Role, task: Reading, at: u32) {
    let scorer = match task.finish() {
        Ok(Ok(scorer)) => scorer,
        Ok(Err(error)) => return refuse(main, role, &error, at),
        Err(message) => return refuse(main, role, &message, at),
    };
    if let Err(error) = main.fits(scorer.thresholds()) {
        return refuse(main, role, &error, at);
    }
    let seat = main.models.seat(role);
    let (before, now) = (seat.digest(), Digest::parse(scorer.digest()));
    let was_refused = seat.refused.take();
    if before == now {
        if was_refused {
            say(Level::Notice, role, seat, &"is again the one that was loaded");
        }
        return;
    }
    *seat.scorer.borrow_mut() = Some(Rc::new(scorer));
    let mut status = main.models.status.get();
    status.swaps += 1;
    match role {
        Role::Champion => (status.champion, status.champion_at) = (now, at),
        Role::Challenger => (status.challenger, status.challenger_at) = (now, at),
    }
    tell(main, status);
    if let Some(board) = main.board() {
        Totals::add(&board.totals.model_swaps, 1);
    }
    let text = format_args!("is now {}, it was {}", short(now), short(before));
    say(Level::Notice, role, seat, &text);
}

/// A file is no good: says so once, as it is looked at again only when it changes.
fn refuse(main: &MainConf, role: Role, reason: &dyn Display, at: u32) {
    let seat = main.models.seat(role);
    seat.refused.set(true);
    let mut status = main.models.status.get();
    status.refusals += 1;
    status.refused_at = at;
    tell(main, status);
    if let Some(board) = main.board() {
        Totals::add(&board.totals.models_refused, 1);
    }
    let text = format_args!("is refused, {} stays: {reason}", short(seat.digest()));
    say(Level::Error, role, seat, &text);
}

fn short(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |digest| format!("{digest:.12}"))
}

fn say(level: Level, role: Role, seat: &Seat, text: &dyn Display) {
    let (noun, path) = (role.noun(), seat.path.as_deref().unwrap_or_default());
    log::say(level, &format_args!("sekisho: {noun} \"{path}\" {text}"));
}

/// The worker starts.
pub fn start(main: &MainConf, at: u32) {
    sit_down(main, at);
}

/// The worker ends: what is still being read is not taken.
pub fn stop(main: &MainConf) {
    drop(main.models.reading.take());
    if let Some(row) = main.models.row.take() {
        main.leave_row(row);
    }
}
