import Foundation
import Ledger
import TestSupport
import Testing

@Suite("Sealing and rotation")
struct SealingTests {
    /// Two finished segments of many small commits and an active one, unsealed.
    private func prepared() throws -> (disk: MemoryDisk, test: TestLedger, writer: LedgerWriter) {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk)
        try test.append(Array(repeating: 3, count: 40))
        try test.beginSegment()
        try test.append([1, 200, 1], size: 3000)
        try test.beginSegment()
        try test.append([1, 1])
        return (disk, test, try test.writer())
    }

    @Test("Lines and chain are the same, all headers say sealed, and it is smaller")
    func sealing() throws {
        let (disk, test, writer) = try prepared()
        let before = try read(test.ledger())
        let files = disk.files

        let sealed = try writer.seal(all: true)

        #expect(sealed.segments == 3)
        #expect(sealed.bytesAfter < sealed.bytesBefore)
        #expect(try read(test.ledger()) == before)
        #expect(try test.ledger().verify().segments.map(\.sealed) == [true, true, true, false])
        for (path, bytes) in disk.files where path.hasSuffix(".lz4") && bytes.count > firstCommit {
            let places = Place.all(in: bytes)
            #expect(places.allSatisfy(\.sealed) && number(bytes, 27, 4) >> 31 == 1)
            #expect(bytes.count < files[path]?.count ?? 0, "\(path)")
            #expect(places.last?.end == bytes.count)
            #expect(Array(bytes[67..<99]) == Array(files[path]?[67..<99] ?? []), "the chain before")
            #expect(
                places.last?.chain == Place.all(in: files[path] ?? []).last?.chain,
                "the chain behind")
            #expect(
                places.allSatisfy {
                    number(bytes, $0.offset + 28, 4) <= 256 << 10 || $0.events == 1
                })
        }
        let large = try #require(disk["/ledger/000000000121.lz4"])
        #expect(Place.all(in: large).count == 3, "600 KB of lines in frames of 256 KB")
    }

    @Test("A sealed segment that says something else is noticed: the negative control")
    func sealingGoneWrong() throws {
        let (disk, test, writer) = try prepared()
        _ = try writer.seal(all: false)
        // A sealing that drops the last frame of a segment.
        let path = "/ledger/000000000121.lz4"
        let bytes = try #require(disk[path])
        let last = try #require(Place.all(in: bytes).last)
        disk[path] = Array(bytes[..<last.offset])

        #expect(ledgerFailure { _ = try read(test.ledger()) } == .dataLost)
    }

    @Test("Sealing again does nothing, and appending goes on")
    func sealingAgain() throws {
        let (disk, test, writer) = try prepared()
        _ = try writer.seal(all: true)
        let files = disk.files.filter { $0.key.hasSuffix(".lz4") }

        #expect(try writer.seal(all: true).segments == 0)
        #expect(try test.writer().seal(all: false).segments == 0)
        #expect(disk.files.filter { $0.key.hasSuffix(".lz4") } == files)

        let end = try writer.refresh().seq
        #expect(try writer.append([event(1)]) == end + 1...end + 1)
        #expect(try test.writer().append([event(2)]) == end + 2...end + 2)
        #expect(try test.ledger().verify().end.seq == end + 2)
    }

    @Test("Without `all` the active segment stays as it is")
    func activeStays() throws {
        let (disk, _, writer) = try prepared()
        let active = "/ledger/000000000323.lz4"
        let before = try #require(disk[active])

        #expect(try writer.seal(all: false).segments == 2)
        #expect(disk[active] == before)
    }

    @Test("A reader in the middle of a segment goes on while it is sealed")
    func openReader() throws {
        let (_, test, writer) = try prepared()
        let before = try read(test.ledger()).lines
        let cursor = try LedgerCursor(test.ledger())
        var lines: [String] = []
        var isSealed = false
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                lines.append(String(decoding: batch[index], as: UTF8.self))
            }
            if !isSealed { #expect(try writer.seal(all: true).segments == 3) }
            isSealed = true
        }

        #expect(lines == before)
    }

    @Test("Sealing that fails at any call leaves lines and chain as they were")
    func failingSealing() throws {
        let (source, test, _) = try prepared()
        let before = try read(test.ledger())
        for failing in 0..<100 {
            let memory = MemoryDisk(source.files)
            var count = 0
            let disk = FaultDisk(memory) { call in
                if case .read = call { return nil }
                count += 1
                return count > failing ? .fails(ENOSPC) : nil
            }
            _ = try? TestLedger(on: disk).writer().seal(all: true)

            let after = try TestLedger(on: memory)
            #expect(try read(after.ledger()) == before, "call \(failing)")
            _ = try after.writer().refresh()
            #expect(!memory.files.keys.contains { $0.hasSuffix(".tmp") })
        }
    }

    @Test(
        "A leftover temporary file is removed by the next writer",
        arguments: [
            "000000000001.lz4.tmp", "000000000999.lz4.tmp", "HEAD.tmp",
        ])
    func leftover(name: String) throws {
        let (disk, test, _) = try prepared()
        disk["/ledger/" + name] = [1, 2, 3]
        let before = try read(test.ledger())

        _ = try test.writer().refresh()

        #expect(disk["/ledger/" + name] == nil)
        #expect(try read(test.ledger()) == before)
    }

    @Test("A damaged segment is not sealed")
    func damagedSegment() throws {
        let (disk, _, writer) = try prepared()
        let path = "/ledger/000000000121.lz4"
        var bytes = try #require(disk[path])
        bytes[bytes.count - 20] ^= 1
        disk[path] = bytes

        #expect(ledgerFailure { _ = try writer.seal(all: false) } == .damaged)
        #expect(disk[path] == bytes)
    }

    @Test("A segment is finished at 16 MB, and the writer says that sealing is worth while")
    func rotation() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk)
        let writer = try test.writer()
        for number in 1...9 { try writer.append([event(number, size: 4 << 20)]) }

        let sizes = disk.files.filter { $0.key.hasSuffix(".lz4") }.sorted { $0.key < $1.key }.map(
            \.value.count)
        #expect(sizes.count == 3)
        #expect(sizes.dropLast().allSatisfy { $0 >= 16 << 20 && $0 < 21 << 20 })
        #expect(writer.hasRotated)
        #expect(try test.ledger().verify().end.seq == 9)
        #expect(try writer.seal(all: false).segments == 2)
        #expect(try test.ledger().verify().end.seq == 9)
    }

    @Test("An event larger than a sealed frame, and than a batch, is read back whole")
    func largeEvents() throws {
        let test = try TestLedger().append([1, 1, 2], size: 1 << 20)
        try test.append([3], size: 5 << 20)
        let before = try read(test.ledger())

        _ = try test.writer().seal(all: true)

        #expect(try read(test.ledger()) == before)
        #expect(before.lines.count == 7 && before.end == chains(of: before.lines)[7])
    }
}
