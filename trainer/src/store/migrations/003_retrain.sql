-- One retraining from its beginning to what a person, or the policy, made of it. `model` holds the challenger until the
-- directory of models does. Neither `account` nor `report` names a client.
CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    started INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('training', 'calibrating', 'evaluating', 'registering', 'shadowing',
        'reporting', 'waiting', 'promoted', 'rejected', 'refused', 'rolled_back')),
    champion TEXT,
    challenger TEXT,
    model BLOB,
    account TEXT NOT NULL DEFAULT '{}',
    report TEXT NOT NULL DEFAULT '',
    decided_at INTEGER,
    decided_by TEXT,
    why TEXT NOT NULL DEFAULT ''
);
CREATE TRIGGER run_is_kept BEFORE DELETE ON run BEGIN
    SELECT RAISE(ABORT, 'nothing leaves the history of retraining');
END;
CREATE TRIGGER run_stays_decided BEFORE UPDATE ON run
WHEN OLD.state IN ('rejected', 'refused', 'rolled_back') BEGIN
    SELECT RAISE(ABORT, 'what was decided is never changed');
END;

-- How each zone had drifted when somebody looked last.
CREATE TABLE drift (
    zone TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    document TEXT NOT NULL
);
