/// A segment file: its path, and the first seq that its name tells.
struct SegmentFile: Equatable {
    let path: String
    let firstSeq: Seq

    static func name(_ firstSeq: Seq) -> String {
        let digits = String(firstSeq)
        return String(repeating: "0", count: 12 - digits.count) + digits + ".lz4"
    }
}

/// Reads one segment file, header by header, through a window that is read ahead.
final class SegmentReader {
    let file: any DiskFile
    private let readAhead: Int
    private var knownSize = 0
    private var window = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 16)
    private var windowStart = 0
    private var windowCount = 0

    /// - Parameter readAhead: Bytes that are read at least: many for who wants all, few for who looks here and there.
    init(_ path: String, disk: any Disk, readAhead: Int = 4096) throws(LedgerError) {
        guard let file = try disk.open(path, writing: false, creating: false) else {
            throw LedgerError(
                .damaged, "the segment \(path) is missing",
                remedy: "bring it back from a copy; `narada log stat` shows what is there.")
        }
        self.file = file
        self.readAhead = readAhead
    }

    deinit { window.deallocate() }

    /// The header of the segment itself; nil unless the empty frame and the header stand there whole.
    func segmentHeader() throws(LedgerError) -> Header? {
        guard let bytes = try view(at: 0, count: Format.firstCommit),
            bytes.prefix(Format.emptyFrame.count).elementsEqual(Format.emptyFrame),
            let header = Header(.init(rebasing: bytes.dropFirst(Format.emptyFrame.count))),
            header.kind == Format.segment
        else { return nil }
        return header
    }

    enum Step {
        case commit(Header, frame: UnsafeRawBufferPointer)
        case end
        case broken
    }

    /// Looks at what stands at an offset where a commit may begin.
    ///
    /// - Parameters:
    ///   - seq: The first seq that the commit must have; nil for any.
    ///   - framed: Whether the frame is wanted; else its bytes are neither read nor summed.
    func step(at offset: Int, expecting seq: Seq?, framed: Bool) throws(LedgerError) -> Step {
        guard let head = try view(at: offset, count: Format.headerSize) else {
            return try file.size() > offset ? .broken : .end
        }
        guard let header = Header(head), header.kind == Format.commit,
            header.firstSeq == seq ?? header.firstSeq
        else { return .broken }
        let frameAt = offset + Format.headerSize
        guard framed else {
            let end = frameAt + header.frameSize
            if knownSize < end { knownSize = try file.size() }
            return knownSize >= end ? .commit(header, frame: .init(start: nil, count: 0)) : .broken
        }
        guard let frame = try view(at: frameAt, count: header.frameSize),
            SHA256.digest(frame).prefix == header.frameSum
        else { return .broken }
        return .commit(header, frame: frame)
    }

    /// The bytes from an offset to the end of the file.
    func tail(from offset: Int) throws(LedgerError) -> [UInt8] {
        try file.bytes(from: offset, count: try file.size() - offset)
    }

    /// Forgets what was read ahead, for a file that has grown.
    func refresh() {
        windowCount = 0
        knownSize = 0
    }

    private func view(at offset: Int, count: Int) throws(LedgerError) -> UnsafeRawBufferPointer? {
        if offset < windowStart || offset + count > windowStart + windowCount {
            let wanted = max(count, readAhead)
            if window.count < wanted {
                window.deallocate()
                window = .allocate(byteCount: wanted, alignment: 16)
            }
            windowStart = offset
            windowCount = 0
            guard let base = window.baseAddress else { return nil }
            // A short read of a file that grows beside us is made again at the next look.
            windowCount = try file.read(at: offset, into: base, count: wanted)
            if windowCount < count { return nil }
        }
        let start = offset - windowStart
        return .init(rebasing: window[start..<start + count])
    }
}
