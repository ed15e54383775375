-- WebSub: who is told by our hub, and what we are told by others'. Times are seconds since 1970 in UTC.

-- Subscriptions at our hub that their callbacks have confirmed.
CREATE TABLE hub_subscription (
    id          INTEGER PRIMARY KEY,
    -- path of a feed below the site's base
    topic       TEXT NOT NULL,
    callback    TEXT NOT NULL,
    secret      TEXT,
    lease_until INTEGER NOT NULL,
    -- ETag of the revision that it was told last: any other one that is live has still to be told
    told        TEXT NOT NULL,
    -- failed tries to tell it the next one, and when it is tried again
    tries       INTEGER NOT NULL DEFAULT 0,
    due         INTEGER,
    UNIQUE (topic, callback)
);

-- Requests that were answered 202 and wait to be confirmed. A newer one for the same takes the place of an older.
CREATE TABLE hub_request (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- subscribe, unsubscribe; denied: to be told so, and nothing else
    mode       TEXT NOT NULL,
    topic      TEXT NOT NULL,
    callback   TEXT NOT NULL,
    secret     TEXT,
    lease_secs INTEGER NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,
    due        INTEGER NOT NULL,
    UNIQUE (topic, callback)
);

-- Our subscriptions at other hubs; the token is the last segment of the callback.
CREATE TABLE push (
    token  TEXT PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source (id),
    -- JSON: websub::subscriber::Subscription
    state  TEXT NOT NULL
) WITHOUT ROWID;
