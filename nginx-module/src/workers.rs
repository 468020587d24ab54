//! Which worker runs which model: a board in shared memory where each worker keeps a row, and numbers of the
//! module as a whole.
//!
//! Nothing waits here. A row belongs to the worker whose pid it names; only that worker writes it, and says while
//! it does, so a reader that comes in between looks again. The row of a worker that is gone is given away.

use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// "workers!" in little endian.
const MAGIC: u64 = 0x2173_7265_6b72_6f77;
/// Changes with every change to the board.
const LAYOUT: u32 = 1;
/// Rows. Workers of older configurations that still serve their last requests have one, too.
pub const ROWS: usize = 256;
/// Looks at a row that is being written before it is left out.
const LOOKS: usize = 1000;
/// Times that the turn to write the sample file is asked for.
const ASKED: usize = 3;

/// SHA-256 of a model file; shown as hex, `{:.12}` shows its first twelve digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hex digits.
    pub fn parse(hex: &str) -> Option<Digest> {
        let mut bytes = [0; 32];
        let digits = hex.as_bytes();
        if digits.len() != 2 * bytes.len() {
            return None;
        }
        for (place, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *place = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Digest(bytes))
    }

    fn words(digest: Option<Digest>) -> [u64; 4] {
        let bytes = digest.map_or([0; 32], |digest| digest.0);
        std::array::from_fn(|word| {
            let mut part = [0; 8];
            part.copy_from_slice(&bytes[word * 8..][..8]);
            u64::from_be_bytes(part)
        })
    }

    /// No file has the digest of all zeroes.
    fn from_words(words: [u64; 4]) -> Option<Digest> {
        let mut bytes = [0; 32];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        (words != [0; 4]).then_some(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(64);
        for byte in self.0.iter().take(digits.div_ceil(2)) {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:.12}")
    }
}

/// What a worker tells about itself. Times are unix seconds, 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerStatus {
    /// Process id.
    pub pid: u32,
    /// Number of its configuration: 1 at the start of nginx, one more with each reload.
    pub generation: u32,
    /// When it started.
    pub started_at: u32,
    /// The model in force.
    pub champion: Option<Digest>,
    /// Since when.
    pub champion_at: u32,
    /// The model that only scores beside it.
    pub challenger: Option<Digest>,
    /// Since when.
    pub challenger_at: u32,
    /// Models that it took from a changed file.
    pub swaps: u32,
    /// Changed files that it refused.
    pub refusals: u32,
    /// When it refused the last one.
    pub refused_at: u32,
}

const WORDS: usize = 4 + 4 + 8;

impl WorkerStatus {
    fn words(&self) -> [u64; WORDS] {
        let [a, b, c, d] = Digest::words(self.champion);
        let [e, f, g, h] = Digest::words(self.challenger);
        let numbers = [
            self.generation,
            self.started_at,
            self.champion_at,
            self.challenger_at,
            self.swaps,
            self.refusals,
            self.refused_at,
            self.pid,
        ];
        let [i, j, k, l, m, n, o, p] = numbers.map(u64::from);
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    fn from_words(words: [u64; WORDS]) -> WorkerStatus {
        let [a, b, c, d, e, f, g, h, numbers @ ..] = words;
        let [
            generation,
            started_at,
            champion_at,
            challenger_at,
            swaps,
            refusals,
            refused_at,
            pid,
        ] = numbers.map(|number| number as u32);
        WorkerStatus {
            pid,
            generation,
            started_at,
            champion: Digest::from_words([a, b, c, d]),
            champion_at,
            challenger: Digest::from_words([e, f, g, h]),
            challenger_at,
            swaps,
            refusals,
            refused_at,
        }
    }
}

/// One worker's place. `turn` is odd while its owner writes.
#[repr(C, align(64))]
#[derive(Debug, Default)]
struct Row {
    pid: AtomicU32,
    turn: AtomicU32,
    words: [AtomicU64; WORDS],
}

impl Row {
    fn read(&self) -> Option<WorkerStatus> {
        for _ in 0..LOOKS {
            let turn = self.turn.load(Ordering::Acquire);
            let pid = self.pid.load(Ordering::Acquire);
            if pid == 0 {
                return None;
            }
            let words = std::array::from_fn(|word| self.words[word].load(Ordering::Acquire));
            if turn.is_multiple_of(2)
                && self.turn.load(Ordering::Relaxed) == turn
                && self.pid.load(Ordering::Relaxed) == pid
            {
                // A row that was given away tells of its owner before until the new one has written it.
                return Some(WorkerStatus::from_words(words)).filter(|status| status.pid == pid);
            }
            spin_loop();
        }
        None
    }

    fn write(&self, words: [u64; WORDS]) {
        // Odd also when the owner before died while it wrote.
        let turn = self.turn.load(Ordering::Relaxed) | 1;
        self.turn.swap(turn, Ordering::AcqRel);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Release);
        }
        self.turn.store(turn.wrapping_add(1), Ordering::Release);
    }
}

/// Numbers that belong to no zone. All only grow.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Totals {
    /// Samples that are whole in the file.
    pub samples_written: AtomicU64,
    /// Samples lost: the file took none and the buffer was full.
    pub samples_dropped: AtomicU64,
    /// Bytes that the sample file took.
    pub sample_bytes: AtomicU64,
    /// Times that a sample file began to refuse.
    pub sample_failures: AtomicU64,
    /// Models taken from a changed file, counted by each worker.
    pub model_swaps: AtomicU64,
    /// Changed model files refused, counted by each worker.
    pub models_refused: AtomicU64,
    /// Panics that the guard caught outside of any zone.
    pub panics: AtomicU64,
    /// Scores that the challenger made beside the model in force.
    pub challenger_scores: AtomicU64,
    /// Of those: rejected by the challenger's score, not by the model in force.
    pub challenger_alone: AtomicU64,
    /// Of those: rejected by the score of the model in force, not by the challenger's.
    pub champion_alone: AtomicU64,
}

impl Totals {
    /// `more` of them.
    pub fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    /// Names and values, in the order of the struct.
    pub fn all(&self) -> [(&'static str, u64); 10] {
        [
            ("samples_written", &self.samples_written),
            ("samples_dropped", &self.samples_dropped),
            ("sample_bytes", &self.sample_bytes),
            ("sample_failures", &self.sample_failures),
            ("model_swaps", &self.model_swaps),
            ("models_refused", &self.models_refused),
            ("panics_elsewhere", &self.panics),
            ("challenger_scores", &self.challenger_scores),
            ("challenger_alone", &self.challenger_alone),
            ("champion_alone", &self.champion_alone),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}

/// The board.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Board {
    magic: u64,
    layout: u32,
    generation: AtomicU32,
    /// Pid of the worker that writes to the sample file now; 0 is none.
    writer: AtomicU32,
    /// Whether the sample file ends inside a line.
    torn: AtomicU32,
    /// Numbers of the module as a whole.
    pub totals: Totals,
    rows: [Row; ROWS],
}

impl Board {
    /// A board without workers.
    pub fn new() -> Board {
        Board {
            magic: MAGIC,
            layout: LAYOUT,
            generation: AtomicU32::new(0),
            writer: AtomicU32::new(0),
            torn: AtomicU32::new(0),
            totals: Totals::default(),
            rows: std::array::from_fn(|_| Row::default()),
        }
    }

    /// Whether this code may use a board that starts so.
    pub fn is_ours(&self) -> bool {
        (self.magic, self.layout) == (MAGIC, LAYOUT)
    }

    /// A new configuration begins; its number.
    pub fn next_generation(&self) -> u32 {
        self.generation.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// A row for worker `pid` (never 0): its own, a free one, or that of a worker that is gone. `None` when all
    /// are taken; the worker then works on unlisted.
    pub fn claim(&self, pid: u32, is_gone: impl Fn(u32) -> bool) -> Option<usize> {
        let owner = |row: usize| self.rows[row].pid.load(Ordering::Acquire);
        let own = (0..ROWS).find(|&row| owner(row) == pid);
        own.or_else(|| {
            (0..ROWS).find(|&row| {
                let before = owner(row);
                let place = &self.rows[row].pid;
                (before == 0 || is_gone(before))
                    && place
                        .compare_exchange(before, pid, Ordering::AcqRel, Ordering::Relaxed)
                        .is_ok()
            })
        })
    }

    /// Writes a worker's row. `row` is what [`Board::claim`] gave it.
    pub fn publish(&self, row: usize, status: &WorkerStatus) {
        let row = self.rows.get(row);
        if let Some(row) = row.filter(|row| row.pid.load(Ordering::Relaxed) == status.pid) {
            row.write(status.words());
        }
    }

    /// Gives a worker's row back.
    pub fn leave(&self, row: usize, pid: u32) {
        if let Some(row) = self.rows.get(row) {
            let _ = row
                .pid
                .compare_exchange(pid, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// The living workers, in the order of their rows. A row that was being written all the time is left out.
    pub fn workers(&self, is_gone: impl Fn(u32) -> bool) -> impl Iterator<Item = WorkerStatus> {
        let rows = self.rows.iter().filter_map(Row::read);
        rows.filter(move |status| !is_gone(status.pid))
    }

    /// Lets worker `pid` write to the sample file while no other does, and tells `write` whether the file ends
    /// inside a line; `write` tells what it is afterwards. `None` when another worker is writing.
    pub fn write_alone<T>(
        &self,
        pid: u32,
        is_gone: impl Fn(u32) -> bool,
        write: impl FnOnce(bool) -> (bool, T),
    ) -> Option<T> {
        let died = self.take_turn(pid, is_gone)?;
        // A writer that died may have left any part of a line.
        let (torn, result) = write(died || self.torn.load(Ordering::Relaxed) != 0);
        self.torn.store(u32::from(torn), Ordering::Relaxed);
        let _ = self
            .writer
            .compare_exchange(pid, 0, Ordering::Release, Ordering::Relaxed);
        Some(result)
    }

    /// Whether the writer before died in its turn, once this one is `pid`'s.
    fn take_turn(&self, pid: u32, is_gone: impl Fn(u32) -> bool) -> Option<bool> {
        for _ in 0..ASKED {
            let before = self.writer.load(Ordering::Relaxed);
            // A worker has one turn at a time: its own pid was given out anew.
            let died = before != 0 && (before == pid || is_gone(before));
            if (before == 0 || died)
                && self
                    .writer
                    .compare_exchange(before, pid, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return Some(died);
            }
            std::thread::yield_now();
        }
        None
    }
}
