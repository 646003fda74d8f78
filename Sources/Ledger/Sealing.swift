extension LedgerWriter {
    /// What sealing did.
    public struct Sealed: Sendable {
        public var segments = 0
        public var bytesBefore = 0
        public var bytesAfter = 0
    }

    /// Regroups finished segments into larger, better compressed frames, one segment at a time.
    ///
    /// A segment is replaced only after what was written has been read back and its lines and chain
    /// found equal (I4).
    ///
    /// - Parameter all: Whether the active segment is finished first.
    public func seal(all: Bool) throws(LedgerError) -> Sealed {
        var total = Sealed()
        if all {
            try locked { () throws(LedgerError) in
                let walk = try open()
                if walk.offset > Format.firstCommit { try rotate(walk) }
            }
        }
        for segment in try ledger.segments().dropLast() {
            // The lock is given back between segments, so that nobody waits for more than one.
            let sizes = try locked { () throws(LedgerError) in try seal(segment) }
            guard let sizes else { continue }
            total.segments += 1
            total.bytesBefore += sizes.before
            total.bytesAfter += sizes.after
        }
        return total
    }

    private func seal(_ segment: SegmentFile) throws(LedgerError) -> (before: Int, after: Int)? {
        let source = try SegmentReader(segment.path, disk: ledger.disk)
        guard let header = try source.segmentHeader(), !header.sealed else { return nil }
        var sealed = Regrouping(header)
        let end = try lines(of: segment, named: segment.path) { line, chain, timeMS in
            sealed.add(line, chain: chain, timeMS: timeMS)
        }
        sealed.flush()
        let temporary = segment.path + ".tmp"
        try ledger.disk.remove(temporary)
        guard let file = try ledger.disk.open(temporary, writing: true, creating: true) else {
            return nil
        }
        try file.write(sealed.output, at: 0)
        try file.sync()
        let back = try lines(of: segment, named: temporary) { _, _, _ in }
        guard back == end else {
            throw LedgerError(
                .damaged,
                "the sealed form of \(lastComponent(segment.path)) did not read back equal",
                remedy: "nothing was replaced; check the memory and the disk of this machine.")
        }
        try ledger.disk.rename(temporary, to: segment.path)
        try ledger.disk.syncDirectory(ledger.directory)
        return (try source.file.size(), sealed.output.count)
    }

    /// Visits every line of one segment file with the chain behind it, recomputed.
    private func lines(
        of segment: SegmentFile, named path: String,
        _ visit: (UnsafeRawBufferPointer, Chain, Milliseconds) -> Void
    ) throws(LedgerError) -> Checkpoint {
        let walk = try CommitWalk(ledger, from: segment.firstSeq)
        try walk.restart(at: SegmentFile(path: path, firstSeq: segment.firstSeq))
        let last = try ledger.segments().first { $0.firstSeq > segment.firstSeq }?.firstSeq ?? 0
        while walk.position.seq < last - 1 {
            guard case .commit(let header, let frame) = try walk.next(framed: true) else { break }
            try walk.visitLines(header, frame) { visit($0, $1, header.timeMS) }
        }
        return walk.position
    }
}

/// Gathers lines into sealed frames of about 256 KB.
private struct Regrouping {
    private(set) var output: [UInt8]
    private var raw: [UInt8] = []
    private var first: Seq
    private var events = 0
    private var chain: Chain
    private var timeMS: Milliseconds

    init(_ header: Header) {
        var start = header
        start.sealed = true
        output = Format.emptyFrame + start.encoded
        first = header.firstSeq
        chain = header.chain
        timeMS = header.timeMS
    }

    mutating func add(_ line: UnsafeRawBufferPointer, chain: Chain, timeMS: Milliseconds) {
        if !raw.isEmpty, raw.count + line.count > Format.sealedFrame { flush() }
        raw.append(contentsOf: line)
        events += 1
        self.chain = chain
        self.timeMS = timeMS
    }

    mutating func flush() {
        guard events > 0 else { return }
        output +=
            Header.commit(
                raw, at: first, events: events, timeMS: timeMS, chain: chain, sealed: true
            ).bytes
        first += Seq(events)
        events = 0
        raw.removeAll(keepingCapacity: true)
    }
}
