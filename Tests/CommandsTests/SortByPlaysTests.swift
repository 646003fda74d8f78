import Foundation
import TestSupport
import Testing

/// The first promise, whole: a playlist of Spotify's sorted by what Last.fm counted.
@Suite("A playlist sorted by plays")
struct SortByPlaysTests {
    private static let id = "5eedNaradaSortByPlays0"
    private static let uri = "spotify:playlist:" + id
    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path + "/docs/workflows/"

    /// A row as Spotify keeps it, and what Last.fm counts for it; nil where it knows no such track.
    private struct Row {
        var uri: String?
        var addedAt = ""
        var plays: Int?
    }

    private static func track(_ number: Int) -> String {
        "spotify:track:" + String(repeating: "0", count: 19) + "\(number + 100)"
    }

    /// 300 rows: 276 tracks, 20 of them twice, two local files, an episode and a row that is gone.
    ///
    /// Track 7 and 8 have one name. Track 9 is led to another spelling. Every seventh is unknown to Last.fm, every
    /// eleventh was never played, and many were played equally often.
    private func setUp(_ home: ServiceHome) async throws -> [Row] {
        var songs: [[String: Any]] = []
        var plays: [Int?] = []
        for number in 0..<276 {
            let named = number == 8 ? 7 : number
            let artist = ["Sigur Rós", "椎名林檎", "Βαγγέλης", "Møme & Søn", "a/b+c"][named % 5]
            let name = "Ágætis №\(named) – ночь? 100%"
            try await home.sandbox.control(
                "PUT", "spotify/tracks/" + Self.track(number).dropFirst(14),
                ["name": name, "artists": [artist, "Guest"]])
            if number == 8 {
                plays.append(plays[7])
                continue
            }
            let count = number == 7 ? 61 : number % 11 == 0 ? 0 : number * 37 % 50
            plays.append(number % 7 == 3 ? nil : count)
            guard number % 7 != 3 else { continue }
            var song: [String: Any] = ["artist": artist, "track": name, "userplaycount": count]
            if number == 9 {
                song["userplaycount"] = 1
                song["redirect"] = ["artist": "Vangelis", "track": "Night"]
                songs.append(["artist": "Vangelis", "track": "Night", "userplaycount": count])
            }
            songs.append(song)
        }
        try await home.sandbox.control("PUT", "lastfm/tracks", songs)

        var generator = SplitMix64(seed: 300)
        var rows = (Array(0..<276) + (100..<120)).map {
            Row(uri: Self.track($0), plays: plays[$0])
        }
        rows += [
            Row(uri: "spotify:local:Ghost:Tape:Hum:61"),
            Row(uri: "spotify:local:R%C3%A9p:Demo+Tape:Intro:187"),
            Row(uri: "spotify:episode:5eedNaradaTestEpisode1"), Row(),
        ]
        rows.shuffle(using: &generator)
        for index in rows.indices {
            rows[index].addedAt = "2025-0\(index % 9 + 1)-11T10:00:\(10 + index / 9)Z"
        }
        try await home.remote(
            Self.id,
            [
                "name": "Long",
                "items": rows.map {
                    ["uri": $0.uri ?? NSNull() as Any, "added_at": $0.addedAt] as Any
                },
            ])
        try home.cmd("fetch", "spotify-playlist", Self.uri)
        #expect(try home.playlist("Long").rows.count == 300)
        return rows
    }

    /// Most plays first, ties as they were; what has no count behind, as it was.
    private func sorted(_ rows: [Row]) -> [Row] {
        let counts = Set(rows.compactMap(\.plays)).sorted(by: >)
        return counts.flatMap { count in rows.filter { $0.plays == count } }
            + rows.filter { $0.plays == nil }
    }

    @Test("In place by moves: every row stays with its date, local files too")
    func inPlace() async throws {
        let home = try await ServiceHome()
        let rows = try await setUp(home)
        try await home.forgetJournal()

        let result = try home.cmd(
            "run", Self.folder + "sort_in_place.json", "--param", "playlist=Long")

        let wanted = sorted(rows)
        #expect(wanted.map(\.uri) != rows.map(\.uri) && wanted.first?.plays == 61)
        #expect(result["count"] as? Int == 300)
        #expect(try home.playlist("Long").rows == wanted.map(\.uri))
        let remote = try await home.remote(Self.id)
        #expect(remote.rows == wanted.map(\.uri))
        #expect(remote.addedAt == wanted.map(\.addedAt))
        let asked = try await home.journal()
        let writes = asked.filter {
            $0["service"] as? String == "spotify_api" && $0["method"] as? String != "GET"
        }
        #expect(
            writes.allSatisfy {
                let body = $0["body"] as? [String: Any]
                return $0["method"] as? String == "PUT" && body?["range_start"] != nil
                    && body?["snapshot_id"] != nil
            })
        #expect(!writes.isEmpty && writes.count < 300)
        // A track that stands twice is asked for once.
        #expect(asked.count { $0["service"] as? String == "lastfm" } == 276)

        try await home.forgetJournal()
        try home.cmd("run", Self.folder + "sort_in_place.json", "--param", "playlist=Long")
        let again = try await home.journal()
        #expect(again.allSatisfy { $0["method"] as? String == "GET" })
        #expect(!again.contains { $0["service"] as? String == "lastfm" })
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }

    @Test("As a new playlist: the old one stays, the new one has what Spotify takes in")
    func newPlaylist() async throws {
        let home = try await ServiceHome()
        let rows = try await setUp(home)
        let before = try await home.remote(Self.id)

        let result = try home.cmd(
            "run", Self.folder + "sort_by_plays.json", "--param", "playlist=Long")

        // A row that is gone cannot stand in a new list; a local file only in ours.
        let wanted = sorted(rows).compactMap(\.uri)
        #expect(result["count"] as? Int == 299)
        #expect(try home.playlist("Long by plays").rows == wanted)
        let summary = try #require(try await home.sandbox.control("GET", "") as? [String: Any])
        let made = (summary["playlists"] as? [[String: Any]] ?? []).filter {
            $0["name"] as? String == "Long by plays"
        }
        #expect(made.count == 1)
        let remote = try await home.remote(try #require(made.first?["id"] as? String))
        #expect(remote.rows == wanted.filter { !$0.hasPrefix("spotify:local:") })
        let old = try await home.remote(Self.id)
        #expect(old.rows == before.rows && old.addedAt == before.addedAt)
        #expect(try home.playlist("Long").rows == rows.map(\.uri))
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }
}
