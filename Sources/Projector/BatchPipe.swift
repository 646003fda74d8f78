private import Dispatch
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
    init(_ batch: Batch, _ titleKeys: TitleKeys) throws {
        self.batch = batch
        events = try (0..<batch.count).map { index in
            let seq = batch.firstSeq + Seq(index)
            guard let line = EventLine(batch[index]), line.seq == seq else {
                throw FoldError(seq: seq, reason: "it is not a line of this format")
            }
            return try ReadableEvent(line, titleKeys)
        }
    }
}

/// Reads, decompresses, hashes and scans the log on a thread of its own, a few batches ahead of who folds them.
final class BatchPipe: @unchecked Sendable {
    // `lock` guards what both threads change; the cursor belongs to the reading thread until the end.
    private let lock = NSLock()
    private let free = DispatchSemaphore(value: 6)
    private let filled = DispatchSemaphore(value: 0)
    private var waiting: [Result<ReadBatch?, any Error>] = []
    private var isCancelled = false
    private var isDone = false
    private(set) var busySeconds = 0.0
    let cursor: LedgerCursor

    init(_ cursor: LedgerCursor) {
        self.cursor = cursor
        let thread = Thread { [self] in read() }
        thread.stackSize = 4 << 20
        thread.start()
    }

    private func read() {
        let titleKeys = TitleKeys()
        while true {
            free.wait()
            let isCancelled = lock.withLock { self.isCancelled }
            let start = ContinuousClock.now
            let next = Result {
                isCancelled ? nil : try cursor.next().map { try ReadBatch($0, titleKeys) }
            }
            busySeconds += (ContinuousClock.now - start) / .seconds(1)
            lock.withLock { waiting.append(next) }
            filled.signal()
            guard case .success(.some) = next else { return }
        }
    }

    /// The next batch; nil at the end.
    func next() throws -> ReadBatch? {
        guard !isDone else { return nil }
        filled.wait()
        let next = lock.withLock { waiting.removeFirst() }
        free.signal()
        if case .success(.some(let batch)) = next { return batch }
        // A failure or the end is the last thing that is read.
        isDone = true
        return try next.get()
    }

    /// Stops the reading and waits until it has stopped.
    func cancel() {
        lock.withLock { isCancelled = true }
        while !isDone { _ = try? next() }
    }
}
