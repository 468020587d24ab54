-- What was known of a client, or of clients that behave alike, when somebody asked why. `id` is the SHA-256 of the
-- document; `client` is whom was asked about. Rows are only added; they go with their clients and with age.
CREATE TABLE snapshot (
    id TEXT PRIMARY KEY,
    client INTEGER NOT NULL,
    at INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX snapshot_at ON snapshot (at);
CREATE TRIGGER snapshot_stays BEFORE UPDATE ON snapshot BEGIN
    SELECT RAISE(ABORT, 'a snapshot is never changed');
END;

-- All clients whose samples a snapshot stands on or whom it counts by name, `snapshot.client` among them.
CREATE TABLE snapshot_client (
    client INTEGER NOT NULL,
    snapshot TEXT NOT NULL REFERENCES snapshot ON DELETE CASCADE,
    PRIMARY KEY (client, snapshot)
) WITHOUT ROWID;
CREATE INDEX snapshot_client_snapshot ON snapshot_client (snapshot);

-- Long lists, of which a snapshot has only the head and the digest.
CREATE TABLE snapshot_list (
    digest TEXT NOT NULL,
    snapshot TEXT NOT NULL REFERENCES snapshot ON DELETE CASCADE,
    document TEXT NOT NULL,
    PRIMARY KEY (digest, snapshot)
) WITHOUT ROWID;
CREATE INDEX snapshot_list_snapshot ON snapshot_list (snapshot);

-- What was made of a snapshot: `source` is `rules`, or who answered.
CREATE TABLE explanation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshot TEXT NOT NULL REFERENCES snapshot ON DELETE CASCADE,
    at INTEGER NOT NULL,
    source TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (snapshot, source, document)
);
CREATE TRIGGER explanation_stays BEFORE UPDATE ON explanation BEGIN
    SELECT RAISE(ABORT, 'an explanation is never changed: add another');
END;
