import Foundation
import GRDB
import Ledger
import Projections
import Projector
import TestSupport

/// Read models of random lives: killed at every call of a rebuild and of a catch-up, in steps of random sizes,
/// ahead of the log, of another log.
///
/// A case is one life. Old model intact or refused with a remedy; in the end the dump of a rebuild.
@Sendable func projectionsLayer(_ plan: Plan) throws -> Tally {
    var tally = Tally()
    for seed in plan.seeds {
        let folder = try TemporaryFolder(in: "/dev/shm")
        var life = try ProjectedLife(seed: seed, folder, plan)
        try life.steps(&tally)
        try life.killed(&tally)
        try life.foreign(&tally)
    }
    return tally
}

private struct ProjectedLife {
    let seed: UInt64
    let folder: TemporaryFolder
    let plan: Plan
    let path: String
    let ledger: Ledger
    let end: Seq
    let whole: [String]
    var random: SplitMix64
    var database: String { path + "/narada.db" }
    var projector: Projector { Projector(Home(path), ledger: ledger) }

    init(seed: UInt64, _ folder: TemporaryFolder, _ plan: Plan) throws {
        (self.seed, self.folder, self.plan) = (seed, folder, plan)
        random = SplitMix64(seed: ~seed)
        (path, ledger) = try randomHome(
            seed: seed, commits: Int.random(in: 20...120, using: &random), in: folder)
        end = try ledger.verify().end.seq
        _ = try Projector(Home(path), ledger: ledger).rebuild()
        whole = try dump(path + "/narada.db")
    }

    /// Puts the live model back to where it stood after an event.
    private func goBack(to seq: Seq) throws {
        _ = try projector.project(through: seq, into: database)
    }

    /// Catch-up in steps of random sizes is the rebuild.
    mutating func steps(_ tally: inout Tally) throws {
        tally.cases += 1
        try goBack(to: 1)
        var at: Seq = 1
        while at < end {
            at = min(end, at + Seq.random(in: 1...60, using: &random))
            _ = try projector.catchUp(through: at)
        }
        if try dump(database) != whole { tally.fail(.wrong, "steps differ, seed \(seed)") }
    }

    /// As if killed before each call: the old rows or the new ones, and the next run finishes.
    mutating func killed(_ tally: inout Tally) throws {
        let middle = Seq.random(in: 1..<end, using: &random)
        for isRebuild in [true, false] {
            var calls = 0
            var isDone = false
            while !isDone {
                try goBack(to: middle)
                let old = try dump(database)
                let dying = FaultDisk(SystemDisk())
                let count = Counter()
                dying.plan { call in
                    if case .read = call { return nil }
                    if case .open("projector.lock") = call { return nil }
                    return count.next() >= calls ? .fails(EIO) : nil
                }
                isDone = try work(isRebuild, on: dying)
                tally.cases += 1
                tally.faults += isDone ? 0 : 1
                let now = try dump(database)
                if plan.broken == nil, now != old, now != whole {
                    tally.fail(.lost, "neither old nor new before call \(calls), seed \(seed)")
                }
                // A life that goes on from here must be the one that a rebuild gives.
                do {
                    _ = try projector.catchUp()
                    if try dump(database) != whole {
                        tally.fail(.lost, "stale rows after a kill at call \(calls), seed \(seed)")
                    }
                } catch { tally.fail(.wrong, "\(error), call \(calls), seed \(seed)") }
                calls += 1
            }
        }
    }

    private func work(_ isRebuild: Bool, on disk: FaultDisk) throws -> Bool {
        if plan.broken == .checkpointApart, !isRebuild {
            // The broken projector: the checkpoint is committed, then it dies, or not, before its rows.
            let reached = try ledger.verify().end
            try DatabaseQueue(path: database).write { db in
                try db.execute(
                    sql: "UPDATE checkpoint SET seq = ?, chain = ?",
                    arguments: [reached.seq, reached.chain.description])
            }
        }
        do {
            let dying = Projector(Home(path), ledger: try Ledger(ledger.directory, disk: disk))
            _ = try isRebuild ? dying.rebuild() : dying.catchUp()
            return true
        } catch let error as LedgerError where error.errno == EIO { return false }
    }

    /// A model ahead of the log, and one of another log, are refused with what to do.
    mutating func foreign(_ tally: inout Tally) throws {
        try goBack(to: end)
        let (other, otherLedger) = try randomHome(
            seed: seed &+ 1_000_003, commits: 30, in: folder, name: "other")
        let (short, shortLedger) = try randomHome(
            seed: seed, commits: 10, in: folder, name: "short")
        for (home, log) in [(other, otherLedger), (short, shortLedger)] {
            try? FileManager.default.removeItem(atPath: home + "/narada.db")
            try FileManager.default.copyItem(atPath: database, toPath: home + "/narada.db")
            tally.cases += 1
            tally.faults += 1
            do {
                _ = try Projector(Home(home), ledger: log).catchUp()
                tally.fail(.accepted, "a model that is not of this log, seed \(seed)")
            } catch let error as LedgerError where error.remedy.contains("delete narada.db") {}
        }
    }
}

/// Counts calls from several threads.
private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var count = 0

    func next() -> Int {
        lock.withLock {
            defer { count += 1 }
            return count
        }
    }
}
