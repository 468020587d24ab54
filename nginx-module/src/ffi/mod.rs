//! Everything that touches nginx's memory, behind safe types.
//!
//! nginx runs one thread a process and calls us from its event loop only, so nothing here is shared between
//! threads. What is shared between processes lies in a zone ([`shm`]) and is atomic or behind a set's lock.
//! Each callback that nginx makes runs inside [`guard`].

pub mod api;
pub mod background;
mod board;
pub mod clock;
pub mod config;
mod context;
pub mod directives;
pub mod entries;
mod exceptions;
mod files;
mod guard;
mod key;
pub mod log;
pub mod module;
pub mod pool;
pub mod process;
mod reaction;
pub mod request;
mod resolver;
pub mod shm;
