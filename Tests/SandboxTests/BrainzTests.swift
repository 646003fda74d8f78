import Foundation
import Sandbox
import Testing

@Suite("MusicBrainz' and ListenBrainz' sides of the sandbox")
struct BrainzTests {
    private func musicbrainz(
        _ client: Client, _ path: String, agent: String = "Tests/1 ( x@example.org )"
    ) async throws -> Answer {
        try await client.send(
            "GET", (client.bases["musicbrainz"].string ?? "") + path,
            headers: ["User-Agent": agent, "Accept": "application/json"])
    }

    @Test("Who does not say who they are is refused; who is too fast, until they slow down")
    func manners() async throws {
        let client = try await Client()
        let path = "/recording?query=recording:a"
        for agent in ["curl/8.5", "python-requests/2.3", "Tests"] {
            #expect(try await musicbrainz(client, path, agent: agent).status == 403, "\(agent)")
        }
        #expect(try await musicbrainz(client, path).status == 200)
        try await client.set(["rate": ["requests": 1, "seconds": 3600, "service": "musicbrainz"]])
        #expect(try await musicbrainz(client, path).status == 200)
        let over = try await musicbrainz(client, path)
        #expect(over.status == 503 && over.headers["retry-after"] == "3600")
        #expect(over.json["error"].string?.contains("rate limit") == true)
        #expect(try await client.spotify("GET", "/me").status == 200)
        try await client.control("PUT", "/faults", ["503,match=*musicbrainz*"])
        let busy = try await musicbrainz(client, path)
        #expect(busy.status == 503 && busy.json["error"].string?.contains("busy") == true)
        try await client.stop()
    }

    @Test("A limit out of range is 25; queries that cannot be read, and none at all, are refused")
    func search() async throws {
        let client = try await Client()
        try await client.control("PUT", "/world", ["tracks": 300])
        func found(_ query: String, _ more: String = "") async throws -> Answer {
            try await musicbrainz(
                client, "/recording?query=\(Client.query(["": query]).dropFirst())\(more)")
        }
        let all =
            #"recording:(blue OR glass OR über OR naïve) OR release:(blue OR glass OR über OR naïve)"#
        for (limit, rows) in [("0", 25), ("101", 25), ("100", 100), ("7", 7), ("", 25)] {
            let answer = try await found(all, limit.isEmpty ? "" : "&limit=" + limit).json
            #expect(answer["recordings"].rows.count == rows, "\(limit)")
        }
        for query in ["", "isrc:(A OR B", "dur:[1 TO", "\"a", "isrc:", "a b"] {
            #expect(try await found(query).status == 400, "\(query)")
        }
        try await client.control(
            "PUT", "/musicbrainz/recordings",
            [["title": "Ab (c: d)", "artists": ["Ö"]], ["title": "Ab", "artists": ["Ö"]]])
        let escaped = try await found(#"recording:ab\ \(c\:\ d\) AND artist:o"#).json
        #expect(escaped["recordings"].rows.map { $0["title"].string } == ["Ab (c: d)"])
        try await client.stop()
    }

    @Test("The invented recordings have what makes matching hard, each in some of them")
    func world() async throws {
        let client = try await Client()
        try await client.control("PUT", "/world", ["tracks": 400])
        let known = try await client.control("GET", "/musicbrainz/tracks").json
        #expect((300..<400).contains(known.keys.count))
        let ids = Set(known.keys.compactMap { known[$0].string })
        #expect(ids.count < known.keys.count)  // Several tracks are one recording.
        var (shared, without, live) = (0, 0, 0)
        for id in ids.sorted().prefix(120) {
            let path = "/recording/\(id)?inc=isrcs"
            let one = try await musicbrainz(client, path).json
            let isrcs = one["isrcs"].rows.compactMap(\.string)
            without += isrcs.isEmpty ? 1 : 0
            live += one["disambiguation"].string?.hasPrefix("live") == true ? 1 : 0
            guard let isrc = isrcs.first else { continue }
            let all = try await musicbrainz(client, "/isrc/" + isrc).json["recordings"].rows
            shared += all.count > 1 ? 1 : 0
        }
        #expect(shared > 0 && without > 0 && live > 0)
        try await client.stop()
    }

    @Test("Listens come out of the queue late; both bounds are outside; newest first in any case")
    func listens() async throws {
        let client = try await Client()
        let base = client.bases["listenbrainz"].string ?? ""
        try await client.set(["now": "2026-06-15T00:00:00Z"])
        let now = 1_781_481_600
        try await client.control(
            "PUT", "/listenbrainz/listens",
            (1...9).map {
                ["artist": "A", "track": "T\($0)", "uts": now - 100 + $0] as [String: Any]
            })
        func times(_ query: String) async throws -> [Int?] {
            try await client.send("GET", base + "/1/user/Sandbox/listens?" + query)
                .json["payload"]["listens"].rows.map {
                    $0["listened_at"].int.map { $0 - now + 100 }
                }
        }
        #expect(try await times("max_ts=\(now - 96)&count=2") == [3, 2])
        #expect(try await times("min_ts=\(now - 96)&count=2") == [6, 5])
        #expect(try await times("min_ts=\(now - 98)&max_ts=\(now - 95)") == [4, 3])
        #expect(try await times("count=0") == [])
        let bounds = "/1/user/sandbox/listens?min_ts=5&max_ts=5"
        #expect(try await client.send("GET", base + bounds).status == 400)
        try await client.set(["listen_delay": 60])
        #expect(try await times("") == [])
        try await client.set(["now": "2026-06-15T00:01:00Z"])
        #expect(try await times("count=3") == [9, 8, 7])
        let answer = try await client.send("GET", base + "/1/user/sandbox/listen-count")
        #expect(answer.json["payload"]["count"].int == 9)
        #expect(answer.headers["x-ratelimit-remaining"] == "29")
        try await client.control("PUT", "/faults", ["429=5"])
        let over = try await client.send("GET", base + "/1/user/sandbox/listen-count")
        #expect(over.status == 429 && over.headers["x-ratelimit-reset-in"] == "5")
        #expect(over.headers["retry-after"] == nil)
        try await client.stop()
    }
}
