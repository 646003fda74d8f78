import Events
import JSONText
import Ledger
import Music
import Testing
import Workflows

@Suite("Runs of workflows")
struct WorkflowRunTests {
    /// Five rows: played often, never asked for, not available, a file of one's own, played once.
    private func morning() -> FakeWorld {
        let world = FakeWorld()
        world.lists["Morning"] = [
            TrackRow(uri: "t:once", title: "Once", artists: ["A"], addedAtMS: 5),
            TrackRow(uri: nil), TrackRow(uri: "spotify:local:a:b:c:1"),
            TrackRow(uri: "t:often", title: "Often", artists: ["B"], addedAtMS: 3),
            TrackRow(uri: "t:once", title: "Once", artists: ["A"], addedAtMS: 1),
        ]
        world.atLastfm = ["t:once": 1, "t:often": 9]
        return world
    }

    @Test("Sort by plays makes a new playlist, the most played first, and pushes it")
    func sortByPlays() async throws {
        let world = morning()

        let outcome = try await run(Shipped.sortByPlays.bytes, ["playlist": "Morning"], in: world)

        #expect(
            world.calls == [
                "counts of 5, 7d",
                "create Morning by plays: t:often t:once t:once spotify:local:a:b:c:1",
                "push narada:playlist:2 to spotify",
            ])
        #expect(outcome.count == 4 && outcome.playlist == "narada:playlist:2")
    }

    @Test("Sort in place keeps every row, files of one's own and rows not available too")
    func sortInPlace() async throws {
        let world = morning()

        let outcome = try await run(Shipped.sortInPlace.bytes, ["playlist": "Morning"], in: world)

        #expect(
            world.calls == [
                "counts of 5, 7d",
                "set Morning: t:often t:once t:once - spotify:local:a:b:c:1",
                "push narada:playlist:of-Morning to spotify",
            ])
        #expect(outcome.count == 5 && outcome.playlist == "narada:playlist:of-Morning")
    }

    @Test("Most played keeps what was played, once each, the most played first")
    func mostPlayed() async throws {
        let world = morning()
        world.counts[.plays] = ["t:once": 1, "t:often": 4, "spotify:local:a:b:c:1": 0]

        let outcome = try await run(Shipped.mostPlayed.bytes, ["playlist": "Morning"], in: world)

        #expect(world.calls == ["create Most played of Morning: t:often t:once"])
        #expect(outcome.count == 2)
    }

    @Test("Each node is written down: what it saw, what went out, and why the rest did not")
    func events() async throws {
        let world = morning()
        world.counts[.plays] = ["t:once": 1, "t:often": 4, "spotify:local:a:b:c:1": 0]

        _ = try await run(Shipped.mostPlayed.bytes, ["playlist": "Morning"], in: world)

        #expect(
            world.events.map(\.type)
                == ["workflow.started"] + Array(repeating: "transform.applied", count: 6) + [
                    "workflow.finished"
                ])
        let started = try #require(try world.data(.workflowStarted).first)
        #expect(started["parameters"] as? [String: String] == ["playlist": "Morning"])
        #expect(started["seed"] as? Int == 7)
        #expect((started["workflow"] as? [String: Any])?["id"] as? String == "most_played")
        let nodes = try world.data(.transformApplied)
        #expect(
            nodes.map { text($0["node"]) } == ["list", "once", "played", "sorted", "top", "made"])
        #expect(nodes.map { $0["count_in"] as? Int } == [0, 5, 4, 2, 2, 2])
        let rows = try #require(nodes[0]["rows"] as? [[String: Any]])
        #expect(rows.map { $0["uri"] as? String } == world.lists["Morning"]?.map(\.uri))
        #expect(rows[0]["title"] as? String == "Once" && nodes[0]["out"] == nil)
        #expect(nodes[1]["out"] as? [Int] == [1, 2, 3, 4])
        #expect(
            text((nodes[1]["dropped"] as? [[String: Any]])?.first?["reason"])
                == "the same identity as position 1, which stays as the first")
        #expect(nodes[1]["config"] as? [String: String] == ["by": "identity", "keep": "first"])
        let metrics = try #require(nodes[2]["metrics"] as? [String: [Any]])
        #expect(metrics["plays"]?.map { $0 as? Int } == [1, nil, 0, 4])
        let dropped = try #require(nodes[2]["dropped"] as? [[String: Any]])
        #expect(dropped.map { $0["position"] as? Int } == [2, 3])
        #expect(
            dropped.map { text($0["reason"]) } == ["plays is not known", "plays is less than min"])
        #expect(nodes[3]["out"] as? [Int] == [2, 1])
        #expect(
            (nodes[5]["config"] as? [String: String])?["name"] == "Most played of Morning")
        // The description counts what is in the playlist, and tells the day of the run.
        #expect((nodes[5]["config"] as? [String: String])?["description"] == "2 tracks, 2026-11-22")
        let finished = try #require(try world.data(.workflowFinished).first)
        #expect(finished["count"] as? Int == 2)
        #expect(text(finished["playlist"]) == "narada:playlist:1")
    }

    @Test("The same run in the same world writes the same bytes")
    func deterministic() async throws {
        var written: [[[UInt8]]] = []
        for _ in 0..<2 {
            let world = morning()
            _ = try await run(Shipped.sortByPlays.bytes, ["playlist": "Morning"], in: world)
            written.append(world.events.map(\.data))
        }
        #expect(written[0] == written[1])
    }

    @Test("Rows that no playlist can be given are dropped with a reason when one is made")
    func unavailable() async throws {
        let world = morning()

        _ = try await run(Shipped.sortByPlays.bytes, ["playlist": "Morning"], in: world)

        let made = try world.data(.transformApplied)[3]
        #expect(made["out"] as? [Int] == [1, 2, 3, 5])
        let dropped = try #require(made["dropped"] as? [[String: Any]])
        #expect(dropped.count == 1 && dropped[0]["position"] as? Int == 4)
        #expect(text(dropped[0]["reason"]) == "the row is not available")
    }

    @Test("A dry run appends, fetches and writes nothing, and says what it left out")
    func dryRun() async throws {
        let world = morning()

        let outcome = try await run(
            Shipped.sortByPlays.bytes, ["playlist": "Morning"], in: world, isDry: true)

        #expect(world.calls.isEmpty && world.events.isEmpty)
        #expect(
            outcome.left.map(\.text) == [
                "enrich.lastfm_counts max_age '7d': 5 rows",
                "write.create_playlist name 'Morning by plays', link 'none': 4 rows",
                "write.push to 'spotify': 4 rows",
            ])
        #expect(outcome.playlist == nil)
    }

    @Test("A node that fails ends the run, and the log says which and why")
    func failure() async throws {
        let world = morning()
        world.failingPush = true

        await #expect(throws: FakeWorld.Refused.self) {
            try await run(Shipped.sortByPlays.bytes, ["playlist": "Morning"], in: world)
        }

        #expect(world.events.last?.type == "workflow.failed")
        let failed = try #require(try world.data(.workflowFailed).first)
        #expect(text(failed["node"]) == "pushed" && text(failed["reason"]) == "in words: Refused")
        // What was done before it stays.
        #expect(world.lists["Morning by plays"]?.count == 4)
    }

    @Test("A node sees one state of the ledger: if the tables move under it, it looks again")
    func oneState() async throws {
        let world = morning()
        world.counts[.plays] = ["t:once": 9, "t:often": 1]
        world.whenMeasured = { [unowned world] in
            world.whenMeasured = {}
            world.counts[.plays] = ["t:once": 1, "t:often": 9]
            world.readSeq = 50
        }
        let tasks = #"""
            {"id":"a","type":"source.playlist","config":{"playlist":"Morning"}},
            {"id":"b","type":"sort.by_metric","config":{"metric":"plays","then_by":"added_at"},"upstream":["a"]}
            """#

        _ = try await run(document(tasks), ["p": ""], in: world)

        let sorted = try world.data(.transformApplied)[1]
        #expect(sorted["out"] as? [Int] == [5, 1, 4, 2, 3] && sorted["read_seq"] as? Int == 50)
    }

    @Test("A list as of a moment is read at that moment's seq")
    func asOf() async throws {
        let world = morning()
        _ = try await run(
            document(
                #"{"id":"a","type":"source.playlist","config":{"playlist":"Morning","as_of":"4"}}"#),
            ["p": ""], in: world)
        #expect(try world.data(.transformApplied)[0]["read_seq"] as? Int == 4)
    }

    @Test("Tasks run behind those that they wait for, else in the document's order")
    func order() async throws {
        let world = morning()
        let tasks = #"""
            {"id":"d","type":"select.first","config":{"count":1},"upstream":["b"]},
            {"id":"c","type":"source.playlist","config":{"playlist":"Morning"}},
            {"id":"b","type":"select.first","config":{"count":"{q}"},"upstream":["a"]},
            {"id":"a","type":"source.playlist","config":{"playlist":"{p}"}}
            """#

        _ = try await run(document(tasks), ["p": "Morning"], in: world)

        let nodes = try world.data(.transformApplied)
        #expect(nodes.map { text($0["node"]) } == ["a", "b", "d", "c"])
        // A number may come from a parameter, and a parameter from its default.
        #expect((nodes[1]["config"] as? [String: Int])?["count"] == 3)
    }

    @Test(
        "Parameters and the words of the run are filled in once; braces come from doubled ones",
        arguments: [
            ("{p} {q}", "{date}", "{date} 3"), ("{{p}} {{{p}}}", "x", "{p} {x}"),
            ("{date} {time} {count} {workflow} {source}", "x", "2026-11-22 10:00 4 W Morning"),
            ("a } b", "x", "a } b"),
        ])
    func templates(name: String, parameter: String, expected: String) async throws {
        let world = morning()
        let tasks = #"""
            {"id":"a","type":"source.playlist","config":{"playlist":"Morning"}},
            {"id":"b","type":"write.create_playlist","config":{"name":"\#(name)"},"upstream":["a"]}
            """#

        _ = try await run(document(tasks), ["p": parameter], in: world)

        #expect(
            world.calls.first?.hasPrefix("create \(expected): t:once") == true, "\(world.calls)")
    }

    @Test(
        "A playlist that was just made is pushed as it is; a changed list needs a name and is set")
    func pushing() async throws {
        let world = morning()
        let tasks = #"""
            {"id":"a","type":"source.playlist","config":{"playlist":"Morning"}},
            {"id":"b","type":"write.create_playlist","config":{"name":"N","link":"spotify"},"upstream":["a"]},
            {"id":"c","type":"write.push","upstream":["b"]},
            {"id":"d","type":"select.first","config":{"count":1},"upstream":["c"]},
            {"id":"e","type":"write.push","config":{"playlist":"Other"},"upstream":["d"]}
            """#

        _ = try await run(document(tasks), ["p": ""], in: world)

        #expect(
            world.calls.dropFirst() == [
                "push narada:playlist:1 to spotify", "push narada:playlist:1 to spotify",
                "set Other: t:once", "push narada:playlist:of-Other to spotify",
            ])
    }
}
