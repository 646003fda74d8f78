private import Glibc
internal import JSONText

/// Walks over the commits of a ledger in order, from segment to segment, and stands still at the end.
///
/// The same walk goes on when the log has grown, so a writer keeps one to take in what others appended.
final class CommitWalk {
    let ledger: Ledger
    private let decoder = FrameDecoder()
    private(set) var segment: SegmentFile?
    private(set) var reader: SegmentReader?
    /// Behind the last commit that was passed.
    private(set) var offset = Format.firstCommit
    private(set) var position: Checkpoint
    private(set) var timeMS: Milliseconds = 0
    /// The chain of the commit just passed, before it: where a check of its lines begins.
    private(set) var before: Checkpoint
    private(set) var isSealed = false
    /// Where the last commit that was passed begins.
    private(set) var previousOffset = Format.firstCommit

    private let readAhead: Int

    /// Starts before the first commit of the segment that holds an event, or of the first segment.
    init(_ ledger: Ledger, from seq: Seq = 1, readAhead: Int = 1 << 20) throws(LedgerError) {
        self.ledger = ledger
        self.readAhead = readAhead
        position = ledger.origin
        before = ledger.origin
        let segments = try ledger.segments()
        guard let start = segments.last(where: { $0.firstSeq <= max(seq, 1) }) ?? segments.first
        else { return }
        let isFirst = start.firstSeq == 1
        if !isFirst, start == segments.first { throw gap(after: 0, before: start) }
        try enter(start, chain: isFirst ? ledger.origin.chain : nil)
    }

    /// Stands behind a commit whose place is known already.
    func stand(at offset: Int, _ position: Checkpoint, timeMS: Milliseconds) {
        previousOffset = self.offset
        before = self.position
        self.offset = offset
        self.position = position
        self.timeMS = timeMS
    }

    /// Whether a file still holds what was passed last: after a repair others may have appended other events.
    func stands(in reader: SegmentReader) throws(LedgerError) -> Bool {
        guard offset > Format.firstCommit else {
            return try reader.segmentHeader()?.chain == position.chain
        }
        // A cut file may be shorter now than this place, or hold another commit there.
        let step = try reader.step(at: previousOffset, expecting: nil, framed: false)
        guard case .commit(let header, _) = step else { return false }
        return header.chain == position.chain
    }

    /// Goes over to a segment that was begun behind the last commit.
    func restart(at segment: SegmentFile) throws(LedgerError) {
        try enter(segment, chain: position.chain)
    }

    /// Passes the commit at a remembered place if it is the one that ends at a position.
    ///
    /// The header's chain tells; a place alone could be right in another history, too.
    ///
    /// - Returns: False, and nothing is changed, if it is not.
    func jump(to place: Int, _ checkpoint: Checkpoint) throws(LedgerError) -> Bool {
        guard let reader, let segment, checkpoint.seq >= segment.firstSeq,
            place >= Format.firstCommit,
            case .commit(let header, _) = try reader.step(at: place, expecting: nil, framed: false),
            header.lastSeq == checkpoint.seq, header.chain == checkpoint.chain
        else { return false }
        previousOffset = place
        offset = place + Format.headerSize + header.frameSize
        position = checkpoint
        before = checkpoint
        timeMS = header.timeMS
        return true
    }

    /// Goes back before the commit just passed.
    func back() {
        guard position.seq > before.seq else { return }
        offset = previousOffset
        position = before
    }

    /// Passes the next commit.
    ///
    /// - Returns: The commit with its frame (empty unless `framed`), valid until the next call; `end` at
    ///   the whole end of the log; `broken` where the last segment does not go on as it should.
    /// - Throws: `ledger-damaged` for a fault in an earlier segment or between segments.
    func next(framed: Bool) throws(LedgerError) -> SegmentReader.Step {
        while true {
            guard let reader, let segment else {
                guard let first = try ledger.segments().first else { return .end }
                try enter(first, chain: ledger.origin.chain)
                continue
            }
            let step = try reader.step(at: offset, expecting: position.seq + 1, framed: framed)
            switch step {
            case .commit(let header, _):
                before = position
                previousOffset = offset
                offset += Format.headerSize + header.frameSize
                position = Checkpoint(seq: header.lastSeq, chain: header.chain)
                timeMS = header.timeMS
                return step
            case .end:
                reader.refresh()
                let later = try ledger.segments().first { $0.firstSeq > segment.firstSeq }
                guard let later else { return .end }
                // Between our look and the rotation the file may have got its last commits.
                if try reader.file.size() > offset { continue }
                guard later.firstSeq == position.seq + 1 else {
                    throw gap(after: position.seq, before: later)
                }
                try enter(later, chain: position.chain)
            case .broken:
                // First the list, then another look: a segment that is not the last one is finished.
                let isLast = try ledger.segments().last == segment
                reader.refresh()
                let again = try reader.step(at: offset, expecting: position.seq + 1, framed: framed)
                guard case .broken = again else { continue }
                if !isLast { throw damage("a commit does not verify") }
                return .broken
            }
        }
    }

    /// Decompresses the commit just passed and checks its lines.
    ///
    /// - Parameters:
    ///   - output: Where the lines go; at least `header.rawSize` bytes.
    ///   - chained: Whether the chain is recomputed over the lines.
    ///   - line: Gets each line's range in `output` and, if chained, the chain behind it.
    func decode(
        _ header: Header, _ frame: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer, chained: Bool,
        line: (Range<Int>, Seq, Chain) throws(LedgerError) -> Void
    ) throws(LedgerError) {
        let place = UnsafeMutableRawBufferPointer(rebasing: output[0..<header.rawSize])
        guard decoder.decode(frame, into: place) else {
            throw damage("a frame does not decompress")
        }
        var chain = before.chain
        var seq = header.firstSeq
        var start = 0
        while start < header.rawSize, let base = output.baseAddress {
            guard let newline = memchr(base + start, 0x0A, header.rawSize - start) else { break }
            let end = base.distance(to: UnsafeMutableRawPointer(newline)) + 1
            if chained { chain = chain.extended(by: .init(rebasing: output[start..<end])) }
            try line(start..<end, seq, chain)
            seq += 1
            start = end
        }
        guard start == header.rawSize, seq == header.lastSeq + 1, !chained || chain == header.chain
        else { throw damage("the lines of a commit do not lead to its chain") }
    }

    /// Checks the lines of the commit just passed and visits them, each with the chain behind it.
    func visitLines(
        _ header: Header, _ frame: UnsafeRawBufferPointer,
        _ visit: (UnsafeRawBufferPointer, Chain) -> Void = { _, _ in }
    ) throws(LedgerError) {
        let place = UnsafeMutableRawBufferPointer.allocate(byteCount: header.rawSize, alignment: 16)
        defer { place.deallocate() }
        let lines = UnsafeRawBufferPointer(place)
        try decode(header, frame, into: place, chained: true) {
            (range, _, chain) throws(LedgerError) in visit(.init(rebasing: lines[range]), chain)
        }
    }

    /// The error for a fault at the place of the walk.
    func damage(_ what: String, through last: Seq? = nil, _ code: LedgerError.Code = .damaged)
        -> LedgerError
    {
        let file = (segment?.path).map(lastComponent) ?? "?"
        let seq = position.seq + 1
        let range =
            last.map { $0 > seq ? "events \(seq) to \($0)" : "event \(seq)" }
            ?? "events from \(seq) on"
        let streams = taintedStreams()
        return LedgerError(
            code,
            "\(what) in segment \(file) at byte \(offset): \(range) cannot be trusted"
                + (streams.isEmpty ? "" : " (on \(streams.joined(separator: ", ")))")
                + (position.seq > 0 ? ", 1 to \(position.seq) are sound" : ""),
            remedy: "bring the segment back from a copy, or give up what is behind it with "
                + "`narada-cmd repair --discard-from \(seq)`.")
    }

    /// What the damaged commit was about, as far as its remains tell.
    private func taintedStreams() -> [String] {
        guard let tail = try? reader?.file.bytes(from: offset + Format.headerSize, count: 1 << 20)
        else { return [] }
        let lines = tail.withUnsafeBytes { Frame.salvage($0) }
        var streams: [String] = []
        for line in lines.split(separator: 0x0A) {
            let name = Array(line + [0x0A]).withUnsafeBufferPointer { EventLine($0)?.streamName }
            if let name, StreamName(name) != nil, !streams.contains(name) { streams.append(name) }
            if streams.count == 8 { return streams + ["…"] }
        }
        return streams
    }

    private func gap(after seq: Seq, before later: SegmentFile) -> LedgerError {
        LedgerError(
            .dataLost,
            "events \(seq + 1) to \(later.firstSeq - 1) are missing before segment "
                + lastComponent(later.path), remedy: "bring the missing segments back from a copy.")
    }

    private func enter(_ next: SegmentFile, chain: Chain?) throws(LedgerError) {
        let opened = try SegmentReader(next.path, disk: ledger.disk, readAhead: readAhead)
        segment = next
        reader = opened
        offset = 0
        position = Checkpoint(seq: next.firstSeq - 1, chain: chain ?? position.chain)
        guard let header = try opened.segmentHeader(), header.firstSeq == next.firstSeq else {
            throw damage("the segment's header does not verify")
        }
        if let chain, chain != header.chain {
            throw damage("the chain does not go on from the segment before")
        }
        position = Checkpoint(seq: next.firstSeq - 1, chain: header.chain)
        before = position
        timeMS = header.timeMS
        isSealed = header.sealed
        offset = Format.firstCommit
        previousOffset = offset
    }
}

func lastComponent(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
}
