import Ledger
import TestSupport
import Testing

@Suite("Every single flipped bit")
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
                if failure({ try check(MemoryDisk(altered)) }) == nil {
                    passed.append("\(path) \(index).\(bit)")
                }
            }
        }
        return passed
    }

    @Test("No flip is read as sound", arguments: [true, false], [true, false])
    func noFlipIsAccepted(sealed: Bool, withHead: Bool) throws {
        var files = try files(sealed: sealed)
        if !withHead { files["/ledger/HEAD"] = nil }
        let paths = files.keys.filter {
            $0.hasSuffix(".lz4") || $0.hasSuffix("FORMAT") || $0.hasSuffix("HEAD")
        }
        #expect(paths.count == (withHead ? 4 : 3))

        for path in paths {
            let passed = try accepted(files, path) { disk in
                _ = try Ledger("/ledger", disk: disk).verify()
            }
            #expect(passed == [], "verify")
        }
    }

    @Test(
        "No flip shortens a reading in silence, with a writer alive, without LOCK, or without HEAD",
        arguments: [
            "a writer lives", "no LOCK", "no HEAD",
        ])
    func noFlipShortens(kind: String) throws {
        var files = try files(sealed: false)
        if kind == "no LOCK" { files["/ledger/LOCK"] = nil }
        if kind == "no HEAD" { files["/ledger/HEAD"] = nil }
        for path in files.keys where path.hasSuffix(".lz4") {
            let passed = try accepted(files, path) { disk in
                let lock =
                    kind == "a writer lives"
                    ? try disk.open("/ledger/LOCK", writing: true, creating: true) : nil
                _ = try lock?.lock(exclusive: true)
                _ = try read(Ledger("/ledger", disk: disk))
                lock?.unlock()
            }
            #expect(passed == [], "\(kind)")
        }
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

    @Test("A check that ignores sums lets flips pass")
    func negativeControl() throws {
        let files = try files(sealed: false)
        let passed = try accepted(files, "/ledger/000000000001.lz4") { disk in
            let bytes = disk["/ledger/000000000001.lz4"] ?? []
            var at = 111
            while at < bytes.count {
                guard at + 96 <= bytes.count, number(bytes, at, 4) == 0x184D_2A5E,
                    at + 96 + Int(number(bytes, at + 32, 4)) <= bytes.count
                else { throw LedgerError(.damaged, "", remedy: "") }
                at += 96 + Int(number(bytes, at + 32, 4))
            }
        }

        #expect(passed.count > 1000)
    }
}
