-- Why an item is in state `quarantined`: two sources on its page that differ, a row a field. The page lies at
-- `quarantine/ab/<page_sha256>.html` beside the journal.
CREATE TABLE quarantine (
    item         TEXT NOT NULL,
    field        TEXT NOT NULL,
    value        TEXT NOT NULL,
    source       TEXT NOT NULL,
    other_value  TEXT NOT NULL,
    other_source TEXT NOT NULL,
    page_url     TEXT NOT NULL,
    page_sha256  TEXT NOT NULL,
    run          INTEGER NOT NULL,
    PRIMARY KEY (item, field)
) STRICT;
