/// Facts from files that services hand out on request.
let exportEvents = [
    EventType(
        .spotifyHistoryRow, stream: "export:spotify-history",
        "One row of Spotify's extended streaming history, verbatim but for private fields. "
            + "What it means is decided by the projection.",
        [
            Field("file", .text, "the export file's own name, without folders"),
            Field("row", .integer(from: 1), "the row's number in that file"),
            Field("length", .integer(from: 2), "the payload's size in bytes"),
            Field("sha256", .text, "the payload's hash"),
            Field("payload", .payload, "the row without user name, IP address and user agent"),
        ],
        example: (
            "export:spotify-history",
            #"{"file":"Streaming_History_Audio_2025_0.json","row":1,"length":287,"sha256":"e7e5b9cbd7b9d4f0ff43ee09ba9bb6dc8d0bbf7e18d24e3d53ce3a77f4b4d5b2","payload":{"ts":"2025-04-28T21:16:38Z","ms_played":193283,"master_metadata_track_name":"Red Liberation","master_metadata_album_artist_name":"fripSide","master_metadata_album_album_name":"infinite Resonance 2","spotify_track_uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd","reason_end":"trackdone"}}"#
        )),
    EventType(
        .importFinished, stream: "import:<file kind>",
        "An import came to its end; what its rows were when it did.",
        [
            Field("rows", .integer(from: 0), "rows read"),
            Field("listens", .integer(from: 0), "new rows that count"),
            Field("already", .integer(from: 0), "rows recorded before"),
            Field("skipped", .payload, "new rows that do not count, by reason"),
            Field("joined", .integer(from: 0), "listens known through another channel"),
            Field("files", .list(.text), "the files' own names, without folders"),
        ],
        example: (
            "import:spotify-history",
            #"{"rows":1,"listens":1,"already":0,"skipped":{},"joined":0,"files":["Streaming_History_Audio_2025_0.json"]}"#
        )),
]
