//! Entries of the catalogue that are known by what servers say: words in the error log, statuses, metrics.

/// One entry.
pub struct Signs {
    /// Name in the catalogue.
    pub id: &'static str,
    /// In words.
    pub title: &'static str,
    /// Parts of error-log templates, in small letters.
    pub messages: &'static [&'static str],
    /// How much such lines weigh.
    pub weight: f64,
    /// Whether one line is enough; else there must be more than before.
    pub once: bool,
    /// Beginnings of metrics whose rise fits; behind a bar what their labels hold.
    pub metrics: &'static [&'static str],
    /// Statuses whose rise fits.
    pub statuses: Statuses,
    /// What to look at next.
    pub next: &'static [&'static str],
}

/// Which statuses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Statuses {
    /// 502, 503, 504.
    Gateway,
    /// 5xx.
    Server,
    /// 403, 429, 444.
    Refused,
    /// None.
    None,
}

/// The entries, in the order in which they are told when they weigh the same.
pub const SIGNS: [Signs; 8] = [
    Signs {
        id: "upstream",
        title: "What stands behind nginx fails or does not answer in time",
        messages: &[
            "upstream timed out",
            "connect() failed",
            "no live upstreams",
            "prematurely closed connection",
            "recv() failed",
            "upstream sent",
            "temporarily disabled",
        ],
        weight: 3.0,
        once: false,
        metrics: &["nginx_upstream", "upstream_"],
        statuses: Statuses::Gateway,
        next: &[
            "the upstream's own log and its database at that time",
            "whether something was deployed there then",
            "$upstream_response_time in the access log: slow for all URLs, or for some?",
        ],
    },
    Signs {
        id: "disk_full",
        title: "A disk is full",
        messages: &["no space left on device", "disk quota exceeded"],
        weight: 4.0,
        once: true,
        metrics: &[
            "sekisho_sample_failures_total",
            "sekisho_samples_dropped_total",
            "sekisho_state_failures_total",
        ],
        statuses: Statuses::Server,
        next: &[
            "`df -h` and `df -i` on the machine; proxy_temp_path, client_body_temp_path, logs",
            "whether logs are rotated, and deleted files are still held open (`lsof +L1`)",
        ],
    },
    Signs {
        id: "own_limits",
        title: "Our own limit or guard stops requests",
        messages: &[
            "limiting requests",
            "limiting connections",
            "delaying request",
            "sekisho: rejecting client",
            "sekisho: trapped client",
            "access forbidden by rule",
        ],
        weight: 2.5,
        once: false,
        metrics: &[
            "sekisho_requests_total|verdict=\"rejected\"",
            "sekisho_delayed_total",
            "sekisho_undelayed_total",
        ],
        statuses: Statuses::Refused,
        next: &[
            "who is stopped: `sekisho report`, and labels of people among the flagged",
            "whether a threshold, a model or a limit was changed then",
        ],
    },
    Signs {
        id: "guard_tripped",
        title: "A guard of Sekisho put enforcement off",
        messages: &[
            "sekisho: breaker tripped",
            "sekisho: one key carries",
            "sekisho: a client has an address of",
        ],
        weight: 3.0,
        once: true,
        metrics: &[
            "sekisho_breaker_open",
            "sekisho_breaker_trips_total",
            "sekisho_restrained_total",
            "sekisho_proxies_total",
        ],
        statuses: Statuses::None,
        next: &[
            "whether nginx sees clients' addresses: real_ip_header, set_real_ip_from",
            "whether a new model or threshold would stop too many: `sekisho drift`, `sekisho calibrate`",
        ],
    },
    Signs {
        id: "worker_crash",
        title: "Workers of nginx die",
        messages: &[
            "exited on signal",
            "worker process exited with fatal code",
            "cache manager process exited on",
        ],
        weight: 4.0,
        once: true,
        metrics: &[
            "sekisho_panics_total",
            "sekisho_lock_steals_total",
            "sekisho_housekeeping_panics_total",
        ],
        statuses: Statuses::None,
        next: &[
            "the kernel's log for the OOM killer (`journalctl -k`)",
            "`sekisho doctor`; which module was loaded or updated last",
        ],
    },
    Signs {
        id: "nginx_exhausted",
        title: "nginx runs out of connections, files or memory",
        messages: &[
            "worker_connections are not enough",
            "too many open files",
            "could not allocate",
            "cannot allocate memory",
            "ngx_slab_alloc() failed",
        ],
        weight: 4.0,
        once: true,
        metrics: &["sekisho_evictions_total", "sekisho_lock_failures_total"],
        statuses: Statuses::Server,
        next: &[
            "worker_connections, worker_rlimit_nofile, LimitNOFILE of the unit",
            "sizes of zones: limit_req_zone, sekisho_zone",
        ],
    },
    Signs {
        id: "reload",
        title: "nginx was reloaded or restarted, or the model was changed",
        messages: &[
            "signal process started",
            "reconfiguring",
            "gracefully shutting down",
            "(sighup) received",
            "[emerg]",
        ],
        weight: 2.0,
        once: true,
        metrics: &["sekisho_model_swaps_total", "sekisho_model_info"],
        statuses: Statuses::None,
        next: &[
            "what was changed: `nginx -T` against the version before, `sekisho model history`",
            "whether old workers still serve long connections",
        ],
    },
    Signs {
        id: "tls",
        title: "TLS handshakes fail",
        messages: &[
            "ssl_do_handshake() failed",
            "certificate has expired",
            "certificate verify failed",
            "no \"<text>\" is defined",
        ],
        weight: 2.5,
        once: false,
        metrics: &[],
        statuses: Statuses::None,
        next: &[
            "the certificate's dates and chain (`openssl s_client`)",
            "whether one kind of client fails only: a health check, an old application",
        ],
    },
];
