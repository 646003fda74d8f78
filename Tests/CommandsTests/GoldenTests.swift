import Foundation
import TestSupport
import Testing

/// What people and scripts read; `NARADA_UPDATE_GOLDENS=1` writes it anew, the diff is the review.
@Suite("Golden outputs")
struct GoldenTests {
    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Goldens"

    private func compare(_ text: String, _ name: String) throws {
        let path = Self.folder + "/" + name
        if ProcessInfo.processInfo.environment["NARADA_UPDATE_GOLDENS"] == "1" {
            try FileManager.default.createDirectory(
                atPath: Self.folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        }
        let golden = FileManager.default.contents(atPath: path).map {
            String(decoding: $0, as: UTF8.self)
        }
        #expect(text == golden, "\(name): if it should be so, run with NARADA_UPDATE_GOLDENS=1")
    }

    static let commands: [(program: String, commands: [String])] = [
        (
            "narada-cmd",
            [
                "", "init", "events", "append", "import", "import spotify-history",
                "import playlist", "playlist",
                "playlist create", "playlist add", "playlist remove", "playlist move",
                "playlist rename",
                "playlist describe", "playlist delete", "playlist link", "playlist unlink",
                "playlist restore", "playlist push", "playlist pull", "login", "logout", "fetch",
                "fetch spotify-playlist", "fetch spotify-likes", "fetch spotify-recent",
                "fetch lastfm-listens", "fetch lastfm-loves", "fetch lastfm-counts",
                "fetch listenbrainz-listens", "fetch musicbrainz-isrcs", "resolve",
                "match", "match confirm", "match reject", "match retract", "match review", "run",
                "validate", "nodes", "repair", "seal",
            ]
        ),
        (
            "narada",
            [
                "", "status", "doctor", "playlists", "playlist", "history", "diff", "tracks",
                "track", "mappings",
                "listens", "top", "explain",
                "export", "export playlist", "log", "log cat", "log stat", "log head", "log verify",
            ]
        ),
        ("narada-project", [""]), ("narada-project-tracks", [""]),
    ]

    @Test("The help of every command", arguments: commands)
    func help(program: String, commands: [String]) throws {
        var text = ""
        var listed: Set<String> = []
        for command in commands {
            let result = try Program(program).run(
                command.split(separator: " ").map(String.init) + ["--help"])
            #expect(result.status == 0 && result.error.isEmpty, "\(program) \(command)")
            text += "$ \(program) \(command)\n\n\(result.text)\n"
            let names =
                result.text.split(separator: "SUBCOMMANDS:").dropFirst().first?.split(
                    separator: "\n") ?? []
            for name in names
            where name.hasPrefix("  ") && !name.hasPrefix("   ") && !name.hasPrefix("  See") {
                let word = name.split(separator: " ").first.map(String.init) ?? ""
                listed.insert(command.isEmpty ? word : command + " " + word)
            }
        }
        // A new command is forgotten here, not in its help.
        #expect(listed == Set(commands.filter { !$0.isEmpty }))
        try compare(text, "help-\(program).txt")
    }

    @Test("A version", arguments: ["narada", "narada-cmd", "narada-project"])
    func version(program: String) throws {
        let result = try Program(program).run(["--version"])
        #expect(result.status == 0 && result.text.split(separator: ".").count == 3)
    }

    /// A small life: two playlists with a past, a history, a page that Spotify sent.
    private func smallHome() throws -> TestHome {
        let home = try TestHome()
        let morning = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"
        let evening = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBP"
        func row(_ number: Int, _ minute: Int, _ uri: String, _ title: String, _ more: String)
            -> String
        {
            #"{"type":"export.spotify_history.row","stream":"export:spotify-history","data":{"file":"endsong_0.json","row":\#(number),"length":2,"sha256":"00","payload":{"ts":"2026-10-0\#(number)T08:\#(minute):00Z","ms_played":200000,"master_metadata_track_name":"\#(title)","master_metadata_album_artist_name":"fripSide","master_metadata_album_album_name":"infinite","spotify_track_uri":"\#(uri)"\#(more)}}}"#
        }
        home.now = "2026-11-01T10:00:00Z"
        try home.append([
            #"{"type":"playlist.created","stream":"\#(morning)","data":{"name":"Morning","items":[{"uri":"\#(Tracks.a)","added_at":"2026-10-01T00:00:00Z"},{"uri":null},{"uri":"\#(Tracks.d)"}]}}"#,
            row(1, 10, Tracks.a, "Red Liberation", #","reason_end":"trackdone""#),
            row(2, 11, Tracks.a, "Red Liberation", #","reason_end":"trackdone""#),
            row(3, 12, Tracks.b, "only my \\\"railgun\\\"", #","reason_end":"fwdbtn""#),
            row(4, 13, Tracks.b, "only my \\\"railgun\\\"", #","incognito_mode":true"#),
            row(5, 14, Tracks.b, "only my \\\"railgun\\\"", ""),
        ])
        home.now = "2026-11-02T10:00:00.500Z"
        try home.append([
            #"{"type":"playlist.edited","stream":"\#(morning)","data":{"op":"add","at":1,"items":[{"uri":"\#(Tracks.b)"},{"uri":"\#(Tracks.c)","title":"שלום עולם","artists":["A","B"],"album":"C","duration_ms":61000}]}}"#,
            #"{"type":"playlist.edited","stream":"\#(morning)","data":{"op":"move","from":5,"to":1}}"#,
            #"{"type":"playlist.created","stream":"\#(evening)","data":{"name":"Evening","description":"quiet"}}"#,
        ])
        home.now = "2026-11-03T10:00:00Z"
        try home.append([
            #"{"type":"playlist.edited","stream":"\#(morning)","data":{"op":"remove","positions":[2,5]}}"#,
            #"{"type":"playlist.renamed","stream":"\#(morning)","data":{"name":"Early morning"}}"#,
            #"{"type":"playlist.linked","stream":"\#(evening)","data":{"uri":"spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"}}"#,
        ])
        return home
    }

    /// Runs are named at random, and hashes stand on them.
    private func settled(_ text: String, _ home: TestHome) -> String {
        text.replacing(/"(run|chain)":"[^"]*"/) { "\"\($0.1)\":\"…\"" }
            .replacing(/"(raw_bytes|stored_bytes|bytes)":\d+/) { "\"\($0.1)\":0" }
            .replacing(home.path, with: "HOME").replacing(
                home.path.replacing("/", with: "\\/"), with: "HOME")
    }

    @Test("The JSON of the main commands on a small home")
    func json() throws {
        let home = try smallHome()
        let outputs: [(name: String, arguments: [String])] = [
            ("status", ["status"]), ("playlists", ["playlists"]),
            ("playlist", ["playlist", "Early morning"]),
            ("playlist-as-of", ["playlist", "Morning", "--as-of", "2026-11-02"]),
            ("history", ["history", "Early morning"]), ("diff", ["diff", "Early morning", "1"]),
            ("diff-between", ["diff", "Early morning", "2026-11-01", "2026-11-02"]),
            ("tracks", ["tracks"]), ("tracks-query", ["tracks", "railgun"]),
            ("track", ["track", Tracks.b]), ("mappings", ["mappings"]),
            ("listens", ["listens"]), ("listens-reason", ["listens", "--reason", "any"]),
            ("top", ["top"]),
            ("explain-event", ["explain", "4"]), ("explain-row", ["explain", "Early morning#1"]),
            ("explain-track", ["explain", Tracks.b]), ("log-stat", ["log", "stat"]),
            ("log-cat", ["log", "cat", "--type", "playlist."]),
            ("export", ["export", "playlist", "Early morning", "--format", "json"]),
        ]
        for output in outputs {
            let result = try home.run("narada", output.arguments + ["--json"])
            #expect(result.status == 0 && result.error.isEmpty, "\(output.name): \(result.error)")
            try compare(settled(result.text, home), "json-\(output.name).json")
        }
        let events = try home.run("narada-cmd", ["events", "--json"])
        try compare(events.text, "json-events.json")
        let m3u8 = try home.run(
            "narada", ["export", "playlist", "Early morning", "--format", "m3u8"])
        try compare(m3u8.text, "export.m3u8")
    }

    @Test("The text of the main commands on a small home")
    func text() throws {
        let home = try smallHome()
        var text = ""
        for arguments in [
            ["status"], ["playlists"], ["playlist", "Early morning"], ["history", "Early morning"],
            ["diff", "Early morning", "1"], ["tracks"], ["track", Tracks.b],
            ["mappings", Tracks.b], ["listens"],
            ["listens", "--reason", "any"],
            ["top"], ["explain", "4"], ["explain", "Early morning#1"], ["explain", Tracks.b],
        ] {
            let result = try home.run("narada", arguments)
            #expect(result.status == 0, "\(arguments): \(result.error)")
            text += "$ narada \(arguments.joined(separator: " "))\n\(result.text)\n"
        }
        text = text.replacing(/(by run|, run) [0-9A-Z]{26}/) { "\($0.1) …" }.replacing(
            home.path, with: "HOME")
        try compare(text, "text.txt")
    }
}
