import Ledger
import TestSupport
import Testing

@Suite("A flipped bit")
struct BitFlipTests {
    /// The files of a small closed ledger of two segments, the first of them sealed or not.
    private func files(sealed: Bool) throws -> [String: [UInt8]] {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([1, 2])
        if sealed { _ = try test.writer().seal(all: true) } else { try test.beginSegment() }
        try test.append([1, 1], close: true)
        return disk.files
    }

    /// Which flips of a file a check lets pass.
    private func accepted(
        _ files: [String: [UInt8]], _ path: String, by check: (MemoryDisk) throws -> Void
    ) throws -> [String] {
        var passed: [String] = []
        var bytes = try #require(files[path])
        for index in bytes.indices {
            for bit in 0..<8 as Range<UInt8> {
                bytes[index] ^= 1 << bit
                var altered = files
                altered[path] = bytes
                bytes[index] ^= 1 << bit
                if ledgerFailure({ try check(MemoryDisk(altered)) }) == nil {
                    passed.append("\(path) \(index).\(bit)")
                }
            }
        }
        return passed
    }

    @Test("No flip in the active segment, FORMAT or HEAD is written behind")
    func noFlipIsWrittenBehind() throws {
        let files = try files(sealed: false)
        for path in ["/ledger/000000000004.lz4", "/ledger/FORMAT"] {
            let passed = try accepted(files, path) { disk in
                _ = try LedgerWriter(
                    Ledger("/ledger", disk: disk), run: "x", clock: Clock(fixedAt: 0)
                ).refresh()
            }
            #expect(passed == [])
        }
    }

    @Test("With forged sums a frame still gives the lines that were written, or nothing")
    func forgedSums() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([2])
        let reading = try read(test.ledger())
        let path = "/ledger/000000000001.lz4"
        var bytes = try #require(disk[path])
        let frame = firstCommit + 96

        for index in frame..<bytes.count {
            for bit in 0..<8 as Range<UInt8> {
                bytes[index] ^= 1 << bit
                var forged = bytes
                bytes[index] ^= 1 << bit
                let sum = SHA256.digest(Array(forged[frame...])).bytes.prefix(8)
                forged.replaceSubrange(firstCommit + 36..<firstCommit + 44, with: sum)
                let headSum = SHA256.digest(Array(forged[firstCommit..<firstCommit + 88])).bytes
                    .prefix(8)
                forged.replaceSubrange(firstCommit + 88..<frame, with: headSum)
                disk[path] = forged
                let again = try? read(test.ledger())
                #expect(again == nil || again == reading, "byte \(index), bit \(bit)")
            }
        }
    }
}
