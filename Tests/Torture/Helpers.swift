import ArgumentParser
import Commands
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Projections
import Projector
import TestSupport

/// Programs that layers of processes need beside Narada's own, by name; each gives its exit code.
let helpers: [String: @Sendable (Options) throws -> Int32] = [
    "write": write, "read": readOn, "project-apart": projectApart,
]

/// What stands behind a helper's name: `--home`, `--count`, `--seconds`, `--broken`.
struct Options: Sendable {
    let values: [String: String]

    subscript(name: String) -> String { values["--" + name] ?? "" }
    var broken: Breakage? { Breakage(rawValue: self["broken"]) }
    var ledgerPath: String { self["home"] + "/ledger" }

    /// Whether a loop goes on that has made so many turns since it began.
    func goesOn(_ turns: Int, since start: ContinuousClock.Instant) -> Bool {
        if let count = Int(self["count"]) { return turns < count }
        return ContinuousClock.now - start < .seconds(Double(self["seconds"]) ?? 1)
    }
}

/// Appends one event after the other and says so of each: `{"last":SEQ}`.
@Sendable private func write(_ options: Options) throws -> Int32 {
    let disk: any Disk = options.broken.map { BrokenDisk(SystemDisk(), $0) } ?? SystemDisk()
    let writer = try LedgerWriter(
        Ledger(options.ledgerPath, disk: disk), run: "01JD9Z0000000000000000TEST")
    var random = SystemRandomNumberGenerator()
    let start = ContinuousClock.now
    var turns = 0
    while options.goesOn(turns, since: start) {
        turns += 1
        let uri = "narada:playlist:\(ULID(at: Clock().now, using: &random))"
        guard let stream = StreamName(uri) else { return 70 }
        let text = String(repeating: "x", count: Int.random(in: 0...400, using: &random))
        let event = NewEvent(.playlistCreated, on: stream, ["name": .text("W" + text)])
        if options.broken == .acknowledgeEarly { tell(try writer.refresh().seq + 1) }
        let seqs = try writer.append([event])
        if options.broken != .acknowledgeEarly { tell(seqs.upperBound) }
        if turns % 50 == 0 { try writer.close() }
    }
    try writer.close()
    return 0
}

private func tell(_ seq: Seq) {
    let line = Array("{\"last\":\(seq)}\n".utf8)
    _ = line.withUnsafeBytes { Foundation.write(1, $0.baseAddress, $0.count) }
}

/// Reads again and again: each time from where it was, whose chain must still be the log's, and now and then
/// all of it. Prints how often and how far; fails at the first thing that is not a growing prefix.
@Sendable private func readOn(_ options: Options) throws -> Int32 {
    let ledger = try Ledger(options.ledgerPath)
    var last = ledger.origin
    var passes = 0
    let start = ContinuousClock.now
    while options.goesOn(passes, since: start) {
        passes += 1
        let cursor = try LedgerCursor(ledger, start: passes % 20 == 0 ? ledger.origin : last)
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                let seq = batch.firstSeq + Seq(index)
                guard EventLine(batch[index])?.seq == seq else {
                    throw FoldError(seq: seq, reason: "another line stands here")
                }
            }
        }
        guard cursor.checkpoint.seq >= last.seq else {
            throw FoldError(seq: last.seq, reason: "the log shrank to \(cursor.checkpoint.seq)")
        }
        last = cursor.checkpoint
    }
    print("{\"passes\":\(passes),\"seq\":\(last.seq)}")
    return 0
}

/// A projector that commits its checkpoint first and the rows it stands for behind it.
@Sendable private func projectApart(_ options: Options) throws -> Int32 {
    let home = Home(options["home"])
    let ledger = try Ledger(options.ledgerPath)
    guard let start = Projector(home, ledger: ledger).checkpoint() else { return 66 }
    let end = try ledger.verify().end
    let database = try DatabaseQueue(path: home.databasePath)
    try database.write { db in
        try db.execute(
            sql: "UPDATE checkpoint SET seq = ?, chain = ?",
            arguments: [end.seq, end.chain.description])
    }
    try database.write { db in
        guard let handle = db.sqliteConnection else { return }
        let fold = try Fold(handle, fresh: false)
        let cursor = try LedgerCursor(ledger, start: start)
        let titleKeys = TitleKeys()
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                guard let line = EventLine(batch[index]) else { continue }
                try fold.apply(ReadableEvent(line, titleKeys))
            }
        }
        try fold.finish(all: false)
    }
    return 0
}

/// Runs a command of Narada in this process.
///
/// - Returns: What it printed.
/// - Throws: What it refused.
func narada(_ root: any ParsableCommand.Type, _ arguments: [String]) throws -> [UInt8] {
    let path = "/dev/shm/narada-torture-\(getpid())"
    let output = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    let (before, beforeErrors) = (dup(1), dup(2))
    dup2(output, 1)
    dup2(output, 2)
    defer {
        for (copy, number) in [(before, Int32(1)), (beforeErrors, 2)] {
            dup2(copy, number)
            close(copy)
        }
        close(output)
        unlink(path)
    }
    var command = try root.parseAsRoot(arguments)
    if let waiting = command as? any AsyncParsableCommand {
        let done = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var running = waiting
        nonisolated(unsafe) var failure: (any Error)?
        Task.detached {
            do { try await running.run() } catch { failure = error }
            done.signal()
        }
        done.wait()
        if let failure { throw failure }
    } else {
        try command.run()
    }
    return Array(FileManager.default.contents(atPath: path) ?? Data())
}
