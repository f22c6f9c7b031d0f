CREATE TABLE bookmarks (                     -- how far a door has read that must ask for what it missed
    platform TEXT NOT NULL,
    place TEXT NOT NULL,
    mark TEXT NOT NULL,
    PRIMARY KEY (platform, place)
) WITHOUT ROWID;
