import Events
import GRDB
import JSONText
import Ledger
import Projections
import Projector
import TestSupport
import Testing

@Suite("Playlists that stand for a service's")
struct FollowTests {
    private let folder: TemporaryFolder
    private let list = StreamName(fixed: "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN")
    private let theirs = StreamName(fixed: "spotify:playlist:a")
    private let uris = (1...4).map { "spotify:track:" + String(repeating: "\($0)", count: 22) }

    init() throws { folder = try TemporaryFolder() }

    /// A page of rows, each with its day in January, and its close.
    private func fetch(_ rows: [(Int, day: Int)], page: Seq, _ more: [(String, JSON)] = [])
        -> [NewEvent]
    {
        let items: [JSON] = rows.map {
            ["added_at": .text("2024-01-0\($0.day)T00:00:00Z"), "item": ["uri": .text(uris[$0.0])]]
        }
        return [
            NewEvent(
                .spotifyPlaylistPage, on: theirs,
                ["offset": 0, "payload": ["items": .array(items)]]),
            NewEvent(
                .spotifyPlaylistFetched, on: theirs,
                .object([("count", JSON(rows.count)), ("pages", [.integer(page)])] + more)),
        ]
    }

    private func linked() throws -> Life {
        let home = try Life(folder.file("home"))
        try home.fold([
            NewEvent(
                .playlistCreated, on: list,
                ["name": "Mine", "items": [["uri": .text(uris[0])], ["uri": .text(uris[1])]]]),
            NewEvent(.playlistLinked, on: list, ["uri": .text(theirs.description)]),
        ])
        return home
    }

    /// `name|description|uri day, uri day`.
    private func record(_ home: Life) throws -> String? {
        try home.projector.read {
            try String.fetchOne(
                $0,
                sql: """
                    SELECT p.name || '|' || ifnull(p.description, '') || '|' || group_concat(
                        substr(n.uri, 15, 1) || ' ' || strftime('%d', t.added_at / 1000, 'unixepoch'))
                    FROM playlists p JOIN (SELECT * FROM playlist_tracks ORDER BY sort_key) t
                    JOIN nodes n ON n.id = t.node_id
                    """)
        }
    }

    private func value(_ home: Life, _ sql: String) throws -> DatabaseValue? {
        try home.projector.read { try DatabaseValue.fetchOne($0, sql: "SELECT " + sql) }
    }

    @Test("A linked list equals the service's record, name and times of adding included")
    func follows() throws {
        let home = try linked()

        try home.fold(
            fetch(
                [(1, 5), (0, 6), (0, 7)], page: 3,
                [("name", "Theirs"), ("description", "D"), ("snapshot_id", "S1")]))

        #expect(try record(home) == "Theirs|D|2 05,1 06,1 07")
        #expect(try value(home, "count(*) FROM playlist_names") == 2.databaseValue)
        try home.fold(
            fetch([(1, 5), (0, 8), (0, 7)], page: 5, [("name", "Theirs"), ("description", "")]))
        #expect(try record(home) == "Theirs||2 05,1 08,1 07")
        #expect(try value(home, "count(*) FROM playlist_names") == 2.databaseValue)
        let row = "snapshot_id || fetched_snapshot FROM service_playlists"
        // The last fetch did not say which state it saw.
        #expect(try value(home, row) == .null)
    }

    @Test("After a rename here it stays, until a pull or a push")
    func diverges() throws {
        let home = try linked()
        try home.fold(fetch([(0, 1)], page: 3))
        try home.fold([NewEvent(.playlistRenamed, on: list, ["name": "Ours"])])
        try home.fold(fetch([(2, 2)], page: 6, [("name", "Theirs")]))
        #expect(try record(home) == "Ours||1 01")

        try home.fold([NewEvent(.playlistPulled, on: list, [:])])
        try home.fold(fetch([(2, 2)], page: 9, [("name", "Theirs")]))
        #expect(try record(home) == "Theirs||3 02")

        try home.fold([
            NewEvent(.playlistDescribed, on: list, ["description": "D"]),
            NewEvent(.pushIntended, on: list, ["to": .text(theirs.description), "writes": 2]),
        ])
        try home.fold(
            [
                NewEvent(
                    .pushCompleted, on: list,
                    [
                        "intended": 12, "to": .text(theirs.description), "writes": 1,
                        "cannot": [],
                    ])
            ], at: 1_900_000_000_000)
        #expect(
            try value(home, "status || writes FROM outbox") == "completed1".databaseValue)
        #expect(
            try value(home, "last_synced FROM playlist_mappings")
                == 1_900_000_000_000.databaseValue)
        try home.fold(fetch([(3, 3)], page: 14), at: 1_900_000_000_000)
        #expect(try record(home) == "Theirs|D|4 03")
    }

    @Test("An intention is settled once, by its own playlist", arguments: [4, 2, 9])
    func settled(seq: Int) throws {
        let home = try linked()
        try home.fold([
            NewEvent(.pushIntended, on: list, ["to": "spotify", "writes": 2]),
            NewEvent(.pushIntended, on: list, ["to": "spotify", "writes": 2]),
            NewEvent(.pushFailed, on: list, ["intended": 4, "reason": "no"]),
        ])

        #expect(throws: FoldError.self) {
            try home.fold([
                NewEvent(.pushFailed, on: list, ["intended": JSON(seq), "reason": "no"])
            ])
        }
    }

    @Test("A playlist that the list does not name any more is unlisted; the one here stays")
    func unlisted() throws {
        let home = try linked()
        func listed(_ uris: [String], page: Int) -> [NewEvent] {
            [
                NewEvent(
                    .spotifyPlaylistsPage, on: StreamName(fixed: "spotify:playlists"),
                    [
                        "offset": 0,
                        "payload": [
                            "items": .array(uris.map { ["$observed": "d", "uri": .text($0)] })
                        ],
                    ]),
                NewEvent(
                    .spotifyPlaylistsFetched, on: StreamName(fixed: "spotify:playlists"),
                    ["count": JSON(uris.count), "pages": [JSON(page)]]),
            ]
        }
        try home.fold(
            [
                NewEvent(
                    .spotifyPlaylistObserved, on: theirs,
                    [
                        "digest": "d1",
                        "payload": ["name": "N", "owner": ["id": "me"], "tracks": ["total": 7]],
                    ])
            ] + listed([theirs.description], page: 4))
        let row = "is_listed || digest || owner || item_count FROM service_playlists"
        #expect(try value(home, row) == "1d1me7".databaseValue)

        try home.fold(listed([], page: 6))

        #expect(try value(home, row) == "0d1me7".databaseValue)
        #expect(try value(home, "count(*) FROM playlists") == 1.databaseValue)
    }

    @Test("Older likes stay when a fetch says how many it kept, and only if that is true")
    func kept() throws {
        let home = try Life(folder.file("home"))
        func loves(_ titles: [String], count: Int, kept: Int?, page: Int) -> [NewEvent] {
            let rows: [JSON] = titles.map {
                ["name": .text($0), "artist": ["name": "A"], "date": ["uts": "1700000000"]]
            }
            let more: [(String, JSON)] = kept.map { [("kept", JSON($0))] } ?? []
            let stream = StreamName(fixed: "lastfm:loves:rj")
            return [
                NewEvent(
                    .lastfmLovesPage, on: stream,
                    ["offset": 0, "payload": ["lovedtracks": ["track": .array(rows)]]]),
                NewEvent(
                    .lastfmLovesFetched, on: stream,
                    .object([("count", JSON(count)), ("pages", [JSON(page)])] + more)),
            ]
        }
        let live = "count(*) FROM likes WHERE service = 'lastfm' AND is_deleted = 0"
        try home.fold(loves(["a", "b"], count: 2, kept: nil, page: 1))
        try home.fold(loves(["c", "b"], count: 3, kept: 1, page: 3))
        #expect(try value(home, live) == 3.databaseValue)
        try home.fold(loves(["c"], count: 1, kept: nil, page: 5))
        #expect(try value(home, live) == 1.databaseValue)

        #expect(throws: FoldError.self) {
            try home.fold(loves(["d"], count: 3, kept: 2, page: 7))
        }
        // The refused page is in the log, so a number that cannot be added to needs a home of its own.
        let other = try Life(folder.file("other"))
        #expect(throws: FoldError.self) {
            try other.fold(loves(["d"], count: 1, kept: Int.max, page: 1))
        }
    }
}
