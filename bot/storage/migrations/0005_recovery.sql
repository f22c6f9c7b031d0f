-- How often a start of the program has taken the turn up that begins with this message, and was then killed.
ALTER TABLE inbox ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;

-- What the reader saw above the text and the model did not say: an apology for the wait.
ALTER TABLE turns ADD COLUMN preface TEXT NOT NULL DEFAULT '';

-- When this customer was last asked to excuse a long wait: that counts for all that was written before.
ALTER TABLE conversations ADD COLUMN apologised_at TEXT;

-- Sends under this key of which nobody knows whether they were applied; one that is under way is one of them.
ALTER TABLE outbox ADD COLUMN doubts INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET doubts = 1 WHERE message_id IS NULL;
