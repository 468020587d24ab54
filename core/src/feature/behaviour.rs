//! Features of what was asked for: URLs, methods, referers, responses.
//!
//! "Window" is the record's window of up to 255 requests ([`crate::record`]). A share whose whole is zero is
//! zero.

use super::share;
use crate::record::Record;
use crate::sketch::registers;

/// log2(1 + n), n = requests that the behaviour stands on. Range 0 to 32. Tells the model how much the
/// other features can be trusted.
pub(super) fn requests(record: &Record) -> f32 {
    libm::log2f(1.0 + record.evidence() as f32)
}

/// Distinct normalised URLs / requests, in the window; 0 to 1. A catalogue scrape never asks twice.
/// Estimated by linear counting, 256 bits.
pub(super) fn distinct_url_ratio(record: &Record) -> f32 {
    share(record.distinct_urls(), record.counters.requests)
}

/// Distinct paths (no query) of pages / pages, in the window; 0 to 1. Low where one path is asked for with
/// ever new queries: faceted crawls, API polling.
pub(super) fn distinct_path_ratio(record: &Record) -> f32 {
    share(record.distinct_paths(), record.counters.pages)
}

/// Distinct URLs since the record began (HyperLogLog) / requests; 0 to 1. Tells a crawler that comes back to
/// the same pages from one that only goes on.
pub(super) fn lifetime_url_ratio(record: &Record) -> f32 {
    share(
        registers::estimate(&record.url_registers),
        record.evidence() as f32,
    )
}

/// Requests for long-tail URLs / requests rated, in the window; 0 to 1. Rated against the zone's finished
/// popularity epoch ([`crate::sketch::popularity`]): people meet where others are, a crawler goes everywhere.
pub(super) fn long_tail_share(record: &Record) -> f32 {
    share(record.counters.long_tail, record.counters.rated)
}

/// Assets / pages, in the window, 0 to 64: browsers pull in scripts, styles and pictures.
pub(super) fn assets_per_page(record: &Record) -> f32 {
    let counters = &record.counters;
    share(
        counters.requests.saturating_sub(counters.pages),
        counters.pages.max(1),
    )
}

/// Assets / requests, in the window; 0 to 1.
pub(super) fn asset_share(record: &Record) -> f32 {
    let counters = &record.counters;
    share(
        counters.requests.saturating_sub(counters.pages),
        counters.requests,
    )
}

/// Requests without a referer / requests, in the window; 0 to 1.
pub(super) fn missing_referer_share(record: &Record) -> f32 {
    share(record.counters.referer_missing, record.counters.requests)
}

/// Requests whose referer is one of the client's last 8 pages / requests, in the window; 0 to 1. A header
/// can be made up; one that follows the client's own trail is more work.
pub(super) fn trail_referer_share(record: &Record) -> f32 {
    share(record.counters.referer_trail, record.counters.requests)
}

/// 3xx responses without 304 / responses, in the window; 0 to 1.
pub(super) fn redirect_share(record: &Record) -> f32 {
    share(record.counters.redirect, record.counters.responses)
}

/// 304 responses / responses, in the window; 0 to 1. Only a client with a cache gets them.
pub(super) fn not_modified_share(record: &Record) -> f32 {
    share(record.counters.not_modified, record.counters.responses)
}

/// 4xx responses / responses, in the window; 0 to 1. Scanners guess, stale indexes ask for what is gone.
pub(super) fn client_error_share(record: &Record) -> f32 {
    share(record.counters.client_error, record.counters.responses)
}

/// 5xx responses / responses, in the window; 0 to 1.
pub(super) fn server_error_share(record: &Record) -> f32 {
    share(record.counters.server_error, record.counters.responses)
}

/// HEAD requests / requests, in the window; 0 to 1. Link checkers and monitors.
pub(super) fn head_share(record: &Record) -> f32 {
    share(record.counters.head, record.counters.requests)
}

/// POST requests / requests, in the window; 0 to 1. People send forms, credential stuffers little else.
pub(super) fn post_share(record: &Record) -> f32 {
    share(record.counters.post, record.counters.requests)
}

/// Requests with neither GET, HEAD nor POST / requests, in the window; 0 to 1.
pub(super) fn other_method_share(record: &Record) -> f32 {
    share(record.counters.other_method, record.counters.requests)
}

/// Requests with a query / requests, in the window; 0 to 1.
pub(super) fn query_share(record: &Record) -> f32 {
    share(record.counters.query, record.counters.requests)
}

/// Distinct queries / requests with a query, in the window; 0 to 1. Linear counting, 128 bits.
pub(super) fn query_diversity(record: &Record) -> f32 {
    share(record.distinct_queries(), record.counters.query)
}

/// Mean number of path segments, in the window; 0 to 15.
pub(super) fn path_depth(record: &Record) -> f32 {
    share(record.depth_sum, record.counters.requests)
}

/// Running mean of log2(1 + body bytes), weight 1/32; 0 to 32.
pub(super) fn response_bytes(record: &Record) -> f32 {
    record.bytes_mean()
}
