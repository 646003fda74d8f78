private let track = "lastfm:track:fripSide/Red%20Liberation"
private let user = Field("user", .text, "the Last.fm user")

/// What Last.fm returned.
let lastfmEvents = [
    EventType(
        .lastfmListensPage, stream: "lastfm:listens:<user>",
        "One response of a walk through a user's scrobbles, verbatim. Its rows are listens at once.",
        [
            Field("from", .integer(from: 0), "the walk's first second, UTC"),
            Field("to", .integer(from: 0), "the walk's last second, UTC"),
            Field("page", .integer(from: 1), "the page's number; the newest scrobbles are on page 1"),
            Field("payload", .payload, "the response"),
        ],
        example: (
            "lastfm:listens:rj",
            ##"{"from":0,"to":1767225600,"page":1,"payload":{"recenttracks":{"track":[{"artist":{"#text":"fripSide"},"name":"Red Liberation","date":{"uts":"1767225500"}}],"@attr":{"user":"rj","page":"1","totalPages":"1","total":"1"}}}}"##
        )),
    EventType(
        .lastfmListensFetched, stream: "lastfm:listens:<user>",
        "A walk through a user's scrobbles is complete.",
        [
            Field("from", .integer(from: 0), "the walk's first second, UTC"),
            Field("to", .integer(from: 0), "the walk's last second, UTC"),
            Field("count", .integer(from: 0), "scrobbles in that time, as Last.fm counts them"),
        ], example: ("lastfm:listens:rj", #"{"from":0,"to":1767225600,"count":1}"#)),
    page(
        .lastfmLovesPage, stream: "lastfm:loves:<user>", of: "the loved tracks",
        example: (
            "lastfm:loves:rj",
            #"{"offset":0,"payload":{"lovedtracks":{"track":[{"artist":{"name":"fripSide"},"name":"Red Liberation","date":{"uts":"1767225500"}}]}}}"#
        )),
    fetched(
        .lastfmLovesFetched, stream: "lastfm:loves:<user>", of: "the loved tracks",
        example: ("lastfm:loves:rj", #"{"count":0,"pages":[]}"#)),
    page(
        .lastfmCountsPage, stream: "lastfm:counts:<user>", of: "a user's counts of all tracks",
        example: (
            "lastfm:counts:rj",
            #"{"offset":0,"payload":{"toptracks":{"track":[{"artist":{"name":"fripSide"},"name":"Red Liberation","playcount":"7"}]}}}"#
        )),
    fetched(
        .lastfmCountsFetched, stream: "lastfm:counts:<user>", of: "a user's counts of all tracks",
        example: ("lastfm:counts:rj", #"{"count":0,"pages":[]}"#)),
    EventType(
        .lastfmTrackObserved, stream: "lastfm:track:<artist>/<title>",
        "Last.fm's answer to a question about one track and one user's plays of it; also that it knows none.",
        [user, Field("payload", .payload, "the response, also one that says error 6")],
        example: (
            track,
            #"{"user":"rj","payload":{"track":{"artist":{"name":"fripSide"},"name":"Red Liberation","playcount":"136","url":"https://www.last.fm/music/fripSide/_/Red+Liberation","userplaycount":"7"}}}"#
        )),
]

/// What holds for every connector.
let connectorEvents = [
    EventType(
        .connectorLimited, stream: "connector:<service>",
        "A service asks to be left alone for long; nothing is sent there before that time.",
        [
            Field("until", .time, "when it may be asked again"),
            Field("status", .integer(from: 100), "the HTTP status of its answer"),
            Field("base", .text, "the base URL that answered"),
            Field("group?", .text, "the group of endpoints that is closed; else all"),
            Field("reason?", .text, "its word for it"),
        ],
        example: (
            "connector:spotify",
            #"{"until":"2026-11-23T09:00:00.000Z","status":429,"base":"https://api.spotify.com/v1","group":"me/tracks","reason":"QUOTA_EXCEEDED"}"#
        )),
    EventType(
        .matchAsserted, stream: "match:<smaller URI>|<larger URI>",
        "Two connector entities are taken for the same track, with the evidence.",
        [
            Field("uris", .list(.text), "both, the smaller one in bytes first"),
            Field("method", .word(["artist_title"]), "how it was found"),
            Field("confidence", .integer(from: 60), "60 to 75 for names alone"),
            Field("matcher", .integer(from: 1), "the matcher's version"),
            Field("evidence?", .payload, "what was compared"),
        ],
        example: (
            "match:\(track)|spotify:track:2B8geqnq9YIym0ixYn83Pd",
            #"{"uris":["\#(track)","spotify:track:2B8geqnq9YIym0ixYn83Pd"],"method":"artist_title","confidence":75,"matcher":1}"#
        )),
]
