-- All costs are in nano-dollars, as they were when the turn was answered.
ALTER TABLE turns ADD COLUMN cost INTEGER;

CREATE TABLE spendings (                     -- what a turn has cost, by who is billed for it
    turn_id INTEGER NOT NULL REFERENCES turns (id),
    model TEXT NOT NULL,                     -- the name by which it was asked, NAME:MODEL
    key TEXT NOT NULL,                       -- the label of the key, which shows nothing of the key itself
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    PRIMARY KEY (turn_id, model, key)
) WITHOUT ROWID;
