//! A zone: the region in shared memory, and the keys that lead to it.

use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
#[cfg(not(feature = "test-clock"))]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64};

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_http_complex_value_t, ngx_int_t, ngx_pid, ngx_shm_zone_t, ngx_slab_alloc,
    ngx_slab_pool_t,
};
use sekisho_core::key::{Prefixes, Seed};
use sekisho_core::name::Name;
use sekisho_core::sketch::popularity::Popularity;
use sekisho_core::table::{Set, WAYS};

use super::guard::guard;
use super::log::{self, Level};
use crate::lock::{self, Taken};
use crate::zone::{Counters, Header, Layout, ZoneError};

/// What a zone's `data` points to: made by `sekisho_zone`, one for each configuration cycle.
pub struct ZoneData {
    /// The compiled key.
    pub(super) key: ngx_http_complex_value_t,
    /// The key as it was written.
    pub key_text: String,
    /// The zone's name.
    pub name: String,
    /// Bits of an address that name a client; `None` for a key that is no address.
    pub prefixes: Option<Prefixes>,
    region: Option<(NonNull<u8>, Layout)>,
}

impl ZoneData {
    /// A zone that has no memory yet: nginx gives it after the configuration is read.
    pub(super) fn new(
        name: String,
        key_text: String,
        key: ngx_http_complex_value_t,
        prefixes: Option<Prefixes>,
    ) -> ZoneData {
        ZoneData {
            key,
            key_text,
            name,
            prefixes,
            region: None,
        }
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

    /// The popularity sketch that all workers share.
    pub fn popularity(&self) -> Popularity<'a> {
        let count = self.layout.geometry.cells();
        // SAFETY: Layout places that many cells inside the region, aligned; zero bytes are valid atomics.
        let cells: &[AtomicU16] =
            unsafe { std::slice::from_raw_parts(self.base.add(self.layout.cells).cast().as_ptr(), count) };
        Popularity::new(&self.header().popularity, cells)
    }

    /// Takes a set, or gives up (counted) when its lock is not to be had.
    pub fn lock(&self, index: u32) -> Option<LockedSet<'a>> {
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
        let pid = own_pid();
        let Some(taken) = lock::acquire(word, pid, is_gone) else {
            Counters::add(&self.counters().lock_failures);
            return None;
        };
        let mut locked = LockedSet {
            word,
            set,
            names,
            pid,
            writing: None,
        };
        if let Taken::Stolen(way) = taken {
            Counters::add(&self.counters().stolen_locks);
            if let Some(way) = way {
                locked.reset(way);
            }
        }
        Some(locked)
    }
}

/// A set whose lock is held. Dropped, it gives the lock back; dropped by a panic, it first discards the record
/// that was being written.
pub struct LockedSet<'a> {
    word: &'a AtomicU64,
    set: NonNull<Set>,
    names: NonNull<[Name; WAYS]>,
    pid: u32,
    writing: Option<usize>,
}

impl LockedSet<'_> {
    /// Says which record is about to be written, for the case that this worker dies meanwhile.
    pub fn announce(&mut self, way: usize) {
        self.writing = Some(way);
        lock::announce(self.word, self.pid, way);
    }

    /// Name of a way's record; it means nothing when the record is free.
    pub fn name(&self, way: usize) -> Name {
        // SAFETY: the lock is ours, so no other process writes the names; any bytes are valid names.
        unsafe { self.names.as_ref()[way % WAYS] }
    }

    /// Names a way's record by its key. To be called between [`LockedSet::announce`] and the next one.
    pub fn set_name(&mut self, way: usize, key: &[u8]) {
        // SAFETY: as above; the guard is borrowed mutably, and one process runs one thread.
        unsafe { self.names.as_mut()[way % WAYS] = Name::of(key) };
    }
}

impl Deref for LockedSet<'_> {
    type Target = Set;
    fn deref(&self) -> &Set {
        // SAFETY: the lock is ours, so no other process writes the set; any bytes are a valid Set (integers and
        // floats only), so even a torn record cannot be undefined behaviour.
        unsafe { self.set.as_ref() }
    }
}

impl DerefMut for LockedSet<'_> {
    fn deref_mut(&mut self) -> &mut Set {
        // SAFETY: as in `deref`; the guard is borrowed mutably, and one process runs one thread.
        unsafe { self.set.as_mut() }
    }
}

impl Drop for LockedSet<'_> {
    fn drop(&mut self) {
        if let Some(way) = self.writing.filter(|_| std::thread::panicking()) {
            self.reset(way);
        }
        lock::release(self.word);
    }
}

/// Process id of this worker.
pub(super) fn own_pid() -> u32 {
    // SAFETY: nginx sets ngx_pid right after the fork and never again.
    unsafe { ngx_pid as u32 }
}

/// Whether no process has this id.
pub(super) fn is_gone(pid: u32) -> bool {
    // SAFETY: signal 0 is never delivered; it only asks whether the process exists.
    let answer = unsafe { libc::kill(pid as libc::pid_t, 0) };
    answer == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// Stops this process until it gets SIGCONT.
#[cfg(feature = "test-clock")]
pub fn stop_worker() {
    // SAFETY: SIGSTOP cannot be caught: no handler runs, the call returns when the process goes on.
    unsafe { libc::raise(libc::SIGSTOP) };
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
            let seed = new_seed().ok_or_else(|| ZoneError::NoSeed(name.clone()))?;
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
            }
            base
        }
    };
    data.region = Some((base, layout));
    Ok(())
}

#[cfg(feature = "test-clock")]
fn new_seed() -> Option<Seed> {
    Some(Seed::FIXED)
}

/// All zones of one master have the seed of its first, so that a request is digested once for all of them.
#[cfg(not(feature = "test-clock"))]
fn new_seed() -> Option<Seed> {
    static SEED: OnceLock<Seed> = OnceLock::new();
    if let Some(seed) = SEED.get() {
        return Some(*seed);
    }
    let mut bytes = [[0u8; 8]; 2];
    // SAFETY: getrandom writes at most the given number of bytes there.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), size_of_val(&bytes), 0) };
    let seed = Seed(u64::from_ne_bytes(bytes[0]), u64::from_ne_bytes(bytes[1]));
    (got == size_of_val(&bytes) as isize).then(|| *SEED.get_or_init(|| seed))
}
