import Foundation
import GRDB
import Ledger
import Projections
import Projector
import TestSupport
import Testing

@Suite("Read models")
struct ReadModelTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("A rebuild, a catch-up in random steps and a rebuild after sealing give the same dump")
    func rebuildIsCatchUp() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let (path, ledger) = try randomHome(
                seed: seed, commits: 150, in: folder, name: "home\(seed)")
            let projector = Projector(Home(path), ledger: ledger)
            let end = try #require(try ledger.head()).checkpoint.seq
            var random = SplitMix64(seed: seed)

            var at: Seq = 0
            while at < end {
                at = min(end, at + Seq.random(in: 1...40, using: &random))
                let report = try projector.catchUp(through: at)
                #expect(report.to == at)
            }
            let stepped = try dump(path + "/narada.db")
            _ = try projector.rebuild()
            let rebuilt = try dump(path + "/narada.db")
            let writer = try LedgerWriter(ledger, run: "01JD9V5T8Q6Z3M1K7R2W4X0YBN")
            #expect(try writer.seal(all: true).segments == 1)
            _ = try projector.rebuild()
            let sealed = try dump(path + "/narada.db")

            #expect(stepped == rebuilt, "seed \(seed)")
            #expect(sealed == rebuilt, "seed \(seed)")
            #expect(rebuilt.count > 200, "seed \(seed): a life too thin to show anything")
            #expect(try projector.check().differing.isEmpty, "seed \(seed)")
        }
    }

    @Test("As of an event is the rebuild of a log that ends there")
    func asOfIsAPrefix() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let commits = 60
            let (path, ledger) = try randomHome(
                seed: seed, commits: commits, in: folder, name: "whole\(seed)")
            var random = SplitMix64(seed: seed)
            let kept = Int.random(in: 1..<commits, using: &random)
            let (shortPath, shortLedger) = try randomHome(
                seed: seed, commits: kept, in: folder, name: "short\(seed)")
            let end = try #require(try shortLedger.head()).checkpoint.seq

            _ = try Projector(Home(path), ledger: ledger).project(
                through: end, into: folder.file("then.db"))
            _ = try Projector(Home(shortPath), ledger: shortLedger).rebuild()

            #expect(
                try dump(folder.file("then.db")) == dump(shortPath + "/narada.db"), "seed \(seed)")
        }
    }

    @Test("Any prefix of the log projects without error")
    func anyPrefix() throws {
        let (path, ledger) = try randomHome(seed: 77, commits: 40, in: folder)
        let end = try #require(try ledger.head()).checkpoint.seq
        for seq in 1...end {
            let report = try Projector(Home(path), ledger: ledger).project(
                through: seq, into: folder.file("then.db"))
            #expect(report.to == seq)
        }
    }

    @Test(
        "One read model folded anew, and what stands on it, gives the whole again",
        arguments: ReadModel.allCases)
    func onlyOne(model: ReadModel) throws {
        let (path, ledger) = try randomHome(seed: 5, commits: 150, in: folder)
        let projector = Projector(Home(path), ledger: ledger)
        _ = try projector.rebuild()
        let whole = try dump(path + "/narada.db")
        try DatabaseQueue(path: path + "/narada.db").write { db in
            for table in model.tables { try db.execute(sql: "DELETE FROM \(table)") }
        }
        #expect(try dump(path + "/narada.db") != whole)

        let report = try projector.rebuild([model])

        #expect(Set(report.rebuilt) == model.withDependents)
        #expect(try dump(path + "/narada.db") == whole)
    }

    @Test("A check finds one changed row, and nothing where nothing changed")
    func checkFindsAChange() throws {
        let (path, ledger) = try randomHome(seed: 6, commits: 150, in: folder)
        let projector = Projector(Home(path), ledger: ledger)
        _ = try projector.rebuild()
        #expect(try projector.check().differing == [])

        try DatabaseQueue(path: path + "/narada.db").write { db in
            try db.execute(
                sql:
                    "UPDATE listens SET ms_played = ms_played + 1 WHERE id = (SELECT max(id) FROM listens WHERE channel = 0)"
            )
            try db.execute(sql: "DROP INDEX listens_time")
        }

        #expect(try projector.check().differing == ["listens_time", "listens"])
    }

    @Test("A database of another history, or ahead of the log, is refused with the remedy")
    func foreignDatabase() throws {
        let (path, ledger) = try randomHome(seed: 1, commits: 30, in: folder, name: "one")
        let (other, otherLedger) = try randomHome(seed: 2, commits: 80, in: folder, name: "two")
        _ = try Projector(Home(other), ledger: otherLedger).rebuild()
        try FileManager.default.copyItem(atPath: other + "/narada.db", toPath: path + "/narada.db")

        let error = #expect(throws: LedgerError.self) {
            try Projector(Home(path), ledger: ledger).catchUp()
        }

        #expect([.otherHistory, .dataLost].contains(error?.code))
        #expect(error?.remedy.contains("delete narada.db") == true)
        try FileManager.default.removeItem(atPath: path + "/narada.db")
        _ = try Projector(Home(path), ledger: ledger).catchUp()
    }

    @Test("A database of another schema, or none at all, is rebuilt by itself")
    func otherSchema() throws {
        let (path, ledger) = try randomHome(seed: 3, commits: 30, in: folder)
        let projector = Projector(Home(path), ledger: ledger)
        _ = try projector.catchUp()
        let whole = try dump(path + "/narada.db")

        try DatabaseQueue(path: path + "/narada.db").write {
            try $0.execute(sql: "UPDATE checkpoint SET schema = 'old'")
        }
        #expect(try projector.catchUp().rebuilt == ReadModel.allCases)
        try Data("this is no database, but it lies here".utf8).write(
            to: URL(fileURLWithPath: path + "/narada.db"))
        #expect(try projector.catchUp().rebuilt == ReadModel.allCases)

        #expect(try dump(path + "/narada.db") == whole)
    }

    @Test("A near duplicate is one whether both rows come at once or in two batches")
    func nearDuplicates() throws {
        let (path, ledger) = try randomHome(seed: 9, commits: 200, in: folder)
        let projector = Projector(Home(path), ledger: ledger)
        _ = try projector.rebuild()

        struct Listen {
            let id, node, played, ended: Int64
            let isDuplicate: Bool
        }
        let listens = try projector.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT id, node_id, ms_played, ended_at, reason IS NOT NULL FROM listens
                    WHERE channel = 0 AND (reason IS NULL OR reason = 'near_duplicate')
                    """
            ).map {
                Listen(id: $0[0], node: $0[1], played: $0[2], ended: $0[3], isDuplicate: $0[4])
            }
        }
        let marked = listens.filter(\.isDuplicate).map(\.id)
        let expected = listens.filter { new in
            listens.contains { old in
                old.id < new.id && old.node == new.node && old.played == new.played
                    && abs(old.ended - new.ended) <= 2000
            }
        }.map(\.id)
        #expect(marked == expected)
        #expect(marked.count > 3)
    }
}
