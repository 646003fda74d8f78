import Foundation
import GRDB
import JSONText
import Ledger
import TestSupport
import Testing

/// A command that takes in a list, page by page, and what the sandbox shows it.
///
/// A new service's fetches are rows of ``all``; every fault then happens to each of their pages.
private struct Fetched: Sendable, CustomTestStringConvertible {
    let name: String
    var arguments: [String] = []
    /// The requests of its pages, as the sandbox's faults name them.
    let pages: String
    /// The rows of a page, and the most pages that are worth their time.
    let rowsPerPage: Int
    var mostPages = 20
    /// How a page ends it that cannot be read, now or ever.
    var unreadable: Int32 = 65
    /// What is fetched first, into the home that every case begins with.
    var before: [String]?
    /// Gives the sandbox's world so many rows.
    let fill: @Sendable (SandboxProgram, Int) async throws -> Void

    var testDescription: String { name }
    var service: Substring { name.prefix { $0 != "-" } }

    /// Whole runs have 20 pages; the daily ones as many as make a first, a second, a middle and a last one.
    static let isWhole = ProcessInfo.processInfo.environment["NARADA_CONFORMANCE"] == "full"
    var pageCount: Int { min(mostPages, Self.isWhole ? 20 : 5) }

    private static let id = "5eedNaradaConformance0"
    private static func track(_ number: Int) -> String {
        "spotify:track:" + String(repeating: "0", count: 22 - "\(number)".count) + "\(number)"
    }
    private static func songs(_ count: Int, _ more: (Int) -> [String: Any]) -> [[String: Any]] {
        (0..<count).map { index in
            ["artist": "Sigur Rós \(index % 40)", "track": "Ágætis \(index)"]
                .merging(more(index)) { $1 }
        }
    }

    static let all = [
        Fetched(
            name: "spotify-playlist", arguments: ["spotify:playlist:" + id],
            pages: "GET /playlists/*/items", rowsPerPage: 50
        ) { sandbox, rows in
            let items: [Any] =
                (0..<rows - 5).map(track)
                + [
                    NSNull(), track(3), "spotify:local:Ghost:Tape:Hum:61", track(3),
                    "spotify:episode:" + id,
                ]
            try await sandbox.control(
                "PUT", "spotify/playlists/\(id)", ["name": "Long – ночь", "items": items])
        },
        Fetched(name: "spotify-likes", pages: "GET /me/tracks", rowsPerPage: 50) {
            try await $0.control("PUT", "spotify/likes", (0..<$1).map(track))
        },
        Fetched(
            name: "lastfm-listens", pages: "user.getRecentTracks", rowsPerPage: 200, unreadable: 75
        ) {
            try await $0.control(
                "PUT", "lastfm/listens", songs($1) { ["uts": 1_600_000_000 + $0 * 400] })
        },
        // A page holds a thousand: three are a first, a middle and a last one.
        Fetched(
            name: "lastfm-loves", pages: "user.getLovedTracks", rowsPerPage: 1000, mostPages: 3
        ) {
            try await $0.control(
                "PUT", "lastfm/loves", songs($1) { ["uts": 1_600_000_000 + $0 * 400] })
        },
        Fetched(
            name: "lastfm-counts", pages: "user.getTopTracks", rowsPerPage: 1000, mostPages: 3
        ) {
            try await $0.control("PUT", "lastfm/listens", [])
            try await $0.control(
                "PUT", "lastfm/tracks", songs($1) { ["userplaycount": 1 + $0 % 90] })
        },
        Fetched(
            name: "listenbrainz-listens", pages: "GET /1/user/*/listens", rowsPerPage: 1000,
            mostPages: 3
        ) {
            try await $0.control(
                "PUT", "listenbrainz/listens", songs($1) { ["uts": 1_600_000_000 + $0 * 400] })
        },
        // Of ten tracks two have the same ISRC; some MusicBrainz does not know, or its search does not yet.
        Fetched(
            name: "musicbrainz-isrcs", pages: "GET /recording", rowsPerPage: 50,
            before: ["fetch", "spotify-likes"]
        ) {
            try await $0.control(
                "PUT", "world", ["tracks": $1 * 10 / 9, "likes": $1 * 10 / 9, "listens": 0])
        },
    ]
}

/// What goes wrong, and how a run may end that meets it once, or from some page on.
private struct Mishap: Sendable {
    enum End { case done, malformed, status(Int32), notSaid }
    let spec: String
    var once = End.done
    /// How it ends where it does not stop; not tried if not said.
    var lasting = End.notSaid
    /// For some services alone.
    var services: [Substring]?

    static func all(elsewhere: String) -> [Mishap] {
        [
            Mishap(spec: "429=1"), Mishap(spec: "429", lasting: .status(75)),
            Mishap(spec: "429=3600", once: .status(75)), Mishap(spec: "quota", once: .status(75)),
            Mishap(spec: "401", lasting: .status(77), services: ["spotify"]),
            Mishap(
                spec: "401", once: .status(77), services: ["lastfm", "listenbrainz", "musicbrainz"]),
            Mishap(spec: "403", once: .status(77)),
            Mishap(spec: "500", lasting: .status(69)), Mishap(spec: "502", lasting: .status(69)),
            Mishap(spec: "503"), Mishap(spec: "504"), Mishap(spec: "html", lasting: .status(69)),
            Mishap(spec: "cut=0", lasting: .status(69)), Mishap(spec: "cut=1"),
            Mishap(spec: "cut=3000"), Mishap(spec: "lost", lasting: .status(69)),
            Mishap(spec: "reset", lasting: .status(69)),
            Mishap(spec: "truncate=1"), Mishap(spec: "truncate=2900", lasting: .malformed),
            Mishap(spec: "garbage", lasting: .malformed), Mishap(spec: "empty"),
            Mishap(spec: "huge", once: .malformed), Mishap(spec: "delay=60"),
            Mishap(spec: "redirect=\(elsewhere)", lasting: .malformed),
        ]
            + ["8", "11", "16"].map {
                Mishap(spec: "error=\($0)", lasting: .status(69), services: ["lastfm"])
            } + [Mishap(spec: "error=29", lasting: .status(75), services: ["lastfm"])]
    }
}

/// What a home holds, without the numbers that tell when it came.
private struct Holdings {
    /// The rows of the tables, as text.
    var state: [String] = []
    /// What services said, each thing once: type, stream and payload.
    var facts: Set<[UInt8]> = []
    /// What stands in the log twice.
    var twice: [String] = []

    private static let queries = [
        """
        SELECT n.uri, n.rank, n.digest, t.title, t.artists, t.album, t.duration_ms, t.release_date,
            t.isrc, t.lastfm_url, t.is_deleted FROM nodes n JOIN tracks t ON t.id = n.track_id
        ORDER BY 1
        """,
        "SELECT name, description, track_count, is_deleted, edited_seq > synced_seq FROM playlists ORDER BY 1",
        """
        SELECT p.name, r.sort_key, n.uri, r.added_at FROM playlist_tracks r
        JOIN playlists p ON p.id = r.playlist_id LEFT JOIN nodes n ON n.id = r.node_id ORDER BY 1, 2
        """,
        "SELECT uri, name, description, item_count, fetched_snapshot FROM service_playlists ORDER BY 1",
        """
        SELECT l.service, n.uri, l.liked_at, l.is_deleted FROM likes l JOIN nodes n ON n.id = l.node_id
        ORDER BY 1, 2
        """,
        """
        SELECT l.listened_at, n.uri, l.channel, l.reason FROM listens l
        LEFT JOIN nodes n ON n.id = l.node_id ORDER BY 1, 2
        """,
        """
        SELECT n.uri, c.user_id, c.play_count, c.user_play_count FROM lastfm_counts c
        JOIN nodes n ON n.id = c.node_id ORDER BY 1
        """,
        "SELECT stream, item_count FROM fetches ORDER BY 1", "SELECT page_count FROM walks",
        """
        SELECT n.uri, r.isrcs, r.disambiguation, r.merged_into FROM recordings r
        JOIN nodes n ON n.id = r.node_id ORDER BY 1
        """,
        "SELECT stream, found FROM musicbrainz_asked ORDER BY 1",
    ]

    init(_ home: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        let database = try DatabaseQueue(path: home + "/narada.db", configuration: configuration)
        for query in Self.queries {
            state += try database.read { db in
                try Row.fetchAll(db, sql: query).map { row in
                    row.databaseValues.map(\.description).joined(separator: "|")
                }
            }
        }
        var all: Set<[UInt8]> = []
        let cursor = try LedgerCursor(Ledger(home + "/ledger"))
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                let event = try #require(EventLine(batch[index]))
                let payload = event.data["payload"] ?? event.data
                // Bytes: texts of other scripts are slow to compare.
                let fact = Array("\(event.typeName) \(event.streamName) ".utf8) + payload.bytes
                let isNew = all.insert(fact).inserted
                if !isNew { twice.append("\(event.seq) \(event.typeName) \(event.streamName)") }
                if [".observed", ".page"].contains(where: event.typeName.hasSuffix) {
                    facts.insert(fact)
                }
            }
        }
    }
}

/// A sandbox with somebody logged in, and homes that begin there.
private final class Stage {
    let home: ServiceHome
    private(set) var current = ""
    private var number = 0

    init() async throws { home = try await ServiceHome() }

    /// A home where nothing happened but the log-ins, or a copy of one that was made so far.
    func fresh(from template: String? = nil) throws {
        number += 1
        if !current.isEmpty, template == nil { try FileManager.default.removeItem(atPath: current) }
        current = home.folder.file("home-\(number)")
        if let template {
            try FileManager.default.copyItem(atPath: template, toPath: current)
        } else {
            try FileManager.default.createDirectory(
                atPath: current, withIntermediateDirectories: false)
            try FileManager.default.copyItem(
                atPath: home.path + "/credentials.json", toPath: current + "/credentials.json")
        }
    }

    /// Runs a program without holding up other cases while it waits for a service.
    func run(
        _ program: String, _ arguments: [String], now: String? = nil
    ) async throws -> Program.Result {
        var environment = home.environment
        environment["NARADA_HOME"] = current
        environment["NARADA_NOW"] = now
        let (process, finish) = try Program(program).start(arguments, environment: environment)
        while process.isRunning { try await Task.sleep(for: .milliseconds(4)) }
        return finish()
    }

    func holdings() throws -> Holdings { try Holdings(current) }

    /// Whether the log is whole and the tables are those of a rebuild.
    func isSound() async throws -> Bool {
        let log = try await run("narada", ["log", "verify"])
        let tables = try await run("narada-project", ["--check"])
        return log.status == 0 && tables.status == 0
    }
}

@Suite("Every fault at every page")
struct ConformanceTests {
    /// One case: what is fetched, what goes wrong, at which page, and whether it stays so.
    private struct Case: CustomStringConvertible {
        let fetched: Fetched
        let mishap: Mishap
        let page: Int
        let isLasting: Bool

        var spec: String {
            "\(mishap.spec),match=\(fetched.pages),skip=\(page),times=\(isLasting ? 0 : 1)"
        }
        var description: String { "\(fetched.name) \(spec)" }

        /// Whether a run may end so.
        func allows(_ status: Int32) -> Bool {
            switch isLasting ? mishap.lasting : mishap.once {
            case .done: status == 0
            case .malformed: status == fetched.unreadable
            case .status(let wanted): status == wanted
            case .notSaid: false
            }
        }
    }

    private func cases(_ fetched: Fetched, elsewhere: String) -> [Case] {
        let last = fetched.pageCount - 1
        let pages = Fetched.isWhole ? Array(0...last) : Set([0, 1, last / 2, last]).sorted()
        return Mishap.all(elsewhere: elsewhere)
            .filter { $0.services?.contains(fetched.service) ?? true }
            .enumerated().flatMap { number, mishap -> [Case] in
                // In daily runs neighbours, which are much alike, take turns at the pages.
                let turns = pages.indices.filter {
                    Fetched.isWhole || ($0 + number).isMultiple(of: 2)
                }
                let once = turns.map {
                    Case(fetched: fetched, mishap: mishap, page: pages[$0], isLasting: false)
                }
                if case .notSaid = mishap.lasting { return once }
                return once
                    + [Case(fetched: fetched, mishap: mishap, page: last / 2, isLasting: true)]
            }
    }

    @Test(
        "A fetch that meets it ends like one that does not, at once or by a later run",
        arguments: Fetched.all)
    fileprivate func everyFault(fetched: Fetched) async throws {
        let stage = try await Stage()
        let elsewhere = RawServer { _, _ in
            (httpAnswer(200, ["Content-Type: text/html"], "<h1>Log in to the Wi-Fi</h1>"), .close)
        }
        try await fetched.fill(
            stage.home.sandbox, fetched.pageCount * fetched.rowsPerPage - fetched.rowsPerPage / 2)
        let command = ["fetch", fetched.name] + fetched.arguments + ["--json"]
        try stage.fresh()
        var template: String?
        if let before = fetched.before {
            let ready = try await stage.run("narada-cmd", before)
            try #require(ready.status == 0, "\(ready.error)")
            template = stage.current
            try stage.fresh(from: template)
        }
        try await stage.home.forgetJournal()
        let calm = try await stage.run("narada-cmd", command)
        try #require(calm.status == 0, "\(calm.error)")
        let asked = try await stage.home.journal().count {
            let path = $0["path"] as? String ?? ""
            return fetched.service == "lastfm"
                || ["/items", "/me/tracks", "/listens", "/recording"].contains(
                    where: path.hasSuffix)
        }
        #expect(asked == fetched.pageCount)
        let undisturbed = try stage.holdings()
        #expect(undisturbed.twice.isEmpty && undisturbed.state.count > fetched.rowsPerPage)

        for this in cases(fetched, elsewhere: elsewhere.url) {
            try stage.fresh(from: template)
            try await stage.home.faults(this.spec)
            let first = try await stage.run("narada-cmd", command)
            let fired = try #require(
                try await stage.home.sandbox.control("GET", "faults") as? [[String: Any]])
            #expect(fired.first?["fired"] as? Int ?? 0 > 0, "\(this): it did not happen")
            try await stage.home.faults()
            #expect(this.allows(first.status), "\(this): \(first.status) \(first.error)")
            if first.status != 0 {
                try await later(this, stage, command, first)
                #expect(try await stage.isSound(), "\(this)")
            }
            let end = try stage.holdings()
            #expect(end.state == undisturbed.state, "\(this): \(change(end, undisturbed))")
            #expect(end.twice.isEmpty, "\(this): \(end.twice.prefix(3))")
            #expect(
                first.status == 0
                    ? end.facts == undisturbed.facts : end.facts.isSuperset(of: undisturbed.facts),
                "\(this)")
        }
        #expect(try await stage.isSound())
        for request in elsewhere.requests {
            #expect(!request.lowercased().contains("authorization") && !request.contains("?"))
        }
    }

    /// The run after one that did not end well.
    private func later(
        _ this: Case, _ stage: Stage, _ command: [String], _ first: Program.Result
    ) async throws {
        let refusal = try Refusal(first)
        var now: String?
        if refusal.code == "rate-limited" {
            let json = try JSONSerialization.jsonObject(
                with: Data((first.error.split(separator: "\n").last ?? "").utf8))
            let error = (json as? [String: [String: Any]])?["error"]
            let until = try #require(error?["until"] as? String, "\(this)")
            // The message names the next whole minute.
            let soon = ISOTime.text((ISOTime.parse(until) ?? 0) + 59_999, fraction: false)
            #expect(refusal.message.contains(soon.prefix(10)), "\(this): \(refusal)")
            #expect(refusal.message.contains(soon.dropFirst(11).prefix(5)), "\(this): \(refusal)")
            try await stage.home.forgetJournal()
            let early = try await stage.run("narada-cmd", command)
            #expect(early.status == 75, "\(this): \(early.error)")
            #expect(try await stage.home.journal().isEmpty, "\(this): asked in spite of it")
            now = soon
        }
        let second = try await stage.run("narada-cmd", command, now: now)
        #expect(second.status == 0, "\(this), later: \(second.status) \(second.error)")
    }

    private func change(_ one: Holdings, _ other: Holdings) -> String {
        let rows = one.state.difference(from: other.state)
        return "\(rows.insertions.count) rows too many, \(rows.removals.count) missing: "
            + rows.prefix(4).map { "\($0)".prefix(200) }.joined(separator: "; ")
    }

    // MARK: Pushes

    private static let id = "5eedNaradaConformPush0"
    private static let uri = "spotify:playlist:" + id
    private static let mishaps = [
        "lost", "cut=0", "cut=9", "reset", "500", "502", "503", "429=1", "401", "empty", "garbage",
        "truncate=5",
    ]

    private static func track(_ number: Int) -> String {
        "spotify:track:" + String(repeating: "0", count: 22 - "\(number)".count) + "\(number)"
    }

    /// Pushes with a fault at one of the calls that write; again without it if it does not end well.
    private func push(_ stage: Stage, _ name: String, _ mishap: String, at write: Int) async throws
    {
        // POST, PUT and DELETE.
        try await stage.home.faults("\(mishap),match=[PD]* *playlists*,skip=\(write)")
        let first = try await stage.run("narada-cmd", ["playlist", "push", name, "--json"])
        try await stage.home.faults()
        let this = "\(mishap) at write \(write)"
        #expect([0, 69, 75].contains(first.status), "\(this): \(first.status) \(first.error)")
        guard first.status != 0 else { return }
        let second = try await stage.run("narada-cmd", ["playlist", "push", name, "--json"])
        #expect(second.status == 0, "\(this), later: \(second.status) \(second.error)")
    }

    @Test("A push that meets it at any of its calls ends with equal lists and no row twice")
    func pushes() async throws {
        let stage = try await Stage()
        let rows: [Any] =
            (0..<14).map { Self.track($0) } + [
                "spotify:local:Ghost:Tape:Hum:61", NSNull(), Self.track(2),
            ]
        func reset() async throws {
            try await stage.home.remote(Self.id, ["name": "Before", "items": rows])
        }
        try await reset()
        try stage.fresh()
        for edit in [
            ["fetch", "spotify-playlist", Self.uri],
            ["playlist", "move", "Before", "--from", "15", "--count", "2", "--to", "1"],
            ["playlist", "move", "Before", "--from", "9", "--to", "4"],
            ["playlist", "remove", "Before", "--at", "6", "12"],
            ["playlist", "add", "Before", Self.track(70), Self.track(71), "--at", "3"],
            ["playlist", "add", "Before", Self.track(72)],
            ["playlist", "rename", "Before", "After"],
        ] {
            let result = try await stage.run("narada-cmd", edit)
            try #require(result.status == 0, "\(result.error)")
        }
        let template = stage.current
        try stage.fresh(from: template)
        let calm = try await stage.run("narada-cmd", ["playlist", "push", "After", "--json"])
        try #require(calm.status == 0, "\(calm.error)")
        let wanted = try await stage.home.remote(Self.id)
        let journal = try await stage.home.journal()
        let writes = journal.filter {
            $0["service"] as? String == "spotify_api" && $0["method"] as? String != "GET"
        }
        #expect(Set(writes.map { $0["method"] as? String }) == ["POST", "PUT", "DELETE"])
        #expect(writes.count >= 6 && wanted.rows.count == 18)

        for mishap in Self.mishaps {
            for write in writes.indices {
                try await reset()
                try stage.fresh(from: template)
                try await push(stage, "After", mishap, at: write)
                let remote = try await stage.home.remote(Self.id)
                #expect(remote.rows == wanted.rows, "\(mishap) at write \(write)")
                #expect(remote.name == "After", "\(mishap) at write \(write)")
            }
        }
        #expect(try await stage.isSound())
    }

    @Test("A playlist is made once, whatever happens on the way, and keeps its local files here")
    func creates() async throws {
        let stage = try await Stage()
        let rows = [Self.track(1), "spotify:local:Ghost:Tape:Hum:61", Self.track(2), Self.track(1)]
        for (number, mishap) in (Self.mishaps + ["500,times=0", "quota"]).enumerated() {
            for write in 0..<2 {
                let name = "New \(number) \(write)"
                try stage.fresh()
                let made = try await stage.run("narada-cmd", ["playlist", "create", name] + rows)
                try #require(made.status == 0, "\(made.error)")
                if mishap == "500,times=0" || mishap == "quota" {
                    try await interrupted(stage, name, mishap, at: write, rows)
                } else {
                    try await push(stage, name, mishap, at: write)
                }
                let this = "\(mishap) at write \(write)"
                let uris = try await remotes(stage, name)
                #expect(uris.count == 1, "\(this)")
                let remote = try await stage.home.remote(uris.first ?? "")
                #expect(remote.rows == [rows[0], rows[2], rows[3]], "\(this)")
                #expect(try await local(stage, name) == rows, "\(this)")
            }
        }
        #expect(try await stage.isSound())
    }

    /// A push that ends between the new playlist and its rows; a fetch comes before the next one.
    private func interrupted(
        _ stage: Stage, _ name: String, _ mishap: String, at write: Int, _ rows: [String]
    ) async throws {
        let match = write == 0 ? "POST */me/playlists" : "POST */items"
        try await stage.home.faults("\(mishap),match=\(match)")
        let first = try await stage.run("narada-cmd", ["playlist", "push", name, "--json"])
        #expect([69, 75].contains(first.status), "\(first.error)")
        try await stage.home.faults()
        let now = mishap == "quota" ? ISOTime.text(Clock().now + 2 * 86_400_000) : nil
        let fetch = try await stage.run(
            "narada-cmd", ["fetch", "spotify-playlist", "--mine", "--json"], now: now)
        #expect(fetch.status == 0, "\(fetch.error)")
        #expect(try await local(stage, name) == rows, "\(mishap) at write \(write), fetched")
        let second = try await stage.run(
            "narada-cmd", ["playlist", "push", name, "--json"], now: now)
        #expect(second.status == 0, "\(second.error)")
    }

    /// The ids of Spotify's playlists of a name.
    private func remotes(_ stage: Stage, _ name: String) async throws -> [String] {
        let summary = try await stage.home.sandbox.control("GET", "") as? [String: Any]
        return (summary?["playlists"] as? [[String: Any]] ?? []).compactMap {
            $0["name"] as? String == name ? $0["id"] as? String : nil
        }
    }

    private func local(_ stage: Stage, _ name: String) async throws -> [String?] {
        let result = try await stage.run("narada", ["playlist", name, "--json"])
        let view = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any]
        return (view?["items"] as? [[String: Any]] ?? []).map { $0["uri"] as? String }
    }
}
