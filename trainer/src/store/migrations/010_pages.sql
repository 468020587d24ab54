-- What pages of clients filter by stands in the indices that they are sorted by, so that a filter that few clients pass
-- reads no row of the others.
DROP INDEX client_last;
DROP INDEX client_score;
DROP INDEX client_requests;
DROP INDEX client_network;
CREATE INDEX client_last ON client (last, id, zone, severity, class, conflict);
CREATE INDEX client_score ON client (COALESCE(score, -1), id, zone, severity, class, conflict);
CREATE INDEX client_requests ON client (requests, id, last, zone, severity, class, conflict);
-- The load of networks is added up from this index alone.
CREATE INDEX client_network ON client (network, last, id, zone, severity, requests);

-- The newest sample with a score of each client, beside each other: what a client is compared with is read from here
-- and not from all over the samples.
CREATE TABLE newest (
    client INTEGER PRIMARY KEY REFERENCES client ON DELETE CASCADE,
    sample INTEGER NOT NULL UNIQUE REFERENCES sample ON DELETE CASCADE,
    aged INTEGER NOT NULL,
    schema TEXT NOT NULL,
    digest BLOB NOT NULL,
    features BLOB NOT NULL
);
INSERT INTO newest (client, sample, aged, schema, digest, features)
SELECT client.id, seq, aged, schema, digest, features
FROM client JOIN sample ON sample.seq = (SELECT seq FROM sample
    WHERE client = client.id AND score IS NOT NULL ORDER BY aged DESC LIMIT 1);

-- A client whose verdicts were all ALLOWED was said to have passed.
UPDATE client SET worst = 'ALLOWED' WHERE severity = 0 AND samples > 0;

CREATE INDEX explanation_snapshot ON explanation (snapshot, id);
