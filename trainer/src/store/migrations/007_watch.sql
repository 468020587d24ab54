-- What each nginx counted in `step` seconds from `at` on: 10, and 300 when it is older than two days. Rows of the empty
-- zone hold what belongs to none: samples.
CREATE TABLE traffic (
    step INTEGER NOT NULL,
    at INTEGER NOT NULL,
    nginx TEXT NOT NULL,
    zone TEXT NOT NULL,
    requests INTEGER NOT NULL,
    scores INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    rejected_dry_run INTEGER NOT NULL,
    allowed INTEGER NOT NULL,
    trapped INTEGER NOT NULL,
    restrained INTEGER NOT NULL,
    delayed INTEGER NOT NULL,
    evictions INTEGER NOT NULL,
    lock_failures INTEGER NOT NULL,
    panics INTEGER NOT NULL,
    breaker_trips INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    samples_dropped INTEGER NOT NULL,
    measured INTEGER NOT NULL,
    nanoseconds INTEGER NOT NULL,
    PRIMARY KEY (step, at, nginx, zone)
) WITHOUT ROWID;

-- What each zone's counters showed last: `since` is when its counting began by nginx's clock, `at` when it was asked.
CREATE TABLE watched (
    nginx TEXT NOT NULL,
    zone TEXT NOT NULL,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,
    counters TEXT NOT NULL,
    PRIMARY KEY (nginx, zone)
) WITHOUT ROWID;

-- A ban from its beginning to its end. `until` is its end by nginx's clock and, with nginx, zone and client, tells it
-- from others; `expires` is the same by ours. `dry_run` is absent while it is not known whether nginx acts on it;
-- `held` while a guard keeps nginx from acting on it. Rows change as it goes on, and each change is an event.
CREATE TABLE decision (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    nginx TEXT NOT NULL,
    zone TEXT NOT NULL,
    client TEXT NOT NULL,
    network TEXT NOT NULL DEFAULT '',
    origin TEXT NOT NULL,
    reasons TEXT NOT NULL DEFAULT '[]',
    reference TEXT NOT NULL DEFAULT '',
    author TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    begun INTEGER NOT NULL,
    until INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    dry_run INTEGER,
    held INTEGER NOT NULL DEFAULT 0,
    ended INTEGER,
    end TEXT CHECK (end IN ('expired', 'lifted', 'replaced', 'gone')),
    ended_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX decision_client ON decision (client, zone);
CREATE INDEX decision_open ON decision (nginx, zone) WHERE ended IS NULL;
CREATE INDEX decision_begun ON decision (begun, id);
CREATE INDEX decision_ended ON decision (ended) WHERE ended IS NOT NULL;

-- What became of decisions, in order: who follows them keeps the number of the last one that he took.
CREATE TABLE decision_event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    decision INTEGER NOT NULL REFERENCES decision ON DELETE CASCADE,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('begun', 'acted', 'held', 'freed', 'ended'))
);
CREATE INDEX decision_event_of ON decision_event (decision);
CREATE TABLE follower (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL
);
