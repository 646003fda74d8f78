import ArgumentParser
import Foundation
import GRDB
import JSONText
import Ledger

/// Durable appends against a bare `pwrite + fdatasync` of the same bytes and against SQLite in WAL mode with
/// `synchronous=FULL`, in turns, so that all see the same disk.
struct DurableAppend: ParsableCommand {
    @Option(help: "A folder on the disk that is meant.") var folder: String
    @Option var perCommit = 1
    @Option var rounds = 7
    @Option var commits = 200

    func run() throws {
        _ = try Ledger.create(folder + "/ledger", id: "00000000-0000-4000-8000-000000000000")
        let writer = try LedgerWriter(
            Ledger(folder + "/ledger"), run: "01JD9V5T8Q6Z3M1K7R2W4X0YBN", holder: "bench")
        let raw = open(folder + "/raw", O_RDWR | O_CREAT | O_TRUNC, 0o600)
        let queue = try DatabaseQueue(path: folder + "/wal.db")
        try queue.inDatabase { db in
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(
                sql: "CREATE TABLE IF NOT EXISTS events(seq INTEGER PRIMARY KEY, line TEXT)")
        }
        let payload = (["text": .text(String(repeating: "Silver Night ", count: 25))] as JSON).bytes
        let events = (0..<perCommit).map { _ in
            NewEvent(type: "playlist.described", stream: StreamName(fixed: "bench"), data: payload)
        }
        try writer.append(events)
        var offset = 0
        var times: [String: [Double]] = [:]
        func measure(_ name: String, _ append: () throws -> Void) rethrows {
            let taken = try ContinuousClock().measure { for _ in 0..<commits { try append() } }
            times[name, default: []].append(taken / .microseconds(commits))
        }
        let line = String(decoding: payload, as: UTF8.self)
        for _ in 0..<rounds {
            let before = try segmentSize()
            try measure("narada") { try writer.append(events) }
            let size = max(1, (try segmentSize() - before) / commits)
            let bytes = [UInt8](repeating: 7, count: size)
            measure("pwrite+fdatasync") {
                _ = pwrite(raw, bytes, bytes.count, off_t(offset))
                fdatasync(raw)
                offset += bytes.count
            }
            try measure("sqlite-wal-full") {
                try queue.inDatabase { db in
                    try db.inTransaction {
                        let insert = try db.cachedStatement(
                            sql: "INSERT INTO events(line) VALUES (?)")
                        for _ in 0..<perCommit { try insert.execute(arguments: [line]) }
                        return .commit
                    }
                }
            }
        }
        for (name, values) in times.sorted(by: { $0.key < $1.key }) {
            print("\(name) \(values.sorted()[values.count / 2])")
        }
    }

    private func segmentSize() throws -> Int {
        try Ledger(folder + "/ledger").verify().segments.reduce(0) { $0 + $1.size }
    }
}
