-- How right explanations were, without whose they were: the confidence that was computed, and whether a person agreed.
-- A person who says otherwise later replaces it. It stays when the snapshot grows too old, and goes when its client is
-- forgotten.
CREATE TABLE judgement (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    category TEXT NOT NULL,
    confidence REAL NOT NULL,
    correct INTEGER NOT NULL CHECK (correct IN (0, 1))
);

-- What people say of explanations; of one snapshot the newest counts. `told` is the category that it was explained as,
-- `said` the one that a person named instead.
CREATE TABLE feedback (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    snapshot TEXT NOT NULL REFERENCES snapshot ON DELETE CASCADE,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('correct', 'wrong_category', 'false_positive', 'unclear')),
    told TEXT NOT NULL,
    said TEXT,
    note TEXT NOT NULL,
    judgement INTEGER,
    CHECK ((said IS NOT NULL) = (verdict = 'wrong_category'))
);
CREATE INDEX feedback_snapshot ON feedback (snapshot, id);
CREATE TRIGGER feedback_stays BEFORE UPDATE ON feedback BEGIN
    SELECT RAISE(ABORT, 'feedback is never changed: give it again');
END;

-- Votes on the claims of a language model, each as canonical JSON.
CREATE TABLE feedback_claim (
    feedback INTEGER NOT NULL REFERENCES feedback ON DELETE CASCADE,
    claim TEXT NOT NULL,
    up INTEGER NOT NULL CHECK (up IN (0, 1)),
    PRIMARY KEY (feedback, claim)
) WITHOUT ROWID;
CREATE TRIGGER feedback_claim_stays BEFORE UPDATE ON feedback_claim BEGIN
    SELECT RAISE(ABORT, 'a vote is never changed: give the feedback again');
END;

-- Files of [runbooks] directory; `refused` says why one is not read.
CREATE TABLE runbook_file (
    path TEXT PRIMARY KEY,
    written INTEGER NOT NULL,
    size INTEGER NOT NULL,
    title TEXT NOT NULL,
    date INTEGER NOT NULL,
    dated INTEGER NOT NULL,
    digest TEXT NOT NULL,
    refused TEXT
) WITHOUT ROWID;

CREATE TABLE runbook_section (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL REFERENCES runbook_file ON DELETE CASCADE,
    place INTEGER NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX runbook_section_path ON runbook_section (path, place);

-- Words of sections as sekisho cuts them: pairs of letters where a script has no spaces. Its texts are in
-- `runbook_section` of the same number.
CREATE VIRTUAL TABLE runbook_words USING fts5(
    heading, words, content = '', contentless_delete = 1, tokenize = 'ascii'
);
