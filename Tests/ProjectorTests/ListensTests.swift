import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector
import TestSupport
import Testing

@Suite("Listens of several channels")
struct ListensTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("A scrobble without a title is kept with its reason, in a catch-up as in a rebuild")
    func nameless() throws {
        let home = try Life(folder.file("home"))
        _ = try home.projector.rebuild()
        let page: JSON = [
            "from": 0, "to": 5, "page": 1,
            "payload": ["recenttracks": ["track": [["date": ["uts": "1700000000"]]]]],
        ]

        try home.fold([
            NewEvent(.lastfmListensPage, on: StreamName(fixed: "lastfm:listens:rj"), page)
        ])

        let reasons = try home.projector.read {
            try String.fetchAll($0, sql: "SELECT reason FROM listens")
        }
        #expect(reasons == ["no_track"])
        #expect(try home.projector.check().differing == [])
    }

    @Test("Rows are joined as the plain rule joins them, over random lives")
    func reference() throws {
        var joins = 0
        for seed in 1...10 as ClosedRange<UInt64> {
            let (path, ledger) = try randomHome(
                seed: seed, commits: 200, in: folder, name: "home\(seed)")
            let projector = Projector(Home(path), ledger: ledger)
            _ = try projector.rebuild()
            let rows = try projector.read { db in
                try Row.fetchAll(
                    db,
                    sql: """
                        SELECT id, channel, listened_at, title_key, joined_id, reason FROM listens
                        WHERE (reason IS NULL OR reason = 'joined') AND title_key IS NOT NULL
                        """)
            }
            var expected: [Int64: Int64] = [:]
            for (_, title) in Dictionary(grouping: rows, by: { $0["title_key"] as Int64 }) {
                // Each channel in turn takes, for each of its rows, the first that is free and near.
                var standing: [(start: Int64, id: Int64)] = []
                for channel in [0, 1, 2, 4] {
                    var free = standing
                    for row in title.filter({ $0["channel"] == channel }).sorted(by: {
                        ($0["listened_at"] as Int64, $0["id"] as Int64)
                            < ($1["listened_at"], $1["id"])
                    }) {
                        let start: Int64 = row["listened_at"]
                        if let found = free.firstIndex(where: { abs($0.start - start) <= 90_000 }) {
                            expected[row["id"]] = free[found].id
                            free.removeFirst(found + 1)
                        } else {
                            standing.append((start, row["id"]))
                        }
                    }
                    standing.sort { $0 < $1 }
                }
            }
            let joined = rows.filter { ($0["joined_id"] as Int64?) != nil }
            #expect(
                Dictionary(uniqueKeysWithValues: joined.map { ($0["id"], $0["joined_id"]) })
                    == expected, "seed \(seed)")
            #expect(joined.allSatisfy { $0["reason"] == "joined" }, "seed \(seed)")
            joins += joined.count
        }
        #expect(joins > 100)
    }

    @Test("Which channel came first makes no difference to the listens")
    func order() throws {
        for seed in 1...15 as ClosedRange<UInt64> {
            var life = RandomLife(seed: seed)
            let events = (0..<200).flatMap { _ in life.commit() }
            let history = events.filter { $0.type == "export.spotify_history.row" }
            let scrobbles = events.filter { $0.type == "lastfm.listens.page" }
            let recent = events.filter { $0.type == "spotify.recent.page" }
            let heard = events.filter { $0.type == "listenbrainz.listens.page" }

            let dumps = try [
                history + scrobbles + heard + recent, recent + heard + scrobbles + history,
            ]
            .enumerated()
            .map { index, events in
                let home = try Life(folder.file("\(seed)-\(index)"))
                // In two batches, so that what came first is joined anew.
                try home.fold(Array(events[..<(events.count / 2)]))
                try home.fold(Array(events[(events.count / 2)...]))
                return try home.projector.read {
                    try Row.fetchAll(
                        $0,
                        sql: """
                            SELECT n.uri, l.listened_at, l.channel, l.reason FROM listens l
                            LEFT JOIN nodes n ON n.id = l.node_id
                            WHERE l.reason IS NOT 'near_duplicate' ORDER BY 1, 2, 3, 4
                            """
                    ).map(\.description)
                }
            }

            #expect(dumps[0] == dumps[1], "seed \(seed)")
        }
    }

    // MARK: What the services really sent

    /// A recorded answer; nil where the fixtures are not beside the checkout.
    private func fixture(_ path: String) -> [UInt8]? {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
        return FileManager.default.contents(atPath: root + "/../../../shared/fixtures/" + path).map
        {
            Array($0)
        }
    }

    private func count(_ home: Life, _ sql: String) throws -> Int? {
        try home.projector.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM " + sql) }
    }

    @Test(
        "Recorded pages of Last.fm give their rows",
        arguments: [
            ("user.getRecentTracks_20.json", EventKind.lastfmListensPage, "listens", 20),
            ("user.getRecentTracks_empty_old.json", .lastfmListensPage, "listens", 0),
            ("user.getRecentTracks_extended_single_object.json", .lastfmListensPage, "listens", 1),
            ("user.getRecentTracks_nowplaying.json", .lastfmListensPage, "listens", 2),
            (
                "user.getLovedTracks_page1.json", .lastfmLovesPage, "page_items WHERE ordinal >= 0",
                5
            ),
            (
                "user.getLovedTracks_page2.json", .lastfmLovesPage, "page_items WHERE ordinal >= 0",
                3
            ),
            ("user.getTopTracks.json", .lastfmCountsPage, "play_counts", 2),
            ("track.getInfo_cher_believe.json", .lastfmTrackObserved, "play_counts", 1),
            ("track.getInfo_no_album.json", .lastfmTrackObserved, "play_counts", 1),
            ("track.getInfo_user_no_mbid.json", .lastfmTrackObserved, "play_counts", 1),
            ("error_6_track_not_found.json", .lastfmTrackObserved, "play_counts", 0),
        ])
    func lastfm(name: String, kind: EventKind, table: String, rows: Int) throws {
        guard let payload = fixture("lastfm/" + name) else { return }
        let home = try Life(folder.file("home"))
        let more: [(String, JSON)] =
            switch kind {
            case .lastfmListensPage: [("from", 0), ("to", 1), ("page", 1)]
            case .lastfmTrackObserved: [("user", "rj")]
            default: [("offset", 0)]
            }
        let stream =
            kind == .lastfmTrackObserved
            ? "lastfm:track:x/y" : Catalogue.type(kind).streamPrefix + "rj"
        var compact: [UInt8] = []
        payload.withUnsafeBufferPointer { appendCompact(JSONValue($0), to: &compact) }

        try home.fold([
            NewEvent(kind, on: StreamName(stream)!, .object(more + [("payload", .raw(compact))]))
        ])

        #expect(try count(home, table) == rows)
        #expect(try count(home, "listens WHERE node_id IS NULL") == 0)
        let asked = kind == .lastfmTrackObserved ? 1 : 0
        #expect(try count(home, "lastfm_asked") == asked)
    }

    @Test(
        "Recorded pages of Spotify give their rows",
        arguments: [
            ("recently_played_20.json", EventKind.spotifyRecentPage, "listens"),
            ("liked_tracks_page.json", .spotifyLikesPage, "page_items WHERE ordinal >= 0"),
            ("devmode_liked_tracks_page.json", .spotifyLikesPage, "page_items WHERE ordinal >= 0"),
            (
                "playlist_items_40_tracks_legacy.json", .spotifyPlaylistPage,
                "page_items WHERE ordinal >= 0"
            ),
            (
                "playlist_items_null_track.json", .spotifyPlaylistPage,
                "page_items WHERE ordinal >= 0"
            ),
            (
                "playlist_items_both_keys.json", .spotifyPlaylistPage,
                "page_items WHERE ordinal >= 0"
            ),
            (
                "playlist_items_local_files.json", .spotifyPlaylistPage,
                "page_items WHERE ordinal >= 0"
            ),
            (
                "devmode_mixed_playlist_items.json", .spotifyPlaylistPage,
                "page_items WHERE ordinal >= 0"
            ),
            (
                "my_playlists_null_row_2024.json", .spotifyPlaylistsPage,
                "page_items WHERE ordinal >= 0"
            ),
            ("my_playlists_legacy.json", .spotifyPlaylistsPage, "page_items WHERE ordinal >= 0"),
        ])
    func spotify(name: String, kind: EventKind, table: String) throws {
        guard let payload = fixture("spotify/" + name) else { return }
        let home = try Life(folder.file("home"))
        let prefix = Catalogue.type(kind).streamPrefix
        let stream = prefix + (prefix.hasSuffix(":") ? "x" : "")
        var compact: [UInt8] = []
        payload.withUnsafeBufferPointer { appendCompact(JSONValue($0), to: &compact) }
        let rows = payload.withUnsafeBufferPointer { JSONValue($0)["items"]?.elements.count ?? 0 }
        #expect(rows > 0)

        try home.fold([
            NewEvent(kind, on: StreamName(stream)!, ["offset": 0, "payload": .raw(compact)])
        ])

        #expect(try count(home, table) == rows)
        if kind == .spotifyRecentPage {
            #expect(
                try count(
                    home,
                    "listens WHERE reason IS NULL AND title_key IS NOT NULL "
                        + "AND listened_at < ended_at") == rows)
        }
    }

    /// Every track inside a value, however deep, by its URI; of several the last one.
    private func tracks(in value: JSONValue, _ found: inout [String: [UInt8]]) {
        if let uri = value["uri"]?.text, uri.hasPrefix("spotify:track:"), value["name"] != nil {
            var compact: [UInt8] = []
            appendCompact(value, to: &compact)
            found[uri] = compact
        }
        value.members { _, member in
            tracks(in: member, &found)
            return true
        }
        value.elements { tracks(in: $0, &found) }
    }

    @Test(
        "Every track in any recorded answer of Spotify, old or new, keeps its names, length and code"
    )
    func everyTrack() throws {
        let folders = #filePath + "/../../../../shared/fixtures/spotify"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folders)) ?? []
        var count = 0
        for name in names.sorted() where name.hasSuffix(".json") {
            var found: [String: [UInt8]] = [:]
            fixture("spotify/" + name)?.withUnsafeBufferPointer {
                tracks(in: JSONValue($0), &found)
            }
            guard !found.isEmpty else { continue }
            count += found.count
            let home = try Life(folder.file(name))
            try home.fold(
                found.sorted { $0.key < $1.key }.map { uri, payload in
                    NewEvent(
                        .spotifyTrackObserved, on: StreamName(uri)!,
                        ["digest": "0f343b0931126a20f133d67c2b018a3b", "payload": .raw(payload)])
                })
            let told = try home.projector.read {
                try Row.fetchAll(
                    $0, sql: "SELECT uri, title, artists, duration_ms, isrc FROM entities")
            }
            #expect(told.count == found.count, "\(name)")
            for row in told {
                let payload = try #require(found[row["uri"]])
                let (title, artists, length, isrc) = payload.withUnsafeBufferPointer {
                    let track = JSONValue($0)
                    return (
                        track["name"]?.text,
                        (track["artists"]?.elements ?? []).compactMap { $0["name"]?.text },
                        track["duration_ms"]?.integer,
                        track["external_ids"]?["isrc"]?.text?.uppercased()
                    )
                }
                #expect(row["title"] == title, "\(name)")
                #expect(row["duration_ms"] == length && row["isrc"] == isrc, "\(name)")
                let kept = try JSONSerialization.jsonObject(
                    with: Data((row["artists"] as String? ?? "[]").utf8))
                #expect(kept as? [String] == artists, "\(name)")
            }
        }
        #expect(names.isEmpty || count > 100)
    }

    @Test(
        "Recorded pages of ListenBrainz give their rows, each of the entity that its sender named")
    func listenbrainz() throws {
        for (name, rows) in [
            ("listens_page_three", 3), ("listens_page_mapped", nil), ("listens_page_empty", 0),
        ] {
            guard let payload = fixture("listenbrainz/\(name).json") else { return }
            let home = try Life(folder.file(name))
            var compact: [UInt8] = []
            payload.withUnsafeBufferPointer { appendCompact(JSONValue($0), to: &compact) }
            let all = payload.withUnsafeBufferPointer {
                JSONValue($0)["payload"]?["listens"]?.elements.count
            }

            try home.fold([
                NewEvent(
                    .listenbrainzListensPage, on: StreamName(fixed: "listenbrainz:listens:rj"),
                    ["from": 0, "to": 1, "before": 2, "payload": .raw(compact)])
            ])

            #expect(try count(home, "listens WHERE channel = 2 AND reason IS NULL") == rows ?? all)
            #expect(try count(home, "listens WHERE node_id IS NULL OR title_key IS NULL") == 0)
            if rows == 3 {
                let named = try home.projector.read {
                    try String.fetchAll(
                        $0,
                        sql: """
                            SELECT substr(n.uri, 1, 12) FROM listens l JOIN nodes n ON n.id = l.node_id
                            ORDER BY l.listened_at DESC
                            """)
                }
                #expect(named == ["spotify:trac", "text:track:A", "spotify:trac"])
            }
        }
    }

    @Test("A scrobble that is fetched again, in whatever page, is one listen")
    func again() throws {
        let home = try Life(folder.file("home"))
        func page(_ times: [Int]) -> NewEvent {
            NewEvent(
                .lastfmListensPage, on: StreamName(fixed: "lastfm:listens:rj"),
                [
                    "from": 0, "to": 1, "page": 1,
                    "payload": [
                        "recenttracks": [
                            "track": .array(
                                times.map {
                                    [
                                        "name": "T", "artist": ["#text": "A"],
                                        "date": ["uts": .text("\($0)")],
                                    ]
                                })
                        ]
                    ],
                ])
        }
        let first = 1_700_000_000
        try home.fold([page([first, first + 500]), page([first + 500, first + 900])])
        try home.fold([page([first, first + 900, first + 1000, 5])])

        #expect(try count(home, "listens") == 5)
        #expect(try count(home, "listens WHERE reason = 'bad_time'") == 1)
        _ = try home.projector.rebuild()
        #expect(try home.projector.check().differing.isEmpty)
        #expect(try count(home, "listens") == 5)
    }
}
