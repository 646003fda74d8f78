import Events
import JSONText
import Ledger
import TestSupport

/// Commits of every kind of event that folds, in an order that could have been: seeded, small and dense.
struct RandomLife {
    private var random: SplitMix64
    private var seq: Seq = 0
    private var sizes: [(stream: StreamName, count: Int)] = []
    private var links: [StreamName: StreamName] = [:]
    private var rows: [[(String, JSON)]] = []

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }
    private func track(_ index: Int) -> String {
        index == 0
            ? "text:track:Nobody/Untitled%20\(index)"
            : "spotify:track:" + String(repeating: "0", count: 20) + String(index + 10)
    }

    /// The next commit.
    mutating func commit() -> [NewEvent] {
        let events: [NewEvent]
        switch number(0...9) {
        case 0...3: events = (0..<number(1...8)).map { _ in row() }
        case 4: events = [observation()]
        case 5, 6: events = [sizes.count < 4 ? created() : edit()]
        case 7 where !sizes.isEmpty: events = [edit(), edit()]
        case 8 where !sizes.isEmpty: events = fetch(likes: false)
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
        let list = likes ? nil : sizes.randomElement(using: &random)?.stream
        let stream =
            list.flatMap { links[$0] } ?? StreamName(
                likes ? "spotify:likes" : "spotify:playlist:other")!
        var pages: [NewEvent] = []
        var count = 0
        for _ in 0..<number(1...2) {
            let rows = items().map { item -> JSON in
                guard case .object(let fields) = item else { return nil }
                return [
                    "added_at": "2024-01-01T00:00:00Z",
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
                ["count": JSON(count), "pages": .array(seqs)]))
        // A linked list may have followed or not; nobody edits it by position from here on.
        if let list, links[list] != nil { sizes.removeAll { $0.stream == list } }
        return pages
    }
}

/// A home with a random life in it.
func randomHome(seed: UInt64, commits: Int, in folder: TemporaryFolder, name: String = "home")
    throws -> (String, Ledger)
{
    let home = folder.file(name)
    _ = try Ledger.create(home + "/ledger", id: "test")
    let ledger = try Ledger(home + "/ledger")
    var life = RandomLife(seed: seed)
    let writer = try LedgerWriter(
        ledger, run: "01JD9V5T8Q6Z3M1K7R2W4X0YBN", clock: Clock(fixedAt: 1_800_000_000_000))
    for _ in 0..<commits { try writer.append(life.commit()) }
    try writer.close()
    return (home, ledger)
}
