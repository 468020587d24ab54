//! What lies in a zone's shared memory, and when memory from before a reload may be used again.
//!
//! One region in the order of [`Geometry`]: header, popularity cells, locks, sets, names. Everything but the
//! header is valid when zero.

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use sekisho_core::checkpoint::Verdict;
use sekisho_core::guard::GuardState;
use sekisho_core::key::Seed;
use sekisho_core::name::Name;
use sekisho_core::sketch::popularity::PopularityState;
use sekisho_core::table::{Geometry, GeometryError, HEADER_BYTES, LOCK_BYTES, PAGE_BYTES, Set, WAYS};

use crate::measures::{Costs, Scores};

/// "sekisho!" in little endian.
const MAGIC: u64 = 0x216f_6873_696b_6573;
/// Changes with every change to the header, the record, the set or the order of the region.
pub const LAYOUT: u32 = 6;
/// Bytes of the note that nginx appends to "no memory" messages of this zone.
const NOTE_BYTES: usize = 96;

/// Why a zone cannot be used, in limit_req's words.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ZoneError {
    /// A reload changed the key of a zone that holds records of another.
    #[error("sekisho_zone \"{name}\" uses the \"{key}\" key while previously it used the \"{previous}\" key")]
    OtherKey {
        name: String,
        key: String,
        previous: String,
    },
    /// A reload brought a module whose zones look otherwise.
    #[error(
        "sekisho_zone \"{0}\" was made by another version of the module: restart nginx, or rename the zone"
    )]
    OtherLayout(String),
    /// The slab allocator cannot give the region.
    #[error("sekisho_zone \"{0}\" has no room for its records")]
    NoRoom(String),
    /// The region is too small to be split.
    #[error("sekisho_zone \"{name}\": {source}")]
    Geometry { name: String, source: GeometryError },
    /// The operating system gave no random bytes for the hash seed.
    #[error("sekisho_zone \"{0}\": no random bytes for its seed")]
    NoSeed(String),
}

const _: () = assert!(size_of::<Header>() <= HEADER_BYTES && size_of::<AtomicU64>() == LOCK_BYTES);

/// Numbers that all workers add to.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests that were accounted.
    pub requests: AtomicU64,
    /// Times the model was asked.
    pub scores: AtomicU64,
    /// Requests by verdict: nothing against the client.
    pub passed: AtomicU64,
    /// The client is suspect.
    pub suspect: AtomicU64,
    /// Stopped, delayed or tagged.
    pub rejected: AtomicU64,
    /// Would have been stopped but for dry run or a guard.
    pub rejected_dry_run: AtomicU64,
    /// The client is allowed, verified or immune.
    pub allowed: AtomicU64,
    /// Walked into a trap.
    pub trapped: AtomicU64,
    /// Requests not stopped because a guard held enforcement back.
    pub restrained: AtomicU64,
    /// Requests delayed.
    pub delayed: AtomicU64,
    /// Requests not delayed because too many were.
    pub undelayed: AtomicU64,
    /// Records of other clients that made room.
    pub evictions: AtomicU64,
    /// Requests not accounted because a lock was not to be had.
    pub lock_failures: AtomicU64,
    /// Locks taken over from dead workers.
    pub stolen_locks: AtomicU64,
    /// Panics that the guard caught.
    pub panics: AtomicU64,
    /// Times the zone was saved to its state file.
    pub state_saves: AtomicU64,
    /// Times saving failed.
    pub state_failures: AtomicU64,
    /// Records that came from state files.
    pub restored_records: AtomicU64,
    /// When counting began, unix seconds.
    pub since: AtomicU64,
    /// Scores given.
    pub score: Scores,
    /// What decisions cost.
    pub cost: Costs,
}

impl Counters {
    /// One more.
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// One more request with this verdict.
    pub fn count(&self, verdict: Verdict) {
        Counters::add(match verdict {
            Verdict::Passed => &self.passed,
            Verdict::Suspect => &self.suspect,
            Verdict::Rejected => &self.rejected,
            Verdict::RejectedDryRun => &self.rejected_dry_run,
            Verdict::Allowed => &self.allowed,
            Verdict::Trapped => &self.trapped,
        });
    }

    /// Names and values of what only grows, in the order of the struct.
    pub fn all(&self) -> [(&'static str, u64); 18] {
        [
            ("requests", &self.requests),
            ("scores", &self.scores),
            ("passed", &self.passed),
            ("suspect", &self.suspect),
            ("rejected", &self.rejected),
            ("rejected_dry_run", &self.rejected_dry_run),
            ("allowed", &self.allowed),
            ("trapped", &self.trapped),
            ("restrained", &self.restrained),
            ("delayed", &self.delayed),
            ("undelayed", &self.undelayed),
            ("evictions", &self.evictions),
            ("lock_failures", &self.lock_failures),
            ("stolen_locks", &self.stolen_locks),
            ("panics", &self.panics),
            ("state_saves", &self.state_saves),
            ("state_failures", &self.state_failures),
            ("restored_records", &self.restored_records),
        ]
        .map(|(name, counter)| (name, counter.load(Relaxed)))
    }
}

/// What workers tell each other about the zone's state file.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Saving {
    /// Which worker saves; see [`crate::lease`].
    pub lease: AtomicU64,
    /// How often the state went from one memory to the next.
    pub incarnation: AtomicU64,
    /// Requests that the last saved state includes.
    pub requests: AtomicU64,
    /// Which file the zone began with, until what others left of it is taken; 0 when it began empty.
    pub origin: AtomicU64,
    /// When saving last began, unix seconds.
    pub at: AtomicU32,
    /// Whether the last attempt failed.
    pub failing: AtomicBool,
}

/// The start of a zone's region.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Header {
    magic: u64,
    layout: u32,
    sets: u32,
    sketch_width: u32,
    set_bytes: u32,
    seed: [u64; 2],
    /// Numbers of this zone.
    pub counters: Counters,
    /// Epochs of the popularity sketch.
    pub popularity: PopularityState,
    /// What the guards count.
    pub guards: GuardState,
    /// Whether a client with a CDN's address was told of.
    cdn_told: AtomicBool,
    /// The state file.
    pub saving: Saving,
    /// C string for nginx's own messages.
    pub note: [u8; NOTE_BYTES],
}

impl Header {
    /// The header of a new zone.
    pub fn new(name: &str, seed: Seed, geometry: &Geometry) -> Header {
        let mut note = [0; NOTE_BYTES];
        let text = format!(" in sekisho_zone \"{name}\"");
        // The last byte stays zero.
        for (place, byte) in note[..NOTE_BYTES - 1].iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        Header {
            magic: MAGIC,
            layout: LAYOUT,
            sets: geometry.sets,
            sketch_width: geometry.sketch_width,
            set_bytes: size_of::<Set>() as u32,
            seed: [seed.0, seed.1],
            counters: Counters::default(),
            popularity: PopularityState::default(),
            guards: GuardState::default(),
            cdn_told: AtomicBool::new(false),
            saving: Saving::default(),
            note,
        }
    }

    /// The secret of this zone's hashes.
    pub fn seed(&self) -> Seed {
        Seed(self.seed[0], self.seed[1])
    }

    /// Whether this is the first client with a CDN's address: it is told of once.
    pub fn first_cdn(&self) -> bool {
        !self.cdn_told.swap(true, Relaxed)
    }

    /// Whether this code may read a region that starts so.
    pub fn check(&self, name: &str, layout: &Layout) -> Result<(), ZoneError> {
        let fits = self.magic == MAGIC
            && self.layout == LAYOUT
            && self.set_bytes as usize == size_of::<Set>()
            && (self.sets, self.sketch_width) == (layout.geometry.sets, layout.geometry.sketch_width);
        if fits {
            Ok(())
        } else {
            Err(ZoneError::OtherLayout(name.to_owned()))
        }
    }
}

/// Where the parts of a region begin, in bytes from its start.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// How many sets and cells there are.
    pub geometry: Geometry,
    /// First popularity cell.
    pub cells: usize,
    /// First lock.
    pub locks: usize,
    /// First set.
    pub sets: usize,
    /// Names of the first set's records.
    pub names: usize,
    /// End of the region.
    pub bytes: usize,
}

impl Layout {
    /// Splits a zone of `size` bytes.
    pub fn for_zone(size: usize) -> Result<Layout, GeometryError> {
        let geometry = Geometry::for_zone(size)?;
        let count = geometry.sets as usize;
        let cells = HEADER_BYTES;
        let locks = cells + geometry.cells() * size_of::<AtomicU16>();
        let sets = (locks + count * LOCK_BYTES).next_multiple_of(align_of::<Set>());
        let names = sets + count * size_of::<Set>();
        Ok(Layout {
            geometry,
            cells,
            locks,
            sets,
            names,
            bytes: names + count * size_of::<[Name; WAYS]>(),
        })
    }
}

/// The smallest zone, in KiB: one whole set, and the 8 pages that nginx wants of any zone.
pub fn minimum_kb() -> usize {
    let pages = (8..).find(|pages| Layout::for_zone(pages * PAGE_BYTES).is_ok());
    pages.unwrap_or(8) * PAGE_BYTES / 1024
}

/// The reference id of a conclusion: a hash, under the zone's seed, of the client's key hash and the request number
/// of the last scoring. The same until the next scoring, so a log line leads to the sample of the same evidence;
/// keyed, so it does not tell whose it is.
pub fn reference_id(seed: Seed, hash: u64, evidence: u32) -> u64 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(seed.0, seed.1);
    hasher.write_u64(hash);
    hasher.write_u32(evidence);
    hasher.finish()
}
