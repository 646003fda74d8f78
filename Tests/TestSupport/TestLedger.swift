import Foundation
import JSONText
package import Ledger

/// A ledger of tests: known identity, known run, a clock that stands still.
package struct TestLedger {
    package static let id = "0b5e7a1e-0000-4000-8000-000000000001"
    package static let run = "01JD9Z0000000000000000TEST"
    package static let format =
        #"{"format":"narada-ledger","version":1,"min_reader":1,"ledger_id":"\#(id)"}"# + "\n"
    /// 2026-11-22T10:00:00Z.
    package static let now: Milliseconds = 1_795_341_600_000

    package let directory: String
    package let disk: any Disk

    /// Makes it if need be.
    package init(on disk: any Disk = MemoryDisk(), in directory: String = "/ledger") throws {
        self.directory = directory
        self.disk = disk
        _ = try Ledger.create(directory, id: Self.id, disk: disk)
    }

    package func ledger() throws -> Ledger { try Ledger(directory, disk: disk) }

    package func path(_ name: String) -> String { directory + "/" + name }

    package func writer(
        at time: Milliseconds = now, witnesses: [Witness] = [], holder: String = "test",
        lockTimeoutMS: Int = 60_000
    ) throws -> LedgerWriter {
        try LedgerWriter(
            try ledger(), run: Self.run, clock: Clock(fixedAt: time), lockTimeoutMS: lockTimeoutMS,
            holder: holder, witnesses: witnesses)
    }

    /// Appends commits of so many events each, numbered by the seqs they get.
    @discardableResult
    package func append(
        _ commits: [Int], size: Int = 20, close: Bool = false, at time: Milliseconds = now
    ) throws -> Self {
        let writer = try writer(at: time)
        var seq = try writer.refresh().seq
        for count in commits {
            try writer.append((1...count).map { event(Int(seq) + $0, size: size) })
            seq += Seq(count)
        }
        if close { try writer.close() }
        return self
    }

    /// Lets the next writer go on in a new segment, as it does after a failed sync.
    package func beginSegment() throws {
        try disk.replace(path("SUSPECT"), with: [])
        _ = try writer().refresh()
    }
}

/// The bytes of HEAD for a position.
package func head(_ checkpoint: Checkpoint) -> [UInt8] {
    Array("{\"seq\":\(checkpoint.seq),\"chain\":\"\(checkpoint.chain)\"}\n".utf8)
}

/// An event with a text that hardly compresses.
package func event(_ number: Int, stream: String = "test:stream", size: Int = 20) -> NewEvent {
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_".utf8)
    var generator = SplitMix64(seed: UInt64(number))
    var text: [UInt8] = []
    text.reserveCapacity(size + 10)
    while text.count < size {
        var bits = generator.next()
        for _ in 0..<10 {
            text.append(letters[Int(bits & 63)])
            bits >>= 6
        }
    }
    let data = Array("{\"n\":\(number),\"text\":\"".utf8) + text.prefix(size) + Array("\"}".utf8)
    return NewEvent(
        type: "test.noted", stream: StreamName(stream) ?? StreamName(fixed: "?"), data: data)
}

/// A commit as it stands in a segment, taken apart by the format page and not by the module.
package struct Place: Equatable {
    package let offset: Int
    package let end: Int
    package let first: Seq
    package let events: Int
    package let time: Milliseconds
    package let sealed: Bool
    package let chain: [UInt8]

    package var last: Seq { first + Seq(events) - 1 }

    /// All commits of a sound segment.
    package static func all(in bytes: [UInt8]) -> [Place] {
        var places: [Place] = []
        var at = firstCommit
        while at + 96 <= bytes.count {
            let end = at + 96 + Int(number(bytes, at + 32, 4))
            places.append(
                Place(
                    offset: at, end: end, first: Seq(number(bytes, at + 16, 8)),
                    events: Int(number(bytes, at + 24, 4)),
                    time: Milliseconds(number(bytes, at + 44, 8)),
                    sealed: number(bytes, at + 12, 4) >> 31 == 1,
                    chain: Array(bytes[at + 52..<at + 84])))
            at = end
        }
        return places
    }
}

/// Behind the empty frame and the segment header.
package let firstCommit = 15 + 96

/// A little-endian number.
package func number(_ bytes: [UInt8], _ at: Int, _ count: Int) -> UInt64 {
    bytes[at..<at + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

/// Everything that reading from a position delivers.
package struct Reading: Equatable {
    package var lines: [String] = []
    package var end: Checkpoint
    package var notice: String?
    package var batches: [(checkpoint: Checkpoint, offset: Int)] = []

    package static func == (left: Reading, right: Reading) -> Bool {
        left.lines == right.lines && left.end == right.end
    }
}

package func read(
    _ ledger: Ledger, start: Checkpoint? = nil, after: Seq = 0, through last: Seq? = nil,
    hint: Int? = nil,
    chained: Bool = true, witnesses: [Witness] = []
) throws -> Reading {
    let cursor = try LedgerCursor(
        ledger, start: start, after: after, through: last, hint: hint, chained: chained,
        witnesses: witnesses)
    var reading = Reading(end: start ?? ledger.origin)
    while let batch = try cursor.next() {
        for index in 0..<batch.count {
            reading.lines.append(String(decoding: batch[index], as: UTF8.self))
        }
        reading.end = batch.checkpoint
        reading.batches.append((batch.checkpoint, batch.offset))
    }
    reading.notice = cursor.notice
    return reading
}

/// The chain behind each event, from seq 0 on, computed from the lines alone.
package func chains(of lines: [String], format: String = TestLedger.format) -> [Checkpoint] {
    var chain = SHA256.digest(Array(format.utf8))
    var all = [Checkpoint(seq: 0, chain: chain)]
    for line in lines {
        chain = SHA256.digest(chain.bytes + Array(line.utf8))
        all.append(Checkpoint(seq: all[all.count - 1].seq + 1, chain: chain))
    }
    return all
}

package func types(_ lines: [String]) -> [String] {
    lines.compactMap { line in
        Array(line.utf8).withUnsafeBufferPointer { EventLine($0)?.typeName }
    }
}

/// The kind of failure of a piece of work; nil if it succeeds.
package func ledgerFailure(_ body: () throws -> Void) -> LedgerError.Code? {
    do {
        try body()
        return nil
    } catch let error as LedgerError {
        return error.code
    } catch {
        return .io
    }
}

package func witness(_ checkpoint: Checkpoint) -> Witness {
    Witness(name: "narada.db", checkpoint: checkpoint, remedy: "delete narada.db.")
}

/// A value that several threads change.
package final class Mutexed<Value: Sendable>: @unchecked Sendable {
    private let mutex = NSLock()
    private var stored: Value

    package init(_ value: Value) { stored = value }

    package var value: Value { mutex.withLock { stored } }

    package func change(_ body: (inout Value) -> Void) { mutex.withLock { body(&stored) } }
}
