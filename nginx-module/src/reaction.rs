//! What is done about a verdict.

/// Longest delay, in milliseconds.
pub const MAX_DELAY_MS: u64 = 60_000;
/// Requests that one worker delays at a time; further ones are served at once. A delayed request keeps its
/// connection, and a worker has a few hundred to a few thousand of them.
pub const MAX_DELAYED: u32 = 256;

/// What a location does about SUSPECT or REJECTED. All of it empty: the verdict is in the log, no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// Answer with this status.
    pub status: Option<u16>,
    /// Serve it after this many milliseconds; 0 is at once.
    pub delay_ms: u64,
    /// Tell the upstream, in the request header `X-Sekisho`.
    pub tag: bool,
}
