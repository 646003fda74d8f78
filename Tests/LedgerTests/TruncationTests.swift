import Foundation
import Ledger
import TestSupport
import Testing

@Suite("A segment cut at every byte")
struct TruncationTests {
    private static let path = "/ledger/000000000001.lz4"

    /// What the format's table says about a cut.
    private enum Expectation: Equatable {
        case refused(LedgerError.Code)
        case whole(Seq)
        case torn(Seq, at: Int)
    }

    /// Told from the commits' places alone: what the ledger is worth when it ends at `cut` and somebody
    /// remembers `known` events.
    private func expectation(_ cut: Int, _ places: [Place], known: Seq) -> Expectation {
        if cut < firstCommit { return .refused(.damaged) }
        let kept = places.last { $0.end <= cut }
        let end = kept?.end ?? firstCommit
        let seq = kept?.last ?? 0
        if known > seq { return .refused(.dataLost) }  // R0 and R2
        return cut == end ? .whole(seq) : .torn(seq, at: end)  // R3
    }

    @Test(
        "The longest whole prefix is kept, or the loss is told",
        arguments: [
            ([1, 2, 1], 20), ([3, 1, 1, 2, 1, 1], 0), ([1, 1, 1], 700),
        ])
    func everyCut(commits: [Int], size: Int) throws {
        let source = MemoryDisk()
        let test = try TestLedger(on: source).append(commits, size: size)
        let lines = try read(test.ledger()).lines
        let chains = chains(of: lines)
        let bytes = try #require(source[Self.path])
        let places = Place.all(in: bytes)
        var torn = 0

        for cut in 0...bytes.count {
            for known in 0...lines.count {
                for isHead in known == 0 ? [true] : [true, false] {
                    var files = source.files
                    files[Self.path] = Array(bytes.prefix(cut))
                    if known > 0, isHead { files["/ledger/HEAD"] = head(chains[known]) }
                    let witnesses = known > 0 && !isHead ? [witness(chains[known])] : []
                    let expected = expectation(cut, places, known: Seq(known))
                    let comment: Comment = "cut \(cut), known \(known), HEAD \(isHead)"

                    try expectReading(files, expected, lines, witnesses, comment)
                    try expectWriting(files, expected, bytes, lines, witnesses, comment)
                    if case .torn = expected { torn += 1 }
                }
            }
        }
        #expect(torn > 500)
    }

    private func expectReading(
        _ files: [String: [UInt8]], _ expected: Expectation, _ lines: [String],
        _ witnesses: [Witness],
        _ comment: Comment
    ) throws {
        let ledger = try Ledger("/ledger", disk: MemoryDisk(files))
        var reading: Reading?
        let code = failure { reading = try read(ledger, witnesses: witnesses) }
        switch expected {
        case .refused(let refusal): #expect(code == refusal, comment)
        case .whole(let seq):
            #expect(reading?.lines == Array(lines.prefix(Int(seq))), comment)
            #expect(reading?.notice == nil, comment)
        case .torn(let seq, _):
            #expect(reading?.lines == Array(lines.prefix(Int(seq))), comment)
            #expect(reading?.notice?.contains("R3") == true, comment)
        }
    }

    private func expectWriting(
        _ files: [String: [UInt8]], _ expected: Expectation, _ bytes: [UInt8], _ lines: [String],
        _ witnesses: [Witness], _ comment: Comment
    ) throws {
        let disk = MemoryDisk(files)
        let test = try TestLedger(on: disk)
        let writer = try test.writer(witnesses: witnesses)
        let code = failure { _ = try writer.refresh() }
        switch expected {
        case .refused(let refusal):
            #expect(code == refusal, comment)
            #expect(disk[Self.path] == files[Self.path], comment)
        case .whole:
            #expect(code == nil && disk[Self.path] == files[Self.path], comment)
            #expect(writer.notices.isEmpty, comment)
        case .torn(let seq, let end):
            let now = disk.files
            let tail = Array((files[Self.path] ?? [])[end...])
            let found = try read(test.ledger()).lines
            #expect(found.dropLast() == lines.prefix(Int(seq)), comment)
            #expect(types(found).last == "ledger.tail_discarded", comment)
            #expect(
                found.last?.contains(
                    "\"length\":\(tail.count),\"sha256\":\"\(SHA256.digest(tail))\"") == true)
            #expect(now.filter { $0.key.contains("quarantine") }.map(\.value) == [tail], comment)
            #expect(disk[Self.path]?.starts(with: bytes[..<end]) == true, comment)
            #expect(writer.notices.count == 1, comment)
            // Recovering twice is recovering once.
            _ = try test.writer(witnesses: witnesses).refresh()
            #expect(disk.files == now, comment)
        }
    }

    @Test("A writer that cuts without a look at HEAD is caught by the same expectation")
    func negativeControl() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([1, 1], close: true)
        let bytes = try #require(disk[Self.path])
        let places = Place.all(in: bytes)
        // The broken recovery: it takes HEAD away and keeps what verifies.
        disk[Self.path] = bytes.dropLast(3)
        disk["/ledger/HEAD"] = nil
        var result = Expectation.refused(.damaged)
        if failure({ _ = try test.writer().refresh() }) == nil {
            result = .torn(1, at: places[0].end)
        }

        #expect(result != expectation(bytes.count - 3, places, known: 2))
    }

    @Test("A crash while the recovery itself runs is recovered from")
    func crashDuringRecovery() throws {
        let source = MemoryDisk()
        try TestLedger(on: source).append([2, 2])
        let bytes = try #require(source[Self.path])
        let places = Place.all(in: bytes)
        source[Self.path] = bytes.dropLast(7)
        let tail = Array(bytes.dropLast(7)[places[0].end...])

        for failing in 0..<50 {
            let memory = MemoryDisk(source.files)
            var count = 0
            let disk = FaultDisk(memory) { call in
                if case .read = call { return nil }
                count += 1
                return count > failing ? .fails(EIO) : nil
            }
            _ = try? TestLedger(on: disk).writer().refresh()

            let test = try TestLedger(on: memory)
            try test.append([1])

            #expect(try test.ledger().verify().end.seq >= 3, "call \(failing)")
            #expect(
                memory.files.contains { $0.key.contains("quarantine") && $0.value == tail },
                "call \(failing)")
        }
    }
}
