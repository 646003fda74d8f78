import Foundation
import TestSupport
import Testing

@Suite("Workflows by command")
struct WorkflowTests {
    private static let docs =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path + "/docs/workflows/"

    private static func play(_ number: Int, _ uri: String, _ title: String) -> String {
        #"{"type":"export.spotify_history.row","stream":"export:spotify-history","data":{"file":"endsong_0.json","row":\#(number),"length":9,"sha256":"00","payload":{"ts":"2026-10-0\#(number)T08:00:00Z","ms_played":250000,"master_metadata_track_name":"\#(title)","master_metadata_album_artist_name":"fripSide","master_metadata_album_album_name":"infinite","spotify_track_uri":"\#(uri)","reason_end":"trackdone"}}}"#
    }

    /// An imported playlist: b played three times, a twice, c and a file of one's own never.
    private func home() throws -> TestHome {
        let home = try TestHome()
        let file = try home.file(
            "Morning.json",
            #"""
            {"name":"Morning","items":[{"uri":"\#(Tracks.a)"},{"uri":null},{"uri":"\#(Tracks.b)"},
            {"uri":"\#(Tracks.a)"},{"uri":"\#(Tracks.c)","title":"Never","artists":["Nobody"]},{"uri":"\#(Tracks.d)"}]}
            """#)
        try home.cmd("import", "playlist", file)
        try home.append(
            [1, 2, 3].map { Self.play($0, Tracks.b, "only my railgun") }
                + [4, 5].map { Self.play($0, Tracks.a, "Red Liberation") })
        return home
    }

    /// A workflow that reads Morning and ends in these tasks, the first of which follows `list`.
    private func workflow(_ home: TestHome, _ tasks: String, source: String = "Morning") throws
        -> String
    {
        try home.file(
            "w.json",
            #"{"id":"w","name":"W","tasks":[{"id":"list","type":"source.playlist","config":{"playlist":"\#(source)"}},\#(tasks)]}"#
        )
    }

    @Test("Most played of an imported playlist becomes a new playlist")
    func mostPlayed() throws {
        let home = try home()
        let before = try home.seq()

        let result = try home.cmd(
            "run", Self.docs + "most_played.json", "--param", "playlist=Morning", "--seed", "4")

        #expect(result["count"] as? Int == 2)
        #expect(result["first"] as? Int == before + 1)
        #expect(result["last"] as? Int == before + 9)
        let playlist = try #require(result["playlist"] as? String)
        #expect(try home.uris(playlist) == [Tracks.b, Tracks.a])
        #expect(try home.uris("Most played of Morning") == [Tracks.b, Tracks.a])
        let log = try home.run("narada", ["log", "cat", "--from", "\(before + 1)"])
        let lines = log.text.split(separator: "\n")
        #expect(lines.allSatisfy { $0.contains(#""run":"\#(result["run"] as? String ?? "")""#) })
        #expect(lines.first?.contains(#""parameters":{"playlist":"Morning"},"seed":4"#) == true)
        #expect(lines.last?.contains(#""type":"workflow.finished""#) == true)
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }

    @Test("Running again reads the list as it is then, or as it was at a moment")
    func asOf() throws {
        let home = try home()
        let then = try home.seq()
        try home.cmd("playlist", "remove", "Morning", "--at", "1", "2", "3", "4")
        let first =
            #"{"id":"b","type":"write.create_playlist","config":{"name":"N {count}"},"upstream":["list"]}"#

        try home.cmd("run", try workflow(home, first))
        try home.cmd(
            "run", try workflow(home, first, source: #"Morning","as_of":"\#(then)"#))

        #expect(try home.uris("N 2") == [Tracks.c, Tracks.d])
        #expect(try home.uris("N 5") == [Tracks.a, Tracks.b, Tracks.a, Tracks.c, Tracks.d])
    }

    @Test(
        "Rows are measured by what the read models hold",
        arguments: [
            ("plays", true, [2, 0, 3, 1, 4, 5]), ("plays", false, [0, 3, 2, 1, 4, 5]),
            ("title", false, [5, 4, 2, 0, 3, 1]), ("artist", false, [0, 2, 3, 5, 4, 1]),
            ("last_played", true, [0, 3, 2, 1, 4, 5]), ("first_played", false, [2, 0, 3, 1, 4, 5]),
            ("album", false, [0, 2, 3, 1, 4, 5]), ("identity", false, [0, 3, 2, 4, 5, 1]),
            ("lastfm_user_plays", true, [0, 1, 2, 3, 4, 5]),
            ("liked_at", true, [0, 1, 2, 3, 4, 5]),
            ("lastfm_global_plays", true, [0, 1, 2, 3, 4, 5]),
            ("release_date", true, [0, 1, 2, 3, 4, 5]), ("duration_ms", true, [0, 1, 2, 3, 4, 5]),
            ("added_at", false, [0, 1, 2, 3, 4, 5]),
        ])
    func metrics(metric: String, descending: Bool, order: [Int]) throws {
        let home = try home()
        let path = try workflow(
            home,
            #"{"id":"s","type":"sort.by_metric","config":{"metric":"\#(metric)","descending":\#(descending)},"upstream":["list"]}"#
        )
        let before = try home.seq()

        let result = try home.cmd("run", path)

        #expect(result["count"] as? Int == 6 && result["playlist"] is NSNull)
        let log = try home.run(
            "narada", ["log", "cat", "--from", "\(before + 3)", "--to", "\(before + 3)"])
        let out = order.map { "\($0 + 1)" }.joined(separator: ",")
        #expect(log.text.contains(#""out":[\#(out)]"#), "\(log.text)")
    }

    @Test("A dry run says what would be written and leaves the home as it was")
    func dryRun() throws {
        let home = try home()
        let before = try home.seq()

        let result = try home.cmd(
            "run", Self.docs + "most_played.json", "--param", "playlist=Morning", "--dry-run")

        #expect(result["first"] is NSNull && result["playlist"] is NSNull)
        #expect(result["count"] as? Int == 2)
        let would = try #require(result["would"] as? [[String: Any]])
        #expect(would.map { $0["type"] as? String } == ["write.create_playlist"])
        #expect(try home.seq() == before)
    }

    @Test("Where there is nothing to run on, nothing is made")
    func noHome() throws {
        let home = try TestHome()
        let path = Self.docs + "most_played.json"
        let arguments = ["run", path, "--param", "playlist=Morning", "--json"]
        #expect(try Refusal(home.run("narada-cmd", arguments)).code == "no-ledger")
        #expect(!FileManager.default.fileExists(atPath: home.path))
        #expect(try home.run("narada-cmd", ["validate", path]).status == 0)
    }

    @Test(
        "What cannot be run is refused with what is wrong",
        arguments: [
            (["run", "nowhere.json"], 66, "cannot read nowhere.json"),
            (["run", "most_played.json"], 65, "parameters.playlist: has no value"),
            (["run", "most_played.json", "--param", "playlst=x"], 65, "did you mean 'playlist'?"),
            (["run", "most_played.json", "--param", "playlist"], 64, "--param takes name=value"),
            (["run", "most_played.json", "--seed=-1"], 64, "--seed takes"),
            (
                ["run", "most_played.json", "--param", "playlist=Mornin"], 66,
                "there is no playlist 'Mornin'"
            ),
        ])
    func refusals(arguments: [String], status: Int32, message: String) throws {
        let home = try home()
        let paths = arguments.map { $0 == "most_played.json" ? Self.docs + $0 : $0 }

        let refusal = try Refusal(home.run("narada-cmd", paths + ["--json"]))

        #expect(refusal.status == status && refusal.message.contains(message), "\(refusal)")
    }

    @Test(
        "A run that fails says so in the log; the playlist that it could not push stays as it was set"
    )
    func failure() throws {
        let home = try home()
        let path = try workflow(
            home,
            #"{"id":"s","type":"sort.by_metric","config":{"metric":"plays","descending":true},"upstream":["list"]},{"id":"p","type":"write.push","config":{"playlist":"Morning"},"upstream":["s"]}"#
        )

        let refusal = try Refusal(home.run("narada-cmd", ["run", path, "--json"]))

        // The test's clock stands still, and the service would be the real one.
        #expect(refusal.status == 78)
        let log = try home.run("narada", ["log", "cat", "--type", "workflow.failed"])
        #expect(log.text.contains(#""data":{"node":"p","reason":""#))
        #expect(
            try home.uris("Morning") == [Tracks.b, Tracks.a, Tracks.a, nil, Tracks.c, Tracks.d])
        #expect(try home.run("narada-project", ["--check"]).status == 0)
    }

    @Test("A list is not set over what somebody else put into the playlist meanwhile")
    func conflict() throws {
        let home = try home()
        // So many tasks that the other program comes between the reading and the setting.
        let chain = (0..<150).map {
            #"{"id":"\#($0)","type":"select.first","config":{"count":4},"upstream":["\#($0 == 0 ? "list" : "\($0 - 1)")"]}"#
        }
        let push =
            #"{"id":"p","type":"write.push","config":{"playlist":"Morning"},"upstream":["149"]}"#
        let path = try workflow(home, (chain + [push]).joined(separator: ","))
        let before = try home.seq()

        let run = try Program("narada-cmd").start(
            ["run", path, "--json"],
            environment: ["NARADA_HOME": home.path, "NARADA_NOW": home.now])
        while try home.seq() < before + 2, run.process.isRunning {}
        try home.cmd("playlist", "add", "Morning", Tracks.c)
        let refusal = try Refusal(run.finish())

        #expect(refusal.status == 75 && refusal.code == "stream-changed", "\(refusal)")
        let list = [Tracks.a, nil, Tracks.b, Tracks.a, Tracks.c, Tracks.d, Tracks.c]
        #expect(try home.uris("Morning") == list)
        let log = try home.run("narada", ["log", "cat", "--type", "workflow.failed"])
        #expect(
            log.text.contains(
                #""node":"p","reason":"'Morning' was changed while the workflow ran""#))
    }

    @Test("A check names every fault, and a person sees a line for each")
    func validate() throws {
        let home = try TestHome()
        let path = try workflow(
            home,
            #"{"id":"b","type":"select.frst"},{"id":"c","type":"select.first","upstream":["list"]}"#
        )

        let text = try home.run("narada-cmd", ["validate", path])
        let refusal = try Refusal(home.run("narada-cmd", ["validate", path, "--json"]))

        let lines = text.error.split(separator: "\n")
        #expect(text.status == 65 && lines.count == 3)
        #expect(
            lines[0]
                == "task 'b', type: 'select.frst' is no kind of node; did you mean 'select.first'?")
        #expect(lines[2].hasPrefix("error: \(path) has 2 faults; "))
        #expect(refusal.message.contains("'select.first'?; task 'c', config.count: is missing"))
        let fine = try home.cmd("validate", Self.docs + "sort_in_place.json")
        #expect(fine["id"] as? String == "sort_in_place" && fine["tasks"] as? Int == 4)
        #expect(fine["parameters"] as? [String] == ["playlist"])
    }

    @Test("The kinds of nodes are listed for people and for programs")
    func nodes() throws {
        let home = try TestHome()
        let list = try JSONSerialization.jsonObject(
            with: Data(home.run("narada-cmd", ["nodes", "--json"]).output))
        let nodes = try #require(list as? [[String: Any]])
        for node in nodes {
            #expect(Set(node.keys) == ["type", "category", "meaning", "inputs", "config"])
            for field in try #require(node["config"] as? [[String: Any]]) {
                #expect(Set(field.keys) == ["name", "kind", "required", "default", "meaning"])
            }
        }
        let text = try home.run("narada-cmd", ["nodes"]).text
        #expect(nodes.allSatisfy { text.contains($0["type"] as? String ?? "?") } && nodes.count > 7)
        let schema = try home.cmd("nodes", "--schema")
        #expect(schema["$schema"] is String && schema["properties"] is [String: Any])
    }
}
