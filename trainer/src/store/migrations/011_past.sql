-- What past cases are compared by, beside each other: a snapshot is ten times as long, and reading one means reading all
-- of it. `told` is the category that the newest explanation told. Triggers keep it, since snapshots and explanations are
-- only added.
CREATE TABLE past (
    snapshot TEXT PRIMARY KEY REFERENCES snapshot ON DELETE CASCADE,
    client INTEGER NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    features TEXT NOT NULL,
    told TEXT
);
CREATE INDEX past_at ON past (at, snapshot, client);

CREATE TRIGGER past_begins AFTER INSERT ON snapshot BEGIN
    INSERT INTO past (snapshot, client, at, until, features) VALUES (
        new.id, new.client, new.at,
        COALESCE(json_extract(new.document, '$.window.to'), 0),
        COALESCE(json_extract(new.document, '$.features'), '{}')
    );
END;
CREATE TRIGGER past_is_told AFTER INSERT ON explanation BEGIN
    UPDATE past SET told = COALESCE(
        json_extract(new.document, '$.verified.category'), json_extract(new.document, '$.explanation.category')
    ) WHERE snapshot = new.snapshot;
END;

INSERT INTO past (snapshot, client, at, until, features, told)
SELECT id, client, at, COALESCE(json_extract(document, '$.window.to'), 0),
    COALESCE(json_extract(document, '$.features'), '{}'),
    (SELECT COALESCE(json_extract(document, '$.verified.category'), json_extract(document, '$.explanation.category'))
     FROM explanation WHERE explanation.snapshot = snapshot.id ORDER BY explanation.id DESC LIMIT 1)
FROM snapshot;
