//! The board of workers: a small zone of our own, there when any location checks anything.

use std::ffi::c_void;
use std::ptr::NonNull;

use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_conf_t, ngx_int_t, ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_alloc,
    ngx_slab_pool_t, ngx_str_t,
};

use super::config::MainConf;
use super::guard::guard;
use super::log::{self, Level};
use super::pool;
use super::shm::{is_gone, own_pid};
use crate::workers::{Board, WorkerStatus};

const NAME: &[u8] = b"sekisho_workers";
/// Bytes of the zone.
const SIZE: usize = 64 * 1024;
/// What nginx's slab allocator keeps for itself of a zone, at most.
const SLAB_BYTES: usize = 8 * 1024;

const _: () = assert!(size_of::<Board>() <= SIZE - SLAB_BYTES && align_of::<Board>() <= 4096);

/// Why there is no board.
#[derive(Debug, thiserror::Error)]
enum BoardError {
    /// That of the configuration before looks otherwise.
    #[error("the list of workers was made by another version of sekisho: restart nginx")]
    OtherLayout,
    /// The slab allocator cannot give the memory.
    #[error("the list of sekisho's workers has no room")]
    NoRoom,
}

/// Its address tells this zone from those of `sekisho_zone`, whatever their names.
static TAG: u8 = 0;

/// What the zone's `data` points to, one for each configuration cycle.
#[derive(Default)]
pub struct Posted {
    board: Option<NonNull<Board>>,
    generation: u32,
}

impl MainConf {
    fn posted(&self) -> Option<&Posted> {
        // SAFETY: nginx keeps the zone as long as the cycle; `declare` set its data to a Posted of the cycle's pool.
        unsafe { self.posted?.as_ref().data.cast::<Posted>().as_ref() }
    }

    /// The board of workers; `None` when no location checks anything.
    pub fn board(&self) -> Option<&Board> {
        // SAFETY: `init_board` wrote a Board there, or checked the one that was; its plain fields never change and
        // the others are atomic. The mapping lives as long as the process.
        Some(unsafe { self.posted()?.board?.as_ref() })
    }

    /// Number of this configuration: 1 at the start of nginx, one more with each reload.
    pub fn generation(&self) -> u32 {
        self.posted().map_or(0, |posted| posted.generation)
    }

    /// The living workers and the models they run.
    pub fn workers(&self) -> impl Iterator<Item = WorkerStatus> {
        self.board().into_iter().flat_map(|board| board.workers(is_gone))
    }

    /// Takes a row of the board for this process.
    pub fn claim_row(&self) -> Option<usize> {
        self.board()?.claim(own_pid(), is_gone)
    }

    /// Gives the row back.
    pub fn leave_row(&self, row: usize) {
        if let Some(board) = self.board() {
            board.leave(row, own_pid());
        }
    }

    /// Writes to the sample file while no other worker does; see [`Board::write_alone`].
    pub fn write_alone<T>(&self, write: impl FnOnce(bool) -> (bool, T)) -> Option<T> {
        self.board()?.write_alone(own_pid(), is_gone, write)
    }
}

/// Asks nginx for the zone.
///
/// # Safety
/// `cf` must be the configuration being read.
pub(super) unsafe fn declare(cf: NonNull<ngx_conf_t>, main: &mut MainConf) -> Result<(), String> {
    let mut name = ngx_str_t {
        len: NAME.len(),
        data: NAME.as_ptr().cast_mut(),
    };
    let tag = (&raw const TAG).cast_mut().cast::<c_void>();
    let failed = || "sekisho's list of workers could not be declared".to_owned();
    // SAFETY: nginx copies name and tag, which are static; the pool is the cycle's, as the zone is.
    unsafe {
        let mut zone =
            NonNull::new(ngx_shared_memory_add(cf.as_ptr(), &mut name, SIZE, tag)).ok_or_else(failed)?;
        let posted = pool::keep(cf.as_ref().pool, Posted::default()).ok_or_else(failed)?;
        zone.as_mut().data = posted.cast();
        zone.as_mut().init = Some(init_board);
        main.posted = Some(zone);
    }
    Ok(())
}

/// nginx calls this for each new configuration, when the zone has its memory.
unsafe extern "C" fn init_board(shm_zone: *mut ngx_shm_zone_t, _old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx passes a zone whose log is that of the cycle being set up.
    let log = unsafe { (*shm_zone).shm.log };
    let report = |message: &dyn std::fmt::Display| {
        // SAFETY: as above.
        unsafe { log::write(log, Level::Emergency as usize, message) }
    };
    let refused = NGX_ERROR as ngx_int_t;
    guard(
        refused,
        |message| report(&format_args!("sekisho: {message}")),
        || {
            // SAFETY: `declare` set `data` to a Posted that lives as long as the cycle; nobody else holds it yet.
            let posted = unsafe { &mut *(*shm_zone).data.cast::<Posted>() };
            // SAFETY: nginx put a slab pool at the start of the zone.
            match unsafe { place((*shm_zone).shm.addr.cast()) } {
                Ok(board) => {
                    posted.board = Some(board);
                    // SAFETY: `place` found or wrote a Board there.
                    posted.generation = unsafe { board.as_ref() }.next_generation();
                    NGX_OK as ngx_int_t
                }
                Err(error) => {
                    report(&error);
                    refused
                }
            }
        },
    )
}

/// The board in a zone, made when there is none.
///
/// # Safety
/// `slab` must be an initialised slab pool whose `data` is null or what this function put there.
unsafe fn place(slab: *mut ngx_slab_pool_t) -> Result<NonNull<Board>, BoardError> {
    // SAFETY: the caller vouches for the pool; a board from before is checked before it is used. nginx gives
    // a region of whole pages, page-aligned, and large enough for a Board.
    unsafe {
        if let Some(board) = NonNull::new((*slab).data.cast::<Board>()) {
            let ours = board.as_ref().is_ours();
            return ours.then_some(board).ok_or(BoardError::OtherLayout);
        }
        let board = NonNull::new(ngx_slab_alloc(slab, size_of::<Board>()).cast::<Board>());
        let board = board.ok_or(BoardError::NoRoom)?;
        board.write(Board::new());
        (*slab).data = board.as_ptr().cast();
        Ok(board)
    }
}
