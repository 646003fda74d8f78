import Foundation
import Sandbox
import Testing

@Suite("Last.fm's side of the sandbox")
struct LastfmTests {
    @Test("Keys, signatures, tokens and sessions are checked with their numbers")
    func logIn() async throws {
        let client = try await Client()
        func code(_ name: String, _ fields: [String: String]) async throws -> Int? {
            try await client.lastfm("POST", name, fields).json["error"].int
        }
        #expect(try await code("auth.getToken", ["api_sig": "0"]) == 13)
        let token = try await client.lastfm("POST", "auth.getToken").json["token"].string ?? ""
        #expect(try await code("auth.getSession", ["token": token]) == 14)
        #expect(try await code("auth.getSession", ["token": "other"]) == 4)
        try await client.set(["now": "2027-01-01T00:00:00Z"])
        #expect(try await code("auth.getSession", ["token": token]) == 15)
        #expect(try await code("track.love", ["artist": "a", "track": "b", "sk": "none"]) == 9)
        #expect(try await code("no.such", [:]) == 3)
        try await client.logInToLastfm()
        #expect(try await code("track.love", ["artist": "a", "track": "b"]) == nil)
        try await client.set(["consent": "revoked"])
        #expect(try await code("track.love", ["artist": "a", "track": "b"]) == 9)
        let url =
            (client.bases["lastfm"].string ?? "") + "?method=user.getInfo&user=sandbox&format=json"
        #expect(try await client.send("GET", url).json["error"].int == 10)
        try await client.stop()
    }

    @Test(
        "Recent tracks: both ends belong to the range, one row is an object, now playing comes first"
    )
    func recentTracks() async throws {
        let client = try await Client()
        let listens = (1...5).map {
            ["artist": "Björk", "track": "Jóga \($0)", "uts": 1000 * $0] as [String: Any]
        }
        try await client.control("PUT", "/lastfm/listens", listens)
        func recent(_ fields: [String: String]) async throws -> Tree {
            let all = fields.merging(["user": "sandbox"]) { $1 }
            return try await client.lastfm("GET", "user.getRecentTracks", all).json["recenttracks"]
        }
        let range = try await recent(["from": "2000", "to": "4000"])
        #expect(range["track"].rows.map { $0["date"]["uts"].string } == ["4000", "3000", "2000"])
        #expect(range["@attr"]["total"].string == "3")
        #expect(try await recent(["limit": "1", "page": "2"])["track"]["name"].string == "Jóga 4")
        #expect(try await recent(["from": "9000"])["@attr"]["totalPages"].string == "0")
        try await client.set(["now_playing": true])
        let playing = try await recent(["limit": "2", "page": "2", "extended": "1"])["track"].rows
        #expect(playing.count == 3 && playing[0]["@attr"]["nowplaying"].string == "true")
        #expect(playing[0]["date"].any == nil && playing[1]["artist"]["name"].string == "Björk")
        try await client.set(["private_listening": true])
        let hidden = try await client.lastfm("GET", "user.getRecentTracks", ["user": "sandbox"])
        #expect(hidden.status == 403 && hidden.json["error"].int == 17)
        try await client.logInToLastfm()
        #expect(
            try await client.lastfm("POST", "user.getRecentTracks", ["user": "sandbox"]).status
                == 200)
        try await client.stop()
    }

    @Test("A scrobble's row says what became of it; what is there already is dropped in silence")
    func scrobbles() async throws {
        let client = try await Client()
        try await client.set(["now": "2026-06-15T00:00:00Z", "daily_cap": 3])
        try await client.control("PUT", "/lastfm/listens", [Any]())
        try await client.logInToLastfm()
        let now = 1_781_481_600
        func send(_ rows: [(String, Int)]) async throws -> Tree {
            var fields: [String: String] = [:]
            for (index, row) in rows.enumerated() {
                fields["artist[\(index)]"] = row.0
                fields["track[\(index)]"] = "T"
                fields["timestamp[\(index)]"] = String(row.1)
            }
            return try await client.lastfm("POST", "track.scrobble", fields).json
        }
        let fortnight = 14 * 86_400
        let answer = try await send([
            ("A", now - fortnight), ("A", now - fortnight - 1), ("A", now + 3600),
            ("[unknown]", now), ("B", now),
            ("B", now), ("C", now), ("D", now),
        ])["scrobbles"]
        let codes = answer["scrobble"].rows.map { $0["ignoredMessage"]["code"].string }
        #expect(codes == ["0", "3", "4", "1", "0", "0", "0", "5"])
        #expect(answer["@attr"]["accepted"].int == 4 && answer["@attr"]["ignored"].int == 4)
        #expect(try await client.control("GET", "").json["listens"].int == 3)
        try await client.set(["cap_as": "error29"])
        #expect(try await send([("E", now)])["error"].int == 29)
        #expect(try await send((0...50).map { ("X", now - $0) })["error"].int == 6)
        try await client.stop()
    }

    @Test(
        "Counts follow the listens of one spelling, unless they were set; autocorrect follows a redirect"
    )
    func counts() async throws {
        let client = try await Client()
        let row: [String: Any] = ["artist": "A", "track": "Song", "uts": 5]
        try await client.control(
            "PUT", "/lastfm/listens",
            [row, row, ["artist": "A", "track": "Song - Live", "uts": 6]])
        func count(_ track: String, _ more: [String: String] = [:]) async throws -> Tree {
            let fields = ["artist": "A", "track": track, "username": "sandbox"].merging(more) { $1 }
            return try await client.lastfm("GET", "track.getInfo", fields).json
        }
        #expect(try await count("song")["track"]["userplaycount"].string == "2")
        try await client.control(
            "PUT", "/lastfm/tracks",
            [
                ["artist": "A", "track": "Song", "userplaycount": 40, "listeners": 7],
                ["artist": "A", "track": "Sonng", "redirect": ["artist": "A", "track": "Song"]],
            ] as [[String: Any]])
        #expect(try await count("Sonng")["track"]["userplaycount"].string == "0")
        #expect(
            try await count("Sonng", ["autocorrect": "1"])["track"]["userplaycount"].string == "40")
        let missing = try await client.lastfm(
            "GET", "track.getInfo", ["artist": "A", "track": "None"])
        #expect(missing.status == 200 && missing.json["error"].int == 6)
        let plain = try await client.lastfm(
            "GET", "track.getInfo", ["artist": "A", "track": "Song"]
        ).json
        #expect(
            !plain["track"].keys.contains("userplaycount")
                && plain["track"]["listeners"].string == "7")
        try await client.stop()
    }

    @Test("Without format=json the same answer is XML")
    func xml() async throws {
        let client = try await Client()
        try await client.control(
            "PUT", "/lastfm/listens", [["artist": "A & <B>", "track": "C", "uts": 1]])
        let base = (client.bases["lastfm"].string ?? "") + "?api_key=" + LastfmApplication.key
        let text = String(
            decoding: try await client.send(
                "GET", base + "&method=user.getRecentTracks&user=sandbox"
            ).data,
            as: UTF8.self)
        #expect(text.contains("<lfm status=\"ok\"><recenttracks user=\"sandbox\""))
        #expect(text.contains("<artist mbid=\"\">A &amp; &lt;B&gt;</artist>"))
        #expect(text.contains("<date uts=\"1\">01 Jan 1970, 00:00</date>"))
        let failed = try await client.send("GET", base + "&method=user.getInfo")
        #expect(
            String(decoding: failed.data, as: UTF8.self).contains(
                "<lfm status=\"failed\"><error code=\"6\">"))
        try await client.stop()
    }
}
