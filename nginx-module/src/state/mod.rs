//! A zone's state in a file, so that bans and records outlive the memory they are in.
//!
//! One worker saves while it serves ([`Keeper`]): a few sets at a time, so that no request waits for the rest. The
//! file is written beside its place, flushed to the disk by a thread, and renamed. The master takes it back when
//! it makes a zone anew ([`open`]); on a reload the memory itself is kept.

mod keeper;
mod restore;
mod save;

use std::io;
use std::path::Path;

use sekisho_core::key::Seed;
use sekisho_core::state::Head;

pub use keeper::Keeper;
pub use restore::{Saved, identity_of, incarnation_of, open};

use crate::ffi::shm::Zone;
use crate::zone::LAYOUT;

/// Most bytes that a state file may have: those of the largest zone.
const MAX_FILE_BYTES: u64 = crate::conf::MAX_ZONE_BYTES as u64;

/// The head of a state file that a zone with this key can take back.
pub fn expected(key: &str) -> Head {
    let order = if cfg!(target_endian = "little") {
        "little-endian"
    } else {
        "big-endian"
    };
    let machine = format!("{} {order}", std::env::consts::ARCH);
    Head::new(&machine, LAYOUT, key, Seed::FIXED)
}

/// The head of this zone's state as of now. `at` is in unix seconds.
fn present(zone: &Zone<'_>, key: &str, at: u32) -> Head {
    let header = zone.header();
    let Seed(first, second) = header.seed();
    Head {
        seed: [first, second],
        incarnation: header
            .saving
            .incarnation
            .load(std::sync::atomic::Ordering::Relaxed),
        saved_at: at,
        sketch_width: zone.sketch_width(),
        epochs: header.popularity.epochs(),
        ..expected(key)
    }
}

/// Moves a file that was refused to its name and `.refused`: it may be somebody else's, and the next saving takes
/// its place. Replaces what was set aside before.
pub fn set_aside(path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".refused");
    std::fs::rename(path, aside)
}
