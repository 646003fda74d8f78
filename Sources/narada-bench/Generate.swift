import ArgumentParser
import Events
import Foundation
import JSONText
import Ledger

/// Makes a ledger of the real mix: 88 % history rows, 6 % observed tracks, 5 % edits, 1 % fetches.
struct Generate: ParsableCommand {
    @Argument var events: Int
    @Option var home: String
    @Option var seed: UInt64 = 1

    func run() throws {
        _ = try Ledger.create(home + "/ledger", id: "00000000-0000-4000-8000-000000000000")
        let ledger = try Ledger(home + "/ledger")
        var mix = Mix(
            seed: seed, trackCount: max(50, events / 20), playlistCount: max(4, events / 2500))
        var written = 0
        // A writer a month, so that recorded times and runs differ as in a real life.
        for month in 0..<24 {
            let at = 1_705_312_800_000 + Int64(month) * 30 * 86_400_000
            let run = ULID(at: at, using: &mix.random).description
            let writer = try LedgerWriter(
                ledger, run: run, clock: Clock(fixedAt: at), holder: "bench")
            while written < events * (month + 1) / 24 {
                let commit = mix.commit(upTo: events - written, after: Seq(written))
                written += commit.count
                try writer.append(commit)
            }
            try writer.close()
            _ = try writer.seal(all: false)
        }
        print("\(written) events")
    }
}

/// A seeded source of events that a life would have.
private struct Mix {
    var random: SplitMix
    private let tracks: [(id: String, title: String, artist: String, album: String)]
    private let playlists: [StreamName]
    private var sizes: [Int]
    private var made = 0
    private var observed = 0
    private var played = Int64(1_400_000_000)

    init(seed: UInt64, trackCount: Int, playlistCount: Int) {
        var random = SplitMix(state: seed)
        let letters = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        let words = [
            "Silver", "Night", "Über", "River", "Glass", "Été", "Stone", "Ember", "夜", "Signal",
            "Low", "Field",
        ]
        func word() -> String { words[Int(random.next() % 12)] }
        tracks = (0..<trackCount).map { index in
            (
                String((0..<22).map { _ in letters[Int(random.next() % 62)] }),
                "\(word()) \(word()) \(index)", "\(word()) \(index % (trackCount / 8 + 1))",
                "\(word()) \(word())"
            )
        }
        playlists = (0..<playlistCount).map { index in
            stream("narada:playlist:\(ULID(at: 1_700_000_000_000 + Int64(index), using: &random))")
        }
        sizes = [Int](repeating: 0, count: playlistCount)
        self.random = random
    }

    /// Some tracks are played much more often than others.
    private mutating func track() -> Int {
        let uniform = Double(random.next() >> 11) / Double(1 << 53)
        return min(tracks.count - 1, Int(uniform * uniform * Double(tracks.count)))
    }

    mutating func commit(upTo limit: Int, after seq: Seq) -> [NewEvent] {
        let draw = random.next() % 100
        if made < playlists.count, draw < 30 { return [created()] }
        switch draw {
        case 0..<8 where made > 0: return (0..<min(limit, 130)).map { _ in edited() }
        case 8..<18: return (0..<min(limit, 130)).map { _ in observation() }
        case 18..<20 where limit > 1: return fetched(after: seq)
        default: return (0..<min(limit, 250)).map { _ in row() }
        }
    }

    private mutating func row() -> NewEvent {
        let track = tracks[track()]
        played += Int64(random.next() % 600) + 30
        let ms = random.next() % 4 == 0 ? random.next() % 30_000 : 30_000 + random.next() % 240_000
        let payload: JSON = [
            "ts": .text(ISOTime.text(played * 1000, fraction: false)), "ms_played": JSON(ms),
            "master_metadata_track_name": .text(track.title),
            "master_metadata_album_artist_name": .text(track.artist),
            "master_metadata_album_album_name": .text(track.album),
            "spotify_track_uri": .text("spotify:track:" + track.id),
            "reason_end": .text(ms < 30_000 ? "fwdbtn" : "trackdone"),
            "skipped": .bool(ms < 30_000),
            "incognito_mode": false,
        ]
        let bytes = payload.bytes
        return NewEvent(
            .spotifyHistoryRow, on: StreamName(fixed: "export:spotify-history"),
            [
                "file": "endsong_0.json", "row": JSON(random.next() % 15_000 + 1),
                "length": JSON(bytes.count),
                "sha256": .text(SHA256.digest(bytes).description), "payload": .raw(bytes),
            ])
    }

    private mutating func observation() -> NewEvent {
        let index = observed % tracks.count
        observed += 1
        let track = tracks[index]
        let payload: JSON = [
            "album": ["name": .text(track.album), "release_date": "2016-05-20"],
            "artists": [["name": .text(track.artist)]],
            "duration_ms": JSON(120_000 + index % 200_000),
            "external_ids": ["isrc": .text("QZ\(1_000_000_000 + index)")],
            "id": .text(track.id), "name": .text(track.title),
            "uri": .text("spotify:track:" + track.id),
        ]
        return NewEvent(
            .spotifyTrackObserved, on: stream("spotify:track:" + track.id),
            [
                "digest": .text(String(SHA256.digest(payload.bytes).description.prefix(32))),
                "payload": payload,
            ])
    }

    private mutating func items(_ count: Int) -> JSON {
        .array((0..<count).map { _ in ["uri": .text("spotify:track:" + tracks[track()].id)] })
    }

    private mutating func created() -> NewEvent {
        let count = Int(random.next() % 200)
        sizes[made] = count
        made += 1
        return NewEvent(
            .playlistCreated, on: playlists[made - 1],
            ["name": .text("List \(made)"), "items": items(count)])
    }

    private mutating func edited() -> NewEvent {
        let index = Int(random.next() % UInt64(made))
        let size = sizes[index]
        let data: JSON
        switch random.next() % 4 {
        case 0 where size > 20:
            sizes[index] -= 1
            data = ["op": "remove", "positions": [JSON(1 + Int(random.next() % UInt64(size)))]]
        case 1 where size > 20:
            data = [
                "op": "move", "from": JSON(1 + Int(random.next() % UInt64(size))), "count": 1,
                "to": JSON(1 + Int(random.next() % UInt64(size))),
            ]
        case _ where size > 300:
            sizes[index] -= 3
            data = ["op": "remove", "positions": [1, 2, 3]]
        default:
            sizes[index] += 1
            data = [
                "op": "add", "at": JSON(1 + Int(random.next() % UInt64(size + 1))),
                "items": items(1),
            ]
        }
        return NewEvent(.playlistEdited, on: playlists[index], data)
    }

    private mutating func fetched(after seq: Seq) -> [NewEvent] {
        let stream = stream("spotify:playlist:\(random.next() % 200)")
        let rows = (0..<20).map { _ -> JSON in
            [
                "added_at": "2024-01-01T00:00:00Z",
                "item": [
                    "$observed": "0f343b0931126a20f133d67c2b018a3b",
                    "uri": .text("spotify:track:" + tracks[track()].id),
                ],
            ]
        }
        return [
            NewEvent(
                .spotifyPlaylistPage, on: stream,
                ["offset": 0, "payload": ["items": .array(rows), "total": 20]]),
            NewEvent(
                .spotifyPlaylistFetched, on: stream,
                ["count": 20, "pages": [.integer(seq + 1)], "snapshot_id": "A"]),
        ]
    }
}

private func stream(_ text: String) -> StreamName {
    guard let name = StreamName(text) else { preconditionFailure("\(text) names no stream") }
    return name
}

/// SplitMix64.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
