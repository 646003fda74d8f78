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

    /// Does a part of the work and notes how long it took.
    mutating func stage(_ name: String, _ work: () throws -> Void) rethrows {
        stages.append((name, try ContinuousClock().measure(work) / .seconds(1)))
    }
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
    // Behind more events than this, and than it holds, a rebuild is faster than a catch-up with indexes; an event
    // can be a page of 200 scrobbles.
    private let rebuildBeyond: Seq = 500

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
            let head = (try? ledger.head())??.checkpoint.seq ?? 0
            guard let state = liveState(), state.schema == Schema.hash,
                head - state.checkpoint.seq <= max(rebuildBeyond, state.checkpoint.seq)
            else { return try rebuildLocked(Set(ReadModel.allCases), through: last) }
            return try mapped { try advance(from: state, through: last) }
        }
    }

    /// Whether events could be folded behind what the log holds now; nothing is kept.
    ///
    /// - Parameter read: Sees the tables with the events in them.
    /// - Returns: The seq behind which they were tried, and what was read.
    /// - Throws: `FoldError` with the seq that the offending event would have had.
    public func rehearse<R>(
        _ events: [NewEvent], at time: Milliseconds, _ read: (Database) throws -> R
    ) throws -> (seq: Seq, result: R) {
        _ = try catchUp()
        return try lockedOut {
            guard let state = liveState() else { throw databaseMissing }
            return try mapped {
                try Self.open(home.databasePath, timeoutMS: timeoutMS).inDatabase { db in
                    var seq = state.checkpoint.seq
                    var result: Result<R, any Error>?
                    try db.inTransaction(.immediate) {
                        let fold = try Fold(db.handle(), fresh: false)
                        let titleKeys = TitleKeys()
                        for event in events {
                            seq += 1
                            try event.line(seq: seq, at: time, run: "").withUnsafeBufferPointer {
                                if let line = EventLine($0) {
                                    try fold.apply(ReadableEvent(line, titleKeys))
                                }
                            }
                        }
                        try fold.finish(all: false)
                        result = Result { try read(db) }
                        return .rollback
                    }
                    guard let result else { throw databaseMissing }
                    return (state.checkpoint.seq, try result.get())
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
                    remedy:
                        "if it is narada.db that is wrong, delete it; it is rebuilt from the log.")
            ]
        } ?? []
    }

    /// How far the live database has come; nil if there is none that can be read.
    public func checkpoint() -> Checkpoint? { liveState()?.checkpoint }

    /// Deletes the live database if it stands behind an event, before the log is cut there.
    public func forget(after seq: Seq) throws {
        try lockedOut {
            guard let state = liveState(), state.checkpoint.seq <= seq else {
                removeDatabase(home.databasePath)
                // Left behind, it would know events that the log has no more.
                if hasDatabase { throw databaseMissing }
                return
            }
        }
    }

    // MARK: The live database

    struct LiveState {
        let schema: String
        let checkpoint: Checkpoint
        let hint: Int
    }

    func liveState() -> LiveState? {
        guard hasDatabase else { return nil }
        return try? live().inDatabase { db in
            let row = try Row.fetchOne(db, sql: "SELECT schema, seq, chain FROM checkpoint")
            guard let row, let chain = Digest(hex: row[2] as String) else { return nil }
            return LiveState(
                schema: row[0], checkpoint: Checkpoint(seq: row[1], chain: chain),
                hint: try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0)
        }
    }

    var hasDatabase: Bool {
        (try? ledger.disk.contents(of: home.databasePath, limit: 16)) ?? nil != nil
    }

    /// Opens the live database; without a right to write it is read all the same.
    private func live() throws -> DatabaseQueue {
        try Self.open(home.databasePath, readonly: access(home.databasePath, W_OK) != 0)
    }

    /// Reads the live database in one transaction.
    public func read<R>(_ body: (Database) throws -> R) throws -> R {
        try mapped { try live().read(body) }
    }

    func advance(from state: LiveState, through last: Seq?) throws -> ProjectionReport {
        let start = ContinuousClock.now
        let cursor = try LedgerCursor(
            ledger, start: state.checkpoint, through: last, hint: state.hint)
        var report = ProjectionReport(from: state.checkpoint.seq, to: state.checkpoint.seq)
        var batch = try cursor.next()
        if batch != nil {
            try Self.open(home.databasePath, timeoutMS: timeoutMS).inDatabase { db in
                try db.inTransaction(.immediate) {
                    let fold = try Fold(db.handle(), fresh: false)
                    let titleKeys = TitleKeys()
                    var offset = 0
                    var reached = state.checkpoint
                    while let lines = batch {
                        for event in try ReadBatch(lines, titleKeys).events {
                            try fold.apply(event)
                        }
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
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    static func write(_ checkpoint: Checkpoint, hint: Int, _ db: Database) throws {
        try db.execute(
            sql: "INSERT OR REPLACE INTO checkpoint VALUES (1, ?, ?, ?)",
            arguments: [Schema.hash, checkpoint.seq, checkpoint.chain.description])
        // The place is a hint that the log confirms, and no row: sealing changes it, a dump must not.
        try db.execute(sql: "PRAGMA user_version = \(Int32(clamping: hint))")
    }

    // MARK: Parts

    /// Does something while no other projector writes.
    func lockedOut<R>(_ body: () throws -> R) throws -> R {
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
    func mapped<R>(_ body: () throws -> R) throws -> R {
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
                : "free some space or make the home writable; narada.db can be deleted and is rebuilt."
        )
    }

    var databaseMissing: ProjectorError {
        ProjectorError(
            code: .io, message: "\(home.path) cannot be written",
            remedy: "make it writable, or choose another home with --home.")
    }

    func removeDatabase(_ path: String) {
        for suffix in ["", "-journal", "-wal", "-shm"] { try? ledger.disk.remove(path + suffix) }
    }

    static func open(
        _ path: String, creating: Bool = false, readonly: Bool = false, timeoutMS: Int = 5000
    ) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.busyMode = .timeout(Double(timeoutMS) / 1000)
        configuration.foreignKeysEnabled = false
        return try DatabaseQueue(path: path, configuration: configuration)
    }
}

extension Database {
    /// The C API's handle, for the folds.
    func handle() throws -> OpaquePointer {
        guard let connection = sqliteConnection else {
            throw DatabaseError(resultCode: .SQLITE_MISUSE)
        }
        return connection
    }
}
