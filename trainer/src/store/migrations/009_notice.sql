-- What is worth telling somebody. The same `key` is told once. `mark` is what later ones are compared with.
CREATE TABLE notice_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('cluster', 'guard', 'promotion')),
    document TEXT NOT NULL,
    mark TEXT NOT NULL DEFAULT ''
);
CREATE INDEX notice_event_at ON notice_event (kind, at);

-- The clients that an event is about: it goes with them.
CREATE TABLE notice_client (
    client INTEGER NOT NULL,
    event INTEGER NOT NULL REFERENCES notice_event ON DELETE CASCADE,
    PRIMARY KEY (client, event)
) WITHOUT ROWID;
CREATE INDEX notice_client_event ON notice_client (event);

-- One message to one target: what is to be sent, and what became of it. `due` is when it is tried next, or `ended`.
CREATE TABLE notice (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    made INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL,
    suppressed TEXT NOT NULL DEFAULT '{}',
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX notice_due ON notice (target, due) WHERE state = 'waiting';

-- An event for a target; `notice` is absent until a message takes it.
CREATE TABLE notice_item (
    target TEXT NOT NULL,
    event INTEGER NOT NULL REFERENCES notice_event ON DELETE CASCADE,
    notice INTEGER REFERENCES notice ON DELETE CASCADE,
    PRIMARY KEY (target, event)
) WITHOUT ROWID;
CREATE INDEX notice_item_event ON notice_item (event);
CREATE INDEX notice_item_notice ON notice_item (notice);

-- How much a target may be told, and what it was spared: `suppressed` since its last message, by kind; `spared` of all.
CREATE TABLE notice_target (
    name TEXT PRIMARY KEY,
    tokens REAL NOT NULL,
    filled INTEGER NOT NULL,
    suppressed TEXT NOT NULL DEFAULT '{}',
    sent INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    spared INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
