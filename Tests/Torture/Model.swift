import Commands
import Foundation
import JSONText
import Ledger
import TestSupport

/// Random commands of a person against lists in memory.
///
/// A case is one run: playlists are made, changed, restored and deleted, the log sealed and cut, the read models
/// deleted and rebuilt anywhere in between. In the end every playlist is what the model says, now and as of
/// every seq.
@Sendable func modelBased(_ plan: Plan) throws -> Tally {
    var tally = Tally()
    let folder = try TemporaryFolder(in: "/dev/shm")
    for seed in plan.seeds {
        var run = ModelRun(seed: seed, folder.file("\(seed)"), plan)
        tally.cases += 1
        do { try run.play(&tally) } catch { tally.fail(.wrong, "\(error), seed \(seed)") }
        try? FileManager.default.removeItem(atPath: run.home)
    }
    return tally
}

private struct ModelRun {
    typealias List = [String]
    let seed: UInt64
    let home: String
    let plan: Plan
    var random: SplitMix64
    /// The lists by URI after each event, from none on; nil for what does not exist.
    var past: [[String: List]] = [[:]]
    /// The lists deleted by then.
    var gone: [Set<String>] = [[]]
    var deleted: Set<String> { gone[gone.count - 1] }
    var now: [String: List] { past[past.count - 1] }

    init(seed: UInt64, _ home: String, _ plan: Plan) {
        (self.seed, self.home, self.plan) = (seed, home, plan)
        random = SplitMix64(seed: seed)
    }

    mutating func play(_ tally: inout Tally) throws {
        _ = try cmd("init")
        for _ in 0..<Int.random(in: 6...14, using: &random) { try act(&tally) }
        for seq in 1..<past.count {
            for uri in now.keys where past[seq][uri] != nil && !gone[seq].contains(uri) {
                try compare(uri, past[seq][uri], asOf: seq, &tally)
            }
        }
        for (uri, list) in now where !deleted.contains(uri) {
            try compare(uri, list, asOf: nil, &tally)
        }
        tally.count("events", past.count - 1)
    }

    private mutating func act(_ tally: inout Tally) throws {
        let live = now.keys.filter { !deleted.contains($0) }.sorted()
        guard let uri = live.randomElement(using: &random), let list = now[uri] else {
            return try create()
        }
        switch number(0...13) {
        case 0, 1: try create()
        case 2, 3, 4:
            let new = tracks(1...3)
            let at = number(1...list.count + 1)
            _ = try cmd(["playlist", "add", uri] + new + ["--at", "\(at)"])
            record(uri, Array(list[..<(at - 1)]) + new + list[(at - 1)...])
        case 5...6 where list.count > 1:
            let gone = Set((0..<number(1...2)).map { _ in number(1...list.count) }).sorted()
            _ = try cmd(["playlist", "remove", uri, "--at"] + gone.map(String.init))
            record(
                uri, list.enumerated().filter { !gone.contains($0.offset + 1) }.map(\.element))
        case 7...8 where list.count > 2:
            let count = number(1...list.count - 1)
            let (from, to) = (
                number(1...list.count - count + 1), number(1...list.count - count + 1)
            )
            let arguments = ["--from", "\(from)", "--count", "\(count)", "--to", "\(to)"]
            guard from != to else { return }
            _ = try cmd(["playlist", "move", uri] + arguments)
            var rest = list
            let block = rest[(from - 1)..<(from - 1 + count)]
            rest.removeSubrange((from - 1)..<(from - 1 + count))
            rest.insert(contentsOf: block, at: to - 1)
            record(uri, rest)
        case 9:
            let known = past.indices.filter { past[$0][uri] != nil }
            guard let seq = known.randomElement(using: &random), var then = past[seq][uri] else {
                return
            }
            _ = try cmd(["playlist", "restore", uri, "--as-of", "\(seq)"])
            if plan.broken == .wrongRestore { then.reverse() }
            if then != list || plan.broken == .wrongRestore { record(uri, then) }
        case 10 where live.count > 1:
            _ = try cmd(["playlist", "delete", uri])
            record(uri, list)
            gone[gone.count - 1].insert(uri)
        case 11:
            _ = try cmd("seal")
            tally.faults += 1
        case 12 where past.count > 3:
            let from = number(past.count - 3...past.count - 1)
            let report = try cmd(["repair", "--discard-from", "\(from)"])
            let first = Int(field("from", in: report)) ?? from
            past.removeSubrange(first...)
            gone.removeSubrange(first...)
            tally.faults += 1
        default:
            unlink(home + "/narada.db")
            _ = try narada(NaradaProject.self, ["--rebuild", "--json", "--home", home])
            tally.faults += 1
        }
    }

    private mutating func create() throws {
        let items = tracks(0...4)
        let report = try cmd(["playlist", "create", "List \(past.count)"] + items)
        record(field("playlist", in: report), items)
    }

    private mutating func record(_ uri: String, _ list: List) {
        past.append(now.merging([uri: list]) { $1 })
        gone.append(deleted)
    }

    private func compare(_ uri: String, _ list: List?, asOf seq: Int?, _ tally: inout Tally) throws
    {
        let at = seq.map { ["--as-of", "\($0)"] } ?? []
        let shown = try narada(Narada.self, ["playlist", uri, "--json", "--home", home] + at)
        let document = try JSONSerialization.jsonObject(with: Data(shown)) as? [String: Any]
        let items = (document?["items"] as? [[String: Any]])?.compactMap { $0["uri"] as? String }
        tally.count("lists compared")
        if items != list {
            tally.fail(.lost, "\(uri) as of \(seq.map(String.init) ?? "now"), seed \(seed)")
        }
    }

    private func cmd(_ arguments: String...) throws -> [UInt8] { try cmd(arguments) }

    private func cmd(_ arguments: [String]) throws -> [UInt8] {
        try narada(NaradaCmd.self, arguments + ["--json", "--home", home])
    }

    private func field(_ name: String, in report: [UInt8]) -> String {
        let document = try? JSONSerialization.jsonObject(with: Data(report)) as? [String: Any]
        return document?[name].map { "\($0)" } ?? ""
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }

    private mutating func tracks(_ count: ClosedRange<Int>) -> [String] {
        (0..<number(count)).map { _ in
            "spotify:track:" + String(repeating: "0", count: 20) + "\(number(10...40))"
        }
    }
}
