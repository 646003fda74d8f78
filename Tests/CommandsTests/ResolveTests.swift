import Foundation
import GRDB
import TestSupport
import Testing

@Suite("What tracks are called elsewhere")
struct ResolveTests {
    private static let isWhole =
        ProcessInfo.processInfo.environment["NARADA_CONFORMANCE"] == "full"

    private func rows(_ home: String, _ sql: String) throws -> [String] {
        var configuration = Configuration()
        configuration.readonly = true
        let database = try DatabaseQueue(path: home + "/narada.db", configuration: configuration)
        return try database.read { db in
            try Row.fetchAll(db, sql: sql).map { row in
                row.databaseValues.map(\.description).joined(separator: "|")
            }
        }
    }

    private let decided =
        "SELECT a_uri, b_uri, method, confidence, matcher, word FROM matches ORDER BY 1, 2"

    /// A home with a library of so many tracks, all of them liked.
    private func library(_ count: Int) async throws -> ServiceHome {
        let home = try await ServiceHome(["--tracks", "\(count)"])
        let known = try #require(
            try await home.sandbox.control("GET", "musicbrainz/tracks") as? [String: Any])
        try await home.sandbox.control(
            "PUT", "spotify/likes", known.keys.sorted().map { "spotify:track:" + $0 })
        try home.cmd("fetch", "spotify-likes")
        return home
    }

    @Test("A library is resolved whatever kills it on the way, and nothing is asked twice")
    func killed() async throws {
        let (count, kills) = Self.isWhole ? (2000, 10) : (400, 5)
        let home = try await library(count)
        home.environment["LASTFM_API_KEY"] = nil
        let template = home.folder.file("template")
        try FileManager.default.copyItem(atPath: home.path, toPath: template)
        try await home.forgetJournal()
        try home.cmd("resolve")
        let whole = try await home.journal().filter { $0["service"] as? String == "musicbrainz" }
        let expected = try rows(home.path, decided)
        #expect(expected.count > count / 2)
        #expect(try home.cmd("resolve")["last"] is NSNull)

        let other = home.folder.file("other")
        try FileManager.default.copyItem(atPath: template, toPath: other)
        home.environment["NARADA_HOME"] = other
        try await home.forgetJournal()
        for round in 1...kills {
            let (process, finish) = try Program("narada-cmd").start(
                ["resolve", "--quiet"], environment: home.environment)
            let until = whole.count * round / (kills + 1)
            while process.isRunning, try await home.journal().count < until {
                try await Task.sleep(for: .milliseconds(2))
            }
            kill(process.processIdentifier, SIGKILL)
            _ = finish()
        }
        try home.cmd("resolve")
        #expect(try rows(other, decided) == expected)
        let asked = try await home.journal().filter { $0["service"] as? String == "musicbrainz" }
        let distinct = Set(asked.map { "\($0["path"] ?? "") \($0["query"] ?? "")" })
        // What was answered into a killed program's hands is the only thing to be asked again.
        #expect(asked.count <= distinct.count + kills, "\(asked.count) of \(distinct.count)")
        #expect(
            try rows(
                other,
                "SELECT 1 FROM track_mappings GROUP BY connector_name, connector_id HAVING count(*) > 1"
            ).isEmpty)
    }

    @Test(
        "Last.fm's spellings are judged by their names, without a question where scrobbles tell them"
    )
    func spellings() async throws {
        let home = try await library(30)
        try home.cmd("resolve", "--connector", "musicbrainz")
        let known = try #require(
            try home.read("tracks", "--limit", "30") as? [[String: Any]]
        ).filter { ($0["title"] as? String)?.contains(/[(-]/) == false }.prefix(4).map { row in
            (
                uri: row["uri"] as? String ?? "", title: row["title"] as? String ?? "",
                artist: (row["artists"] as? [String])?.first ?? ""
            )
        }
        try #require(known.count == 4)
        let spelt = [
            known[0].title, known[0].title + " - 2011 Remaster",
            known[1].title + " (feat. Somebody Else)",
        ]
        var scrobbles = zip([known[0], known[0], known[1]], spelt).map { ($0.artist, $1) }
        scrobbles += [
            (known[2].artist, known[2].title + " (Live)"), ("Somebody Else", known[3].title),
        ]
        try await home.sandbox.control(
            "PUT", "lastfm/listens",
            scrobbles.enumerated().map {
                ["artist": $1.0, "track": $1.1, "uts": 1_780_000_000 + 600 * $0]
            })
        try home.cmd("fetch", "lastfm-listens")
        #expect(
            try home.cmd("resolve", "--connector", "lastfm", "--limit", "3")["asked_lastfm"] as? Int
                == 3)
        let first = try home.cmd("resolve", "--connector", "lastfm")
        let matched = """
            SELECT b_uri, a_uri, confidence >= 60, matcher FROM matches
            WHERE a_uri GLOB 'lastfm:*' AND b_uri IN (\(known.map { "'\($0.uri)'" }.joined(separator: ", ")))
            """
        let pairs = try rows(home.path, matched)

        func count(_ place: Int) -> Int {
            pairs.count { $0.contains(known[place].uri) && $0.hasSuffix("|1|2") }
        }
        #expect((0..<4).map(count) == [2, 1, 1, 1], "\(pairs)")
        #expect(
            !pairs.contains {
                $0.hasSuffix("|1|2")
                    && ($0.contains("Live") || $0.contains("Somebody%20Else/"))
            }, "\(pairs)")
        #expect(
            first["asked_lastfm"] as? Int ?? 99 <= 25, "two are told by scrobbles, three were asked"
        )
        let asked = try await home.journal().compactMap { $0["query"] as? String }
        #expect(
            !asked.contains {
                $0.contains("getInfo") && $0.contains(known[0].title.prefix { $0 != " " })
            })

        try await home.forgetJournal()
        let second = try home.cmd("resolve")
        #expect(second["asked_lastfm"] as? Int == 0)
        #expect(try await home.journal().allSatisfy { $0["service"] as? String != "lastfm" })
        #expect(try home.cmd("resolve", "--rescore")["gained"] as? [[String: String]] == [])
        let pair = try #require(pairs.first { $0.contains(known[1].uri) })
        let entity = pair.replacing("\"", with: "").split(separator: "|").map(String.init)[1]
        try home.cmd("match", "reject", known[1].uri, entity)
        try home.cmd("resolve", "--rescore", "--apply")
        let grouped =
            "SELECT count(*) FROM nodes WHERE track_id = (SELECT track_id FROM nodes WHERE uri = '\(known[1].uri)') AND uri GLOB 'lastfm:*'"
        #expect(try rows(home.path, grouped) == ["0"])
    }

    @Test(
        "What Last.fm does not find by name it is asked for by MBID, and what answers is judged by its names"
    )
    func mbid() async throws {
        let home = try await ServiceHome(["--tracks", "20"])
        let uris = ["1", "2"].map { "spotify:track:" + String(repeating: "0", count: 21) + $0 }
        let mbids = ["1", "2"].map { "0f343b09-3112-4a20-a133-d67c2b018a3" + $0 }
        for (place, title) in ["Paper Lantern Parade", "Quiet Harbour Lights"].enumerated() {
            try await home.sandbox.control(
                "PUT", "spotify/tracks/" + uris[place].dropFirst(14),
                ["name": title, "artists": ["Clara Finch"], "isrc": "QZAB1120000\(place)"])
            try await home.sandbox.control(
                "PUT", "musicbrainz/recordings",
                [
                    [
                        "id": mbids[place], "title": title, "artists": ["Clara Finch"],
                        "isrcs": ["QZAB1120000\(place)"],
                    ]
                ])
        }
        try await home.sandbox.control(
            "PUT", "lastfm/tracks",
            [
                ["artist": "Clara Fynch", "track": "Paper Lantern Parade", "mbid": mbids[0]],
                ["artist": "Nobody At All", "track": "Something Else", "mbid": mbids[1]],
            ])
        try await home.sandbox.control("PUT", "spotify/likes", uris)
        try home.cmd("fetch", "spotify-likes")
        let result = try home.cmd("resolve")

        #expect(result["asked_lastfm"] as? Int == 2)
        let pairs =
            "SELECT b_uri, a_uri FROM matches WHERE a_uri GLOB 'lastfm:*' AND confidence >= 60"
        #expect(
            try rows(home.path, pairs)
                == ["\"\(uris[0])\"|\"lastfm:track:Clara%20Fynch/Paper%20Lantern%20Parade\""])
        try await home.forgetJournal()
        #expect(try home.cmd("resolve")["last"] is NSNull)
        #expect(try await home.journal().isEmpty)
    }

    @Test(
        "A person's word is kept by every later judgement, and taking it back brings the matcher's again"
    )
    func person() async throws {
        let home = try await library(60)
        home.environment["LASTFM_API_KEY"] = nil
        try home.cmd("resolve")
        let first = try #require(
            try rows(
                home.path,
                "SELECT a_uri, b_uri FROM matches WHERE confidence >= 90 ORDER BY 1 LIMIT 1"
            ).first?.replacing("\"", with: "").split(separator: "|").map(String.init))
        let mapped = """
            SELECT DISTINCT n.track_id = m.track_id FROM nodes n, nodes m
            WHERE n.uri = '\(first[0])' AND m.uri = '\(first[1])'
            """
        let all = try rows(home.path, decided)
        #expect(try rows(home.path, mapped) == ["1"])

        // From the track to the decision, to its evidence, to the payload.
        let why = try #require(try home.read("explain", first[1]) as? [String: Any])
        let decision = try #require(
            (why["decisions"] as? [[String: Any]])?.first { $0["a"] as? String == first[0] })
        #expect(decision["is_one"] as? String == "yes" && decision["method"] as? String == "isrc")
        func event(_ seq: Any?) throws -> [String: Any] {
            let said = try home.read("explain", "\(seq as? Int ?? 0)") as? [String: Any]
            return try #require((said?["event"] as? [String: Any])?["data"] as? [String: Any])
        }
        let evidence = try #require(try event(decision["seq"])["evidence"] as? [String: Any])
        let source = try event((evidence["from"] as? [Any])?.first)
        #expect("\(source["payload"] ?? "")".contains(first[0].dropFirst("mb:recording:".count)))

        try home.cmd("match", "reject", first[1], first[0])
        #expect(try rows(home.path, mapped) == ["0"])
        #expect(try home.cmd("match", "reject", first[1], first[0])["last"] is NSNull)
        try home.cmd("resolve")
        try home.cmd("resolve", "--rescore", "--apply")
        #expect(try rows(home.path, mapped) == ["0"])
        try home.cmd("match", "retract", first[1], first[0])
        #expect(try rows(home.path, mapped) == ["1"])
        #expect(try rows(home.path, decided) == all)

        // Of the matcher's own word nothing is left either, until it judges again.
        try home.cmd("match", "retract", first[1], first[0])
        #expect(try rows(home.path, mapped) == ["0"])
        try home.refused("match", "retract", first[1], first[0], status: 66)
        let tried = try home.cmd("resolve", "--rescore")
        #expect((tried["gained"] as? [Any])?.count == 1 && tried["last"] is NSNull)
        #expect(tried["counts"] is Int && tried["playlists"] is [Any])
        try home.cmd("resolve", "--rescore", "--apply")
        #expect(try rows(home.path, decided) == all)

        try home.cmd(
            "match", "confirm", "spotify:track:" + String(repeating: "0", count: 22),
            "lastfm:track:A/B")
        #expect(try home.refused("match", "confirm", first[0], first[0], status: 64).status == 64)
        let open = try #require(
            try JSONSerialization.jsonObject(
                with: Data(try home.run("narada-cmd", ["match", "review", "--json"]).output))
                as? [[String: Any]])
        #expect(
            open.allSatisfy {
                ($0["uris"] as? [String])?.count == 2 && $0["evidence"] is [String: Any]
            })
    }
}
