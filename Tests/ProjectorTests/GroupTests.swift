import Events
import GRDB
import JSONText
import Ledger
import Projections
import Projector
import TestSupport
import Testing

@Suite("Tracks made of several connector entities")
struct GroupTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func ordered(_ uri: String) -> String {
        let kinds = ["spotify:", "mb:", "lastfm:"]
        return "\(kinds.firstIndex { uri.hasPrefix($0) } ?? 3) \(uri)"
    }

    @Test("Tracks, counts and mappings are what their groups make of them, over random lives")
    func shown() throws {
        var merged = 0
        for seed in 1...10 as ClosedRange<UInt64> {
            let (path, ledger) = try randomHome(
                seed: seed, commits: 150, in: folder, name: "home\(seed)")
            let projector = Projector(Home(path), ledger: ledger)
            _ = try projector.rebuild()
            let comment: Comment = "seed \(seed)"
            let tables = try projector.read { db in
                try [
                    "nodes", "matches", "tracks", "lastfm_counts", "play_counts", "track_mappings",
                    "members",
                ]
                .map { try Row.fetchAll(db, sql: "SELECT * FROM \($0)") }
            }
            let tracks = Dictionary(uniqueKeysWithValues: tables[2].map { ($0["id"] as Int64, $0) })
            let own = Dictionary(
                uniqueKeysWithValues: tables[6].map { ($0["node_id"] as Int64, $0) })
            let groups = Dictionary(grouping: tables[0]) { $0["track_id"] as Int64 }
            for (trackID, nodes) in groups {
                let ids = nodes.map { $0["id"] as Int64 }
                #expect(ids.min() == trackID, comment)
                let track = try #require(tracks[trackID])
                #expect(track["is_deleted"] == 0, comment)
                guard nodes.count > 1 else {
                    #expect(own[trackID] == nil, comment)
                    continue
                }
                merged += 1
                let members = nodes.sorted { ordered($0["uri"]) < ordered($1["uri"]) }
                for column in ["title", "artists", "duration_ms", "isrc", "spotify_id"] {
                    let values = members.map { own[$0["id"]]?[column] as DatabaseValue? ?? .null }
                    let first = values.first { !$0.isNull } ?? .null
                    #expect(track[column] as DatabaseValue == first, comment)
                }
                for id in ids where id != trackID {
                    #expect(tracks[id]?["is_deleted"] == 1, comment)
                    #expect((tracks[id]?["deleted_at"] as Int64?) != nil, comment)
                }
            }
            let trackOf = Dictionary(
                uniqueKeysWithValues: tables[0].map { ($0["id"] as Int64, $0["track_id"] as Int64) }
            )
            var sums: [String: [Int64]] = [:]
            for row in tables[3] {
                let key = "\(trackOf[row["node_id"]]!) \(row["user_id"] as String)"
                let old = sums[key]
                sums[key] = [
                    min(old?[0] ?? .max, row["id"]), (old?[1] ?? 0) + (row["play_count"] ?? 0),
                    (old?[2] ?? 0) + row["user_play_count"],
                    max(old?[3] ?? 0, row["last_updated"]),
                ]
            }
            let counts = tables[4].map { row in
                (
                    "\(row["track_id"] as Int64) \(row["user_id"] as String)",
                    [
                        row["id"], row["play_count"] ?? 0, row["user_play_count"],
                        row["last_updated"],
                    ]
                        as [Int64]
                )
            }
            #expect(Dictionary(uniqueKeysWithValues: counts) == sums, comment)
            for row in tables[5] {
                #expect(row["track_id"] == trackOf[row["id"]], comment)
                let group = groups[row["track_id"]]!.sorted {
                    ordered($0["uri"]) < ordered($1["uri"])
                }
                let isHead = group[0]["id"] as Int64 == row["id"]
                #expect((row["match_method"] == "direct") == isHead, comment)
            }
            // Whatever names a node names the node's track.
            for table in ["listens", "likes", "playlist_tracks"] {
                let odd = try projector.read {
                    try Int.fetchOne(
                        $0,
                        sql: """
                            SELECT count(*) FROM \(table) t JOIN nodes n ON n.id = t.node_id
                            WHERE n.track_id <> t.track_id
                            """)
                }
                #expect(odd == 0, "seed \(seed), \(table)")
            }
        }
        #expect(merged > 30)
    }

    @Test(
        "A match that is not what its type says is refused",
        arguments: [
            (
                ["lastfm:track:a/b", "spotify:track:x"], "match:lastfm:track:a/b|spotify:track:y",
                60
            ),
            (
                ["spotify:track:x", "lastfm:track:a/b"], "match:spotify:track:x|lastfm:track:a/b",
                60
            ),
            (["lastfm:track:a/b"], "match:lastfm:track:a/b|spotify:track:x", 60),
            (
                ["lastfm:track:a/b", "spotify:track:x"], "match:lastfm:track:a/b|spotify:track:x",
                101
            ),
        ])
    func refused(uris: [String], stream: String, confidence: Int) throws {
        let home = try Life(folder.file("home"))

        #expect(throws: FoldError.self) {
            try home.fold([
                NewEvent(
                    .matchAsserted, on: StreamName(stream)!,
                    [
                        "uris": .array(uris.map { .text($0) }), "method": "artist_title",
                        "confidence": JSON(confidence), "matcher": 1,
                    ])
            ])
        }
    }

    private func recording(_ mbid: String, _ title: String) -> JSON {
        [
            "id": .text(mbid), "title": .text(title), "length": 200_000, "isrcs": ["GBAAA9800001"],
            "first-release-date": "1998-04",
            "artist-credit": [
                ["name": "Björk", "joinphrase": " feat. "], ["artist": ["name": "M"]],
            ],
        ]
    }

    @Test("A match with a recording of MusicBrainz makes one track, which it names by its MBID")
    func musicbrainz() throws {
        let home = try Life(folder.file("home"))
        let mbid = "5b0fb1ac-1b0b-4c0d-a0a0-3f4e5a6b7c8d"
        let (uri, track) = ("mb:recording:" + mbid, "spotify:track:2B8geqnq9YIym0ixYn83Pd")
        try home.fold([
            NewEvent(
                .musicbrainzISRCObserved, on: StreamName(fixed: "isrc:GBAAA9800001"),
                ["by": "search", "payload": ["recordings": [recording(mbid, "Jóga")]]])
        ])
        let own = try home.projector.read {
            try Row.fetchOne(
                $0, sql: "SELECT title, artists, duration_ms, release_date, isrc FROM tracks")
        }

        try home.fold([
            NewEvent(
                .spotifyTrackObserved, on: StreamName(track)!,
                ["digest": "0f343b0931126a20f133d67c2b018a3b", "payload": ["name": "Jóga"]]),
            NewEvent(
                .matchAsserted, on: StreamName("match:\(uri)|\(track)")!,
                [
                    "uris": [.text(uri), .text(track)], "method": "isrc", "confidence": 93,
                    "matcher": 1,
                ]),
        ])

        #expect(
            own == [
                "title": "Jóga", "artists": "[\"Björk\",\"M\"]", "duration_ms": 200_000,
                "release_date": "1998-04", "isrc": "GBAAA9800001",
            ])
        let mappings = try home.projector.read {
            try Row.fetchAll(
                $0,
                sql: """
                    SELECT track_id, connector_name, connector_id, match_method, confidence
                    FROM track_mappings ORDER BY connector_name
                    """)
        }
        #expect(mappings.map { $0["connector_name"] } == ["musicbrainz", "spotify"])
        #expect(mappings[0]["connector_id"] == mbid && mappings[0]["match_method"] == "isrc")
        #expect(mappings[0]["confidence"] == 93)
        #expect(mappings[0]["track_id"] as Int64 == mappings[1]["track_id"])
    }

    @Test(
        "What MusicBrainz was asked stands in the tables, with what came: also none, also a merger")
    func asked() throws {
        let home = try Life(folder.file("home"))
        let (old, new) = (
            "0c8f1b1e-7a55-4f0e-9d0c-6a7b8c9d0e1f", "5b0fb1ac-1b0b-4c0d-a0a0-3f4e5a6b7c8d"
        )
        try home.fold([
            NewEvent(
                .musicbrainzISRCObserved, on: StreamName(fixed: "isrc:GBAAA9800009"),
                ["by": "lookup", "payload": ["error": "Not Found"]]),
            NewEvent(
                .musicbrainzRecordingObserved, on: StreamName("mb:recording:" + old)!,
                ["payload": recording(new, "Jóga")]),
            NewEvent(
                .musicbrainzRecordingObserved,
                on: StreamName(fixed: "mb:recording:00000000-0000-4000-a000-000000000009"),
                ["payload": ["error": "Not Found"]]),
        ])

        let asked = try home.projector.read {
            try Row.fetchAll($0, sql: "SELECT seq, found FROM musicbrainz_asked ORDER BY seq")
        }
        #expect(
            asked == [
                ["seq": 1, "found": "[]"], ["seq": 2, "found": "[\"mb:recording:\(new)\"]"],
                ["seq": 3, "found": "[]"],
            ])
        let recordings = try home.projector.read {
            try Row.fetchAll(
                $0,
                sql: """
                    SELECT n.uri, r.isrcs, r.merged_into FROM recordings r
                    JOIN nodes n ON n.id = r.node_id ORDER BY merged_into
                    """)
        }
        #expect(
            recordings == [
                ["uri": "mb:recording:\(new)", "isrcs": "[\"GBAAA9800001\"]", "merged_into": nil],
                [
                    "uri": "mb:recording:\(old)", "isrcs": "[]",
                    "merged_into": "mb:recording:\(new)",
                ],
            ])
    }

    @Test("Names that differ in normal form only are one entity; every entity has its own URL")
    func urls() throws {
        let home = try Life(folder.file("home"))
        let names = [
            "Beyonc\u{E9}", "Beyonce\u{301}", "a+b", "a%2Bb", "a%252Bb", "AC/DC", "Don't (x), y",
        ]
        try home.fold(
            names.map { name in
                NewEvent(
                    .lastfmTrackObserved, on: StreamName(fixed: "lastfm:track:x/y"),
                    [
                        "user": "rj",
                        "payload": ["track": ["name": .text(name), "artist": ["name": "A B"]]],
                    ])
            })
        let urls = try home.projector.read {
            try String.fetchAll($0, sql: "SELECT connector_id FROM track_mappings ORDER BY id")
        }

        #expect(
            urls.map { String($0.dropFirst("https://www.last.fm/music/A+B/_/".count)) } == [
                "Beyonc%C3%A9", "a%252Bb", "a%25252Bb", "a%2525252Bb", "AC%2FDC",
                "Don%27t+(x),+y",
            ])
    }
}

/// A home to which a test appends what it tells.
struct Life {
    let ledger: Ledger
    let projector: Projector

    init(_ path: String) throws {
        _ = try Ledger.create(path + "/ledger", id: "test")
        ledger = try Ledger(path + "/ledger")
        projector = Projector(Home(path), ledger: ledger)
    }

    /// Appends events as one commit and folds them.
    func fold(_ events: [NewEvent], at time: Milliseconds = 1_800_000_000_000) throws {
        let writer = try LedgerWriter(
            ledger, run: "01JD9V5T8Q6Z3M1K7R2W4X0YBN", clock: Clock(fixedAt: time))
        try writer.append(events)
        try writer.close()
        _ = try projector.catchUp()
    }
}
