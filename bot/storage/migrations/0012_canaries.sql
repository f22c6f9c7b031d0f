CREATE TABLE canaries (                      -- every canary that was ever started
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('model', 'policies')),
    tries TEXT NOT NULL,                     -- the model's name or the version's id
    stable TEXT NOT NULL,                    -- what it is compared with, likewise
    salt TEXT NOT NULL,                      -- with it each customer has a place from 0 to 100
    stages TEXT NOT NULL,                    -- percents as a JSON list
    stage_seconds REAL                       -- NULL: goes on by hand only
);

CREATE TABLE canary_steps (                  -- what became of it; the newest one counts
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    canary_id INTEGER NOT NULL REFERENCES canaries (id),
    what TEXT NOT NULL CHECK (what IN ('stage', 'promoted', 'rolled_back', 'kept')),
    percent INTEGER NOT NULL,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    after_turn INTEGER NOT NULL              -- the turns behind this one are those of this step
);
CREATE INDEX canary_steps_canary ON canary_steps (canary_id, id);

ALTER TABLE turns ADD COLUMN variant INTEGER REFERENCES canaries (id);  -- NULL: the stable side
-- So often a model failed before the answer was there: it was asked again, or another one was.
ALTER TABLE turns ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
CREATE INDEX turns_variant ON turns (variant, id) WHERE role = 'assistant';
