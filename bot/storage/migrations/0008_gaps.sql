CREATE TABLE gaps (                          -- what customers asked and no policy answers
    turn_id INTEGER PRIMARY KEY REFERENCES turns (id), -- our answer, which cited nothing
    question TEXT NOT NULL,
    nearest TEXT NOT NULL DEFAULT '[]'       -- JSON: ids of the sections that came nearest, best first
);

-- Which answers relied on a section is asked when a policy turns out to be wrong.
CREATE INDEX turn_sources_section ON turn_sources (section_id);
