-- Which model was in force when, and on whose word. The last row names the champion.
CREATE TABLE promotion (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('promote', 'rollback')),
    digest TEXT NOT NULL,
    previous TEXT,
    actor TEXT NOT NULL,
    note TEXT NOT NULL,
    evaluation TEXT,
    gates TEXT
);
CREATE TRIGGER promotion_stays BEFORE UPDATE ON promotion BEGIN
    SELECT RAISE(ABORT, 'the history of models is never changed');
END;
CREATE TRIGGER promotion_is_kept BEFORE DELETE ON promotion BEGIN
    SELECT RAISE(ABORT, 'nothing leaves the history of models');
END;
