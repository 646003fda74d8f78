import Foundation
import TestSupport
import Testing

@Suite("Changes of a playlist over HTTP")
struct SandboxPlaylistTests {
    /// The documented meaning, on a plain list.
    private func moved(_ list: [String], _ start: Int, _ length: Int, _ before: Int) -> [String] {
        let block = Array(list[start..<start + length])
        var rest = list
        rest.removeSubrange(start..<start + length)
        let place = before > start + length - 1 ? before - length : min(before, start)
        rest.insert(contentsOf: block, at: place)
        return rest
    }

    @Test("Moves come out as on a plain list, and rows keep their dates")
    func moves() async throws {
        let client = try await Client()
        for seed in 0..<12 as Range<UInt64> {
            var dice = SplitMix64(seed: seed)
            var list = (0..<Int.random(in: 1...9, using: &dice)).map(uri)
            let id = try await client.makePlaylist(list)
            let rows = try await client.control("GET", "/spotify/playlists/\(id)").json["items"]
                .rows
            let dates = Dictionary(rows.map { ($0["uri"].string, $0["added_at"].string) }) { $1 }
            for _ in 0..<4 {
                let start = Int.random(in: list.indices, using: &dice)
                let length = Int.random(in: 1...list.count - start, using: &dice)
                // A target inside the block is documented nowhere; it changes nothing here.
                let outside = (0...list.count).filter { $0 <= start || $0 >= start + length }
                let before = try #require(outside.randomElement(using: &dice))
                let answer = try await client.spotify(
                    "PUT", "/playlists/\(id)/items",
                    ["range_start": start, "range_length": length, "insert_before": before])
                list = moved(list, start, length, before)
                #expect(answer.status == 200)
                #expect(
                    try await client.uris(id) == list, "seed \(seed): \(start)+\(length)→\(before)")
            }
            let after = try await client.control("GET", "/spotify/playlists/\(id)").json["items"]
                .rows
            #expect(
                after.allSatisfy { dates[$0["uri"].string] == $0["added_at"].string },
                "seed \(seed)")
        }
        try await client.stop()
    }

    @Test("A move or a removal meant for an older version is merged with what came later")
    func olderVersions() async throws {
        let client = try await Client()
        let id = try await client.makePlaylist((0..<6).map(uri))
        let path = "/playlists/\(id)/items"
        let old =
            try await client.spotify("GET", "/playlists/\(id)?fields=snapshot_id").json[
                "snapshot_id"
            ].string ?? ""

        _ = try await client.spotify("POST", path, ["uris": [uri(9)], "position": 0])
        _ = try await client.spotify("DELETE", path, ["items": [["uri": uri(3)]]])
        // In the old version: rows 1 and 2 in front of row 3, which is gone; so in front of row 4... where they are.
        let move =
            ["range_start": 4, "range_length": 2, "insert_before": 1, "snapshot_id": old]
            as [String: Any]
        #expect(try await client.spotify("PUT", path, move).status == 200)

        #expect(try await client.uris(id) == [9, 0, 4, 5, 1, 2].map(uri))
        let gone = ["items": [["uri": uri(9)]], "snapshot_id": old] as [String: Any]
        #expect(try await client.spotify("DELETE", path, gone).status == 200)
        #expect(
            try await client.uris(id) == [9, 0, 4, 5, 1, 2].map(uri),
            "9 was not there in that version")
        let wrong = ["range_start": 0, "insert_before": 1, "snapshot_id": "never"] as [String: Any]
        #expect(try await client.spotify("PUT", path, wrong).status == 400)
        try await client.stop()
    }

    @Test("Every write has a snapshot of its own; one refused as a whole leaves nothing")
    func snapshots() async throws {
        let client = try await Client()
        let id = try await client.makePlaylist([uri(1), uri(2), uri(1)])
        let path = "/playlists/\(id)/items"
        var snapshots: Set<String> = []
        for body in [["uris": [uri(3)]], ["uris": [uri(3)], "position": 0]] as [[String: Any]] {
            let answer = try await client.spotify("POST", path, body)
            #expect(answer.status == 201)
            snapshots.insert(answer.json["snapshot_id"].string ?? "")
        }
        let answer = try await client.spotify("DELETE", path, ["items": [["uri": uri(1)]]])
        snapshots.insert(answer.json["snapshot_id"].string ?? "")
        #expect(snapshots.count == 3)
        #expect(try await client.uris(id) == [3, 2, 3].map(uri), "all occurrences of 1 are gone")

        for (body, message) in [
            (["uris": (0...100).map(uri)], "You can add a maximum of 100 tracks per request."),
            (
                ["uris": [uri(5), "spotify:local:a:b:c:1"]],
                "Invalid track uri: spotify:local:a:b:c:1"
            ),
            (["uris": [uri(5)], "position": 4], "Index out of bounds"),
        ] as [([String: Any], String)] {
            let refused = try await client.spotify("POST", path, body)
            #expect(refused.status == 400)
            #expect(refused.json["error"]["message"].string == message)
        }
        #expect(try await client.uris(id) == [3, 2, 3].map(uri))

        try await client.set(["stale_reads": 2])
        _ = try await client.spotify("PUT", path, ["uris": [uri(7)]])
        var totals: [Int?] = []
        for _ in 0..<3 { totals.append(try await client.spotify("GET", path).json["total"].int) }
        #expect(totals == [3, 3, 1])
        try await client.stop()
    }

    @Test(
        "The user's other app keeps the dates of rows that stay, and makes no version without a change"
    )
    func otherApp() async throws {
        let client = try await Client()
        try await client.set(["now": "2026-01-01T00:00:00Z"])
        let id = try await client.makePlaylist([uri(1), uri(2), uri(2)])
        try await client.set(["now": "2026-02-02T00:00:00Z"])
        _ = try await client.makePlaylist([uri(2), uri(3), uri(1)], id: id)
        let list = try await client.control("GET", "/spotify/playlists/\(id)").json
        #expect(
            list["items"].rows.map { $0["added_at"].string } == [
                "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-01-01T00:00:00Z",
            ])
        _ = try await client.makePlaylist([uri(2), uri(3), uri(1)], id: id)
        let again = try await client.control("GET", "/spotify/playlists/\(id)").json
        #expect(again["history"].rows.count == list["history"].rows.count)
        try await client.stop()
    }
}
