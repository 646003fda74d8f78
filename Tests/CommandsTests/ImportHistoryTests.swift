import Foundation
import JSONText
import Ledger
import TestSupport
import Testing

private let root =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
private let fixtures = root.deletingLastPathComponent().appendingPathComponent(
    "shared/fixtures/spotify-export"
).path
private let haveFixtures = FileManager.default.fileExists(atPath: fixtures)

@Suite("Importing a streaming history")
struct ImportHistoryTests {
    private func row(_ second: Int, more: String = "", title: String = "T") -> String {
        #"{"ts":"2025-04-28T21:16:\#(10 + second)Z","ms_played":240000,"master_metadata_track_name":"\#(title)","spotify_track_uri":"\#(Tracks.a)"\#(more)}"#
    }

    /// rows = listens + already + all skipped.
    private func balance(_ result: [String: Any]) throws -> (
        rows: Int, listens: Int, already: Int, skipped: [String: Int]
    ) {
        let skipped = try #require(result["skipped"] as? [String: Int])
        let rows = try #require(result["rows"] as? Int)
        let listens = try #require(result["listens"] as? Int)
        let already = try #require(result["already"] as? Int)
        #expect(rows == listens + already + skipped.values.reduce(0, +))
        return (rows, listens, already, skipped)
    }

    @Test("A listen that Last.fm told of before is counted as joined, and shows both channels")
    func joined() throws {
        let home = try TestHome()
        // 240 s before 21:16:10.
        let start = 1_745_874_730
        try home.append([
            #"{"type":"lastfm.listens.page","stream":"lastfm:listens:rj","data":{"from":0,"to":1,"page":1,"payload":{"recenttracks":{"track":[{"name":"t!","artist":{"name":"A"},"date":{"uts":"\#(start + 80)"}},{"name":"U","artist":{"name":"A"},"date":{"uts":"\#(start)"}}]}}}}"#
        ])
        let path = try home.file("endsong_0.json", "[\(row(0)), \(row(20, title: "Other"))]")

        let result = try home.cmd("import", "spotify-history", path)

        #expect(result["joined"] as? Int == 1 && result["listens"] as? Int == 2)
        let channels = try home.list("listens").map { $0["channels"] as? [String] }
        #expect(channels.count == 3)
        #expect(channels.contains(["spotify-history", "lastfm"]))
        #expect(try home.list("listens", "--reason", "joined").count == 1)
    }

    @Test("Every row is accounted for, and importing again appends nothing")
    func again() throws {
        let home = try TestHome()
        let rows = [
            row(0), row(0), row(1), row(10), row(20, more: #","incognito_mode":true"#),
            #"{"ts":"nonsense","ms_played":5}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":5,"spotify_episode_uri":"e"}"#, "{}",
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":5,"audiobook_uri":"e"}"#,
            #"{"ts":"2025-04-28T21:16:38Z","ms_played":29999,"spotify_track_uri":"u","master_metadata_track_name":"t"}"#,
            #"{"ts":"2025-04-28T21:16:39Z","ms_played":9223372036854775807,"offline_timestamp":-1}"#,
            #"{"ts":"2025-04-28T21:16:40Z","ms_played":-9223372036854775808,"offline_timestamp":9223372036854775807,"spotify_track_uri":"u","master_metadata_track_name":"t"}"#,
        ]
        let path = try home.file("endsong_0.json", "[" + rows.joined(separator: ",\n") + "]")

        let first = try balance(try home.cmd("import", "spotify-history", path))

        #expect(first.rows == 12 && first.already == 1 && first.listens == 2)
        #expect(
            first.skipped == [
                "incognito": 1, "bad_time": 2, "podcast": 1, "audiobook": 1, "short": 2,
                "no_track": 1, "near_duplicate": 1,
            ])
        let second = try home.cmd("import", "spotify-history", path)
        #expect(try balance(second).already == 12 && second["first"] is NSNull)
        let reordered = try home.file(
            "other name.json", "[" + rows.reversed().joined(separator: " , ") + "]")
        #expect(try home.cmd("import", "spotify-history", reordered)["last"] is NSNull)
        #expect(try home.run("narada-project", ["--check"]).status == 0)
        for arguments in [
            ["listens"], ["listens", "--reason", "any"], ["tracks"], ["top"], ["explain", "1"],
        ] {
            #expect(try home.run("narada", arguments).status == 0)
        }
    }

    @Test("A nested value in an indented file is the same row the next time")
    func nested() throws {
        let home = try TestHome()
        let path = try home.file(
            "endsong_0.json",
            "[\n  {\n    \"ts\": \"2025-04-28T21:16:38Z\",\n    \"ms_played\": 5,\n    \"new\": { \"a\": [ 1, 2 ] }\n  }\n]"
        )
        try home.cmd("import", "spotify-history", path)
        #expect(try home.cmd("import", "spotify-history", path)["first"] is NSNull)
    }

    @Test(
        "User name, addresses and user agent are in no byte of the home, nor is the folder's name")
    func privacy() throws {
        let home = try TestHome()
        let secrets = [
            "somebody.private", "203.0.113.77", "198.51.100.12", "Mozilla%2FSecret",
            "private-folder-of-jane", "2001:db8::77",
        ]
        let folder = home.folder.file("private-folder-of-jane")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let rows = (0..<20).map { number in
            row(
                number,
                more:
                    #","username":"somebody.private","ip_addr":"203.0.113.77","ip_addr_decrypted":"198.51.100.12","user_agent_decrypted":"Mozilla%2FSecret","ip_addr_v6":{"x":"2001:db8::77"}"#
            )
        }
        try Data("[\(rows.joined(separator: ","))]".utf8).write(
            to: URL(fileURLWithPath: folder + "/endsong_0.json"))

        let result = try home.run("narada-cmd", ["import", "spotify-history", folder, "--verbose"])

        #expect(result.status == 0)
        try home.cmd("seal")
        var haystacks = [try home.run("narada", ["log", "cat"]).output, result.output]
        let enumerator = try #require(FileManager.default.enumerator(atPath: home.path))
        for case let name as String in enumerator {
            haystacks.append(Array(name.utf8))
            if let data = FileManager.default.contents(atPath: home.path + "/" + name) {
                haystacks.append(Array(data))
            }
        }
        #expect(haystacks.count > 6)
        for haystack in haystacks {
            let text = String(decoding: haystack, as: UTF8.self)
            for secret in secrets { #expect(!text.contains(secret), "\(secret)") }
        }
        #expect(try home.run("narada", ["log", "cat"]).text.contains(Tracks.a))
    }

    @Test("Control characters of a title never reach the terminal raw")
    func terminal() throws {
        let home = try TestHome()
        // As JSON escapes, and those beyond ASCII also raw.
        let title =
            #"\u001b[2J\u0007\u0000\u009b31m\r\n\u202ex\u007f\u2066"# + "\u{9B}1m\u{202E}\u{85}"
        let path = try home.file(
            "endsong_0.json",
            "[\(row(0, more: #","reason_end":"\#(title)","master_metadata_album_artist_name":"\#(title)""#, title: title))]"
        )
        try home.cmd("import", "spotify-history", path)
        let list = try home.file(
            "a.json",
            #"{"name":"\#(title)","description":"\#(title)","items":[{"uri":"\#(Tracks.a)"},{"uri":"x:\#(title)","title":"\#(title)","artists":["\#(title)"]}]}"#
        )
        let imported = try home.run("narada-cmd", ["import", "playlist", list])
        let uri = try #require(try home.list("playlists").first?["playlist"] as? String)

        var shown = [imported]
        for arguments in [
            ["status"], ["playlists"], ["playlist", uri], ["history", uri], ["diff", uri, "3"],
            ["tracks"], ["track", Tracks.a],
            ["listens"], ["top"], ["explain", "1"], ["explain", "3"], ["explain", "\(uri)#2"],
            ["explain", Tracks.a],
            ["track", "\u{1B}[2J\u{9B}x"], ["playlist", "\u{1B}[2J\u{9B}x"],
            ["export", "playlist", uri, "--format", "m3u8"],
        ] {
            let result = try home.run("narada", arguments)
            #expect(result.status == 0 || result.status == 66, "\(arguments): \(result.error)")
            shown.append(result)
        }
        shown.append(try home.run("narada-cmd", ["playlist", "rename", uri, "\u{1B}[2J\u{9B}x"]))
        shown.append(try home.run("narada-cmd", ["playlist", "rename", "\u{1B}[2J", "x"]))

        for result in shown {
            for text in [result.text, result.error] {
                let bad = text.unicodeScalars.filter {
                    $0.properties.generalCategory == .control && $0 != "\n"
                }
                #expect(bad.isEmpty, "\(text.debugDescription.prefix(400))")
            }
        }
    }

    @Test(
        "A later export that holds the earlier one adds only what is new, also from another layout")
    func grown() throws {
        let home = try TestHome()
        try home.cmd(
            "import", "spotify-history", home.file("endsong_0.json", "[\(row(0)),\(row(10))]"))

        let result = try home.cmd(
            "import", "spotify-history",
            home.file("Streaming_History_Audio_2025_0.json", "[\(row(10)), \(row(20)), \(row(0))]"))

        let found = try balance(result)
        #expect(found.rows == 3 && found.already == 2 && found.listens == 1)
        #expect(try home.list("listens").count == 3)
    }

    @Test(
        "The exports beside the repository are imported as expected",
        .enabled(if: haveFixtures, "../shared/fixtures is not here"),
        arguments: [("extended_layout", "Streaming_History_Audio"), ("endsong_layout", "endsong")])
    func expected(layout: String, prefix: String) throws {
        let home = try TestHome()
        let data = try #require(
            FileManager.default.contents(atPath: "\(fixtures)/\(layout)/expected.json"))
        let expected = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let paths = try #require(FileManager.default.enumerator(atPath: "\(fixtures)/\(layout)"))
            .compactMap { $0 as? String }
            .filter { $0.split(separator: "/").last?.hasPrefix(prefix) == true }.map {
                "\(fixtures)/\(layout)/\($0)"
            }

        let arguments = ["import", "spotify-history"] + paths.sorted() + ["--json"]
        let run = try home.run("narada-cmd", arguments)
        try #require(run.status == 0, "\(run.error)")
        let result = try balance(
            try #require(try JSONSerialization.jsonObject(with: Data(run.output)) as? [String: Any])
        )

        let total = try #require(expected["rows_total"] as? Int)
        let distinct = try #require(expected["rows_after_removing_exact_duplicates"] as? Int)
        #expect(result.rows == total && result.already == total - distinct)
        let withoutTrack = ["podcast", "audiobook", "no_track"].reduce(0) {
            $0 + (result.skipped[$1] ?? 0)
        }
        #expect(withoutTrack == expected["rows_without_track"] as? Int)
        let recorded = try home.run(
            "narada", ["log", "cat", "--type", "export.spotify_history.row"]
        ).text.split(separator: "\n")
        #expect(recorded.count == distinct)
        // A private episode is counted as an episode.
        #expect(
            recorded.count { $0.contains(#""incognito_mode":true"#) } == expected["incognito_rows"]
                as? Int)
        let times = recorded.compactMap { $0.firstMatch(of: /"ts":"([^"]*)"/).map { String($0.1) } }
        #expect(
            times.min() == expected["first_ts"] as? String
                && times.max() == expected["last_ts"] as? String)
        let uris = Set(
            recorded.compactMap {
                $0.firstMatch(of: /"spotify_track_uri":"([^"]*)"/).map { String($0.1) }
            })
        #expect(uris.count == expected["distinct_track_uris"] as? Int)
        let again = try home.run("narada-cmd", arguments)
        #expect(again.text.contains(#""first":null"#))
    }

    @Test("Real rows are imported", .enabled(if: haveFixtures, "../shared/fixtures is not here"))
    func realSamples() throws {
        let home = try TestHome()
        let found = try balance(
            try home.cmd("import", "spotify-history", "\(fixtures)/real_samples"))
        #expect(found.rows > 20 && found.listens > 0)
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }
}

@Suite("Exit codes")
struct ExitCodeTests {
    private static let page = root.path + "/docs/exit-codes.md"

    @Test(
        "The table in the documentation is the enum in the program",
        .enabled(
            if: FileManager.default.fileExists(atPath: page), "docs/exit-codes.md is not here yet"))
    func table() throws {
        let page = try #require(FileManager.default.contents(atPath: Self.page))
        let source = try #require(
            FileManager.default.contents(
                atPath: root.path + "/Sources/Commands/Support/NaradaError.swift"))
        func pairs(_ data: Data, _ pattern: Regex<(Substring, Substring, Substring)>) -> Set<
            [String]
        > {
            Set(
                String(decoding: data, as: UTF8.self).matches(of: pattern).map {
                    [String($0.1), String($0.2)].sorted()
                })
        }
        let documented = pairs(page, /(?m)^\| *`?(\d+)`? *\| *`?(\w+)`? *\|/)
        let defined = pairs(source, /(?m)^    case (\w+) = (\d+)$/)

        #expect(defined.count > 5)
        #expect(documented == defined)
    }
}
