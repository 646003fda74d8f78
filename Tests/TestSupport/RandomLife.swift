import Events
import GRDB
import JSONText
package import Ledger
import Projections

/// Commits of every kind of event that folds, in an order that could have been: seeded, small and dense.
package struct RandomLife {
    private var random: SplitMix64
    private var seq: Seq = 0
    private var sizes: [(stream: StreamName, count: Int)] = []
    private var links: [StreamName: StreamName] = [:]
    private var rows: [[(String, JSON)]] = []
    /// Linked lists that may have followed a fetch, so that nobody knows their rows.
    private var followers: [StreamName] = []
    private var intentions: [(stream: StreamName, seq: Seq)] = []
    private var loves: Set<String> = []
    private var listensPage: NewEvent?

    package init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }
    private func track(_ index: Int) -> String {
        index == 0
            ? "text:track:Nobody/Untitled%20\(index)"
            : "spotify:track:" + String(repeating: "0", count: 20) + String(index + 10)
    }

    /// The next commit.
    package mutating func commit() -> [NewEvent] {
        let events: [NewEvent]
        switch number(0...22) {
        case 0...3: events = (0..<number(1...8)).map { _ in row() }
        case 4: events = [observation()]
        case 5, 6: events = [sizes.count < 4 ? created() : edit()]
        case 7 where !sizes.isEmpty: events = [edit(), edit()]
        case 8, 9: events = fetch(likes: false)
        case 10: events = [playlistObserved(), playlistObserved()] + playlistsFetch()
        case 11: events = [recentPage()]
        case 12, 13: events = [listens()]
        case 14: events = lovesFetch()
        case 15: events = [number(0...2) == 0 ? countsPage() : trackAnswer(), trackAnswer()]
        case 16: events = [match(), match()]
        case 17, 18: events = [sync()]
        case 19: events = [small(0), small(1), small(2)]
        case 20: events = [heard()]
        case 21: events = [recordings(), recordings()]
        default: events = fetch(likes: true)
        }
        seq += Seq(events.count)
        return events
    }

    private mutating func row() -> NewEvent {
        var fields: [(String, JSON)]
        if let old = rows.randomElement(using: &random), number(0...3) == 0 {
            // The same play once more, a second or two apart, or at the very same time.
            fields = old.map { name, value in
                guard name == "ts", case .text(let text) = value, let time = ISOTime.parse(text)
                else { return (name, value) }
                return (
                    name, .text(ISOTime.text(time + Int64(number(-3...3)) * 1000, fraction: false))
                )
            }
        } else {
            let end = 1_500_000_000_000 + Int64(number(0...5000)) * 1000
            fields = [
                ("ts", .text(ISOTime.text(end, fraction: false))),
                ("ms_played", JSON([12_000, 45_000, 200_000, 250_000][number(0...3)])),
                ("master_metadata_track_name", .text("Title \(number(0...3))")),
                ("master_metadata_album_artist_name", "Artist"),
                ("spotify_track_uri", number(0...9) == 0 ? nil : .text(track(number(1...12)))),
                ("reason_end", number(0...1) == 0 ? "trackdone" : "fwdbtn"),
                ("skipped", number(0...1) == 0 ? nil : true),
                ("incognito_mode", .bool(number(0...9) == 0)),
            ]
        }
        rows.append(fields)
        return NewEvent(
            .spotifyHistoryRow, on: StreamName(fixed: "export:spotify-history"),
            [
                "file": "endsong_0.json", "row": 1, "length": 2, "sha256": "",
                "payload": .object(fields),
            ])
    }

    private mutating func observation() -> NewEvent {
        let uri = track(number(1...12))
        return NewEvent(
            .spotifyTrackObserved, on: StreamName(uri)!,
            [
                "digest": "",
                "payload": [
                    "name": .text("Title \(number(0...3))"),
                    "artists": [["name": .text("Ärtist \"\(number(0...9))\"")]],
                    "duration_ms": JSON(number(1...300_000)),
                    "external_ids": ["isrc": "qz1234567890"],
                ],
            ])
    }

    private mutating func items() -> [JSON] {
        (0..<number(1...5)).map { _ in
            ["uri": number(0...9) == 0 ? nil : .text(track(number(0...12)))]
        }
    }

    private mutating func created() -> NewEvent {
        let stream = StreamName(
            "narada:playlist:\(ULID(at: 1_700_000_000_000 + seq, using: &random))")!
        let rows = items()
        sizes.append((stream, rows.count))
        return NewEvent(
            .playlistCreated, on: stream,
            ["name": .text("List \(sizes.count % 3)"), "items": .array(rows)])
    }

    private mutating func edit() -> NewEvent {
        let index = number(0...sizes.count - 1)
        let (stream, count) = sizes[index]
        switch number(0...7) {
        case 0:
            return NewEvent(.playlistRenamed, on: stream, ["name": .text("List \(number(0...5))")])
        case 1:
            return NewEvent(
                .playlistDescribed, on: stream, ["description": .text("\(number(0...5))")])
        case 2 where links[stream] == nil:
            let connector = StreamName("spotify:playlist:" + stream.description.suffix(8))!
            links[stream] = connector
            return NewEvent(.playlistLinked, on: stream, ["uri": .text(connector.description)])
        case 3 where count > 1:
            let positions = Set((0..<number(1...3)).map { _ in number(1...count) }).sorted()
            sizes[index].count -= positions.count
            return NewEvent(
                .playlistEdited, on: stream,
                ["op": "remove", "positions": .array(positions.map { JSON($0) })])
        case 4 where count > 2:
            let block = number(1...count - 1)
            return NewEvent(
                .playlistEdited, on: stream,
                [
                    "op": "move", "from": JSON(number(1...count - block + 1)), "count": JSON(block),
                    "to": JSON(number(1...count - block + 1)),
                ])
        case 5:
            let rows = items() + items()
            sizes[index].count = rows.count
            return NewEvent(.playlistRestored, on: stream, ["as_of": 1, "items": .array(rows)])
        default:
            let rows = items()
            sizes[index].count += rows.count
            return NewEvent(
                .playlistEdited, on: stream,
                ["op": "add", "at": JSON(number(1...count + 1)), "items": .array(rows)])
        }
    }

    /// Pages and their close; sometimes nobody closes them.
    private mutating func fetch(likes: Bool) -> [NewEvent] {
        let list = likes ? nil : (sizes.map(\.stream) + followers).randomElement(using: &random)
        let stream =
            list.flatMap { links[$0] } ?? StreamName(
                likes ? "spotify:likes" : "spotify:playlist:other")!
        var pages: [NewEvent] = []
        var count = 0
        for _ in 0..<number(1...2) {
            let rows = items().map { item -> JSON in
                guard case .object(let fields) = item else { return nil }
                return [
                    "added_at": .text("2024-01-0\(number(1...3))T00:00:00Z"),
                    (likes ? "track" : "item"): fields[0].1.text == "null" ? nil : item,
                ]
            }
            count += rows.count
            pages.append(
                NewEvent(
                    likes ? .spotifyLikesPage : .spotifyPlaylistPage, on: stream,
                    ["offset": 0, "payload": ["items": .array(rows)]]))
        }
        guard number(0...3) > 0 else { return pages }
        let seqs = pages.indices.map { JSON(seq + Seq($0) + 1) }
        pages.append(
            NewEvent(
                likes ? .spotifyLikesFetched : .spotifyPlaylistFetched, on: stream,
                .object(
                    [("count", JSON(count)), ("pages", .array(seqs))]
                        + (likes || number(0...1) == 0
                            ? []
                            : [
                                ("name", .text("List \(number(0...5))")),
                                ("snapshot_id", .text("S\(number(0...3))")),
                                ("description", number(0...1) == 0 ? "" : "Theirs"),
                            ]))))
        // A linked list may have followed or not; nobody edits it by position from here on.
        if let list, links[list] != nil, sizes.contains(where: { $0.stream == list }) {
            sizes.removeAll { $0.stream == list }
            followers.append(list)
        }
        return pages
    }

    // MARK: What other connectors and commands tell

    private mutating func connectorPlaylist() -> StreamName {
        links.values.sorted { $0.description < $1.description }.randomElement(using: &random)
            ?? StreamName(fixed: "spotify:playlist:other")
    }

    private mutating func playlistObserved() -> NewEvent {
        let stream = connectorPlaylist()
        return NewEvent(
            .spotifyPlaylistObserved, on: stream,
            [
                "digest": .text("d\(number(0...99))"),
                "payload": [
                    "name": .text("List \(number(0...5))"), "owner": ["id": "me"],
                    "snapshot_id": .text("S\(number(0...3))"), "description": nil,
                    (number(0...1) == 0 ? "items" : "tracks"): ["total": JSON(number(0...9))],
                ],
            ])
    }

    private mutating func playlistsFetch() -> [NewEvent] {
        let rows: [JSON] = (0..<number(0...3)).map { _ in
            number(0...5) == 0
                ? nil : ["$observed": "00", "uri": .text(connectorPlaylist().description)]
        }
        let stream = StreamName(fixed: "spotify:playlists")
        return [
            NewEvent(
                .spotifyPlaylistsPage, on: stream,
                ["offset": 0, "payload": ["items": .array(rows)]]
            ),
            NewEvent(
                .spotifyPlaylistsFetched, on: stream,
                ["count": JSON(rows.count), "pages": [.integer(seq + 3)]]),
        ]
    }

    private mutating func recentPage() -> NewEvent {
        let rows: [JSON] = (0..<number(1...3)).map { _ in
            let time = 1_500_000_000_000 + Int64(number(0...5000)) * 1000
            var track: [(String, JSON)] = [("uri", .text(track(number(1...12))))]
            if number(0...1) == 0 {
                track.append(("name", .text("Title \(number(0...3))")))
                track.append(("duration_ms", JSON(number(100...300) * 1000)))
            } else {
                track.append(("$observed", "00"))
            }
            return ["played_at": .text(ISOTime.text(time)), "track": .object(track)]
        }
        return NewEvent(
            .spotifyRecentPage, on: StreamName(fixed: "spotify:recent"),
            ["offset": 0, "payload": ["items": .array(rows)]])
    }

    /// A track as Last.fm names it; the titles are those of the histories in other spellings too.
    private mutating func lastfmTrack() -> (artist: String, title: String) {
        let title = number(0...3)
        return (
            "Artist \(number(0...1))",
            ["Title \(title)", "TITLE \(title)", "Tïtle, \(title)"][number(0...2)]
        )
    }

    /// As the folds name a track of Last.fm.
    private func uri(_ track: (artist: String, title: String)) -> String {
        TextURI(lastfm: track.artist, title: track.title).uri
    }

    /// An array, one object for one row, or nothing at all.
    private mutating func rowList(_ rows: [JSON]) -> JSON {
        rows.count == 1 && number(0...1) == 0 ? rows[0] : rows.isEmpty ? "" : .array(rows)
    }

    private mutating func listens() -> NewEvent {
        if let listensPage, number(0...3) == 0 { return listensPage }
        if number(0...5) == 0 {
            return NewEvent(
                .lastfmListensFetched, on: StreamName(fixed: "lastfm:listens:rj"),
                ["from": 0, "to": 5, "count": 7])
        }
        let rows: [JSON] = (0..<number(0...4)).map { index in
            let track = lastfmTrack()
            let artist = number(0...1) == 0 ? "#text" : "name"
            let names: [(String, JSON)] = [
                ("name", .text(track.title)), ("artist", [artist: .text(track.artist)]),
            ]
            let uts = number(0...19) == 0 ? 0 : 1_500_000_000 + number(-200...5000)
            return .object(
                names
                    + (index == 0 && number(0...3) == 0
                        ? [("@attr", ["nowplaying": "true"])]
                        : [("date", ["uts": number(0...1) == 0 ? JSON(uts) : .text("\(uts)")])]))
        }
        let event = NewEvent(
            .lastfmListensPage, on: StreamName(fixed: "lastfm:listens:rj"),
            [
                "from": 0, "to": 5, "page": 1,
                "payload": ["recenttracks": ["track": rowList(rows)]],
            ])
        listensPage = event
        return event
    }

    private mutating func heard() -> NewEvent {
        let stream = StreamName(fixed: "listenbrainz:listens:rj")
        if number(0...5) == 0 {
            return NewEvent(
                .listenbrainzListensFetched, on: stream, ["from": 0, "to": 5, "count": 7])
        }
        let rows: [JSON] = (0..<number(0...4)).map { _ in
            let title = number(0...3)
            let info: JSON =
                switch number(0...3) {
                case 0:
                    [
                        "spotify_id": .text(
                            "https://open.spotify.com/"
                                + track(number(1...12)).dropFirst(8).replacing(":", with: "/"))
                    ]
                case 1: ["recording_mbid": .text(mbid(number(0...5)))]
                default: [:]
                }
            return [
                "listened_at": JSON(1_500_000_000 + number(-200...5000)),
                "recording_msid": .text("m\(title)"),
                "track_metadata": [
                    "artist_name": "Artist 1", "track_name": .text("Title \(title)"),
                    "additional_info": info,
                ],
            ]
        }
        return NewEvent(
            .listenbrainzListensPage, on: stream,
            [
                "from": 0, "to": 5, "before": 6,
                "payload": ["payload": ["listens": .array(rows)]],
            ])
    }

    private func mbid(_ number: Int) -> String { "00000000-0000-4000-a000-00000000000\(number)" }

    /// MusicBrainz's answer about an ISRC, names or an MBID, which may have been merged or be unknown.
    private mutating func recordings() -> NewEvent {
        let rows: [JSON] = (0..<number(0...2)).map { _ in
            [
                "id": .text(mbid(number(0...5))), "title": .text("Title \(number(0...3))"),
                "length": number(0...2) == 0 ? nil : JSON(number(1...300) * 1000),
                "artist-credit": [["name": .text("Artist \(number(0...1))"), "joinphrase": ""]],
                "isrcs": .array((0..<number(0...2)).map { .text("QZ12345678\($0)0") }),
                "disambiguation": number(0...2) == 0 ? "live" : "",
            ]
        }
        let none: JSON = ["error": "Not Found"]
        switch number(0...2) {
        case 0:
            return NewEvent(
                .musicbrainzISRCObserved, on: StreamName("isrc:QZ123456780\(number(0...3))")!,
                ["by": "search", "payload": ["recordings": .array(rows)]])
        case 1:
            return NewEvent(
                .musicbrainzSearchObserved, on: StreamName("mb:search:A/\(number(0...3))")!,
                ["query": "x", "payload": ["count": JSON(rows.count), "recordings": .array(rows)]])
        default:
            return NewEvent(
                .musicbrainzRecordingObserved,
                on: StreamName("mb:recording:" + mbid(number(0...5)))!,
                ["payload": rows.first ?? none])
        }
    }

    private mutating func lovesFetch() -> [NewEvent] {
        let stream = StreamName(fixed: "lastfm:loves:rj")
        let tracks = (0..<number(0...3)).map { _ in lastfmTrack() }
        let rows: [JSON] = tracks.map {
            [
                "name": .text($0.title), "artist": ["name": .text($0.artist)],
                "date": ["uts": .text("\(number(1...9))")],
            ]
        }
        let named = Set(tracks.map(uri))
        let kept = loves.subtracting(named).count
        let keeps = number(0...1) == 0
        loves = keeps ? loves.union(named) : named
        return [
            NewEvent(
                .lastfmLovesPage, on: stream,
                ["offset": 0, "payload": ["lovedtracks": ["track": rowList(rows)]]]),
            NewEvent(
                .lastfmLovesFetched, on: stream,
                .object(
                    [
                        ("count", JSON(rows.count + (keeps ? kept : 0))),
                        ("pages", [.integer(seq + 1)]),
                    ] + (keeps ? [("kept", JSON(kept))] : []))),
        ]
    }

    private mutating func countsPage() -> NewEvent {
        let rows: [JSON] = (0..<number(0...3)).map { _ in
            let track = lastfmTrack()
            return [
                "name": .text(track.title), "artist": ["name": .text(track.artist)],
                "playcount": .text("\(number(0...99))"),
            ]
        }
        return NewEvent(
            .lastfmCountsPage, on: StreamName(fixed: "lastfm:counts:rj"),
            ["offset": 0, "payload": ["toptracks": ["track": rowList(rows)]]])
    }

    private mutating func trackAnswer() -> NewEvent {
        let asked = lastfmTrack()
        let answered = number(0...3) == 0 ? lastfmTrack() : asked
        let track: JSON = .object(
            [
                ("name", .text(answered.title)), ("artist", ["name": .text(answered.artist)]),
                ("playcount", number(0...1) == 0 ? "136" : JSON(number(0...999))),
            ] + (number(0...2) == 0 ? [] : [("userplaycount", .text("\(number(0...99))"))]))
        return NewEvent(
            .lastfmTrackObserved, on: StreamName(uri(asked))!,
            [
                "user": number(0...4) == 0 ? "other" : "rj",
                "payload": number(0...4) == 0 ? ["error": 6, "message": "no"] : ["track": track],
            ])
    }

    /// A decision on two entities, some of which nothing else ever names.
    private mutating func match() -> NewEvent {
        func entity() -> String {
            switch number(0...6) {
            case 0: track(0)
            case 1...3: uri(lastfmTrack())
            case 4: "mb:recording:" + mbid(number(0...5))
            default: track(number(1...12))
            }
        }
        let one = entity()
        var other = entity()
        while other == one { other = entity() }
        let pair = [one, other].sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let kinds: [EventKind] = [.matchConfirmed, .matchRejected, .matchRetracted]
        let kind = kinds.randomElement(using: &random).flatMap { number(0...2) == 0 ? $0 : nil }
        let more: [(String, JSON)] =
            switch kind {
            case nil:
                [
                    ("method", .text(["isrc", "mbid", "artist_title", "fuzzy"][number(0...3)])),
                    ("confidence", JSON(number(30...100))), ("matcher", 1),
                ]
            case .matchRetracted: [("of", number(0...1) == 0 ? "person" : "matcher")]
            default: []
            }
        return NewEvent(
            kind ?? .matchAsserted, on: StreamName("match:" + pair.joined(separator: "|"))!,
            .object([("uris", .array(pair.map { .text($0) }))] + more))
    }

    /// What a person or a push does with a list whose rows follow a service.
    private mutating func sync() -> NewEvent {
        guard let stream = (followers + sizes.map(\.stream)).randomElement(using: &random) else {
            return row()
        }
        switch number(0...5) {
        case 0: return NewEvent(.playlistPulled, on: stream, [:])
        case 1:
            intentions.append((stream, seq + 1))
            return NewEvent(
                .pushIntended, on: stream, ["to": "spotify", "writes": JSON(number(1...3))])
        case 2, 3:
            guard !intentions.isEmpty else { return NewEvent(.playlistPulled, on: stream, [:]) }
            let open = intentions.remove(at: number(0...intentions.count - 1))
            let intended = JSON(open.seq)
            return number(0...1) == 0
                ? NewEvent(.pushFailed, on: open.stream, ["intended": intended, "reason": "no"])
                : NewEvent(
                    .pushCompleted, on: open.stream,
                    ["intended": intended, "to": "spotify:playlist:x", "writes": 1, "cannot": []])
        case 4:
            return NewEvent(.playlistRenamed, on: stream, ["name": .text("List \(number(0...5))")])
        default:
            let rows = items()
            if let index = sizes.firstIndex(where: { $0.stream == stream }) {
                sizes[index].count = rows.count
            }
            return NewEvent(.playlistEdited, on: stream, ["op": "set", "items": .array(rows)])
        }
    }

    /// Limits and runs of workflows.
    private mutating func small(_ index: Int) -> NewEvent {
        if number(0...3) == 0 {
            return NewEvent(
                .connectorLimited, on: StreamName(fixed: "connector:spotify"),
                .object(
                    [
                        ("until", .text("2026-11-23T0\(number(0...9)):00:00.000Z")),
                        ("status", 429), ("base", "https://api.spotify.com/v1"),
                    ] + (number(0...1) == 0 ? [] : [("group", "me/tracks")])))
        }
        let stream = StreamName("workflow:\(seq)")!
        switch index {
        case 0:
            return NewEvent(
                .workflowStarted, on: stream,
                ["workflow": ["id": "w", "name": "W"], "parameters": [:], "seed": 1])
        case 1:
            return NewEvent(
                .transformApplied, on: stream,
                [
                    "node": "n", "type": "sort.by_metric", "config": [:], "read_seq": 1,
                    "upstream": [], "count_in": 3, "out": [2, 1],
                ])
        default:
            return number(0...1) == 0
                ? NewEvent(.workflowFinished, on: stream, ["count": 2, "playlist": "x"])
                : NewEvent(.workflowFailed, on: stream, ["reason": "no"])
        }
    }
}

/// A home with a random life in it.
package func randomHome(
    seed: UInt64, commits: Int, in folder: TemporaryFolder, name: String = "home"
)
    throws -> (String, Ledger)
{
    let home = folder.file(name)
    _ = try Ledger.create(home + "/ledger", id: "test")
    let ledger = try Ledger(home + "/ledger")
    var life = RandomLife(seed: seed)
    for first in stride(from: 0, to: commits, by: 10) {
        let writer = try LedgerWriter(
            ledger, run: "01JD9V5T8Q6Z3M1K7R2W4X0YBN",
            clock: Clock(fixedAt: 1_800_000_000_000 + Int64(first) * 1000))
        for _ in first..<min(commits, first + 10) { try writer.append(life.commit()) }
        try writer.close()
    }
    return (home, ledger)
}

/// Everything that `sqlite3 .dump` would print of a database: schema in its order, rows in theirs.
package func dump(_ path: String) throws -> [String] {
    try DatabaseQueue(path: path).read { db in
        let schema = try Row.fetchAll(
            db, sql: "SELECT type, name, sql FROM sqlite_schema ORDER BY rowid")
        return try schema.flatMap { entry -> [String] in
            let rows =
                entry["type"] == "table"
                ? try Row.fetchAll(db, sql: "SELECT * FROM \(entry["name"] as String)") : []
            return [entry["sql"] ?? ""] + rows.map(\.description)
        }
    }
}
