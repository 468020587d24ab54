-- Every request to a language model. `nanos` is what it cost, in billionths of the currency's unit: 0 when nothing was
-- served, absent when the model has no price.
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    served TEXT,
    outcome TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    tokens_in INTEGER,
    tokens_out INTEGER,
    nanos INTEGER
);
CREATE INDEX attempt_at ON attempt (at);

-- What became of the claims of each model: `kept`, or why they were dropped.
CREATE TABLE claim (
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (provider, model, outcome)
) WITHOUT ROWID;

-- Answers, so that the same is not asked twice. `key` is the SHA-256 of everything that was asked and of who could
-- answer; `likeness` the same of a coarser snapshot, which near-identical clients share. They are checked anew when
-- they are read, and go with their snapshot.
CREATE TABLE answer (
    key TEXT PRIMARY KEY,
    likeness TEXT NOT NULL,
    at INTEGER NOT NULL,
    snapshot TEXT NOT NULL REFERENCES snapshot ON DELETE CASCADE,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX answer_likeness ON answer (likeness, at);
CREATE INDEX answer_snapshot ON answer (snapshot);
