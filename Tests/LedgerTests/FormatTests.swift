import Foundation
import Ledger
import TestSupport
import Testing

@Suite("The format, to the byte")
struct FormatTests {
    @Test("FORMAT is written once, as the page says")
    func formatFile() throws {
        let disk = MemoryDisk()
        _ = try TestLedger(on: disk)

        #expect(disk["/ledger/FORMAT"] == Array(TestLedger.format.utf8))
        #expect(try !Ledger.create("/ledger", id: "another", disk: disk))
        #expect(disk["/ledger/FORMAT"] == Array(TestLedger.format.utf8))
    }

    @Test("A segment begins with the empty frame and its header")
    func segmentHeader() throws {
        let disk = MemoryDisk()
        try TestLedger(on: disk).append([2])
        let bytes = try #require(disk["/ledger/000000000001.lz4"])

        #expect(bytes.prefix(15).hex == "04224d186440a700000000055dcc02")
        #expect(Array(bytes[15..<19]) == [0x5E, 0x2A, 0x4D, 0x18])
        #expect(number(bytes, 19, 4) == 88)
        #expect(String(decoding: bytes[23..<27], as: UTF8.self) == "NRS1")
        #expect(number(bytes, 27, 4) == 1)
        #expect(number(bytes, 31, 8) == 1)
        #expect(bytes[39..<67].allSatisfy { $0 == 0 }, "events, raw, frame, sum and time are zero")
        #expect(Array(bytes[67..<99]) == SHA256.digest(Array(TestLedger.format.utf8)).bytes)
        #expect(number(bytes, 99, 4) == 0)
        #expect(
            Array(bytes[103..<111]) == Array(SHA256.digest(Array(bytes[15..<103])).bytes.prefix(8)))
    }

    @Test("A later segment begins with the time and the chain of the event before")
    func laterSegment() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([2, 1])
        try test.beginSegment()
        let end = try read(test.ledger()).end
        let bytes = try #require(disk["/ledger/000000000004.lz4"])

        #expect(bytes.count == firstCommit)
        #expect(number(bytes, 31, 8) == 4)
        #expect(number(bytes, 59, 8) == UInt64(TestLedger.now))
        #expect(Array(bytes[67..<99]) == end.chain.bytes)
    }

    @Test("A commit is a header and one frame, with every field in its place")
    func commitHeader() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([2])
        let lines = try read(test.ledger()).lines
        let bytes = try #require(disk["/ledger/000000000001.lz4"])
        let commit = Array(bytes[firstCommit...])
        let frame = Array(commit[96...])

        #expect(
            lines.first
                == #"{"seq":1,"at":"2026-11-22T10:00:00.000Z","type":"test.noted","v":1,"stream":"test:stream","run":"01JD9Z0000000000000000TEST","cause":null,"data":{"n":1,"text":"bPBajO4lkeDNK9Bf09HX"}}"#
                + "\n")
        #expect(Array(commit[0..<4]) == [0x5E, 0x2A, 0x4D, 0x18])
        #expect(number(commit, 4, 4) == 88)
        #expect(String(decoding: commit[8..<12], as: UTF8.self) == "NRC1")
        #expect(number(commit, 12, 4) == 1)
        #expect(number(commit, 16, 8) == 1)
        #expect(number(commit, 24, 4) == 2)
        #expect(number(commit, 28, 4) == UInt64(lines.joined().utf8.count))
        #expect(number(commit, 32, 4) == UInt64(frame.count))
        #expect(Array(commit[36..<44]) == Array(SHA256.digest(frame).bytes.prefix(8)))
        #expect(number(commit, 44, 8) == UInt64(TestLedger.now))
        #expect(Array(commit[52..<84]) == chains(of: lines)[2].chain.bytes)
        #expect(number(commit, 84, 4) == 0)
        #expect(
            Array(commit[88..<96]) == Array(SHA256.digest(Array(commit[0..<88])).bytes.prefix(8)))
        // LZ4 frame: magic, then version 01, independent blocks, content size, content checksum; 64 KB.
        #expect(frame.prefix(4).hex == "04224d18")
        #expect(frame[4] == 0b0110_1100)
        #expect(frame[5] == 0x40)
        #expect(number(frame, 6, 8) == UInt64(lines.joined().utf8.count))
    }

    @Test("The same events give the same bytes")
    func golden() throws {
        let disk = MemoryDisk()
        try TestLedger(on: disk).append([1, 3, 2], close: true)
        let bytes = try #require(disk["/ledger/000000000001.lz4"])
        let head = try #require(disk["/ledger/HEAD"])

        #expect(SHA256.digest(bytes).description == Self.goldenSegment)
        #expect(String(decoding: head, as: UTF8.self) == Self.goldenHead)
    }

    // Short lines with nothing to match are stored by every version of LZ4 in the same way.
    static let goldenSegment = "cbf584c643352cde878b7d1c4a96997e4a6ae9043a76b70a14708b7fbdf17bdd"
    static let goldenHead =
        #"{"seq":6,"chain":"a06d3dba7004f4ee925d5de72ace781f730b789fd1bd057f910acfd47913f27f"}"#
        + "\n"

    @Test("The chain is SHA-256 over the lines, whoever appended them")
    func chain() throws {
        let test = try TestLedger().append([1, 3])
        try test.append([2], close: true)

        let reading = try read(test.ledger())

        #expect(reading.lines.count == 6)
        #expect(reading.end == chains(of: reading.lines)[6])
        #expect(try test.ledger().head()?.checkpoint == reading.end)
        #expect(try test.ledger().verify().end == reading.end)
        // Negative control: one altered letter gives another chain.
        var altered = reading.lines
        altered[2] = altered[2].replacingOccurrences(of: "\"n\":3", with: "\"n\":4")
        #expect(reading.end != chains(of: altered)[6])
    }

    @Test(
        "lz4 and five lines of Python read the ledger and come to the same chain",
        .enabled(if: toolsExist))
    func foreignReader() throws {
        let folder = try TemporaryFolder()
        let test = try TestLedger(on: SystemDisk(), in: folder.file("ledger")).append(
            [1, 3], close: true)
        try test.beginSegment()
        try test.append([2], size: 70_000)
        let reading = try read(test.ledger())

        let lines = try shell("cat ledger/*.lz4 | /usr/bin/lz4 -dc", in: folder.path)
        let chain = try shell(Self.chainScript, in: folder.path)

        #expect(lines == reading.lines.joined())
        #expect(chain == "\(reading.end.chain)\n")
        // Negative control: a byte more in FORMAT gives another hash.
        try Data((TestLedger.format + " ").utf8).write(
            to: URL(fileURLWithPath: test.path("FORMAT")))
        #expect(try shell(Self.chainScript, in: folder.path) != chain)
    }

    static let chainScript = """
        cat ledger/*.lz4 | /usr/bin/lz4 -dc | python3 -c 'import hashlib,sys
        h=hashlib.sha256(open("ledger/FORMAT","rb").read()).digest()
        for l in sys.stdin.buffer: h=hashlib.sha256(h+l).digest()
        print(h.hex())'
        """

    @Test(
        "A ledger for a newer reader, or none, is refused by name",
        arguments: [
            (
                #"{"format":"narada-ledger","version":2,"min_reader":2}"#,
                LedgerError.Code.formatUnknown
            ),
            (#"{"format":"other","version":1,"min_reader":1}"#, .formatUnknown),
            (#"{"format":"narada-ledger"}"#, .formatUnknown),
            ("", .formatUnknown),
        ])
    func unknownFormat(format: String, code: LedgerError.Code) {
        let disk = MemoryDisk(["/ledger/FORMAT": Array(format.utf8)])

        #expect(ledgerFailure { _ = try Ledger("/ledger", disk: disk) } == code)
        #expect(ledgerFailure { _ = try Ledger("/nowhere", disk: disk) } == .noLedger)
    }

    @Test("A later format version that this reader may read is read")
    func laterVersion() throws {
        let format =
            #"{"format":"narada-ledger","version":2,"min_reader":1,"ledger_id":"x"}"# + "\n"
        let disk = MemoryDisk(["/ledger/FORMAT": Array(format.utf8)])
        let test = try TestLedger(on: disk).append([2])

        let reading = try read(test.ledger())

        #expect(reading.end == chains(of: reading.lines, format: format)[2])
    }

    @Test("Segments without FORMAT are not made a new ledger of")
    func lostFormat() throws {
        let disk = MemoryDisk()
        try TestLedger(on: disk).append([1])
        disk["/ledger/FORMAT"] = nil

        #expect(
            ledgerFailure { _ = try Ledger.create("/ledger", id: "x", disk: disk) }
                == .formatUnknown)
    }
}

private let toolsExist =
    FileManager.default.isExecutableFile(atPath: "/usr/bin/lz4")
    && (try? shell("python3 -c 'print(1)'", in: "/")) == "1\n"

/// What a shell script says.
private func shell(_ script: String, in folder: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", script]
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: output, as: UTF8.self)
}
