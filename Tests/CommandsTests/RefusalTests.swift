import Foundation
import JSONText
import Ledger
import TestSupport
import Testing

@Suite("What is refused, and how")
struct RefusalTests {
    private func refusal(
        _ home: TestHome, _ program: String, _ arguments: [String], input: String? = nil
    ) throws -> Refusal {
        try Refusal(try home.run(program, arguments + ["--json"], input: input))
    }

    @Test(
        "Wrong usage is 64 and says what was meant",
        arguments: [
            ("narada", ["playlis"], "'playlist'"), ("narada", ["statsu"], "'status'"),
            ("narada", ["log", "sta"], "'stat'"),
            ("narada-cmd", ["imprt"], "'import'"),
            ("narada-cmd", ["playlist", "crate", "X"], "'create'"),
            ("narada", ["status", "--jsn"], ""), ("narada-cmd", ["init", "--force"], ""),
            ("narada", ["playlist"], ""),
            ("narada", ["playlist", "A", "B"], ""), ("narada", ["listens", "--limit", "many"], ""),
            ("narada", ["listens", "--since", "3 May"], ""),
            ("narada", ["playlist", "A", "--as-of", "soon"], ""),
            ("narada", ["listens", "--reason", "boring"], "bad_time"),
            ("narada", ["log", "verify", "--expect", "7"], "log head"),
            ("narada-project", ["--only", "trakcs"], "'tracks'"),
            ("narada-project", ["--only", "everything"], "mappings"),
            ("narada-project", ["--as-of", "1"], ""),
            ("narada-project", ["--check", "--rebuild"], ""),
            ("narada-cmd", ["append"], ""),
            ("narada-cmd", ["append", "--type", "playlist.deleted"], ""),
            ("narada-cmd", ["playlist", "remove", "A"], ""),
            ("narada-cmd", ["playlist", "add", "A", "spotify:track:short"], "22"),
            ("narada-cmd", ["playlist", "create", "A", "http://example.org/x"], "spotify:track"),
            ("narada-cmd", ["init", "--lock-timeout", "-1"], ""),
        ])
    func usage(program: String, arguments: [String], words: String) throws {
        let home = try TestHome()
        try home.cmd("init")

        let refusal = try refusal(home, program, arguments)

        #expect(refusal.status == 64 && refusal.code == "usage", "\(refusal)")
        #expect(words.isEmpty || (refusal.message + refusal.hint).contains(words), "\(refusal)")
        #expect(try home.seq() == 0)
    }

    @Test("Without --json an error is one line that begins with the word")
    func text() throws {
        let home = try TestHome()
        let result = try home.run("narada", ["status"])
        #expect(result.status == 66 && result.output.isEmpty)
        #expect(
            result.error.hasPrefix("error: there is no ledger in ") && result.error.hasSuffix(".\n")
        )
        #expect(result.error.split(separator: "\n").count == 1 && result.error.contains("; "))
    }

    @Test(
        "Without a home readers end with 66 and make none",
        arguments: [
            ("narada", ["status"]), ("narada", ["playlists"]), ("narada", ["log", "cat"]),
            ("narada", ["log", "verify"]),
            ("narada", ["explain", "1"]), ("narada-project", []), ("narada-project", ["--check"]),
            ("narada-project-tracks", []),
        ] as [(String, [String])])
    func noHome(program: String, arguments: [String]) throws {
        let home = try TestHome()
        let refusal = try refusal(home, program, arguments)
        #expect(refusal.status == 66 && refusal.code == "no-ledger")
        #expect(!FileManager.default.fileExists(atPath: home.path))
    }

    @Test("Without any word of where the home is it is bad configuration")
    func noWord() throws {
        let result = try Program("narada").run(["status", "--json"])
        #expect(try Refusal(result).status == 78)
    }

    @Test(
        "A clock that is no time is bad configuration",
        arguments: ["yesterday", "2026-11-22", "1795341600", "2026-13-01T00:00:00Z"])
    func clock(now: String) throws {
        let home = try TestHome()
        home.now = now
        for (program, arguments) in [
            ("narada", ["status"]), ("narada-cmd", ["init"]), ("narada-project", []),
        ] {
            let refusal = try refusal(home, program, arguments)
            #expect(refusal.status == 78 && refusal.message.contains("NARADA_NOW"))
        }
        #expect(!FileManager.default.fileExists(atPath: home.path))
    }

    @Test(
        "A ledger that is a file is an I/O error",
        arguments: ["narada", "narada-cmd", "narada-project"])
    func ledgerIsAFile(program: String) throws {
        let home = try TestHome()
        try FileManager.default.createDirectory(
            atPath: home.path, withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: home.path + "/ledger"))
        let arguments =
            ["narada": ["status"], "narada-cmd": ["init"], "narada-project": []][program] ?? []

        #expect(try refusal(home, program, arguments).status == 74)
    }

    @Test("On a read-only home readers read and writers fail")
    func readOnly() throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "Morning")
        try home.dropRights()
        let files = FileManager.default
        let names = [""] + (try files.subpathsOfDirectory(atPath: home.path)).map { "/" + $0 }
        func permit(_ folders: Int, _ others: Int) throws {
            for name in names {
                let mode = ["", "/ledger"].contains(name) ? folders : others
                try files.setAttributes([.posixPermissions: mode], ofItemAtPath: home.path + name)
            }
        }
        try permit(0o555, 0o444)
        defer { try? permit(0o755, 0o644) }

        #expect(try home.list("playlists").count == 1)
        #expect(try home.run("narada", ["log", "verify"]).status == 0)
        for arguments in [["create", "Evening"], ["rename", "Morning", "X"]] {
            let result = try home.run("narada-cmd", ["playlist"] + arguments + ["--json"])
            #expect(try Refusal(result).status == 74)
        }
        #expect(try home.seq() == 1)

        // Only the folders cannot be written: HEAD cannot be replaced, but the event is in the log.
        try permit(0o555, 0o644)
        #expect(try home.run("narada-cmd", ["playlist", "create", "Evening"]).status == 0)
        #expect(try home.seq() == 2)
    }

    // MARK: Moments

    @Test(
        "Before a playlist was known it is 66 and the first seq that knows it; past the end it is 64"
    )
    func moments() throws {
        let home = try TestHome()
        home.now = "2026-11-01T10:00:00Z"
        try home.cmd("playlist", "create", "First")
        home.now = "2026-11-03T10:00:00Z"
        try home.cmd("playlist", "create", "Second", Tracks.a)

        for moment in [
            "1", "2026-11-02", "2026-11-01T10:00:00Z", "2026-11-03T09:59:59.999Z", "1d", "0",
            "2020-01-01",
        ] {
            let refusal = try refusal(home, "narada", ["playlist", "Second", "--as-of", moment])
            #expect(
                refusal.status == 66 && refusal.hint.contains("event that does is 2"),
                "\(moment): \(refusal)")
        }
        for moment in [
            "2", "2026-11-03", "2026-11-03T10:00:00Z", "2026-11-03T11:30:00+01:00", "0d",
            "2030-01-01",
        ] {
            #expect(try home.uris("Second", asOf: moment) == [Tracks.a], "\(moment)")
        }
        #expect(try refusal(home, "narada", ["playlist", "Second", "--as-of", "3"]).status == 64)
        #expect(try refusal(home, "narada", ["diff", "Second", "2", "9"]).status == 64)
        #expect(
            try refusal(home, "narada-cmd", ["playlist", "restore", "Second", "--as-of", "9"])
                .status == 64)
        #expect(
            try refusal(home, "narada-cmd", ["playlist", "restore", "Second", "--as-of", "1"])
                .status == 66)
        #expect(
            try refusal(
                home, "narada-project", ["--as-of", "9", "--into", home.folder.file("x.db")]
            ).status == 64)
    }

    @Test("A seq is a moment for listens too")
    func sinceSeq() throws {
        let home = try TestHome()
        home.now = "2026-11-01T10:00:00Z"
        try home.cmd("playlist", "create", "A")
        home.now = "2026-11-10T10:00:00Z"
        let days = [("05", "t1"), ("15", "t2")]
        let rows = days.map { day, title in
            #"{"ts":"2026-11-\#(day)T00:00:00Z","ms_played":240000,"spotify_track_uri":"\#(Tracks.a)","master_metadata_track_name":"\#(title)"}"#
        }
        try home.cmd(
            "import", "spotify-history",
            home.file("endsong_0.json", "[\(rows.joined(separator: ","))]"))

        #expect(try home.list("listens", "--since", "1").count == 2)
        #expect(try home.list("listens", "--since", "2").count == 1)
        #expect(try home.list("listens", "--until", "2").count == 1)
        #expect(try home.list("top", "--until", "1").count == 0)
    }

    // MARK: Things that are not there

    @Test("A thing that is not there is 66 and names the nearest")
    func notThere() throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "Morning", Tracks.a)
        try home.cmd("playlist", "create", "Évening")
        let cases: [(String, [String], String)] = [
            ("narada", ["playlist", "Mornin"], "'Morning'"),
            ("narada", ["playlist", "morning"], "'Morning'"),
            ("narada", ["history", "Mourning"], "'Morning'"),
            ("narada-cmd", ["playlist", "add", "Evening", Tracks.a], "'Évening'"),
            ("narada", ["playlist", "Something else entirely"], "`narada playlists`"),
            ("narada", ["playlist", "spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"], ""),
            ("narada", ["explain", "99"], "log head"),
            ("narada", ["explain", "Morning#2"], "1 rows"),
            ("narada", ["explain", "Morning#0"], ""),
            ("narada", ["explain", "Morning#-9223372036854775808"], "1 rows"),
            ("narada", ["playlist", "", "--as-of", "1"], ""),
            ("narada-cmd", ["append", "--file", home.folder.path], ""),
            ("narada-cmd", ["import", "playlist", home.folder.path], ""),
            ("narada", ["track", "Nothing"], ""),
            ("narada-cmd", ["playlist", "remove", "Morning", "--at", "2"], "1 to 1"),
            ("narada-cmd", ["playlist", "remove", "Morning", Tracks.b], ""),
            ("narada-cmd", ["playlist", "move", "Morning", "--from", "1", "--to", "2"], ""),
            (
                "narada-cmd",
                [
                    "playlist", "move", "Morning", "--from", "1", "--count", "9223372036854775807",
                    "--to", "1",
                ], ""
            ),
            ("narada-cmd", ["playlist", "add", "Morning", Tracks.a, "--at", "3"], "1 to 2"),
            ("narada-cmd", ["playlist", "unlink", "Morning"], ""),
            ("narada-cmd", ["import", "spotify-history", home.folder.file("nowhere.zip")], ""),
            ("narada-cmd", ["import", "playlist", home.folder.file("nowhere.json")], ""),
            ("narada-cmd", ["append", "--file", home.folder.file("nowhere.ndjson")], ""),
        ]
        for (program, arguments, words) in cases {
            let refusal = try refusal(home, program, arguments)
            #expect(refusal.status == 66, "\(arguments): \(refusal)")
            #expect(words.isEmpty || refusal.hint.contains(words), "\(arguments): \(refusal)")
        }
        #expect(try home.seq() == 2)
    }

    @Test(
        "A file that is not what it should be is 65, and nothing is appended",
        arguments: [
            ("spotify-history", "endsong_0.json", "[{"), ("spotify-history", "x.json", "{}"),
            ("spotify-history", "endsong_0.json", #"[{"ms_played":1},{"ms_played":"2"}]"#),
            ("spotify-history", "export.zip", "PK\u{3}\u{4}"), ("playlist", "x.json", "{"),
            ("playlist", "x.json", "{}"),
            ("playlist", "x.json", #"{"name":"A","items":[{"uri":7}]}"#),
            ("playlist", "x.json", #"{"name":"A","items":[7]}"#),
            ("playlist", "x.json", #"{"playlists":[]}"#),
            ("playlist", "x.json", #"{"playlists":[{"name":"A"}]}"#),
            ("playlist", "x.txt", "Artist - Title"),
            ("playlist", "x.json", #"{"name":"A","items":[]} x"#),
        ])
    func malformed(kind: String, name: String, text: String) throws {
        let home = try TestHome()
        try home.cmd("init")
        let path = try home.file(name, text)

        let refusal = try refusal(home, "narada-cmd", ["import", kind, path])

        #expect(refusal.status == 65, "\(refusal)")
        #expect(refusal.message.contains(name))
        #expect(try home.seq() == 0)
    }

    @Test("A bad file spoils the whole import, before anything of it is appended")
    func oneBadFile() throws {
        let home = try TestHome()
        try home.cmd("init")
        let good = try home.file(
            "endsong_0.json", #"[{"ts":"2025-04-28T21:16:38Z","ms_played":1}]"#)
        let bad = try home.file("endsong_1.json", #"[{"ts":"2025-04-28T21:16:38Z","ms_played":2},"#)

        #expect(
            try refusal(home, "narada-cmd", ["import", "spotify-history", good, bad]).status == 65)
        #expect(try home.seq() == 0)
    }

    @Test("A projection into a place that takes none leaves nothing beside it")
    func intoNowhere() throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "A")
        let place = home.folder.file("taken")
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)

        #expect(
            try refusal(home, "narada-project", ["--as-of", "1", "--into", place]).status == 74)
        #expect(
            try refusal(home, "narada-project", ["--as-of", "1", "--into", place + "/none/x.db"])
                .status == 74)

        #expect(
            try Set(FileManager.default.contentsOfDirectory(atPath: home.folder.path)) == [
                "home", "taken",
            ])
    }

    // MARK: A newer ledger

    @Test(
        "Events of a newer Narada stop the projectors, and the log goes on working",
        arguments: [("playlist.sung", 1), ("playlist.created", 9)])
    func newer(type: String, version: Int) throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "Morning")
        let writer = try LedgerWriter(
            try Ledger(home.path + "/ledger"), run: "01JD9V5T8Q0000000000000000",
            clock: Clock(fixedAt: ISOTime.parse("2026-11-22T10:00:01Z")))
        let stream = try #require(StreamName("narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"))
        try writer.append([
            NewEvent(type: type, version: version, stream: stream, data: Array(#"{"new":1}"#.utf8))
        ])
        try writer.close()

        let history = try home.file(
            "endsong_0.json", #"[{"ts":"2025-04-28T21:16:38Z","ms_played":1}]"#)
        let list = try home.file("a.m3u8", "#EXTM3U\n\(Tracks.a)\n")
        for (program, arguments) in [
            ("narada-project", []), ("narada-project", ["--rebuild"]), ("narada", ["playlists"]),
            ("narada-cmd", ["playlist", "create", "B"]),
            ("narada-cmd", ["playlist", "rename", "Morning", "B"]),
            ("narada-cmd", ["import", "spotify-history", history]),
            ("narada-cmd", ["import", "playlist", list]),
        ] {
            let refusal = try Refusal(try home.run(program, arguments + ["--json"]))
            #expect(refusal.status == 65 && refusal.code == "event-unreadable", "\(refusal)")
            #expect(
                refusal.message.contains("event 2") && refusal.hint.contains("newer Narada"),
                "\(refusal)")
        }
        #expect(try home.seq() == 2, "nothing is appended to a log that cannot be folded")
        let cat = try home.run("narada", ["log", "cat", "--from", "2", "--to", "2"])
        #expect(cat.status == 0 && cat.text.contains(#""type":"\#(type)","v":\#(version)"#))
        for arguments in [["log", "stat"], ["log", "head"], ["log", "verify"]] {
            #expect(try home.run("narada", arguments).status == 0, "\(arguments)")
        }
    }
}
