import Foundation
import Ledger
import TestSupport
import Testing

@Suite("Holes, garbage and other histories")
struct DamageTests {
    private static let path = "/ledger/000000000001.lz4"

    /// A ledger of three commits of which the last is larger than some sectors.
    private func prepared() throws -> (
        disk: MemoryDisk, test: TestLedger, bytes: [UInt8], places: [Place]
    ) {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([2, 1])
        try test.append([2], size: 1500)
        let bytes = try #require(disk[Self.path])
        return (disk, test, bytes, Place.all(in: bytes))
    }

    /// What reader and writer say, when they say the same.
    private func verdict(_ test: TestLedger, _ disk: MemoryDisk) throws -> String {
        var notice: String?
        var message = ""
        do { notice = try read(test.ledger()).notice } catch let error as LedgerError {
            message = error.message
        }
        let before = disk.files
        let writing = ledgerFailure { _ = try test.writer().refresh() }
        let discarded = disk.files.keys.contains { $0.contains("quarantine") }
        if writing != nil {
            #expect(disk[Self.path] == before[Self.path], "a refused log is left alone")
        }
        #expect((writing == nil) == message.isEmpty, "reader and writer agree: \(message)")
        #expect(discarded == (notice != nil), "reader and writer agree on the tail")
        let text = notice ?? message
        return (0...6).map { "R\($0)" }.first { text.contains("(\($0))") } ?? text
    }

    @Test(
        "Lost sectors of the last commit are a torn tail",
        arguments: [
            ("the last sector", "R5"), ("a sector inside", "R5"), ("all from the header on", "R4"),
            ("all but the header", "R5"), ("the header", "R5"), ("the last 12 bytes", "R5"),
        ])
    func lostSectors(what: String, rule: String) throws {
        let (disk, test, bytes, places) = try prepared()
        let last = places[2]
        let sector = (last.offset / 512 + 2) * 512
        let range =
            switch what {
            case "the last sector": (last.end - 1) / 512 * 512..<last.end
            case "a sector inside": sector..<sector + 512
            case "all from the header on": last.offset..<last.end
            case "all but the header": last.offset + 96..<last.end
            case "the header": last.offset..<last.offset + 96
            default: last.end - 12..<last.end
            }
        var torn = bytes
        torn.replaceSubrange(range, with: repeatElement(0, count: range.count))
        disk[Self.path] = torn

        #expect(try verdict(test, disk) == rule)
        #expect(try test.ledger().verify().end.seq == 4)

        // The same hole in something that HEAD knows is no torn tail.
        let whole = MemoryDisk(disk.files.filter { !$0.key.contains("quarantine") })
        whole[Self.path] = bytes
        let end = try read(Ledger("/ledger", disk: whole)).end
        whole[Self.path] = torn
        whole["/ledger/HEAD"] = head(end)
        #expect(try verdict(TestLedger(on: whole), whole) == "R2")
    }

    @Test("A commit with zeros where none were lost is not torn: the negative control of R5")
    func shortRuns() throws {
        let (disk, test, bytes, places) = try prepared()
        var altered = bytes
        let middle = places[2].offset + 96 + 700
        altered.replaceSubrange(middle..<middle + 31, with: repeatElement(0, count: 31))
        disk[Self.path] = altered

        #expect(try verdict(test, disk) == "R6")
    }

    @Test(
        "Anything else behind the log is damage",
        arguments: [
            ("one byte", [UInt8(ascii: "x")], "R6"),
            ("some text", Array("this is no commit".utf8), "R6"),
            ("much text", [UInt8](repeating: 0x41, count: 5000), "R6"),
            ("zeros", [UInt8](repeating: 0, count: 20), "R3"),
            ("many zeros", [UInt8](repeating: 0, count: 4096), "R4"),
            ("the beginning of a header", [0x5E, 0x2A, 0x4D, 0x18], "R3"),
        ])
    func garbageTail(what: String, tail: [UInt8], rule: String) throws {
        let (disk, test, bytes, _) = try prepared()
        disk[Self.path] = bytes + tail

        #expect(try verdict(test, disk) == rule)
    }

    @Test("A commit that comes twice is damage")
    func commitTwice() throws {
        let (disk, test, bytes, places) = try prepared()
        disk[Self.path] = bytes + bytes[places[2].offset...]

        #expect(try verdict(test, disk) == "R6")
    }

    @Test(
        "A whole commit behind a broken one means damage, with or without HEAD", arguments: [0, 1])
    func wholeBehindBroken(index: Int) throws {
        let (disk, test, bytes, places) = try prepared()
        for (offset, zeros) in [(places[index].offset + 20, 1), (places[index].offset + 100, 40)] {
            var altered = bytes
            altered.replaceSubrange(
                offset..<offset + zeros, with: repeatElement(0x7F, count: zeros))
            disk[Self.path] = altered
            #expect(try verdict(test, disk) == "R1")
            altered.replaceSubrange(offset..<offset + zeros, with: repeatElement(0, count: zeros))
            if altered == bytes { continue }
            disk[Self.path] = altered
            #expect(try verdict(test, disk) == "R1", "zeros are no excuse here")
        }
    }

    @Test("The refusal names the segment, the place, the events and the repair")
    func refusalIsHelpful() throws {
        let (disk, test, bytes, places) = try prepared()
        var altered = bytes
        altered[places[1].offset + 100] ^= 1
        disk[Self.path] = altered

        do {
            _ = try read(test.ledger())
            Issue.record("damage was read")
        } catch let error as LedgerError {
            #expect(error.message.contains("000000000001.lz4 at byte \(places[1].offset)"))
            #expect(error.message.contains("1 to 2 are sound"))
            #expect(error.remedy.contains("narada-cmd repair --discard-from 3"))
        }
    }

    @Test("HEAD or a read model ahead of a whole log refuses", arguments: [true, false])
    func headAhead(isHead: Bool) throws {
        let (disk, test, bytes, places) = try prepared()
        let end = try read(test.ledger()).end
        disk[Self.path] = Array(bytes[..<places[1].end])
        if isHead { disk["/ledger/HEAD"] = head(end) }
        let witnesses = isHead ? [] : [witness(end)]

        #expect(ledgerFailure { _ = try read(test.ledger(), witnesses: witnesses) } == .dataLost)
        #expect(ledgerFailure { _ = try test.writer(witnesses: witnesses).refresh() } == .dataLost)
        #expect(ledgerFailure { _ = try test.ledger().verify(witnesses: witnesses) } == .dataLost)
        if !isHead { #expect(ledgerFailure { _ = try read(test.ledger()) } == nil) }
    }

    @Test("Another history under the same name is known by its chain", arguments: [2, 3, 5])
    func otherHistory(known: Int) throws {
        let (disk, test, _, _) = try prepared()
        let other = MemoryDisk()
        let there = try TestLedger(on: other).append([2, 1, 2], at: TestLedger.now + 1)
        let foreign = chains(of: try read(there.ledger()).lines)
        disk["/ledger/HEAD"] = head(foreign[known])

        #expect(ledgerFailure { _ = try read(test.ledger()) } == .otherHistory)
        #expect(ledgerFailure { _ = try test.writer().refresh() } == .otherHistory)
        disk["/ledger/HEAD"] = nil
        #expect(
            ledgerFailure { _ = try read(test.ledger(), witnesses: [witness(foreign[known])]) }
                == .otherHistory)
        #expect(
            ledgerFailure { _ = try read(test.ledger(), start: foreign[known]) } == .otherHistory)
        #expect(
            ledgerFailure { _ = try test.writer(witnesses: [witness(foreign[known])]).refresh() }
                == .otherHistory)
    }

    @Test("A witness inside a commit is compared by verify")
    func otherHistoryInside() throws {
        let (disk, test, _, _) = try prepared()
        let chains = chains(of: try read(test.ledger()).lines)

        disk["/ledger/HEAD"] = head(chains[4])
        #expect(ledgerFailure { _ = try test.ledger().verify() } == nil)
        disk["/ledger/HEAD"] = head(Checkpoint(seq: 4, chain: chains[3].chain))
        #expect(ledgerFailure { _ = try test.ledger().verify() } == .otherHistory)
    }

    /// Three segments of three events each and an empty fourth, with HEAD at the end.
    private func segmented() throws -> (disk: MemoryDisk, test: TestLedger) {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk)
        for _ in 0..<3 {
            try test.append([2, 1], close: true)
            try test.beginSegment()
        }
        return (disk, test)
    }

    @Test("A segment taken away is missed", arguments: [1, 4, 7])
    func removedSegment(first: Int) throws {
        let (disk, test) = try segmented()
        disk["/ledger/00000000000\(first).lz4"] = nil
        if first == 7 { disk["/ledger/000000000010.lz4"] = nil }

        #expect(ledgerFailure { _ = try read(test.ledger()) } == .dataLost)
        #expect(ledgerFailure { _ = try test.ledger().verify() } == .dataLost)
        #expect(ledgerFailure { _ = try test.writer().refresh() } == .dataLost)
    }

    @Test("All segments taken away are missed")
    func allSegmentsRemoved() throws {
        let (disk, test) = try segmented()
        for path in disk.files.keys where path.hasSuffix(".lz4") { disk[path] = nil }

        #expect(ledgerFailure { _ = try read(test.ledger()) } == .dataLost)
        #expect(ledgerFailure { _ = try test.writer().refresh() } == .dataLost)
    }

    @Test(
        "A fault in an earlier segment always refuses, torn or not",
        arguments: [
            "cut", "zeros", "flip in a header", "flip in a frame", "emptied",
            "another segment in its place",
        ])
    func earlierSegment(kind: String) throws {
        let (disk, test) = try segmented()
        for first in [1, 4] {
            let path = "/ledger/00000000000\(first).lz4"
            let bytes = try #require(disk[path])
            let places = Place.all(in: bytes)
            var altered = bytes
            switch kind {
            case "cut": altered.removeLast(3)
            case "zeros":
                altered.replaceSubrange(
                    places[1].offset...,
                    with: repeatElement(0, count: bytes.count - places[1].offset))
            case "flip in a header": altered[places[0].offset + 60] ^= 1
            case "flip in a frame": altered[places[0].offset + 150] ^= 1
            case "emptied": altered = []
            default: altered = try #require(disk["/ledger/000000000007.lz4"])
            }
            disk[path] = altered
            defer { disk[path] = bytes }

            #expect(
                ledgerFailure { _ = try read(test.ledger()) } == .damaged,
                "reading, segment \(first)")
            #expect(
                ledgerFailure { _ = try test.ledger().verify() } == .damaged,
                "verify, segment \(first)")
            // A writer looks at the headers only of segments that are finished.
            if kind != "flip in a frame" {
                #expect(
                    ledgerFailure { _ = try test.writer().refresh() } == .damaged,
                    "writing, segment \(first)")
            }
            #expect(disk[path] == altered)
        }
    }

    @Test("Segments whose commits follow each other but not in the file's name are refused")
    func overlap() throws {
        let (disk, test) = try segmented()
        disk["/ledger/000000000005.lz4"] = disk["/ledger/000000000004.lz4"]

        #expect(ledgerFailure { _ = try read(test.ledger()) } != nil)
        #expect(ledgerFailure { _ = try test.writer().refresh() } != nil)
    }

    @Test("HEAD that cannot be read is damage, not absence")
    func unreadableHead() throws {
        let (disk, test, _, _) = try prepared()
        for text in [
            "", "{", "{\"seq\":2}", "{\"seq\":-1,\"chain\":\"\(SHA256.digest([]))\"}",
            "{\"seq\":1,\"chain\":\"xy\"}",
        ] {
            disk["/ledger/HEAD"] = Array(text.utf8)
            #expect(ledgerFailure { _ = try read(test.ledger()) } == .damaged, "\(text)")
            #expect(ledgerFailure { _ = try test.writer().refresh() } == .damaged, "\(text)")
        }
    }

    @Test("Arbitrary bytes as a segment are refused and never crash")
    func arbitrarySegments() throws {
        let (source, sound, bytes, places) = try prepared()
        let written = try read(sound.ledger()).lines
        for seed in 0..<3000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            var altered = bytes
            for _ in 0...Int.random(in: 0...6, using: &generator) {
                let from = Int.random(in: firstCommit..<altered.count, using: &generator)
                let to = min(altered.count, from + Int.random(in: 1...60, using: &generator))
                altered.replaceSubrange(
                    from..<to,
                    with: (from..<to).map { _ in UInt8.random(in: 1...255, using: &generator) })
            }
            // Half of them get their headers' sums put right, so that the fields are looked at.
            if seed % 2 == 0 {
                for place in places {
                    let sum = SHA256.digest(Array(altered[place.offset..<place.offset + 88])).bytes
                        .prefix(8)
                    altered.replaceSubrange(place.offset + 88..<place.offset + 96, with: sum)
                }
            }
            if altered == bytes { continue }
            let disk = MemoryDisk(source.files)
            disk[Self.path] = altered
            let test = try TestLedger(on: disk)
            var lines: [String] = []
            let code = ledgerFailure { lines = try read(test.ledger()).lines }
            // Garbage is R6, or R1 before whole commits; a forged length may look torn, a forged time sound.
            #expect(code != nil || (seed % 2 == 0 && written.starts(with: lines)), "seed \(seed)")
        }
    }
}
