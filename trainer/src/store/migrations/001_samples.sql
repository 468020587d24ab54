-- Who was seen. The columns from `samples` on are kept up with every batch, so that pages over clients read no sample.
-- AUTOINCREMENT: the number of a client that was forgotten, which the audit may hold, never names another one.
CREATE TABLE client (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    zone TEXT NOT NULL,
    name TEXT NOT NULL,
    network TEXT NOT NULL DEFAULT '',
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    samples INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    score REAL,
    worst TEXT NOT NULL DEFAULT 'PASSED',
    severity INTEGER NOT NULL DEFAULT 0,
    class TEXT CHECK (class IN ('human', 'crawler')),
    origin TEXT CHECK (origin IN ('operator', 'verified_bot', 'trap', 'conversion', 'declared')),
    conflict INTEGER NOT NULL DEFAULT 0,
    UNIQUE (zone, name)
);
CREATE INDEX client_last ON client (last, id);
CREATE INDEX client_score ON client (COALESCE(score, -1), id);
CREATE INDEX client_requests ON client (requests, id);
CREATE INDEX client_network ON client (network);
CREATE INDEX client_labelled ON client (zone, class) WHERE class IS NOT NULL;

-- One row a line of a sample file. `digest` tells a line that was read before; `aged` is the second from which its age
-- counts: its own time, or that of its arrival when its own cannot be true.
CREATE TABLE sample (
    seq INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    client INTEGER NOT NULL REFERENCES client,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    aged INTEGER NOT NULL,
    kind TEXT NOT NULL,
    requests INTEGER NOT NULL,
    score REAL,
    verdict TEXT NOT NULL,
    reasons TEXT NOT NULL,
    schema TEXT NOT NULL,
    features BLOB NOT NULL,
    model TEXT NOT NULL,
    challenger TEXT,
    challenger_score REAL,
    method TEXT NOT NULL,
    target TEXT NOT NULL
);
CREATE INDEX sample_client ON sample (client, aged);
CREATE INDEX sample_aged ON sample (aged);
CREATE INDEX sample_id ON sample (id);

CREATE TABLE label (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client INTEGER NOT NULL REFERENCES client,
    class TEXT NOT NULL CHECK (class IN ('human', 'crawler')),
    origin TEXT NOT NULL CHECK (origin IN ('operator', 'verified_bot', 'trap', 'conversion', 'declared')),
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX label_client ON label (client);
CREATE TRIGGER label_stays BEFORE UPDATE ON label BEGIN
    SELECT RAISE(ABORT, 'a label is never changed: add another');
END;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is never changed');
END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'nothing leaves the audit log');
END;

-- What was read of each sample file. A file that was truncated gets a new row; the old one still knows a copy of it.
CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    head BLOB NOT NULL,
    head_length INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    skipping INTEGER NOT NULL DEFAULT 0,
    seen INTEGER NOT NULL
);
CREATE INDEX file_source ON file (source, device, inode);

-- What came from each configured source.
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    lines INTEGER NOT NULL DEFAULT 0,
    samples INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    broken INTEGER NOT NULL DEFAULT 0,
    first_broken TEXT,
    newer INTEGER NOT NULL DEFAULT 0,
    newest TEXT,
    dropped INTEGER NOT NULL DEFAULT 0,
    clocks INTEGER NOT NULL DEFAULT 0
);

-- Lines of a version or a schema that this program does not know: read by one that does.
CREATE TABLE aside (
    digest BLOB PRIMARY KEY,
    source TEXT NOT NULL,
    version INTEGER NOT NULL,
    schema TEXT,
    arrived INTEGER NOT NULL,
    client TEXT,
    network TEXT NOT NULL,
    line BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX aside_version ON aside (version);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
