private import Foundation
private import GRDB
public import Ledger
public import Projections

extension Projector {
    /// Folds read models anew into a file beside the live one and swaps it in.
    ///
    /// - Parameter models: Which ones; those that stand on them are folded too.
    public func rebuild(_ models: Set<ReadModel> = Set(ReadModel.allCases)) throws
        -> ProjectionReport
    {
        try lockedOut {
            var wanted = models.reduce(into: Set<ReadModel>()) { $0.formUnion($1.withDependents) }
            let state = liveState()
            if state?.schema != Schema.hash { wanted = Set(ReadModel.allCases) }
            // What is not folded again is copied, so the rest must stop where the copy stands.
            let isPart = wanted.count < ReadModel.allCases.count
            return try rebuildLocked(wanted, through: isPart ? state?.checkpoint.seq : nil)
        }
    }

    /// Makes the state as it stood after an event, in a file of its own.
    public func project(through seq: Seq, into path: String) throws -> ProjectionReport {
        let temporary = path + ".tmp"
        let report = try build(temporary, Set(ReadModel.allCases), through: seq)
        do { try ledger.disk.rename(temporary, to: path) } catch {
            removeDatabase(temporary)
            throw error
        }
        return report
    }

    /// Rebuilds aside and compares with what is live, at the same seq.
    ///
    /// - Returns: The tables whose rows differ, and those missing or defined otherwise.
    public func check() throws -> (report: ProjectionReport, differing: [String]) {
        _ = try catchUp()
        return try lockedOut {
            guard let state = liveState() else { throw databaseMissing }
            let aside = home.databasePath + ".check"
            defer { removeDatabase(aside) }
            let report = try build(aside, Set(ReadModel.allCases), through: state.checkpoint.seq)
            let differing = try mapped {
                try Self.open(home.databasePath).inDatabase { try Self.differences($0, aside) }
            }
            return (report, differing)
        }
    }

    private static func differences(_ db: Database, _ aside: String) throws -> [String] {
        try db.execute(sql: "ATTACH ? AS aside", arguments: [aside])
        var differing = try String.fetchAll(
            db,
            sql: """
                SELECT DISTINCT name FROM (SELECT type, name, sql FROM main.sqlite_schema
                    UNION ALL SELECT type, name, sql FROM aside.sqlite_schema)
                GROUP BY type, name, sql HAVING count(*) <> 2 ORDER BY name
                """)
        for table in ["checkpoint"] + ReadModel.allCases.flatMap(\.tables)
        where !differing.contains(table) {
            let rows = ["main", "aside"].map { "SELECT * FROM \($0).\(table)" }
            let sql =
                "SELECT EXISTS (\(rows[0]) EXCEPT \(rows[1])) OR EXISTS (\(rows[1]) EXCEPT \(rows[0]))"
            if try Bool.fetchOne(db, sql: sql) == true { differing.append(table) }
        }
        return differing
    }

    func rebuildLocked(_ models: Set<ReadModel>, through last: Seq?) throws -> ProjectionReport {
        let beside = home.databasePath + ".rebuild"
        var report = try build(beside, models, through: last)
        try report.stage("swap") { try swap(beside) }
        return report
    }

    /// Puts a finished file in the live one's place.
    ///
    /// The old one is recovered first and its journals go: a journal left under this name would be
    /// played into the new file.
    private func swap(_ beside: String) throws {
        if hasDatabase {
            try? Self.open(home.databasePath, timeoutMS: timeoutMS).inDatabase { db in
                _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema")
            }
        }
        try mapped {
            for suffix in ["-journal", "-wal", "-shm"] {
                try ledger.disk.remove(home.databasePath + suffix)
            }
            try ledger.disk.rename(beside, to: home.databasePath)
            try ledger.disk.syncDirectory(home.path)
        }
    }

    /// Folds the log into a new file: tables, rows, indexes, views, checkpoint, check, sync.
    private func build(_ path: String, _ models: Set<ReadModel>, through last: Seq?) throws
        -> ProjectionReport
    {
        let start = ContinuousClock.now
        var report = ProjectionReport(rebuilt: ReadModel.allCases.filter(models.contains))
        removeDatabase(path)
        do {
            try mapped {
                let queue = try Self.open(path, creating: true)
                try queue.inDatabase { db in
                    try db.execute(
                        sql: """
                            PRAGMA page_size = 16384; PRAGMA cache_size = -32768;
                            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                            PRAGMA locking_mode = EXCLUSIVE
                            """)
                    if models.count < ReadModel.allCases.count {
                        try db.execute(sql: "ATTACH ? AS live", arguments: [home.databasePath])
                    }
                    try db.inTransaction {
                        try fill(db, models, through: last, &report)
                        return .commit
                    }
                    try report.stage("check") {
                        let verdict = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? ""
                        guard verdict != "ok" else { return }
                        throw ProjectorError(
                            code: .io, message: "the rebuilt database does not verify: \(verdict)",
                            remedy: "nothing was replaced; "
                                + "check the memory and the disk of this machine.")
                    }
                }
                try queue.close()
                try report.stage("sync") {
                    try ledger.disk.open(path, writing: true, creating: false)?.sync()
                }
            }
        } catch {
            removeDatabase(path)
            throw error
        }
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    private func fill(
        _ db: Database, _ models: Set<ReadModel>, through last: Seq?,
        _ report: inout ProjectionReport
    ) throws {
        try db.execute(sql: Schema.tables)
        for model in ReadModel.allCases where !models.contains(model) {
            for table in model.tables {
                try db.execute(sql: "INSERT INTO main.\(table) SELECT * FROM live.\(table)")
            }
        }
        let fold = try Fold(db.handle(), models: models, fresh: true)
        let pipe = BatchPipe(try LedgerCursor(ledger, through: last))
        defer { pipe.cancel() }
        var reached = ledger.origin
        var offset = 0
        var events = 0
        try report.stage("fold") {
            while let next = try pipe.next() {
                for event in next.events { try fold.apply(event) }
                events += next.events.count
                reached = next.batch.checkpoint
                offset = next.batch.offset
                progress?(reached.seq)
            }
        }
        if let last, reached.seq < last {
            throw FoldError(seq: last, reason: "the log ends at \(reached.seq)")
        }
        report.events = events
        report.to = reached.seq
        report.notice = pipe.cursor.notice
        report.stages.insert(("read", pipe.busySeconds), at: 0)
        // Sorted runs that fit the processor's cache are a third faster than one large run.
        try db.execute(sql: "PRAGMA cache_size = -8192")
        try report.stage("indexes") { try db.execute(sql: Schema.indexes) }
        try report.stage("listens") { try fold.finish(all: true) }
        try db.execute(sql: Schema.views)
        try ledger.syncEnd()
        try Self.write(reached, hint: offset, db)
    }
}
