import Connectors
import Foundation
import JSONText
import Ledger
import TestSupport
import Testing

@Suite("The client of Spotify")
struct SpotifyClientTests {
    private func client(_ answer: @escaping @Sendable (HTTPRequest) -> (Int, String)) -> (
        SpotifyClient, seen: @Sendable () -> [String]
    ) {
        let script = Script([.say(200)])
        let service = Service(
            "spotify", title: "Spotify", base: loopbackBase, manner: SpotifyClient.manner,
            over: { request in
                _ = try script.answer(request)
                let (status, body) = answer(request)
                return HTTPResponse(status: status, body: Array(body.utf8))
            }, clock: Clock(fixedAt: noon), pace: FakeTime().pace(isOff: true))
        return (
            SpotifyClient(service),
            { script.requests.map { "\($0.method) \($0.url.dropFirst(loopbackBase.count))" } }
        )
    }

    @Test("Pages follow next to its end, or to an empty page")
    func pages() async throws {
        let (client, seen) = client { request in
            request.url.hasSuffix("3")
                ? (200, #"{"items":[],"next":"\#(loopbackBase)/me/tracks?offset=4"}"#)
                : (
                    200,
                    #"{"items":[1],"next":"\#(loopbackBase)/me/tracks?offset=\#(request.url.hasSuffix("2") ? 3 : 2)"}"#
                )
        }

        var count = 0
        var pages = client.pages("/me/tracks", [("limit", "50")])
        while try await pages.next() != nil { count += 1 }

        #expect(count == 3)
        #expect(
            seen() == [
                "GET /me/tracks?limit=50", "GET /me/tracks?offset=2", "GET /me/tracks?offset=3",
            ])
    }

    @Test(
        "A next link to another place, or to a page that was read, ends the walk",
        arguments: [
            "https://api.spotify.com/v1/me/tracks", "http://127.0.0.1:9/v10/x",
            "http://127.0.0.1:9/v1@192.0.2.1/", "\(loopbackBase)/me/tracks?offset=1",
        ])
    func foreignPages(next: String) async throws {
        let (client, seen) = client { _ in (200, #"{"items":[1],"next":"\#(next)"}"#) }

        let error = try await failure {
            var pages = client.pages("/me/tracks")
            while try await pages.next() != nil {}
        }

        #expect(error?.code == .malformed)
        #expect(seen().count == (next.hasPrefix(loopbackBase + "/") ? 2 : 1))
    }

    /// Answers as a world that has the new paths, the old ones, or both; `gone` is a playlist nobody has.
    private func world(_ paths: [String], _ missing: Int = 404)
        -> @Sendable (HTTPRequest) -> (
            Int, String
        )
    {
        { request in
            if request.url.contains("gone") { return (404, "{}") }
            if request.url.hasSuffix("/me") { return (200, #"{"id":"me.1"}"#) }
            return paths.contains { request.url.contains($0) }
                ? (200, #"{"snapshot_id":"S"}"#) : (missing, "{}")
        }
    }

    @Test("Where only the old paths are, they are found once and used from then on")
    func oldWorld() async throws {
        let (client, seen) = client(world(["/tracks", "/users/"]))

        _ = try await client.get("/playlists/a/items", [("limit", "50")])
        let snapshot = try await client.add(["spotify:track:x"], at: 0, to: "b")
        let gone = try await failure { try await client.get("/playlists/gone/items") }
        _ = try await client.createPlaylist(name: "N", description: nil)
        try await client.library(saving: true, ["spotify:track:x"])

        #expect(snapshot == "S")
        #expect(gone?.code == .notFound)
        #expect(
            seen() == [
                "GET /playlists/a/items?limit=50", "GET /playlists/a/tracks?limit=50",
                "POST /playlists/b/tracks", "GET /playlists/gone/tracks", "GET /me",
                "POST /users/me.1/playlists", "PUT /me/tracks",
            ])
    }

    @Test("A playlist that nobody has is not taken for a missing path", arguments: [404, 403])
    func newWorld(missing: Int) async throws {
        let (client, seen) = client(world(["/items", "/me/"], missing))

        let gone = try await failure { try await client.get("/playlists/gone/items") }
        _ = try await client.get("/playlists/a/items")
        let later = try await failure { try await client.get("/playlists/gone/items") }
        try await client.library(saving: false, ["spotify:track:x", "spotify:track:y"])

        #expect(gone?.code == .notFound && later?.code == .notFound)
        #expect(
            seen() == [
                "GET /playlists/gone/items", "GET /playlists/gone/tracks", "GET /playlists/a/items",
                "GET /playlists/gone/items",
                "DELETE /me/library?uris=spotify%3Atrack%3Ax%2Cspotify%3Atrack%3Ay",
            ])
    }

    @Test("Creates, adds and moves are not sent twice; what is once the same is")
    func writes() async throws {
        let outcomes: [(String, (SpotifyClient) async throws -> Void, Int)] = [
            ("create", { _ = try await $0.createPlaylist(name: "N", description: "D") }, 1),
            ("add", { _ = try await $0.add(["spotify:track:x"], at: nil, to: "p") }, 1),
            (
                "reorder",
                {
                    _ = try await $0.reorder(from: 0, count: 1, before: 3, in: "p", snapshot: "S")
                }, 1
            ),
            (
                "remove",
                { _ = try await $0.remove(["spotify:track:x"], from: "p", snapshot: "S") }, 5
            ),
            ("replace", { _ = try await $0.replace([], in: "p") }, 5),
            ("change", { try await $0.change(name: "N", description: nil, of: "p") }, 5),
            ("library", { try await $0.library(saving: true, ["spotify:track:x"]) }, 5),
        ]
        for (name, write, count) in outcomes {
            let (client, seen) = client { _ in (500, "") }
            let error = try await failure { try await write(client) }
            #expect(error?.code == (count == 1 ? .uncertain : .unavailable), "\(name)")
            #expect(seen().count == count, "\(name)")
        }
    }

    @Test("The bodies are what Spotify reads")
    func bodies() async throws {
        let script = Script([.say(200, #"{"snapshot_id":"T"}"#)])
        let client = SpotifyClient(spotify(script))

        _ = try await client.createPlaylist(name: "N", description: nil)
        _ = try await client.add(["u"], at: 3, to: "p")
        _ = try await client.reorder(from: 5, count: 2, before: 0, in: "p", snapshot: "S")
        _ = try await client.remove(["u", "v"], from: "p", snapshot: "S")
        _ = try await client.replace([], in: "p")

        #expect(
            script.requests.map { String(decoding: $0.body ?? [], as: UTF8.self) } == [
                #"{"name":"N","public":false}"#, #"{"uris":["u"],"position":3}"#,
                #"{"range_start":5,"range_length":2,"insert_before":0,"snapshot_id":"S"}"#,
                #"{"items":[{"uri":"u"},{"uri":"v"}],"snapshot_id":"S"}"#, #"{"uris":[]}"#,
            ])
    }

    @Test(
        "A pool and a client read pages whole through cuts, and a create that was lost is sent once"
    )
    func overSockets() async throws {
        let server = RawServer { request, number in
            let page = httpAnswer(200, [], #"{"items":[1],"next":null}"#)
            if request.hasPrefix("POST") { return ([], .close) }
            return number < 2 ? (Array(page.prefix(60)), .close) : (page, .keep)
        }
        let pool = HTTPPool(agent: "Narada/test")
        let service = Service(
            "spotify", title: "Spotify", base: server.url + "/v1", manner: SpotifyClient.manner,
            over: { try await pool.send($0) }, clock: Clock(fixedAt: noon),
            pace: FakeTime().pace(isOff: true))
        let client = SpotifyClient(service)

        let page = try await client.get("/me/tracks")
        let error = try await failure {
            try await client.createPlaylist(name: "N", description: nil)
        }

        #expect(String(decoding: page, as: UTF8.self) == #"{"items":[1],"next":null}"#)
        #expect(error?.code == .uncertain)
        #expect(server.requests.count { $0.hasPrefix("POST") } == 1)
        #expect(server.requests.count == 4)
    }
}

@Suite("The client of Last.fm")
struct LastfmClientTests {
    private func client(_ script: Script, session: Bool = true) -> LastfmClient {
        let service = Service(
            "lastfm", title: "Last.fm", base: "https://ws.audioscrobbler.com/2.0/",
            manner: LastfmClient.manner, over: { try script.answer($0) },
            clock: Clock(fixedAt: noon), pace: FakeTime().pace())
        return LastfmClient(
            service, key: "K", secret: "SECRET", sessionKey: session ? { @Sendable in "SK" } : nil)
    }

    @Test("Signatures are those of the recorded vectors")
    func signatures() {
        let rows =
            [("Björk", "Jóga", 1_700_000_000), ("A & B", "x=y?", 1_700_000_300)]
            + (2...10).map { ("A\($0)", "T\($0)", 1_700_000_000 + 300 * $0) }
        let scrobble =
            [
                ("method", "track.scrobble"), ("api_key", "0123456789abcdef0123456789abcdef"),
                ("sk", "SESSIONKEY"), ("format", "json"),
            ]
            + rows.enumerated().flatMap { index, row in
                [
                    ("artist[\(index)]", row.0), ("track[\(index)]", row.1),
                    ("timestamp[\(index)]", "\(row.2)"),
                ]
            }
        #expect(
            LastfmClient.signature(
                of: [
                    ("api_key", "YOUR_API_KEY"), ("method", "auth.getSession"),
                    ("token", "YOUR_REQUESTED_TOKEN"),
                ], secret: "YOUR_SECRET") == "94539006de89b3c6b3c030bb1e52b9c4")
        #expect(
            LastfmClient.signature(
                of: [
                    ("api_key", "YOUR_API_KEY"), ("method", "track.love"), ("artist", "KITANO REM"),
                    ("track", "RAINSICK"), ("sk", "YOUR_SESSION_KEY"),
                ], secret: "YOUR_SECRET") == "800b8884b00c9343d1d425ed271e0f42")
        #expect(
            LastfmClient.signature(of: scrobble, secret: "SECRET")
                == "a6bee5cf53306c03d1bbbb03f52a77e5")
    }

    @Test(
        "The body decides before the status",
        arguments: [
            (4, .notAllowed, 1), (6, .notFound, 1), (7, .notFound, 1), (8, .unavailable, 5),
            (9, .notAllowed, 1), (10, .configuration, 1), (11, .unavailable, 5),
            (13, .configuration, 1), (16, .unavailable, 5), (26, .notAllowed, 1),
            (29, .limited, 2), (3, .misused, 1),
        ] as [(Int, ServiceError.Code, Int)])
    func codes(number: Int, code: ServiceError.Code, sent: Int) async throws {
        for status in [200, 400, 403, 404, 429] {
            let script = Script([.say(status, #"{"error":\#(number),"message":"m"}"#)])
            let error = try await failure { try await client(script).call("user.getInfo") }
            #expect(error?.code == code, "\(status)")
            #expect(script.requests.count == sent, "\(status)")
        }
    }

    @Test("Too many requests are too many whatever the body says")
    func status() async throws {
        for (status, code) in [(429, ServiceError.Code.limited), (503, .unavailable)] {
            let script = Script([.say(status, "<html>")])
            let error = try await failure { try await client(script).call("user.getInfo") }
            #expect(error?.code == code)
        }
    }

    @Test("A hidden history is asked for once in its owner's name", arguments: [true, false])
    func hidden(isLoggedIn: Bool) async throws {
        let script = Script([
            .say(403, #"{"error":17,"message":"Login: User required to be logged in"}"#),
            .say(200, "{}"),
        ])

        let error = try await failure {
            try await client(script, session: isLoggedIn).call(
                "user.getRecentTracks", [("user", "u")])
        }

        #expect(error?.code == (isLoggedIn ? nil : .notAllowed))
        #expect(script.requests.count == (isLoggedIn ? 2 : 1))
        #expect(script.requests.last?.url.contains("sk=SK&api_sig=") == isLoggedIn)
    }

    @Test("A write goes in the body, signed, and encoded after it was signed")
    func writes() async throws {
        let script = Script([.say(200, "{}")])

        _ = try await client(script).call(
            "track.love", [("artist", "A & B"), ("track", "Jóga")], isSigned: true, isWrite: true)

        let request = try #require(script.requests.first)
        #expect(request.method == "POST" && request.url == "https://ws.audioscrobbler.com/2.0/")
        let body = String(decoding: request.body ?? [], as: UTF8.self)
        #expect(
            body.hasPrefix(
                "artist=A%20%26%20B&track=J%C3%B3ga&method=track.love&api_key=K&sk=SK&api_sig="))
        #expect(body.hasSuffix("&format=json"))
    }

    @Test("A byte order mark before an answer is taken off")
    func mark() async throws {
        let body = try await client(Script([.say(200, "\u{FEFF}{}")])).call("user.getInfo")
        #expect(body == Array("{}".utf8))
    }
}
