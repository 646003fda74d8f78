import Foundation
import Synchronization
import TestSupport
import Testing

/// Stands between the programs and the sandbox, and keeps the secrets that pass in either direction.
private final class Recorder: Sendable {
    private static var inRequests: [(String, Regex<(Substring, Substring)>)] {
        [
            ("authorization", /(?i:\sauthorization: *\S+ +)([^\s]+)/),
            ("code", /[?&\s]code=([^&\s]+)/), ("code_verifier", /[?&\s]code_verifier=([^&\s]+)/),
            ("refresh_token", /[?&\s]refresh_token=([^&\s]+)/), ("sk", /[?&\s]sk=([^&\s]+)/),
            ("api_sig", /[?&\s]api_sig=([^&\s]+)/), ("token", /[?&\s]token=([^&\s]+)/),
        ]
    }
    private static var inAnswers: [(String, Regex<(Substring, Substring)>)] {
        [
            ("access_token", /"access_token": *"([^"]+)"/), ("key", /"key": *"([^"]+)"/),
            ("refresh_token", /"refresh_token": *"([^"]+)"/), ("token", /"token": *"([^"]+)"/),
        ]
    }

    private let kept: Found
    private let server: RawServer
    /// Where the programs find it.
    var host: String { String(server.url.dropFirst("http://".count)) }
    /// The secrets by kind.
    var secrets: [String: Set<String>] { kept.secrets.withLock { $0 } }

    private final class Found: Sendable {
        let secrets = Mutex<[String: Set<String>]>([:])

        func look(_ text: String, _ kinds: [(String, Regex<(Substring, Substring)>)]) {
            for (kind, pattern) in kinds {
                let values = text.matches(of: pattern).map { String($0.1) }
                secrets.withLock { $0[kind, default: []].formUnion(values) }
            }
        }
    }

    init(before host: String) {
        let kept = Found()
        self.kept = kept
        server = RawServer { request, _ in
            let own = request.firstMatch(of: /(?i:\shost:) *(\S+)/).map { String($0.1) } ?? host
            kept.look(request, Self.inRequests)
            let answer = Self.ask(host, request.replacing(own, with: host))
            let text = String(decoding: answer, as: UTF8.self)
            kept.look(text, Self.inAnswers)
            // Ports have five digits each, so lengths stay what the headers say.
            return (Array(text.replacing(host, with: own).utf8), .close)
        }
    }

    /// Sends a request as it is and reads the answer to its end.
    private static func ask(_ host: String, _ request: String) -> [UInt8] {
        let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(connection) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = UInt16(host.split(separator: ":").last ?? "")?.bigEndian ?? 0
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection, $0, size) == 0
            }
        }
        let bytes = Array(request.utf8)
        guard isConnected, send(connection, bytes, bytes.count, 0) == bytes.count else { return [] }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return answer }
            answer += buffer.prefix(count)
            let text = String(decoding: answer.prefix(4096), as: UTF8.self)
            guard let end = text.firstRange(of: "\r\n\r\n"),
                let length = text.firstMatch(of: /(?i:\scontent-length:) *(\d+)/)
            else { continue }
            let head = text[..<end.upperBound].utf8.count
            if answer.count >= head + (Int(length.1) ?? 0) { return answer }
        }
    }
}

@Suite("Secrets")
struct SecretsTests {
    private static let id = "5eedNaradaSecretsTest0"
    private static let uri = "spotify:playlist:" + id
    private static let token = "5a4db0c5-115e-4b2a-a2a0-5a4db0c5115e"
    private static let track = "spotify:track:0000000000000000000001"
    private static let workflow =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
        + "/docs/workflows/sort_by_plays.json"

    @Test(
        "After every flow none is in the log, the tables, other files, what was printed or arguments"
    )
    func nowhere() async throws {
        let home = try await ServiceHome(loggedIn: false)
        let host = try #require(
            home.sandbox.urls["control"]?.split(separator: "/").dropFirst().first.map(String.init))
        let recorder = Recorder(before: host)
        #expect(recorder.host.count == host.count)
        home.environment = home.environment.mapValues {
            $0.replacing(host, with: recorder.host)
        }
        try await home.remote(Self.id, ["name": "S", "items": [Self.track, NSNull()]])

        try await flows(home)
        let arguments = try await browser(home)

        var secrets = recorder.secrets
        for kind in [
            "authorization", "code", "code_verifier", "refresh_token", "sk", "api_sig", "token",
            "access_token", "key",
        ] { #expect(secrets[kind]?.isEmpty == false, "no \(kind) was seen") }
        #expect(secrets["authorization"]?.contains(Self.token) == true)
        secrets["api_secret"] = [try #require(home.environment["LASTFM_API_SECRET"])]
        let credentials = try file(home.path + "/credentials.json")
        #expect(secrets["access_token"]?.contains { credentials.contains($0) } == true)
        #expect(secrets["key"]?.contains { credentials.contains($0) } == true)

        let log = try home.run("narada", ["log", "cat"]).text
        #expect(log.contains("connector.limited") && log.contains("push.completed"))
        #expect(home.printed.contains("attempt 2") && home.printed.contains("api_sig=…"))
        var places = ["log": log, "printed": home.printed, "arguments": arguments]
        for name in try FileManager.default.subpathsOfDirectory(atPath: home.path)
        where name != "credentials.json" {
            places[name] = try? file(home.path + "/" + name)
        }
        #expect(places["narada.db"]?.contains("Sort by plays") == true && places.count >= 6)
        for (kind, values) in secrets {
            for (place, text) in places {
                #expect(!values.contains { text.contains($0) }, "\(kind) in \(place)")
            }
        }
    }

    /// A file as text, whatever else stands in it.
    private func file(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }

    /// Everything a person can do with services, well and badly.
    private func flows(_ home: ServiceHome) async throws {
        try await home.settings(["login": "deny"])
        try await home.login("spotify", expecting: 77)
        try await home.settings(["login": "approve"])
        try await home.login("spotify")
        try await home.login("lastfm")
        for token in ["wrong", Self.token] {
            let result = try home.run(
                "narada-cmd", ["login", "listenbrainz", "--token", "-", "--verbose"],
                input: token + "\n")
            #expect(result.status == (token == Self.token ? 0 : 77), "\(result.error)")
        }
        let fetches = [
            ["spotify-playlist", "--mine"], ["spotify-likes"], ["spotify-recent"],
            ["lastfm-listens"], ["lastfm-loves"], ["lastfm-counts"],
            ["lastfm-counts", "--playlist", Self.uri], ["listenbrainz-listens"],
            ["musicbrainz-isrcs"],
        ].map { ["fetch"] + $0 }
        func all(_ commands: [[String]], _ allowed: Set<Int32>) throws {
            for command in commands {
                let result = try home.run("narada-cmd", command + ["--verbose"])
                #expect(allowed.contains(result.status), "\(command): \(result.error)")
            }
        }
        try all(fetches, [0])
        // A history that its owner hides is asked for with a signature and the session's key.
        try await home.settings(["private_listening": true])
        try all([["fetch", "lastfm-listens"]], [0])
        try all(
            [
                ["playlist", "add", Self.uri, Self.track], ["playlist", "push", Self.uri],
                ["playlist", "create", "New", Self.track], ["playlist", "push", "New"],
                ["run", Self.workflow, "--param", "playlist=" + Self.uri],
                ["playlist", "pull", Self.uri],
            ], [0])
        // Tokens that ended, then every kind of fault.
        try await home.settings(["expire_tokens": true])
        try all([fetches[1]], [0])
        for fault in [
            "401,times=0", "403", "500,times=0", "html", "garbage,times=0", "cut=40,times=0",
            "error=13", "error=9", "redirect=\(home.sandbox.urls["lastfm"] ?? "")",
        ] {
            try await home.faults(fault)
            try all(
                [fetches[0], fetches[3], fetches[7], fetches[8], ["playlist", "push", "New"]],
                [0, 65, 66, 69, 70, 75, 77, 78])
        }
        try await home.faults()
        try await home.settings(["consent": "revoked", "expire_tokens": true])
        try all([["fetch", "spotify-recent"], ["fetch", "lastfm-listens"]], [77])
        try await home.login("spotify")
        try await home.login("lastfm")
        try await home.faults(
            "quota=7200,match=GET */me/tracks", "429=7200,match=user.getLovedTracks")
        try all([fetches[1], fetches[4]], [75])
    }

    /// A log-in that opens the browser itself; gives the arguments of both programs as they ran.
    private func browser(_ home: ServiceHome) async throws -> String {
        let bin = home.folder.file("bin")
        try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: false)
        let opened = home.folder.file("opened")
        try "#!/bin/sh\nprintf '%s\\n' \"$*\" > '\(opened).part'; mv '\(opened).part' '\(opened)'\n"
            .write(toFile: bin + "/xdg-open", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: bin + "/xdg-open")
        var environment = home.environment
        environment["PATH"] = bin + ":/usr/bin:/bin"
        let (process, finish) = try Program("narada-cmd").start(
            ["login", "spotify", "--timeout", "30", "--verbose"], environment: environment)
        while !FileManager.default.fileExists(atPath: opened), process.isRunning {
            try await Task.sleep(for: .milliseconds(5))
        }
        let running = try file("/proc/\(process.processIdentifier)/cmdline")
        let url = try file(opened)
        _ = try await home.sandbox.visit(url.trimmingCharacters(in: .whitespacesAndNewlines))
        #expect(finish().status == 0)
        #expect(running.contains("login") && url.contains("code_challenge="))
        return running + url
    }

    @Test(
        "credentials.json is its owner's alone, replaced as a whole, and refused when others can read it"
    )
    func credentials() async throws {
        let home = try await ServiceHome()
        let path = home.path + "/credentials.json"
        func attributes() throws -> (mode: Int, inode: Int) {
            let all = try FileManager.default.attributesOfItem(atPath: path)
            return (
                all[.posixPermissions] as? Int ?? 0, all[.systemFileNumber] as? Int ?? 0
            )
        }
        try await home.remote(Self.id, ["name": "S", "items": [Self.track]])
        try home.cmd("fetch", "spotify-playlist", Self.uri)
        let before = try attributes()
        let old = try #require(FileHandle(forReadingAtPath: path))
        let oldBytes = try file(path)

        try await home.settings(["expire_tokens": true])
        try home.cmd("fetch", "spotify-likes")

        let after = try attributes()
        #expect(before.mode == 0o600 && after.mode == 0o600)
        #expect(before.inode != after.inode)
        // Who had it open still reads the whole old one.
        #expect(String(decoding: try old.readToEnd() ?? Data(), as: UTF8.self) == oldBytes)
        #expect(try file(path) != oldBytes)
        let files = try FileManager.default.contentsOfDirectory(atPath: home.path)
        #expect(files.filter { $0.hasPrefix("credentials") }.sorted().count == 2, "\(files)")

        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        try await home.forgetJournal()
        for command in [
            ["fetch", "spotify-playlist", "--mine"], ["fetch", "spotify-likes"],
            ["fetch", "spotify-recent"], ["fetch", "lastfm-listens"], ["fetch", "lastfm-loves"],
            ["fetch", "lastfm-counts"], ["playlist", "push", "S"], ["playlist", "pull", "S"],
            ["run", Self.workflow, "--param", "playlist=S"], ["logout", "spotify"],
        ] {
            let refusal = try Refusal(try home.run("narada-cmd", command + ["--json"]))
            #expect(refusal.status == 78 && refusal.hint.contains("chmod 600"), "\(command)")
        }
        #expect(try await home.journal().isEmpty)
    }
}
