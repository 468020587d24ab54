-- Who may use the dashboard. `password` is an argon2id hash in the notation of PHC.
CREATE TABLE user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'approver')),
    password TEXT NOT NULL,
    made INTEGER NOT NULL,
    changed INTEGER NOT NULL
);

-- Who is logged in. `id` is the SHA-256 of the token that the browser has: whoever reads the store cannot log in by it.
CREATE TABLE session (
    id BLOB PRIMARY KEY,
    user INTEGER NOT NULL REFERENCES user ON DELETE CASCADE,
    begun INTEGER NOT NULL,
    seen INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_user ON session (user, seen);
