private import Foundation
import Ledger

/// Reads, decompresses and hashes the log on a thread of its own, a few batches ahead of who folds them.
final class BatchPipe: @unchecked Sendable {
    // Everything mutable is guarded by `condition`; the cursor belongs to the reading thread until the end.
    private let condition = NSCondition()
    private let depth = 6
    private var waiting: [Batch] = []
    private var failure: LedgerError?
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
        let clock = ContinuousClock()
        var outcome: LedgerError?
        do throws(LedgerError) {
            while true {
                let start = clock.now
                let batch = try cursor.next()
                busySeconds += (clock.now - start).seconds
                guard let batch, put(batch) else { break }
            }
        } catch {
            outcome = error
        }
        condition.withLock {
            failure = outcome
            isDone = true
            condition.broadcast()
        }
    }

    private func put(_ batch: Batch) -> Bool {
        condition.withLock {
            while waiting.count >= depth, !isCancelled { condition.wait() }
            waiting.append(batch)
            condition.broadcast()
            return !isCancelled
        }
    }

    /// The next batch; nil at the end.
    func next() throws -> Batch? {
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

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
