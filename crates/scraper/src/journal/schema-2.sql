-- What was read of each item, whatever state it ended in: title and brand, and which fields its page had, as words; NULL where
-- no page was read. A duplicate names the item that it is one with.
ALTER TABLE items ADD COLUMN title TEXT;
ALTER TABLE items ADD COLUMN brand TEXT;
ALTER TABLE items ADD COLUMN fields TEXT;
ALTER TABLE items ADD COLUMN same_as TEXT;

-- How large a page was, decoded; NULL if it was read before this was written down.
ALTER TABLE pages ADD COLUMN bytes INTEGER;

-- How a run ended, by its exit code.
ALTER TABLE runs ADD COLUMN exit_code INTEGER;

-- How full each store's fields were in the runs that drift is told by. `items` is a field too: all that were listed.
CREATE TABLE health (
    store  TEXT NOT NULL,
    run    INTEGER NOT NULL REFERENCES runs (id),
    field  TEXT NOT NULL,
    filled INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    PRIMARY KEY (store, run, field)
) STRICT;

-- How many items ended in each state, run by run.
CREATE TABLE ended (
    run   INTEGER NOT NULL REFERENCES runs (id),
    store TEXT NOT NULL,
    state TEXT NOT NULL,
    items INTEGER NOT NULL,
    PRIMARY KEY (run, store, state)
) STRICT;

-- What each store gives to the manifest: its items as of its last run without drift.
CREATE TABLE published (
    id    TEXT PRIMARY KEY,
    store TEXT NOT NULL,
    item  TEXT NOT NULL
) STRICT;
CREATE INDEX published_by_store ON published (store);
CREATE TABLE publications (
    store TEXT PRIMARY KEY,
    run   INTEGER NOT NULL REFERENCES runs (id)
) STRICT;

-- What pictures look like from far away, to find the same shot in other bytes.
CREATE TABLE fingerprints (
    sha256 TEXT PRIMARY KEY,
    print  BLOB NOT NULL
) STRICT;
