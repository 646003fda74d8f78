import Foundation
import Ledger
import TestSupport
import Testing

@Suite("The invariants")
struct InvariantTests {
    @Test("I1: seqs have no gaps, and segments follow by name, seq and chain")
    func gapless() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk)
        for commits in [[2, 1], [3], [1, 1]] {
            try test.append(commits)
            try test.beginSegment()
        }

        #expect(try gapBetweenSegments(disk.files) == nil)
        // Negative control: the same look at a ledger without its middle segment, and at a renamed one.
        var files = disk.files
        files["/ledger/000000000004.lz4"] = nil
        #expect(try gapBetweenSegments(files) != nil)
        files = disk.files
        files["/ledger/000000000005.lz4"] = files.removeValue(forKey: "/ledger/000000000004.lz4")
        #expect(try gapBetweenSegments(files) != nil)
    }

    /// What breaks I1 in these files, looked up in their headers alone.
    private func gapBetweenSegments(_ files: [String: [UInt8]]) throws -> String? {
        var seq: Seq = 0
        var chain = SHA256.digest(Array(TestLedger.format.utf8)).bytes
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) where path.hasSuffix(".lz4") {
            let name = try #require(Seq(path.split(separator: "/")[1].dropLast(4)))
            guard name == seq + 1, number(bytes, 31, 8) == UInt64(name) else {
                return "seq of \(path)"
            }
            guard Array(bytes[67..<99]) == chain else { return "chain of \(path)" }
            for place in Place.all(in: bytes) {
                guard place.first == seq + 1 else { return "seq at \(place.offset) of \(path)" }
                seq = place.last
                chain = place.chain
            }
        }
        return nil
    }

    /// Runs appends on a disk that keeps record, and notes each acknowledgement in it.
    private func recordedRun(_ fault: @escaping (DiskCall) -> DiskFault? = { _ in nil }) throws
        -> [DiskCall]
    {
        let disk = FaultDisk(MemoryDisk())
        let test = try TestLedger(on: disk)
        let writer = try test.writer()
        _ = try writer.refresh()
        disk.plan(fault)
        for number in 1...4 {
            try writer.append([event(2 * number - 1), event(2 * number)])
            disk.note("acknowledged")
        }
        try writer.close()
        disk.note("acknowledged")
        disk.plan { _ in nil }
        try test.beginSegment()
        disk.note("acknowledged")
        return disk.calls
    }

    /// What breaks I2 or I3 in a record of calls.
    private func breach(in calls: [DiskCall]) -> String? {
        var dirty: Set<String> = []
        var renamed = false
        for call in calls {
            switch call {
            case .write(let name, _, _) where name.contains(".lz4") || name.contains("HEAD"):
                if !dirty.insert(name).inserted {
                    return "I2: \(name) is written before its last sync"
                }
            case .sync(let name): dirty.remove(name)
            case .rename(let name, _):
                if dirty.contains(name) { return "\(name) is renamed before it is durable" }
                renamed = true
            case .syncDirectory: renamed = false
            case .note:
                if let name = dirty.first { return "I3: acknowledged before the sync of \(name)" }
                if renamed { return "I3: acknowledged before the sync of a directory" }
            default: break
            }
        }
        return nil
    }

    @Test(
        "I2, I3: a commit starts when the one before is durable and is acknowledged when it is itself"
    )
    func durableFirst() throws {
        let calls = try recordedRun()

        #expect(breach(in: calls) == nil)
        // One for each commit, and one when each of two writers takes the file as it found it.
        #expect(calls.filter { $0 == .sync("000000000001.lz4") }.count == 4 + 2)
        #expect(calls.filter { $0 == .syncDirectory }.count >= 4)
    }

    @Test(
        "I2, I3: a disk that lies about syncs is caught",
        arguments: [
            "sync of the segment does nothing", "the write comes after its sync",
            "sync of the directory does nothing",
        ])
    func brokenDisk(kind: String) throws {
        let calls = try recordedRun { call in
            switch (kind.first, call) {
            case ("s", .sync("000000000001.lz4")) where kind.contains("segment"): .lies
            case ("s", .syncDirectory) where kind.contains("directory"): .lies
            case ("t", .write("000000000001.lz4", _, _)): .comesLate
            default: nil
            }
        }

        #expect(breach(in: calls)?.hasPrefix("I") == true, "\(kind)")
    }

    @Test("I2: a commit of several events is all or nothing at every cut")
    func allOrNothing() throws {
        let disk = MemoryDisk()
        try TestLedger(on: disk).append([1, 5])
        let path = "/ledger/000000000001.lz4"
        let bytes = try #require(disk[path])
        let last = try #require(Place.all(in: bytes).last)

        for cut in last.offset...last.end {
            let broken = MemoryDisk(disk.files.merging([path: Array(bytes.prefix(cut))]) { $1 })
            let lines = try read(Ledger("/ledger", disk: broken)).lines
            #expect(lines.count == (cut == last.end ? 6 : 1), "cut at \(cut)")
        }
    }

    @Test("I4: acknowledged bytes never change in place")
    func appendOnly() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk)
        var before: [String: [UInt8]] = [:]

        for commits in [[1], [3, 1], [2]] {
            try test.append(commits, close: true)
            try test.beginSegment()
            let now = disk.files.filter { $0.key.hasSuffix(".lz4") }
            for (path, bytes) in before {
                #expect(now[path]?.starts(with: bytes) == true, "\(path)")
            }
            before = now
        }
    }

    @Test("I4: a sealed form that does not read back equal replaces nothing")
    func sealingReadsBack() throws {
        let memory = MemoryDisk()
        try TestLedger(on: memory).append([2, 2])
        let before = try #require(memory["/ledger/000000000001.lz4"])
        // The sealed form is torn on its way to the disk, which says that all is well.
        let disk = FaultDisk(memory) { call in
            if case .write("000000000001.lz4.tmp", _, _) = call { .lies } else { nil }
        }
        let writer = try TestLedger(on: disk).writer()

        #expect(ledgerFailure { _ = try writer.seal(all: true) } == .damaged)
        #expect(memory["/ledger/000000000001.lz4"] == before)
        #expect(try read(Ledger("/ledger", disk: memory)).lines.count == 4)
    }

    @Test("I6: recovery deletes nothing, and twice is once")
    func recoveryIsIdempotent() throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory).append([2, 2])
        let path = "/ledger/000000000001.lz4"
        let torn = Array(try #require(memory[path]).dropLast(5))
        memory[path] = torn
        let kept = Place.all(in: torn)[0].end

        try test.append([1])
        let once = memory.files
        _ = try test.writer().refresh()

        #expect(memory.files == once)
        let quarantined = once.filter { $0.key.contains("quarantine") }
        #expect(quarantined.map(\.value) == [Array(torn[kept...])])
    }

    @Test("I6: the tail is safe in quarantine before it is cut away")
    func quarantineFirst() throws {
        let memory = MemoryDisk()
        try TestLedger(on: memory).append([2, 2])
        let path = "/ledger/000000000001.lz4"
        memory[path] = try #require(memory[path]).dropLast(5)
        let disk = FaultDisk(memory)

        _ = try TestLedger(on: disk).writer().refresh()

        let calls = disk.calls
        let cut = try #require(
            calls.firstIndex {
                if case .truncate("000000000001.lz4", _) = $0 { true } else { false }
            })
        let kept = try #require(
            calls.firstIndex {
                if case .rename(_, to: let name) = $0 {
                    name.hasPrefix("000000000001.lz4-")
                } else {
                    false
                }
            })
        #expect(
            calls[..<kept].contains {
                if case .sync(let name) = $0 { name.hasPrefix("000000000001.lz4-") } else { false }
            })
        #expect(
            calls[kept..<cut].filter { $0 == .syncDirectory }.count == 2,
            "quarantine's and the ledger's own")
    }

    @Test("I7: the segments alone give everything back")
    func segmentsSuffice() throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory).append([2, 2], close: true)
        let before = try read(test.ledger())
        let files = memory.files.filter { $0.key.hasSuffix(".lz4") || $0.key.hasSuffix("FORMAT") }
        let bare = try TestLedger(on: MemoryDisk(files))

        #expect(try read(bare.ledger()) == before)
        #expect(try bare.ledger().verify().end == before.end)
        try bare.append([1], close: true)
        #expect(try bare.ledger().head()?.checkpoint.seq == 5)
    }
}

@Suite("A disk that refuses")
struct RefusingDiskTests {
    private static let segment = "000000000001.lz4"

    /// A ledger of two events in memory, on a disk that can be told to fail.
    private func prepared() throws -> (
        memory: MemoryDisk, disk: FaultDisk, test: TestLedger, writer: LedgerWriter
    ) {
        let memory = MemoryDisk()
        let disk = FaultDisk(memory)
        let test = try TestLedger(on: disk)
        let writer = try test.writer()
        try writer.append([event(1), event(2)])
        return (memory, disk, test, writer)
    }

    @Test(
        "A write that fails leaves the log whole, and a later one works",
        arguments: [ENOSPC, EDQUOT, EFBIG])
    func fullDisk(code: Int32) throws {
        for written in [0, 1, 50, 96, 150] {
            let (memory, disk, test, writer) = try prepared()
            let before = try #require(memory["/ledger/\(Self.segment)"])
            disk.plan { call in
                if case .write(Self.segment, _, _) = call {
                    .stops(code, after: written)
                } else {
                    nil
                }
            }

            do {
                try writer.append([event(3)])
                Issue.record("a full disk took an event")
            } catch {
                #expect(error.code == .io && error.errno == code)
            }
            #expect(memory["/ledger/\(Self.segment)"] == before, "\(written) bytes written")
            #expect(disk.calls.last == .sync(Self.segment))

            disk.plan { _ in nil }
            #expect(try writer.append([event(3)]) == 3...3)
            #expect(try test.ledger().verify().end.seq == 3)
        }
    }

    @Test("After a failed sync nothing more is appended and that file is never synced again")
    func failedSync() throws {
        let (memory, disk, test, writer) = try prepared()
        disk.plan { if $0 == .sync(Self.segment) { .fails(EIO) } else { nil } }
        let before = disk.calls.count

        #expect(ledgerFailure { try writer.append([event(3)]) } == .io)
        #expect(ledgerFailure { try writer.append([event(3)]) } == .io)
        #expect(ledgerFailure { _ = try writer.refresh() } == .io)
        try writer.close()

        let calls = disk.calls[before...]
        #expect(calls.filter { $0 == .sync(Self.segment) }.count == 1)
        #expect(memory["/ledger/SUSPECT"] != nil)
        #expect(memory["/ledger/HEAD"] == nil)

        disk.plan { if $0 == .sync(Self.segment) { .fails(EIO) } else { nil } }
        let next = try test.writer()
        let range = try next.append([event(9)])
        #expect(memory["/ledger/SUSPECT"] == nil)
        #expect(
            memory["/ledger/00000000000\(range.lowerBound).lz4"] != nil,
            "it goes on in a new segment")
        #expect(try test.ledger().verify().end.seq == range.upperBound)
    }

    @Test(
        "What a failed sync left is cut to the last commit that verifies",
        arguments: [
            "all of it", "half of it", "none of it", "zeros", "other bytes",
            "other bytes in an old place",
        ])
    func afterFailedSync(left: String) throws {
        let (memory, disk, test, writer) = try prepared()
        let path = "/ledger/\(Self.segment)"
        let whole = try #require(memory[path])
        disk.plan { if $0 == .sync(Self.segment) { .fails(EIO) } else { nil } }
        #expect(ledgerFailure { try writer.append([event(3), event(4)]) } == .io)
        disk.plan { _ in nil }
        let written = try #require(memory[path])
        let tail = Array(written[whole.count...])
        memory[path] =
            switch left {
            case "all of it": written
            case "half of it": whole + tail.prefix(tail.count / 2)
            case "none of it": whole
            case "zeros": whole + [UInt8](repeating: 0, count: tail.count)
            default: whole + tail.map { $0 ^ 0x55 }
            }

        try test.append([1])

        let lines = try read(test.ledger()).lines
        let kept = left == "all of it" ? 4 : 2
        let discarded = left == "all of it" || left == "none of it" ? 0 : 1
        #expect(
            types(lines) == Array(repeating: "test.noted", count: kept)
                + Array(repeating: "ledger.tail_discarded", count: discarded) + ["test.noted"])
        #expect(try #require(memory[path]).count == (kept == 4 ? written.count : whole.count))
        #expect(memory.files.keys.contains { $0.contains("quarantine") } == (discarded == 1))
        #expect(try test.ledger().verify().end.seq == Seq(lines.count))
    }

    @Test("After a failed sync the cache of the active segment is dropped before it is read")
    func cacheIsDropped() throws {
        let (_, disk, test, _) = try prepared()
        try test.beginSegment()
        let writer = try test.writer()
        try writer.append([event(3)])
        let active = "000000000003.lz4"
        disk.plan { if $0 == .sync(active) { .fails(EIO) } else { nil } }
        #expect(ledgerFailure { try writer.append([event(4)]) } == .io)
        disk.plan { _ in nil }
        let before = disk.calls.count

        _ = try test.writer().refresh()

        let calls = disk.calls[before...]
        let dropped = try #require(calls.firstIndex(of: .dropCache(active)))
        let firstRead = try #require(calls.firstIndex(of: .read(active)))
        #expect(dropped < firstRead)
    }

    @Test("A sync that fails while a failed write is taken back counts as a failed sync")
    func failedSyncAfterFailedWrite() throws {
        let (memory, disk, test, writer) = try prepared()
        disk.plan { call in
            switch call {
            case .write(Self.segment, _, _): .stops(ENOSPC, after: 10)
            case .sync(Self.segment): .fails(EIO)
            default: nil
            }
        }

        #expect(ledgerFailure { try writer.append([event(3)]) } == .io)
        disk.plan { _ in nil }

        #expect(ledgerFailure { try writer.append([event(3)]) } == .io)
        #expect(memory["/ledger/SUSPECT"] != nil)
        #expect(try test.writer().append([event(3)]) == 3...3)
        #expect(memory["/ledger/000000000003.lz4"] != nil)
    }

    @Test("An append that is durable is acknowledged, whatever fails behind it")
    func upkeepFails() throws {
        let (memory, disk, test, writer) = try prepared()
        disk.plan { call in
            switch call {
            case .write(let name, _, _) where name.hasSuffix(".tmp"): .fails(ENOSPC)
            default: nil
            }
        }
        var acknowledged: Seq = 2
        // 16 MB make a segment full, 256 commits make HEAD due: both fail on this disk.
        for _ in 0..<6 {
            if let range = try? writer.append([event(7, size: 5 << 20)]) {
                acknowledged = range.upperBound
            }
            #expect(
                try read(Ledger("/ledger", disk: memory), chained: false).lines.count
                    == Int(acknowledged))
        }
        #expect(
            acknowledged == 6, "with 16 MB in the segment and no room for another, no more is taken"
        )
        disk.plan { _ in nil }
        try writer.append([event(8)])
        #expect(try test.ledger().verify().end.seq == acknowledged + 1)
    }

    @Test("The directory's sync failing behind a new segment's rename harms nothing")
    func rotationHalfDone() throws {
        let (memory, disk, test, writer) = try prepared()
        for _ in 0..<4 { try writer.append([event(7, size: 4_300_000)]) }
        disk.plan { if $0 == .syncDirectory { .fails(EIO) } else { nil } }
        _ = try? writer.append([event(8)])
        disk.plan { _ in nil }

        try writer.append([event(9)])
        let end = try test.ledger().verify().end.seq

        #expect(try read(Ledger("/ledger", disk: memory), chained: false).lines.count == Int(end))
        #expect(end >= 7)
    }

    @Test("Every call failing once in turn loses nothing that was acknowledged")
    func everyCallFails() throws {
        for failing in 0..<120 {
            let memory = MemoryDisk()
            let disk = FaultDisk(memory)
            let test = try TestLedger(on: disk)
            var count = 0
            disk.plan { call in
                if case .read = call { return nil }
                if case .dropCache = call { return nil }
                count += 1
                return count - 1 == failing ? .fails(EIO) : nil
            }
            var acknowledged: [Seq] = []
            for round in 0..<3 {
                guard let writer = try? test.writer() else { continue }
                for number in 0..<2 {
                    if let range = try? writer.append([event(round * 2 + number)]) {
                        acknowledged += Array(range)
                    }
                }
                try? writer.close()
                if round == 1 { _ = try? test.writer().seal(all: true) }
            }
            let result = try Ledger("/ledger", disk: memory).verify()
            #expect(result.end.seq >= acknowledged.max() ?? 0, "call \(failing)")
            #expect(Set(acknowledged).count == acknowledged.count, "call \(failing)")
            #expect(acknowledged.count >= 4, "call \(failing)")
        }
    }
}
