CREATE TABLE shelf (                         -- files that went out to a door which must hand them out itself
    token TEXT PRIMARY KEY,
    platform TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    message_key TEXT NOT NULL,               -- of the message that they stand with
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    data BLOB NOT NULL,
    kept_at TEXT NOT NULL,
    UNIQUE (platform, chat_id, message_key, position)
);
