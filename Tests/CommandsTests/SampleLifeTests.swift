import Foundation
import JSONText
import TestSupport
import Testing

/// A sample life made by `tools/sample-life`, with the truth its generator counted.
struct SampleLife {
    let folder: TemporaryFolder
    let truth: [String: Any]
    var path: String { folder.path + "/life" }

    init(rows: Int, seed: Int = 1) throws {
        folder = try TemporaryFolder()
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [
            "python3", root.path + "/tools/sample-life", folder.path + "/life", "--seed", "\(seed)",
            "--rows", "\(rows)",
        ]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        let data = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/life/truth.json"))
        truth = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    var imports: [[String: Any]] { truth["imports"] as? [[String: Any]] ?? [] }
}

/// The JSON that a program printed.
func json(_ result: Program.Result) throws -> [String: Any] {
    try #require(
        try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any],
        "\(result.error)")
}

@Suite("A sample life")
struct SampleLifeTests {
    private let narada = Program("narada")
    private let cmd = Program("narada-cmd")

    @Test(
        "Imports, plays, first plays and playlists at every moment are what the generator counted",
        arguments: [1, 2])
    func groundTruth(seed: Int) throws {
        let life = try SampleLife(rows: 3000, seed: seed)
        let home = ["NARADA_HOME": life.folder.file("home"), "NARADA_NOW": "2026-01-01T10:00:00Z"]

        for expected in life.imports {
            let path = try #require(expected["path"] as? String)
            let got = try json(
                cmd.run(
                    ["import", "spotify-history", life.path + "/" + path, "--json"],
                    environment: home))
            for key in ["rows", "listens", "already", "joined"] {
                #expect(got[key] as? Int == expected[key] as? Int, "\(key) of \(path)")
            }
            #expect(
                got["skipped"] as? [String: Int] == expected["skipped"] as? [String: Int], "\(path)"
            )
            let skipped = (got["skipped"] as? [String: Int] ?? [:]).values.reduce(0, +)
            let rows = got["rows"] as? Int ?? -1
            #expect(rows == (got["listens"] as? Int ?? 0) + (got["already"] as? Int ?? 0) + skipped)

            let again = try json(
                cmd.run(
                    ["import", "spotify-history", life.path + "/" + path, "--json"],
                    environment: home))
            #expect(again["already"] as? Int == rows)
            #expect(again["first"] is NSNull)
        }

        let top = try narada.run(["top", "--limit", "100000", "--json"], environment: home)
        let plays = try #require(
            try JSONSerialization.jsonObject(with: Data(top.output)) as? [[String: Any]])
        let counted = Dictionary(
            uniqueKeysWithValues: plays.map {
                ($0["uri"] as? String ?? "", $0["plays"] as? Int ?? 0)
            })
        #expect(counted == life.truth["plays"] as? [String: Int])
        let first = Dictionary(
            uniqueKeysWithValues: plays.map {
                (
                    $0["uri"] as? String ?? "",
                    ($0["first_played"] as? String ?? "").replacing(".000Z", with: "Z")
                )
            })
        #expect(first == life.truth["first_played"] as? [String: String])

        var moments: [(seq: Int, playlists: [String: [String: Any]])] = []
        for (index, step) in (life.truth["edits"] as? [[String: Any]] ?? []).enumerated() {
            var moment = home
            moment["NARADA_NOW"] = "2026-0\(index + 2)-01T10:00:00Z"
            let file = try #require(step["file"] as? String)
            let got = try json(
                cmd.run(
                    ["append", "--file", life.path + "/" + file, "--json"], environment: moment))
            moments.append(
                (
                    try #require(got["last"] as? Int),
                    step["playlists"] as? [String: [String: Any]] ?? [:]
                ))
        }
        #expect(moments.count == 6)
        for (seq, playlists) in moments {
            for (uri, expected) in playlists.sorted(by: { $0.key < $1.key }).prefix(
                seed == 1 ? 40 : 8)
            {
                let got = try json(
                    narada.run(["playlist", uri, "--as-of", "\(seq)", "--json"], environment: home))
                let uris = (got["items"] as? [[String: Any]] ?? []).map { $0["uri"] as? String }
                let wanted = (expected["items"] as? [Any] ?? []).map { $0 as? String }
                #expect(uris == wanted, "\(uri) at \(seq)")
                #expect(got["name"] as? String == expected["name"] as? String)
            }
        }
        #expect(try Program("narada-project").run(["--check"], environment: home).status == 0)
    }
}

@Suite("Killed imports")
struct KilledImportTests {
    @Test("Fifty kills at random lose nothing that was acknowledged, and the import finishes")
    func killed() throws {
        let life = try SampleLife(rows: 12_000)
        let (whole, torn) = (life.folder.file("whole"), life.folder.file("torn"))
        let now = "2026-01-01T10:00:00Z"
        let arguments = ["import", "spotify-history", life.path + "/my_spotify_data.zip", "--json"]
        let cmd = Program("narada-cmd")
        let clock = ContinuousClock()
        let start = clock.now
        let expected = try json(
            cmd.run(arguments, environment: ["NARADA_HOME": whole, "NARADA_NOW": now]))
        var duration = Int64((clock.now - start) / .microseconds(1))

        var random = SplitMix64(seed: 1)
        var acknowledged = 0
        var kills = 0
        var interrupted = 0
        for round in 0..<50 {
            // Two rounds in three a home that is under way, else a new one: kills at the beginning as well.
            if round % 3 == 2 {
                // Killed early, it was not made yet.
                try? FileManager.default.removeItem(atPath: torn)
                acknowledged = 0
            }
            let (process, finish) = try cmd.start(
                arguments, environment: ["NARADA_HOME": torn, "NARADA_NOW": now])
            usleep(UInt32(Int64.random(in: 0...max(1000, duration), using: &random)))
            kill(process.processIdentifier, SIGKILL)
            let result = finish()
            kills += 1
            // A run that came through was faster than the one measured: the machine has less to do now.
            if result.status != 0 { interrupted += 1 } else { duration = duration * 3 / 4 }
            guard FileManager.default.fileExists(atPath: torn + "/ledger/FORMAT") else { continue }
            let verify = try Program("narada").run(
                ["log", "verify"], environment: ["NARADA_HOME": torn])
            #expect(verify.status == 0, "round \(round): \(verify.error)")
            let seq = Int(verify.text.split(separator: ":").first ?? "") ?? -1
            #expect(seq >= acknowledged, "round \(round) lost events")
            acknowledged = seq
        }
        #expect(kills == 50 && interrupted > 20, "only \(interrupted) runs were caught under way")

        let last = try json(
            cmd.run(arguments, environment: ["NARADA_HOME": torn, "NARADA_NOW": now]))
        #expect(last["rows"] as? Int == expected["rows"] as? Int)
        let listens = ["listens", "--limit", "1000000", "--json"]
        func rows(_ home: String, _ reason: [String]) throws -> [String] {
            let result = try Program("narada").run(
                listens + reason, environment: ["NARADA_HOME": home])
            let rows = try #require(
                try JSONSerialization.jsonObject(with: Data(result.output)) as? [[String: Any]])
            return rows.map { row in
                row.filter { $0.key != "seq" }.map { "\($0.key)=\($0.value)" }.sorted().joined(
                    separator: "|")
            }
        }
        for reason in [[], ["--reason", "any"]] {
            let (left, right) = (try rows(whole, reason), try rows(torn, reason))
            #expect(left.sorted() == right.sorted())
            #expect(left.count > 1000)
        }
        #expect(
            try Program("narada-project").run(["--check"], environment: ["NARADA_HOME": torn])
                .status == 0)
    }
}

@Suite("Two programs at once")
struct TwoWritersTests {
    private let folder: TemporaryFolder
    private let cmd = Program("narada-cmd")

    init() throws { folder = try TemporaryFolder() }

    private var home: [String: String] { ["NARADA_HOME": folder.file("home")] }

    private func uri(_ index: Int) -> String {
        let digits = String(index)
        return "spotify:track:" + String(repeating: "0", count: 22 - digits.count) + digits
    }

    @Test("Both edits of one playlist are there, however often they meet")
    func bothEdits() throws {
        #expect(try cmd.run(["playlist", "create", "Shared"], environment: home).status == 0)

        var expected: [String] = []
        for round in 0..<15 {
            let running = try (0..<4).map { index in
                try cmd.start(
                    ["playlist", "add", "Shared", uri(round * 4 + index)], environment: home)
            }
            for (index, program) in running.enumerated() {
                let result = program.finish()
                // Busy is an answer too; then the edit was not made and its row must not be there.
                #expect(result.status == 0 || result.status == 75, "\(result.error)")
                if result.status == 0 { expected.append(uri(round * 4 + index)) }
            }
        }

        let shown = try json(
            Program("narada").run(["playlist", "Shared", "--json"], environment: home))
        let uris = (shown["items"] as? [[String: Any]] ?? []).compactMap { $0["uri"] as? String }
        #expect(uris.sorted() == expected.sorted())
        #expect(expected.count > 50)
    }

    @Test("A row is removed by what it is, whatever others took away in front of it meanwhile")
    func removalsThatMeet() throws {
        let all = (0..<48).map(uri)
        #expect(try cmd.run(["playlist", "create", "Shared"] + all, environment: home).status == 0)

        var expected = all
        for round in 0..<8 {
            let wanted = (0..<4).map { uri(round * 4 + $0) }
            let running = try wanted.map {
                try cmd.start(["playlist", "remove", "Shared", $0], environment: home)
            }
            for (program, gone) in zip(running, wanted) {
                let result = program.finish()
                #expect(result.status == 0 || result.status == 75, "\(result.error)")
                if result.status == 0 { expected.removeAll { $0 == gone } }
            }
        }

        let shown = try json(
            Program("narada").run(["playlist", "Shared", "--json"], environment: home))
        let uris = (shown["items"] as? [[String: Any]] ?? []).compactMap { $0["uri"] as? String }
        #expect(uris == expected)
        #expect(expected.count < 24)
    }

    @Test("Two imports of one export at once record every row once")
    func twoImports() throws {
        let life = try SampleLife(rows: 3000)
        let arguments = ["import", "spotify-history", life.path + "/endsong", "--json"]
        let first = try cmd.start(arguments, environment: home)
        let second = try cmd.start(arguments, environment: home)

        let results = try [first.finish(), second.finish()].map { try json($0) }

        let truth = try #require(life.imports.first)
        let new = results.map { $0["listens"] as? Int ?? 0 }.reduce(0, +)
        #expect(new == truth["listens"] as? Int)
        for result in results { #expect(result["rows"] as? Int == truth["rows"] as? Int) }
        let stat = try json(Program("narada").run(["log", "stat", "--json"], environment: home))
        let recorded = (stat["types"] as? [String: Int])?["export.spotify_history.row"] ?? 0
        let rows = truth["rows"] as? Int ?? 0
        #expect(recorded == rows - (truth["already"] as? Int ?? 0))
    }

    @Test("A second writer says who has the lock, and gives up when it may not wait")
    func busy() throws {
        #expect(try cmd.run(["init"], environment: home).status == 0)
        let lock = open(folder.file("home") + "/ledger/LOCK", O_RDWR)
        #expect(flock(lock, LOCK_EX) == 0)
        let text = "pid 4711: a test that holds on\n"
        #expect(pwrite(lock, text, text.utf8.count, 0) == text.utf8.count)
        ftruncate(lock, off_t(text.utf8.count))

        let result = try cmd.run(
            ["playlist", "create", "Late", "--lock-timeout", "0.05", "--json"], environment: home)

        #expect(result.status == 75)
        #expect(result.error.contains("pid 4711: a test that holds on"))
        close(lock)
        #expect(try cmd.run(["playlist", "create", "Late"], environment: home).status == 0)
    }
}
