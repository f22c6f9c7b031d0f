-- Of all tokens, those that are guessed from the text of an answer that broke off before it was counted.
ALTER TABLE spendings ADD COLUMN estimated_tokens INTEGER NOT NULL DEFAULT 0;

-- What was spent today is asked at every start, and what was done in a span by `shopdesk stats`.
CREATE INDEX turns_answered ON turns (created_at) WHERE role = 'assistant';

CREATE TABLE switches (                      -- every turn of a switch; the newest one of a name counts
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    is_on INTEGER NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    at TEXT NOT NULL
);
