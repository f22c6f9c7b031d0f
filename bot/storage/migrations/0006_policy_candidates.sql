CREATE TABLE policy_candidates (             -- what became of each version that the prompts folder was; the newest row: of the last
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version_id TEXT NOT NULL REFERENCES policy_versions (id),
    considered_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'waiting', 'refused')),
    problems TEXT NOT NULL DEFAULT '[]'      -- JSON: file, line, reason and fix of each test that failed
);

-- A second rollback goes further back, and not to what the first one was to get rid of.
ALTER TABLE policy_activations ADD COLUMN is_rollback INTEGER NOT NULL DEFAULT 0;
