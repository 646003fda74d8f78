private import Foundation
internal import Ledger
internal import Projections

/// A batch with its events read.
struct ReadBatch {
    let batch: Batch
    let events: [ReadableEvent]

    /// Reads the lines of a batch.
    ///
    /// - Throws: `UnreadableEvent`, or `FoldError` for a line that is none of this format.
    init(_ batch: Batch) throws {
        self.batch = batch
        events = try (0..<batch.count).map { index in
            let seq = batch.firstSeq + Seq(index)
            guard let line = EventLine(batch[index]), line.seq == seq else {
                throw FoldError(seq: seq, reason: "it is not a line of this format")
            }
            return try ReadableEvent(line)
        }
    }
}

/// Reads, decompresses, hashes and scans the log on a thread of its own, a few batches ahead of who folds them.
final class BatchPipe: @unchecked Sendable {
    // Everything mutable is guarded by `condition`; the cursor belongs to the reading thread until the end.
    private let condition = NSCondition()
    private let depth = 6
    private var waiting: [ReadBatch] = []
    private var failure: (any Error)?
    private var isDone = false
    private var isCancelled = false
    private(set) var busySeconds = 0.0
    let cursor: LedgerCursor

    init(_ cursor: LedgerCursor) {
        self.cursor = cursor
        let thread = Thread { [self] in read() }
        thread.stackSize = 4 << 20
        thread.start()
    }

    private func read() {
        let outcome = Result {
            while true {
                let start = ContinuousClock.now
                let batch = try cursor.next().map(ReadBatch.init)
                busySeconds += (ContinuousClock.now - start) / .seconds(1)
                guard let batch, put(batch) else { break }
            }
        }
        condition.withLock {
            if case .failure(let error) = outcome { failure = error }
            isDone = true
            condition.broadcast()
        }
    }

    private func put(_ batch: ReadBatch) -> Bool {
        condition.withLock {
            while waiting.count >= depth, !isCancelled { condition.wait() }
            waiting.append(batch)
            condition.broadcast()
            return !isCancelled
        }
    }

    /// The next batch; nil at the end.
    func next() throws -> ReadBatch? {
        try condition.withLock {
            while waiting.isEmpty, !isDone { condition.wait() }
            if let failure, waiting.isEmpty { throw failure }
            guard !waiting.isEmpty else { return nil }
            defer { condition.broadcast() }
            return waiting.removeFirst()
        }
    }

    /// Stops the reading and waits until it has stopped.
    func cancel() {
        condition.withLock {
            isCancelled = true
            waiting.removeAll()
            condition.broadcast()
            while !isDone { condition.wait() }
        }
    }
}
