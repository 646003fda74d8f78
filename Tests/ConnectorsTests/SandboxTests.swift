import Connectors
import Foundation
import JSONText
import Ledger
import TestSupport
import Testing

private let haveSandbox = FileManager.default.isExecutableFile(
    atPath: Program.folder + "/narada-sandbox")

/// A sandbox of a test's own, with somebody logged in to it.
private final class Sandbox {
    let process = Process()
    let urls: [String: String]
    let pool = HTTPPool(agent: "Narada/test")
    let folder: TemporaryFolder

    init(mode: String) throws {
        folder = try TemporaryFolder()
        process.executableURL = URL(fileURLWithPath: Program.folder + "/narada-sandbox")
        process.arguments = ["--port", "0", "--mode", mode]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        var line: [UInt8] = []
        while let byte = try output.fileHandleForReading.read(upToCount: 1)?.first, byte != 10 {
            line.append(byte)
        }
        urls = try JSONDecoder().decode([String: String].self, from: Data(line))
    }

    deinit { process.terminate() }

    func control(_ method: String, _ path: String, _ body: String? = nil) async throws -> [UInt8] {
        try await pool.send(
            HTTPRequest(
                method, (urls["control"] ?? "") + path,
                headers: [("content-type", "application/json")], body: body.map { Array($0.utf8) })
        ).body
    }

    func service(
        _ name: String, _ base: String, _ manner: ServiceManner, token: Service.TokenSource? = nil
    ) -> Service {
        Service(
            name, title: name, base: urls[base] ?? "", manner: manner,
            over: { [pool] in try await pool.send($0) }, clock: Clock(), pace: Pace(isOff: true),
            token: token)
    }

    /// Logs in as a browser would.
    func spotify() async throws -> SpotifyClient {
        let credentials = Credentials(home: folder.path)
        let login = SpotifyLogin(
            service("spotify", "spotify_accounts", SpotifyLogin.manner),
            for: urls["spotify_api"] ?? "", in: credentials)
        let listener = try LoopbackListener("http://127.0.0.1/callback")
        let (state, verifier) = (SpotifyLogin.secret(), SpotifyLogin.secret())
        let page = login.authorizeURL(
            clientID: "test", redirect: listener.redirect, state: state, verifier: verifier)
        let browser = Task { [pool] in try await pool.send(HTTPRequest("GET", page)) }
        let code = try await listener.code(state: state, within: .seconds(30))
        _ = try await browser.value
        let missing = try await login.finish(
            code: code, clientID: "test", redirect: listener.redirect, verifier: verifier)
        #expect(missing.isEmpty)
        return SpotifyClient(
            service("spotify", "spotify_api", SpotifyClient.manner) { try await login.token($0) })
    }
}

@Suite("The clients against the sandbox", .enabled(if: haveSandbox, "narada-sandbox is not built"))
struct SandboxTests {
    private func uris(_ client: SpotifyClient, _ id: String) async throws -> [String] {
        var pages = client.pages("/playlists/\(id)/items", [("limit", "2")])
        var uris: [String] = []
        while let page = try await pages.next() {
            uris += page.read { page in
                page["items"]?.elements.map {
                    (($0["item"] ?? $0["track"])?["uri"]?.text ?? "").suffix(1).description
                } ?? []
            }
        }
        return uris
    }

    @Test(
        "Every write does what it says, in every world",
        arguments: ["dev2026", "full2026", "legacy"])
    func writes(mode: String) async throws {
        let sandbox = try Sandbox(mode: mode)
        let client = try await sandbox.spotify()
        var liked = client.pages("/me/tracks", [("limit", "50")])
        let page = try #require(try await liked.next())
        let tracks = page.read { page in
            page["items"]?.elements.compactMap { $0["track"]?["uri"]?.text } ?? []
        }
        try #require(tracks.count >= 5)
        let letters = tracks.prefix(5).map { String($0.suffix(1)) }

        let created = try await client.createPlaylist(name: "New", description: "d")
        let id = try #require(created.read { $0["id"]?.text })
        var snapshot = try await client.add(Array(tracks.prefix(5)), at: nil, to: id)
        #expect(snapshot != nil)
        #expect(try await uris(client, id) == letters)
        snapshot = try await client.reorder(
            from: 0, count: 2, before: 5, in: id, snapshot: snapshot)
        #expect(try await uris(client, id) == Array(letters[2...] + letters[..<2]))
        _ = try await client.remove([tracks[0]], from: id, snapshot: snapshot)
        #expect(try await uris(client, id) == Array(letters[2...] + letters[1..<2]))
        _ = try await client.replace([tracks[4]], in: id)
        #expect(try await uris(client, id) == [letters[4]])
        try await client.change(name: "Newer", description: nil, of: id)
        let name = try await client.get("/playlists/\(id)").read { $0["name"]?.text }
        #expect(name == "Newer")
        try await client.library(saving: false, [tracks[0]])
        liked = client.pages("/me/tracks", [("limit", "50")])
        let rest = try #require(try await liked.next()).read { $0["items"]?.elements.count }
        #expect(rest == tracks.count - 1)
        let gone = try await failure {
            try await client.get("/playlists/0000000000000000000000/items")
        }
        #expect(gone?.code == .notFound)
    }

    @Test("A create whose answer is lost is made once; a token that was taken back is renewed")
    func faults() async throws {
        let sandbox = try Sandbox(mode: "dev2026")
        _ = try await sandbox.control("PUT", "/settings", #"{"rotate_refresh":true}"#)
        let client = try await sandbox.spotify()
        _ = try await sandbox.control("PUT", "/faults", #"["lost,match=POST *"]"#)

        let error = try await failure {
            try await client.createPlaylist(name: "Once", description: nil)
        }

        #expect(error?.code == .uncertain)
        let lists = try await client.get("/me/playlists", [("limit", "50")])
        let count = lists.read { page in
            page["items"]?.elements.count { $0["name"]?.text == "Once" }
        }
        #expect(count == 1)
        _ = try await sandbox.control("PUT", "/settings", #"{"expire_tokens":true}"#)
        _ = try await client.get("/me")
        _ = try await sandbox.control(
            "PUT", "/faults", #"["429=1,times=1","502,times=1,skip=1","truncate=9,times=1,skip=2"]"#
        )
        _ = try await client.get("/me")
    }

    @Test("Last.fm: log-in, love, and a history that its owner hides")
    func lastfm() async throws {
        let sandbox = try Sandbox(mode: "dev2026")
        let summary = try await sandbox.control("GET", "")
        let (key, secret) = summary.read {
            ($0["lastfm_api_key"]?.text ?? "", $0["lastfm_api_secret"]?.text)
        }
        let service = sandbox.service("lastfm", "lastfm", LastfmClient.manner)
        let pool = sandbox.pool
        let fields = try await LastfmClient(service, key: key, secret: secret).logIn(
            page: sandbox.urls["lastfm_auth"] ?? "", within: .seconds(30)
        ) { url in
            Task { try await pool.send(HTTPRequest("GET", url)) }
        }
        let client = LastfmClient(
            service, key: key, secret: secret, sessionKey: { fields["session_key"] ?? "" })

        _ = try await client.call(
            "track.love", [("artist", "A & B"), ("track", "Jóga")], isSigned: true, isWrite: true)
        let loved = try await client.call(
            "user.getLovedTracks", [("user", fields["user"] ?? ""), ("limit", "1")])
        #expect(loved.read { $0["lovedtracks"]?["track"] != nil })
        _ = try await sandbox.control("PUT", "/settings", #"{"private_listening":true}"#)
        let recent = try await client.call(
            "user.getRecentTracks", [("user", fields["user"] ?? ""), ("limit", "5")])
        #expect(recent.read { $0["recenttracks"] != nil })
    }
}
