import Foundation
import GRDB
import Ledger
import Projector
import TestSupport
import Testing

/// The machine's disk, until a call at which the process is as if killed.
private final class DyingDisk: Disk, @unchecked Sendable {
    struct Killed: Error {}
    private let disk = SystemDisk()
    private let lock = NSLock()
    private var left: Int
    private(set) var calls = 0

    init(after calls: Int) { left = calls }

    private func live() throws(LedgerError) {
        lock.lock()
        defer { lock.unlock() }
        calls += 1
        left -= 1
        if left < 0 { throw LedgerError(.io, "killed", remedy: "") }
    }

    func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (any DiskFile)?
    {
        if !path.hasSuffix(".lock") { try live() }
        return try disk.open(path, writing: writing, creating: creating)
    }
    func rename(_ path: String, to newPath: String) throws(LedgerError) {
        try live()
        try disk.rename(path, to: newPath)
    }
    func remove(_ path: String) throws(LedgerError) {
        try live()
        try disk.remove(path)
    }
    func list(_ directory: String) throws(LedgerError) -> [String] { try disk.list(directory) }
    func makeDirectory(_ path: String) throws(LedgerError) { try disk.makeDirectory(path) }
    func syncDirectory(_ path: String) throws(LedgerError) {
        try live()
        try disk.syncDirectory(path)
    }
}

@Suite("The swap of a rebuilt read model")
struct SwapTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A home whose live database stands at an older event than the log.
    private func homeBehind() throws -> (path: String, ledger: Ledger, old: [String], new: [String])
    {
        let (path, ledger) = try randomHome(
            seed: 4, commits: 80, in: folder, name: UUID().uuidString)
        let projector = Projector(Home(path), ledger: ledger)
        _ = try projector.rebuild()
        let new = try dump(path + "/narada.db")
        _ = try projector.project(through: 40, into: path + "/narada.db")
        return (path, ledger, try dump(path + "/narada.db"), new)
    }

    @Test(
        "A reader that has the database open keeps the old rows, whole, and a new one gets the new")
    func readerAcrossASwap() throws {
        let (path, ledger, old, new) = try homeBehind()
        let reader = try DatabaseQueue(path: path + "/narada.db")
        let count = {
            try reader.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM listens") }
        }
        let before = try count()

        _ = try Projector(Home(path), ledger: ledger).rebuild()

        #expect(try count() == before)
        #expect(try reader.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") } == "ok")
        #expect(try dump(path + "/narada.db") == new)
        #expect(old != new)
    }

    @Test("Killed before any of its steps, the old rows or the new ones are there")
    func killedAnywhere() throws {
        var steps = 0
        var seenOld = 0
        while true {
            let (path, ledger, old, new) = try homeBehind()
            let disk = DyingDisk(after: steps)
            let killed = try? Projector(Home(path), ledger: Ledger(ledger.directory, disk: disk))
                .rebuild()

            let now = try dump(path + "/narada.db")
            #expect(now == old || now == new, "killed before call \(steps)")
            if now == old { seenOld += 1 }
            let integrity = try DatabaseQueue(path: path + "/narada.db").read {
                try String.fetchOne($0, sql: "PRAGMA integrity_check")
            }
            #expect(integrity == "ok")
            _ = try Projector(Home(path), ledger: ledger).catchUp()
            #expect(
                try dump(path + "/narada.db") == new,
                "after a kill before call \(steps) the next run does not finish it")
            if killed != nil { break }
            steps += 1
        }
        #expect(steps > 5 && seenOld > 5)
    }

    @Test("A journal that a killed catch-up left never reaches the new file")
    func hotJournal() throws {
        let (path, ledger, old, new) = try homeBehind()
        try leaveHotJournal(path)

        #expect(try dump(path + "/narada.db") == old)  // Reading rolls the dead transaction back.
        try leaveHotJournal(path)
        _ = try Projector(Home(path), ledger: ledger).rebuild()

        #expect(try dump(path + "/narada.db") == new)
    }

    @Test("A journal whose database a person deleted is not played into the rebuilt one")
    func orphanedJournal() throws {
        let (path, ledger, _, new) = try homeBehind()
        try leaveHotJournal(path)
        try FileManager.default.removeItem(atPath: path + "/narada.db")

        _ = try Projector(Home(path), ledger: ledger).catchUp()

        #expect(try dump(path + "/narada.db") == new)
    }

    @Test("Negative control: a rename without taking the journal away shows something else")
    func renameAlone() throws {
        let (path, ledger, _, new) = try homeBehind()
        try leaveHotJournal(path)
        _ = try Projector(Home(path), ledger: ledger).project(
            through: ledger.seq(at: .max), into: path + "/beside.db")

        #expect(rename(path + "/beside.db", path + "/narada.db") == 0)

        #expect((try? dump(path + "/narada.db")) != new)
    }

    /// Leaves the database as a process leaves it that dies within a transaction.
    private func leaveHotJournal(_ path: String) throws {
        let queue = try DatabaseQueue(path: path + "/narada.db")
        try queue.inDatabase { db in
            try db.execute(sql: "PRAGMA cache_size = 1")
            try db.execute(sql: "PRAGMA cache_spill = 1")
            try db.inTransaction(.immediate) {
                try db.execute(sql: "UPDATE listens SET ms_played = 0")
                try db.execute(sql: "UPDATE tracks SET title = 'lost'")
                for file in ["narada.db", "narada.db-journal"] {
                    try? FileManager.default.removeItem(atPath: path + "/copy-" + file)
                    try FileManager.default.copyItem(
                        atPath: path + "/" + file, toPath: path + "/copy-" + file)
                }
                return .rollback
            }
        }
        try queue.close()
        for file in ["narada.db", "narada.db-journal"] {
            try? FileManager.default.removeItem(atPath: path + "/" + file)
            try FileManager.default.moveItem(
                atPath: path + "/copy-" + file, toPath: path + "/" + file)
        }
    }
}

@Suite("Tables that a repair takes away")
struct ForgetTests {
    @Test("A repair goes no further if narada.db cannot be removed: it would be ahead of the log")
    func unremovable() throws {
        let folder = try TemporaryFolder()
        let (path, ledger) = try randomHome(seed: 8, commits: 20, in: folder)
        _ = try Projector(Home(path), ledger: ledger).rebuild()
        let disk = FaultDisk(SystemDisk()) { call in
            if case .remove("narada.db") = call { .fails(EROFS) } else { nil }
        }

        #expect(throws: ProjectorError.self) {
            try Projector(Home(path), ledger: Ledger(ledger.directory, disk: disk)).forget(after: 3)
        }
    }
}

@Suite("A catch-up that is cut off")
struct CutOffCatchUpTests {
    @Test("I5: killed before any of its steps, rows and checkpoint are both old or both new")
    func rowsAndCheckpoint() throws {
        let folder = try TemporaryFolder()
        let (path, ledger) = try randomHome(seed: 8, commits: 80, in: folder)
        _ = try Projector(Home(path), ledger: ledger).rebuild()
        let new = try dump(path + "/narada.db")
        var steps = 0
        var isDone = false
        while !isDone {
            _ = try Projector(Home(path), ledger: ledger)
                .project(through: 40, into: path + "/narada.db")
            let old = try dump(path + "/narada.db")
            let dying = try Ledger(ledger.directory, disk: DyingDisk(after: steps + 1))

            isDone = (try? Projector(Home(path), ledger: dying).catchUp()) != nil

            #expect(try dump(path + "/narada.db") == (isDone ? new : old), "before call \(steps)")
            steps += 1
        }
        #expect(steps > 5)
    }

    @Test("Negative control: a checkpoint that runs ahead of its rows is found")
    func checkpointAlone() throws {
        let folder = try TemporaryFolder()
        let (path, ledger) = try randomHome(seed: 8, commits: 80, in: folder)
        let projector = Projector(Home(path), ledger: ledger)
        _ = try projector.rebuild()
        let end = try #require(projector.checkpoint())
        _ = try projector.project(through: end.seq - 20, into: path + "/narada.db")

        try DatabaseQueue(path: path + "/narada.db").write { db in
            try db.execute(
                sql: "UPDATE checkpoint SET seq = ?, chain = ?",
                arguments: [end.seq, end.chain.description])
        }

        #expect(try !projector.check().differing.isEmpty)
    }
}
