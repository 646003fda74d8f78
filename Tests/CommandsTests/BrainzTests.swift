import Foundation
import GRDB
import TestSupport
import Testing

@Suite("MusicBrainz and ListenBrainz")
struct BrainzTests {
    private static let token = "5a4db0c5-115e-4b2a-a2a0-5a4db0c5115e"

    private func login(_ home: ServiceHome, _ token: String) throws -> Program.Result {
        try home.run(
            "narada-cmd", ["login", "listenbrainz", "--token", "-", "--verbose"],
            input: token + "\n")
    }

    private func rows(_ home: ServiceHome, _ sql: String) throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        let database = try DatabaseQueue(
            path: home.path + "/narada.db", configuration: configuration)
        return try database.read { try String.fetchAll($0, sql: sql) }
    }

    private func asked(_ home: ServiceHome, _ service: String) async throws -> [String] {
        try await home.journal().filter { $0["service"] as? String == service }.map {
            let query = $0["query"] as? [String: String] ?? [:]
            return (($0["path"] as? String ?? "").split(separator: "/").last.map(String.init) ?? "")
                + (query["max_ts"].map { " before \($0)" } ?? "")
        }
    }

    @Test("A token is read from stdin, tried, and kept for the address that knows it")
    func login() async throws {
        let home = try await ServiceHome(loggedIn: false)

        let wrong = try login(home, "no")
        #expect(wrong.status == 77 && wrong.error.contains("does not know this token"))
        #expect(try login(home, "").status == 77)
        #expect(!FileManager.default.fileExists(atPath: home.path + "/credentials.json"))
        let right = try login(home, Self.token)
        #expect(right.status == 0 && right.text.contains("as sandbox"))

        try home.refused("login", "listenbrainz", status: 64)
        try home.refused("login", "listenbrainz", "--token", Self.token, status: 64)
        home.environment["LISTENBRAINZ_USER"] = nil
        try home.cmd("fetch", "listenbrainz-listens")
        home.environment["NARADA_LISTENBRAINZ_URL"] = "http://127.0.0.1:9"
        let elsewhere = try home.refused("fetch", "listenbrainz-listens", status: 77)
        #expect(elsewhere.message.contains("not sent"))
        try home.cmd("logout", "listenbrainz")
        try home.refused("fetch", "listenbrainz-listens", status: 78)
    }

    @Test("Listens come once: the new, those of one second, those sent late, and an imported past")
    func listens() async throws {
        let home = try await ServiceHome(loggedIn: false)
        home.environment["NARADA_NOW"] = "2026-11-22T00:00:00Z"
        let now = 1_795_305_600
        func send(_ method: String, _ all: [(String, Int)]) async throws {
            try await home.sandbox.control(
                method, "listenbrainz/listens",
                all.map { ["artist": "A", "track": $0.0, "uts": $0.1] as [String: Any] })
        }
        // A thousand a page: the last second of the first page goes on on the second one.
        let old = (0..<997).map { ("Old \($0)", now - 100 - $0) }
        let same = (0..<8).map { ("Same \($0)", now - 1097) }
        try await send("PUT", old + same + [("Oldest", now - 9000)])
        #expect(try home.cmd("fetch", "listenbrainz-listens")["new"] as? Int == 1006)
        #expect(
            try await asked(home, "listenbrainz")
                == ["listens before \(now + 1)", "listens before \(now - 1096)", "listen-count"])
        try await home.forgetJournal()

        #expect(try home.cmd("fetch", "listenbrainz-listens")["new"] as? Int == 0)
        #expect(try home.events("listenbrainz.listens.page").count == 2)

        try await send("POST", [("New", now - 5), ("Late", now - 13 * 86_400)])
        #expect(try home.cmd("fetch", "listenbrainz-listens")["new"] as? Int == 2)
        try await home.forgetJournal()
        try await send("POST", [("Imported", now - 900 * 86_400)])
        #expect(try home.cmd("fetch", "listenbrainz-listens")["new"] as? Int == 1)
        #expect(try home.cmd("fetch", "listenbrainz-listens")["new"] as? Int == 0)

        let titles = try rows(
            home, "SELECT t.title FROM listens l JOIN tracks t ON t.id = l.track_id")
        #expect(titles.count == 1009 && Set(titles).count == 1009)
        let page = try #require(
            try home.read("listens", "--limit", "1") as? [[String: Any]])
        #expect(page.first?["channels"] as? [String] == ["listenbrainz"])
    }

    @Test(
        "A walk that was cut short goes on where it stopped; the next one takes what came meanwhile"
    )
    func resumed() async throws {
        let home = try await ServiceHome(loggedIn: false)
        home.environment["NARADA_NOW"] = "2026-11-22T00:00:00Z"
        let now = 1_795_305_600
        let listens = (0..<2500).map {
            ["artist": "A", "track": "T\($0)", "uts": now - 10 - $0 * 600] as [String: Any]
        }
        try await home.sandbox.control("PUT", "listenbrainz/listens", listens)
        try await home.faults("403,match=GET /1/user/*/listens,skip=1")
        try home.refused("fetch", "listenbrainz-listens", status: 77)
        try await home.sandbox.control(
            "POST", "listenbrainz/listens", [["artist": "A", "track": "New", "uts": now + 50]])
        home.environment["NARADA_NOW"] = "2026-11-22T00:02:00Z"
        try await home.forgetJournal()

        #expect(try home.cmd("fetch", "listenbrainz-listens")["new"] as? Int == 1500)
        let seen = try await asked(home, "listenbrainz")
        #expect(try home.cmd("fetch", "listenbrainz-listens")["new"] as? Int == 1)

        #expect(seen.first == "listens before \(now - 10 - 999 * 600 + 1)")
        #expect(try rows(home, "SELECT count(*) FROM listens") == ["2501"])
    }

    @Test("A play that Last.fm and ListenBrainz tell of is one listen, in whatever order they came")
    func joined() async throws {
        for order in [["lastfm", "listenbrainz"], ["listenbrainz", "lastfm"]] {
            let home = try await ServiceHome(["--listens", "300"])
            for service in order { try home.cmd("fetch", service + "-listens") }

            let counts = try rows(
                home,
                "SELECT channel || ' ' || ifnull(reason, '-') || ' ' || count(*) FROM listens GROUP BY channel, reason"
            )
            // Four of five plays were sent to ListenBrainz, under the same or nearly the same title.
            #expect(counts.contains("1 - 300"))
            #expect(counts.contains { $0.hasPrefix("2 joined ") }, "\(counts)")
            let check = try home.run("narada-project", ["--check"])
            #expect(check.status == 0, "\(check.error)")
        }
    }

    @Test(
        "MusicBrainz is asked for an ISRC once; for one that it does not know again after a while")
    func isrcs() async throws {
        let home = try await ServiceHome(["--tracks", "120", "--likes", "120"])
        home.environment["NARADA_NOW"] = "2026-11-22T00:00:00Z"
        try home.cmd("fetch", "spotify-likes")
        try await home.forgetJournal()

        let first = try home.cmd("fetch", "musicbrainz-isrcs")
        // Of 120 tracks twelve are also on a compilation.
        #expect(first["asked"] as? Int == 108)
        let missing = try #require(first["missing"] as? Int)
        #expect(try await asked(home, "musicbrainz") == ["recording", "recording", "recording"])
        #expect(missing > 5 && missing < 40)
        try await home.forgetJournal()
        #expect(try home.cmd("fetch", "musicbrainz-isrcs")["asked"] as? Int == 0)
        #expect(try await asked(home, "musicbrainz").isEmpty)

        home.environment["NARADA_NOW"] = "2026-12-30T00:00:00Z"
        #expect(try home.cmd("fetch", "musicbrainz-isrcs")["asked"] as? Int == missing)

        let answers = try rows(home, "SELECT count(*) FROM musicbrainz_asked WHERE found <> '[]'")
        #expect(answers == ["\(108 - missing)"])
        #expect(
            try rows(home, "SELECT 1 FROM track_mappings WHERE connector_name = 'musicbrainz'")
                .count > 60)
    }
}
