import Foundation
import TestSupport
import Testing

@Suite("Playlists by command")
struct PlaylistTests {
    @Test("A look into the past gives the rows and the name that a fetch, a pull and a push left")
    func pastOfALinkedList() throws {
        let home = try TestHome()
        let list = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"
        func event(_ type: String, _ data: String, on stream: String = list) -> String {
            #"{"type":"\#(type)","stream":"\#(stream)","data":\#(data)}"#
        }
        let theirs = "spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"
        func page(_ uri: String) -> String {
            event(
                "spotify.playlist.page",
                #"{"offset":0,"payload":{"items":[{"added_at":"2026-01-01T00:00:00Z","item":{"uri":"\#(uri)"}}]}}"#,
                on: theirs)
        }
        func closed(_ page: Int, _ name: String) -> String {
            event(
                "spotify.playlist.fetched", #"{"count":1,"pages":[\#(page)],"name":"\#(name)"}"#,
                on: theirs)
        }
        // The first page was recorded before the list was made.
        try home.append([
            page(Tracks.a), event("playlist.created", #"{"name":"Mine"}"#),
            event("playlist.linked", #"{"uri":"\#(theirs)"}"#), closed(1, "Theirs"),
            event("playlist.renamed", #"{"name":"Ours"}"#), page(Tracks.b), closed(6, "New"),
            event("playlist.pulled", "{}"), page(Tracks.c), closed(9, "Newer"),
            event("push.intended", #"{"to":"\#(theirs)","writes":1}"#),
            event(
                "push.completed", #"{"intended":11,"to":"\#(theirs)","writes":1,"cannot":[]}"#),
        ])

        #expect(try home.uris(list) == [Tracks.c])
        #expect(try home.uris(list, asOf: "4") == [Tracks.a])
        #expect(try home.uris(list, asOf: "8") == [Tracks.a])
        let steps = try home.list("history", list)
        #expect(
            steps.map { $0["name"] as? String } == [
                "Mine", "Mine", "Theirs", "Ours", "Ours", "Newer", "Newer", "Newer",
            ])
        let shown = try home.read("playlist", list, "--as-of", "4") as? [String: Any]
        #expect(shown?["name"] as? String == "Theirs")
    }

    @Test("Edits give the list they say, and the run and seqs they appended")
    func edits() throws {
        let home = try TestHome()
        let made = try home.cmd(
            "playlist", "create", "Morning", Tracks.a, Tracks.b, "--description", "early")
        #expect((made["playlist"] as? String)?.hasPrefix("narada:playlist:") == true)
        #expect(
            made["first"] as? Int == 1 && made["last"] as? Int == 1
                && (made["run"] as? String)?.count == 26)

        let steps: [([String], [String])] = [
            (["add", "Morning", Tracks.c, Tracks.a], [Tracks.a, Tracks.b, Tracks.c, Tracks.a]),
            (
                ["add", "Morning", Tracks.d, "--at", "1"],
                [Tracks.d, Tracks.a, Tracks.b, Tracks.c, Tracks.a]
            ),
            (
                ["move", "Morning", "--from", "1", "--to", "5"],
                [Tracks.a, Tracks.b, Tracks.c, Tracks.a, Tracks.d]
            ),
            (
                ["move", "Morning", "--from", "2", "--count", "2", "--to", "1"],
                [Tracks.b, Tracks.c, Tracks.a, Tracks.a, Tracks.d]
            ),
            (
                ["move", "Morning", "--from", "1", "--count", "2", "--to", "4"],
                [Tracks.a, Tracks.a, Tracks.d, Tracks.b, Tracks.c]
            ),
            (["remove", "Morning", "--at", "5", "3"], [Tracks.a, Tracks.a, Tracks.b]),
            (["remove", "Morning", Tracks.a], [Tracks.b]),
            (["remove", "Morning", "--at", "1"], []),
            (
                [
                    "add", "Morning",
                    "https://open.spotify.com/intl-de/track/5jzKL4BDMClWqRguW5qZvh?si=x",
                ], [Tracks.c]
            ),
        ]
        for (seq, step) in steps.enumerated() {
            let result = try home.run("narada-cmd", ["playlist"] + step.0 + ["--json"])
            #expect(result.status == 0, "\(step.0): \(result.error)")
            #expect(
                result.text.contains("\"first\":\(seq + 2),\"last\":\(seq + 2)"),
                "\(step.0): \(result.text)")
            #expect(try home.uris("Morning") == step.1, "\(step.0)")
        }
        // Every moment is still there.
        for (seq, step) in steps.enumerated() {
            #expect(try home.uris("Morning", asOf: "\(seq + 2)") == step.1)
        }
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }

    @Test("Edits made at once are all made, one after the other")
    func together() throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "Morning")

        let running = try (0..<6).map { index in
            try Program("narada-cmd").start(
                [
                    "playlist", "add", "Morning", index % 2 == 0 ? Tracks.a : Tracks.b, "--at", "1",
                    "--json",
                ],
                environment: ["NARADA_HOME": home.path, "NARADA_NOW": home.now])
        }
        let results = running.map { $0.finish() }

        for result in results { #expect(result.status == 0, "\(result.error)") }
        #expect(try home.uris("Morning").count == 6)
        #expect(try home.seq() == 7)
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }

    @Test("What is like that already appends nothing")
    func nothingToDo() throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "Morning", Tracks.a, "--description", "early")
        try home.cmd("playlist", "link", "Morning", "spotify:playlist:37i9dQZF1DXcBWIGoYBM5M")
        for arguments in [
            ["rename", "Morning", "Morning"], ["describe", "Morning", "early"],
            ["move", "Morning", "--from", "1", "--to", "1"],
            ["link", "Morning", "spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"],
            ["delete", "Morning", "--dry-run"],
            ["restore", "Morning", "--as-of", "1"],
        ] {
            let result = try home.run("narada-cmd", ["playlist"] + arguments + ["--json"])
            #expect(
                result.status == 0 && result.text.contains(#""first":null,"last":null"#),
                "\(arguments): \(result.text)")
        }
        try home.cmd("init")
        #expect(try home.seq() == 2)
    }

    @Test("A restored list is the list of then, in order, null rows named")
    func restore() throws {
        let home = try TestHome()
        let list = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"
        try home.append([
            #"{"type":"playlist.created","stream":"\#(list)","data":{"name":"Morning","items":[{"uri":"\#(Tracks.a)"},{"uri":null},{"uri":"\#(Tracks.b)"},{"uri":"\#(Tracks.a)"},{"uri":null}]}}"#
        ])
        let then = try home.uris("Morning")
        try home.cmd("playlist", "remove", "Morning", "--at", "1", "2")
        try home.cmd("playlist", "add", "Morning", Tracks.c, "--at", "2")
        try home.cmd("playlist", "rename", "Morning", "Evening")

        let dry = try home.cmd("playlist", "restore", "Evening", "--as-of", "1", "--dry-run")
        #expect(dry["first"] is NSNull && dry["count"] as? Int == 5)
        #expect(try home.seq() == 4)
        let result = try home.cmd("playlist", "restore", "Morning", "--as-of", "1")

        #expect(result["count"] as? Int == 5 && result["unavailable"] as? [Int] == [2, 5])
        #expect((result["cannot"] as? [Any])?.isEmpty == true && result["last"] as? Int == 5)
        #expect(
            result["added"] as? Int == 2 && result["removed"] as? Int == 1
                && result["playlist"] as? String == list)
        #expect(try home.uris("Evening") == then)
        let again = try home.cmd("playlist", "restore", "Evening", "--as-of", "1")
        #expect(again["first"] is NSNull)
        // And back again: a restore is an event like any other.
        try home.cmd("playlist", "restore", "Evening", "--as-of", "4")
        #expect(try home.uris("Evening") == [Tracks.b, Tracks.c, Tracks.a, nil])
        let difference = try #require(
            try home.read("diff", "Evening", "1", "5") as? [String: [Any]])
        #expect(Array(difference.values.joined()).isEmpty && difference.count == 3)
    }

    @Test("A link names a playlist by the service's URI or URL, until it ends")
    func links() throws {
        let home = try TestHome()
        let uri = "spotify:playlist:37i9dQZF1DXcBWIGoYBM5M"
        let url = "https://open.spotify.com/playlist/37i9dQZF1DXcBWIGoYBM5M?si=abc#x"
        try home.cmd("playlist", "create", "Morning", Tracks.a)
        try home.cmd("playlist", "create", "Evening")
        try home.cmd("playlist", "link", "Morning", url)

        #expect(try home.uris(uri) == [Tracks.a])
        #expect(try home.uris(url) == [Tracks.a])
        #expect(try home.list("playlists").compactMap { $0["linked"] as? String } == [uri])
        for arguments in [
            ["link", "Evening", uri],
            ["link", "Morning", "spotify:playlist:0000000000000000000000"],
        ] {
            #expect(
                try Refusal(try home.run("narada-cmd", ["playlist"] + arguments + ["--json"]))
                    .status == 65)
        }
        #expect(
            try Refusal(
                try home.run("narada-cmd", ["playlist", "link", "Evening", "tidal:1", "--json"])
            ).status == 64)
        try home.cmd("playlist", "unlink", uri)
        #expect(try Refusal(try home.run("narada", ["playlist", uri, "--json"])).status == 66)
        try home.cmd("playlist", "link", "Evening", uri)
        #expect(try home.uris(uri) == [])
    }

    // MARK: Names

    @Test("A name that several have lists them; a URI tells them apart")
    func ambiguous() throws {
        let home = try TestHome()
        let first = try #require(
            try home.cmd("playlist", "create", "Mix", Tracks.a)["playlist"] as? String)
        let second = try #require(
            try home.cmd("playlist", "create", "Mix", Tracks.b)["playlist"] as? String)

        let refusal = try Refusal(try home.run("narada", ["playlist", "Mix", "--json"]))
        #expect(
            refusal.status == 66 && refusal.hint.contains(first) && refusal.hint.contains(second))
        #expect(try home.uris(first) == [Tracks.a])
        #expect(try home.uris(second) == [Tracks.b])
        #expect(try home.uris("Mix", asOf: "1") == [Tracks.a])
        try home.cmd("playlist", "rename", second, "Other")
        #expect(try home.uris("Mix") == [Tracks.a])
    }

    @Test("A name counts as of the moment asked for, then as of today")
    func renamed() throws {
        let home = try TestHome()
        try home.cmd("playlist", "create", "Old", Tracks.a)
        try home.cmd("playlist", "rename", "Old", "New")
        try home.cmd("playlist", "create", "Old", Tracks.b)

        #expect(try home.uris("Old") == [Tracks.b])
        #expect(try home.uris("Old", asOf: "1") == [Tracks.a])
        #expect(try home.uris("New", asOf: "1") == [Tracks.a])
        #expect(try home.uris("Old", asOf: "3") == [Tracks.b])
        let then = try #require(try home.read("playlist", "New", "--as-of", "1") as? [String: Any])
        #expect(then["name"] as? String == "Old")
        #expect(
            try Refusal(try home.run("narada", ["playlist", "Old", "--as-of", "2", "--json"]))
                .status == 66)
    }

    @Test("A deleted playlist is found as it was, and leaves its name to the next one")
    func deleted() throws {
        let home = try TestHome()
        let first = try #require(
            try home.cmd("playlist", "create", "Morning", Tracks.a)["playlist"] as? String)
        try home.cmd("playlist", "delete", "Morning")

        #expect(
            try Refusal(try home.run("narada", ["playlist", "Morning", "--json"])).status == 66)
        #expect(
            try Refusal(try home.run("narada", ["playlist", first, "--json"])).hint.contains(
                "--as-of"))
        #expect(try home.uris("Morning", asOf: "1") == [Tracks.a])
        #expect(try home.uris("Morning", asOf: "2") == [Tracks.a])
        #expect(try home.list("history", "Morning").count == 2)
        #expect(try home.list("playlists").isEmpty)

        try home.cmd("playlist", "create", "Morning", Tracks.b)
        #expect(try home.uris("Morning") == [Tracks.b])
        #expect(try home.uris("Morning", asOf: "3") == [Tracks.b])
        #expect(try home.uris("Morning", asOf: "1") == [Tracks.a])
        #expect(try home.list("history", "Morning").count == 1)
        #expect(try home.list("history", first).count == 2)
        #expect(try home.cmd("playlist", "restore", "Morning", "--as-of", "3")["first"] is NSNull)
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }

    // MARK: Global options

    @Test(
        "Global options stand before, between and behind the names of a command",
        arguments: [
            ["--home", "HOME", "--json", "playlist", "create", "A"],
            ["playlist", "--home=HOME", "create", "--json", "A"],
            ["--json", "playlist", "--home", "HOME", "create", "A"],
            ["playlist", "create", "A", "--json", "--home", "HOME"],
            ["--quiet", "--json", "playlist", "create", "--home", "HOME", "--", "--A"],
        ])
    func globals(arguments: [String]) throws {
        let folder = try TemporaryFolder()
        let home = folder.file("home")
        let result = try Program("narada-cmd").run(
            arguments.map { $0.replacing("HOME", with: home) })

        #expect(
            result.status == 0 && result.text.hasPrefix(#"{"playlist":"narada:playlist:"#),
            "\(result.error)")
        let list = try Program("narada").run(["--json", "--home", home, "playlists"])
        #expect(list.text.contains(#""name":""#))
        for arguments in [
            ["log", "--json", "--home", home, "head"], ["--home", home, "log", "head", "--json"],
        ] {
            #expect(try Program("narada").run(arguments).text.hasPrefix(#"{"seq":1"#))
        }
    }

    @Test("--quiet says nothing, --json nothing but JSON")
    func quiet() throws {
        let home = try TestHome()
        let quiet = try home.run("narada-cmd", ["playlist", "create", "A", "--quiet"])
        #expect(quiet.status == 0 && quiet.output.isEmpty && quiet.error.isEmpty)
        let json = try home.run("narada-cmd", ["playlist", "create", "B", "--json"])
        #expect(json.output.filter { $0 == 0x0A }.count == 1 && json.output.last == 0x0A)
    }
}
