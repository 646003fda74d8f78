public import JSONText

/// Some whole lines of the log, in order, that live as long as the batch.
public final class Batch: @unchecked Sendable {
    // Filled by the cursor that made it, and only read after it was handed over.
    fileprivate(set) var buffer: UnsafeMutableRawBufferPointer
    fileprivate(set) var ends: [Int32] = []
    fileprivate var start = 0
    fileprivate var used = 0
    /// The seq of the first line.
    public fileprivate(set) var firstSeq: Seq = 0
    /// The position behind the last line.
    public fileprivate(set) var checkpoint: Checkpoint
    /// Where the last commit begins in its segment: a hint for coming back.
    public fileprivate(set) var offset = 0

    fileprivate init(_ checkpoint: Checkpoint) {
        buffer = .allocate(byteCount: 1 << 20, alignment: 16)
        self.checkpoint = checkpoint
    }

    deinit { buffer.deallocate() }

    /// How many lines there are.
    public var count: Int { ends.count }

    /// A line, its newline included.
    public subscript(index: Int) -> Bytes {
        let from = index == 0 ? start : Int(ends[index - 1])
        let line = UnsafeRawBufferPointer(rebasing: buffer[from..<Int(ends[index])])
        return line.assumingMemoryBound(to: UInt8.self)
    }

    fileprivate func room(_ count: Int) -> UnsafeMutableRawBufferPointer {
        if buffer.count - used < count {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(used + count, 2 * buffer.count), alignment: 16)
            larger.copyMemory(from: .init(rebasing: buffer[0..<used]))
            buffer.deallocate()
            buffer = larger
        }
        return .init(rebasing: buffer[used..<used + count])
    }
}

/// Reads the log in order from any position to the last valid commit, waiting for nobody.
public final class LedgerCursor {
    private let ledger: Ledger
    private let walk: CommitWalk
    private let after: Seq
    private let last: Seq?
    private let chained: Bool
    private let witnesses: [Witness]
    private let witnessed: [Seq]
    private let batchSize = 512 << 10
    private var finished = false

    /// Set when the log ends in a commit that was never finished: what a person should know of it.
    public private(set) var notice: String?
    /// Where the reading has come to.
    public var checkpoint: Checkpoint { walk.position }
    /// When the last event passed was recorded; 0 before the first.
    public var time: Milliseconds { walk.timeMS }

    /// Starts behind a position.
    ///
    /// - Parameters:
    ///   - start: A position whose chain must be the log's; nil for one given by `after`.
    ///   - after: The last seq that is not wanted.
    ///   - last: The last seq that is wanted; nil for all.
    ///   - hint: A place in the segment that a ``Batch`` named for `start`.
    ///   - chained: Whether the chain is recomputed; else frames are checked by their own sums.
    ///   - witnesses: Who else remembers how far the log had come.
    public init(
        _ ledger: Ledger, start: Checkpoint? = nil, after: Seq = 0, through last: Seq? = nil,
        hint: Int? = nil, chained: Bool = true, witnesses: [Witness] = []
    ) throws(LedgerError) {
        self.ledger = ledger
        self.after = start?.seq ?? after
        self.last = last
        self.chained = chained
        // HEAD is read before the segments: it can then never be ahead of what they show.
        // It speaks first: a read model is to blame only when it alone is ahead.
        var known = try [ledger.head()].compactMap(\.self) + witnesses
        if let start {
            known.append(
                Witness(
                    name: "the read model", checkpoint: start,
                    remedy: "delete narada.db, then run `narada-project`."))
        }
        self.witnesses = known
        witnessed = known.map(\.checkpoint.seq)
        walk = try CommitWalk(ledger, from: self.after + 1)
        if let start, let hint { _ = try walk.jump(to: hint, start) }
        try walk.position.confront(known, atEnd: false)
    }

    /// The next lines; nil at the end.
    ///
    /// - Throws: ``LedgerError`` for damage, for lost events and for a start that is not of this log.
    public func next() throws(LedgerError) -> Batch? {
        guard !finished else { return nil }
        let batch = Batch(walk.position)
        while batch.used < batchSize {
            if let last, walk.position.seq >= last {
                finished = true
                break
            }
            let start = walk.position.seq
            let step = try walk.next(framed: start + 1 > after || wantsNext(start))
            guard case .commit(let header, let frame) = step else {
                try end(step)
                if finished { break }
                continue
            }
            try walk.position.confront(witnesses, atEnd: false)
            if header.lastSeq <= after { continue }
            try take(header, frame, into: batch)
        }
        batch.checkpoint =
            last.map { $0 < walk.position.seq } == true ? batch.checkpoint : walk.position
        batch.offset = walk.previousOffset
        return batch.ends.isEmpty ? nil : batch
    }

    /// Reads to the end without delivering anything, so that what the log is worth is known.
    public func drain() throws(LedgerError) { while try next() != nil {} }

    /// Whether the commit behind a seq may hold a wanted event; its header alone tells, so it is read twice.
    private func wantsNext(_ seq: Seq) -> Bool {
        guard let reader = walk.reader,
            case .commit(let header, _)? = try? reader.step(
                at: walk.offset, expecting: seq + 1, framed: false)
        else { return true }
        return header.lastSeq > after
    }

    private func take(_ header: Header, _ frame: UnsafeRawBufferPointer, into batch: Batch)
        throws(LedgerError)
    {
        let base = batch.used
        let room = batch.room(header.rawSize)
        var passed = Checkpoint?.none
        // Where only a part of the commit is wanted, the chain inside it is told by nothing but the lines.
        let isSplit = header.firstSeq <= after || last.map { $0 < header.lastSeq } == true
        let chained = chained || isSplit
        try walk.decode(header, frame, into: room, chained: chained) {
            (range, seq, chain) throws(LedgerError) in
            if chained, witnessed.contains(seq) {
                try Checkpoint(seq: seq, chain: chain).confront(witnesses, atEnd: false)
            }
            if seq <= after {
                batch.start = base + range.upperBound
                return
            }
            if let last, seq > last { return }
            if batch.ends.isEmpty { batch.firstSeq = seq }
            batch.ends.append(Int32(base + range.upperBound))
            if seq == last { passed = Checkpoint(seq: seq, chain: chain) }
        }
        batch.used += header.rawSize
        if let passed { batch.checkpoint = passed }
    }

    /// Decides what it means that no further commit can be read.
    private func end(_ step: SegmentReader.Step) throws(LedgerError) {
        finished = true
        guard case .broken = step else { return try walk.position.confront(witnesses, atEnd: true) }
        let lock = try ledger.lockFile(creating: false)
        guard try lock?.lock(exclusive: false) ?? true else {
            // A writer lives: the rest is not there yet, unless somebody knows it already.
            return try walk.position.confront(witnesses, atEnd: true)
        }
        defer { lock?.unlock() }
        // No writer lives now; what was being written when we looked may have become whole.
        guard case .broken = try walk.next(framed: true) else {
            finished = false
            walk.back()
            return
        }
        let tail = try walk.judgeTail(witnesses, suspect: ledger.hasFailedSync())
        notice =
            "the log ends in \(tail.bytes.count) bytes "
            + (tail.rule.map {
                "of a commit that was never finished (\($0)); the next writer moves them to quarantine"
            } ?? "that could not be made durable; the next writer sets them aside")
    }
}
