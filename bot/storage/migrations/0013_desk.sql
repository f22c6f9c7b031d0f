CREATE TABLE posts (                         -- where the cases of a conversation are worked on
    conversation_id INTEGER PRIMARY KEY REFERENCES conversations (id),
    platform TEXT,
    chat_id TEXT,                            -- NULL: the post was deleted, another one is to be opened
    card_id TEXT,
    lost INTEGER NOT NULL DEFAULT 0,         -- so many posts of this conversation were deleted
    UNIQUE (platform, chat_id)
);

CREATE TABLE cases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'human', 'resolved')),
    reason TEXT NOT NULL,
    summary TEXT NOT NULL DEFAULT '',
    opened_at TEXT NOT NULL,
    taken_by TEXT,                           -- the platform's id of a person
    taken_name TEXT,
    taken_at TEXT,
    first_reply_at TEXT,
    last_words_at TEXT,                      -- when customer or staff wrote last
    resolved_at TEXT,
    resolved_by TEXT,                        -- the id of a person; 'quiet'; 'customer'
    snoozed_until TEXT,
    close_at TEXT,
    reopened INTEGER NOT NULL DEFAULT 0,
    labels TEXT NOT NULL DEFAULT '[]',       -- JSON
    is_told INTEGER NOT NULL DEFAULT 0,      -- the customer knows that what he writes is passed on
    changes INTEGER NOT NULL DEFAULT 1,      -- rises with whatever a card shows
    shown INTEGER NOT NULL DEFAULT 0         -- the `changes` that the card in the post shows
);
CREATE UNIQUE INDEX cases_open ON cases (conversation_id) WHERE state <> 'resolved';
CREATE INDEX cases_conversation ON cases (conversation_id, id);
CREATE INDEX cases_to_show ON cases (conversation_id) WHERE shown < changes;

CREATE TABLE desk_actions (                  -- the audit record: who did what, and when
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    action_id TEXT NOT NULL UNIQUE,          -- one that is delivered twice is done once
    case_id INTEGER REFERENCES cases (id),
    kind TEXT NOT NULL,
    person_id TEXT NOT NULL,
    person_name TEXT NOT NULL,
    argument TEXT NOT NULL DEFAULT '',
    done_at TEXT NOT NULL
);

CREATE TABLE errands (                       -- what is still to be shown at the desk, or told to the customer
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    case_id INTEGER REFERENCES cases (id),
    kind TEXT NOT NULL CHECK (kind IN ('message', 'edit', 'deletion', 'words', 'mark', 'tell')),
    about INTEGER,                           -- the inbox id that it is about
    inbox_ids TEXT NOT NULL DEFAULT '[]',    -- JSON: the messages that are shown as one
    author TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '',
    done_at TEXT
);
CREATE INDEX errands_open ON errands (conversation_id, id) WHERE done_at IS NULL;
CREATE INDEX errands_about ON errands (about);

CREATE TABLE relayed (                       -- which message shows which on the other side
    inbox_id INTEGER NOT NULL REFERENCES inbox (id),
    part INTEGER NOT NULL,                   -- those from 1000 on are its files
    platform TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    thread_id TEXT NOT NULL DEFAULT '',
    message_id TEXT NOT NULL,
    PRIMARY KEY (inbox_id, part)
) WITHOUT ROWID;
CREATE INDEX relayed_message ON relayed (platform, chat_id, message_id);

ALTER TABLE inbox ADD COLUMN is_deleted INTEGER NOT NULL DEFAULT 0;  -- says that the message `corrects` was deleted
ALTER TABLE inbox ADD COLUMN corrects INTEGER REFERENCES inbox (id);
ALTER TABLE inbox ADD COLUMN hangs_on TEXT;
CREATE INDEX inbox_corrects ON inbox (corrects) WHERE corrects IS NOT NULL;
ALTER TABLE conversations ADD COLUMN blocked_at TEXT;
