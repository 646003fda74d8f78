import Foundation
import TestSupport
import Testing

@Suite("Playlists of Spotify")
struct RemotePlaylistTests {
    private static let id = "5eedNaradaTestsPlaylst"
    private static let uri = "spotify:playlist:" + id
    private static let local = "spotify:local:Ghost:Tape:Hum:61"

    private static func track(_ number: Int) -> String {
        "spotify:track:" + String(repeating: "0", count: 22 - "\(number)".count) + "\(number)"
    }

    @Test("Twenty edits fetched one by one: each past is the service's own record of it")
    func twentyEdits() async throws {
        let home = try await ServiceHome()
        var generator = SplitMix64(seed: 20)
        var rows: [Any] = (0..<12).map { Self.track($0) } + [NSNull(), Self.local, Self.track(3)]
        var name = "Twenty"
        var moments: [(seq: Int, name: String, rows: [String?])] = []

        for step in 0..<20 {
            switch step % 4 {
            case 0:
                rows.insert(
                    Self.track(100 + step), at: Int.random(in: 0...rows.count, using: &generator))
            case 1:
                rows.insert(
                    rows.remove(at: Int.random(in: 0..<rows.count, using: &generator)), at: 0)
            case 2: rows.remove(at: Int.random(in: 0..<rows.count, using: &generator))
            default: name = "Twenty, \(step)"
            }
            if step == 10 {
                try home.cmd("playlist", "add", Self.uri, Self.track(500), "--at", "2")
                try home.cmd("playlist", "push", Self.uri)
                rows = try await home.remote(Self.id).rows.map { $0 as Any? ?? NSNull() }
                #expect(rows[1] as? String == Self.track(500))
            }
            try await home.remote(Self.id, ["name": name, "items": rows])
            try home.cmd("fetch", "spotify-playlist", step % 2 == 0 ? "--mine" : Self.uri)
            let record = try await home.remote(Self.id)
            moments.append((try home.seq(), record.name, record.rows))
        }

        #expect(moments.count == 20)
        for moment in moments {
            let then = try home.playlist(Self.uri, asOf: "\(moment.seq)")
            #expect(then.name == moment.name, "at \(moment.seq)")
            #expect(then.rows == moment.rows, "at \(moment.seq)")
        }
        let check = try home.run("narada-project", ["--check"])
        #expect(check.status == 0, "\(check.text)\(check.error)")
    }

    @Test("What has not changed costs no request of its own and appends no event of its own")
    func unchanged() async throws {
        let home = try await ServiceHome()
        for index in 0..<3 {
            try await home.remote(
                "5eedNaradaTestsPlaylst\(index)",
                ["name": "P\(index)", "items": [Self.track(index)]])
        }
        try home.cmd("fetch", "spotify-playlist", "--mine")
        let before = try home.events("spotify.playlist.fetched").count
        try await home.forgetJournal()

        try home.cmd("fetch", "spotify-playlist", "--mine")

        let asked = try await home.journal().map { $0["path"] as? String ?? "" }
        #expect(asked.count == 1 && asked[0].hasSuffix("/me/playlists"), "\(asked)")
        #expect(try home.events("spotify.playlist.fetched").count == before)
    }

    @Test("After a local edit a list stays as it is until it is pushed or pulled")
    func diverged() async throws {
        let home = try await ServiceHome()
        try await home.remote(Self.id, ["name": "Both", "items": [Self.track(1), Self.track(2)]])
        try home.cmd("fetch", "spotify-playlist", Self.uri)
        try home.cmd("playlist", "add", "Both", Self.track(9))
        try await home.remote(Self.id, ["items": [Self.track(2), Self.track(1), Self.track(3)]])

        try home.cmd("fetch", "spotify-playlist", Self.uri)
        #expect(try home.playlist("Both").rows == [1, 2, 9].map(Self.track))
        let status = try #require(try home.read("status") as? [String: Any])
        #expect((status["diverged"] as? [Any])?.count == 1)

        try home.cmd("playlist", "pull", "Both")
        #expect(try home.playlist("Both").rows == [2, 1, 3].map(Self.track))

        try home.cmd("playlist", "remove", "Both", "--at", "1")
        try home.cmd("playlist", "push", "Both")
        #expect(try await home.remote(Self.id).rows == [1, 3].map(Self.track))
        let settled = try #require(try home.read("status") as? [String: Any])
        #expect((settled["diverged"] as? [Any])?.isEmpty == true)
        let check = try home.run("narada-project", ["--check"])
        #expect(check.status == 0, "\(check.text)\(check.error)")
    }

    @Test("A push moves rows: dates, local files and rows without a URI stay")
    func moves() async throws {
        let home = try await ServiceHome()
        let rows: [Any] = (0..<8).map { Self.track($0) } + [Self.local, NSNull(), Self.track(2)]
        try await home.remote(Self.id, ["name": "Moves", "items": rows])
        try home.cmd("fetch", "spotify-playlist", Self.uri)
        let before = try await home.remote(Self.id)
        let dates = Dictionary(zip(before.rows, before.addedAt)) { first, _ in first }
        try home.cmd("playlist", "move", "Moves", "--from", "9", "--count", "2", "--to", "1")
        try home.cmd("playlist", "move", "Moves", "--from", "10", "--to", "3")
        try await home.forgetJournal()

        let report = try home.cmd("playlist", "push", "Moves")

        let after = try await home.remote(Self.id)
        #expect(after.rows == (try home.playlist("Moves").rows))
        for (uri, date) in zip(after.rows, after.addedAt) { #expect(date == dates[uri]) }
        let writes = try await home.journal().filter { $0["method"] as? String != "GET" }
        #expect(writes.count == 2 && report["writes"] as? Int == 2)
        #expect(writes.allSatisfy { ($0["body"] as? [String: Any])?["snapshot_id"] != nil })
    }

    @Test(
        "A push that would empty a list or drop most of it needs --force; a dry run changes nothing"
    )
    func losses() async throws {
        let home = try await ServiceHome()
        try await home.remote(Self.id, ["name": "Loss", "items": (0..<6).map(Self.track)])
        try home.cmd("fetch", "spotify-playlist", Self.uri)
        try home.cmd("playlist", "remove", "Loss", "--at", "1", "2", "3", "4")
        let seq = try home.seq()

        try home.refused("playlist", "push", "Loss", status: 65)
        try home.cmd("playlist", "push", "Loss", "--force", "--dry-run")

        #expect(try home.seq() == seq)
        #expect(try await home.remote(Self.id).rows.count == 6)
        try home.cmd("playlist", "push", "Loss", "--force")
        #expect(try await home.remote(Self.id).rows == [4, 5].map(Self.track))
    }

    @Test("A lost answer to a create or an add makes neither two playlists nor two rows")
    func lostAnswers() async throws {
        let home = try await ServiceHome()
        try home.cmd("playlist", "create", "Lost", Self.track(1), Self.track(2))
        try await home.faults("lost,match=POST */me/playlists", "lost,match=POST */items")

        try home.cmd("playlist", "push", "Lost")

        let summary = try #require(try await home.sandbox.control("GET", "") as? [String: Any])
        let named = (summary["playlists"] as? [[String: Any]] ?? []).filter {
            $0["name"] as? String == "Lost"
        }
        #expect(named.count == 1)
        let id = try #require(named.first?["id"] as? String)
        #expect(try await home.remote(id).rows == [1, 2].map(Self.track))
        #expect(try home.playlist("spotify:playlist:" + id).rows == [1, 2].map(Self.track))
    }
}
