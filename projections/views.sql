-- The own facts of each connector entity, whatever track it belongs to.
CREATE VIEW entities AS SELECT n.id, n.uri, n.track_id,
    iif(m.node_id IS NULL, t.title, m.title) AS title,
    iif(m.node_id IS NULL, t.artists, m.artists) AS artists,
    iif(m.node_id IS NULL, t.album, m.album) AS album,
    iif(m.node_id IS NULL, t.duration_ms, m.duration_ms) AS duration_ms,
    iif(m.node_id IS NULL, t.release_date, m.release_date) AS release_date,
    iif(m.node_id IS NULL, t.isrc, m.isrc) AS isrc
FROM nodes n JOIN tracks t ON t.id = n.id LEFT JOIN members m ON m.node_id = n.id;

-- Plays counted from listens; what Last.fm reported stands in play_counts.
CREATE VIEW listen_counts AS
SELECT track_id, count(*) AS plays, min(listened_at) AS first_played, max(listened_at) AS last_played
FROM listens WHERE reason IS NULL GROUP BY track_id;

-- A view beside each table with times shows them as ISO 8601.
CREATE VIEW tracks_iso AS SELECT
    id,
    title,
    artists,
    album,
    duration_ms,
    release_date,
    spotify_id,
    isrc,
    lastfm_url,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000, 'unixepoch') || printf('.%03dZ', created_at % 1000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000, 'unixepoch') || printf('.%03dZ', updated_at % 1000) AS updated_at,
    is_deleted,
    strftime('%Y-%m-%dT%H:%M:%S', deleted_at / 1000, 'unixepoch') || printf('.%03dZ', deleted_at % 1000) AS deleted_at
FROM tracks;
CREATE VIEW play_counts_iso AS SELECT
    id,
    track_id,
    user_id,
    play_count,
    user_play_count,
    strftime('%Y-%m-%dT%H:%M:%S', last_updated / 1000, 'unixepoch') || printf('.%03dZ', last_updated % 1000) AS last_updated,
    is_deleted,
    strftime('%Y-%m-%dT%H:%M:%S', deleted_at / 1000, 'unixepoch') || printf('.%03dZ', deleted_at % 1000) AS deleted_at
FROM play_counts;
CREATE VIEW track_mappings_iso AS SELECT
    id,
    track_id,
    connector_name,
    connector_id,
    match_method,
    confidence,
    strftime('%Y-%m-%dT%H:%M:%S', last_verified / 1000, 'unixepoch') || printf('.%03dZ', last_verified % 1000) AS last_verified,
    metadata,
    is_deleted,
    strftime('%Y-%m-%dT%H:%M:%S', deleted_at / 1000, 'unixepoch') || printf('.%03dZ', deleted_at % 1000) AS deleted_at
FROM track_mappings;
CREATE VIEW playlists_iso AS SELECT
    id,
    name,
    description,
    track_count,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000, 'unixepoch') || printf('.%03dZ', created_at % 1000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000, 'unixepoch') || printf('.%03dZ', updated_at % 1000) AS updated_at,
    uri,
    source,
    edited_seq,
    synced_seq,
    is_deleted,
    strftime('%Y-%m-%dT%H:%M:%S', deleted_at / 1000, 'unixepoch') || printf('.%03dZ', deleted_at % 1000) AS deleted_at
FROM playlists;
CREATE VIEW playlist_mappings_iso AS SELECT
    id,
    playlist_id,
    connector_name,
    connector_id,
    strftime('%Y-%m-%dT%H:%M:%S', last_synced / 1000, 'unixepoch') || printf('.%03dZ', last_synced % 1000) AS last_synced
FROM playlist_mappings;
CREATE VIEW playlist_tracks_iso AS SELECT
    id,
    playlist_id,
    track_id,
    sort_key,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000, 'unixepoch') || printf('.%03dZ', created_at % 1000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000, 'unixepoch') || printf('.%03dZ', updated_at % 1000) AS updated_at,
    node_id,
    strftime('%Y-%m-%dT%H:%M:%S', added_at / 1000, 'unixepoch') || printf('.%03dZ', added_at % 1000) AS added_at
FROM playlist_tracks;
CREATE VIEW likes_iso AS SELECT
    id,
    node_id,
    track_id,
    service,
    strftime('%Y-%m-%dT%H:%M:%S', liked_at / 1000, 'unixepoch') || printf('.%03dZ', liked_at % 1000) AS liked_at,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000, 'unixepoch') || printf('.%03dZ', created_at % 1000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000, 'unixepoch') || printf('.%03dZ', updated_at % 1000) AS updated_at,
    is_deleted,
    strftime('%Y-%m-%dT%H:%M:%S', deleted_at / 1000, 'unixepoch') || printf('.%03dZ', deleted_at % 1000) AS deleted_at
FROM likes;
CREATE VIEW fetches_iso AS SELECT
    id,
    stream,
    strftime('%Y-%m-%dT%H:%M:%S', fetched_at / 1000, 'unixepoch') || printf('.%03dZ', fetched_at % 1000) AS fetched_at,
    item_count
FROM fetches;
CREATE VIEW listens_iso AS SELECT
    id,
    track_id,
    node_id,
    strftime('%Y-%m-%dT%H:%M:%S', listened_at / 1000, 'unixepoch') || printf('.%03dZ', listened_at % 1000) AS listened_at,
    strftime('%Y-%m-%dT%H:%M:%S', ended_at / 1000, 'unixepoch') || printf('.%03dZ', ended_at % 1000) AS ended_at,
    ms_played,
    channel,
    reason,
    title_key,
    joined_id
FROM listens;
CREATE VIEW outbox_iso AS SELECT
    id,
    kind,
    playlist_id,
    target,
    status,
    writes,
    reason,
    strftime('%Y-%m-%dT%H:%M:%S', created_at / 1000, 'unixepoch') || printf('.%03dZ', created_at % 1000) AS created_at,
    strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000, 'unixepoch') || printf('.%03dZ', updated_at % 1000) AS updated_at
FROM outbox;
CREATE VIEW service_playlists_iso AS SELECT
    id,
    uri,
    name,
    owner,
    snapshot_id,
    item_count,
    description,
    is_listed,
    strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000, 'unixepoch') || printf('.%03dZ', updated_at % 1000) AS updated_at,
    fetched_snapshot,
    digest
FROM service_playlists;
CREATE VIEW limits_iso AS SELECT
    service,
    base,
    group_name,
    strftime('%Y-%m-%dT%H:%M:%S', until / 1000, 'unixepoch') || printf('.%03dZ', until % 1000) AS until
FROM limits;
CREATE VIEW workflow_runs_iso AS SELECT
    id,
    run,
    name,
    status,
    strftime('%Y-%m-%dT%H:%M:%S', started_at / 1000, 'unixepoch') || printf('.%03dZ', started_at % 1000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', finished_at / 1000, 'unixepoch') || printf('.%03dZ', finished_at % 1000) AS finished_at,
    playlist,
    item_count
FROM workflow_runs;
CREATE VIEW lastfm_counts_iso AS SELECT
    id,
    node_id,
    user_id,
    play_count,
    user_play_count,
    strftime('%Y-%m-%dT%H:%M:%S', last_updated / 1000, 'unixepoch') || printf('.%03dZ', last_updated % 1000) AS last_updated
FROM lastfm_counts;
CREATE VIEW lastfm_asked_iso AS SELECT
    uri,
    user_id,
    strftime('%Y-%m-%dT%H:%M:%S', asked_at / 1000, 'unixepoch') || printf('.%03dZ', asked_at % 1000) AS asked_at,
    node_id
FROM lastfm_asked;
CREATE VIEW matches_iso AS SELECT
    a_uri,
    b_uri,
    word,
    strftime('%Y-%m-%dT%H:%M:%S', word_at / 1000, 'unixepoch') || printf('.%03dZ', word_at % 1000) AS word_at,
    method,
    confidence,
    matcher,
    strftime('%Y-%m-%dT%H:%M:%S', asserted_at / 1000, 'unixepoch') || printf('.%03dZ', asserted_at % 1000) AS asserted_at
FROM matches;
CREATE VIEW musicbrainz_asked_iso AS SELECT
    stream,
    strftime('%Y-%m-%dT%H:%M:%S', asked_at / 1000, 'unixepoch') || printf('.%03dZ', asked_at % 1000) AS asked_at,
    seq,
    found
FROM musicbrainz_asked;
