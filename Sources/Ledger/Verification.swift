/// What a complete reading of the log found.
public struct Inspection: Sendable {
    public struct Segment: Sendable {
        public let name: String
        public let firstSeq: Seq
        public let size: Int
        public let sealed: Bool
    }
    public var segments: [Segment] = []
    public var end: Checkpoint
    public var time: Milliseconds = 0
    public var rawSize = 0
    /// Set when the log ends in a commit that was never finished.
    public var notice: String?
}

extension Ledger {
    /// Reads everything: frame sums, chain, seqs without gap, recorded times that never decrease.
    ///
    /// - Parameters:
    ///   - witnesses: Who else remembers the log; compared wherever their seq lies.
    ///   - line: Sees each event on the way.
    /// - Throws: ``LedgerError`` at the first thing that is not as it was written.
    public func verify(
        witnesses: [Witness] = [], line visit: (EventLine) -> Void = { _ in }
    ) throws(LedgerError) -> Inspection {
        let cursor = try LedgerCursor(self, witnesses: witnesses)
        var result = Inspection(end: origin)
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                let bytes = batch[index]
                let seq = batch.firstSeq + Seq(index)
                guard let line = EventLine(bytes), line.seq == seq, line.at >= result.time else {
                    throw LedgerError(
                        .damaged,
                        "event \(seq) is not a line of this format, or its time goes back",
                        remedy:
                            "the chain is sound, so it was written like this; report it as a bug.")
                }
                result.time = line.at
                result.rawSize += bytes.count
                visit(line)
            }
        }
        result.end = cursor.checkpoint
        result.notice = cursor.notice
        for file in try segments() {
            let reader = try SegmentReader(file.path, disk: disk)
            let isSealed = try reader.segmentHeader()?.sealed ?? false
            result.segments.append(
                .init(
                    name: lastComponent(file.path), firstSeq: file.firstSeq,
                    size: try reader.file.size(), sealed: isSealed))
        }
        return result
    }

    /// The seq of the last event recorded at or before a moment, 0 if there is none.
    public func seq(at moment: Milliseconds) throws(LedgerError) -> Seq {
        // A segment's header tells when the event before it was recorded.
        var start: Seq = 1
        for file in try segments().reversed() {
            let header = try SegmentReader(file.path, disk: disk).segmentHeader()
            guard let header, header.timeMS > moment else {
                start = file.firstSeq
                break
            }
        }
        let walk = try CommitWalk(self, from: start, readAhead: 4096)
        while case .commit(let header, _) = try walk.next(framed: false) {
            guard header.timeMS > moment else { continue }
            // A sealed frame holds several commits; its lines tell which are early enough.
            var found = header.firstSeq - 1
            let cursor = try LedgerCursor(
                self, after: found, through: header.lastSeq, chained: false)
            while let batch = try cursor.next() {
                for index in 0..<batch.count {
                    guard let line = EventLine(batch[index]), line.at <= moment else {
                        return found
                    }
                    found = line.seq
                }
            }
            return found
        }
        return walk.position.seq
    }

    /// Visits some events, reading only the commits that hold them.
    ///
    /// - Parameter seqs: Which, in order.
    /// - Throws: ``LedgerError`` for damage in what is read.
    public func visit(_ seqs: [Seq], _ body: (EventLine) throws -> Void) throws {
        guard let first = seqs.first else { return }
        let files = try segments()
        var walk = try CommitWalk(self, from: first, readAhead: 4096)
        var wanted = seqs[...]
        var lines = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 16)
        defer { lines.deallocate() }
        while let seq = wanted.first {
            let file = files.last { $0.firstSeq <= seq }
            if let file, file.firstSeq > walk.position.seq + 1 {
                walk = try CommitWalk(self, from: seq, readAhead: 4096)
            }
            guard case .commit(let passed, _) = try walk.next(framed: false) else { return }
            guard passed.lastSeq >= seq else { continue }
            walk.back()
            guard case .commit(let header, let frame) = try walk.next(framed: true) else { return }
            if lines.count < header.rawSize {
                lines.deallocate()
                lines = .allocate(byteCount: max(header.rawSize, 1 << 19), alignment: 16)
            }
            var found: [Range<Int>] = []
            try walk.decode(header, frame, into: lines, chained: false) {
                (range, seq, _) throws(LedgerError) in
                guard seq == wanted.first else { return }
                wanted.removeFirst()
                found.append(range)
            }
            for range in found {
                let line = UnsafeRawBufferPointer(rebasing: lines[range])
                if let event = EventLine(line.assumingMemoryBound(to: UInt8.self)) {
                    try body(event)
                }
            }
        }
    }

    /// Makes the end of the log durable, whoever wrote it, so that a checkpoint never runs ahead of the disk.
    public func syncEnd() throws(LedgerError) {
        guard let last = try segments().last else { return }
        try disk.open(last.path, writing: false, creating: false)?.sync()
    }

    /// When an event was recorded, 0 for seq 0.
    public func time(of seq: Seq) throws(LedgerError) -> Milliseconds {
        guard seq > 0,
            let batch = try LedgerCursor(self, after: seq - 1, through: seq, chained: false).next(),
            let line = EventLine(batch[0])
        else { return 0 }
        return line.at
    }
}
