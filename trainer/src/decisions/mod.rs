//! Bans as people and other programs deal with them.

pub mod bouncer;
pub mod order;
