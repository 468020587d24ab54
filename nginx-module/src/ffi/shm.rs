//! A zone: the region in shared memory, and the keys that lead to it.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::ptr::NonNull;
#[cfg(not(feature = "test-clock"))]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_int_t, ngx_pid, ngx_shm_zone_t, ngx_slab_alloc, ngx_slab_pool_t, ngx_test_config,
    ngx_time,
};
use sekisho_core::key::{ClientKey, Prefixes, Seed};
use sekisho_core::name::Name;
use sekisho_core::record::Record;
use sekisho_core::sketch::popularity::Popularity;
use sekisho_core::table::{Set, WAYS};

use super::guard::guard;
use super::key::Key;
use super::log::{self, Level};
use crate::lock::{self, Taken};
use crate::state::{self, Keeper, Saved};
use crate::steps::{Step, reach};
use crate::zone::{Counters, Header, Layout, ZoneError};

/// What a zone's `data` points to: made by `sekisho_zone`, one for each configuration cycle.
pub struct ZoneData {
    /// The compiled key.
    pub(super) key: Key,
    /// The key as it was written.
    pub key_text: String,
    /// The zone's name.
    pub name: String,
    /// Bits of an address that name a client; `None` for a key that is no address.
    pub prefixes: Option<Prefixes>,
    /// `state=`: where the zone is saved.
    pub state: Option<PathBuf>,
    /// What this process does to save it.
    pub keeper: RefCell<Keeper>,
    /// Whether a location that asks this zone acts on verdicts; known once levels are merged.
    enforced: Cell<bool>,
    region: Option<(NonNull<u8>, Layout)>,
}

impl ZoneData {
    /// A zone that has no memory yet: nginx gives it after the configuration is read.
    pub(super) fn new(
        name: String,
        key_text: String,
        key: Key,
        prefixes: Option<Prefixes>,
        state: Option<PathBuf>,
    ) -> ZoneData {
        ZoneData {
            key,
            key_text,
            name,
            prefixes,
            state,
            keeper: RefCell::default(),
            enforced: Cell::new(false),
            region: None,
        }
    }

    /// The client that a value of the key names.
    #[inline(always)]
    pub fn client_key<'k>(&self, value: &'k [u8]) -> ClientKey<'k> {
        match (self.prefixes, value) {
            (Some(prefixes), &[a, b, c, d]) => ClientKey::V4([a, b, c, d]).within(prefixes),
            (Some(prefixes), value) => ClientKey::from_octets(value)
                .unwrap_or_else(|| ClientKey::from_text(value))
                .within(prefixes),
            (None, value) => ClientKey::Text(value),
        }
    }

    /// Says that a location that asks this zone acts on verdicts.
    pub(super) fn enforce(&self) {
        self.enforced.set(true);
    }

    /// Whether no location that asks this zone acts on verdicts.
    pub fn is_dry_run(&self) -> bool {
        !self.enforced.get()
    }

    /// The key as an operator knows it: its prefixes too, when they are not the usual ones.
    pub fn shown_key(&self) -> String {
        match self.prefixes {
            Some(prefixes) if prefixes != Prefixes::CLIENT => {
                format!(
                    "{} prefix4={} prefix6={}",
                    self.key_text, prefixes.v4, prefixes.v6
                )
            }
            _ => self.key_text.clone(),
        }
    }

    /// The zone's memory. `None` only while the configuration is being read.
    pub fn zone(&self) -> Option<Zone<'_>> {
        let (base, layout) = self.region.as_ref()?;
        Some(Zone { base: *base, layout })
    }
}

/// A zone in use.
#[derive(Clone, Copy)]
pub struct Zone<'a> {
    base: NonNull<u8>,
    layout: &'a Layout,
}

impl<'a> Zone<'a> {
    /// Start of the region.
    pub fn header(&self) -> &'a Header {
        // SAFETY: `initialise` wrote a Header there before the first request; its plain fields never change
        // again and the others are atomic. The mapping lives as long as the process.
        unsafe { self.base.cast().as_ref() }
    }

    /// Numbers of the zone.
    pub fn counters(&self) -> &'a Counters {
        &self.header().counters
    }

    /// Sets of the table.
    pub fn sets(&self) -> u32 {
        self.layout.geometry.sets
    }

    /// Counters a row of the popularity sketch.
    pub fn sketch_width(&self) -> u32 {
        self.layout.geometry.sketch_width
    }

    /// Counters of the popularity sketch.
    pub fn cells(&self) -> &'a [AtomicU16] {
        let count = self.layout.geometry.cells();
        // SAFETY: Layout places that many cells inside the region, aligned; zero bytes are valid atomics.
        unsafe { std::slice::from_raw_parts(self.base.add(self.layout.cells).cast().as_ptr(), count) }
    }

    /// The popularity sketch that all workers share.
    pub fn popularity(&self) -> Popularity<'a> {
        Popularity::new(&self.header().popularity, self.cells())
    }

    /// Takes a set, or gives up (counted) when its lock is not to be had.
    pub fn lock(&self, index: u32) -> Option<LockedSet<'a>> {
        let (mut open, pid) = (self.unlocked(index), own_pid());
        let taken = self.acquire(open.word, pid)?;
        open.pid = pid;
        let mut locked = LockedSet(open);
        self.clean(&mut locked, taken);
        Some(locked)
    }

    /// The same for what every request does: the set stays where it is made, for moving it costs as much as the lock.
    #[inline(always)]
    pub fn locked<T>(&self, index: u32, change: impl FnOnce(&mut LockedSet<'a>) -> T) -> Option<T> {
        let pid = own_pid();
        let open = self.unlocked(index);
        let taken = self.acquire(open.word, pid)?;
        let mut locked = LockedSet(OpenSet { pid, ..open });
        self.clean(&mut locked, taken);
        Some(change(&mut locked))
    }

    #[inline(always)]
    fn unlocked(&self, index: u32) -> OpenSet<'a> {
        let index = (index as usize).min(self.sets() as usize - 1);
        // SAFETY: Layout places one lock, one set and its names for each index inside the region, aligned; zero
        // bytes are valid for all three. Set and names are only reached through the lock.
        let (word, set, names) = unsafe {
            let word: &AtomicU64 = self
                .base
                .add(self.layout.locks)
                .cast::<AtomicU64>()
                .add(index)
                .as_ref();
            let set = self.base.add(self.layout.sets).cast::<Set>().add(index);
            let names = self.base.add(self.layout.names).cast::<[Name; WAYS]>().add(index);
            (word, set, names)
        };
        OpenSet {
            word,
            set,
            names,
            pid: 0,
            writing: None,
        }
    }

    #[inline(always)]
    fn acquire(&self, word: &AtomicU64, pid: u32) -> Option<Taken> {
        reach(Step::BeforeLock, || ());
        let taken = lock::acquire(word, pid, is_gone);
        if taken.is_none() {
            self.refused();
        }
        taken
    }

    #[cold]
    fn refused(&self) {
        Counters::add(&self.counters().lock_failures);
    }

    #[inline(always)]
    fn clean(&self, locked: &mut LockedSet<'_>, taken: Taken) {
        match taken {
            Taken::Free => reach(Step::AfterAcquire, || ()),
            Taken::Stolen(way) => self.discard(locked, way),
        }
    }

    /// The lock's owner is gone: what it was writing is no record.
    #[cold]
    fn discard(&self, locked: &mut LockedSet<'_>, way: Option<usize>) {
        reach(Step::Stolen, || ());
        Counters::add(&self.counters().stolen_locks);
        if let Some(way) = way {
            reach(Step::MidReset, || locked.tear(way));
            locked.reset(way);
        }
    }
}

/// A set whose lock is held. Dropped, it gives the lock back; dropped by a panic, it first discards the record
/// that was being written.
pub struct LockedSet<'a>(OpenSet<'a>);

/// Where a set is, and what is done with it.
struct OpenSet<'a> {
    word: &'a AtomicU64,
    set: NonNull<Set>,
    names: NonNull<[Name; WAYS]>,
    pid: u32,
    writing: Option<usize>,
}

impl LockedSet<'_> {
    /// Says which record is about to be written, for the case that this worker dies meanwhile.
    #[inline]
    pub fn announce(&mut self, way: usize) {
        self.0.writing = Some(way);
        lock::announce(self.0.word, self.0.pid, way);
        reach(Step::AfterAnnounce, || ());
        reach(Step::MidWrite, || self.tear(way));
    }

    /// Name of a way's record; it means nothing when the record is free.
    pub fn name(&self, way: usize) -> Name {
        // SAFETY: the lock is ours, so no other process writes the names; any bytes are valid names.
        unsafe { self.0.names.as_ref()[way % WAYS] }
    }

    /// Names a way's record by its key. To be called after the way was announced.
    pub fn set_name(&mut self, way: usize, key: &[u8]) {
        reach(Step::MidName, || self.put_name(way, Name::from_raw([0xA5; 24])));
        self.put_name(way, Name::of(key));
    }

    pub(super) fn put_name(&mut self, way: usize, name: Name) {
        // SAFETY: as above; the guard is borrowed mutably, and only this thread of the process reaches sets.
        unsafe { self.0.names.as_mut()[way % WAYS] = name };
    }

    /// Leaves a record half overwritten, for a worker that is about to end there.
    fn tear(&mut self, way: usize) {
        let half = size_of::<Record>() / 2;
        // SAFETY: the first half of a record of ours; any bytes are a record.
        unsafe {
            (&raw mut *self.record_mut(way))
                .cast::<u8>()
                .write_bytes(0xA5, half);
        }
    }
}

impl Deref for LockedSet<'_> {
    type Target = Set;
    fn deref(&self) -> &Set {
        // SAFETY: the lock is ours, so no other process writes the set; any bytes are a valid Set (integers and
        // floats only), so even a torn record cannot be undefined behaviour.
        unsafe { self.0.set.as_ref() }
    }
}

impl DerefMut for LockedSet<'_> {
    fn deref_mut(&mut self) -> &mut Set {
        // SAFETY: as in `deref`; the guard is borrowed mutably, and only one thread of a process
        // reaches sets.
        unsafe { self.0.set.as_mut() }
    }
}

impl Drop for LockedSet<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(way) = self.0.writing.filter(|_| std::thread::panicking()) {
            self.reset(way);
        }
        reach(Step::BeforeRelease, || ());
        lock::release(self.0.word);
        reach(Step::AfterRelease, || ());
    }
}

/// Process id of this worker.
pub fn own_pid() -> u32 {
    // SAFETY: nginx sets ngx_pid right after the fork and never again.
    unsafe { ngx_pid as u32 }
}

/// Whether there is no such process.
pub fn is_gone(pid: u32) -> bool {
    // SAFETY: signal 0 is never delivered; it only asks whether the process exists.
    let answer = unsafe { libc::kill(pid as libc::pid_t, 0) };
    answer == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// nginx calls this for each zone of a new configuration; `old` is the data of the same zone in the
/// configuration before, when its memory is kept.
pub unsafe extern "C" fn init_zone(shm_zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx passes a zone whose log is that of the cycle being set up.
    let log = unsafe { (*shm_zone).shm.log };
    let report = |message: &dyn std::fmt::Display| {
        // SAFETY: as above.
        unsafe { log::write(log, Level::Emergency as usize, message) }
    };
    guard(
        NGX_ERROR as ngx_int_t,
        |message| report(&format_args!("sekisho: {message}")),
        || {
            // SAFETY: `data` was set by `sekisho_zone` to a ZoneData that lives as long as the cycle; `old` is
            // that of the cycle before, which nginx keeps until the new one is in force.
            let (shm_zone, data, old) = unsafe {
                (
                    &mut *shm_zone,
                    &mut *(*shm_zone).data.cast::<ZoneData>(),
                    old.cast::<ZoneData>().as_ref(),
                )
            };
            match initialise(shm_zone, data, old) {
                Ok(()) => NGX_OK as ngx_int_t,
                Err(error) => {
                    report(&error);
                    NGX_ERROR as ngx_int_t
                }
            }
        },
    )
}

fn initialise(
    shm_zone: &mut ngx_shm_zone_t,
    data: &mut ZoneData,
    old: Option<&ZoneData>,
) -> Result<(), ZoneError> {
    let name = &data.name;
    let layout = Layout::for_zone(shm_zone.shm.size).map_err(|source| ZoneError::Geometry {
        name: name.clone(),
        source,
    })?;
    if let Some(old) = old
        && (&old.key_text, old.prefixes) != (&data.key_text, data.prefixes)
    {
        return Err(ZoneError::OtherKey {
            name: name.clone(),
            key: data.shown_key(),
            previous: old.shown_key(),
        });
    }
    let slab = shm_zone.shm.addr.cast::<ngx_slab_pool_t>();
    // SAFETY: nginx put a slab pool at the start of the zone; its `data` is null until we set it.
    let previous = NonNull::new(unsafe { (*slab).data }.cast::<u8>());
    let base = match previous {
        Some(base) => {
            data.region = Some((base, layout));
            // A region from before: made by this function, under the slab pool's `data`.
            data.zone()
                .map_or(Ok(()), |zone| zone.header().check(name, zone.layout))?;
            base
        }
        None => {
            let saved = saved_state(data);
            let seed = seed_for(saved.as_ref().map(Saved::seed));
            let seed = seed.ok_or_else(|| ZoneError::NoSeed(name.clone()))?;
            // SAFETY: the slab pool is initialised. Not calloc: zero pages of a new mapping stay untouched.
            let base = NonNull::new(unsafe { ngx_slab_alloc(slab, layout.bytes) }.cast::<u8>())
                .ok_or_else(|| ZoneError::NoRoom(name.clone()))?;
            let header = base.cast::<Header>();
            // SAFETY: the allocation is page-aligned and larger than the header; the note in it ends with zero
            // and lives as long as the zone.
            unsafe {
                header.write(Header::new(name, seed, &layout.geometry));
                (*slab).data = base.as_ptr().cast();
                (*slab).log_ctx = (&raw mut (*header.as_ptr()).note).cast();
                (*header.as_ptr())
                    .counters
                    .since
                    .store(ngx_time() as u64, Ordering::Relaxed);
            }
            data.region = Some((base, layout));
            restore(data, saved);
            return Ok(());
        }
    };
    data.region = Some((base, layout));
    Ok(())
}

/// The zone's state file, if there is one that it can use. `nginx -t` makes a zone too, to throw it away.
fn saved_state(data: &ZoneData) -> Option<Saved> {
    // SAFETY: nginx sets it from the command line, before it reads the configuration.
    let path = data.state.as_ref().filter(|_| unsafe { ngx_test_config } == 0)?;
    match state::open(path, &state::expected(&data.shown_key())) {
        Ok(saved) => Some(saved),
        Err(error) if error.is_absent() => None,
        Err(error) => {
            let (name, shown) = (&data.name, path.display());
            let aside =
                state::set_aside(path).map_or("it will be replaced", |()| "kept as .refused beside it");
            log::say(
                Level::Warning,
                &format_args!(
                    "sekisho_zone \"{name}\" starts empty, its state file \"{shown}\" is refused: {error}; {aside}"
                ),
            );
            None
        }
    }
}

/// Fills a new zone with what was saved of an earlier one.
fn restore(data: &ZoneData, saved: Option<Saved>) {
    let (Some(zone), Some(path)) = (data.zone(), &data.state) else {
        return;
    };
    let earlier = state::incarnation_of(path).map_or(0, |(incarnation, _)| incarnation);
    let saving = &zone.header().saving;
    saving
        .incarnation
        .store(earlier.wrapping_add(1), Ordering::Relaxed);
    let origin = saved.as_ref().map_or(0, |_| state::identity_of(path));
    saving.origin.store(origin, Ordering::Relaxed);
    let Some(mut saved) = saved else { return };
    let (name, path, at) = (&data.name, path.display(), saved.at());
    let now = u32::try_from(ngx_time()).unwrap_or(0);
    match saved
        .take_sketch(&zone)
        .and_then(|()| saved.take(&zone, now, u64::MAX))
    {
        Ok(records) => {
            zone.counters().restored_records.store(records, Ordering::Relaxed);
            log::say(
                Level::Notice,
                &format_args!("sekisho_zone \"{name}\" has {records} records from \"{path}\", saved at {at}"),
            );
        }
        Err(error) => log::say(
            Level::Warning,
            &format_args!("sekisho_zone \"{name}\" has a part of its records from \"{path}\": {error}"),
        ),
    }
}

#[cfg(feature = "test-clock")]
fn seed_for(saved: Option<Seed>) -> Option<Seed> {
    Some(saved.unwrap_or(Seed::FIXED))
}

/// All zones of one master have the seed of its first, so that a request is digested once for all of them; but a
/// zone that was saved keeps its own.
#[cfg(not(feature = "test-clock"))]
fn seed_for(saved: Option<Seed>) -> Option<Seed> {
    static SEED: OnceLock<Seed> = OnceLock::new();
    if let Some(saved) = saved {
        SEED.get_or_init(|| saved);
        return Some(saved);
    }
    if let Some(seed) = SEED.get() {
        return Some(*seed);
    }
    let mut bytes = [[0u8; 8]; 2];
    // SAFETY: getrandom writes at most the given number of bytes there.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), size_of_val(&bytes), 0) };
    let seed = Seed(u64::from_ne_bytes(bytes[0]), u64::from_ne_bytes(bytes[1]));
    (got == size_of_val(&bytes) as isize).then(|| *SEED.get_or_init(|| seed))
}
