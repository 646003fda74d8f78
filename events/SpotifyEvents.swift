private let digest = "0f343b0931126a20f133d67c2b018a3b"
private let playlist = "spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"

/// A page of a list, as a service returned it.
func page(_ kind: EventKind, stream: String, of what: String, example: (String, String))
    -> EventType
{
    EventType(
        kind, stream: stream,
        "One response of a fetch of \(what), verbatim, with a reference in each track's place. "
            + "It changes nothing until the fetch is closed.",
        [
            Field("offset", .integer(from: 0), "the first row's place in the whole list, from 0"),
            Field("payload", .payload, "the response"),
        ], example: example)
}

/// The end of a fetch of a list.
func fetched(_ kind: EventKind, stream: String, of what: String, example: (String, String))
    -> EventType
{
    EventType(
        kind, stream: stream, "A fetch of \(what) is complete; this alone changes the list.",
        [
            Field("count", .integer(from: 0), "rows in all pages"),
            Field("pages", .list(.integer(from: 1)), "the seqs of the pages, in order"),
            Field(
                "kept?", .integer(from: 0),
                "older rows that were not read again, since the service's total says they are as they were"
            ),
            Field("snapshot_id?", .text, "the service's name for this state"),
            Field("name?", .text, "the list's name there"),
            Field("description?", .text, "its description there"),
        ], example: example)
}

/// What Spotify returned.
let spotifyEvents = [
    EventType(
        .spotifyTrackObserved, stream: "spotify:<track, episode or local URI>",
        "A track as Spotify showed it, recorded when it differs from the last time.",
        [
            Field("digest", .text, "the first 16 bytes of the payload's SHA-256, in hexadecimal"),
            Field("payload", .payload, "the track object"),
        ],
        example: (
            "spotify:track:2B8geqnq9YIym0ixYn83Pd",
            #"{"digest":"\#(digest)","payload":{"album":{"name":"infinite Resonance 2","release_date":"2022-10-26"},"artists":[{"name":"fripSide"}],"duration_ms":243106,"external_ids":{"isrc":"JPQ692200301"},"id":"2B8geqnq9YIym0ixYn83Pd","name":"Red Liberation","uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"}}"#
        )),
    page(
        .spotifyPlaylistPage, stream: "spotify:playlist:<id>", of: "a playlist",
        example: (
            playlist,
            #"{"offset":0,"payload":{"items":[{"added_at":"2026-01-01T00:00:00Z","item":{"$observed":"\#(digest)","uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"}}],"total":1}}"#
        )),
    fetched(
        .spotifyPlaylistFetched, stream: "spotify:playlist:<id>", of: "a playlist",
        example: (playlist, #"{"count":0,"pages":[],"snapshot_id":"AAAAAQ"}"#)),
    page(
        .spotifyLikesPage, stream: "spotify:likes", of: "the liked tracks",
        example: (
            "spotify:likes",
            #"{"offset":0,"payload":{"items":[{"added_at":"2026-01-01T00:00:00Z","track":{"$observed":"\#(digest)","uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"}}],"total":1}}"#
        )),
    fetched(
        .spotifyLikesFetched, stream: "spotify:likes", of: "the liked tracks",
        example: ("spotify:likes", #"{"count":0,"pages":[]}"#)),
    EventType(
        .spotifyPlaylistObserved, stream: "spotify:playlist:<id>",
        "A playlist as a list of playlists showed it, recorded when it differs from the last time.",
        [
            Field("digest", .text, "the first 16 bytes of the payload's SHA-256, in hexadecimal"),
            Field("payload", .payload, "the playlist object without its rows"),
        ],
        example: (
            playlist,
            #"{"digest":"\#(digest)","payload":{"description":"","id":"37i9dQZF1DXcBWIGoYBM5M","items":{"total":1},"name":"Morning","snapshot_id":"AAAAAQ","uri":"\#(playlist)"}}"#
        )),
    page(
        .spotifyPlaylistsPage, stream: "spotify:playlists", of: "the list of playlists",
        example: (
            "spotify:playlists",
            #"{"offset":0,"payload":{"items":[{"$observed":"\#(digest)","uri":"\#(playlist)"}],"total":1}}"#
        )),
    fetched(
        .spotifyPlaylistsFetched, stream: "spotify:playlists", of: "the list of playlists",
        example: ("spotify:playlists", #"{"count":0,"pages":[]}"#)),
    page(
        .spotifyRecentPage, stream: "spotify:recent", of: "the recent plays, each a listen",
        example: (
            "spotify:recent",
            #"{"offset":0,"payload":{"items":[{"played_at":"2026-01-01T00:00:00.123Z","track":{"$observed":"\#(digest)","uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"}}]}}"#
        )),
]
