/// The format of the log, version 1. `docs/ledger-format.md` says the same for people.
///
/// A segment is an empty LZ4 frame, a segment header and commits. A header is a skippable LZ4 frame of
/// 96 bytes, little-endian:
///
///     0   4  magic 0x184D2A5E        36  8  first 8 bytes of SHA-256(frame)
///     4   4  88                      44  8  recorded time, ms since 1970 UTC
///     8   4  NRC1 or NRS1            52 32  chain after the last event
///     12  4  version 1, bit 31 sealed       (segment header: before the first)
///     16  8  first seq               84  4  zero
///     24  4  events                  88  8  first 8 bytes of SHA-256(bytes 0–87)
///     28  4  raw bytes
///     32  4  frame bytes
///
/// A commit is valid when its header's sum agrees, its first seq follows the one before, the frame is
/// there whole with its sum, and the lines lead from the chain before to the chain in the header.
enum Format {
    static let headerSize = 96
    static let magic: UInt32 = 0x184D_2A5E
    static let commit: UInt32 = 0x3143_524E  // "NRC1"
    static let segment: UInt32 = 0x3153_524E  // "NRS1"
    static let sealedBit: UInt32 = 1 << 31
    static let emptyFrame: [UInt8] = [
        0x04, 0x22, 0x4D, 0x18, 0x64, 0x40, 0xA7, 0, 0, 0, 0, 0x05, 0x5D, 0xCC, 0x02,
    ]
    /// Where the first commit of a segment stands.
    static let firstCommit = emptyFrame.count + headerSize

    static let maxEvent = 16 << 20
    static let maxCommit = 64 << 20
    static let rotateAt = 16 << 20
    static let sealedFrame = 256 << 10
    static let headEvery = 256
}

/// The header of a segment or of a commit.
struct Header: Equatable {
    var kind: UInt32
    var sealed = false
    var firstSeq: Seq
    var events = 0
    var rawSize = 0
    var frameSize = 0
    var frameSum: UInt64 = 0
    var timeMS: Int64
    var chain: Chain

    var lastSeq: Seq { firstSeq + Seq(events) - 1 }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Format.headerSize)
        func put<each T: FixedWidthInteger>(_ value: repeat each T) {
            repeat withUnsafeBytes(of: (each value).littleEndian) { bytes.append(contentsOf: $0) }
        }
        put(Format.magic, UInt32(88), kind, UInt32(1) | (sealed ? Format.sealedBit : 0), firstSeq)
        put(UInt32(events), UInt32(rawSize), UInt32(frameSize), frameSum, timeMS)
        bytes += chain.bytes
        put(UInt32(0))
        put(SHA256.digest(bytes).prefix)
        return bytes
    }
}

extension Header {
    /// Reads a header; nil unless every field is possible and the sum agrees.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Format.headerSize else { return nil }
        func get<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        let version = get(12, UInt32.self)
        kind = get(8, UInt32.self)
        guard get(0, UInt32.self) == Format.magic, get(4, UInt32.self) == 88,
            kind == Format.commit || kind == Format.segment, version & ~Format.sealedBit == 1,
            get(84, UInt32.self) == 0,
            get(88, UInt64.self) == SHA256.digest(.init(rebasing: bytes[0..<88])).prefix
        else { return nil }
        sealed = version & Format.sealedBit != 0
        firstSeq = get(16, Seq.self)
        events = Int(get(24, UInt32.self))
        rawSize = Int(get(28, UInt32.self))
        frameSize = Int(get(32, UInt32.self))
        frameSum = get(36, UInt64.self)
        timeMS = get(44, Int64.self)
        chain = Digest(.init(rebasing: bytes[52..<84]))
        let possible =
            kind == Format.segment
            ? events == 0 && rawSize == 0 && frameSize == 0
            : events > 0 && rawSize > 0 && rawSize <= Format.maxCommit && frameSize > 0
                && frameSize <= Format.maxCommit + (1 << 20)
        guard possible, firstSeq > 0, firstSeq < 1 << 40 else { return nil }
    }

    /// Makes a commit of whole lines: its header, and all that is written.
    static func commit(
        _ lines: [UInt8], at seq: Seq, events: Int, timeMS: Milliseconds, chain: Chain, sealed: Bool
    ) -> (header: Header, bytes: [UInt8]) {
        let frame = lines.withUnsafeBytes { Frame.compress($0, sealed: sealed) }
        let header = Header(
            kind: Format.commit, sealed: sealed, firstSeq: seq, events: events,
            rawSize: lines.count, frameSize: frame.count, frameSum: SHA256.digest(frame).prefix,
            timeMS: timeMS, chain: chain)
        return (header, header.encoded + frame)
    }
}
