import Ledger
import TestSupport
import Testing

/// A second writer, made from the format page alone: it compresses nothing and shares no code.
struct ForeignWriter {
    /// How a commit differs from what the page says.
    struct Lie {
        var version: UInt64 = 1
        var firstSeq: Seq?
        var events: UInt64?
        var rawSize: UInt64?
        var reserved: UInt64 = 0
        var chain: Digest?
        var kind = "NRC1"
        var frame: (([UInt8]) -> [UInt8])?
    }

    private(set) var segment: [UInt8]
    private(set) var chain = SHA256.digest(Array(TestLedger.format.utf8))
    private(set) var seq: Seq = 0

    init() {
        segment = [4, 0x22, 0x4D, 0x18, 0x64, 0x40, 0xA7, 0, 0, 0, 0, 5, 0x5D, 0xCC, 2]
        segment += Self.header("NRS1", 1, first: 1, 0, 0, frame: nil, time: 0, chain)
    }

    /// Appends a commit; each line is given the seq and the time that it is to have.
    mutating func commit(_ lines: [String], time: Milliseconds = TestLedger.now, lie: Lie = Lie()) {
        let raw = Array(lines.joined().utf8)
        for line in lines { chain = SHA256.digest(chain.bytes + Array(line.utf8)) }
        // Version 01, independent blocks, no sizes; 64 KB; one block as it is; the end.
        var frame: [UInt8] = [4, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82]
        frame += Self.little(UInt64(raw.count) | 1 << 31, 4) + raw + [0, 0, 0, 0]
        frame = lie.frame?(frame) ?? frame
        segment += Self.header(
            lie.kind, lie.version, first: lie.firstSeq ?? seq + 1,
            lie.events ?? UInt64(lines.count),
            lie.rawSize ?? UInt64(raw.count), frame: frame, time: time, lie.chain ?? chain,
            lie.reserved)
        segment += frame
        seq += Seq(lines.count)
    }

    private static func header(
        _ kind: String, _ version: UInt64, first: Seq, _ events: UInt64, _ raw: UInt64,
        frame: [UInt8]?,
        time: Milliseconds, _ chain: Digest, _ reserved: UInt64 = 0
    ) -> [UInt8] {
        var bytes = little(0x184D_2A5E, 4) + little(88, 4) + Array(kind.utf8) + little(version, 4)
        bytes +=
            little(UInt64(first), 8) + little(events, 4) + little(raw, 4)
            + little(UInt64(frame?.count ?? 0), 4)
        bytes +=
            frame.map { Array(SHA256.digest($0).bytes.prefix(8)) }
            ?? [UInt8](repeating: 0, count: 8)
        bytes += little(UInt64(time), 8) + chain.bytes + little(reserved, 4)
        return bytes + SHA256.digest(bytes).bytes.prefix(8)
    }

    private static func little(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
}

@Suite("A ledger that somebody else wrote")
struct ForeignWriterTests {
    private func line(_ seq: Seq, at time: Milliseconds = TestLedger.now) -> String {
        String(decoding: event(Int(seq)).line(seq: seq, at: time, run: "other"), as: UTF8.self)
    }

    private func ledger(_ writer: ForeignWriter) throws -> TestLedger {
        try TestLedger(
            on: MemoryDisk([
                "/ledger/FORMAT": Array(TestLedger.format.utf8),
                "/ledger/000000000001.lz4": writer.segment,
            ]))
    }

    @Test("What the page describes is read, verified, written behind and sealed")
    func written() throws {
        var writer = ForeignWriter()
        writer.commit([line(1), line(2)])
        writer.commit([line(3)])
        let test = try ledger(writer)

        #expect(try read(test.ledger()).lines == [line(1), line(2), line(3)])
        #expect(try test.ledger().verify().end == Checkpoint(seq: 3, chain: writer.chain))
        try test.append([2])
        _ = try test.writer().seal(all: true)
        let lines = try read(test.ledger()).lines
        #expect(lines.count == 5)
        #expect(try test.ledger().verify().end == chains(of: lines)[5])
    }

    @Test(
        "A commit that says anything else than its lines is refused, though all its sums agree",
        arguments: [
            "another version", "a seq too far", "a seq too few", "an event too many",
            "an event too few", "no events",
            "a byte too many", "a byte too few", "more than 64 MB",
            "something in the reserved field", "another chain",
            "a segment's header", "a block too long", "no end mark", "two frames",
        ])
    func lies(kind: String) throws {
        var lie = ForeignWriter.Lie()
        let size = UInt64(line(3).utf8.count + line(4).utf8.count)
        switch kind {
        case "another version": lie.version = 2
        case "a seq too far": lie.firstSeq = 4
        case "a seq too few": lie.firstSeq = 2
        case "an event too many": lie.events = 3
        case "an event too few": lie.events = 1
        case "no events": lie.events = 0
        case "a byte too many": lie.rawSize = size + 1
        case "a byte too few": lie.rawSize = size - 1
        case "more than 64 MB": lie.rawSize = (64 << 20) + 1
        case "something in the reserved field": lie.reserved = 1
        case "another chain": lie.chain = SHA256.digest([1])
        case "a segment's header": lie.kind = "NRS1"
        case "a block too long": lie.frame = { $0.prefix(7) + [0xFF, 0xFF] + $0[9...] }
        case "no end mark": lie.frame = { $0.dropLast(4) }
        default: lie.frame = { $0 + $0 }
        }
        var writer = ForeignWriter()
        writer.commit([line(1), line(2)])
        writer.commit([line(3), line(4)], lie: lie)
        let test = try ledger(writer)

        #expect(ledgerFailure { _ = try read(test.ledger()) } == .damaged)
        #expect(ledgerFailure { _ = try test.ledger().verify() } == .damaged)
        #expect(ledgerFailure { _ = try test.writer().refresh() } == .damaged)
    }

    @Test("Lines of another seq, of a time that goes back or of no format are found by verify")
    func linesThatLie() throws {
        for wrong in [line(4), line(3, at: TestLedger.now - 1), "{}\n", "\n"] {
            var writer = ForeignWriter()
            writer.commit([line(1), line(2)])
            writer.commit([wrong])

            #expect(
                ledgerFailure { _ = try ledger(writer).ledger().verify() } == .damaged, "\(wrong)")
        }
    }

    @Test("A last line without its end is no line")
    func openLine() throws {
        var writer = ForeignWriter()
        writer.commit([line(1)])
        writer.commit([String(line(2).dropLast())])
        #expect(ledgerFailure { _ = try read(ledger(writer).ledger()) } == .damaged)
    }

    @Test("A commit that runs on into the one behind it is damage")
    func shortFrame() throws {
        var writer = ForeignWriter()
        writer.commit([line(1)])
        let cut = writer.segment.count
        writer.commit([line(2)])
        writer.commit([line(3)])
        var bytes = writer.segment
        bytes.removeSubrange(cut + 110..<cut + 120)
        let disk = MemoryDisk([
            "/ledger/FORMAT": Array(TestLedger.format.utf8), "/ledger/000000000001.lz4": bytes,
        ])
        #expect(ledgerFailure { _ = try read(TestLedger(on: disk).ledger()) } == .damaged)
    }
}
