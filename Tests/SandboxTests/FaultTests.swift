import Foundation
import TestSupport
import Testing

@Suite("Faults, journal and control")
struct FaultTests {
    @Test(
        "A fault strikes the requests it names, as often as it says",
        arguments: [
            (spec: "429=7", status: 429, part: "API rate limit exceeded"),
            (spec: "quota", status: 429, part: "QUOTA_EXCEEDED"),
            (spec: "401", status: 401, part: "The access token expired"),
            (spec: "502", status: 502, part: "Bad gateway."),
            (spec: "html", status: 502, part: "<h1>"),
            (spec: "503", status: 503, part: "Service unavailable"),
            (spec: "garbage", status: 200, part: "\u{1}\u{B}\u{1F}"),
            (spec: "truncate=12", status: 200, part: "{\"display_na"),
            (spec: "empty", status: 200, part: ""),
            (spec: "redirect=http://127.0.0.1:9/", status: 302, part: ""),
        ])
    func kinds(spec: String, status: Int, part: String) async throws {
        let client = try await Client()
        let full = spec + ",match=GET /me,skip=1,times=2"
        #expect(try await client.control("PUT", "/faults", [full]).status == 200)
        var statuses: [Int] = []
        var texts: [String] = []
        for _ in 0..<4 {
            let answer = try await client.spotify("GET", "/me")
            statuses.append(answer.status)
            texts.append(String(decoding: answer.data, as: UTF8.self))
            if spec == "429=7", answer.status == 429 {
                #expect(answer.headers["retry-after"] == "7")
            }
            if spec == "quota", answer.status == 429 {
                #expect(answer.headers["retry-after"] == "86000")
            }
        }
        #expect(statuses == [200, status, status, 200])
        #expect(texts[1].contains(part) || part.isEmpty)
        #expect(texts[0] == texts[3] && texts[0] != texts[1])
        #expect(try await client.control("GET", "/faults").json[0]["fired"].int == 2)
        try await client.stop()
    }

    @Test("A lost answer was carried out, a reset request was not")
    func lostAndReset() async throws {
        let client = try await Client()
        let id = try await client.makePlaylist([uri(1)])
        for (fault, count) in [("reset", 1), ("lost", 2), ("cut=5", 3)] {
            try await client.control("PUT", "/faults", ["\(fault),match=POST /playlists/*"])
            await #expect(throws: URLError.self) {
                _ = try await client.spotify("POST", "/playlists/\(id)/items", ["uris": [uri(2)]])
            }
            #expect(try await client.uris(id).count == count, "\(fault)")
            try await client.control("PUT", "/faults", [String]())
        }
        try await client.stop()
    }

    @Test("Last.fm's errors are put in Last.fm's words, and its methods are names to match")
    func lastfm() async throws {
        let client = try await Client()
        try await client.control(
            "PUT", "/faults", ["error=16,match=user.getInfo", "huge=2,match=user.getInfo"])
        let answer = try await client.lastfm("GET", "user.getInfo", ["user": "sandbox"])
        #expect(answer.status == 200 && answer.json["error"].int == 16)
        #expect(
            try await client.lastfm("GET", "user.getInfo", ["user": "sandbox"]).data.count > 2 << 20
        )
        try await client.set(["rate": ["requests": 1, "seconds": 60]])
        _ = try await client.lastfm("GET", "user.getInfo", ["user": "sandbox"])
        #expect(
            try await client.lastfm("GET", "user.getInfo", ["user": "sandbox"]).json["error"].int
                == 29)
        try await client.stop()
    }

    @Test("The journal knows every request and no secret")
    func journal() async throws {
        let client = try await Client()
        try await client.logInToLastfm()
        _ = try await client.lastfm("POST", "track.love", ["artist": "A", "track": "B"])
        let answer = try await client.control("GET", "/journal")
        let text = String(decoding: answer.data, as: UTF8.self)
        #expect(answer.json.rows.map { $0["n"].int } == Array(1...answer.json.rows.count))
        #expect(answer.json.rows.last?["body"]["artist"].string == "A")
        for secret in [client.token, client.sessionKey, Client.verifier] {
            #expect(!secret.isEmpty && !text.contains(secret))
        }
        try await client.stop()
    }

    @Test("Wrong faults and settings are refused, and nothing of the request is kept")
    func refusals() async throws {
        let client = try await Client()
        for spec in [
            "nonsense", "cut", "cut=-1", "huge=-1", "429,skp=1", "500,times=x", "redirect",
        ] {
            #expect(try await client.control("PUT", "/faults", [spec]).status == 400, "\(spec)")
        }
        for settings in [["mode": "dev2027"], ["token_life": "x"], ["rate": 5], ["unknown": true]]
            as [[String: Any]]
        {
            let all = settings.merging(["login": "deny"]) { $1 }
            #expect(try await client.control("PUT", "/settings", all).status == 400, "\(settings)")
        }
        #expect(try await client.control("GET", "/settings").json["login"].string == "approve")
        let control = client.bases["control"].string ?? ""
        #expect(
            try await client.send("GET", control, headers: ["Origin": "http://127.0.0.1"]).status
                == 403)
        try await client.stop()
    }

    @Test("One seed gives one world; another size is made on demand")
    func worlds() async throws {
        let (one, two) = (try await Client(), try await Client())
        for path in ["/me/playlists", "/me/tracks", "/me/player/recently-played"] {
            let texts = [
                String(decoding: try await one.spotify("GET", path).data, as: UTF8.self).split(
                    separator: "\""),
                String(decoding: try await two.spotify("GET", path).data, as: UTF8.self).split(
                    separator: "\""),
            ].map { $0.filter { !$0.hasPrefix("http://127.0.0.1") } }
            #expect(texts[0] == texts[1])
        }
        let size = ["seed": 2, "tracks": 300, "playlists": 7, "listens": 200_000, "likes": 120]
        let world = try await one.control("PUT", "/world", size).json
        #expect(world["listens"].int == 200_000 && world["playlists"].rows.count == 7)
        let page = try await one.lastfm(
            "GET", "user.getRecentTracks", ["user": "sandbox", "limit": "1000", "page": "200"])
        #expect(page.json["recenttracks"]["track"].rows.count == 1000)
        try await one.stop()
        try await two.stop()
    }

    @Test("A world in a folder is there again after the program was ended and started")
    func saved() async throws {
        let folder = try TemporaryFolder()
        let client = try await Client(folder: folder.path)
        let id = try await client.makePlaylist([uri(1), uri(2)])
        _ = try await client.spotify("POST", "/playlists/\(id)/items", ["uris": [uri(3)]])
        let before = try await client.control("GET", "/spotify/playlists/\(id)").data
        try await client.stop()

        let again = try await Client(folder: folder.path)
        #expect(try await again.control("GET", "/spotify/playlists/\(id)").data == before)
        #expect(try await again.control("GET", "").json["listens"].int == 500)
        try await again.stop()
    }
}
