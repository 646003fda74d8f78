-- Read models of the ledger. Times are milliseconds since 1970, UTC; ids are seq * 65536 + ordinal.

CREATE TABLE checkpoint(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    schema TEXT NOT NULL,               -- hash of schema and fold version
    seq INTEGER NOT NULL,               -- the last event folded in
    chain TEXT NOT NULL                 -- the log's chain there
);

-- tracks: connector entities, and the tracks they are grouped into.
CREATE TABLE nodes(
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL,                  -- spotify:track:…, text:track:…
    track_id INTEGER NOT NULL,
    rank INTEGER NOT NULL,              -- how good a source its names are from: 0 none … 3 the service
    source TEXT,                        -- the stream that told them
    digest TEXT                         -- of the payload that the service showed last
);
CREATE TABLE tracks(
    id INTEGER PRIMARY KEY,
    title TEXT,
    artists TEXT,                       -- JSON array of names
    album TEXT,
    duration_ms INTEGER,
    release_date TEXT,                  -- YYYY[-MM[-DD]]
    spotify_id TEXT,
    isrc TEXT,
    lastfm_url TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    deleted_at INTEGER
);
CREATE TABLE play_counts(
    id INTEGER PRIMARY KEY,
    track_id INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    play_count INTEGER,
    user_play_count INTEGER,
    last_updated INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    deleted_at INTEGER
);
CREATE TABLE lastfm_counts(             -- the last counts of each entity of Last.fm
    id INTEGER PRIMARY KEY,
    node_id INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    play_count INTEGER,                 -- everybody's plays
    user_play_count INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    UNIQUE (node_id, user_id)
);
CREATE TABLE lastfm_asked(              -- when Last.fm was asked about a track, whatever it answered
    uri TEXT NOT NULL,
    user_id TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    node_id INTEGER,                    -- the entity that answered; null: it knows none
    PRIMARY KEY (uri, user_id)
) WITHOUT ROWID;
CREATE TABLE matches(                   -- what is decided on pairs of nodes
    a_uri TEXT NOT NULL,                -- the smaller one in bytes
    b_uri TEXT NOT NULL,
    word TEXT,                          -- the person's: confirmed, rejected; it counts before all else
    word_at INTEGER,
    word_seq INTEGER,
    method TEXT,                        -- of the last assertion, if it was not retracted
    confidence INTEGER,
    matcher INTEGER,                    -- the matcher's version
    asserted_at INTEGER,
    asserted_seq INTEGER,
    PRIMARY KEY (a_uri, b_uri)
) WITHOUT ROWID;
CREATE TABLE members(                   -- the own facts of nodes that are one track with others
    node_id INTEGER PRIMARY KEY,
    title TEXT,
    artists TEXT,
    album TEXT,
    duration_ms INTEGER,
    release_date TEXT,
    isrc TEXT,
    spotify_id TEXT,
    lastfm_url TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE TABLE recordings(                -- what MusicBrainz tells of a recording beside what tracks hold
    node_id INTEGER PRIMARY KEY,
    isrcs TEXT NOT NULL,                -- JSON array of codes; those that its last answer named
    disambiguation TEXT,
    merged_into TEXT,                   -- the URI of the recording that answers in its place
    seq INTEGER NOT NULL                -- the event with its last answer
);
CREATE TABLE musicbrainz_asked(         -- what MusicBrainz was asked, whatever it answered
    stream TEXT PRIMARY KEY,            -- isrc:…, mb:search:…, mb:recording:…
    asked_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,               -- the event with the last answer
    found TEXT NOT NULL                 -- JSON array of the recordings' URIs, in its order
) WITHOUT ROWID;

-- mappings: what each track is called by the services.
CREATE TABLE track_mappings(
    id INTEGER PRIMARY KEY,
    track_id INTEGER NOT NULL,
    connector_name TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    match_method TEXT NOT NULL,
    confidence INTEGER NOT NULL,
    last_verified INTEGER NOT NULL,
    metadata TEXT,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    deleted_at INTEGER
);

-- playlists, likes and what was fetched when.
CREATE TABLE playlists(
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    track_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    uri TEXT NOT NULL,                  -- narada:playlist:<ulid>
    source TEXT,                        -- JSON: the imported file's playlist it stands for
    edited_seq INTEGER NOT NULL,        -- the last local edit of its rows
    synced_seq INTEGER NOT NULL,        -- the last fetch or push its rows agree with
    is_deleted INTEGER NOT NULL DEFAULT 0,
    deleted_at INTEGER
);
CREATE TABLE playlist_names(
    playlist_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,               -- from this event on
    name TEXT NOT NULL,                 -- empty: deleted
    PRIMARY KEY (playlist_id, seq)
) WITHOUT ROWID;
CREATE TABLE playlist_events(           -- the events that its past is folded from
    playlist_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    line TEXT,                          -- the event as it stands in the log, if it is short
    PRIMARY KEY (playlist_id, seq)
) WITHOUT ROWID;
CREATE TABLE playlist_mappings(
    id INTEGER PRIMARY KEY,
    playlist_id INTEGER NOT NULL,
    connector_name TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    last_synced INTEGER
);
CREATE TABLE playlist_tracks(
    id INTEGER PRIMARY KEY,
    playlist_id INTEGER NOT NULL,
    track_id INTEGER,                   -- null: the row is not available
    sort_key VARCHAR(32) NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    node_id INTEGER,
    added_at INTEGER NOT NULL
);
CREATE TABLE page_items(                -- rows of pages whose fetch is not closed yet
    page_seq INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    stream TEXT NOT NULL,
    uri TEXT,
    added_at INTEGER,
    PRIMARY KEY (page_seq, ordinal)
) WITHOUT ROWID;
CREATE TABLE likes(
    id INTEGER PRIMARY KEY,
    node_id INTEGER NOT NULL,
    track_id INTEGER NOT NULL,
    service TEXT NOT NULL,              -- spotify, lastfm
    liked_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    deleted_at INTEGER
);
CREATE TABLE fetches(
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    item_count INTEGER NOT NULL
);
CREATE TABLE outbox(                    -- effects on services
    id INTEGER PRIMARY KEY,             -- of the intention
    kind TEXT NOT NULL,                 -- push
    playlist_id INTEGER,
    target TEXT NOT NULL,               -- what is changed there, or the service where it is made
    status TEXT NOT NULL,               -- intended, completed, failed
    writes INTEGER NOT NULL,            -- calls it takes; then those it took
    reason TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE TABLE service_playlists(
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL UNIQUE,           -- spotify:playlist:…
    name TEXT,
    owner TEXT,                         -- the owner's id
    snapshot_id TEXT,                   -- the newest that was seen
    item_count INTEGER,
    description TEXT,
    is_listed INTEGER NOT NULL DEFAULT 0, -- in the last complete list of playlists
    updated_at INTEGER NOT NULL,
    fetched_snapshot TEXT,              -- the one whose rows were fetched last
    digest TEXT                         -- of the payload that the service showed last
);
CREATE TABLE limits(                    -- services that ask to be left alone
    service TEXT NOT NULL,
    base TEXT NOT NULL,                 -- the base URL that answered
    group_name TEXT NOT NULL,           -- the endpoints that are closed; empty for all
    until INTEGER NOT NULL,
    PRIMARY KEY (service, base, group_name)
) WITHOUT ROWID;
CREATE TABLE workflow_runs(
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    name TEXT,
    status TEXT NOT NULL,               -- running, finished, failed
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    playlist TEXT,                      -- the playlist that holds its result
    item_count INTEGER
);
CREATE TABLE transforms(
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    node TEXT NOT NULL,
    type TEXT NOT NULL,
    count_in INTEGER NOT NULL,
    count_out INTEGER NOT NULL,
    read_seq INTEGER NOT NULL           -- what the node saw
);

-- listens: every row of every history, with the reason why it does not count.
CREATE TABLE listens(
    id INTEGER PRIMARY KEY,
    track_id INTEGER,
    node_id INTEGER,
    listened_at INTEGER,                -- when it began
    ended_at INTEGER,
    ms_played INTEGER,                  -- null: the channel does not tell
    channel INTEGER NOT NULL,           -- its rank: 0 the extended export, 1 Last.fm, 2 ListenBrainz, 4 Spotify's recent plays
    reason TEXT,                        -- null: it counts
    title_key INTEGER,                  -- what its title is compared by
    joined_id INTEGER                   -- joined: the listen that it tells of
);
CREATE TABLE walks(                     -- walks through a user's listens, newest first
    stream TEXT PRIMARY KEY,
    from_s INTEGER NOT NULL,            -- the span of the last one, seconds since 1970
    to_s INTEGER NOT NULL,
    page_count INTEGER NOT NULL,        -- pages recorded of it; 0: it is complete
    last_page INTEGER NOT NULL,         -- of ListenBrainz's: the second before which it goes on
    through_s INTEGER                   -- the last second of the last complete one
) WITHOUT ROWID;
