-- One row a run. A run without `finished_at` was cut off: if it is the newest one, the next one with the same config goes on
-- with it.
CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,
    config      TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT
) STRICT;

-- What each host's robots.txt was, by origin; `rules`, `allow-all` (4xx) or `disallow-all` (5xx, unreachable).
CREATE TABLE robots (
    origin     TEXT PRIMARY KEY,
    fetched_at TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    body       BLOB NOT NULL
) STRICT;

-- Listing and product pages, and what was read from them. `recipe` names the extractor and the store's file, and what the page
-- was read as: a page that was read by another recipe is asked for whole.
CREATE TABLE pages (
    url           TEXT PRIMARY KEY,
    store         TEXT NOT NULL,
    run           INTEGER NOT NULL REFERENCES runs (id),
    fetched_at    TEXT NOT NULL,
    etag          TEXT,
    last_modified TEXT,
    sha256        TEXT NOT NULL,
    recipe        TEXT NOT NULL,
    extracted     TEXT NOT NULL
) STRICT;

-- Pictures by address: whole ones have `sha256`, the others a `cause`.
CREATE TABLE images (
    url           TEXT PRIMARY KEY,
    run           INTEGER NOT NULL REFERENCES runs (id),
    fetched_at    TEXT NOT NULL,
    etag          TEXT,
    last_modified TEXT,
    sha256        TEXT,
    extension     TEXT,
    width         INTEGER,
    height        INTEGER,
    cause         TEXT,
    detail        TEXT,
    CHECK ((sha256 IS NULL) <> (cause IS NULL))
) STRICT;

-- Every item that a listing ever named, in exactly one state. `item` is the JSON of what was read, where that was enough.
CREATE TABLE items (
    id          TEXT PRIMARY KEY,
    store       TEXT NOT NULL,
    url         TEXT NOT NULL,
    state       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    item        TEXT,
    first_run   INTEGER NOT NULL REFERENCES runs (id),
    changed_run INTEGER NOT NULL REFERENCES runs (id),
    seen_run    INTEGER NOT NULL REFERENCES runs (id),
    missed      INTEGER NOT NULL DEFAULT 0,
    missed_run  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX items_by_store ON items (store, state);

-- The pictures that an item asked for, the main one first.
CREATE TABLE item_images (
    item     TEXT NOT NULL REFERENCES items (id),
    position INTEGER NOT NULL,
    url      TEXT NOT NULL REFERENCES images (url),
    PRIMARY KEY (item, position)
) STRICT;
