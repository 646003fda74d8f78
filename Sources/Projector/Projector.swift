private import Foundation
public import GRDB
private import GRDBSQLite
public import Ledger
public import Projections

/// What a run of the projector did.
public struct ProjectionReport: Sendable {
    public var from: Seq = 0
    public var to: Seq = 0
    public var events = 0
    public var seconds = 0.0
    public var rebuilt: [ReadModel] = []
    /// Where the time went, in order; reading overlaps with folding.
    public var stages: [(name: String, seconds: Double)] = []
    /// What a person should know of the log's end.
    public var notice: String?
}

/// Runs the folds over a ledger: catch-up, rebuild beside and swap, any moment of the past, check.
///
/// Everything that writes the live database holds `flock(HOME/projector.lock)` and opens it anew by path.
public struct Projector: Sendable {
    public let home: Home
    public let ledger: Ledger
    /// How long to wait for another projector or for readers.
    public var timeoutMS = 5000
    /// Sees the seq that was reached, about once in half a megabyte.
    public var progress: (@Sendable (Seq) -> Void)?
    // Behind more events than this a rebuild is faster than a catch-up with indexes.
    private let rebuildBeyond: Seq = 50_000

    /// Takes a home with a ledger.
    public init(_ home: Home, ledger: Ledger) {
        self.home = home
        self.ledger = ledger
    }

    /// Folds in what the log has more than the live database; rebuilds it if it is missing, damaged or of
    /// another schema.
    ///
    /// - Parameter last: Where to stop; nil for the end of the log.
    public func catchUp(through last: Seq? = nil) throws -> ProjectionReport {
        try lockedOut {
            guard let state = liveState(), state.schema == Schema.hash else {
                return try rebuildLocked(Set(ReadModel.allCases), through: last)
            }
            let head = (try? ledger.head())??.checkpoint.seq ?? 0
            if head - state.checkpoint.seq > max(rebuildBeyond, state.checkpoint.seq) {
                return try rebuildLocked(Set(ReadModel.allCases), through: last)
            }
            return try mapped { try advance(from: state, through: last) }
        }
    }

    /// Folds read models anew into a file beside the live one and swaps it in.
    ///
    /// - Parameter models: Which ones; those that stand on them are folded too.
    public func rebuild(_ models: Set<ReadModel> = Set(ReadModel.allCases)) throws -> ProjectionReport {
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
        try mapped { try ledger.disk.rename(temporary, to: path) }
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
                try Self.open(home.databasePath).inDatabase { db in try Self.differences(db, aside) }
            }
            return (report, differing)
        }
    }

    private static func differences(_ db: Database, _ aside: String) throws -> [String] {
        try db.execute(sql: "ATTACH ? AS aside", arguments: [aside])
        var differing: [String] = []
        let names = "name FROM \(["main", "aside"].map { "SELECT type, name, sql FROM \($0).sqlite_schema" }.joined(separator: " UNION ALL ").wrapped)"
        let odd = try String.fetchAll(
            db, sql: "SELECT \(names) GROUP BY type, name, sql HAVING count(*) <> 2 ORDER BY name")
        differing += Array(Set(odd)).sorted()
        for table in ["checkpoint"] + ReadModel.allCases.flatMap(\.tables) where !differing.contains(table) {
            let rows = ["main", "aside"].map { "SELECT * FROM \($0).\(table)" }
            let sql = "SELECT EXISTS (\(rows[0]) EXCEPT \(rows[1])) OR EXISTS (\(rows[1]) EXCEPT \(rows[0]))"
            if try Bool.fetchOne(db, sql: sql) == true { differing.append(table) }
        }
        return differing
    }

    /// Whether events could be folded behind what the log holds now; nothing is kept.
    ///
    /// - Returns: The seq behind which they were tried.
    /// - Throws: `FoldError` with the seq that the offending event would have had.
    public func rehearse(_ events: [NewEvent], at time: Milliseconds) throws -> Seq {
        _ = try catchUp()
        return try lockedOut {
            guard let state = liveState() else { throw databaseMissing }
            return try mapped {
                try Self.open(home.databasePath, timeoutMS: timeoutMS).inDatabase { db in
                    var seq = state.checkpoint.seq
                    try db.inTransaction(.immediate) {
                        let fold = try Fold(db.handle(), fresh: false)
                        for event in events {
                            seq += 1
                            try event.line(seq: seq, at: time, run: "").withUnsafeBufferPointer {
                                if let line = EventLine($0) { try fold.apply(ReadableEvent(line)) }
                            }
                        }
                        try fold.finish(all: false)
                        return .rollback
                    }
                    return state.checkpoint.seq
                }
            }
        }
    }

    /// What the live database remembers of the log, for who opens the log.
    public func witnesses() -> [Witness] {
        liveState().map {
            [
                Witness(
                    name: "narada.db", checkpoint: $0.checkpoint,
                    remedy: "if it is narada.db that is wrong, delete it; it is rebuilt from the log.")
            ]
        } ?? []
    }

    /// How far the live database has come; nil if there is none that can be read.
    public func checkpoint() -> Checkpoint? { liveState()?.checkpoint }

    /// Deletes the live database if it stands behind an event, before the log is cut there.
    public func forget(after seq: Seq) throws {
        try lockedOut {
            guard let state = liveState(), state.checkpoint.seq <= seq else {
                return removeDatabase(home.databasePath)
            }
        }
    }

    // MARK: The live database

    struct LiveState {
        let schema: String
        let checkpoint: Checkpoint
        let hint: Int
    }

    private func liveState() -> LiveState? {
        guard (try? ledger.disk.contents(of: home.databasePath, limit: 16)) ?? nil != nil else { return nil }
        return try? Self.open(home.databasePath, readonly: access(home.databasePath, W_OK) != 0).inDatabase {
            db in
            let row = try Row.fetchOne(db, sql: "SELECT schema, seq, chain FROM checkpoint")
            guard let row, let chain = Digest(hex: row[2] as String) else { return nil }
            return LiveState(
                schema: row[0], checkpoint: Checkpoint(seq: row[1], chain: chain),
                hint: try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0)
        }
    }

    private func advance(from state: LiveState, through last: Seq?) throws -> ProjectionReport {
        let clock = ContinuousClock()
        let start = clock.now
        let cursor = try LedgerCursor(ledger, start: state.checkpoint, through: last, hint: state.hint)
        var report = ProjectionReport(from: state.checkpoint.seq, to: state.checkpoint.seq)
        var batch = try cursor.next()
        if batch != nil {
            try Self.open(home.databasePath, timeoutMS: timeoutMS).inDatabase { db in
                try db.inTransaction(.immediate) {
                    let fold = try Fold(db.handle(), fresh: false)
                    var offset = 0
                    var reached = state.checkpoint
                    while let lines = batch {
                        for event in try ReadBatch(lines).events { try fold.apply(event) }
                        report.events += lines.count
                        reached = lines.checkpoint
                        offset = lines.offset
                        progress?(reached.seq)
                        batch = try cursor.next()
                    }
                    try fold.finish(all: false)
                    try ledger.syncEnd()
                    try Self.write(reached, hint: offset, db)
                    report.to = reached.seq
                    return .commit
                }
            }
        }
        report.notice = cursor.notice
        report.seconds = (clock.now - start).seconds
        return report
    }

    private static func write(_ checkpoint: Checkpoint, hint: Int, _ db: Database) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?)",
            arguments: [Schema.hash, checkpoint.seq, checkpoint.chain.description])
        // The place is a hint that the log confirms, and no row: sealing changes it, a dump must not.
        try db.execute(sql: "PRAGMA user_version = \(Int32(clamping: hint))")
    }

    // MARK: Rebuild

    private func rebuildLocked(_ models: Set<ReadModel>, through last: Seq?) throws -> ProjectionReport {
        let beside = home.databasePath + ".rebuild"
        var report = try build(beside, models, through: last)
        report.stages.append(("swap", try timed { try swap(beside) }))
        return report
    }

    /// Puts a finished file in the live one's place.
    ///
    /// The old one is recovered first and its journals go: a journal left under this name would be
    /// played into the new file.
    private func swap(_ beside: String) throws {
        if (try? ledger.disk.contents(of: home.databasePath, limit: 16)) ?? nil != nil {
            try? Self.open(home.databasePath, timeoutMS: timeoutMS).inDatabase { db in
                _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema")
            }
        }
        try mapped {
            for suffix in ["-journal", "-wal", "-shm"] { try ledger.disk.remove(home.databasePath + suffix) }
            try ledger.disk.rename(beside, to: home.databasePath)
            try ledger.disk.syncDirectory(home.path)
        }
    }

    /// Folds the log into a new file: tables, rows, indexes, views, checkpoint, check, sync.
    private func build(_ path: String, _ models: Set<ReadModel>, through last: Seq?) throws -> ProjectionReport {
        let clock = ContinuousClock()
        let start = clock.now
        var report = ProjectionReport(rebuilt: ReadModel.allCases.filter(models.contains))
        removeDatabase(path)
        do {
            try mapped {
                let queue = try Self.open(path, creating: true)
                try queue.inDatabase { db in
                    for pragma in [
                        "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE",
                        "cache_size = -32768",
                    ] {
                        try db.execute(sql: "PRAGMA " + pragma)
                    }
                    if models.count < ReadModel.allCases.count {
                        try db.execute(sql: "ATTACH ? AS live", arguments: [home.databasePath])
                    }
                    try db.inTransaction {
                        try fill(db, models, through: last, &report)
                        return .commit
                    }
                    report.stages.append(
                        (
                            "check",
                            try timed {
                                let verdict = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? ""
                                guard verdict == "ok" else { throw broken(verdict) }
                            }
                        ))
                }
                try queue.close()
                report.stages.append(
                    ("sync", try timed { try ledger.disk.open(path, writing: true, creating: false)?.sync() }))
            }
        } catch {
            removeDatabase(path)
            throw error
        }
        report.seconds = (clock.now - start).seconds
        return report
    }

    private func fill(
        _ db: Database, _ models: Set<ReadModel>, through last: Seq?, _ report: inout ProjectionReport
    ) throws {
        try db.execute(sql: Schema.tables)
        for model in ReadModel.allCases where !models.contains(model) {
            for table in model.tables { try db.execute(sql: "INSERT INTO main.\(table) SELECT * FROM live.\(table)") }
        }
        let fold = try Fold(db.handle(), models: models, fresh: true)
        let pipe = BatchPipe(try LedgerCursor(ledger, through: last))
        defer { pipe.cancel() }
        var reached = ledger.origin
        var offset = 0
        var events = 0
        let folding = try timed {
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
        report.stages.append(("read", pipe.busySeconds))
        report.stages.append(("fold", folding))
        // Sorted runs that fit the processor's cache are a third faster than one large run.
        try db.execute(sql: "PRAGMA cache_size = -8192")
        report.stages.append(("indexes", try timed { try db.execute(sql: Schema.indexes) }))
        report.stages.append(("listens", try timed { try fold.finish(all: true) }))
        try db.execute(sql: Schema.views)
        try ledger.syncEnd()
        try Self.write(reached, hint: offset, db)
    }

    // MARK: Parts

    private func timed(_ body: () throws -> Void) rethrows -> Double {
        let clock = ContinuousClock()
        let start = clock.now
        try body()
        return (clock.now - start).seconds
    }

    /// Does something while no other projector writes.
    private func lockedOut<R>(_ body: () throws -> R) throws -> R {
        guard let lock = try ledger.disk.open(home.lockPath, writing: true, creating: true) else {
            throw databaseMissing
        }
        var waitedMS = 0
        while try !lock.lock(exclusive: true) {
            guard waitedMS < timeoutMS else {
                throw ProjectorError(
                    code: .busy, message: "another program is bringing narada.db up to date",
                    remedy: "run it again in a moment.")
            }
            usleep(10_000)
            waitedMS += 10
        }
        defer { lock.unlock() }
        return try body()
    }

    /// Turns what SQLite and the folds throw into errors with a remedy.
    private func mapped<R>(_ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as DatabaseError {
            throw failure(error.extendedResultCode.rawValue, error.message ?? "")
        } catch let error as SQLiteFailure {
            throw failure(error.code, error.description)
        }
    }

    private func failure(_ code: Int32, _ text: String) -> ProjectorError {
        let isBusy = [SQLITE_BUSY, SQLITE_LOCKED].contains(code & 0xFF)
        return ProjectorError(
            code: isBusy ? .busy : .io,
            message: isBusy ? "a reader keeps narada.db from being written" : "narada.db: \(text)",
            remedy: isBusy
                ? "close it and run it again."
                : "free some space or make the home writable; narada.db can be deleted and is rebuilt.")
    }

    private func broken(_ verdict: String) -> ProjectorError {
        ProjectorError(
            code: .io, message: "the rebuilt database does not verify: \(verdict)",
            remedy: "nothing was replaced; check the memory and the disk of this machine.")
    }

    private var databaseMissing: ProjectorError {
        ProjectorError(
            code: .io, message: "\(home.path) cannot be written",
            remedy: "make it writable, or choose another home with --home.")
    }

    private func removeDatabase(_ path: String) {
        for suffix in ["", "-journal", "-wal", "-shm"] { try? ledger.disk.remove(path + suffix) }
    }

    private static func open(
        _ path: String, creating: Bool = false, readonly: Bool = false, timeoutMS: Int = 5000
    ) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.busyMode = .timeout(Double(timeoutMS) / 1000)
        configuration.foreignKeysEnabled = false
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// Reads the live database in one transaction.
    public func read<R>(_ body: (Database) throws -> R) throws -> R {
        try mapped {
            try Self.open(home.databasePath, readonly: access(home.databasePath, W_OK) != 0).inDatabase { db in
                var result: R?
                try db.inTransaction(.deferred) {
                    result = try body(db)
                    return .rollback
                }
                guard let result else { throw databaseMissing }
                return result
            }
        }
    }
}

extension Database {
    /// The C API's handle, for the folds.
    fileprivate func handle() throws -> OpaquePointer {
        guard let connection = sqliteConnection else { throw DatabaseError(resultCode: .SQLITE_MISUSE) }
        return connection
    }
}

extension String {
    fileprivate var wrapped: String { "(\(self))" }
}
