import Foundation
import TestSupport
import Testing

/// A program that is still running, whose lines are read as they come.
private struct Running {
    let process = Process()
    private let output = Pipe()
    private let errors = Pipe()

    init(_ arguments: [String], _ environment: [String: String]) throws {
        process.executableURL = URL(fileURLWithPath: Program.folder + "/narada-cmd")
        process.arguments = arguments
        process.environment = environment
        process.standardOutput = output
        process.standardError = errors
        // A program inherits what the thread that starts it blocks, and test threads block Ctrl-C.
        var signals = sigset_t()
        var old = sigset_t()
        sigemptyset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        try process.run()
    }

    func line() -> String {
        var bytes: [UInt8] = []
        while let byte = try? output.fileHandleForReading.read(upToCount: 1)?.first, byte != 10 {
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func end() -> (status: Int32, output: String, errors: String) {
        let said = output.fileHandleForReading.readDataToEndOfFile()
        let errors = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: said, as: UTF8.self),
            String(decoding: errors, as: UTF8.self)
        )
    }
}

@Suite("Logging in")
struct LoginTests {
    let home: TestHome
    init() throws { home = try TestHome() }

    private func environment(_ server: RawServer) -> [String: String] {
        [
            "NARADA_HOME": home.path, "NARADA_PACE": "off", "SPOTIFY_CLIENT_ID": "C",
            "NARADA_SPOTIFY_API_URL": server.url + "/v1",
            "NARADA_SPOTIFY_ACCOUNTS_URL": server.url + "/accounts",
            "NARADA_LASTFM_URL": server.url + "/2.0/", "LASTFM_API_KEY": "K",
            "LASTFM_API_SECRET": "S",
        ]
    }

    /// Spotify as far as a log-in needs it.
    private func spotify() -> RawServer {
        RawServer { request, _ in
            if request.contains("grant_type=authorization_code") {
                let body =
                    #"{"access_token":"T0KEN","expires_in":3600,"scope":"user-library-read","refresh_token":"R"}"#
                return (httpAnswer(200, [], body), .keep)
            }
            return (httpAnswer(200, [], #"{"id":"me"}"#), .keep)
        }
    }

    @Test(
        "A log-in to Spotify prints the address first, takes the browser's answer and keeps the tokens"
    )
    func spotifyLogin() throws {
        let server = spotify()
        let login = try Running(
            ["login", "spotify", "--no-browser", "--json", "--verbose"], environment(server))
        let address = login.line()
        let query = try #require(URLComponents(string: address)?.queryItems)
        func value(_ name: String) -> String { query.first { $0.name == name }?.value ?? "" }

        #expect(
            address.hasPrefix(server.url + "/accounts/authorize?client_id=C&response_type=code&"))
        #expect(value("code_challenge_method") == "S256" && value("code_challenge").count == 43)
        let back = value("redirect_uri") + "?code=C0DE&state=" + value("state")
        #expect(!value("state").isEmpty)
        try get(back)
        let end = login.end()

        #expect(end.status == 0, "\(end.errors)")
        let answer = try #require(
            try JSONSerialization.jsonObject(with: Data(end.output.utf8)) as? [String: Any])
        #expect(answer["user"] as? String == "me")
        #expect(answer["first"] is NSNull)
        #expect((answer["missing_scopes"] as? [String])?.count == 9)
        #expect(end.errors.contains("not granted"))
        let exchange = try #require(server.requests.first)
        #expect(exchange.contains("code=C0DE") && exchange.contains("code_verifier="))
        #expect(!exchange.contains("authorization:"))
        #expect(server.requests.last?.contains("authorization: Bearer T0KEN") == true)
        #expect(server.requests.allSatisfy { $0.contains("User-Agent: Narada/") })
        for secret in ["T0KEN", "C0DE"] { #expect(!end.errors.contains(secret)) }
        let kept = try String(contentsOfFile: home.path + "/credentials.json", encoding: .utf8)
        #expect(kept.contains(#""access_token":"T0KEN""#) && kept.contains(#""user":"me""#))
    }

    /// What a browser does with a redirect.
    private func get(_ url: String) throws {
        let parts = try #require(URLComponents(string: url))
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(connection) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = UInt16(parts.port ?? 0).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection, $0, size) == 0
            }
        }
        try #require(isConnected)
        let path = url.dropFirst("http://127.0.0.1:\(parts.port ?? 0)".count)
        let request = Array(
            "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(parts.port ?? 0)\r\n\r\n".utf8)
        #expect(send(connection, request, request.count, 0) == request.count)
        var buffer = [UInt8](repeating: 0, count: 4096)
        while recv(connection, &buffer, buffer.count, 0) > 0 {}
    }

    @Test("A person who refuses is not logged in: 77")
    func refused() throws {
        let server = spotify()
        let login = try Running(
            ["login", "spotify", "--no-browser", "--timeout", "20"], environment(server))
        let query = URLComponents(string: login.line())?.queryItems ?? []
        let redirect = query.first { $0.name == "redirect_uri" }?.value ?? ""
        let state = query.first { $0.name == "state" }?.value ?? ""

        try get("\(redirect)?error=access_denied&state=\(state)")

        let end = login.end()
        #expect(end.status == 77)
        #expect(end.errors.contains("access_denied"))
        #expect(server.requests.isEmpty)
    }

    @Test("Ctrl-C ends a log-in that waits: 130")
    func interrupted() throws {
        let login = try Running(
            ["login", "spotify", "--no-browser", "--timeout", "20"], environment(spotify()))
        _ = login.line()
        login.process.interrupt()
        #expect(login.end().status == 130)
    }

    @Test("Last.fm: the address, then questions until it is allowed; logging out forgets it")
    func lastfm() throws {
        let server = RawServer { request, number in
            let body =
                request.contains("auth.getToken")
                ? #"{"token":"T0KEN"}"#
                : number == 1
                    ? #"{"error":14,"message":"not authorized"}"#
                    : #"{"session":{"name":"me","key":"SK","subscriber":0}}"#
            return (httpAnswer(200, [], body), .keep)
        }

        let result = try Program("narada-cmd").run(
            ["login", "lastfm", "--no-browser"], environment: environment(server))

        #expect(result.status == 0, "\(result.error)")
        #expect(
            result.text.split(separator: "\n")
                == [
                    "https://www.last.fm/api/auth/?api_key=K&token=T0KEN",
                    "logged in to lastfm as me",
                ])
        let path = home.path + "/credentials.json"
        #expect(try String(contentsOfFile: path, encoding: .utf8).contains("\"SK\""))
        _ = try Program("narada-cmd").run(["logout", "lastfm"], environment: environment(server))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "{}\n")
    }

    @Test("A service that is broken is 69, a limit is 75 and says until when")
    func serviceErrors() throws {
        for (answer, status, code) in [
            (httpAnswer(500), Int32(69), "service-unavailable"),
            (httpAnswer(429, ["Retry-After: 3600"]), 75, "rate-limited"),
            (
                httpAnswer(200, [], #"{"error":10,"message":"Invalid API key"}"#), 78,
                "bad-configuration"
            ),
        ] {
            let server = RawServer { _, _ in (answer, .keep) }
            var variables = environment(server)
            variables["NARADA_NOW"] = "2026-11-22T10:00:00Z"
            variables["NARADA_LASTFM_AUTH_URL"] = server.url
            let result = try Program("narada-cmd").run(
                ["login", "lastfm", "--no-browser", "--json"], environment: variables)
            let refusal = try Refusal(result)
            #expect(refusal.status == status && refusal.code == code, "\(refusal)")
            if status == 75 {
                #expect(result.error.contains(#""until":"2026-11-22T11:00:00.000Z""#))
                #expect(refusal.message.contains("until 2026-11-22 11:00 UTC"))
            }
        }
    }

    // MARK: Settings

    @Test("A file sets what is nobody's secret way out: the client id, not where the services are")
    func files() throws {
        let folder = home.folder.file("config") + "/narada"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(
            """
            # settings
            export SPOTIFY_CLIENT_ID="from a file"
            NARADA_SPOTIFY_ACCOUNTS_URL=http://127.0.0.1:9
            NARADA_NOW=2026-01-01T00:00:00Z

            """.utf8
        ).write(to: URL(fileURLWithPath: folder + "/.env"))
        let variables = ["NARADA_HOME": home.path, "XDG_CONFIG_HOME": home.folder.file("config")]
        func address(_ more: [String: String]) throws -> String {
            try Program("narada-cmd").run(
                ["login", "spotify", "--no-browser", "--timeout", "0.01"],
                environment: variables.merging(more) { $1 }
            ).text
        }

        let real = "https://accounts.spotify.com/authorize?client_id="
        #expect(try address([:]).hasPrefix(real + "from%20a%20file&"))
        #expect(try address(["SPOTIFY_CLIENT_ID": "mine"]).hasPrefix(real + "mine&"))
    }

    @Test("Settings that are missing or wrong are 78, and say what to do")
    func configuration() throws {
        for (variables, word) in [
            ([:], "developer.spotify.com"),
            (["SPOTIFY_CLIENT_ID": "C", "NARADA_NOW": "2026-01-01T00:00:00Z"], "NARADA_NOW"),
            (["NARADA_SPOTIFY_ACCOUNTS_URL": "http://192.0.2.1"], "https"),
            (
                ["SPOTIFY_CLIENT_ID": "C", "SPOTIFY_REDIRECT_URI": "http://localhost/x"],
                "127.0.0.1"
            ),
        ] as [([String: String], String)] {
            let result = try Program("narada-cmd").run(
                ["login", "spotify", "--no-browser", "--json"],
                environment: variables.merging(["NARADA_HOME": home.path]) { $1 })
            let refusal = try Refusal(result)
            #expect(refusal.status == 78)
            #expect((refusal.message + refusal.hint).contains(word))
        }
    }
}
