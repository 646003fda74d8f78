import Connectors
import Foundation
import Ledger
import Synchronization
import TestSupport
import Testing

private let accountsBase = "https://accounts.spotify.com"

@Suite("Credentials")
struct CredentialsTests {
    private let folder: TemporaryFolder
    private let credentials: Credentials

    init() throws {
        folder = try TemporaryFolder()
        credentials = Credentials(home: folder.path)
    }

    @Test("What is kept comes back, readable by its owner alone, and others stay")
    func roundTrip() async throws {
        let old = umask(0)
        defer { umask(old) }
        try await credentials.locked {
            try credentials.write("spotify", ["base": publicBase, "user": "a \"b\" ü"])
            try credentials.write("lastfm", ["base": "b"])
            try credentials.write("lastfm", nil)
        }

        let mode =
            try FileManager.default.attributesOfItem(
                atPath: folder.file("credentials.json"))[.posixPermissions] as? Int

        #expect(try credentials.read("spotify") == ["base": publicBase, "user": "a \"b\" ü"])
        #expect(try credentials.read("lastfm") == nil)
        #expect(mode == 0o600)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == [
                "credentials.json", "credentials.lock",
            ])
    }

    @Test("A file that others can read is refused", arguments: [0o644, 0o640, 0o604, 0o620])
    func readableByOthers(mode: Int) async throws {
        try credentials.write("spotify", ["base": publicBase])
        let path = folder.file("credentials.json")
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)

        let error = try await failure { try credentials.read("spotify") }

        #expect(error?.code == .configuration)
        #expect(error?.remedy.contains("chmod 600 \(path)") == true)
    }

    @Test("A damaged file and a log-in of another base are refused; so is none")
    func refusals() async throws {
        #expect(
            try await failure { try credentials.require("spotify", base: publicBase) }?.code
                == .notAllowed)
        try credentials.write("spotify", ["base": loopbackBase])
        #expect(
            try await failure { try credentials.require("spotify", base: publicBase) }?.code
                == .notAllowed)
        try Data("{".utf8).write(to: URL(fileURLWithPath: folder.file("credentials.json")))
        chmod(folder.file("credentials.json"), 0o600)
        #expect(try await failure { try credentials.read("spotify") }?.code == .configuration)
    }
}

/// Spotify's accounts service, where a refresh token is good once.
private final class RotatingAccounts: Sendable {
    private let state = Mutex((good: 0, asked: 0))
    private let rotates: Bool

    init(rotates: Bool = true) { self.rotates = rotates }

    var asked: Int { state.withLock { $0.asked } }

    func answer(_ request: HTTPRequest) async -> HTTPResponse {
        let form = String(decoding: request.body ?? [], as: UTF8.self)
        let (isGood, next) = state.withLock { state in
            state.asked += 1
            let isGood = form.contains("refresh_token=R\(state.good)&")
            if isGood && rotates { state.good += 1 }
            return (isGood, state.good)
        }
        for _ in 0..<20 { await Task.yield() }
        guard isGood else {
            return HTTPResponse(
                status: 400,
                body: Array(
                    #"{"error":"invalid_grant","error_description":"Refresh token revoked"}"#.utf8))
        }
        let refresh = rotates ? #","refresh_token":"R\#(next)""# : ""
        return HTTPResponse(
            status: 200,
            body: Array(#"{"access_token":"A\#(asked)","expires_in":3600\#(refresh)}"#.utf8))
    }
}

@Suite("The log-in to Spotify")
struct SpotifyLoginTests {
    private let folder: TemporaryFolder
    private let credentials: Credentials

    init() throws {
        folder = try TemporaryFolder()
        credentials = Credentials(home: folder.path)
    }

    private func login(
        now: Milliseconds = noon, over transport: @escaping Service.Transport
    ) -> SpotifyLogin {
        SpotifyLogin(
            Service(
                "spotify", title: "Spotify", base: accountsBase, manner: SpotifyLogin.manner,
                over: transport, clock: Clock(fixedAt: now), pace: FakeTime().pace()),
            for: publicBase, in: Credentials(home: folder.path))
    }

    private func keep(expires: String = "2026-11-22T11:00:00Z", base: String = publicBase) throws {
        try credentials.write(
            "spotify",
            [
                "base": base, "accounts": accountsBase, "access_token": "A0", "refresh_token": "R0",
                "expires_at": expires, "client_id": "C", "consented_at": "2026-11-01T00:00:00Z",
            ])
    }

    @Test("The challenge is that of RFC 7636, appendix B")
    func challenge() {
        #expect(
            SpotifyLogin.challenge(of: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
                == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        let secrets = Set((0..<50).map { _ in SpotifyLogin.secret() })
        #expect(secrets.count == 50)
        #expect(secrets.allSatisfy { $0.count == 43 })
    }

    @Test("A token that is good is used as it is; one that was rejected is renewed")
    func good() async throws {
        try keep(expires: "2026-11-22T13:00:00Z")
        let accounts = RotatingAccounts()
        let login = login { await accounts.answer($0) }

        #expect(try await login.token(nil) == "A0")
        #expect(accounts.asked == 0)
        #expect(try await login.token("A0") == "A1")
        #expect(try await login.token("A0") == "A1")
        #expect(accounts.asked == 1)
    }

    @Test("Eight that find the token expired at once renew it once, and nobody is logged out")
    func race() async throws {
        try keep()
        let accounts = RotatingAccounts()
        let logins = (0..<8).map { _ in login { await accounts.answer($0) } }

        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for login in logins { group.addTask { try await login.token(nil) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }

        #expect(tokens == ["A1"])
        #expect(accounts.asked == 1)
        let fields = try #require(try credentials.read("spotify"))
        #expect(fields["refresh_token"] == "R1")
        #expect(fields["consented_at"] == "2026-11-01T00:00:00Z", "renewing is no consent")
        #expect(fields["expires_at"] == "2026-11-22T12:59:00Z", "a minute early")
    }

    @Test("A renewal that brings no refresh token keeps the old one")
    func withoutRotation() async throws {
        try keep()
        let accounts = RotatingAccounts(rotates: false)

        _ = try await login { await accounts.answer($0) }.token(nil)

        #expect(try credentials.read("spotify")?["refresh_token"] == "R0")
    }

    @Test(
        "Only invalid_grant ends a log-in; a broken service does not",
        arguments: [
            (400, #"{"error":"invalid_grant"}"#, .notAllowed, false),
            (400, #"{"error":"invalid_client"}"#, .configuration, true),
            (503, #"{"error":"invalid_grant"}"#, .unavailable, true),
            (500, "", .unavailable, true), (400, "<html>", .unavailable, true),
            (200, "<html>", .malformed, true), (200, "{}", .malformed, true),
            (429, "", .limited, true),
        ] as [(Int, String, ServiceError.Code, Bool)])
    func broken(status: Int, body: String, code: ServiceError.Code, isKept: Bool) async throws {
        try keep()
        let script = Script([.say(status, body)])

        let error = try await failure { try await login { try script.answer($0) }.token(nil) }

        #expect(error?.code == code)
        #expect(try credentials.read("spotify")?["refresh_token"] == (isKept ? "R0" : nil))
    }

    @Test("A token of another base or another accounts service is sent nowhere")
    func otherBase() async throws {
        try keep(expires: "2026-11-22T13:00:00Z", base: loopbackBase)
        let script = Script([.say(200)])
        let error = try await failure { try await login { try script.answer($0) }.token(nil) }
        #expect(error?.code == .notAllowed)
        #expect(script.requests.isEmpty)
    }

    @Test("The end of the consent is told two weeks ahead")
    func consent() {
        let fields = ["consented_at": "2026-01-01T00:00:00Z"]
        let end: Milliseconds = 1_767_225_600_000 + 181 * 86_400_000
        let before = end - 15 * 86_400_000
        let after = end - 13 * 86_400_000
        #expect(SpotifyLogin.consentWarning(fields, now: before) == nil)
        #expect(SpotifyLogin.consentWarning(fields, now: after)?.contains("2026-07-01") == true)
    }
}

@Suite("The listener for the browser's answer")
struct LoopbackListenerTests {
    @Test("Only a GET of its path, for its host, with its state is taken")
    func requests() async throws {
        let listener = try LoopbackListener("http://127.0.0.1/callback")
        let redirect = listener.redirect
        let code = Task { try await listener.code(state: "S", within: .seconds(60)) }
        let pool = HTTPPool(agent: "browser")
        let root = String(redirect.dropLast("/callback".count))
        func status(
            _ path: String, _ method: String = "GET",
            _ headers: [(name: String, value: String)] = []
        ) async throws -> Int {
            try await pool.send(HTTPRequest(method, root + path, headers: headers)).status
        }

        #expect(try await status("/favicon.ico") == 404)
        #expect(try await status("/callback?code=x&state=T") == 400)
        #expect(try await status("/callback?code=x") == 400)
        #expect(try await status("/callback?code=x&state=S", "POST") == 404)
        #expect(
            try await status("/callback?code=x&state=S", "GET", [("Host", "evil.example")]) == 404)
        #expect(try await status("/callback?code=a%2Bb&state=S") == 200)

        #expect(try await code.value == "a+b")
    }

    @Test(
        "It listens on this machine alone",
        arguments: [
            "http://localhost/callback", "https://127.0.0.1/callback", "http://0.0.0.0/callback",
            "http://127.0.0.1", "http://127.0.0.1:x/callback", "http://127.0.0.1:99999/callback",
        ])
    func places(uri: String) async throws {
        #expect(try await failure { try LoopbackListener(uri) }?.code == .configuration)
    }

    @Test("Nobody comes: the wait ends")
    func timeout() async throws {
        let listener = try LoopbackListener("http://127.0.0.1/callback")
        let error = try await failure {
            try await listener.code(state: "S", within: .milliseconds(10))
        }
        #expect(error?.code == .notAllowed)
    }
}

@Suite("The log-in to Last.fm")
struct LastfmLoginTests {
    private func fields(
        _ script: Script, show: (String) -> Void = { _ in }
    ) async throws -> [String: String] {
        let service = Service(
            "lastfm", title: "Last.fm", base: "https://ws.audioscrobbler.com/2.0/",
            manner: LastfmClient.manner, over: { try script.answer($0) },
            clock: Clock(fixedAt: noon), pace: FakeTime().pace())
        return try await LastfmClient(service, key: "K", secret: "S").logIn(
            page: "https://www.last.fm/api/auth/", within: .seconds(60), show: show)
    }

    private static func token(_ name: String) -> Script.Act { .say(200, #"{"token":"\#(name)"}"#) }
    private static let waiting = Script.Act.say(403, #"{"error":14,"message":"not authorized"}"#)
    private static let ended = Script.Act.say(403, #"{"error":15,"message":"expired"}"#)
    private static let session = Script.Act.say(
        200, #"{"session":{"name":"u","key":"K32","subscriber":0}}"#)

    @Test("It asks until the person has allowed it, with a new token when the first has ended")
    func polling() async throws {
        let script = Script([
            Self.token("T1"), Self.waiting, Self.waiting, Self.ended, Self.token("T2"),
            Self.waiting, Self.session,
        ])
        var shown: [String] = []

        let fields = try await fields(script) { shown.append($0) }

        #expect(
            fields == [
                "base": "https://ws.audioscrobbler.com/2.0/", "user": "u", "session_key": "K32",
            ])
        #expect(
            shown.map { $0.suffix(15) }
                == ["api_key=K&token=T1", "api_key=K&token=T2"].map { $0.suffix(15) })
        #expect(script.requests.count == 7)
    }

    @Test("It ends when nobody allows it in time, and when the second token ends too")
    func refused() async throws {
        for acts in [
            [Self.token("T"), Self.waiting],
            [Self.token("T"), Self.ended, Self.token("U"), Self.ended],
        ] {
            let error = try await failure { try await fields(Script(acts)) }
            #expect(error?.code == .notAllowed)
        }
    }
}
